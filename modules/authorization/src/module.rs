//! | provides | needs | owns |
//! | --- | --- | --- |
//! | `TenantAdmission`, `Invitations`, `Members`, `UserTenants`, `Policies`, `PolicyTemplates`, `Roles`, `OperatorTenants`, `Tenants` | `TenancyMode`, `Database`, `SystemDatabase` (creating a tenant, restoring one and accepting an invitation, none of which has a tenant scope; upgrading the policies of all tenants), the view `user_profiles` | `tenants`, `roles`, `memberships`, `invitations`, `policies`, `tenant_attributes` |
#![expect(missing_docs, reason = "`module!` takes no doc comment; the table above is the documentation")]

use kernel::{
    contracts::{AuthorizationModule, DbModule, TenancyMode},
    db::{Database, SystemDatabase},
    shaku_value::ValueModule,
};
use shaku::module;

use crate::{
    admission::AdmissionService,
    invitations::InvitationService,
    members::MemberService,
    operator_tenants::OperatorTenantService,
    policies::PolicyService,
    postgres::{
        PgAcceptanceRepository, PgInvitationRepository, PgMembershipRepository, PgPolicyRepository,
        PgPolicyStateRepository, PgRoleRepository, PgTenantRepository,
    },
    roles::RoleService,
    template_upgrade::TemplateUpgradeService,
    tenant_creation::TenantCreationService,
    tenants::TenantService,
    user_tenants::UserTenantService,
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
