//! Download of PostgreSQL: it happens once and completely, or fails with a clear error and leaves nothing behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedded_postgres::{DownloadOptions, Error, Options, Progress, Proxy, Server, Step};

use crate::release_server::{Delivery, RELEASE, ReleaseServer};
use crate::support::{Helper, TestDir, assert_start_fails, eventually, print, psql, require_root};

/// Sets a progress callback.
pub(crate) fn on_step(options: &mut Options, callback: impl Fn(Step) + Send + Sync + 'static) {
    options.download.as_mut().unwrap().progress = Progress::new(callback);
}

/// Asserts that a failed download has left nothing behind except the lock file.
fn assert_cache_is_empty(test_dir: &TestDir) {
    if let Ok(entries) = fs::read_dir(test_dir.path("cache")) {
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "download.lock"), "{names:?}");
    }
}

/// Asserts that the message of a failed download is one line with this text and with advice, and that the download has
/// left nothing behind.
pub(crate) fn assert_clean_failure(test_dir: &TestDir, message: &str, expected: &str) {
    assert!(message.contains(expected), "{message}");
    assert_single_line_with_advice(message);
    assert_cache_is_empty(test_dir);
}

fn assert_single_line_with_advice(message: &str) {
    assert_eq!(message.trim().lines().count(), 1, "{message}");
    assert!(message.contains("apt install postgresql"), "{message}");
}

#[test]
fn first_start_downloads_once() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let mut options = releases.options(&test_dir);
    // The proxy applies to https only, and nothing listens there.
    options.download.as_mut().unwrap().proxy =
        Some(Proxy { url: "http://127.0.0.1:1".to_owned(), no_proxy: String::new() });
    let steps = Arc::new(Mutex::new(Vec::new()));
    let recorded = steps.clone();
    on_step(&mut options, move |step| recorded.lock().unwrap().push(step));
    let server = Server::start(options).unwrap();
    assert!(server.bin_dir().starts_with(test_dir.path("cache")), "{server:?}");
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert_eq!(releases.request_count(), 1);
    let steps = steps.lock().unwrap();
    let size = RELEASE.0.len() as u64;
    assert_eq!(steps.first(), Some(&Step::Downloading { received: 0, total: Some(size) }));
    let last = [Step::Downloading { received: size, total: Some(size) }, Step::Unpacking, Step::Finished];
    assert_eq!(steps[steps.len() - 3..], last);
    server.stop().unwrap();

    assert_eq!(psql(&releases.start(&test_dir), "SELECT 1"), "1");
    assert_eq!(releases.request_count(), 1, "the second start downloaded again");
}

#[test]
fn find_installation_downloads_once() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let options = releases.options(&test_dir);
    let found = [Server::find_installation(&options).unwrap(), Server::find_installation(&options).unwrap()];
    assert_eq!(releases.request_count(), 1);
    assert_eq!(found[0].bin_dir(), found[1].bin_dir());
    assert_eq!(Server::start(options).unwrap().bin_dir(), found[0].bin_dir());
    assert_eq!(releases.request_count(), 1);
}

#[test]
fn existing_installation_skips_download() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let download = releases.options(&test_dir).download;
    let server = Server::start(Options { download, ..test_dir.options() }).unwrap();
    assert!(!server.bin_dir().starts_with(test_dir.path("cache")));
    assert_eq!(releases.request_count(), 0);
    assert!(!test_dir.path("cache").exists());
}

#[test]
fn download_disabled_is_an_error() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let mut options = releases.options(&test_dir);
    options.download.as_mut().unwrap().enabled = false;
    let message = assert_start_fails!(options.clone(), Error::NotInstalled);
    assert_single_line_with_advice(&message);
    assert!(!test_dir.root().exists() && !test_dir.path("cache").exists(), "a directory was created");
    assert_eq!(releases.request_count(), 0);

    // An earlier download is used nevertheless.
    drop(releases.start(&test_dir));
    assert_eq!(psql(&Server::start(options).unwrap(), "SELECT 1"), "1");
}

#[test]
fn release_with_unknown_checksum_is_not_requested() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let mut options = releases.options(&test_dir);
    // The version isn't one that the crate knows.
    options.download.as_mut().unwrap().sha256 =
        DownloadOptions::new(test_dir.path("cache"), &releases.version, &releases.url).sha256;
    let message = assert_start_fails!(options, Error::UnknownChecksum { .. });
    assert_clean_failure(&test_dir, &message, "its SHA-256 isn't known");
    assert_eq!(releases.request_count(), 0);
}

#[test]
fn no_download_for_incompatible_data() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    drop(test_dir.start());
    fs::write(test_dir.root().join("data/PG_VERSION"), "12\n").unwrap();
    let message =
        assert_start_fails!(releases.options(&test_dir), Error::DownloadVersionMismatch { data_major: 12, .. });
    assert!(message.contains("install version 12"), "{message}");
    assert_eq!(releases.request_count(), 0);
}

#[test]
fn failed_download_cleans_up() {
    let test_dir = TestDir::new();
    let archive = || RELEASE.0.clone();
    // The server lacks the requested version.
    let mut other_version = ReleaseServer::good();
    other_version.version = "1.2.3".to_owned();
    // Nothing listens on a port that was just released.
    let mut unreachable = ReleaseServer::good();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    unreachable.url = format!("http://{free}");
    let cases = [
        (ReleaseServer::of(archive(), Delivery::Truncated), "end of file"),
        (ReleaseServer::of(archive(), Delivery::Paused), "timed out"),
        (other_version, "404"),
        (unreachable, "Connection refused"),
    ];
    for (releases, expected) in &cases {
        let mut options = releases.options(&test_dir);
        options.download.as_mut().unwrap().timeout = Duration::from_secs(1);
        let message = assert_start_fails!(options, Error::DownloadFailed { .. });
        assert_clean_failure(&test_dir, &message, expected);
    }
    assert_eq!(psql(&ReleaseServer::good().start(&test_dir), "SELECT 1"), "1");
}

