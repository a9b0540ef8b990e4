//! A machine without PostgreSQL: one is downloaded, once and whole, or there is a clear error and no trace of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedded_postgres::{Error, Options, Progress, Proxy, Server, Step};

use crate::releases::{Manner, RELEASE, Releases};
use crate::support::{Helper, Place, eventually, is_root, psql, say};

/// Calls this with every step.
pub(crate) fn on_step(options: &mut Options, tell: impl Fn(Step) + Send + Sync + 'static) {
    options.download.as_mut().unwrap().progress = Progress::new(tell);
}

/// What a download that failed has left: nothing, and the next one just works.
pub(crate) fn assert_nothing_is_kept(place: &Place) {
    if let Ok(entries) = fs::read_dir(place.path("cache")) {
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "download.lock"), "{names:?}");
    }
}

pub(crate) fn assert_one_line_with_a_way_out(message: &str) {
    assert_eq!(message.trim().lines().count(), 1, "{message}");
    assert!(message.contains("apt install postgresql"), "{message}");
}

#[test]
fn a_machine_without_postgresql_gets_one_once() {
    let (place, releases) = (Place::new(), Releases::good());
    let mut options = releases.options(&place);
    // It isn't for servers on this machine, and nobody listens there.
    options.download.as_mut().unwrap().proxy =
        Some(Proxy { url: "http://127.0.0.1:1".to_owned(), except: String::new() });
    let steps = Arc::new(Mutex::new(Vec::new()));
    let noted = steps.clone();
    on_step(&mut options, move |step| noted.lock().unwrap().push(step));
    let server = Server::start(options).unwrap();
    assert!(server.binaries().starts_with(place.path("cache")), "{server:?}");
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert_eq!(releases.asked(), 2, "a checksum and an archive");
    let steps = steps.lock().unwrap();
    let size = RELEASE.0.len() as u64;
    assert_eq!(steps.first(), Some(&Step::Downloading { received: 0, total: Some(size) }));
    let last = [Step::Downloading { received: size, total: Some(size) }, Step::Unpacking, Step::Over];
    assert_eq!(steps[steps.len() - 3..], last);
    server.stop().unwrap();

    assert_eq!(psql(&releases.start(&place), "SELECT 1"), "1");
    assert_eq!(releases.asked(), 2, "nothing more was asked for");
}

#[test]
fn an_installation_is_used_and_nothing_downloaded() {
    let (place, releases) = (Place::new(), Releases::good());
    let mut options = place.options();
    options.download = releases.options(&place).download;
    let server = Server::start(options).unwrap();
    assert!(!server.binaries().starts_with(place.path("cache")));
    assert_eq!(releases.asked(), 0);
    assert!(!place.path("cache").exists());
}

#[test]
fn without_leave_to_download_a_missing_postgresql_is_an_error() {
    let (place, releases) = (Place::new(), Releases::good());
    let mut options = releases.options(&place);
    options.download.as_mut().unwrap().enabled = false;
    let refused = Server::start(options.clone()).unwrap_err();
    assert!(matches!(refused, Error::NoBinaries), "{refused:?}");
    assert_one_line_with_a_way_out(&refused.to_string());
    assert!(!place.root().exists() && !place.path("cache").exists(), "nothing was created for it");
    assert_eq!(releases.asked(), 0);

    // What is there already is used all the same.
    drop(releases.start(&place));
    assert_eq!(psql(&Server::start(options).unwrap(), "SELECT 1"), "1");
}

#[test]
fn nothing_is_downloaded_for_data_that_it_could_not_read() {
    let (place, releases) = (Place::new(), Releases::good());
    drop(place.start());
    fs::write(place.root().join("data/PG_VERSION"), "12\n").unwrap();
    let refused = Server::start(releases.options(&place)).unwrap_err();
    assert!(matches!(refused, Error::OtherDownload { data: 12, .. }), "{refused:?}");
    assert!(refused.to_string().contains("Install version 12"), "{refused}");
    assert_eq!(releases.asked(), 0);
}

