//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Invitations`, `Members`, `MyTenants`, `Policies`, `PolicyTemplates`, `Roles`, `TenantFounding`, `Tenants` | `Tenancy`, `Database`, `SystemDatabase` (founding a tenant, restoring one, accepting an invitation: in none of these is there a scope; upgrading all of them), the view `people` | `tenants`, `roles`, `memberships`, `invitations`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule, Tenancy},
    db::{Database, SystemDatabase},
    di::Given,
};
use shaku::module;

use crate::{
    founder::TenantFounder,
    invitations::TenantInvitations,
    members::TenantMembers,
    my_tenants::TenantsOfPerson,
    operator::FoundingByOperator,
    policies::WrittenPolicies,
    postgres::{
        PgAcceptanceRepository, PgInvitationRepository, PgMembershipRepository, PgPolicyRepository, PgRoleRepository,
        PgRuleRepository, PgTenantRepository,
    },
    roles::TenantRoles,
    service::PolicyAuthorization,
    tenants::TenantLife,
    upgrade::TemplateUpgrade,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [
            FoundingByOperator,
            TenantFounder,
            PgAcceptanceRepository,
            PgInvitationRepository,
            PgMembershipRepository,
            PgPolicyRepository,
            PgRoleRepository,
            PgRuleRepository,
            PgTenantRepository,
            PolicyAuthorization,
            TenantInvitations,
            TemplateUpgrade,
            TenantLife,
            TenantMembers,
            WrittenPolicies,
            TenantRoles,
            TenantsOfPerson
        ],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] },
        use Given<Tenancy> { components = [Tenancy], providers = [] }
    }
}
