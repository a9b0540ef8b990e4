//! The data directory: its version, its creation, authentication, and the server's settings.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use crate::installation::Installation;
use crate::layout::Layout;
use crate::server_user::ServerUser;
use crate::system::{if_exists, last_lines, remove_dir, remove_file};
use crate::{Error, Options, orphan};

/// Database role that `initdb` creates.
pub(crate) const SUPERUSER: &str = "postgres";

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
    let version = if_exists(fs::read_to_string(&path), "read", &path)?.unwrap_or_default();
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
    layout.sync(options)?;

    let program = installation.bin_dir.join("initdb");
    let initdb = |locale: &str| {
        // The shell writes the process id to the marker file first, so that the next start can stop this `initdb` if
        // this process is killed.
        let mut command = user.command("/bin/sh");
        command.args(["-c", r#"echo "$$" >"$1" && shift && exec "$@""#, "sh"]);
        command.arg(&initdb_marker).arg(&program).arg("-D").arg(layout.data_dir());
        command.args(["-U", SUPERUSER, "--auth-local=peer", "--auth-host=reject", "-E", "UTF8"]);
        command.arg(format!("--locale={locale}")).args((!options.durable).then_some("--no-sync"));
        command.output().map_err(user.start_failed(&program))
    };
    let mut output = initdb("C.UTF-8")?;
    // Some systems lack this locale (macOS). `C` has the same sort order.
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        output = initdb("C")?;
    }
    if !output.status.success() {
        let output = last_lines(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::InitdbFailed { dir: layout.data_dir(), output });
    }
    layout.sync(options)?;
    remove_file(&initdb_marker)?;
    layout.sync(options)
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
    let socket_dirs = [b"unix_socket_directories=", quote_list_element(&layout.socket_dir).as_slice()].concat();
    let mut settings = vec![OsString::from_vec(socket_dirs)];
    settings.push(format!("max_connections={}", options.max_connections).into());
    settings.extend(["listen_addresses=", "unix_socket_permissions=0700", "port=5432"].map(OsString::from));
    settings.extend(["logging_collector=off", "log_destination=stderr"].map(OsString::from));
    settings.extend(["timezone=UTC", "log_timezone=UTC"].map(OsString::from));
    let durable = if options.durable { "on" } else { "off" };
    let durability = ["fsync", "synchronous_commit", "full_page_writes"];
    settings.extend(durability.map(|name| OsString::from(format!("{name}={durable}"))));
    let data_dir = ["-D".into(), layout.data_dir().into_os_string()];
    data_dir.into_iter().chain(settings.into_iter().flat_map(|setting| ["-c".into(), setting])).collect()
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
    if_exists(fs::rename(&data_dir, &discarded_dir), "rename", &data_dir)?;
    remove_dir(&discarded_dir)
}

fn is_absent_or_empty(dir: &Path) -> Result<bool, Error> {
    Ok(if_exists(fs::read_dir(dir), "read", dir)?.is_none_or(|mut entries| entries.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_quoted_as_one_list_element() {
        assert_eq!(quote_list_element(Path::new("/a, b/\"c\"")), b"\"/a, b/\"\"c\"\"\"");
    }
}
