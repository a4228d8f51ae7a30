//! The rates that a device bears: the greatest at which it drops nothing, and at which it drops little (RFC 2544 §26.1,
//! RFC 9004).
//!
//! A trial is a whole run of a scenario whose traffic is sent at one rate; nothing is remembered between trials. The
//! search halves the interval between the greatest rate that held and the least that did not, as devices are searched in
//! the laboratory, until that is a thousandth of the rate. Both searches use the same trials. All rates are in bits of IP
//! packets per second over all flows of the entry together, as `rate` of the scenario is, and are turned into packets and
//! into the layers of an Ethernet afterwards.

use ipseclab_net::Framing;
use ipseclab_node::Observe;

use crate::document::{Finding, KeyPath, Report};
use crate::run::{RunError, run};
use crate::scenario::{CheckedScenario, FlowKind, FlowPace, Override, load};

/// Trials of one search at most: an interval halved so often is a single bit per second.
const TRIALS_MAX: usize = 64;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The scenario's name or path.
    pub scenario: String,
    /// Settings over the scenario's.
    pub settings: Vec<Override>,
    /// Which element of the scenario's `traffic` is the load.
    pub entry: usize,
    /// The greatest rate to try, in bits per second.
    pub rate_max: u64,
    /// The share of packets that may be lost in the partial-drop search, in parts per million.
    pub loss_ppm: u64,
    /// Where the search stops: the interval, in parts per million of the rate.
    pub resolution_ppm: u64,
}

/// One run at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Bits of IP packets per second, offered.
    pub rate_bps: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Octets of the packets sent, IP headers included.
    pub sent_bytes: u64,
    /// Octets of the frames that an Ethernet has around them.
    pub sent_frame_bytes: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The greatest rate without loss; `None` when even the least was too much.
    pub non_drop: Option<Trial>,
    /// The greatest rate with no more than the loss that is allowed.
    pub partial_drop: Option<Trial>,
    /// All trials, in the order in which they were made.
    pub trials: Vec<Trial>,
}

/// A rate in the units in which devices are sold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Millions of packets per second.
    pub mpps: f64,
    /// Gbit/s of IP packets.
    pub layer_3_gbps: f64,
    /// Gbit/s of Ethernet frames.
    pub layer_2_gbps: f64,
    /// Gbit/s of the wire, with preamble and gap.
    pub layer_1_gbps: f64,
}

/// Why a search has no result.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Something is wrong with the scenario.
    #[error("the scenario cannot be searched")]
    Input(#[from] Report),
    /// A trial failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Trial {
    /// Packets that did not arrive.
    pub const fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    /// Whether no more than so many of a million packets were lost.
    fn holds(&self, loss_ppm: u64) -> bool {
        self.sent > 0 && u128::from(self.lost()) * 1_000_000 <= u128::from(loss_ppm) * u128::from(self.sent)
    }

    /// The rate in other units, by the mean lengths of the packets and of the frames around them.
    #[expect(clippy::cast_precision_loss, reason = "printed with a few digits")]
    pub fn rates(&self) -> Rates {
        let mean = |octets: u64| octets as f64 / self.sent.max(1) as f64;
        let (octets, frame) = (mean(self.sent_bytes), mean(self.sent_frame_bytes));
        let pps = self.rate_bps as f64 / (8.0 * octets.max(1.0));
        let gbps = |octets: f64| pps * octets * 8.0 / 1e9;
        Rates {
            mpps: pps / 1e6,
            layer_3_gbps: gbps(octets),
            layer_2_gbps: gbps(frame),
            layer_1_gbps: gbps(frame + Framing::Ethernet.gap_len() as f64),
        }
    }
}

impl Search {
    /// Searches; `watch` is told of every trial as it ends.
    ///
    /// # Errors
    /// When the scenario is wrong or its entry is no load that can be varied, or a trial fails.
    pub fn run(&self, mut watch: impl FnMut(&Trial)) -> Result<Found, SearchError> {
        self.check()?;
        let mut trials: Vec<Trial> = Vec::new();
        let mut trial = |rate_bps: u64| -> Result<Trial, SearchError> {
            if let Some(known) = trials.iter().find(|known| known.rate_bps == rate_bps) {
                return Ok(*known);
            }
            let made = self.trial(rate_bps)?;
            watch(&made);
            trials.push(made);
            Ok(made)
        };
        let non_drop = self.bisect(0, &mut trial)?;
        let partial_drop = self.bisect(self.loss_ppm, &mut trial)?;
        Ok(Found { non_drop, partial_drop, trials })
    }