#[test]
fn concurrent_starts_download_once() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::of(RELEASE.0.clone(), Delivery::Paused));
    let helper = releases.helper(&test_dir, &test_dir.path("first"));
    releases.wait_until_half_sent();
    let mut options = releases.options(&test_dir);
    let resume = releases.resume();
    on_step(&mut options, move |step| {
        if step == Step::Waiting {
            resume();
        }
    });
    let server = Server::start(options).unwrap();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(helper.wait_until_ready());
    assert_eq!(releases.request_count(), 1);
}

#[test]
fn killed_download_is_recoverable() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::of(RELEASE.0.clone(), Delivery::Paused));
    let helper = releases.helper(&test_dir, &test_dir.root());
    releases.wait_until_half_sent();
    helper.kill();
    assert_cache_is_empty(&test_dir);
    // Simulates a start that was killed while unpacking.
    fs::create_dir_all(test_dir.path("cache/unpacking/bin")).unwrap();
    fs::write(test_dir.path("cache/unpacking/bin/postgres"), "half").unwrap();
    let server = ReleaseServer::good().start(&test_dir);
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert!(!test_dir.path("cache/unpacking").exists());
}

#[test]
fn download_can_be_cancelled() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::of(RELEASE.0.clone(), Delivery::Paused));
    let mut first = releases.options(&test_dir);
    let cancel = first.download.as_ref().unwrap().cancel.clone();
    // A second start waits for the first one and is cancelled too.
    let mut second = Options { root: test_dir.path("second"), ..releases.options(&test_dir) };
    let cancel_second = second.download.as_ref().unwrap().cancel.clone();
    on_step(&mut second, move |step| cancel_second.store(step == Step::Waiting, Ordering::Relaxed));
    on_step(&mut first, move |step| {
        if matches!(step, Step::Downloading { received: 1.., .. }) && !cancel.load(Ordering::Relaxed) {
            assert_start_fails!(second.clone(), Error::DownloadCancelled);
            cancel.store(true, Ordering::Relaxed);
        }
    });
    assert_start_fails!(first, Error::DownloadCancelled);
    assert_cache_is_empty(&test_dir);
    drop(ReleaseServer::good().start(&test_dir));
}

#[test]
fn incomplete_installation_is_replaced() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let server = releases.start(&test_dir);
    let bin_dir = server.bin_dir().to_owned();
    drop(server);
    fs::remove_file(bin_dir.join("initdb")).unwrap();
    let server = releases.start(&test_dir);
    assert_eq!(server.bin_dir(), bin_dir);
    assert_eq!(releases.request_count(), 2);
}

#[test]
fn write_error_is_reported() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let mut command = Command::new("sh");
    // The limit is in blocks of 512 bytes. Without the trap, the signal would kill the helper.
    command.args(["-c", r#"trap '' XFSZ && ulimit -f 200 && exec "$@""#, "sh"]).arg(Helper::command().get_program());
    command.arg(test_dir.root()).args(["--download", &releases.url, &releases.version, &releases.sha256]);
    command.arg(test_dir.path("cache"));
    let message = Helper::run(command, &test_dir.root()).expect_failure();
    assert!(message.contains("could not be unpacked in"), "{message}");
    assert_clean_failure(&test_dir, &message, "File too large");
    drop(releases.start(&test_dir));
}

/// A small in-memory file system.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(dir: &'a Path) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs"]).arg(dir).output().ok()?;
        output.status.success().then_some(Self(dir))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // A child process that another test is spawning may briefly hold a file open.
        eventually("the disk is unmounted", || {
            Command::new("umount").arg(self.0).stderr(Stdio::null()).status().unwrap().success()
        });
    }
}

#[test]
fn disk_full_is_reported() {
    require_root!("disk_full_is_reported");
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let cache = test_dir.path("cache");
    let Some(disk) = SmallDisk::mount(&cache) else {
        print("SKIPPED: disk_full_is_reported requires permission to mount");
        return;
    };
    let message = assert_start_fails!(releases.options(&test_dir), Error::UnpackFailed { .. });
    assert_clean_failure(&test_dir, &message, "No space left on device");
    drop(disk);
    drop(releases.start(&test_dir));
}

#[test]
fn world_writable_cache_is_rejected() {
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let cache = test_dir.path("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    assert_start_fails!(releases.options(&test_dir), Error::UnsafeCacheDir { dir } if *dir == cache);
    assert_eq!(releases.request_count(), 0);

    // No program in it is run either.
    fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
    drop(releases.start(&test_dir));
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    assert_start_fails!(releases.options(&test_dir), Error::UnsafeCacheDir { .. });
}

#[test]
fn root_uses_fallback_cache() {
    require_root!("root_uses_fallback_cache");
    let (test_dir, releases) = (TestDir::new(), ReleaseServer::good());
    let closed = test_dir.private_dir();
    let mut options = releases.options(&test_dir);
    options.download.as_mut().unwrap().cache = closed.join("cache");
    for _ in 0..2 {
        let server = Server::start(options.clone()).unwrap();
        assert!(server.bin_dir().starts_with(test_dir.path("cache-fallback")), "{server:?}");
        assert_eq!(psql(&server, "SELECT 1"), "1");
    }
    assert_eq!(releases.request_count(), 1);
    assert!(!closed.join("cache").exists());
}
