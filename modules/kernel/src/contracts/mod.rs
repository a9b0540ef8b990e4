//! Everything one module may know of another: ids, the traits that serve as tokens, the module interfaces that
//! collect them, the permissions, and the proofs. No I/O happens here.

mod app;
mod auth;
mod authorization;
mod billing;
mod identity;
mod invitations;
mod members;
mod mode;
mod permission;
mod policies;
mod request;
mod restoring;
mod roles;
mod templates;
mod tenancy;
mod tenants;
mod text;
mod user;

pub use app::DbModule;
pub use auth::{
    AccessToken, AccessTokens, AccountCreation, AccountError, AuthModule, ChosenPassword, InvalidPassword, Password,
    SignIn, SignInError,
};
pub use authorization::{
    Admission, AdmissionError, AuthorizationError, AuthorizationModule, AuthorizationService, ChangeRefused, MyTenant,
    MyTenants,
};
pub use billing::{
    BillingError, BillingModule, BillingRead, Subscription, SubscriptionId, SubscriptionStatus, Subscriptions,
};
pub use identity::{CredentialError, Identity, IdentityError, IdentityProvider, IdentitySource, VerifiedClaims};
pub use invitations::{
    AcceptError, InvalidInvitationToken, Invitation, InvitationId, InvitationToken, Invitations, InvitationsError,
    MemberInvite, SentInvitation,
};
pub use members::{Member, MemberRemove, MemberUpdate, Members, MembersError};
pub use mode::{BaseDomain, InvalidBaseDomain, InvalidSources, Tenancy, TenantSource, TenantSources, TenantTarget};
pub use permission::{
    AccessRequest, Allowed, ConditionTrace, Decision, Denial, Denied, Environment, Explanation, Outcome, Permission,
    PermissionInfo, Permit, PolicyId, PolicySet, PolicyTrace, ResourceFacts,
};
pub use policies::{
    ConditionError, Effect, InvalidTarget, Policies, PoliciesError, PolicyChange, PolicyDetails, PolicyDraft,
    PolicyManage, PolicyRead, PolicyTarget,
};
pub use request::{RequestContext, WantedTenant};
pub use restoring::{RestoreAdmission, RestorePermit, RestoreRefused, RestoreScope};
pub use roles::{InvalidRoleName, Role, RoleId, RoleManage, RoleName, RoleRead, RoleSummary, Roles, RolesError};
pub use templates::{BlockedTenant, Busy, PolicyTemplates, TemplateVersions, TenantsAtVersion, Upgraded};
pub use tenancy::{InvalidSlug, Principal, ScopeError, TenantId, TenantRef, TenantResolver, TenantScope, TenantSlug};
pub use tenants::{
    InvalidTenantName, Tenant, TenantArchive, TenantChange, TenantFounding, TenantName, TenantRead, TenantStatus,
    TenantUpdate, Tenants, TenantsError,
};
pub use user::{
    DisplayName, Email, InvalidDisplayName, InvalidEmail, NewUser, Person, ProfileError, Profiles, User, UserId,
    UserModule, UserRead, UserRepository,
};
