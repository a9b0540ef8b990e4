//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `Invitations`, `Members`, `OperatorTenants`, `Policies`, `PolicyTemplates`, `Roles`, `TenantAdmission`, `Tenants`, `UserTenants` | `TenancyMode`, `Database`, `SystemDatabase` (creating a tenant, restoring one and accepting an invitation, none of which has a tenant scope; upgrading the policies of all tenants), the view `user_profiles` | `tenants`, `roles`, `memberships`, `invitations`, `policies`, `tenant_attributes`, `released_slugs` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use db::{Database, DbModule, SystemDatabase};
use kernel::{TenancyMode, ValueModule};
use shaku::module;

use crate::{
    admission::AdmissionService,
    invitations::InvitationService,
    members::{MemberService, UserTenantService, store::PgMembershipRepository},
    policies::{PolicyService, store::PgPolicyRepository},
    roles::{RoleService, store::PgRoleRepository},
    templates::upgrade::TemplateUpgradeService,
    tenants::{TenantService, creation::OperatorTenantService, store::PgTenantRepository},
};

module! {
    pub AuthorizationModule {
        components = [
            AdmissionService,
            InvitationService,
            MemberService,
            OperatorTenantService,
            PgMembershipRepository,
            PgPolicyRepository,
            PgRoleRepository,
            PgTenantRepository,
            PolicyService,
            RoleService,
            TemplateUpgradeService,
            TenantService,
            UserTenantService
        ],
        providers = [],
        use DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] },
        use ValueModule<TenancyMode> { components = [TenancyMode], providers = [] }
    }
}
