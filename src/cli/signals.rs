//! Signals that stop a command.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A listener for SIGINT (Ctrl-C) and SIGTERM (service managers).
///
/// Commands create it first, so that a signal during startup also shuts the database down cleanly.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts listening; from then on the signals no longer kill the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
