//! What can be seen of a folder without touching it.

use std::fs;

use embedded_postgres::{Error, Look, Running, State};

use crate::support::{Helper, Place, eventually, psql};

fn look(place: &Place) -> Look {
    Look::at(place.options()).unwrap()
}

fn running(look: &Look) -> &Running {
    match look.state() {
        State::Running(running) => running,
        other => panic!("no server runs: {other:?}"),
    }
}

#[test]
fn where_nothing_is_a_look_creates_nothing() {
    let place = Place::new();
    let mut options = place.options();
    options.root = place.path("not/yet/there");
    let look = Look::at(options.clone()).unwrap();
    assert!(matches!(look.state(), State::Absent));
    assert_eq!((look.root(), look.major(), look.size().unwrap()), (&*options.root, None, 0));
    assert!(look.log_lines(3).unwrap().is_empty());
    assert!(look.installation().unwrap().major() >= 15);
    assert!(!place.path("not").exists());
}

#[test]
fn a_stopped_database_shows_who_wrote_it_and_its_log() {
    let place = Place::new();
    let server = place.start();
    let (major, binaries) = (server.version(), server.binaries().to_owned());
    psql(&server, "CHECKPOINT");
    drop(server);
    let look = look(&place);
    assert!(matches!(look.state(), State::Stopped { major: seen } if *seen == major));
    assert_eq!(look.installation().unwrap().folder(), binaries);
    assert!(look.size().unwrap() > 10_000_000);
    let lines = look.log_lines(2).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("database system is shut down"), "{lines:?}");
    assert!(!place.root().join("data/postmaster.pid").exists());
}

#[test]
fn the_server_of_another_process_is_seen_with_its_holder_and_can_be_asked() {
    let place = Place::new();
    let helper = Helper::spawn(&place.root()).ready();
    let look = look(&place);
    let running = running(&look);
    assert_eq!(running.pid, helper.server_pid());
    let holder = running.holder.as_ref().unwrap();
    assert_eq!(holder.pid, helper.child.id());
    assert!(holder.command.starts_with("embedded-postgres /"), "{}", holder.command);
    let mut ask = running.client.command("psql", "postgres").unwrap();
    let answer = ask.args(["-XAtc", "SELECT current_user"]).output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap().trim(), "postgres");
    // The holder goes on.
    assert_eq!(helper.server_pid(), running.pid);
}

#[test]
fn a_database_in_the_making_is_busy() {
    let place = Place::new();
    let helper = Helper::spawn(&place.root());
    let mark = place.root().join("initializing");
    eventually("initdb runs", || fs::read_to_string(&mark).is_ok_and(|mark| mark.ends_with('\n')));
    let mut busy = false;
    // From the shell that leaves its process id to the program it becomes is a moment.
    eventually("a server", || {
        busy |= matches!(look(&place).state(), State::Busy);
        matches!(look(&place).state(), State::Running(_))
    });
    assert!(busy);
    drop(helper);
}

#[test]
fn a_look_never_keeps_a_server_from_starting() {
    let place = Place::new();
    drop(place.start());
    std::thread::scope(|scope| {
        let server = scope.spawn(|| place.start());
        while !server.is_finished() {
            let _ = look(&place);
        }
        assert_eq!(psql(&server.join().unwrap(), "SELECT 1"), "1");
    });
}

#[test]
fn a_stale_process_id_is_no_server() {
    let place = Place::new();
    drop(place.start());
    place.write("data/postmaster.pid", &format!("{}\n/\n1\n5432\n\n\n\nready\n", std::process::id()));
    assert!(matches!(look(&place).state(), State::Stopped { .. }));
}

#[test]
fn a_folder_of_other_things_is_told_from_a_database() {
    let place = Place::new();
    fs::create_dir(place.root()).unwrap();
    fs::write(place.root().join("letter.txt"), "Dear").unwrap();
    assert!(matches!(Look::at(place.options()), Err(Error::NotOurs { .. })));
}
