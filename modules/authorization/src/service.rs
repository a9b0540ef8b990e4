//! The gate to a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    contracts::{Admission, AuthorizationError, AuthorizationService, Identity, TenantRef},
    db::Database,
};
use shaku::Component;

use crate::{domain::CompiledPolicies, postgres::MembershipRepository};

/// Admits members, and compiles their tenant's policies.
#[derive(Component)]
#[shaku(interface = AuthorizationService)]
pub(crate) struct PolicyAuthorization {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
}

#[async_trait]
impl AuthorizationService for PolicyAuthorization {
    async fn admit(&self, identity: &Identity, tenant: &TenantRef) -> Result<Option<Admission>, AuthorizationError> {
        let mut tx = self.database.begin_as(identity).await?;
        let admitted = self.memberships.admission(&mut tx, tenant).await?;
        Ok(admitted.map(|row| Admission {
            tenant: row.tenant,
            role: row.role,
            policies: Arc::new(CompiledPolicies::new(row.policies, row.tenant_facts)),
        }))
    }
}