#[test]
fn a_download_that_fails_is_explained_and_leaves_nothing() {
    let place = Place::new();
    let archive = || RELEASE.0.clone();
    let cases = [
        (Releases::of(archive(), Manner::CutOff), "end of file"),
        (Releases::of(archive(), Manner::Halting), "no answer in time"),
        (Releases::with(archive(), None, Manner::Whole), ".sha256 could not be downloaded: the answer was 404"),
        (Releases::with(archive(), Some("<html>".to_owned()), Manner::Whole), "it isn't a SHA-256 checksum"),
    ];
    for (releases, words) in &cases {
        let mut options = releases.options(&place);
        options.download.as_mut().unwrap().patience = Duration::from_secs(1);
        let refused = Server::start(options).unwrap_err();
        assert!(matches!(refused, Error::NotDownloaded { .. }), "{refused:?}");
        assert!(refused.to_string().contains(words), "{refused}");
        assert_one_line_with_a_way_out(&refused.to_string());
        assert_nothing_is_kept(&place);
    }
    // The release is there, but not for this version.
    let mut elsewhere = Releases::good();
    elsewhere.version = "1.2.3".to_owned();
    // Nobody listens on a port that was only just free.
    let mut nobody = Releases::good();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    nobody.url = format!("http://{free}");
    for (releases, words) in [(elsewhere, "404"), (nobody, "Connection refused")] {
        let refused = Server::start(releases.options(&place)).unwrap_err();
        assert!(matches!(refused, Error::NotDownloaded { .. }), "{refused:?}");
        assert!(refused.to_string().contains(words), "{refused}");
        assert_one_line_with_a_way_out(&refused.to_string());
        assert_nothing_is_kept(&place);
    }
    assert_eq!(psql(&Releases::good().start(&place), "SELECT 1"), "1");
}

#[test]
fn of_two_processes_one_downloads_and_both_start() {
    let (place, releases) = (Place::new(), Releases::of(RELEASE.0.clone(), Manner::Halting));
    let helper = releases.helper(&place, &place.path("first"));
    releases.wait_until_half_is_sent();
    let mut options = releases.options(&place);
    let go_on = releases.go_on();
    on_step(&mut options, move |step| {
        if step == Step::Waiting {
            go_on();
        }
    });
    let server = Server::start(options).unwrap();
    assert_eq!(psql(&server, "SELECT 1"), "1");
    drop(helper.ready());
    assert_eq!(releases.asked(), 2, "one checksum and one archive");
}

#[test]
fn a_start_that_was_killed_while_downloading_or_unpacking_harms_nothing() {
    let (place, releases) = (Place::new(), Releases::of(RELEASE.0.clone(), Manner::Halting));
    let helper = releases.helper(&place, &place.root());
    releases.wait_until_half_is_sent();
    helper.kill();
    assert_nothing_is_kept(&place);
    // As if it had got further.
    fs::create_dir_all(place.path("cache/unpacking/bin")).unwrap();
    fs::write(place.path("cache/unpacking/bin/postgres"), "half").unwrap();
    let server = Releases::good().start(&place);
    assert_eq!(psql(&server, "SELECT 1"), "1");
    assert!(!place.path("cache/unpacking").exists());
}

#[test]
fn a_download_can_be_given_up() {
    let (place, releases) = (Place::new(), Releases::of(RELEASE.0.clone(), Manner::Halting));
    let mut first = releases.options(&place);
    let give_up = first.download.as_ref().unwrap().give_up.clone();
    // While another waits for it, and gives up, too.
    let mut second = releases.options(&place);
    second.root = place.path("second");
    let waiting = second.download.as_ref().unwrap().give_up.clone();
    on_step(&mut second, move |step| waiting.store(step == Step::Waiting, Ordering::Relaxed));
    on_step(&mut first, move |step| {
        if matches!(step, Step::Downloading { received: 1.., .. }) && !give_up.load(Ordering::Relaxed) {
            let refused = Server::start(second.clone()).unwrap_err();
            assert!(matches!(refused, Error::GivenUp), "{refused:?}");
            give_up.store(true, Ordering::Relaxed);
        }
    });
    let refused = Server::start(first).unwrap_err();
    assert!(matches!(refused, Error::GivenUp), "{refused:?}");
    assert_nothing_is_kept(&place);
    drop(Releases::good().start(&place));
}

