//! Nothing that was acknowledged is lost, and nothing else is half there, however the server's processes are killed.
//!
//! A few rounds here; a hundred with `just torture`.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use embedded_postgres::{Options, Server};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::{Helper, Place, children, group, psql, say, signal};

/// Connections that write at once.
const WRITERS: u64 = 4;

/// Who is killed, without a chance to tidy up.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The server's first process; the program goes on, and stops.
    Server,
    /// Another of its processes, behind a connection or in the background: it ends all of them and recovers by itself.
    Child,
    /// The program with its process group, as a terminal that closes or a supervisor does.
    Program,
    /// The program's group and the server's, the shell between them included: nobody is left to stop anything.
    Everything,
}

const VICTIMS: [Victim; 4] = [Victim::Server, Victim::Child, Victim::Program, Victim::Everything];

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    torture(VICTIMS.len() as u64);
}

#[test]
#[ignore = "a hundred rounds take minutes: `just torture`"]
fn nothing_acknowledged_is_lost_in_a_hundred_rounds() {
    torture(100);
}

fn torture(rounds: u64) {
    let place = Place::on_disk();
    let mut books = Books::default();
    let server = start(&place);
    psql(
        &server,
        "CREATE TABLE pairs (writer bigint, n bigint, half int, PRIMARY KEY (writer, n, half));
         CREATE TABLE counters (writer bigint PRIMARY KEY, value bigint NOT NULL);
         INSERT INTO counters SELECT writer, 0 FROM generate_series(0, 3) AS writer",
    );
    let programs = server.binaries().to_owned();
    server.stop().unwrap();
    for round in 0..rounds {
        let victim = VICTIMS[usize::try_from(round).unwrap() % VICTIMS.len()];
        strike(victim, &place, &programs, &mut books);
        // It heals by itself: nothing but a start.
        let server = start(&place);
        books.audit(&server, &format!("round {round}, {victim:?} was killed"));
        server.stop().unwrap();
    }
    let acknowledged: usize = books.acknowledged.values().map(BTreeSet::len).sum();
    let (doubtful, lost) = (books.doubtful, books.lost);
    say(&format!(
        "torture: {rounds} rounds, {WRITERS} writers: {acknowledged} transactions acknowledged, {lost} lost; \
         {doubtful} committed whose answer was cut off"
    ));
    assert!(acknowledged > 0);
}

/// With everything on that makes commits last. The patience is for a server that was asked to stop while it recovered
/// by itself: version 18 doesn't always end then, and the next start ends it the hard way.
fn start(place: &Place) -> Server {
    let stop_timeout = Duration::from_secs(10);
    Server::start(Options { durable: true, stop_timeout, ..place.options() }).unwrap()
}

/// The program writes, somebody is killed at a moment that nobody has chosen, and the program with them. What is left of
/// the server may still be about.
fn strike(victim: Victim, place: &Place, programs: &Path, books: &mut Books) {
    let root = place.root();
    let mut command = Helper::command();
    command.arg(&root).process_group(0);
    let helper = Helper::run(command, &root).ready();
    let server = helper.server_pid();

    let (acknowledge, acknowledgements) = channel();
    let first = |writer| books.attempted.get(&writer).map_or(0, |last| last + 1);
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| Writer::start(writer, first(writer), programs, &root, acknowledge.clone())).collect();
    drop(acknowledge);

    books.note(&acknowledgements, random(200));
    // The others are somewhere within theirs when one writer's transaction has just been acknowledged; this way that
    // one may be, too.
    thread::sleep(Duration::from_micros(random(3000)));
    match victim {
        Victim::Server => signal(server, Signal::SIGKILL),
        Victim::Child => {
            let children = children(server);
            signal(children[usize::try_from(random(children.len() as u64) - 1).unwrap()], Signal::SIGKILL);
        }
        Victim::Program => kill_group(helper.child.id()),
        Victim::Everything => {
            let shell = group(server);
            kill_group(helper.child.id());
            kill_group(shell);
        }
    }
    // Every writer ends with its connection; what was acknowledged before that is still on its way here.
    for writer in writers {
        let (number, last) = writer.end();
        books.attempted.insert(number, last);
    }
    books.note(&acknowledgements, u64::MAX);
    helper.kill();
}

