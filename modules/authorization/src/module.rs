//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `TenantAdmission`, `Invitations`, `Members`, `UserTenants`, `Policies`, `PolicyTemplates`, `Roles`, `TenantProvisioning`, `Tenants` | `TenancyMode`, `Database`, `SystemDatabase` (creating a tenant, restoring one and accepting an invitation, none of which has a tenant scope; upgrading the policies of all tenants), the view `user_profiles` | `tenants`, `roles`, `memberships`, `invitations`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule, TenancyMode},
    db::{Database, SystemDatabase},
    shaku_value::ValueModule,
};
use shaku::module;

use crate::{
    tenant_creator::TenantCreationService,
    invitations::InvitationService,
    members::MemberService,
    user_tenants::UserTenantService,
    operator_tenants::OperatorTenantService,
    policies::PolicyService,
    postgres::{
        PgAcceptanceRepository, PgInvitationRepository, PgMembershipRepository, PgPolicyRepository, PgRoleRepository,
        PgPolicyStateRepository, PgTenantRepository,
    },
    roles::RoleService,
    admission::AdmissionService,
    tenants::TenantService,
    template_upgrade::TemplateUpgradeService,
};

module! {
    pub AuthorizationModuleImpl: AuthorizationModule {
        components = [
            OperatorTenantService,
            TenantCreationService,
            PgAcceptanceRepository,
            PgInvitationRepository,
            PgMembershipRepository,
            PgPolicyRepository,
            PgRoleRepository,
            PgPolicyStateRepository,
            PgTenantRepository,
            AdmissionService,
            InvitationService,
            TemplateUpgradeService,
            TenantService,
            MemberService,
            PolicyService,
            RoleService,
            UserTenantService
        ],
        providers = [],
        use dyn DbModule { components = [dyn Database, dyn SystemDatabase], providers = [] },
        use ValueModule<TenancyMode> { components = [TenancyMode], providers = [] }
    }
}
