//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Invitations`, `Members`, `MyTenants`, `Policies`, `Roles`, `Tenants` | `Database`, `SystemDatabase` (founding a tenant, restoring one, accepting an invitation: in none of these is there a scope), the view `people` | `tenants`, `roles`, `memberships`, `invitations`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule},
    db::{Database, SystemDatabase},
};
use shaku::module;

use crate::{
    invitations::TenantInvitations,
    members::TenantMembers,
    my_tenants::TenantsOfPerson,
    policies::WrittenPolicies,
    postgres::{
        PgAcceptanceRepository, PgInvitationRepository, PgMembershipRepository, PgPolicyRepository, PgRoleRepository,
        PgRuleRepository, PgTenantRepository,
    },
    roles::TenantRoles,
    service::PolicyAuthorization,
    tenants::TenantLife,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [
            PgAcceptanceRepository,
            PgInvitationRepository,
            PgMembershipRepository,
            PgPolicyRepository,
            PgRoleRepository,
            PgRuleRepository,
            PgTenantRepository,
            PolicyAuthorization,
            TenantInvitations,
            TenantLife,
            TenantMembers,
            WrittenPolicies,
            TenantRoles,
            TenantsOfPerson
        ],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
