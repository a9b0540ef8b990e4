//! Reads the table of contents of a backup, as printed by `pg_restore --list`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
};

use super::{super::output::CliError, subprocess::run_to_completion};

/// The first bytes of a file written by `pg_dump --format=custom`.
pub(super) const MAGIC: &[u8] = b"PGDMP";

/// Metadata of a backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DumpInfo {
    /// Creation time, as `pg_restore` formats it.
    pub(super) created: String,
    /// Version of the server that was dumped.
    pub(super) version: String,
    /// Major part of `version`.
    pub(super) major: u32,
    /// Number of tables with data.
    pub(super) tables: usize,
    /// The table of contents.
    pub(super) contents: String,
}

/// Rejects a file that doesn't start with [`MAGIC`], without running any program.
pub(super) fn check_magic(file: &Path) -> Result<(), CliError> {
    let mut head = Vec::new();
    let read = File::open(file).and_then(|open| match open.metadata()?.is_file() {
        true => open.take(MAGIC.len() as u64).read_to_end(&mut head),
        false => Err(io::Error::other("not a regular file")),
    });
    read.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    if head == MAGIC { Ok(()) } else { Err(not_a_backup(file)) }
}

/// Reads a backup's table of contents with a `pg_restore` of this major version, and checks that it can restore it.
pub(super) async fn read(mut pg_restore: Command, major: u32, file: &Path) -> Result<DumpInfo, CliError> {
    pg_restore.args(["--list", "--"]).arg(file).stdout(Stdio::piped());
    let list = run_to_completion(pg_restore).await?.map_err(|error| -> CliError {
        // The archive format has its own version, which some major releases of PostgreSQL increase.
        if error.contains("unsupported version") {
            return newer_version(file, "", major);
        }
        format!("{} is damaged: {error}; nothing was changed", file.display()).into()
    })?;
    let dump_info = parse(&list).ok_or_else(|| not_a_backup(file))?;
    if dump_info.major > major {
        return Err(newer_version(file, &format!(" {}", dump_info.version), major));
    }
    Ok(dump_info)
}

fn newer_version(file: &Path, version: &str, major: u32) -> CliError {
    format!(
        "{} was written by a newer PostgreSQL{version}, which PostgreSQL {major} can't read; restore it with that version, \
         into a new DATA_DIR or a database on another server",
        file.display()
    )
    .into()
}

fn not_a_backup(file: &Path) -> CliError {
    format!("{} isn't a backup written by `tenantry db backup`; nothing was changed", file.display()).into()
}

/// The tables that every database of this program has: migrations, and the access that they have recorded.
const REQUIRED_TABLES: [&str; 2] = [" _sqlx_migrations ", " _tenantry_access "];

/// Parses the output of `pg_restore --list`. Returns `None` if the dumped database isn't one of this program's.
fn parse(list: &str) -> Option<DumpInfo> {
    let header = |name: &str| {
        let lines = list.lines().filter_map(|line| line.strip_prefix(';'));
        lines.into_iter().find_map(|line| Some(line.trim().strip_prefix(name)?.trim().to_owned()))
    };
    let version = header("Dumped from database version:")?;
    let entries = list.lines().filter(|line| !line.starts_with(';'));
    let is_data = |line: &&str| line.contains(" TABLE DATA ");
    let has_data = |table: &&str| entries.clone().filter(is_data).any(|line| line.contains(*table));
    if !REQUIRED_TABLES.iter().all(has_data) {
        return None;
    }
    Some(DumpInfo {
        created: header("Archive created at").unwrap_or_default(),
        major: version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?,
        version: version.split(' ').next().unwrap_or_default().to_owned(),
        tables: entries.filter(is_data).count(),
        contents: list.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = ";
; Archive created at 2026-01-02 03:04:05 UTC
;     dbname: tenantry
;     Dumped from database version: 18.1 (Debian 18.1-1)
;     Dumped by pg_dump version: 18.1
;
3424; 0 16386 TABLE DATA public _sqlx_migrations postgres
3425; 0 16395 TABLE DATA public users postgres
3426; 0 16404 TABLE DATA public _tenantry_access postgres
216; 1259 16395 TABLE public users postgres
";

    #[test]
    fn parses_dump_toc_header() {
        let dump_info = parse(LIST).unwrap();
        assert_eq!((dump_info.major, dump_info.version.as_str(), dump_info.tables), (18, "18.1", 3));
        assert_eq!(dump_info.created, "2026-01-02 03:04:05 UTC");
    }

    #[test]
    fn dump_without_migrations_is_rejected() {
        for table in REQUIRED_TABLES {
            assert_eq!(parse(&LIST.replace(table, " django_migrations ")), None);
        }
        assert_eq!(parse(""), None);
    }
}
