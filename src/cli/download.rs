//! Reports the progress of a PostgreSQL download: a bar in a terminal, a few log lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use db::{DbConfig, DbDriver, Progress, Step};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::progress::style;

/// Sets the progress callback of the embedded database's download. Progress goes to standard error, like the logs.
pub(super) fn report_progress(db: &mut DbConfig) {
    if let DbDriver::Embedded(embedded) = &mut db.driver
        && let Some(download) = &mut embedded.download
    {
        download.progress =
            if io::stderr().is_terminal() { progress_bar() } else { Progress::lines(|line| tracing::info!("{line}")) };
    }
}

fn progress_bar() -> Progress {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    Progress::new(move |step| match step {
        Step::Downloading { received, total } => {
            if received == 0 {
                bar.set_length(total.unwrap_or_default());
                bar.set_style(style(
                    "downloading PostgreSQL {bar:32} {bytes:>10} of {total_bytes} {bytes_per_sec:>12} {eta:>4}",
                ));
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.set_position(received);
        }
        Step::Unpacking => spin(&bar, "unpacking PostgreSQL"),
        Step::Waiting => spin(&bar, "waiting for another process to download PostgreSQL"),
        _ => bar.finish_and_clear(),
    })
}

fn spin(bar: &ProgressBar, message: &'static str) {
    bar.set_style(style("{spinner} {msg}"));
    bar.set_message(message);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(100));
}
