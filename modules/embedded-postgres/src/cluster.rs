//! The data directory: whether there is one, creating it, who may connect, and the server's settings.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::binaries::Installation;
use crate::folders::{Folders, remove};
use crate::{Error, Options, SUPERUSER, leftover, wait};

/// The rest of an interrupted `initdb` writes for a few milliseconds more.
const DISCARDING: Duration = Duration::from_secs(10);

/// Local users by the name the operating system knows them by, nobody else and nothing over a network.
const HBA: &str = "local all all peer map=embedded\n";

/// The major version that wrote the data; `None` where there is none yet, or only an interrupted start of it.
pub(crate) fn existing(folders: &Folders) -> Result<Option<u32>, Error> {
    let data = folders.data();
    if folders.initializing().exists() || is_absent_or_empty(&data)? {
        return Ok(None);
    }
    let path = data.join("PG_VERSION");
    let version = match fs::read_to_string(&path) {
        Ok(version) => version,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NotOurs { folder: data }),
        Err(error) => return Err(Error::file("read", &path)(error)),
    };
    let major = version.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    major.map(Some).ok_or(Error::NotOurs { folder: data })
}

/// Creates the data directory. Two marks are set before and the first is taken away after, each step on disk before
/// the next: a power cut must leave neither half a directory without its mark nor a mark on a finished one.
pub(crate) fn create(
    folders: &Folders,
    installation: &Installation,
    account: &Account,
    options: &Options,
) -> Result<(), Error> {
    discard_interrupted(folders, options.stop_timeout)?;
    let (initializing, unsettled) = (folders.initializing(), folders.unsettled());
    account
        .shell(r#": >"$1" && : >"$2""#, &[initializing.as_os_str(), unsettled.as_os_str()])
        .map_err(Error::file("written", &folders.root))?;
    sync(folders, options)?;

    let mut output = initdb(folders, installation, account, options, "C.UTF-8")?;
    // Not every system has it (macOS); the plain one sorts alike.
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        output = initdb(folders, installation, account, options, "C")?;
    }
    if !output.status.success() {
        let output = last_lines(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::NotCreated { folder: folders.data(), output });
    }
    sync(folders, options)?;
    remove(&initializing)?;
    sync(folders, options)
}

/// Written at every start, since the user of this process may be another than last time.
pub(crate) fn admit(folders: &Folders, account: &Account, options: &Options) -> Result<(), Error> {
    let data = folders.data();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let roles: Vec<_> = iter::once(SUPERUSER).chain(options.further_roles.iter().map(String::as_str)).collect();
    let lines = |name: &str| -> String {
        roles.iter().map(|role| format!("embedded {} {}\n", quoted(name), quoted(role))).collect()
    };
    let ident: String = account.names().iter().map(|name| lines(name)).collect();
    let (hba_file, ident_file) = (data.join("pg_hba.conf"), data.join("pg_ident.conf"));
    let arguments = [hba_file.as_os_str(), OsStr::new(HBA), ident_file.as_os_str(), OsStr::new(&ident)];
    account
        .shell(r#"printf %s "$2" >"$1" && printf %s "$4" >"$3""#, &arguments)
        .map_err(Error::file("written", &hba_file))
}

/// What `postgres` is started with. The command line goes before `postgresql.conf` and `ALTER SYSTEM`.
pub(crate) fn arguments(folders: &Folders, options: &Options) -> Vec<OsString> {
    let mut arguments = vec!["-D".into(), folders.data().into_os_string()];
    let mut set = |setting: &[u8]| {
        arguments.extend(["-c".into(), OsString::from_vec(setting.to_vec())]);
    };
    set(b"listen_addresses=");
    set(&[b"unix_socket_directories=", quoted(&folders.socket).as_slice()].concat());
    set(b"unix_socket_permissions=0700");
    set(b"port=5432");
    set(format!("max_connections={}", options.max_connections).as_bytes());
    set(b"logging_collector=off");
    set(b"log_destination=stderr");
    set(b"timezone=UTC");
    set(b"log_timezone=UTC");
    let durable: &[u8] = if options.durable { b"on" } else { b"off" };
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        set(&[name.as_bytes(), b"=", durable].concat());
    }
    arguments
}

/// The last lines of a program's output, for an error message.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// The setting is a list, in which a comma would end the path.
fn quoted(path: &Path) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        quoted.extend(iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    quoted.push(b'"');
    quoted
}

/// Only what has the mark of an unfinished `initdb` on it is ever deleted. It is moved aside first, so that what is
/// left of that `initdb` writes there and not into its successor's work.
fn discard_interrupted(folders: &Folders, patience: Duration) -> Result<(), Error> {
    let (data, discarded) = (folders.data(), folders.discarded());
    if !folders.initializing().exists() {
        return Ok(());
    }
    leftover::end_initdb(&folders.initializing(), &data, patience)?;
    remove_folder(&discarded)?;
    match fs::rename(&data, &discarded) {
        Ok(()) => remove_folder(&discarded),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::file("moved", &data)(error)),
    }
}

fn remove_folder(folder: &Path) -> Result<(), Error> {
    let mut result = Ok(());
    wait::until_true(Instant::now() + DISCARDING, || {
        result = fs::remove_dir_all(folder);
        Ok(!matches!(&result, Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty))
    })?;
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("removed", folder)(error)),
        _ => Ok(()),
    }
}

/// Leaves its process id in the mark: should this process be killed, the next start waits for that `initdb`.
fn initdb(
    folders: &Folders,
    installation: &Installation,
    account: &Account,
    options: &Options,
    locale: &str,
) -> Result<Output, Error> {
    let program = installation.folder.join("initdb");
    let mut command = account.command("/bin/sh");
    command.args(["-c", r#"echo "$$" >"$1" && shift && exec "$@""#, "sh"]);
    command.arg(folders.initializing()).arg(&program).arg("-D").arg(folders.data());
    command.args(["-U", SUPERUSER, "--auth-local=peer", "--auth-host=reject", "-E", "UTF8"]);
    command.arg(format!("--locale={locale}"));
    if !options.durable {
        command.arg("--no-sync");
    }
    command.output().map_err(account.not_run(&program))
}

fn sync(folders: &Folders, options: &Options) -> Result<(), Error> {
    if options.durable { folders.sync() } else { Ok(()) }
}

fn is_absent_or_empty(folder: &Path) -> Result<bool, Error> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::file("read", folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_element_of_the_list_whatever_is_in_it() {
        assert_eq!(quoted(Path::new("/a, b/\"c\"")), b"\"/a, b/\"\"c\"\"\"");
    }
}
