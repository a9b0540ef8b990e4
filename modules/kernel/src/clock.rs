//! The time, as a dependency.

use shaku::{Component, Interface};
use time::OffsetDateTime;

/// Tells the time. Whatever depends on it takes it from here, so that a test can set it.
pub trait Clock: Interface {
    /// The present moment in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's own clock.
#[derive(Component, Debug, Default)]
#[shaku(interface = Clock)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}
