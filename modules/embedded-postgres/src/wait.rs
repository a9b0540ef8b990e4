//! The one place that sleeps: every wait is a question asked again until a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;

const PAUSE: Duration = Duration::from_millis(3);

/// Asks until there is an answer; `None` when there was none by the deadline. Asks at least once.
pub(crate) fn until<T>(
    deadline: Instant,
    mut ask: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    loop {
        let answer = ask()?;
        if answer.is_some() || Instant::now() >= deadline {
            return Ok(answer);
        }
        sleep(PAUSE);
    }
}

/// Asks until the answer is yes; `false` when it wasn't by the deadline.
pub(crate) fn until_true(deadline: Instant, mut ask: impl FnMut() -> Result<bool, Error>) -> Result<bool, Error> {
    Ok(until(deadline, || Ok(ask()?.then_some(())))?.is_some())
}
