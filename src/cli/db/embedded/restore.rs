//! `tenantry db restore` into the embedded database.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use db::{DbConfig, EmbeddedAdmin, OldDatabase, StagedDatabase, inspect};

use super::super::{
    super::{
        output::{CliError, print},
        signals::Signals,
    },
    dump_file::{self, DumpInfo},
    restore_script,
    subprocess::cancellable,
};

/// Arguments of the command.
pub(super) struct RestoreArgs {
    pub(super) file: PathBuf,
    /// Skips the confirmation prompt.
    pub(super) yes: bool,
    /// Keeps the old database under another name.
    pub(super) keep_old: bool,
}

/// Checks the backup before starting a server or creating a database.
pub(super) async fn run(args: RestoreArgs, config: DbConfig) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let inspection = inspect(&config).await?;
    dump_file::check_magic(&args.file)?;
    let installation = inspection.installation().map_err(db::OpenError::from)?;
    let pg_restore = installation.command("pg_restore").map_err(db::OpenError::from)?;
    let dump_info = cancellable(&mut signals, dump_file::read(pg_restore, installation.major(), &args.file)).await?;
    let admin = cancellable(&mut signals, EmbeddedAdmin::start(&config)).await?;
    let outcome = replace(&admin, inspection.root(), &args, &dump_info, &mut signals).await;
    admin.close().await;
    outcome
}

async fn replace(
    admin: &EmbeddedAdmin,
    root: &Path,
    args: &RestoreArgs,
    dump_info: &DumpInfo,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let has_data = admin.has_data().await?;
    if has_data && !args.yes {
        confirm(root, dump_info, signals).await?;
    }
    let staged = admin.create_staged().await?;
    let pending = match cancellable(signals, fill(admin, &staged, &args.file, dump_info)).await {
        Ok(pending) => pending,
        Err(error) => {
            staged.discard().await?;
            return Err(format!("{error}; nothing was changed").into());
        }
    };
    let replaced = staged.swap(args.keep_old && has_data).await?;
    print(format_args!("restored {} tables as of {}", dump_info.tables, dump_info.created));
    if let OldDatabase::Kept(name) = replaced {
        print(format_args!("kept the old data as database {name}; connect with `tenantry db psql -d {name}`"));
    }
    if pending > 0 {
        print(format_args!("pending migrations: {pending}; they are applied at the next start"));
    }
    Ok(())
}

/// Restores the backup into the staged database. Returns the number of pending migrations.
async fn fill(
    admin: &EmbeddedAdmin,
    staged: &StagedDatabase<'_>,
    file: &Path,
    dump_info: &DumpInfo,
) -> Result<usize, CliError> {
    let pg_restore = admin.connection_info().installation().command("pg_restore")?;
    let psql = admin.connection_info().command("psql", staged.database())?;
    let migrator = staged.migrator();
    restore_script::run(pg_restore, psql, file, dump_info, &migrator).await?;
    restore_script::complete(&migrator).await
}

async fn confirm(root: &Path, dump_info: &DumpInfo, signals: &mut Signals) -> Result<(), CliError> {
    let warning = format!("this replaces all data in {} with the backup of {}", root.display(), dump_info.created);
    if !io::stdin().is_terminal() {
        return Err(format!("{warning}; pass --yes to confirm").into());
    }
    let _ = write!(io::stdout(), "{warning}. Type yes to continue: ");
    let _ = io::stdout().flush();
    let (sender, answer) = tokio::sync::oneshot::channel();
    // A detached thread, because a blocking read from standard input can't be cancelled.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().read_line(&mut line);
        let _ = sender.send(line.trim() == "yes");
    });
    match cancellable(signals, answer).await? {
        true => Ok(()),
        false => Err("nothing was changed".into()),
    }
}
