//! The clock, as a dependency that tests can replace.

use shaku::{Component, Interface};
use time::OffsetDateTime;

/// A source of the current time.
pub trait Clock: Interface {
    /// Returns the current time in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The system clock.
#[derive(Component, Debug, Default)]
#[shaku(interface = Clock)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the component that others inject")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}
