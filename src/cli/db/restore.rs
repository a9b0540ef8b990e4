//! `tenantry db restore`

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use kernel::db::{Care, DbConfig, MigrateError, Replaced, Replacement, look};

use super::{
    super::{Failure, say, serve::Signals},
    archive::{self, Contents},
    tool::{finish, or_interrupted, said},
};

/// What is asked for.
pub(super) struct Wish {
    /// The backup.
    pub(super) file: PathBuf,
    /// Whether nobody need be asked.
    pub(super) yes: bool,
    /// Whether what is replaced is kept.
    pub(super) keep: bool,
}

/// Whatever can be refused is refused before anything is started or created.
pub(super) async fn run(wish: Wish, config: DbConfig) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let look = look(&config).await?;
    archive::check_magic(&wish.file)?;
    let installation = look.installation().map_err(kernel::db::OpenError::from)?;
    let contents = or_interrupted(&mut signals, archive::read(&installation, &wish.file)).await?;
    let care = or_interrupted(&mut signals, Care::start(&config)).await?;
    let outcome = replace(&care, look.root(), &wish, &contents, &mut signals).await;
    care.close().await;
    outcome
}

async fn replace(
    care: &Care,
    root: &Path,
    wish: &Wish,
    contents: &Contents,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let has_data = care.has_data().await?;
    if has_data && !wish.yes {
        confirm(root, contents, signals).await?;
    }
    let replacement = care.replacement().await?;
    let pending = match or_interrupted(signals, fill(care, &replacement, &wish.file)).await {
        Ok(pending) => pending,
        Err(failure) => {
            replacement.discard().await?;
            return Err(format!("{failure}; nothing was changed").into());
        }
    };
    let replaced = replacement.swap(wish.keep && has_data).await?;
    say(format_args!("restored {} tables as of {}", contents.tables, contents.created));
    if let Replaced::Kept(name) = replaced {
        say(format_args!("what was there before is kept as the database {name}: `tenantry db psql -d {name}`"));
    }
    if pending > 0 {
        say(format_args!("{pending} newer migrations are pending: the next start applies them"));
    }
    Ok(())
}

/// Fills the new database, and looks whether this program can use it. How many migrations it lacks.
async fn fill(care: &Care, replacement: &Replacement<'_>, file: &Path) -> Result<usize, Failure> {
    let mut command = care.client().command("pg_restore", replacement.database())?;
    command.args(["--exit-on-error", "--single-transaction"]).arg(file);
    say("restoring …");
    let output = finish(command).await?;
    if !output.status.success() {
        return Err(format!("{} can't be restored: {}", file.display(), said(&output)).into());
    }
    let pending = replacement.migrator().plan().await.map_err(|error| match error {
        MigrateError::History(words) => format!("{} doesn't fit this program: {words}", file.display()).into(),
        other => Failure::from(other),
    })?;
    replacement.analyze().await?;
    Ok(pending.len())
}

async fn confirm(root: &Path, contents: &Contents, signals: &mut Signals) -> Result<(), Failure> {
    let words = format!("this replaces all data in {} with the backup of {}", root.display(), contents.created);
    if !io::stdin().is_terminal() {
        return Err(format!("{words}: say --yes if that is meant").into());
    }
    let _ = write!(io::stdout(), "{words}. Type yes to go on: ");
    let _ = io::stdout().flush();
    let (sender, answer) = tokio::sync::oneshot::channel();
    // A thread of its own, which nobody waits for: reading can't be called off.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().read_line(&mut line);
        let _ = sender.send(line.trim() == "yes");
    });
    match or_interrupted(signals, answer).await? {
        true => Ok(()),
        false => Err("nothing was changed".into()),
    }
}
