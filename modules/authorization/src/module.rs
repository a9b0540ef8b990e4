//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `AuthorizationService`, `Members`, `MyTenants` | `Database`, `UserRepository` | `tenants`, `roles`, `memberships`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the canvas above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule, UserModule, UserRepository},
    db::Database,
};
use shaku::module;

use crate::{
    members::TenantMembers, my_tenants::TenantsOfPerson, postgres::PgMembershipRepository, service::PolicyAuthorization,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [PgMembershipRepository, PolicyAuthorization, TenantMembers, TenantsOfPerson],
        providers = [],
        use dyn DbModule { components = [dyn Database], providers = [] },
        use dyn UserModule { components = [dyn UserRepository], providers = [] }
    }
}
