//! Seconds since 1970: what certificates and CRLs are dated in.

use core::fmt;
use core::time::Duration;

/// A point in civil time, in whole seconds since 1970-01-01 00:00:00 UTC without leap seconds.
///
/// An endpoint counts from its own epoch; its owner says which civil time that epoch stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time `seconds` after 1970 began.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970 began.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time `later` after this one, in whole seconds; at the end of the range it stays there.
    #[must_use]
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_secs()))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match der::DateTime::from_unix_duration(Duration::from_secs(self.0)) {
            Ok(date) => date.fmt(f),
            Err(_) => write!(f, "second {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_shows_as_a_date() {
        assert_eq!(UnixTime::from_secs(0).to_string(), "1970-01-01T00:00:00Z");
        let later = UnixTime::from_secs(1_700_000_000).after(Duration::from_millis(1_999));
        assert_eq!((later.as_secs(), later.to_string()), (1_700_000_001, "2023-11-14T22:13:21Z".into()));
    }

    #[test]
    fn beyond_the_calendar_the_seconds_are_shown() {
        let end = UnixTime::from_secs(u64::MAX - 1).after(Duration::from_secs(5));
        assert_eq!(end.to_string(), format!("second {}", u64::MAX));
    }
}
