//! Restores a backup with psql, in one transaction that also creates the policies and grants.
//!
//! `pg_restore` could connect to the database itself. Then policies and grants would be created in a second transaction,
//! because those in the backup name the roles of the database that was dumped.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use db::Migrator;
use tokio::io::{AsyncWriteExt, copy};

use super::{
    super::output::{CliError, print},
    dump_file::DumpInfo,
    subprocess::start,
};

/// What isn't restored: names of other roles, whatever an administrator configured for the whole server, and comments,
/// which only the owner of an extension may set.
const PG_RESTORE_ARGS: [&str; 6] = [
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--use-list=/dev/stdin",
];

/// Restores the backup into an empty database, to which `psql` connects.
///
/// # Errors
/// The backup is damaged or incompatible with this program, or a statement fails. The database is then unchanged.
pub(super) async fn run(
    mut pg_restore: Command,
    mut psql: Command,
    file: &Path,
    dump_info: &DumpInfo,
    migrator: &Migrator,
) -> Result<(), CliError> {
    print("restoring …");
    pg_restore.args(PG_RESTORE_ARGS).args(["--file=-", "--"]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::null());
    let outcome = execute(pg_restore, psql, &without_policies(&dump_info.contents), &migrator.restore_sql()).await;
    outcome.map_err(|error| format!("{} can't be restored: {error}", file.display()).into())
}

/// Completes the restore after its transaction. Returns the number of pending migrations.
pub(super) async fn complete(migrator: &Migrator) -> Result<usize, CliError> {
    if let Some(changed) = migrator.complete_restore().await? {
        print(changed);
    }
    Ok(migrator.plan().await?.len())
}

/// Runs what `pg_restore` prints for the contents, followed by `last_statements`, in one transaction. If `pg_restore`
/// fails, psql ends without a COMMIT.
async fn execute(pg_restore: Command, psql: Command, contents: &str, last_statements: &str) -> Result<(), CliError> {
    let (mut pg_restore, mut psql) = (start(pg_restore)?, start(psql)?);
    let streams = (pg_restore.stdin(), pg_restore.stdout(), psql.stdin());
    let (Some(mut list), Some(mut statements), Some(mut script)) = streams else {
        return Err("the client programs have no standard input and output".into());
    };
    // Writing fails if the reader has exited, whose own message says more.
    let copy_statements = async move {
        let _ = list.write_all(contents.as_bytes()).await;
        drop(list);
        script.write_all(b"BEGIN;\n").await.ok()?;
        copy(&mut statements, &mut script).await.ok()?;
        Some(script)
    };
    let write_script = async {
        let (script, restored) = tokio::join!(copy_statements, pg_restore.wait());
        if let Some(mut script) = script {
            restored??;
            let _ = script.write_all(format!("{last_statements}\nCOMMIT;\n").as_bytes()).await;
        }
        Ok::<(), CliError>(())
    };
    let (written, executed) = tokio::join!(write_script, psql.wait());
    written?;
    Ok(executed??)
}

/// Removes the policies from a table of contents.
fn without_policies(contents: &str) -> String {
    // The fields are: number, catalog, id, type, schema, name, owner.
    let is_policy = |line: &&str| line.split(' ').nth(3) == Some("POLICY");
    contents.lines().filter(|line| !is_policy(line)).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restore_list_omits_row_policies() {
        let contents = "\
;     Dumped from database version: 18.1
3283; 0 16404 TABLE DATA public POLICY postgres
3286; 0 16404 ROW SECURITY public tenants postgres
3288; 3256 16512 POLICY public tenants tenant postgres
";
        let expected: Vec<_> = contents.lines().take(3).collect();
        assert_eq!(without_policies(contents).lines().collect::<Vec<_>>(), expected);
    }
}
