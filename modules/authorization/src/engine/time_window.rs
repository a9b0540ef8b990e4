//! Time-of-day windows in a time zone, on given days of the week.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// A minute of a local day, such as `08:00`. The end of a window may also be `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimeOfDay(u16);

impl TimeOfDay {
    pub(crate) const MIDNIGHT: Self = Self(0);
    /// Midnight at the end of the day. Only valid as the end of a window.
    pub(crate) const END_OF_DAY: Self = Self(24 * 60);

    /// Parses `HH:MM`, from `00:00` to `24:00`.
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

/// A set of days of the week. Bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Days(u8);

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    pub(crate) const EVERY: Self = Self(0b111_1111);
    pub(crate) const NONE: Self = Self(0);

    /// Returns the set with the named day added, or `None` if the name is unknown.
    pub(crate) fn with(self, name: &str) -> Option<Self> {
        DAY_NAMES.iter().position(|day| *day == name).map(|bit| Self(self.0 | 1 << bit))
    }

    fn is_every(&self) -> bool {
        *self == Self::EVERY
    }

    /// `day` is the number of days since any Monday.
    fn contains(self, day: i64) -> bool {
        self.0 >> day.rem_euclid(7) & 1 == 1
    }
}

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..).zip(DAY_NAMES).filter(|(day, _)| self.contains(*day)).map(|(_, name)| name))
    }
}

/// A window from `from` (inclusive) to `to` (exclusive). If `to` is before `from`, the window spans midnight, and `days`
/// are the days on which it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct TimeWindow {
    pub(crate) from: TimeOfDay,
    /// Never equal to `from`.
    pub(crate) to: TimeOfDay,
    /// The IANA name of the time zone, in canonical case.
    pub(crate) zone: String,
    #[serde(skip_serializing_if = "Days::is_every")]
    pub(crate) days: Days,
}

/// Looks up a time zone by name, ignoring case. The database is compiled in, so the host's time zone files don't matter.
pub(crate) fn find_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// A window with its time zone resolved. Times are in seconds since midnight.
#[derive(Debug)]
pub(crate) struct CompiledWindow {
    from: i64,
    to: i64,
    zone: TimeZone,
    days: Days,
}

const SECONDS_PER_DAY: i64 = 86_400;
/// Days from a Monday to the Unix epoch, which was a Thursday.
const EPOCH_WEEKDAY: i64 = 3;

impl CompiledWindow {
    /// Returns `None` if the time zone is unknown.
    pub(crate) fn new(window: &TimeWindow) -> Option<Self> {
        let seconds = |time: TimeOfDay| i64::from(time.0) * 60;
        Some(Self {
            from: seconds(window.from),
            to: seconds(window.to),
            zone: find_zone(&window.zone)?,
            days: window.days,
        })
    }

    /// Returns true if the local time is in the window, or `None` if `now` is out of the supported range.
    ///
    /// Wall-clock times are compared, so a window is shorter by an hour that a daylight saving transition skips, and longer
    /// by one that it repeats.
    pub(crate) fn contains(&self, now: time::OffsetDateTime) -> Option<bool> {
        let now = now.unix_timestamp();
        let offset = self.zone.to_offset(jiff::Timestamp::from_second(now).ok()?);
        let local = now + i64::from(offset.seconds());
        let (day, second) = (local.div_euclid(SECONDS_PER_DAY) + EPOCH_WEEKDAY, local.rem_euclid(SECONDS_PER_DAY));
        Some(if self.from < self.to {
            self.days.contains(day) && (self.from..self.to).contains(&second)
        } else {
            // After midnight, the window belongs to the previous day.
            (self.days.contains(day) && second >= self.from) || (self.days.contains(day - 1) && second < self.to)
        })
    }
}
