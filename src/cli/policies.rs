//! `tenantry policies …`

use std::{cmp::Ordering, time::Duration};

use authorization_api::{BlockedTenant, PolicyTemplates, TenantsAtVersion, UpgradeReport};
use clap::Subcommand;
use db::{Db, DbError, open_db};
use kernel::{TenancyMode, TenantId};
use tokio::time::sleep;

use super::{
    output::{CliError, print, table},
    progress::Progress,
    signals::Signals,
};
use crate::{
    bootstrap::OperatorServices,
    config::{AppConfig, whole_number},
    logs::ErrorChain,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add to every tenant what newer versions of the policy templates contain
    ///
    /// Nothing is removed. The command may be interrupted at any time; run it again to continue.
    Upgrade {
        /// Only print what would be upgraded
        #[arg(long)]
        dry_run: bool,
        /// Tenants per transaction, 1 to 1000
        #[arg(long, value_name = "TENANTS", default_value_t = 100, value_parser = |text: &str| whole_number(1..=1000_u16)(text))]
        batch_size: u16,
    },
    /// Show the number of tenants at each version of the policy templates
    Status,
}

/// How often a tenant that another transaction has locked is tried. A change takes milliseconds, so a tenant that stays
/// locked has a stuck session.
const MAX_ATTEMPTS: u32 = 10;
const LOCK_RETRY_PAUSE: Duration = Duration::from_millis(500);

const INTERRUPTED: &str =
    "interrupted; every tenant is either at its old version or fully upgraded: run this command again to continue";

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    // An interrupted transaction is rolled back.
    let db = tokio::select! {
        db = open_db(config.db) => db?,
        () = signals.next() => return Err(INTERRUPTED.into()),
    };
    let templates = OperatorServices::new(&db, &config.tenancy).templates;
    let outcome = tokio::select! {
        outcome = execute(command, &*templates) => outcome,
        () = signals.next() => Err(INTERRUPTED.into()),
    };
    db.close().await;
    outcome
}

async fn execute(command: Command, templates: &dyn PolicyTemplates) -> Result<(), CliError> {
    let report = match command {
        Command::Upgrade { dry_run, batch_size } => upgrade(templates, dry_run, batch_size.into()).await,
        Command::Status => status(templates).await.map(|()| UpgradeReport::default()),
    };
    let UpgradeReport { blocked, skipped, .. } = report.map_err(|error| ErrorChain(&error).to_string())?;
    for BlockedTenant { slug, role } in &blocked {
        print(format_args!("skipped {slug}: custom role {role} conflicts with a system role; rename it and rerun"));
    }
    if !skipped.is_empty() {
        let tenants = tenant_count(skipped.len());
        print(format_args!("skipped {tenants} still locked by another transaction: end it and run this command again"));
    }
    match blocked.len() + skipped.len() {
        0 => Ok(()),
        failed => Err(format!("{} couldn't be upgraded", tenant_count(failed)).into()),
    }
}

async fn status(templates: &dyn PolicyTemplates) -> Result<(), DbError> {
    let versions = templates.versions().await?;
    let rows = versions.in_use.iter().map(|TenantsAtVersion { version, tenants }| {
        let state = match version.cmp(&versions.current) {
            Ordering::Less => "outdated",
            Ordering::Equal => "current",
            Ordering::Greater => "newer",
        };
        vec![version.to_string(), tenants.to_string(), state.into()]
    });
    print(table(&["version", "tenants", "state"], rows));
    Ok(())
}

/// Upgrades all outdated tenants.
async fn upgrade(templates: &dyn PolicyTemplates, dry_run: bool, batch_size: usize) -> Result<UpgradeReport, DbError> {
    let versions = templates.versions().await?;
    let target = format!("version {} of the policy templates", versions.current);
    if versions.newer_count() > 0 {
        let newer = tenant_count(versions.newer_count());
        print(format_args!("skipped {newer} newer than {target}: upgraded by a newer version of the program"));
    }
    let outdated = templates.outdated_tenants().await?;
    if outdated.is_empty() {
        print(format_args!("nothing to upgrade: no tenant is older than {target}"));
        return Ok(UpgradeReport::default());
    }
    if dry_run {
        let mut planned = UpgradeReport::default();
        for tenants in outdated.chunks(batch_size) {
            merge(&mut planned, templates.plan(tenants).await?);
        }
        print(format_args!("would upgrade {} to {target}", tenant_count(planned.upgraded)));
        return Ok(planned);
    }
    let report = run_upgrade(templates, &outdated, batch_size).await?;
    print(format_args!("upgraded {} to {target}", tenant_count(report.upgraded)));
    if report.up_to_date > 0 {
        print(format_args!("skipped {}: upgraded by a concurrent run", tenant_count(report.up_to_date)));
    }
    let reported = report.blocked.len() + report.skipped.len();
    let still_outdated = templates.versions().await?.outdated_count() - reported as i64;
    if still_outdated > 0 {
        print(format_args!(
            "still outdated: {}, created by an older version of the program; stop its instances and run this again",
            tenant_count(still_outdated)
        ));
    }
    Ok(report)
}

/// Upgrades batch by batch. Tenants that another transaction has locked are tried again at the end.
async fn run_upgrade(
    templates: &dyn PolicyTemplates,
    outdated: &[TenantId],
    batch_size: usize,
) -> Result<UpgradeReport, DbError> {
    let mut progress = Progress::new(outdated.len(), ["upgraded", "tenants"]);
    let mut total = UpgradeReport::default();
    let mut pending = outdated.to_vec();
    for attempt in 1..=MAX_ATTEMPTS {
        for tenants in pending.chunks(batch_size) {
            let batch = templates.upgrade(tenants).await?;
            progress.advance(tenants.len() - batch.skipped.len());
            merge(&mut total, batch);
        }
        pending = std::mem::take(&mut total.skipped);
        if pending.is_empty() || attempt == MAX_ATTEMPTS {
            break;
        }
        if attempt == 1 {
            progress.print(&format!("waiting for {} locked by another transaction", tenant_count(pending.len())));
        }
        sleep(LOCK_RETRY_PAUSE).await;
    }
    total.skipped = pending;
    Ok(total)
}

fn merge(total: &mut UpgradeReport, UpgradeReport { upgraded, up_to_date, skipped, blocked }: UpgradeReport) {
    total.upgraded += upgraded;
    total.up_to_date += up_to_date;
    total.skipped.extend(skipped);
    total.blocked.extend(blocked);
}

fn tenant_count(count: impl TryInto<u64>) -> String {
    match count.try_into().unwrap_or_default() {
        1 => "1 tenant".to_owned(),
        count => format!("{count} tenants"),
    }
}

/// Logs a warning if tenants have outdated policy templates. Nothing else would show it.
pub(super) async fn warn_if_outdated(db: &Db) -> Result<(), CliError> {
    let versions = OperatorServices::new(db, &TenancyMode::default()).templates.versions().await?;
    if versions.outdated_count() > 0 {
        tracing::warn!(
            "{} older than version {} of the policy templates: run `tenantry policies upgrade`",
            tenant_count(versions.outdated_count()),
            versions.current
        );
    }
    Ok(())
}
