//! The modules' errors, as they leave.

use actix_web::http::{StatusCode, header::WWW_AUTHENTICATE};
use kernel::{
    contracts::{
        AcceptError, AuthorizationError, BillingError, ChangeRefused, ConditionError, Denial, IdentityError,
        InvalidTarget, InvitationsError, MembersError, PoliciesError, ProfileError, RestoreRefused, RolesError,
        ScopeError, SignInError, TenantsError,
    },
    db::DbError,
};

use super::{FieldError, Kind, Problem};

const UNAUTHENTICATED: Kind = (StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in");
const SIGN_IN_REFUSED: Kind = (StatusCode::UNAUTHORIZED, "sign-in-refused", "Sign-in refused");
const PERMISSION_MISSING: Kind = (StatusCode::FORBIDDEN, "permission-missing", "Permission missing");
const GRANT_REFUSED: Kind = (StatusCode::FORBIDDEN, "grant-refused", "Grant refused");
const INVITATION_NOT_FOUND: Kind = (StatusCode::NOT_FOUND, "invitation-not-found", "Invitation not found");
const ALREADY_INVITED: Kind = (StatusCode::CONFLICT, "already-invited", "Already invited");
const ALREADY_MEMBER: Kind = (StatusCode::CONFLICT, "already-member", "Already a member");
const LAST_ADMIN: Kind = (StatusCode::CONFLICT, "last-admin", "Last admin");
const NO_SEAT_LEFT: Kind = (StatusCode::CONFLICT, "no-seat-left", "No seat left");
const POLICY_EXISTS: Kind = (StatusCode::CONFLICT, "policy-exists", "Policy exists");
const ROLE_IN_USE: Kind = (StatusCode::CONFLICT, "role-in-use", "Role in use");
const ROLE_NAME_TAKEN: Kind = (StatusCode::CONFLICT, "role-name-taken", "Role name taken");
const SLUG_TAKEN: Kind = (StatusCode::CONFLICT, "slug-taken", "Slug taken");
const SYSTEM_ROLE: Kind = (StatusCode::CONFLICT, "system-role", "System role");
const TEMPLATE_POLICY: Kind = (StatusCode::CONFLICT, "template-policy", "Template policy");
const TOO_MANY_POLICIES: Kind = (StatusCode::CONFLICT, "too-many-policies", "Too many policies");
const TOO_MANY_ROLES: Kind = (StatusCode::CONFLICT, "too-many-roles", "Too many roles");
const PERSONAL_TENANTS: Kind = (StatusCode::CONFLICT, "personal-tenants", "Personal tenants");
const PERSONAL_TENANT_EXISTS: Kind = (StatusCode::CONFLICT, "personal-tenant-exists", "Personal tenant exists");
const SINGLE_TENANT: Kind = (StatusCode::CONFLICT, "single-tenant", "Single tenant");
const TOO_MANY_TENANTS: Kind = (StatusCode::CONFLICT, "too-many-tenants", "Too many tenants");

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

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
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
            SignInError::Refused => Self::new(SIGN_IN_REFUSED, "The e-mail address or the password is wrong.")
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

impl From<ChangeRefused> for Problem {
    fn from(refused: ChangeRefused) -> Self {
        match refused {
            ChangeRefused::Gone => ScopeError::NotFound.into(),
            ChangeRefused::Denied(denial) => denial.into(),
            ChangeRefused::NotHeld { permission } => {
                let detail = format!(
                    "Somebody would get {permission}, which you don't have yourself under the same conditions. Ask \
                     somebody who has it."
                );
                let mut problem = Self::new(GRANT_REFUSED, detail);
                problem.0.permission = Some(permission.into());
                problem
            }
            ChangeRefused::LastAdmin => Self::new(
                LAST_ADMIN,
                "Nobody would be left who may do everything: an active member whose role is allowed *:* without a \
                 condition, and denied nothing. Give somebody else such a role first; and deny things to the roles that \
                 are meant, not to every member.",
            ),
            ChangeRefused::Db(error) => error.into(),
        }
    }
}

/// Of a body that names a role.
fn no_such_role() -> Problem {
    Problem::unfit_at("/role_id", "There is no such role in this tenant. GET /v1/roles lists those there are.")
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::no_such_thing(),
            MembersError::NoSuchRole => no_such_role(),
            MembersError::Refused(refused) => refused.into(),
            MembersError::Db(error) => error.into(),
        }
    }
}

