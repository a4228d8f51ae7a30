//! Making the runs of a plan: on all processors, each kept as soon as it ends, none made twice.
//!
//! Runs are pure, so their order cannot matter; results are folded from the folder afterwards, in the order of the
//! plan. A run that fails, or trips over a mistake of ours, is a record too: it costs its own result and no other.

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ipseclab_node::Observe;
use ipseclab_output::sha256_hex;
use rayon::prelude::*;

use super::error::SweepError;
use super::plan::{PlannedRun, SweepPlan};
use super::record::{FinishedRun, Negotiation, Outages, Renewal, RunOutcome, RunRecord, Timeline, Traffic};
use super::store::SweepFolder;
use crate::cost_profiles;
use crate::run::{self, RunResult};
use crate::scenario::{CheckedScenario, CostProfile, CryptoKind};

/// The exchanges among renewals that renew nothing.
const NOT_RENEWALS: &str = "new_child";

/// Who wants to know how far a sweep is.
pub trait Progress: Sync {
    /// `kept` of `total` runs are there already; of those that are made now, `torn` have a file that is not whole.
    fn begin(&self, total: u64, kept: u64, torn: u64);
    /// One more run has ended.
    fn advance(&self);
}

/// What has to be done.
pub(super) struct Missing {
    /// Runs without a whole record, by combination.
    points: Vec<(usize, Vec<PlannedRun>)>,
    /// How many records are there and whole.
    pub(super) kept: u64,
    /// How many records are there and torn.
    pub(super) torn: u64,
}

impl Missing {
    pub(super) fn find(plan: &SweepPlan, folder: &SweepFolder) -> Result<Self, SweepError> {
        let mut missing = Self { points: Vec::new(), kept: 0, torn: 0 };
        for run in plan.runs() {
            if folder.record(run.id)?.is_some() {
                missing.kept += 1;
                continue;
            }
            missing.torn += u64::from(folder.has(run.id));
            match missing.points.last_mut() {
                Some((point, runs)) if *point == run.point => runs.push(run),
                _ => missing.points.push((run.point, vec![run])),
            }
        }
        Ok(missing)
    }

    /// Makes them all; stops early only when nothing more can be written or the scenario changed.
    pub(super) fn make(
        &self,
        plan: &SweepPlan,
        folder: &SweepFolder,
        jobs: Option<NonZeroUsize>,
        progress: &dyn Progress,
    ) -> Result<(), SweepError> {
        // Zero threads lets rayon count the processors.
        let threads = jobs.map_or(0, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            self.points.par_iter().try_for_each(|(point, runs)| {
                // Checking a scenario costs as much as a short run, so its replications share it.
                let scenario = plan.scenario(*point)?;
                let settings = Settings::of(&scenario);
                runs.par_iter().try_for_each(|run| {
                    folder.keep(run.id, &settings.record(perform(&scenario, run.seed)))?;
                    progress.advance();
                    Ok(())
                })
            })
        })
    }
}

/// Facts about a scenario that its records carry.
struct Settings {
    crypto: &'static str,
    cost_profile_sha256: BTreeMap<String, String>,
}

impl Settings {
    fn of(scenario: &CheckedScenario) -> Self {
        let crypto = match scenario.crypto {
            CryptoKind::Real => "real",
        };
        Self { crypto, cost_profile_sha256: cost_profile_hashes(scenario) }
    }

    fn record(&self, outcome: RunOutcome) -> RunRecord {
        let cost_profile_sha256 = self.cost_profile_sha256.clone();
        RunRecord { crypto: self.crypto.to_owned(), cost_profile_sha256, outcome }
    }
}

/// The hash of each profile by its name; `free` has no text, and a file goes by its last name, wherever it lies.
fn cost_profile_hashes(scenario: &CheckedScenario) -> BTreeMap<String, String> {
    let hashes = scenario.nodes.iter().filter_map(|node| match &node.cost_profile {
        CostProfile::Free => None,
        CostProfile::Reference => {
            Some(("reference".to_owned(), sha256_hex(cost_profiles::REFERENCE.as_bytes())))
        }
        CostProfile::File { path, text } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Some((name, sha256_hex(text.as_bytes())))
        }
    });
    hashes.collect()
}

fn perform(scenario: &CheckedScenario, seed: u64) -> RunOutcome {
    let scenario = CheckedScenario { seed, ..scenario.clone() };
    // What a broken run leaves behind is dropped unseen, so it cannot spoil another.
    let ended = catch_unwind(AssertUnwindSafe(|| run::run(&scenario, Observe::default())));
    match ended {
        Ok(Ok(result)) => RunOutcome::Finished(Box::new(finished(&scenario, &result))),
        Ok(Err(error)) => RunOutcome::Failed(error.to_string()),
        Err(panic) => {
            RunOutcome::Failed(format!("a mistake of ipseclab, please report it: {}", words(&*panic)))
        }
    }
}

fn finished(scenario: &CheckedScenario, result: &RunResult) -> FinishedRun {
    let warm = scenario.warm_up.as_nanos();
    let counted = result.negotiations.iter().filter(|row| row.started_ns >= warm);
    let renewals =
        result.renewals.iter().filter(|row| row.started_ns >= warm && row.exchange != NOT_RENEWALS);
    let mut drops = BTreeMap::<String, u64>::new();
    for row in &result.drops {
        *drops.entry(row.reason.clone()).or_default() += row.packets;
    }
    FinishedRun {
        fingerprint: result.fingerprint.to_string(),
        events: result.events,
        negotiations: counted.map(Negotiation::from).collect(),
        renewals: renewals.map(Renewal::from).collect(),
        outages: Outages::of(&result.books.children),
        lost_packets: result.flows.iter().map(|flow| flow.lost_packets).sum(),
        traffic: Traffic::of(&result.flows, slowest_link(scenario)),
        drops,
        timeline: Timeline::of(&result.timeline, warm, scenario.end().as_nanos()),
    }
}

fn slowest_link(scenario: &CheckedScenario) -> Option<u64> {
    scenario.topology.links().filter_map(|(_, _, _, link)| link.rate_bps).min()
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