fn kill_group(leader: u32) {
    killpg(Pid::from_raw(leader.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// From 1 up to the limit.
fn random(limit: u64) -> u64 {
    RandomState::new().hash_one(()) % limit + 1
}

/// A connection that commits one transaction after another, each two rows and a counter.
struct Writer {
    number: u64,
    psql: Child,
    /// The last transaction that was begun.
    thread: thread::JoinHandle<u64>,
}

impl Writer {
    fn start(number: u64, first: u64, programs: &Path, root: &Path, acknowledge: Sender<(u64, u64)>) -> Self {
        let mut command = Command::new(programs.join("psql"));
        command.env_clear().current_dir("/").args(["-X", "-q", "-d", "postgres", "-U", "postgres"]);
        // So that it ends with the first statement that fails, and says nothing of what comes after.
        command.args(["-v", "ON_ERROR_STOP=1"]).arg("-h").arg(root.join("socket"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut psql = command.spawn().unwrap();
        let (mut input, answers) = (psql.stdin.take().unwrap(), psql.stderr.take().unwrap());
        let thread = thread::spawn(move || {
            let mut n = first;
            transact(&mut input, number, n);
            for line in BufReader::new(answers).lines().map_while(Result::ok) {
                if line == format!("acknowledged {n}") {
                    acknowledge.send((number, n)).unwrap();
                    n += 1;
                    transact(&mut input, number, n);
                }
            }
            n
        });
        Self { number, psql, thread }
    }

    fn end(mut self) -> (u64, u64) {
        let last = self.thread.join().unwrap();
        self.psql.wait().unwrap();
        (self.number, last)
    }
}

/// The last line is `psql`'s own, which it writes, to standard error and at once, when the server has answered COMMIT.
fn transact(input: &mut ChildStdin, writer: u64, n: u64) {
    let statements = format!(
        "BEGIN;
         INSERT INTO pairs VALUES ({writer}, {n}, 1);
         UPDATE counters SET value = value + 1 WHERE writer = {writer};
         INSERT INTO pairs VALUES ({writer}, {n}, 2);
         COMMIT;
         \\warn acknowledged {n}\n"
    );
    // It may be gone already.
    let _ = input.write_all(statements.as_bytes());
}

/// What the program was told, kept outside of the database.
#[derive(Default)]
struct Books {
    acknowledged: BTreeMap<u64, BTreeSet<u64>>,
    attempted: BTreeMap<u64, u64>,
    lost: usize,
    doubtful: usize,
}

impl Books {
    /// So many acknowledgements, or as many as there are before the writers end.
    fn note(&mut self, acknowledgements: &Receiver<(u64, u64)>, limit: u64) {
        for _ in 0..limit {
            let Ok((writer, n)) = acknowledgements.recv() else { return };
            self.acknowledged.entry(writer).or_default().insert(n);
        }
    }

    /// Compares the books with the database.
    fn audit(&mut self, server: &Server, when: &str) {
        let halves =
            psql(server, "SELECT count(*) FROM (SELECT FROM pairs GROUP BY writer, n HAVING count(*) <> 2) AS t");
        assert_eq!(halves, "0", "transactions of which one half is there; {when}");

        let mut committed: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for line in psql(server, "SELECT writer, n FROM pairs WHERE half = 1").lines() {
            let (writer, n) = line.split_once('|').unwrap();
            committed.entry(writer.parse().unwrap()).or_default().insert(n.parse().unwrap());
        }
        let none = BTreeSet::new();
        self.doubtful = 0;
        for writer in 0..WRITERS {
            let there = committed.get(&writer).unwrap_or(&none);
            let acknowledged = self.acknowledged.get(&writer).unwrap_or(&none);
            let lost: Vec<_> = acknowledged.difference(there).collect();
            self.lost += lost.len();
            assert!(lost.is_empty(), "writer {writer} was told that {lost:?} are committed; {when}");
            self.doubtful += there.len() - acknowledged.len();
            let counter = psql(server, &format!("SELECT value FROM counters WHERE writer = {writer}"));
            assert_eq!(counter, there.len().to_string(), "writer {writer}'s counter; {when}");
        }
        // A transaction or an index that recovery left broken would show here.
        psql(server, "INSERT INTO pairs VALUES (99, 0, 1), (99, 0, 2); DELETE FROM pairs WHERE writer = 99");
    }
}
