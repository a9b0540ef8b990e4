//! Tenants that a request can't act in, in the words of the tenancy mode.

use actix_web::http::StatusCode;
use kernel::contracts::{ScopeError, TenancyMode, TenantSource};

use super::{ProblemType, Problem};

const TENANT_REQUIRED: ProblemType = (StatusCode::BAD_REQUEST, "tenant-required", "Tenant required");
const TENANT_HEADER_NOT_ALLOWED: ProblemType = (StatusCode::BAD_REQUEST, "tenant-header-not-allowed", "Tenant header not allowed");
const TENANT_NOT_FOUND: ProblemType = (StatusCode::NOT_FOUND, "tenant-not-found", "Tenant not found");

impl From<ScopeError> for Problem {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::Identity(error) => error.into(),
            ScopeError::TenantRequired(tenancy) => {
                Self::new(TENANT_REQUIRED, format!("{} GET /v1/me lists yours.", selection_hint(&tenancy)))
            }
            ScopeError::TenantHeaderNotAllowed(tenancy) => Self::new(
                TENANT_HEADER_NOT_ALLOWED,
                format!("The header X-Tenant-Id isn't taken here: leave it out. {}", selection_hint(&tenancy)),
            ),
            ScopeError::NotFound => Self::new(
                TENANT_NOT_FOUND,
                "You aren't a member of such a tenant, or there is none. GET /v1/me lists yours.",
            ),
            ScopeError::NoPersonalTenant => Self::new(
                TENANT_NOT_FOUND,
                "You have no tenant yet, or it is archived. POST /v1/tenants makes yours, POST /v1/tenant/restore \
                 restores it.",
            ),
            ScopeError::Db(error) => error.into(),
        }
    }
}

/// A sentence: by which sources a tenant is named, or why by none.
fn selection_hint(tenancy: &TenancyMode) -> String {
    match tenancy {
        TenancyMode::Personal => "Each person acts in the one tenant of their own.".into(),
        TenancyMode::Single(_) => "There is one tenant, and every request acts in it.".into(),
        TenancyMode::Organization(_) => {
            let sources: Vec<String> = tenancy.sources().map(describe_source).collect();
            format!("Name the tenant {}.", sources.join(", or "))
        }
    }
}

fn describe_source(source: &TenantSource) -> String {
    match source {
        TenantSource::Header => "in the header X-Tenant-Id, by slug or id".into(),
        TenantSource::Subdomain(base) => format!("in the host, by slug: <slug>.{base}"),
        TenantSource::Claim => "in `tenant` of POST /v1/auth/login, by slug or id".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::contracts::TenantSources;

    use super::*;

    #[test]
    fn tenant_required_error_lists_sources() {
        for (sources, words) in [
            ("header", "in the header X-Tenant-Id, by slug or id."),
            ("claim", "in `tenant` of POST /v1/auth/login, by slug or id."),
            (
                "subdomain,header",
                "in the host, by slug: <slug>.example.com, or in the header X-Tenant-Id, by slug or id.",
            ),
        ] {
            let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
            let tenancy = TenancyMode::Organization(TenantSources::parse(sources, base).unwrap());
            let problem = Problem::from(ScopeError::TenantRequired(Arc::new(tenancy)));
            let expected = format!("tenant-required: Name the tenant {words} GET /v1/me lists yours.");
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn disallowed_header_error_suggests_source() {
        let subdomain = TenantSources::parse("subdomain", Some("example.com".parse().unwrap())).unwrap();
        for (tenancy, words) in [
            (TenancyMode::Personal, "Each person acts in the one tenant of their own."),
            (TenancyMode::Single("acme".parse().unwrap()), "There is one tenant, and every request acts in it."),
            (TenancyMode::Organization(subdomain), "Name the tenant in the host, by slug: <slug>.example.com."),
        ] {
            let problem = Problem::from(ScopeError::TenantHeaderNotAllowed(Arc::new(tenancy)));
            let expected = "tenant-header-not-allowed: The header X-Tenant-Id isn't taken here: leave it out.";
            assert_eq!(problem.to_string(), format!("{expected} {words}"));
        }
    }
}
