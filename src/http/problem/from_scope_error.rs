//! Converts errors of tenant selection into problems, with texts that depend on the tenancy mode.

use kernel::contracts::{ScopeError, TenancyMode, TenantSource};

use super::{
    Problem,
    types::{TENANT_HEADER_NOT_ALLOWED, TENANT_NOT_FOUND, TENANT_REQUIRED},
};

impl From<ScopeError> for Problem {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::Identity(error) => error.into(),
            ScopeError::TenantRequired(tenancy) => {
                Self::new(TENANT_REQUIRED, format!("{} GET /v1/me lists your tenants.", selection_hint(&tenancy)))
            }
            ScopeError::TenantHeaderNotAllowed(tenancy) => Self::new(
                TENANT_HEADER_NOT_ALLOWED,
                format!("Remove the header X-Tenant-Id; it is not used here. {}", selection_hint(&tenancy)),
            ),
            ScopeError::NotFound => Self::new(
                TENANT_NOT_FOUND,
                "The tenant does not exist or you are not a member. GET /v1/me lists your tenants.",
            ),
            ScopeError::NoPersonalTenant => Self::new(
                TENANT_NOT_FOUND,
                "You have no tenant yet, or it is archived. Create it with POST /v1/tenants or restore it with POST \
                 /v1/tenant/restore.",
            ),
            ScopeError::Db(error) => error.into(),
        }
    }
}

/// Returns a sentence on how a request selects its tenant.
fn selection_hint(tenancy: &TenancyMode) -> String {
    match tenancy {
        TenancyMode::Personal => "Requests act in your personal tenant.".into(),
        TenancyMode::Single(_) => "Requests act in the only tenant.".into(),
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
        for (sources, hint) in [
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
            let expected = format!("tenant-required: Name the tenant {hint} GET /v1/me lists your tenants.");
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn disallowed_header_error_suggests_source() {
        let subdomain = TenantSources::parse("subdomain", Some("example.com".parse().unwrap())).unwrap();
        for (tenancy, hint) in [
            (TenancyMode::Personal, "Requests act in your personal tenant."),
            (TenancyMode::Single("acme".parse().unwrap()), "Requests act in the only tenant."),
            (TenancyMode::Organization(subdomain), "Name the tenant in the host, by slug: <slug>.example.com."),
        ] {
            let problem = Problem::from(ScopeError::TenantHeaderNotAllowed(Arc::new(tenancy)));
            let expected = "tenant-header-not-allowed: Remove the header X-Tenant-Id; it is not used here.";
            assert_eq!(problem.to_string(), format!("{expected} {hint}"));
        }
    }
}
