//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Members`, `MyTenants`, `PolicyTemplates`, `Tenants` | `Database`, `SystemDatabase` (founding a tenant, and restoring one: in neither case is there a scope; upgrading all of them), the view `people` | `tenants`, `roles`, `memberships`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule},
    db::{Database, SystemDatabase},
};
use shaku::module;

use crate::{
    members::TenantMembers,
    my_tenants::TenantsOfPerson,
    postgres::{PgMembershipRepository, PgPolicyRepository, PgTenantRepository},
    service::PolicyAuthorization,
    tenants::TenantLife,
    upgrade::TemplateUpgrade,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [
            PgMembershipRepository,
            PgPolicyRepository,
            PgTenantRepository,
            PolicyAuthorization,
            TemplateUpgrade,
            TenantLife,
            TenantMembers,
            TenantsOfPerson
        ],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] }
    }
}
