//! Crash tests: acknowledged transactions survive and no transaction is partial, whichever processes are killed.
//!
//! Four rounds by default, a hundred with `just crash-test`.

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

use crate::support::{Helper, TestDir, children, print, process, psql, signal};

/// Number of concurrent connections.
const WRITERS: u64 = 4;

/// The processes that receive SIGKILL.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The postmaster. The program continues and stops.
    Server,
    /// A backend or background process. The postmaster terminates the others and recovers.
    Child,
    /// The program's process group, as when a terminal is closed or a supervisor gives up.
    Program,
    /// The process groups of program and server, including the supervising shell. Nothing remains to stop the server.
    Everything,
}

const VICTIMS: [Victim; 4] = [Victim::Server, Victim::Child, Victim::Program, Victim::Everything];

#[test]
fn acknowledged_commits_survive_sigkill() {
    crash_test(VICTIMS.len() as u64);
}

#[test]
#[ignore = "a hundred rounds take minutes: `just crash-test`"]
fn acknowledged_commits_survive_100_crashes() {
    crash_test(100);
}

fn crash_test(rounds: u64) {
    let test_dir = TestDir::on_disk();
    let mut ledger = Ledger::default();
    let server = start(&test_dir);
    psql(
        &server,
        "CREATE TABLE pairs (writer bigint, n bigint, half int, PRIMARY KEY (writer, n, half));
         CREATE TABLE counters (writer bigint PRIMARY KEY, value bigint NOT NULL);
         INSERT INTO counters SELECT writer, 0 FROM generate_series(0, 3) AS writer",
    );
    let bin_dir = server.bin_dir().to_owned();
    server.stop().unwrap();
    for round in 0..rounds {
        let victim = VICTIMS[usize::try_from(round).unwrap() % VICTIMS.len()];
        crash_round(victim, &test_dir, &bin_dir, &mut ledger);
        // Starting again must be sufficient for recovery.
        let server = start(&test_dir);
        ledger.audit(&server, &format!("round {round}, killed: {victim:?}"));
        server.stop().unwrap();
    }
    let acknowledged: usize = ledger.acknowledged.values().map(BTreeSet::len).sum();
    let (unacknowledged, lost) = (ledger.unacknowledged, ledger.lost);
    print(&format!(
        "crash test: {rounds} rounds, {WRITERS} writers: {acknowledged} transactions acknowledged, {lost} lost, \
         {unacknowledged} committed without acknowledgement"
    ));
    assert!(acknowledged > 0);
}

/// Starts a durable server. The short stop timeout is for a server that is asked to stop during crash recovery: version
/// 18 doesn't always exit then, and the next start requests an immediate shutdown.
fn start(test_dir: &TestDir) -> Server {
    let stop_timeout = Duration::from_secs(10);
    Server::start(Options { durable: true, stop_timeout, ..test_dir.options() }).unwrap()
}

/// Writes through the helper's server and kills the victim at a random moment, then the helper. Processes of the server
/// may still be running afterwards.
fn crash_round(victim: Victim, test_dir: &TestDir, bin_dir: &Path, ledger: &mut Ledger) {
    let root = test_dir.root();
    let mut command = Helper::command();
    command.arg(&root).process_group(0);
    let helper = Helper::run(command, &root).wait_until_ready();
    let server = helper.server_pid();

    let (acknowledge, acknowledgements) = channel();
    let first = |writer| ledger.attempted.get(&writer).map_or(0, |last| last + 1);
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| Writer::start(writer, first(writer), bin_dir, &root, acknowledge.clone())).collect();
    drop(acknowledge);

    ledger.record(&acknowledgements, random(200));
    // Without the delay, the writer that was just acknowledged would never be in the middle of a transaction.
    thread::sleep(Duration::from_micros(random(3000)));
    match victim {
        Victim::Server => signal(server, Signal::SIGKILL),
        Victim::Child => {
            let children = children(server);
            signal(children[usize::try_from(random(children.len() as u64) - 1).unwrap()], Signal::SIGKILL);
        }
        Victim::Program => kill_group(helper.child.id()),
        Victim::Everything => {
            let shell = process(server).group;
            kill_group(helper.child.id());
            kill_group(shell);
        }
    }
    // Writers end when their connection breaks. Acknowledgements may still be in the channel.
    for writer in writers {
        let (number, last) = writer.end();
        ledger.attempted.insert(number, last);
    }
    ledger.record(&acknowledgements, u64::MAX);
    helper.kill();
}

