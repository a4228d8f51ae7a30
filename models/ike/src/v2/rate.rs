//! A bound on how often something happens in each second.

use core::time::Duration;

/// How often something has happened in the second that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerSecond {
    second: u64,
    count: u32,
}

impl PerSecond {
    /// Whether it may happen once more at `now` when it may happen `limit` times in each second; if so, it has.
    pub(crate) fn take(&mut self, now: Duration, limit: u32) -> bool {
        if now.as_secs() != self.second {
            *self = Self { second: now.as_secs(), count: 0 };
        }
        let allowed = self.count < limit;
        self.count += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_share() {
        let mut rate = PerSecond::default();
        let at = |ms| Duration::from_millis(ms);
        assert_eq!([0, 1, 999].map(|ms| rate.take(at(ms), 2)), [true, true, false]);
        assert_eq!([1000, 1500, 1999].map(|ms| rate.take(at(ms), 2)), [true, true, false]);
        assert!(!rate.take(at(5000), 0));
    }
}
