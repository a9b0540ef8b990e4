//! Tenants that a request can't act in, in the words of the tenancy mode.

use actix_web::http::StatusCode;
use kernel::contracts::{ScopeError, Tenancy, TenantSource};

use super::{Kind, Problem};

const TENANT_REQUIRED: Kind = (StatusCode::BAD_REQUEST, "tenant-required", "Tenant required");
const TENANT_NOT_NAMED_HERE: Kind = (StatusCode::BAD_REQUEST, "tenant-not-named-here", "Tenant not named here");
const TENANT_NOT_FOUND: Kind = (StatusCode::NOT_FOUND, "tenant-not-found", "Tenant not found");

impl From<ScopeError> for Problem {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::Identity(error) => error.into(),
            ScopeError::NotNamed(tenancy) => {
                Self::new(TENANT_REQUIRED, format!("{} GET /v1/me lists yours.", how_to_name(&tenancy)))
            }
            ScopeError::NamedInVain(tenancy) => Self::new(
                TENANT_NOT_NAMED_HERE,
                format!("The header X-Tenant-Id isn't taken here: leave it out. {}", how_to_name(&tenancy)),
            ),
            ScopeError::NotFound => Self::new(
                TENANT_NOT_FOUND,
                "You aren't a member of such a tenant, or there is none. GET /v1/me lists yours.",
            ),
            ScopeError::NoneOfOnesOwn => Self::new(
                TENANT_NOT_FOUND,
                "You have no tenant yet, or it is archived. POST /v1/tenants makes yours, POST /v1/tenant/restore \
                 restores it.",
            ),
            ScopeError::Db(error) => error.into(),
        }
    }
}

/// A sentence: by which sources a tenant is named, or why by none.
fn how_to_name(tenancy: &Tenancy) -> String {
    match tenancy {
        Tenancy::Personal => "Each person acts in the one tenant of their own.".into(),
        Tenancy::Single(_) => "There is one tenant, and every request acts in it.".into(),
        Tenancy::Organization(_) => {
            let ways: Vec<String> = tenancy.sources().map(way).collect();
            format!("Name the tenant {}.", ways.join(", or "))
        }
    }
}

fn way(source: &TenantSource) -> String {
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
    fn an_unnamed_tenant_is_answered_with_the_ways_to_name_one() {
        for (sources, words) in [
            ("header", "in the header X-Tenant-Id, by slug or id."),
            ("claim", "in `tenant` of POST /v1/auth/login, by slug or id."),
            (
                "subdomain,header",
                "in the host, by slug: <slug>.example.com, or in the header X-Tenant-Id, by slug or id.",
            ),
        ] {
            let base = sources.contains("subdomain").then(|| "example.com".parse().unwrap());
            let tenancy = Tenancy::Organization(TenantSources::parse(sources, base).unwrap());
            let problem = Problem::from(ScopeError::NotNamed(Arc::new(tenancy)));
            let expected = format!("tenant-required: Name the tenant {words} GET /v1/me lists yours.");
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn a_header_that_is_not_taken_is_answered_with_what_to_do_instead() {
        let subdomain = TenantSources::parse("subdomain", Some("example.com".parse().unwrap())).unwrap();
        for (tenancy, words) in [
            (Tenancy::Personal, "Each person acts in the one tenant of their own."),
            (Tenancy::Single("acme".parse().unwrap()), "There is one tenant, and every request acts in it."),
            (Tenancy::Organization(subdomain), "Name the tenant in the host, by slug: <slug>.example.com."),
        ] {
            let problem = Problem::from(ScopeError::NamedInVain(Arc::new(tenancy)));
            let expected = "tenant-not-named-here: The header X-Tenant-Id isn't taken here: leave it out.";
            assert_eq!(problem.to_string(), format!("{expected} {words}"));
        }
    }
}
