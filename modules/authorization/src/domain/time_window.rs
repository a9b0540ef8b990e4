//! Times of the day in a time zone, on some days of the week.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// A minute of a local day, as `08:00`; as the end of a window also `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeOfDay(u16);

impl TimeOfDay {
    pub(crate) const MIDNIGHT: Self = Self(0);
    /// The same moment as the next day's midnight: only ever an end.
    pub(crate) const END_OF_DAY: Self = Self(24 * 60);

    /// Two digits, a colon, two digits: from `00:00` to `24:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |digits: &str| -> Option<u16> {
            let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
            two.then(|| digits.parse().ok())?
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        let time = Self(hour.checked_mul(60)?.checked_add(minute)?);
        (minute < 60 && time <= Self::END_OF_DAY).then_some(time)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", self.0 / 60, self.0 % 60))
    }
}

/// Days of the week, Monday first: bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days(u8);

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    pub(crate) const EVERY: Self = Self(0b111_1111);
    pub(crate) const NONE: Self = Self(0);

    /// These and the day of this name.
    pub(crate) fn with(self, name: &str) -> Option<Self> {
        DAY_NAMES.iter().position(|day| *day == name).map(|bit| Self(self.0 | 1 << bit))
    }

    fn is_every(&self) -> bool {
        *self == Self::EVERY
    }

    /// By the number of days since a Monday.
    fn contains(self, day: i64) -> bool {
        self.0 >> day.rem_euclid(7) & 1 == 1
    }
}

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..).zip(DAY_NAMES).filter(|(day, _)| self.contains(*day)).map(|(_, name)| name))
    }
}

/// From a time of the day up to another, not including it. Where `to` isn't after `from`, the window runs over midnight,
/// and `days` are those on which it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TimeWindow {
    pub(crate) from: TimeOfDay,
    /// Never the same as `from`.
    pub(crate) to: TimeOfDay,
    /// A name of the IANA time zone database, in its own spelling.
    pub(crate) zone: String,
    #[serde(skip_serializing_if = "Days::is_every")]
    pub(crate) days: Days,
}

/// The zone of this name, in any case. The database is compiled in: what the machine has installed doesn't matter.
pub(crate) fn find_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// A window with its zone's rules at hand.
#[derive(Debug)]
pub(crate) struct CompiledWindow {
    from: i64,
    to: i64,
    zone: TimeZone,
    days: Days,
}

/// In seconds.
const SECONDS_PER_DAY: i64 = 86_400;
/// 1 January 1970 was a Thursday: this many days after a Monday.
const EPOCH_WEEKDAY: i64 = 3;

impl CompiledWindow {
    /// `None`: there is no such zone any more.
    pub(crate) fn new(window: &TimeWindow) -> Option<Self> {
        let seconds = |time: TimeOfDay| i64::from(time.0) * 60;
        Some(Self { from: seconds(window.from), to: seconds(window.to), zone: find_zone(&window.zone)?, days: window.days })
    }

    /// Whether a clock on the wall there is in the window. What is compared is what it shows: on the night when an hour is
    /// left out or repeated, a window is shorter or longer by that hour.
    pub(crate) fn contains(&self, now: time::OffsetDateTime) -> Option<bool> {
        let now = now.unix_timestamp();
        let offset = self.zone.to_offset(jiff::Timestamp::from_second(now).ok()?);
        let local = now + i64::from(offset.seconds());
        let (day, second) = (local.div_euclid(SECONDS_PER_DAY) + EPOCH_WEEKDAY, local.rem_euclid(SECONDS_PER_DAY));
        Some(if self.from < self.to {
            self.days.contains(day) && (self.from..self.to).contains(&second)
        } else {
            // The morning belongs to the window that began the day before.
            (self.days.contains(day) && second >= self.from) || (self.days.contains(day - 1) && second < self.to)
        })
    }
}
