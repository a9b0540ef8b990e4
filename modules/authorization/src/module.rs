//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Members`, `MyTenants`, `Policies`, `PolicyTemplates`, `Roles`, `TenantFounding`, `Tenants` | `Tenancy`, `Database`, `SystemDatabase` (founding a tenant, and restoring one: in neither case is there a scope; upgrading all of them), the view `people` | `tenants`, `roles`, `memberships`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule, Tenancy},
    db::{Database, SystemDatabase},
    di::Given,
};
use shaku::module;

use crate::{
    founder::TenantFounder,
    members::TenantMembers,
    my_tenants::TenantsOfPerson,
    operator::FoundingByOperator,
    policies::WrittenPolicies,
    postgres::{PgMembershipRepository, PgPolicyRepository, PgRoleRepository, PgRuleRepository, PgTenantRepository},
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
            PgMembershipRepository,
            PgPolicyRepository,
            PgRoleRepository,
            PgRuleRepository,
            PgTenantRepository,
            PolicyAuthorization,
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
