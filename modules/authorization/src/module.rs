//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Members`, `MyTenants` | `Database`, the view `people` | `tenants`, `roles`, `memberships`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule},
    db::Database,
};
use shaku::module;

use crate::{
    members::TenantMembers,
    my_tenants::TenantsOfPerson,
    postgres::{PgMembershipRepository, PgPolicyRepository},
    service::PolicyAuthorization,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [PgMembershipRepository, PgPolicyRepository, PolicyAuthorization, TenantMembers, TenantsOfPerson],
        providers = [],
        use dyn DbModule { components = [dyn Database], providers = [] }
    }
}
