//! Moments of calendar time: `2026-01-01T00:00:00Z`, or `+30d` and `-1d` from the start of the run.

use ipseclab_sim::SimDuration;

use super::{Duration, TextValue, text_values};
use crate::structure::Mistake;

/// A moment of calendar time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
    Unix(i64),
    /// So much after the start of the run.
    After(SimDuration),
    /// So much before the start of the run.
    Before(SimDuration),
}

const EXAMPLE: &str = "such as 2026-01-01T00:00:00Z, +30d or -1d";

impl Moment {
    /// Unix seconds, for a run that starts at `start`; parts of a second are cut off.
    pub fn unix(self, start: i64) -> i64 {
        let seconds = |span: SimDuration| i64::try_from(span.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
        match self {
            Self::Unix(seconds) => seconds,
            Self::After(span) => start.saturating_add(seconds(span)),
            Self::Before(span) => start.saturating_sub(seconds(span)),
        }
    }
}

impl TextValue for Moment {
    const FORMAT: &'static str = "moment";
    const EXPECTED: &'static str =
        "a date such as \"2026-01-01T00:00:00Z\", or \"+30d\" from the start of the run";
    const PATTERN: &'static str =
        r"^([+-].+|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}(Z|[+-][0-9]{2}:[0-9]{2}))?)$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let span = |text: &str| {
            Duration::parse(text).map(Duration::span).map_err(|mistake| Mistake { span: None, ..mistake })
        };
        if let Some(rest) = text.strip_prefix('+') {
            return span(rest).map(Self::After);
        }
        if let Some(rest) = text.strip_prefix('-') {
            return span(rest).map(Self::Before);
        }
        let date = unix_seconds(text);
        date.map(Self::Unix)
            .ok_or_else(|| Mistake { help: vec![EXAMPLE.to_owned()], ..Mistake::new("no such date") })
    }
}

/// Reads an RFC 3339 date and time of whole seconds, or a date alone, which is its midnight in UTC.
fn unix_seconds(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let month_days = days_of_month(year, month)?;
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let (clock, offset) = time.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds(offset)?)
}

/// Three numbers of exactly so many digits.
fn numbers(text: &str, between: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut found = [0; 3];
    let mut parts = text.split(between);
    for (slot, width) in found.iter_mut().zip(widths) {
        let part =
            parts.next().filter(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn offset_seconds(text: &str) -> Option<i64> {
    let sign = match text.chars().next()? {
        'Z' | 'z' => return (text.len() == 1).then_some(0),
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let [hours, minutes, _] = numbers(&format!("{}:00", &text[1..]), ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> Option<i64> {
    match month {
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days from 1970-01-01, in the Gregorian calendar; whole years first, then whole months.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leaps_before =
        |year: i64| (year - 1).div_euclid(4) - (year - 1).div_euclid(100) + (year - 1).div_euclid(400);
    let years = (year - 1970) * 365 + leaps_before(year) - leaps_before(1970);
    let months: i64 = (1..month).filter_map(|earlier| days_of_month(year, earlier)).sum();
    years + months + day - 1
}

text_values! {
    Moment = "Moment": "A date of RFC 3339, or a span behind + or - from the start of the run.",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: i64) {
        assert_eq!(Moment::parse(text), Ok(Moment::Unix(seconds)), "{text}");
    }

    #[test]
    fn dates_become_unix_seconds() {
        // Figures of `date -u -d … +%s`.
        check("1970-01-01T00:00:00Z", 0);
        check("2026-01-01T00:00:00Z", 1_767_225_600);
        check("2024-02-29T23:59:59Z", 1_709_251_199);
        check("2000-03-01", 951_868_800);
        check("1969-12-31T23:59:59Z", -1);
        check("2026-01-01T02:00:00+02:00", 1_767_225_600);
        check("2049-12-31T23:59:59Z", 2_524_607_999);
    }

    #[test]
    fn spans_count_from_the_start_of_the_run() {
        assert_eq!(Moment::parse("+1d").unwrap().unix(1000), 87_400);
        assert_eq!(Moment::parse("-10s").unwrap().unix(1000), 990);
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in
            ["2023-02-29", "2026-13-01", "2026-00-01", "2026-01-32", "2026-01-01T24:00:00Z", "2026-1-1", ""]
        {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
        for text in ["2026-01-01T00:00:00", "2026-01-01T00:00:00+1", "+", "-1", "2026-01-01T00:00:00é1"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
