use time::{
    Duration, OffsetDateTime,
    macros::{datetime, utc_datetime},
};

use super::*;

fn window(from: &str, to: &str, zone: &str, days: &[&str]) -> CompiledWindow {
    let days =
        if days.is_empty() { Days::EVERY } else { days.iter().fold(Days::NONE, |days, name| days.with(name).unwrap()) };
    let time = |text| TimeOfDay::parse(text).unwrap();
    CompiledWindow::new(&TimeWindow { from: time(from), to: time(to), zone: zone.into(), days }).unwrap()
}

/// Counts the minutes of the span that are in the window.
fn minutes(window: &CompiledWindow, from: OffsetDateTime, span: Duration) -> usize {
    let minutes = 0..span.whole_minutes();
    minutes.filter(|minute| window.contains(from + Duration::minutes(*minute)).unwrap()).count()
}

#[test]
fn window_is_half_open() {
    let window = window("08:00", "18:00", "UTC", &[]);
    for (now, expected) in [
        (datetime!(2026-06-01 07:59:59.999 UTC), false),
        (datetime!(2026-06-01 08:00 UTC), true),
        (datetime!(2026-06-01 17:59:59.999 UTC), true),
        (datetime!(2026-06-01 18:00 UTC), false),
        // The UTC offset of `now` makes no difference.
        (datetime!(2026-06-01 09:30 +02:00), false),
        (datetime!(2026-06-01 19:30 +02:00), true),
        (datetime!(1912-02-29 12:00 UTC), true),
        (datetime!(2400-02-29 18:00 UTC), false),
    ] {
        assert_eq!(window.contains(now), Some(expected), "{now}");
    }
}

#[test]
fn weekday_is_local_to_timezone() {
    // 1 June 2026 is a Monday. It starts twelve hours before UTC in Auckland and ten hours after UTC in Honolulu.
    for (zone, begins) in [
        ("UTC", datetime!(2026-06-01 00:00 UTC)),
        ("Pacific/Auckland", datetime!(2026-05-31 12:00 UTC)),
        ("Pacific/Honolulu", datetime!(2026-06-01 10:00 UTC)),
        ("Asia/Kolkata", datetime!(2026-05-31 18:30 UTC)),
    ] {
        let monday = window("00:00", "24:00", zone, &["mon"]);
        assert_eq!(monday.contains(begins - Duration::SECOND), Some(false), "{zone}");
        assert_eq!(monday.contains(begins), Some(true), "{zone}");
        assert_eq!(monday.contains(begins + Duration::DAY - Duration::SECOND), Some(true), "{zone}");
        assert_eq!(monday.contains(begins + Duration::DAY), Some(false), "{zone}");
    }
}

#[test]
fn overnight_window_belongs_to_start_day() {
    let night = window("22:00", "06:00", "UTC", &["fri"]);
    for (now, expected) in [
        (datetime!(2026-06-05 05:00 UTC), false),
        (datetime!(2026-06-05 21:59 UTC), false),
        (datetime!(2026-06-05 22:00 UTC), true),
        (datetime!(2026-06-06 00:00 UTC), true),
        (datetime!(2026-06-06 05:59:59 UTC), true),
        (datetime!(2026-06-06 06:00 UTC), false),
        (datetime!(2026-06-06 22:00 UTC), false),
    ] {
        assert_eq!(night.contains(now), Some(expected), "{now}");
    }
    // The window spans the end of the week.
    let sunday = window("22:00", "06:00", "UTC", &["sun"]);
    assert_eq!(sunday.contains(datetime!(2026-06-08 01:00 UTC)), Some(true));
    assert_eq!(sunday.contains(datetime!(2026-06-07 01:00 UTC)), Some(false));
}

#[test]
fn dst_gap_matches_no_window() {
    // Clocks go forward from 02:00 to 03:00 on 29 March 2026 in Berlin and on 8 March 2026 in New York.
    let berlin = window("02:00", "03:00", "Europe/Berlin", &[]);
    assert_eq!(minutes(&berlin, datetime!(2026-03-28 12:00 UTC), Duration::DAY), 0);
    assert_eq!(minutes(&berlin, datetime!(2026-03-29 12:00 UTC), Duration::DAY), 60);
    let work = window("09:00", "17:00", "Europe/Berlin", &[]);
    assert_eq!(work.contains(datetime!(2026-03-28 07:30 UTC)), Some(false));
    assert_eq!(work.contains(datetime!(2026-03-29 07:30 UTC)), Some(true));
    let night = window("22:00", "06:00", "America/New_York", &[]);
    assert_eq!(minutes(&night, datetime!(2026-03-07 17:00 UTC), Duration::DAY), 7 * 60);
}

#[test]
fn dst_overlap_matches_twice() {
    // Clocks go back from 03:00 to 02:00 on 25 October 2026 in Berlin.
    let berlin = window("02:00", "03:00", "Europe/Berlin", &["sun"]);
    assert_eq!(minutes(&berlin, datetime!(2026-10-24 12:00 UTC), Duration::DAY), 120);
    let night = window("22:00", "06:00", "Europe/Berlin", &["sat"]);
    assert_eq!(minutes(&night, datetime!(2026-10-24 12:00 UTC), Duration::DAY), 9 * 60);
    assert_eq!(minutes(&night, datetime!(2026-10-25 12:00 UTC), Duration::DAY), 0);
}

#[test]
fn posix_rule_applies_after_last_transition() {
    let work = window("09:00", "17:00", "Europe/Berlin", &[]);
    assert_eq!(work.contains(datetime!(2199-07-01 07:30 UTC)), Some(true));
    assert_eq!(work.contains(datetime!(2199-01-02 07:30 UTC)), Some(false));
}

#[test]
fn epoch_is_thursday() {
    let thursday = window("00:00", "24:00", "UTC", &["thu"]);
    assert_eq!(minutes(&thursday, utc_datetime!(1969-12-29 00:00).into(), Duration::WEEK), 24 * 60);
    assert_eq!(thursday.contains(OffsetDateTime::UNIX_EPOCH), Some(true));
    assert_eq!(thursday.contains(OffsetDateTime::UNIX_EPOCH - Duration::SECOND), Some(false));
}
