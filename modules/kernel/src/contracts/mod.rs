//! Everything one module may know of another: ids, the traits that serve as tokens, the module interfaces that
//! collect them, the permissions, and the proofs. No I/O happens here.

mod app;
mod auth;
mod authorization;
mod billing;
mod identity;
mod permission;
mod request;
mod tenancy;
mod user;

pub use app::DbModule;
pub use auth::{AccessToken, AccessTokens, AuthModule, Password, SignIn, SignInError};
pub use authorization::{
    Admission, AdmissionError, AuthorizationError, AuthorizationModule, AuthorizationService, Member, Members,
    MembersError, MyTenant, MyTenants, PolicyRead, RoleId, RoleSummary,
};
pub use billing::{
    BillingError, BillingModule, BillingRead, Subscription, SubscriptionId, SubscriptionStatus, Subscriptions,
};
pub use identity::{CredentialError, Identity, IdentityError, IdentityProvider, IdentitySource, VerifiedClaims};
pub use permission::{
    AccessRequest, Allowed, ConditionTrace, Decision, Denial, Denied, Environment, Explanation, Outcome, Permission,
    PermissionInfo, Permit, PolicyId, PolicySet, PolicyTrace, ResourceFacts,
};
pub use request::{RequestContext, WantedTenant};
pub use tenancy::{Principal, ScopeError, TenantId, TenantRef, TenantResolver, TenantScope, TenantSlug};
pub use user::{Email, InvalidEmail, NewUser, Person, User, UserId, UserModule, UserRead, UserRepository};
