//! The modules' errors, as they leave.

use actix_web::http::{StatusCode, header::WWW_AUTHENTICATE};
use kernel::{
    contracts::{
        AcceptError, AuthorizationError, BillingError, ChangeError, ConditionError, PermissionDenied, IdentityError,
        InvalidTarget, InvitationsError, MembersError, PoliciesError, ProfileError, RestoreError, RolesError,
        ScopeError, SignInError, TenantsError,
    },
    db::DbError,
};

use super::{FieldError, ProblemType, Problem};

const UNAUTHENTICATED: ProblemType = (StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in");
const INVALID_CREDENTIALS: ProblemType = (StatusCode::UNAUTHORIZED, "invalid-credentials", "Invalid credentials");
const PERMISSION_MISSING: ProblemType = (StatusCode::FORBIDDEN, "permission-missing", "Permission missing");
const PRIVILEGE_ESCALATION: ProblemType = (StatusCode::FORBIDDEN, "privilege-escalation", "Privilege escalation");
const INVITATION_NOT_FOUND: ProblemType = (StatusCode::NOT_FOUND, "invitation-not-found", "Invitation not found");
const ALREADY_INVITED: ProblemType = (StatusCode::CONFLICT, "already-invited", "Already invited");
const ALREADY_MEMBER: ProblemType = (StatusCode::CONFLICT, "already-member", "Already a member");
const LAST_ADMIN: ProblemType = (StatusCode::CONFLICT, "last-admin", "Last admin");
const SEAT_LIMIT_REACHED: ProblemType = (StatusCode::CONFLICT, "seat-limit-reached", "Seat limit reached");
const POLICY_EXISTS: ProblemType = (StatusCode::CONFLICT, "policy-exists", "Policy exists");
const ROLE_IN_USE: ProblemType = (StatusCode::CONFLICT, "role-in-use", "Role in use");
const ROLE_NAME_TAKEN: ProblemType = (StatusCode::CONFLICT, "role-name-taken", "Role name taken");
const SLUG_TAKEN: ProblemType = (StatusCode::CONFLICT, "slug-taken", "Slug taken");
const SYSTEM_ROLE_IMMUTABLE: ProblemType = (StatusCode::CONFLICT, "system-role-immutable", "System role is immutable");
const TEMPLATE_POLICY_IMMUTABLE: ProblemType = (StatusCode::CONFLICT, "template-policy-immutable", "Template policy is immutable");
const TOO_MANY_POLICIES: ProblemType = (StatusCode::CONFLICT, "too-many-policies", "Too many policies");
const TOO_MANY_ROLES: ProblemType = (StatusCode::CONFLICT, "too-many-roles", "Too many roles");
const INVITATIONS_DISABLED: ProblemType = (StatusCode::CONFLICT, "invitations-disabled", "Invitations disabled");
const PERSONAL_TENANT_EXISTS: ProblemType = (StatusCode::CONFLICT, "personal-tenant-exists", "Personal tenant exists");
const TENANT_CREATION_DISABLED: ProblemType = (StatusCode::CONFLICT, "tenant-creation-disabled", "Tenant creation disabled");
const TOO_MANY_TENANTS: ProblemType = (StatusCode::CONFLICT, "too-many-tenants", "Too many tenants");

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) | DbError::SchemaNotCurrent => Self::unavailable(error),
            DbError::Query(_) | DbError::Aborted => Self::internal(error),
        }
    }
}

/// No credential, or one that doesn't hold (RFC 6750, section 3).
fn unauthenticated(challenge: &str, detail: &'static str) -> Problem {
    Problem::new(UNAUTHENTICATED, detail).with_header(WWW_AUTHENTICATE, challenge)
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Missing => unauthenticated(
                "Bearer",
                "Sign in first: POST /v1/auth/login gives a token for the header Authorization: Bearer <token>.",
            ),
            IdentityError::Invalid => unauthenticated(
                "Bearer error=\"invalid_token\"",
                "The token doesn't hold, or no longer. Sign in again at POST /v1/auth/login.",
            ),
            IdentityError::Db(error) => error.into(),
        }
    }
}

