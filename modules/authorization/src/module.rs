//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Members`, `MyTenants`, `Policies`, `Roles`, `TenantFounding`, `Tenants` | `Tenancy`, `Database`, `SystemDatabase` (founding a tenant, and restoring one: in neither case is there a scope), the view `people` | `tenants`, `roles`, `memberships`, `policies`, `tenant_attributes` |
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
