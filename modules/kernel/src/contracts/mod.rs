//! Everything that one module may know about another: ids, traits for dependency injection, module interfaces,
//! permissions and proofs. Contracts do no I/O.

mod db_module;
mod auth;
mod authorization;
mod billing;
mod identity;
mod invitations;
mod members;
mod tenancy_mode;
mod permission;
mod policies;
mod request;
mod restore;
mod roles;
mod templates;
mod tenant_scope;
mod tenants;
mod bounded_text;
mod user;

pub use db_module::DbModule;
pub use auth::{
    AccessToken, AccessTokens, AccountAdmin, AccountError, AuthModule, NewPassword, InvalidPassword, Password,
    SignIn, SignInError,
};
pub use authorization::{
    Admission, AdmissionError, AuthorizationError, AuthorizationModule, TenantAdmission, ChangeError, UserTenant,
    UserTenants,
};
pub use billing::{
    BillingError, BillingModule, BillingRead, Subscription, SubscriptionId, SubscriptionStatus, Subscriptions,
};
pub use identity::{CredentialError, Identity, IdentityError, IdentityProvider, IdentitySource, VerifiedClaims};
pub use invitations::{
    AcceptError, InvalidInvitationToken, Invitation, InvitationId, InvitationToken, Invitations, InvitationsError,
    MemberInvite, InvitationWithToken,
};
pub use members::{Member, MemberRemove, MemberUpdate, Members, MembersError};
pub use tenancy_mode::{BaseDomain, InvalidBaseDomain, InvalidTenantSources, TenancyMode, TenantSource, TenantSources, TenantTarget};
pub use permission::{
    AccessRequest, AllowReason, ConditionTrace, Decision, PermissionDenied, DenyReason, Environment, Explanation, Truth, Permission,
    PermissionInfo, Permit, PolicyId, PolicySet, PolicyTrace, ResourceAttributes,
};
pub use policies::{
    ConditionError, Effect, InvalidTarget, Policies, PoliciesError, PolicyChange, PolicyDetails, PolicyDraft,
    PolicyManage, PolicyRead, PolicyTarget,
};
pub use request::{RequestContext, RequestedTenant};
pub use restore::{RestoreAdmission, RestorePermit, RestoreError, RestoreScope};
pub use roles::{InvalidRoleName, Role, RoleId, RoleManage, RoleName, RoleRead, RoleSummary, Roles, RolesError};
pub use templates::{BlockedTenant, OnLocked, PolicyTemplates, TemplateVersions, TenantsAtVersion, UpgradeReport};
pub use tenant_scope::{InvalidSlug, Principal, ScopeError, TenantId, TenantRef, TenantResolver, TenantScope, TenantSlug};
pub use tenants::{
    InvalidTenantName, Tenant, TenantArchive, TenantChange, TenantProvisioning, TenantName, TenantRead, TenantStatus,
    TenantUpdate, Tenants, TenantsError,
};
pub use user::{
    DisplayName, Email, InvalidDisplayName, InvalidEmail, NewUser, UserProfile, ProfileError, Profiles, User, UserId,
    UserModule, UserRead, UserRepository,
};