impl From<PermissionDenied> for Problem {
    fn from(denial: PermissionDenied) -> Self {
        let name = denial.permission.name;
        tracing::debug!(permission = name, reason = ?denial.reason, "denied");
        let detail = format!("This takes the permission {name}, which your role in this tenant doesn't have.");
        let mut problem = Self::new(PERMISSION_MISSING, detail);
        problem.0.permission = Some(name.into());
        problem
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(INVALID_CREDENTIALS, "The e-mail address or the password is wrong.")
                .with_header(WWW_AUTHENTICATE, "Bearer"),
            SignInError::Db(error) => error.into(),
            SignInError::Internal(cause) => Self::internal(cause),
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
    fn from(refused: ChangeError) -> Self {
        match refused {
            ChangeError::NoLongerMember => ScopeError::NotFound.into(),
            ChangeError::Denied(denial) => denial.into(),
            ChangeError::PrivilegeEscalation { permission } => {
                let detail = format!(
                    "Somebody would get {permission}, which you don't have yourself under the same conditions. Ask \
                     somebody who has it."
                );
                let mut problem = Self::new(PRIVILEGE_ESCALATION, detail);
                problem.0.permission = Some(permission.into());
                problem
            }
            ChangeError::LastAdmin => Self::new(
                LAST_ADMIN,
                "Nobody would be left who may do everything: an active member whose role is allowed *:* without a \
                 condition, and denied nothing. Give somebody else such a role first; and deny things to the roles that \
                 are meant, not to every member.",
            ),
            ChangeError::Db(error) => error.into(),
        }
    }
}

/// Of a body that names a role.
fn role_not_found() -> Problem {
    Problem::unprocessable_at("/role_id", "There is no such role in this tenant. GET /v1/roles lists those there are.")
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::not_found(),
            MembersError::RoleNotFound => role_not_found(),
            MembersError::Change(refused) => refused.into(),
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
                Self::new(ALREADY_MEMBER, "Somebody with this address is a member already.")
                    .with_field_error("/email", "This is a member's address.")
            }
            InvitationsError::AlreadyInvited => {
                Self::new(ALREADY_INVITED, "An invitation to this address is open: resend or revoke it.")
                    .with_field_error("/email", "This address is invited already.")
            }
            InvitationsError::SeatLimitReached => {
                Self::new(SEAT_LIMIT_REACHED, "Members and open invitations take all the seats that this tenant has.")
            }
            InvitationsError::PersonalMode => Self::new(
                INVITATIONS_DISABLED,
                "Each person has a tenant of their own here, and nobody else comes into it.",
            ),
            InvitationsError::TokenGeneration => Self::internal(error),
            InvitationsError::Change(refused) => refused.into(),
            InvitationsError::Db(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotFound => Self::new(
                INVITATION_NOT_FOUND,
                "There is no such invitation for you: it may be used, revoked or expired, or for another address. Ask for \
                 another one.",
            ),
            AcceptError::AlreadyMember => Self::new(ALREADY_MEMBER, "You are a member of this tenant already."),
            AcceptError::SeatLimitReached => Self::new(SEAT_LIMIT_REACHED, "Members take all the seats that this tenant has."),
            AcceptError::Db(error) => error.into(),
        }
    }
}

impl From<RolesError> for Problem {
    fn from(error: RolesError) -> Self {
        match error {
            RolesError::NotFound => Self::not_found(),
            RolesError::NameTaken => Self::new(ROLE_NAME_TAKEN, "Another role has this name. Choose another one.")
                .with_field_error("/name", "This name is taken."),
            RolesError::SystemRoleImmutable => {
                Self::new(SYSTEM_ROLE_IMMUTABLE, "This role came with the tenant and stays as it is. Create one of your own.")
            }
            RolesError::InUse => Self::new(
                ROLE_IN_USE,
                "Somebody has this role, or is invited into it. Give them another one, or revoke the invitation, first.",
            ),
            RolesError::LimitReached { limit } => Self::new(
                TOO_MANY_ROLES,
                format!("A tenant has at most {limit} roles. Delete one that nobody needs any more."),
            ),
            RolesError::Change(refused) => refused.into(),
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
                "This policy came with the tenant and stays as it is. Create a role of your own with other policies.",
            ),
            PoliciesError::Duplicate => {
                Self::new(POLICY_EXISTS, "Another policy of this tenant says the same. GET /v1/policies lists them.")
            }
            PoliciesError::LimitReached { limit } => Self::new(
                TOO_MANY_POLICIES,
                format!("A tenant has at most {limit} policies. Delete one that nobody needs any more."),
            ),
            PoliciesError::InvalidCondition(errors) => {
                let place = |error: ConditionError| FieldError {
                    pointer: format!("/condition{}", error.pointer),
                    detail: error.detail,
                };
                Self::unprocessable(errors.into_iter().map(place).collect())
            }
            PoliciesError::Change(refused) => refused.into(),
            PoliciesError::Db(error) => error.into(),
        }
    }
}

impl From<Vec<InvalidTarget>> for Problem {
    fn from(errors: Vec<InvalidTarget>) -> Self {
        let place = |error| {
            let (pointer, detail) = match error {
                InvalidTarget::UnknownResource => {
                    ("/resource".into(), "No permission speaks of such a resource. `*` is all of them.")
                }
                InvalidTarget::VerbCount => ("/verbs".into(), "A list of 1 to 32 verbs belongs here."),
                InvalidTarget::InvalidVerb(place) => {
                    (format!("/verbs/{place}"), "There is no such permission. `*` alone is all verbs.")
                }
            };
            FieldError { pointer, detail }
        };
        Self::unprocessable(errors.into_iter().map(place).collect())
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
            TenantsError::SlugTaken => Self::new(SLUG_TAKEN, "Another tenant has this slug. Choose another one.")
                .with_field_error("/slug", "This slug is taken."),
            TenantsError::LimitReached { limit } => Self::new(
                TOO_MANY_TENANTS,
                format!("Whoever is admin of {limit} tenants, archived ones among them, can't found another."),
            ),
            TenantsError::PersonalTenantExists => Self::new(
                PERSONAL_TENANT_EXISTS,
                "You have the one tenant that each person has. Where it is archived, POST /v1/tenant/restore restores it.",
            ),
            TenantsError::SingleTenantMode => Self::new(
                TENANT_CREATION_DISABLED,
                "There is one tenant here, and every request acts in it. Whoever operates this service founds it.",
            ),
            TenantsError::SlugImmutable => Self::unprocessable_at("/slug", "There is one tenant here, and it keeps its slug."),
            TenantsError::Db(error) => error.into(),
        }
    }
}

impl From<RestoreError> for Problem {
    fn from(refused: RestoreError) -> Self {
        match refused {
            RestoreError::NotFound => ScopeError::NotFound.into(),
            RestoreError::Denied(denial) => denial.into(),
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