fn kill_group(leader: u32) {
    killpg(Pid::from_raw(leader.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// Returns a random number from 1 to the limit.
fn random(limit: u64) -> u64 {
    RandomState::new().hash_one(()) % limit + 1
}

/// A connection that commits transactions in a loop. Each inserts two rows and increments a counter.
struct Writer {
    number: u64,
    psql: Child,
    /// Returns the number of the last transaction that was begun.
    thread: thread::JoinHandle<u64>,
}

impl Writer {
    fn start(number: u64, first: u64, bin_dir: &Path, root: &Path, acknowledge: Sender<(u64, u64)>) -> Self {
        let mut command = Command::new(bin_dir.join("psql"));
        command.env_clear().current_dir("/").args(["-X", "-q", "-d", "postgres", "-U", "postgres"]);
        // Exits at the first failed statement, so that later ones aren't acknowledged.
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

/// Sends one transaction. `psql` executes `\warn` after the server has acknowledged COMMIT, and writes to standard
/// error without buffering.
fn transact(input: &mut ChildStdin, writer: u64, n: u64) {
    let statements = format!(
        "BEGIN;
         INSERT INTO pairs VALUES ({writer}, {n}, 1);
         UPDATE counters SET value = value + 1 WHERE writer = {writer};
         INSERT INTO pairs VALUES ({writer}, {n}, 2);
         COMMIT;
         \\warn acknowledged {n}\n"
    );
    // `psql` may have exited already.
    let _ = input.write_all(statements.as_bytes());
}

/// The transactions that were attempted and acknowledged, recorded outside of the database.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<u64, BTreeSet<u64>>,
    attempted: BTreeMap<u64, u64>,
    lost: usize,
    unacknowledged: usize,
}

impl Ledger {
    /// Records up to `limit` acknowledgements; stops when all writers have ended.
    fn record(&mut self, acknowledgements: &Receiver<(u64, u64)>, limit: u64) {
        for _ in 0..limit {
            let Ok((writer, n)) = acknowledgements.recv() else { return };
            self.acknowledged.entry(writer).or_default().insert(n);
        }
    }

    /// Compares the ledger with the database.
    fn audit(&mut self, server: &Server, when: &str) {
        let halves =
            psql(server, "SELECT count(*) FROM (SELECT FROM pairs GROUP BY writer, n HAVING count(*) <> 2) AS t");
        assert_eq!(halves, "0", "partial transactions; {when}");

        let mut committed: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for line in psql(server, "SELECT writer, n FROM pairs WHERE half = 1").lines() {
            let (writer, n) = line.split_once('|').unwrap();
            committed.entry(writer.parse().unwrap()).or_default().insert(n.parse().unwrap());
        }
        let none = BTreeSet::new();
        self.unacknowledged = 0;
        for writer in 0..WRITERS {
            let present = committed.get(&writer).unwrap_or(&none);
            let acknowledged = self.acknowledged.get(&writer).unwrap_or(&none);
            let lost: Vec<_> = acknowledged.difference(present).collect();
            self.lost += lost.len();
            assert!(lost.is_empty(), "writer {writer} lost acknowledged transactions {lost:?}; {when}");
            self.unacknowledged += present.len() - acknowledged.len();
            let counter = psql(server, &format!("SELECT value FROM counters WHERE writer = {writer}"));
            assert_eq!(counter, present.len().to_string(), "writer {writer}'s counter; {when}");
        }
        // Fails if recovery has left a broken index or transaction state.
        psql(server, "INSERT INTO pairs VALUES (99, 0, 1), (99, 0, 2); DELETE FROM pairs WHERE writer = 99");
    }
}
