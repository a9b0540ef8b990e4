//! `tenantry policies …`

use std::cmp::Ordering;

use clap::Subcommand;
use kernel::{
    contracts::{AuthorizationError, BlockedTenant, OnLocked, PolicyTemplates, TenantId, TenantsAtVersion, UpgradeReport},
    db::{Db, open_db},
};

use super::{CliError, progress::Progress, print, serve::Signals, table};
use crate::{bootstrap, config::AppConfig, logs::ErrorChain};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Give every tenant what newer versions of the policy templates add
    ///
    /// Nothing is removed. It may be stopped at any moment: run again, it goes on.
    Upgrade {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// How many tenants at once, 1 to 1000; each batch is done as a whole or not at all
        #[arg(long, value_name = "TENANTS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        batch_size: u16,
    },
    /// Show how many tenants have which version of the policy templates
    Status,
}

/// What is said to somebody who couldn't wait.
const STOPPED: &str = "stopped; each tenant has its old version or the new one as a whole: run it again to go on";

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    // What is given up half-way is rolled back.
    let db = tokio::select! {
        db = open_db(config.db) => db?,
        () = signals.next() => return Err(STOPPED.into()),
    };
    let templates = bootstrap::policy_templates(&db);
    let outcome = tokio::select! {
        outcome = execute(command, &*templates) => outcome,
        () = signals.next() => Err(STOPPED.into()),
    };
    db.close().await;
    outcome
}

async fn execute(command: Command, templates: &dyn PolicyTemplates) -> Result<(), CliError> {
    let blocked = match command {
        Command::Upgrade { dry_run, batch_size } => upgrade(templates, dry_run, batch_size.into()).await,
        Command::Status => status(templates).await.map(|()| Vec::new()),
    };
    let blocked = blocked.map_err(|error| ErrorChain(&error).to_string())?;
    for BlockedTenant { slug, role } in &blocked {
        print(format_args!(
            "{slug} stays as it is: a role of its own is called {role}, as a role of the templates is. Rename that role, \
             then run this again"
        ));
    }
    match blocked.len() {
        0 => Ok(()),
        left => Err(format!("{} couldn't be upgraded", tenant_count(left)).into()),
    }
}

async fn status(templates: &dyn PolicyTemplates) -> Result<(), AuthorizationError> {
    let versions = templates.versions().await?;
    let rows = versions.in_use.iter().map(|TenantsAtVersion { version, tenants }| {
        let state = match version.cmp(&versions.current) {
            Ordering::Less => "behind",
            Ordering::Equal => "current",
            Ordering::Greater => "of a newer program",
        };
        vec![version.to_string(), tenants.to_string(), state.into()]
    });
    print(table(&["version", "tenants", "state"], rows));
    Ok(())
}

/// Those that something is in the way of.
async fn upgrade(
    templates: &dyn PolicyTemplates,
    dry_run: bool,
    batch_size: usize,
) -> Result<Vec<BlockedTenant>, AuthorizationError> {
    let versions = templates.versions().await?;
    let to = format!("version {} of the policy templates", versions.current);
    if versions.ahead() > 0 {
        print(format_args!("{} beyond {to}, left alone: a newer program was here", tenant_count(versions.ahead())));
    }
    let behind = templates.outdated_tenants().await?;
    if behind.is_empty() {
        print(format_args!("nothing to upgrade: no tenant is behind {to}"));
        return Ok(Vec::new());
    }
    if dry_run {
        let would = plan(templates, &behind, batch_size).await?;
        print(format_args!("would upgrade {} to {to}", tenant_count(would.upgraded)));
        return Ok(would.blocked);
    }
    let done = run_upgrade(templates, &behind, batch_size).await?;
    print(format_args!("upgraded {} to {to}", tenant_count(done.upgraded)));
    if done.up_to_date > 0 {
        print(format_args!("{} upgraded by another run meanwhile", tenant_count(done.up_to_date)));
    }
    let still_behind = templates.versions().await?.behind() - done.blocked.len() as i64;
    if still_behind > 0 {
        print(format_args!(
            "{} founded behind it meanwhile: run this again when no older program serves any more",
            tenant_count(still_behind)
        ));
    }
    Ok(done.blocked)
}

async fn plan(
    templates: &dyn PolicyTemplates,
    behind: &[TenantId],
    batch_size: usize,
) -> Result<UpgradeReport, AuthorizationError> {
    let mut all = UpgradeReport::default();
    for tenants in behind.chunks(batch_size) {
        merge(&mut all, templates.plan(tenants).await?);
    }
    Ok(all)
}

/// Batch by batch; last come those that somebody was changing, one at a time, so that nobody else is held up by them.
async fn run_upgrade(
    templates: &dyn PolicyTemplates,
    behind: &[TenantId],
    batch_size: usize,
) -> Result<UpgradeReport, AuthorizationError> {
    let mut progress = Progress::new(behind.len(), ["upgraded", "tenants"]);
    let mut all = UpgradeReport::default();
    for tenants in behind.chunks(batch_size) {
        let done = templates.upgrade(tenants, OnLocked::Skip).await?;
        progress.advance(tenants.len() - done.skipped.len());
        merge(&mut all, done);
    }
    let busy = std::mem::take(&mut all.skipped);
    if !busy.is_empty() {
        progress.print(&format!("waiting for {} that somebody is changing", tenant_count(busy.len())));
    }
    for tenant in busy {
        merge(&mut all, templates.upgrade(&[tenant], OnLocked::Wait).await?);
        progress.advance(1);
    }
    Ok(all)
}

fn merge(all: &mut UpgradeReport, UpgradeReport { upgraded, up_to_date, skipped, blocked }: UpgradeReport) {
    all.upgraded += upgraded;
    all.up_to_date += up_to_date;
    all.skipped.extend(skipped);
    all.blocked.extend(blocked);
}

/// A number of tenants for people.
fn tenant_count(count: impl TryInto<u64>) -> String {
    match count.try_into().unwrap_or_default() {
        1 => "1 tenant".to_owned(),
        count => format!("{count} tenants"),
    }
}

/// A line in the log where tenants lack what this program's templates give: nothing else would say so.
pub(super) async fn warn_if_outdated(db: &Db) -> Result<(), CliError> {
    let versions = bootstrap::policy_templates(db).versions().await?;
    if versions.behind() > 0 {
        tracing::warn!(
            "{} behind version {} of the policy templates: run `tenantry policies upgrade`",
            tenant_count(versions.behind()),
            versions.current
        );
    }
    Ok(())
}
