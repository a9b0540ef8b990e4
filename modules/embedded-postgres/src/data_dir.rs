//! The data directory: its version, its creation, authentication, and the server's settings.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::error::last_lines;
use crate::installation::Installation;
use crate::layout::{Layout, remove_if_exists};
use crate::server_user::ServerUser;
use crate::{Error, Options, orphan, poll};

/// Database role that `initdb` creates.
pub(crate) const SUPERUSER: &str = "postgres";

/// How long to retry the removal of a partial data directory. Child processes of an interrupted `initdb` may still
/// write to it for a few milliseconds.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Permits local users by their operating system name, and no connection over a network.
const HBA: &str = "local all all peer map=embedded\n";

/// Returns the major version that wrote the data. Returns `None` if there is no data, or only that of an interrupted
/// `initdb`.
pub(crate) fn existing_major(layout: &Layout) -> Result<Option<u32>, Error> {
    let data_dir = layout.data_dir();
    if layout.initdb_marker().exists() || is_absent_or_empty(&data_dir)? {
        return Ok(None);
    }
    let path = data_dir.join("PG_VERSION");
    let version = match fs::read_to_string(&path) {
        Ok(version) => version,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::ForeignDirectory { dir: data_dir }),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let major = version.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    major.map(Some).ok_or(Error::ForeignDirectory { dir: data_dir })
}

/// Creates the data directory. Two marker files are created before and the first one is removed afterwards. Each step
/// is synced to disk before the next, so that a power failure leaves neither a partial directory without a marker nor a
/// marker beside a complete directory.
pub(crate) fn create(
    layout: &Layout,
    installation: &Installation,
    user: &ServerUser,
    options: &Options,
) -> Result<(), Error> {
    discard_interrupted_initdb(layout, options.stop_timeout)?;
    let (initdb_marker, setup_marker) = (layout.initdb_marker(), layout.setup_marker());
    user.shell(r#": >"$1" && : >"$2""#, &[initdb_marker.as_os_str(), setup_marker.as_os_str()])
        .map_err(Error::io("write", &layout.root))?;
    sync(layout, options)?;

    let mut output = initdb(layout, installation, user, options, "C.UTF-8")?;
    // Some systems lack this locale (macOS). `C` has the same sort order.
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        output = initdb(layout, installation, user, options, "C")?;
    }
    if !output.status.success() {
        let output = last_lines(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::InitdbFailed { dir: layout.data_dir(), output });
    }
    sync(layout, options)?;
    remove_if_exists(&initdb_marker)?;
    sync(layout, options)
}

/// Writes `pg_hba.conf` and `pg_ident.conf`. This is done at every start, because the user of this process may have
/// changed.
pub(crate) fn write_hba_files(layout: &Layout, user: &ServerUser, options: &Options) -> Result<(), Error> {
    let data_dir = layout.data_dir();
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let roles: Vec<_> = iter::once(SUPERUSER).chain(options.extra_roles.iter().map(String::as_str)).collect();
    let lines = |name: &str| -> String {
        roles.iter().map(|role| format!("embedded {} {}\n", quote(name), quote(role))).collect()
    };
    let ident: String = user.login_names().iter().map(|name| lines(name)).collect();
    let (hba_file, ident_file) = (data_dir.join("pg_hba.conf"), data_dir.join("pg_ident.conf"));
    let arguments = [hba_file.as_os_str(), OsStr::new(HBA), ident_file.as_os_str(), OsStr::new(&ident)];
    user.shell(r#"printf %s "$2" >"$1" && printf %s "$4" >"$3""#, &arguments).map_err(Error::io("write", &hba_file))
}

/// Returns the command line arguments of `postgres`. They take precedence over `postgresql.conf` and `ALTER SYSTEM`.
pub(crate) fn server_arguments(layout: &Layout, options: &Options) -> Vec<OsString> {
    let mut arguments = vec!["-D".into(), layout.data_dir().into_os_string()];
    let mut set = |setting: &[u8]| {
        arguments.extend(["-c".into(), OsString::from_vec(setting.to_vec())]);
    };
    set(b"listen_addresses=");
    set(&[b"unix_socket_directories=", quote_list_element(&layout.socket_dir).as_slice()].concat());
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

/// Quotes a path as one element of a list setting, where a comma would otherwise end it.
fn quote_list_element(path: &Path) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        quoted.extend(iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    quoted.push(b'"');
    quoted
}

/// Deletes a data directory only if the marker of an unfinished `initdb` exists. The directory is renamed first, so
/// that remaining processes of that `initdb` don't write into the new data directory.
fn discard_interrupted_initdb(layout: &Layout, timeout: Duration) -> Result<(), Error> {
    let (data_dir, discarded_dir) = (layout.data_dir(), layout.discarded_dir());
    if !layout.initdb_marker().exists() {
        return Ok(());
    }
    orphan::stop_orphaned_initdb(&layout.initdb_marker(), &data_dir, timeout)?;
    remove_dir(&discarded_dir)?;
    match fs::rename(&data_dir, &discarded_dir) {
        Ok(()) => remove_dir(&discarded_dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("rename", &data_dir)(error)),
    }
}

fn remove_dir(dir: &Path) -> Result<(), Error> {
    let mut result = Ok(());
    poll::until_true(Instant::now() + DISCARD_TIMEOUT, || {
        result = fs::remove_dir_all(dir);
        Ok(!matches!(&result, Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty))
    })?;
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", dir)(error)),
        _ => Ok(()),
    }
}

/// Runs `initdb`. The shell writes the process id to the marker file first, so that the next start can stop this
/// `initdb` if this process is killed.
fn initdb(
    layout: &Layout,
    installation: &Installation,
    user: &ServerUser,
    options: &Options,
    locale: &str,
) -> Result<Output, Error> {
    let program = installation.bin_dir.join("initdb");
    let mut command = user.command("/bin/sh");
    command.args(["-c", r#"echo "$$" >"$1" && shift && exec "$@""#, "sh"]);
    command.arg(layout.initdb_marker()).arg(&program).arg("-D").arg(layout.data_dir());
    command.args(["-U", SUPERUSER, "--auth-local=peer", "--auth-host=reject", "-E", "UTF8"]);
    command.arg(format!("--locale={locale}"));
    if !options.durable {
        command.arg("--no-sync");
    }
    command.output().map_err(user.spawn_failed(&program))
}

fn sync(layout: &Layout, options: &Options) -> Result<(), Error> {
    if options.durable { layout.sync() } else { Ok(()) }
}

fn is_absent_or_empty(dir: &Path) -> Result<bool, Error> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::io("read", dir)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_quoted_as_one_list_element() {
        assert_eq!(quote_list_element(Path::new("/a, b/\"c\"")), b"\"/a, b/\"\"c\"\"\"");
    }
}
