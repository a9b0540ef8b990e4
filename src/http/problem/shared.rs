//! Converts errors that occur in several handler files, and errors of access types.

use actix_web::http::header::WWW_AUTHENTICATE;
use authorization_api::ChangeError;
use db::DbError;
use kernel::{DenyReason, IdentityError, PermissionDenied, PortError, RestoreError, ScopeError};

use super::{
    Problem,
    types::{
        LAST_ADMIN, PERMISSION_MISSING, PRIVILEGE_ESCALATION, TENANT_HEADER_NOT_ALLOWED, TENANT_NOT_FOUND,
        TENANT_REQUIRED, UNAUTHENTICATED, UNAVAILABLE,
    },
};
use crate::http::requested_tenant::selection_hint;

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::SchemaNotCurrent | DbError::Standby => Self::unavailable(error),
            // After several attempts.
            DbError::AdmissionOutdated => {
                let detail = "Your permissions are being changed at the moment. Try again.";
                Self::new(UNAVAILABLE, detail).with_source(error)
            }
            DbError::TooManyTransactions => {
                let detail =
                    "Too many requests for this tenant, or of this kind, are in progress. Try again in a moment.";
                Self::new(UNAVAILABLE, detail).with_source(error)
            }
            DbError::Query(_) | DbError::Aborted => Self::internal(error),
        }
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable(source) => Self::unavailable(source),
            PortError::Internal(source) => Self::internal(source),
        }
    }
}

/// The credential is missing or invalid (RFC 6750, section 3).
fn unauthenticated(challenge: &str, detail: &'static str) -> Problem {
    Problem::new(UNAUTHENTICATED, detail).with_header(WWW_AUTHENTICATE, challenge)
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Missing => unauthenticated(
                "Bearer",
                "Sign in with POST /v1/auth/login and send the token in the header Authorization: Bearer <token>.",
            ),
            IdentityError::Invalid => unauthenticated(
                "Bearer error=\"invalid_token\"",
                "The access token is invalid or has expired. Sign in again with POST /v1/auth/login.",
            ),
            IdentityError::Port(error) => error.into(),
        }
    }
}

impl From<PermissionDenied> for Problem {
    /// Logs the denial.
    fn from(denied: PermissionDenied) -> Self {
        let permission = denied.permission.name;
        let reason = match denied.reason {
            DenyReason::ByPolicy(_) => "denied_by_policy",
            DenyReason::NoPolicyAllows => "no_policy_allows",
        };
        tracing::info!(permission, reason, "permission denied");
        let detail =
            format!("This requires the permission {permission}, which your role in this tenant does not have.");
        Self::new(PERMISSION_MISSING, detail).with_permission(permission)
    }
}

impl From<RestoreError> for Problem {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::NotFound => ScopeError::NotFound.into(),
            RestoreError::Denied(denied) => denied.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoLongerMember => ScopeError::NotFound.into(),
            ChangeError::Denied(denied) => denied.into(),
            ChangeError::PrivilegeEscalation { permission } => {
                let detail = format!(
                    "This would grant {permission}, which you do not have under the same conditions. Ask a member who \
                     has it."
                );
                Self::new(PRIVILEGE_ESCALATION, detail).with_permission(permission)
            }
            ChangeError::RemovalNotPermitted { permission } => {
                let detail = format!(
                    "This would take away {permission}, which you do not have under the same conditions. Ask a member \
                     who has it."
                );
                Self::new(PRIVILEGE_ESCALATION, detail).with_permission(permission)
            }
            ChangeError::LastAdmin => LAST_ADMIN.into(),
            ChangeError::Db(error) => error.into(),
        }
    }
}

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
            ScopeError::Port(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use authorization_api::UserRead;
    use kernel::{Permission, PolicyId, TenancyMode, TenantSources};
    use serde_json::Value;

    use super::*;
    use crate::logs;

    #[derive(Clone, Default)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn denial_is_logged_with_permission_and_reason() {
        for (reason, code) in [
            (DenyReason::ByPolicy(PolicyId::new()), "denied_by_policy"),
            (DenyReason::NoPolicyAllows, "no_policy_allows"),
        ] {
            let buffer = LogBuffer::default();
            let writer = buffer.clone();
            let subscriber = logs::subscriber("info", true, move || writer.clone()).unwrap();
            let denied = PermissionDenied { permission: &UserRead::INFO, reason };
            tracing::subscriber::with_default(subscriber, || Problem::from(denied));
            let line: Value = serde_json::from_slice(&buffer.0.lock().unwrap()).unwrap();
            assert_eq!(line["level"], "INFO", "{line}");
            assert_eq!(line["message"], "permission denied", "{line}");
            assert_eq!(line["permission"], "user:read", "{line}");
            assert_eq!(line["reason"], code, "{line}");
        }
    }

    #[test]
    fn tenant_required_error_lists_sources() {
        for (sources, hint) in [
            ("header", "in the header X-Tenant-Id, by slug or id."),
            ("claim", "in `tenant` of POST /v1/auth/login, by slug or id."),
            (
                "subdomain,header",
                "in the host, by slug: `<slug>.example.com`, or in the header X-Tenant-Id, by slug or id.",
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
            (TenancyMode::Personal, "Requests act in your personal tenant, which POST /v1/tenants creates."),
            (TenancyMode::Single("acme".parse().unwrap()), "Requests act in the only tenant."),
            (TenancyMode::Organization(subdomain), "Name the tenant in the host, by slug: `<slug>.example.com`."),
        ] {
            let problem = Problem::from(ScopeError::TenantHeaderNotAllowed(Arc::new(tenancy)));
            let expected = "tenant-header-not-allowed: Remove the header X-Tenant-Id; it is not used here.";
            assert_eq!(problem.to_string(), format!("{expected} {hint}"));
        }
    }
}
