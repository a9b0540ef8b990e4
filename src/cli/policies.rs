//! `tenantry policies …`

use std::cmp::Ordering;

use clap::Subcommand;
use kernel::{
    contracts::{AuthorizationError, BlockedTenant, Busy, PolicyTemplates, TenantId, TenantsAtVersion, Upgraded},
    db::{Db, create_db},
};

use super::{Failure, progress::Progress, say, serve::Signals, table};
use crate::{bootstrap, config::AppConfig, logs::Causes};

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
        batch: u16,
    },
    /// Show how many tenants have which version of the policy templates
    Status,
}

/// What is said to somebody who couldn't wait.
const STOPPED: &str = "stopped; each tenant has its old version or the new one as a whole: run it again to go on";

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    // What is given up half-way is rolled back.
    let db = tokio::select! {
        db = create_db(config.db) => db?,
        () = signals.next() => return Err(STOPPED.into()),
    };
    let templates = bootstrap::policy_templates(&db);
    let outcome = tokio::select! {
        outcome = act(command, &*templates) => outcome,
        () = signals.next() => Err(STOPPED.into()),
    };
    db.close().await;
    outcome
}

async fn act(command: Command, templates: &dyn PolicyTemplates) -> Result<(), Failure> {
    let blocked = match command {
        Command::Upgrade { dry_run, batch } => upgrade(templates, dry_run, batch.into()).await,
        Command::Status => status(templates).await.map(|()| Vec::new()),
    };
    let blocked = blocked.map_err(|error| Causes(&error).to_string())?;
    for BlockedTenant { slug, role } in &blocked {
        say(format_args!(
            "{slug} stays as it is: a role of its own is called {role}, as a role of the templates is. Rename that role, \
             then run this again"
        ));
    }
    match blocked.len() {
        0 => Ok(()),
        left => Err(format!("{} couldn't be upgraded", tenants(left)).into()),
    }
}

async fn status(templates: &dyn PolicyTemplates) -> Result<(), AuthorizationError> {
    let versions = templates.versions().await?;
    let rows = versions.found.iter().map(|TenantsAtVersion { version, tenants }| {
        let state = match version.cmp(&versions.current) {
            Ordering::Less => "behind",
            Ordering::Equal => "current",
            Ordering::Greater => "of a newer program",
        };
        vec![version.to_string(), tenants.to_string(), state.into()]
    });
    say(table(&["version", "tenants", "state"], rows));
    Ok(())
}

/// Those that something is in the way of.
async fn upgrade(
    templates: &dyn PolicyTemplates,
    dry_run: bool,
    batch: usize,
) -> Result<Vec<BlockedTenant>, AuthorizationError> {
    let versions = templates.versions().await?;
    let to = format!("version {} of the policy templates", versions.current);
    if versions.ahead() > 0 {
        say(format_args!("{} beyond {to}, left alone: a newer program was here", tenants(versions.ahead())));
    }
    let behind = templates.behind().await?;
    if behind.is_empty() {
        say(format_args!("nothing to upgrade: no tenant is behind {to}"));
        return Ok(Vec::new());
    }
    if dry_run {
        let would = plan(templates, &behind, batch).await?;
        say(format_args!("would upgrade {} to {to}", tenants(would.upgraded)));
        return Ok(would.blocked);
    }
    let done = carry_out(templates, &behind, batch).await?;
    say(format_args!("upgraded {} to {to}", tenants(done.upgraded)));
    if done.not_behind > 0 {
        say(format_args!("{} upgraded by another run meanwhile", tenants(done.not_behind)));
    }
    let founded = templates.versions().await?.behind() - done.blocked.len() as i64;
    if founded > 0 {
        say(format_args!(
            "{} founded behind it meanwhile: run this again when no older program serves any more",
            tenants(founded)
        ));
    }
    Ok(done.blocked)
}

async fn plan(
    templates: &dyn PolicyTemplates,
    behind: &[TenantId],
    batch: usize,
) -> Result<Upgraded, AuthorizationError> {
    let mut all = Upgraded::default();
    for tenants in behind.chunks(batch) {
        sum(&mut all, templates.plan(tenants).await?);
    }
    Ok(all)
}

/// Batch by batch; last come those that somebody was changing, one at a time, so that nobody else is held up by them.
async fn carry_out(
    templates: &dyn PolicyTemplates,
    behind: &[TenantId],
    batch: usize,
) -> Result<Upgraded, AuthorizationError> {
    let mut progress = Progress::of(behind.len(), ["upgraded", "tenants"]);
    let mut all = Upgraded::default();
    for tenants in behind.chunks(batch) {
        let done = templates.upgrade(tenants, Busy::LeaveOut).await?;
        progress.advance(tenants.len() - done.busy.len());
        sum(&mut all, done);
    }
    let busy = std::mem::take(&mut all.busy);
    if !busy.is_empty() {
        progress.say(&format!("waiting for {} that somebody is changing", tenants(busy.len())));
    }
    for tenant in busy {
        sum(&mut all, templates.upgrade(&[tenant], Busy::WaitFor).await?);
        progress.advance(1);
    }
    Ok(all)
}

fn sum(all: &mut Upgraded, Upgraded { upgraded, not_behind, busy, blocked }: Upgraded) {
    all.upgraded += upgraded;
    all.not_behind += not_behind;
    all.busy.extend(busy);
    all.blocked.extend(blocked);
}

/// A number of tenants for people.
fn tenants(count: impl TryInto<u64>) -> String {
    match count.try_into().unwrap_or_default() {
        1 => "1 tenant".to_owned(),
        count => format!("{count} tenants"),
    }
}

/// A line in the log where tenants lack what this program's templates give: nothing else would say so.
pub(super) async fn tell_of_tenants_behind(db: &Db) -> Result<(), Failure> {
    let versions = bootstrap::policy_templates(db).versions().await?;
    if versions.behind() > 0 {
        tracing::warn!(
            "{} behind version {} of the policy templates: run `tenantry policies upgrade`",
            tenants(versions.behind()),
            versions.current
        );
    }
    Ok(())
}