impl From<InvitationsError> for Problem {
    fn from(error: InvitationsError) -> Self {
        match error {
            InvitationsError::NotFound => Self::no_such_thing(),
            InvitationsError::NoSuchRole => no_such_role(),
            InvitationsError::AlreadyMember => {
                Self::new(ALREADY_MEMBER, "Somebody with this address is a member already.")
                    .at("/email", "This is a member's address.")
            }
            InvitationsError::AlreadyInvited => {
                Self::new(ALREADY_INVITED, "An invitation to this address is open: resend or revoke it.")
                    .at("/email", "This address is invited already.")
            }
            InvitationsError::NoSeatLeft => {
                Self::new(NO_SEAT_LEFT, "Members and open invitations take all the seats that this tenant has.")
            }
            InvitationsError::Personal => Self::new(
                PERSONAL_TENANTS,
                "Each person has a tenant of their own here, and nobody else comes into it.",
            ),
            InvitationsError::NoToken => Self::internal(error),
            InvitationsError::Refused(refused) => refused.into(),
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
            AcceptError::NoSeatLeft => Self::new(NO_SEAT_LEFT, "Members take all the seats that this tenant has."),
            AcceptError::Db(error) => error.into(),
        }
    }
}

impl From<RolesError> for Problem {
    fn from(error: RolesError) -> Self {
        match error {
            RolesError::NotFound => Self::no_such_thing(),
            RolesError::NameTaken => Self::new(ROLE_NAME_TAKEN, "Another role has this name. Choose another one.")
                .at("/name", "This name is taken."),
            RolesError::System => {
                Self::new(SYSTEM_ROLE, "This role came with the tenant and stays as it is. Create one of your own.")
            }
            RolesError::InUse => Self::new(
                ROLE_IN_USE,
                "Somebody has this role, or is invited into it. Give them another one, or revoke the invitation, first.",
            ),
            RolesError::TooMany { most } => Self::new(
                TOO_MANY_ROLES,
                format!("A tenant has at most {most} roles. Delete one that nobody needs any more."),
            ),
            RolesError::Refused(refused) => refused.into(),
            RolesError::Db(error) => error.into(),
        }
    }
}

impl From<PoliciesError> for Problem {
    fn from(error: PoliciesError) -> Self {
        match error {
            PoliciesError::NotFound => Self::no_such_thing(),
            PoliciesError::NoSuchRole => no_such_role(),
            PoliciesError::Template => Self::new(
                TEMPLATE_POLICY,
                "This policy came with the tenant and stays as it is. Create a role of your own with other policies.",
            ),
            PoliciesError::Exists => {
                Self::new(POLICY_EXISTS, "Another policy of this tenant says the same. GET /v1/policies lists them.")
            }
            PoliciesError::TooMany { most } => Self::new(
                TOO_MANY_POLICIES,
                format!("A tenant has at most {most} policies. Delete one that nobody needs any more."),
            ),
            PoliciesError::Condition(errors) => {
                let place = |error: ConditionError| FieldError {
                    pointer: format!("/condition{}", error.pointer),
                    detail: error.detail,
                };
                Self::unfit(errors.into_iter().map(place).collect())
            }
            PoliciesError::Refused(refused) => refused.into(),
            PoliciesError::Db(error) => error.into(),
        }
    }
}

impl From<Vec<InvalidTarget>> for Problem {
    fn from(errors: Vec<InvalidTarget>) -> Self {
        let place = |error| {
            let (pointer, detail) = match error {
                InvalidTarget::Resource => {
                    ("/resource".into(), "No permission speaks of such a resource. `*` is all of them.")
                }
                InvalidTarget::Verbs => ("/verbs".into(), "A list of 1 to 32 verbs belongs here."),
                InvalidTarget::Verb(place) => {
                    (format!("/verbs/{place}"), "There is no such permission. `*` alone is all verbs.")
                }
            };
            FieldError { pointer, detail }
        };
        Self::unfit(errors.into_iter().map(place).collect())
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::NotFound => Self::no_such_thing(),
            BillingError::Db(error) => error.into(),
        }
    }
}

impl From<TenantsError> for Problem {
    fn from(error: TenantsError) -> Self {
        match error {
            TenantsError::NotFound => ScopeError::NotFound.into(),
            TenantsError::SlugTaken => Self::new(SLUG_TAKEN, "Another tenant has this slug. Choose another one.")
                .at("/slug", "This slug is taken."),
            TenantsError::TooMany { most } => Self::new(
                TOO_MANY_TENANTS,
                format!("Whoever is admin of {most} tenants, archived ones among them, can't found another."),
            ),
            TenantsError::HasOwn => Self::new(
                PERSONAL_TENANT_EXISTS,
                "You have the one tenant that each person has. Where it is archived, POST /v1/tenant/restore restores it.",
            ),
            TenantsError::OnlyOne => Self::new(
                SINGLE_TENANT,
                "There is one tenant here, and every request acts in it. Whoever operates this service founds it.",
            ),
            TenantsError::SlugStays => Self::unfit_at("/slug", "There is one tenant here, and it keeps its slug."),
            TenantsError::Db(error) => error.into(),
        }
    }
}

impl From<RestoreRefused> for Problem {
    fn from(refused: RestoreRefused) -> Self {
        match refused {
            RestoreRefused::NotFound => ScopeError::NotFound.into(),
            RestoreRefused::Denied(denial) => denial.into(),
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
