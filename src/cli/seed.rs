//! `tenantry seed`

use kernel::db::create_db;

use super::{Failure, say, table};
use crate::{
    config::{AppConfig, AppEnv},
    logs::Causes,
};

pub(super) async fn run(config: AppConfig) -> Result<(), Failure> {
    if config.environment == AppEnv::Production {
        return Err("demo data has no place in production: its accounts have a public password".into());
    }
    let db = create_db(config.db).await?;
    let outcome = seeds::run(&*db.system()).await;
    let settled = db.settle();
    db.close().await;
    let report = outcome.map_err(|error| Causes(&error).to_string())?.report();
    settled?;
    let state = |created| if created { "created" } else { "was there" };
    let rows = report.into_iter().map(|line| vec![line.module.into(), line.what, state(line.created).into()]);
    say(table(&["module", "what", "state"], rows));
    say(format_args!("The password of alice@example.com and bob@example.com: {}", seeds::PASSWORD));
    Ok(())
}
