//! What can stop a sweep.

use ipseclab_output::{PlotError, SummaryError, TableError};

use super::store::StoreError;
use crate::document::Report;

/// Why a sweep has no complete results.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The scenario changed while the sweep ran.
    #[error(transparent)]
    Scenario(#[from] Report),
    /// The run for the report has no result.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// The folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The summary or the manifest cannot be written.
    #[error(transparent)]
    Summary(#[from] SummaryError),
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A plot cannot be drawn; everything else is written.
    #[error("plot {name} cannot be drawn: {source}; everything else is written")]
    Plot {
        /// Its file, without the ending.
        name: String,
        /// Why.
        source: PlotError,
    },
    /// Some runs have no result; everything else is written.
    #[error("{failed} of {total} runs failed: see {}; everything else is written", .list.display())]
    Runs {
        /// Failed runs.
        failed: u64,
        /// All runs.
        total: u64,
        /// The table of failures.
        list: std::path::PathBuf,
    },
}
