//! What is in a backup, as `pg_restore --list` tells.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::Stdio,
};

use embedded_postgres::Installation;

use super::{
    super::Failure,
    tool::{finish, said},
};

/// How a file of `pg_dump --format=custom` begins.
pub(super) const MAGIC: &[u8] = b"PGDMP";

/// A backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// When it was made.
    pub(super) created: String,
    /// The version of the server that it was made from.
    pub(super) version: String,
    /// The version's first part.
    pub(super) major: u32,
    /// How many tables it has rows of.
    pub(super) tables: usize,
}

/// Refuses what is no such file at first sight.
pub(super) fn check_magic(file: &Path) -> Result<(), Failure> {
    let mut head = Vec::new();
    let read = File::open(file).and_then(|open| match open.metadata()?.is_file() {
        true => open.take(MAGIC.len() as u64).read_to_end(&mut head),
        false => Err(io::Error::other("it isn't a file")),
    });
    read.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    if head == MAGIC { Ok(()) } else { Err(no_backup(file)) }
}

/// Reads the list of its contents.
pub(super) async fn read(installation: &Installation, file: &Path) -> Result<Contents, Failure> {
    let mut command = installation.command("pg_restore")?;
    command.arg("--list").arg(file).stdout(Stdio::piped());
    let output = finish(command).await?;
    let name = file.display();
    if !output.status.success() {
        let words = said(&output);
        // The format's own version, which every few of PostgreSQL's raise.
        if words.contains("unsupported version") {
            return Err(newer(file, "", installation.major()));
        }
        return Err(format!("{name} is damaged, and nothing was changed: {words}").into());
    }
    let contents = parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| no_backup(file))?;
    if contents.major > installation.major() {
        return Err(newer(file, &format!(" {}", contents.version), installation.major()));
    }
    Ok(contents)
}

fn newer(file: &Path, version: &str, major: u32) -> Failure {
    format!(
        "{} was written by a newer PostgreSQL{version} than the {major} in use here, which can't read it: install that \
         version, and restore into a new DATA_DIR",
        file.display()
    )
    .into()
}

fn no_backup(file: &Path) -> Failure {
    format!("{} isn't a backup that `tenantry db backup` wrote; nothing was changed", file.display()).into()
}

/// `None` where the list isn't one of this program's database: its migrations aren't in it.
fn parse(list: &str) -> Option<Contents> {
    let head = |name: &str| {
        let lines = list.lines().filter_map(|line| line.strip_prefix(';'));
        lines.into_iter().find_map(|line| Some(line.trim().strip_prefix(name)?.trim().to_owned()))
    };
    let version = head("Dumped from database version:")?;
    let entries = list.lines().filter(|line| !line.starts_with(';'));
    let is_data = |line: &&str| line.contains(" TABLE DATA ");
    entries.clone().filter(is_data).find(|line| line.contains(" _sqlx_migrations "))?;
    Some(Contents {
        created: head("Archive created at").unwrap_or_default(),
        major: version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?,
        version: version.split(' ').next().unwrap_or_default().to_owned(),
        tables: entries.filter(is_data).count(),
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
216; 1259 16395 TABLE public users postgres
";

    #[test]
    fn a_list_tells_what_it_was_made_from_and_of() {
        let contents = parse(LIST).unwrap();
        assert_eq!((contents.major, contents.version.as_str(), contents.tables), (18, "18.1", 2));
        assert_eq!(contents.created, "2026-01-02 03:04:05 UTC");
    }

    #[test]
    fn a_list_without_migrations_is_of_another_program() {
        assert_eq!(parse(&LIST.replace("_sqlx_migrations", "django_migrations")), None);
        assert_eq!(parse(""), None);
    }
}
