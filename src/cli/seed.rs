//! `tenantry seed`

use db::open_db;

use super::{
    exposure::Exposure,
    output::{CliError, print, table},
};
use crate::{config::AppConfig, logs::ErrorChain};

pub(super) async fn run(config: AppConfig) -> Result<(), CliError> {
    if let Some(Exposure { reason, remedy }) = Exposure::of(&config, config.http.host) {
        let remedy = remedy.map(|remedy| format!("{remedy}, or ")).unwrap_or_default();
        return Err(format!(
            "demo data is not allowed: the password of its accounts is public, and {reason}; {remedy}create accounts \
             with `tenantry users create`"
        )
        .into());
    }
    let db = open_db(config.db).await?;
    let outcome = seeds::run(&*db.system()).await;
    let marked = db.mark_initialized();
    db.close().await;
    let report = outcome.map_err(|error| ErrorChain(&error).to_string())?.report();
    marked?;
    let state = |created| if created { "created" } else { "exists" };
    let rows = report.into_iter().map(|line| vec![line.module.into(), line.item, state(line.created).into()]);
    print(table(&["module", "item", "state"], rows));
    print(format_args!("password of alice@example.com and bob@example.com: {}", seeds::PASSWORD));
    Ok(())
}