#[test]
fn an_installation_that_lost_a_program_is_made_anew() {
    let (place, releases) = (Place::new(), Releases::good());
    let server = releases.start(&place);
    let programs = server.binaries().to_owned();
    drop(server);
    fs::remove_file(programs.join("initdb")).unwrap();
    let server = releases.start(&place);
    assert_eq!(server.binaries(), programs);
    assert_eq!(releases.asked(), 4);
}

#[test]
fn a_file_that_cannot_be_written_to_its_end_is_explained() {
    let (place, releases) = (Place::new(), Releases::good());
    let mut command = Command::new("sh");
    // In blocks of 512 bytes; without the trap, the signal would end the helper.
    command.args(["-c", r#"trap '' XFSZ && ulimit -f 200 && exec "$@""#, "sh"]).arg(Helper::command().get_program());
    command.arg(place.root()).args(["--download", &releases.url, &releases.version]).arg(place.path("cache"));
    let message = Helper::run(command, &place.root()).failed();
    assert!(message.contains("could not be unpacked in") && message.contains("File too large"), "{message}");
    assert_one_line_with_a_way_out(&message);
    assert_nothing_is_kept(&place);
    drop(releases.start(&place));
}

/// A small file system of its own.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs"]).arg(folder).output().ok()?;
        output.status.success().then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // A child that another test is just starting may have a file of it open for a moment.
        eventually("the disk is put away", || {
            Command::new("umount").arg(self.0).stderr(Stdio::null()).status().unwrap().success()
        });
    }
}

#[test]
fn a_full_disk_is_explained() {
    if !is_root("a_full_disk_is_explained") {
        return;
    }
    let (place, releases) = (Place::new(), Releases::good());
    let cache = place.path("cache");
    let Some(disk) = SmallDisk::mount(&cache) else {
        say("LEFT OUT: a_full_disk_is_explained, for nothing can be mounted here");
        return;
    };
    let refused = Server::start(releases.options(&place)).unwrap_err();
    assert!(matches!(refused, Error::NotUnpacked { .. }), "{refused:?}");
    assert!(refused.to_string().contains("No space left on device"), "{refused}");
    assert_one_line_with_a_way_out(&refused.to_string());
    assert_nothing_is_kept(&place);
    drop(disk);
    drop(releases.start(&place));
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let (place, releases) = (Place::new(), Releases::good());
    let cache = place.path("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    let refused = Server::start(releases.options(&place)).unwrap_err();
    assert!(matches!(&refused, Error::UnsafeCache { folder } if *folder == cache), "{refused:?}");
    assert_eq!(releases.asked(), 0);

    // Nor is anything run out of it.
    fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
    drop(releases.start(&place));
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Server::start(releases.options(&place)), Err(Error::UnsafeCache { .. })));
}

#[test]
fn as_root_a_closed_cache_is_replaced() {
    if !is_root("as_root_a_closed_cache_is_replaced") {
        return;
    }
    let (place, releases) = (Place::new(), Releases::good());
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let mut options = releases.options(&place);
    options.download.as_mut().unwrap().cache = closed.join("cache");
    for _ in 0..2 {
        let server = Server::start(options.clone()).unwrap();
        assert!(server.binaries().starts_with(place.path("cache-fallback")), "{server:?}");
        assert_eq!(psql(&server, "SELECT 1"), "1");
    }
    assert_eq!(releases.asked(), 2);
    assert!(!closed.join("cache").exists());
}
