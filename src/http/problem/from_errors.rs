//! Converts the modules' errors into problems.

use actix_web::http::header::WWW_AUTHENTICATE;
use kernel::{
    contracts::{
        AcceptError, AuthorizationError, BillingError, ChangeError, ConditionError, DenyReason, IdentityError,
        InvalidTarget, InvitationsError, MembersError, PermissionDenied, PoliciesError, ProfileError, RestoreError,
        RolesError, ScopeError, SignInError, TenantsError,
    },
    db::DbError,
};

use super::{
    FieldError, Problem,
    types::{
        ALREADY_INVITED, ALREADY_MEMBER, INVALID_CREDENTIALS, INVITATION_NOT_FOUND, INVITATIONS_DISABLED, LAST_ADMIN,
        PERMISSION_MISSING, PERSONAL_TENANT_EXISTS, POLICY_EXISTS, PRIVILEGE_ESCALATION, ROLE_IN_USE, ROLE_NAME_TAKEN,
        SEAT_LIMIT_REACHED, SLUG_TAKEN, SYSTEM_ROLE_IMMUTABLE, TEMPLATE_POLICY_IMMUTABLE, TENANT_CREATION_DISABLED,
        TOO_MANY_POLICIES, TOO_MANY_ROLES, TOO_MANY_TENANTS, UNAUTHENTICATED,
    },
};

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::SchemaNotCurrent => Self::unavailable(error),
            DbError::Query(_) | DbError::Aborted => Self::internal(error),
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
            IdentityError::Db(error) => error.into(),
        }
    }
}

impl From<PermissionDenied> for Problem {
    /// Logs the denial.
    fn from(denied: PermissionDenied) -> Self {
        let permission = denied.permission.name;
        tracing::info!(permission, reason = reason_code(denied.reason), "permission denied");
        let detail =
            format!("This requires the permission {permission}, which your role in this tenant does not have.");
        Self::new(PERMISSION_MISSING, detail).with_permission(permission)
    }
}

fn reason_code(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::ByPolicy(_) => "denied_by_policy",
        DenyReason::NoPolicyAllows => "no_policy_allows",
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(INVALID_CREDENTIALS, "Wrong e-mail address or password.")
                .with_header(WWW_AUTHENTICATE, "Bearer"),
            SignInError::Db(error) => error.into(),
            SignInError::Internal(source) => Self::internal(source),
        }
    }
}

impl From<AuthorizationError> for Problem {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::Db(error) => error.into(),
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
                    "This would grant {permission}, which you do not hold under the same conditions. Ask a member who \
                     holds it."
                );
                Self::new(PRIVILEGE_ESCALATION, detail).with_permission(permission)
            }
            ChangeError::LastAdmin => Self::new(
                LAST_ADMIN,
                "This would leave the tenant without an admin (an active member allowed *:* unconditionally and denied \
                 nothing). Make another member an admin first, and attach denies to roles instead of to all members.",
            ),
            ChangeError::Db(error) => error.into(),
        }
    }
}

/// The role in the body doesn't exist.
fn role_not_found() -> Problem {
    Problem::invalid_body_at("/role_id", "Role not found in this tenant. GET /v1/roles lists the roles.")
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::not_found(),
            MembersError::RoleNotFound => role_not_found(),
            MembersError::Change(error) => error.into(),
            MembersError::Db(error) => error.into(),
        }
    }
}

