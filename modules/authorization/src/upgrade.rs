//! Bringing tenants to the current version of the templates.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use kernel::{
    contracts::{
        AuthorizationError, BlockedTenant, Busy, PolicyTemplates, TemplateVersions, TenantId, TenantsAtVersion,
        Upgraded,
    },
    db::{DbError, SystemDatabase, SystemTx, SystemWork},
};
use shaku::Component;

use crate::{
    domain::{Additions, FreshIds, NameTaken, TEMPLATES},
    postgres::{
        add, lock_tenants, lock_tenants_nobody_changes, set_version, templated, tenants_at_versions, tenants_behind,
    },
};

/// What stands behind `tenantry policies`.
#[derive(Component)]
#[shaku(interface = PolicyTemplates)]
pub(crate) struct TemplateUpgrade {
    #[shaku(inject)]
    system: Arc<dyn SystemDatabase>,
}

#[async_trait]
impl PolicyTemplates for TemplateUpgrade {
    async fn versions(&self) -> Result<TemplateVersions, AuthorizationError> {
        let found: Vec<TenantsAtVersion> = tenants_at_versions(&mut self.begin().await?).await?;
        Ok(TemplateVersions { current: TEMPLATES.current(), found })
    }

    async fn behind(&self) -> Result<Vec<TenantId>, AuthorizationError> {
        Ok(tenants_behind(&mut self.begin().await?, TEMPLATES.current()).await?)
    }

    async fn plan(&self, tenants: &[TenantId]) -> Result<Upgraded, AuthorizationError> {
        Ok(plan(&mut self.begin().await?, tenants).await?.0)
    }

    async fn upgrade(&self, tenants: &[TenantId], busy: Busy) -> Result<Upgraded, AuthorizationError> {
        let mut tx = self.begin().await?;
        // Whoever changes who may do what in a tenant takes this lock first. So what is read after it stays as it is
        // read, and of two upgrades the second finds nothing left to do.
        let locked = match busy {
            Busy::LeaveOut => lock_tenants_nobody_changes(&mut tx, tenants).await?,
            Busy::WaitFor => lock_tenants(&mut tx, tenants).await?,
        };
        let (mut upgraded, additions) = plan(&mut tx, &locked).await?;
        add(&mut tx, &additions).await?;
        let ids: Vec<TenantId> = additions.iter().map(|(tenant, _)| *tenant).collect();
        set_version(&mut tx, &ids, TEMPLATES.current()).await?;
        tx.commit().await?;
        if let Busy::LeaveOut = busy {
            let locked: BTreeSet<TenantId> = locked.into_iter().collect();
            upgraded.busy = tenants.iter().filter(|tenant| !locked.contains(tenant)).copied().collect();
        }
        Ok(upgraded)
    }
}

impl TemplateUpgrade {
    async fn begin(&self) -> Result<SystemTx, DbError> {
        self.system.begin(SystemWork::UpgradePolicies).await
    }
}

/// What is to become of the tenants, and what those that are upgraded get.
async fn plan(tx: &mut SystemTx, tenants: &[TenantId]) -> Result<(Upgraded, Vec<(TenantId, Additions)>), DbError> {
    let (mut upgraded, mut additions) = (Upgraded::default(), Vec::new());
    for tenant in templated(tx, tenants, &TEMPLATES.roles()).await? {
        if tenant.version >= TEMPLATES.current() {
            upgraded.not_behind += 1;
            continue;
        }
        match TEMPLATES.lacking(tenant.version, &tenant.roles, &mut FreshIds) {
            Ok(lacking) => additions.push((tenant.id, lacking)),
            Err(NameTaken(role)) => upgraded.blocked.push(BlockedTenant { slug: tenant.slug, role }),
        }
    }
    upgraded.upgraded = additions.len();
    Ok((upgraded, additions))
}
