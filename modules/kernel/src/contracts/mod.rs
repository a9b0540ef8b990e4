//! Everything that one module may know about another: ids, traits for dependency injection, module interfaces,
//! permissions and proofs. Contracts do no I/O.

mod auth;
mod authorization;
mod billing;
mod bounded_text;
mod db_module;
mod identity;
mod invitations;
mod members;
mod permission;
mod policies;
mod request;
mod restore;
mod roles;
mod templates;
mod tenancy_mode;
mod tenant_scope;
mod tenants;
mod user;

pub use auth::{
    AccessToken, AccessTokens, AccountError, AuthModule, InvalidPassword, NewPassword, OperatorAccounts, Password,
    SignIn, SignInError,
};
pub use authorization::{
    Admission, AdmissionError, AuthorizationError, AuthorizationModule, ChangeError, TenantAdmission, UserTenant,
    UserTenants,
};
pub use billing::{
    BillingError, BillingModule, BillingRead, Subscription, SubscriptionId, SubscriptionStatus, Subscriptions,
};
pub use db_module::DbModule;
pub use identity::{CredentialError, Identity, IdentityError, IdentityProvider, IdentitySource, VerifiedClaims};
pub use invitations::{
    AcceptError, InvalidInvitationToken, Invitation, InvitationId, InvitationToken, InvitationWithToken, Invitations,
    InvitationsError, MemberInvite,
};
pub use members::{Member, MemberRemove, MemberUpdate, Members, MembersError};
pub use permission::{
    AccessRequest, AllowReason, ConditionTrace, Decision, DenyReason, Environment, Explanation, Permission,
    PermissionDenied, PermissionInfo, Permit, PolicyId, PolicySet, PolicyTrace, ResourceAttributes, Truth,
};
pub use policies::{
    ConditionError, Effect, InvalidTarget, Policies, PoliciesError, PolicyChange, PolicyDetails, PolicyDraft,
    PolicyManage, PolicyRead, PolicyTarget,
};
pub use request::{RequestContext, RequestedTenant};
pub use restore::{RestoreAdmission, RestoreError, RestorePermit, RestoreScope};
pub use roles::{InvalidRoleName, Role, RoleId, RoleManage, RoleName, RoleRead, RoleSummary, Roles, RolesError};
pub use templates::{BlockedTenant, OnLocked, PolicyTemplates, TemplateVersions, TenantsAtVersion, UpgradeReport};
pub use tenancy_mode::{
    BaseDomain, InvalidBaseDomain, InvalidTenantSources, TenancyMode, TenantSource, TenantSources, TenantTarget,
};
pub use tenant_scope::{
    InvalidSlug, Principal, ScopeError, TenantId, TenantRef, TenantResolver, TenantScope, TenantSlug,
};
pub use tenants::{
    InvalidTenantName, OperatorTenants, Tenant, TenantArchive, TenantChange, TenantName, TenantRead, TenantStatus,
    TenantUpdate, Tenants, TenantsError,
};
pub use user::{
    DisplayName, Email, InvalidDisplayName, InvalidEmail, NewUser, ProfileError, Profiles, User, UserId, UserModule,
    UserProfile, UserRead, UserRepository,
};