impl From<InvitationsError> for Problem {
    fn from(error: InvitationsError) -> Self {
        match error {
            InvitationsError::NotFound => Self::not_found(),
            InvitationsError::RoleNotFound => role_not_found(),
            InvitationsError::AlreadyMember => {
                Self::new(ALREADY_MEMBER, "A user with this e-mail address is already a member.")
                    .with_field_error("/email", "Already a member.")
            }
            InvitationsError::AlreadyInvited => Self::new(
                ALREADY_INVITED,
                "An invitation for this e-mail address is already open. Resend or revoke it.",
            )
            .with_field_error("/email", "Already invited."),
            InvitationsError::SeatLimitReached => Self::new(
                SEAT_LIMIT_REACHED,
                "Members and open invitations use all seats of this tenant. Remove a member, revoke an invitation or \
                 change the plan.",
            ),
            InvitationsError::PersonalMode => {
                Self::new(INVITATIONS_DISABLED, "Tenants are personal here: their owner is the only member.")
            }
            InvitationsError::TokenGeneration => Self::internal(error),
            InvitationsError::Change(error) => error.into(),
            InvitationsError::Db(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotFound => Self::new(
                INVITATION_NOT_FOUND,
                "The invitation does not exist, or has been used, revoked or expired, or is for a different e-mail \
                 address. Ask for a new one.",
            ),
            AcceptError::AlreadyMember => Self::new(ALREADY_MEMBER, "You are already a member of this tenant."),
            AcceptError::SeatLimitReached => Self::new(
                SEAT_LIMIT_REACHED,
                "Members use all seats of this tenant. Ask an admin to remove a member or change the plan.",
            ),
            AcceptError::Db(error) => error.into(),
        }
    }
}

impl From<RolesError> for Problem {
    fn from(error: RolesError) -> Self {
        match error {
            RolesError::NotFound => Self::not_found(),
            RolesError::NameTaken => Self::new(ROLE_NAME_TAKEN, "Another role has this name. Choose a different one.")
                .with_field_error("/name", "Already in use."),
            RolesError::SystemRoleImmutable => Self::new(
                SYSTEM_ROLE_IMMUTABLE,
                "System roles can't be changed or deleted. Create a custom role instead.",
            ),
            RolesError::InUse => Self::new(
                ROLE_IN_USE,
                "Members or open invitations have this role. Change the role of those members and revoke the \
                 invitations first.",
            ),
            RolesError::LimitReached { limit } => {
                Self::new(TOO_MANY_ROLES, format!("A tenant can have at most {limit} roles. Delete an unused one."))
            }
            RolesError::Change(error) => error.into(),
            RolesError::Db(error) => error.into(),
        }
    }
}

impl From<PoliciesError> for Problem {
    fn from(error: PoliciesError) -> Self {
        match error {
            PoliciesError::NotFound => Self::not_found(),
            PoliciesError::RoleNotFound => role_not_found(),
            PoliciesError::TemplateImmutable => Self::new(
                TEMPLATE_POLICY_IMMUTABLE,
                "Template policies can't be changed or deleted. Create a custom role with its own policies instead.",
            ),
            PoliciesError::Duplicate => {
                Self::new(POLICY_EXISTS, "The tenant already has an identical policy. GET /v1/policies lists them.")
            }
            PoliciesError::LimitReached { limit } => Self::new(
                TOO_MANY_POLICIES,
                format!("A tenant can have at most {limit} policies. Delete an unused one."),
            ),
            PoliciesError::InvalidCondition(errors) => {
                let field_error = |error: ConditionError| FieldError {
                    pointer: format!("/condition{}", error.pointer),
                    detail: error.detail,
                };
                Self::invalid_body(errors.into_iter().map(field_error).collect())
            }
            PoliciesError::Change(error) => error.into(),
            PoliciesError::Db(error) => error.into(),
        }
    }
}

impl From<Vec<InvalidTarget>> for Problem {
    fn from(errors: Vec<InvalidTarget>) -> Self {
        let field_error = |error| {
            let (pointer, detail) = match error {
                InvalidTarget::UnknownResource => {
                    ("/resource".into(), "No permission has this resource. Use `*` for all resources.")
                }
                InvalidTarget::VerbCount => ("/verbs".into(), "Must be a list of 1 to 32 verbs."),
                InvalidTarget::InvalidVerb(index) => {
                    (format!("/verbs/{index}"), "No permission has this verb. Use `*` alone for all verbs.")
                }
            };
            FieldError { pointer, detail }
        };
        Self::invalid_body(errors.into_iter().map(field_error).collect())
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::NotFound => Self::not_found(),
            BillingError::Db(error) => error.into(),
        }
    }
}

impl From<TenantsError> for Problem {
    fn from(error: TenantsError) -> Self {
        match error {
            TenantsError::NotFound => ScopeError::NotFound.into(),
            TenantsError::SlugTaken => Self::new(SLUG_TAKEN, "Another tenant has this slug. Choose a different one.")
                .with_field_error("/slug", "Already in use."),
            TenantsError::LimitReached { limit } => Self::new(
                TOO_MANY_TENANTS,
                format!("A user can be admin of at most {limit} tenants, including archived ones."),
            ),
            TenantsError::PersonalTenantExists => Self::new(
                PERSONAL_TENANT_EXISTS,
                "You already have your personal tenant. If it is archived, restore it with POST /v1/tenant/restore.",
            ),
            TenantsError::SingleTenantMode => Self::new(
                TENANT_CREATION_DISABLED,
                "This service has a single tenant, which only its operator creates.",
            ),
            TenantsError::SlugImmutable => {
                Self::invalid_body_at("/slug", "The slug of the only tenant can't be changed.")
            }
            TenantsError::Db(error) => error.into(),
        }
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

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => IdentityError::Invalid.into(),
            ProfileError::Db(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use kernel::contracts::{Permission, PolicyId, UserRead};
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
}