    fn load(&self, rate_bps: Option<u64>) -> Result<CheckedScenario, Report> {
        let mut settings = self.settings.clone();
        let rate = rate_bps.map(|rate| format!("traffic.{}.rate={rate}bps", self.entry));
        if let Some(text) = rate {
            let change = Override::parse(&text).map_err(|error| Report::of(error.finding()))?;
            settings.push(change);
        }
        load(&self.scenario, &settings)
    }

    /// Whether the entry is a load whose rate can be set.
    fn check(&self) -> Result<(), Report> {
        let scenario = self.load(Some(self.rate_max))?;
        let mut flows = scenario.traffic.iter().filter(|flow| flow.entry == self.entry).peekable();
        let path = KeyPath::root().key("traffic").index(self.entry);
        if flows.peek().is_none() {
            return Err(Report::of(Finding::new(format!("the scenario has no `{path}`"))));
        }
        let is_steady =
            |kind, pace| matches!(kind, FlowKind::Udp | FlowKind::Imix) && pace == FlowPace::Constant;
        if !flows.all(|flow| is_steady(flow.kind, flow.pace)) {
            let finding = Finding::new(format!("`{path}` is no load that can be searched"))
                .help("it must be of kind = \"udp\" with a constant distribution");
            return Err(Report::of(finding));
        }
        Ok(())
    }

    /// The greatest rate found at which no more than so many of a million packets are lost.
    fn bisect(
        &self,
        loss_ppm: u64,
        trial: &mut impl FnMut(u64) -> Result<Trial, SearchError>,
    ) -> Result<Option<Trial>, SearchError> {
        let top = trial(self.rate_max)?;
        if top.holds(loss_ppm) {
            return Ok(Some(top));
        }
        let (mut low, mut high, mut best) = (0, self.rate_max, None);
        for _ in 0..TRIALS_MAX {
            let middle = low + (high - low) / 2;
            let is_fine =
                u128::from(high - low) * 1_000_000 <= u128::from(high) * u128::from(self.resolution_ppm);
            if is_fine || middle == low {
                break;
            }
            let made = trial(middle)?;
            if made.holds(loss_ppm) {
                (low, best) = (middle, Some(made));
            } else {
                high = middle;
            }
        }
        Ok(best)
    }

    fn trial(&self, rate_bps: u64) -> Result<Trial, SearchError> {
        // The rate is that of each flow of the entry in the scenario, and of all together here.
        let flows = self.load(None)?.traffic.iter().filter(|flow| flow.entry == self.entry).count() as u64;
        let scenario = self.load(Some((rate_bps / flows.max(1)).max(1)))?;
        let result = run(&scenario, Observe::default())?;
        let rows = scenario.traffic.iter().zip(&result.flows).filter(|(flow, _)| flow.entry == self.entry);
        let none = Trial { rate_bps, sent: 0, received: 0, sent_bytes: 0, sent_frame_bytes: 0 };
        Ok(rows.fold(none, |sum, (_, row)| Trial {
            rate_bps,
            sent: sum.sent + row.sent_packets,
            received: sum.received + row.received_packets,
            sent_bytes: sum.sent_bytes + row.sent_bytes,
            sent_frame_bytes: sum.sent_frame_bytes + row.sent_layer_2_bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_an_ethernet_are_those_of_rfc_9347_appendix_c() {
        // 10 Gbit/s of layer 1 are 14.88 million frames of 64 octets, and 812 744 of 1518.
        for (ip, pps) in [(46, 14_880_952_u32), (1500, 812_744)] {
            let trial = Trial {
                rate_bps: u64::from(pps) * ip * 8,
                sent: 1000,
                received: 1000,
                sent_bytes: 1000 * ip,
                sent_frame_bytes: 1000 * (ip + 18),
            };
            let rates = trial.rates();
            assert!((rates.layer_1_gbps - 10.0).abs() < 1e-4, "{rates:?}");
            assert!((rates.mpps - f64::from(pps) / 1e6).abs() < 1e-6, "{rates:?}");
        }
    }

    #[test]
    fn a_trial_holds_up_to_the_loss_that_is_allowed() {
        let trial = Trial { rate_bps: 1, sent: 1000, received: 995, sent_bytes: 1, sent_frame_bytes: 64 };
        assert!(trial.holds(5_000) && !trial.holds(4_999) && !trial.holds(0));
        assert!(!Trial { sent: 0, received: 0, ..trial }.holds(0), "nothing sent shows nothing");
    }
}
