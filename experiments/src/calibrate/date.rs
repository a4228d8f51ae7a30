//! The day of a measurement: parsed from `2026-11-20`, or counted from the epoch of a clock, in UTC.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A day of the Gregorian calendar, 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a text is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It does not look like one.
    #[error("a date is written as year-month-day, such as 2026-11-20")]
    Form,
    /// There is no such day, or it is before 1970.
    #[error("there is no such day")]
    NoSuchDay,
}

const FIRST_YEAR: u16 = 1970;
const LAST_YEAR: u16 = 9999;
const SECONDS_PER_DAY: u64 = 86_400;

impl Date {
    /// The day after this much time since the beginning of 1970, UTC; the last of 9999 for all that is later.
    pub fn from_epoch(since: Duration) -> Self {
        let mut days = since.as_secs() / SECONDS_PER_DAY;
        for year in FIRST_YEAR..=LAST_YEAR {
            for month in 1..=12 {
                let in_month = u64::from(days_in(year, month));
                if let Some(day) = u8::try_from(days + 1).ok().filter(|_| days < in_month) {
                    return Self { year, month, day };
                }
                days -= in_month;
            }
        }
        Self { year: LAST_YEAR, month: 12, day: 31 }
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let parts: Vec<_> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(DateError::Form) };
        let right = (year.len(), month.len(), day.len()) == (4, 2, 2);
        if !right || !text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'-') {
            return Err(DateError::Form);
        }
        let wrong = |_| DateError::Form;
        let (year, month, day) =
            (year.parse().map_err(wrong)?, month.parse().map_err(wrong)?, day.parse().map_err(wrong)?);
        let exists =
            year >= FIRST_YEAR && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if exists { Ok(Self { year, month, day }) } else { Err(DateError::NoSuchDay) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_epoch(seconds: u64) -> String {
        Date::from_epoch(Duration::from_secs(seconds)).to_string()
    }

    #[test]
    fn days_are_counted_through_leap_years() {
        assert_eq!(from_epoch(0), "1970-01-01");
        assert_eq!(from_epoch(86_399), "1970-01-01");
        assert_eq!(from_epoch(951_782_400), "2000-02-29");
        assert_eq!(from_epoch(1_795_132_800), "2026-11-20");
        assert_eq!(from_epoch(4_107_542_400), "2100-03-01");
        assert_eq!(from_epoch(u64::MAX), "9999-12-31");
    }

    #[test]
    fn a_date_survives_its_text() {
        let date: Date = "2024-02-29".parse().unwrap();
        assert_eq!(date.to_string(), "2024-02-29");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "today", "2026-11", "2026-1-20", "20-11-2026", "2026-11-20-", "+026-11-20", "2026/11/20"]
        {
            assert_eq!(text.parse::<Date>(), Err(DateError::Form), "{text}");
        }
        for text in ["2026-00-20", "2026-13-20", "2026-11-31", "2025-02-29", "2100-02-29", "1969-12-31"] {
            assert_eq!(text.parse::<Date>(), Err(DateError::NoSuchDay), "{text}");
        }
    }
}
