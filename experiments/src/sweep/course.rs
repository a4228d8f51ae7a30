//! What a sweep keeps of the course of a run: renewals, queues and drops, as far as metrics look at them.

use std::collections::BTreeMap;

use ipseclab_net::DropReason;
use ipseclab_output::{RenewalResult, RenewalRow};
use serde::{Deserialize, Serialize};

use crate::run::RunResult;

/// Drops for want of a usable SA: there was none under the SPI, or it had ended or carried all that it may.
const LOST_TO_RENEWALS: [DropReason; 3] =
    [DropReason::NoSa, DropReason::SaExpired, DropReason::SequenceExhausted];
/// Exchanges that renew nothing.
const NOT_RENEWALS: &str = "new_child";
const SECOND_NS: u64 = 1_000_000_000;

/// The course of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Renewals that started after the warm-up and gave fresh keys.
    pub renewals: u64,
    /// The sum of their latencies.
    pub renewal_latency_ns: u64,
    /// Most of them that ended within one second of the clock.
    pub renewals_per_second_max: u64,
    /// Most jobs that waited for the cores of one node, in the whole run.
    pub cpu_queue_max: u64,
    /// Packets dropped at all places in the whole run, by reason.
    pub drops: BTreeMap<String, u64>,
}

impl Course {
    /// The course of a run whose warm-up took so long.
    pub(super) fn of(result: &RunResult, warm_up_ns: u64) -> Self {
        let mut course = Self::of_renewals(&result.renewals, warm_up_ns);
        course.cpu_queue_max = result.nodes.iter().map(|node| node.queue_max).max().unwrap_or(0);
        for drop in &result.drops {
            *course.drops.entry(drop.reason.clone()).or_default() += drop.packets;
        }
        course
    }

    fn of_renewals(rows: &[RenewalRow], warm_up_ns: u64) -> Self {
        let mut course = Self::default();
        let mut by_second = BTreeMap::<u64, u64>::new();
        let counted = rows.iter().filter(|row| {
            row.started_ns >= warm_up_ns && row.result == RenewalResult::Done && row.exchange != NOT_RENEWALS
        });
        for row in counted {
            course.renewals += 1;
            course.renewal_latency_ns = course.renewal_latency_ns.saturating_add(row.latency_ns);
            *by_second.entry(row.ended_ns / SECOND_NS).or_default() += 1;
        }
        course.renewals_per_second_max = by_second.into_values().max().unwrap_or(0);
        course
    }

    /// The mean latency of renewals in seconds; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "the mean is rounded once, to 53 bits")]
    pub(super) fn renewal_latency(&self) -> Option<f64> {
        (self.renewals > 0).then(|| self.renewal_latency_ns as f64 / self.renewals as f64 / 1e9)
    }

    /// Packets that were dropped for want of a usable SA.
    pub(super) fn lost_to_renewals(&self) -> u64 {
        LOST_TO_RENEWALS.into_iter().map(|reason| self.dropped(reason)).sum()
    }

    /// Packets dropped for this reason.
    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason.as_str()).copied().unwrap_or(0)
    }

    /// Packets dropped for any reason.
    pub(super) fn dropped_in_all(&self) -> u64 {
        self.drops.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(started_ns: u64, ended_ns: u64, result: RenewalResult, exchange: &str) -> RenewalRow {
        let latency_ns = ended_ns - started_ns;
        RenewalRow {
            started_ns,
            ended_ns,
            latency_ns,
            result,
            exchange: exchange.to_owned(),
            ..RenewalRow::default()
        }
    }

    #[test]
    fn only_renewals_that_gave_fresh_keys_after_the_warm_up_count() {
        let rows = [
            row(4, 9, RenewalResult::Done, "child"),
            row(5, 15, RenewalResult::Done, "child"),
            row(5, 25, RenewalResult::Done, "ike"),
            row(5, 95, RenewalResult::Done, "new_child"),
            row(5, 95, RenewalResult::Failed, "child"),
            row(5, SECOND_NS + 5, RenewalResult::Redundant, "ike"),
            row(SECOND_NS, SECOND_NS + 30, RenewalResult::Done, "reauthentication"),
        ];
        let course = Course::of_renewals(&rows, 5);
        assert_eq!((course.renewals, course.renewals_per_second_max), (3, 2));
        assert_eq!(course.renewal_latency(), Some(20e-9));
        assert_eq!(Course::default().renewal_latency(), None);
    }

    #[test]
    fn drops_add_up_by_reason() {
        let drops = [("no_sa", 3), ("sa_expired", 1), ("loss", 5)];
        let drops = drops.map(|(reason, packets)| (reason.to_owned(), packets)).into();
        let course = Course { drops, ..Course::default() };
        assert_eq!((course.lost_to_renewals(), course.dropped_in_all()), (4, 9));
        assert_eq!((course.dropped(DropReason::Loss), course.dropped(DropReason::Replay)), (5, 0));
    }
}
