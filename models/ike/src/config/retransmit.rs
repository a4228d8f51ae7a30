//! The schedule of repeated requests.

use core::time::Duration;

/// The schedule of repeated requests: strongSwan's `retransmit_*` settings.
///
/// Try n waits `timeout` × `base`ⁿ; after `tries` repetitions and one last wait the request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmitPolicy {
    /// The first wait.
    pub timeout: Duration,
    /// The growth of the wait from one try to the next, in thousandths.
    pub base_permille: u32,
    /// Repetitions before giving up.
    pub tries: u32,
}

impl Default for RetransmitPolicy {
    /// strongSwan's: 4.0 s, 1.8, 5 tries, so sent at 0, 4, 11.2, 24.16, 47.49, 89.48 s, given up at 165.06 s.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(4), base_permille: 1800, tries: 5 }
    }
}

impl RetransmitPolicy {
    /// How long a request that nobody answers is kept up: all waits together.
    pub fn total(&self) -> Duration {
        (0..=self.tries)
            .filter_map(|sent| self.wait_after(sent))
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How long to wait for an answer after transmission number `sent` (0: the first), or `None` when that one was
    /// the last and its wait is over: the waits are those of `0..=tries`.
    pub fn wait_after(&self, sent: u32) -> Option<Duration> {
        if sent > self.tries {
            return None;
        }
        // Integer arithmetic in nanoseconds: 128 bits hold 2⁶⁴ ns × (2³² thousandths) at each step.
        let nanos = (0..sent).fold(self.timeout.as_nanos(), |wait, _| {
            (wait.saturating_mul(u128::from(self.base_permille)) / 1000).min(u128::from(u64::MAX))
        });
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transmission times and the time of giving up, in milliseconds.
    fn check_schedule(policy: RetransmitPolicy, expected_ms: &[u128]) {
        let mut at = Duration::ZERO;
        let mut times = Vec::new();
        for sent in 0.. {
            let Some(wait) = policy.wait_after(sent) else { break };
            at += wait;
            times.push(at.as_millis());
        }
        assert_eq!(times, expected_ms);
    }

    #[test]
    fn strongswan_defaults_send_and_give_up_at_the_published_times() {
        // anchors.csv D01.
        check_schedule(RetransmitPolicy::default(), &[4_000, 11_200, 24_160, 47_488, 89_478, 165_061]);
    }

    #[test]
    fn doubling_from_half_a_second_gives_the_libreswan_schedule() {
        // anchors.csv D02.
        let policy = RetransmitPolicy { timeout: Duration::from_millis(500), base_permille: 2000, tries: 5 };
        check_schedule(policy, &[500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }

    #[test]
    fn absurd_growth_saturates_instead_of_overflowing() {
        let policy = RetransmitPolicy { timeout: Duration::MAX, base_permille: u32::MAX, tries: u32::MAX };
        assert_eq!(policy.wait_after(40), Some(Duration::from_nanos(u64::MAX)));
    }
}
