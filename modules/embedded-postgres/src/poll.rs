//! Polling until a deadline. This is the only module that sleeps.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;

const INTERVAL: Duration = Duration::from_millis(3);

/// Calls `check` until it returns a value; returns `None` at the deadline. Calls it at least once.
pub(crate) fn until<T>(
    deadline: Instant,
    mut check: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    loop {
        let value = check()?;
        if value.is_some() || Instant::now() >= deadline {
            return Ok(value);
        }
        sleep(INTERVAL);
    }
}

/// Calls `check` until it returns `true`; returns `false` at the deadline.
pub(crate) fn until_true(deadline: Instant, mut check: impl FnMut() -> Result<bool, Error>) -> Result<bool, Error> {
    Ok(until(deadline, || Ok(check()?.then_some(())))?.is_some())
}
