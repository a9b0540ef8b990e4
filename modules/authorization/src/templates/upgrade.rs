//! The service that upgrades tenants to the current version of the policy templates.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use authorization_api::{BlockedTenant, PolicyTemplates, PolicyTemplatesUpgraded, TemplateVersions, UpgradeReport};
use db::{DbError, SystemAuditEvents, SystemDatabase, SystemReason, SystemTx};
use kernel::{Caller, IntoAuditEvents, OperatorCommand, TenantId};
use shaku::Component;

use crate::templates::{
    RandomIds, RoleNameConflict, TEMPLATES, TemplateAdditions,
    store::{
        count_tenants_by_version, find_template_states, insert_additions, lock_tenants, outdated_tenants,
        set_template_version,
    },
};

/// Implements `tenantry policies`.
#[derive(Component)]
#[shaku(interface = PolicyTemplates)]
pub(crate) struct TemplateUpgradeService {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
}

#[async_trait]
impl PolicyTemplates for TemplateUpgradeService {
    async fn versions(&self) -> Result<TemplateVersions, DbError> {
        let in_use = count_tenants_by_version(&mut self.begin().await?).await?;
        Ok(TemplateVersions { current: TEMPLATES.current(), in_use })
    }

    async fn outdated_tenants(&self) -> Result<Vec<TenantId>, DbError> {
        outdated_tenants(&mut self.begin().await?, TEMPLATES.current()).await
    }

    async fn plan(&self, tenants: &[TenantId]) -> Result<UpgradeReport, DbError> {
        Ok(plan(&mut self.begin().await?, tenants).await?.0)
    }

    async fn upgrade(&self, tenants: &[TenantId]) -> Result<UpgradeReport, DbError> {
        let mut tx = self.begin().await?;
        // Every change to a tenant's roles and policies takes this lock first. Rows read after it can't change until
        // the transaction ends, and of two concurrent upgrades the second has nothing left to do.
        let locked = lock_tenants(&mut tx, tenants).await?;
        let (mut report, additions) = plan(&mut tx, &locked).await?;
        insert_additions(&mut tx, &additions).await?;
        let ids: Vec<TenantId> = additions.iter().map(|(tenant, _)| *tenant).collect();
        set_template_version(&mut tx, &ids, TEMPLATES.current()).await?;
        let upgraded = |tenant| PolicyTemplatesUpgraded { tenant, version: TEMPLATES.current() };
        if let Some(events) = SystemAuditEvents::of_tenants(ids.iter().map(|id| (*id, upgraded(*id).into_events()))) {
            tx.commit(&Caller::operator(OperatorCommand::UpgradePolicies), events).await?;
        }
        let locked: BTreeSet<TenantId> = locked.into_iter().collect();
        report.skipped = tenants.iter().filter(|tenant| !locked.contains(tenant)).copied().collect();
        Ok(report)
    }
}

impl TemplateUpgradeService {
    async fn begin(&self) -> Result<SystemTx, DbError> {
        self.system.begin(SystemReason::UpgradePolicies).await
    }
}

/// Returns what an upgrade of these tenants does, and the additions of each tenant that can be upgraded.
async fn plan(
    tx: &mut SystemTx,
    tenants: &[TenantId],
) -> Result<(UpgradeReport, Vec<(TenantId, TemplateAdditions)>), DbError> {
    let (mut report, mut additions) = (UpgradeReport::default(), Vec::new());
    for tenant in find_template_states(tx, tenants, &TEMPLATES.roles()).await? {
        if tenant.version >= TEMPLATES.current() {
            report.up_to_date += 1;
            continue;
        }
        match TEMPLATES.additions_since(tenant.version, &tenant.roles, &mut RandomIds) {
            Ok(lacking) => additions.push((tenant.id, lacking)),
            Err(RoleNameConflict(role)) => report.blocked.push(BlockedTenant { slug: tenant.slug, role }),
        }
    }
    report.upgraded = additions.len();
    Ok((report, additions))
}
