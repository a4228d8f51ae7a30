//! The cost profiles of a scenario's nodes, read once each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ipseclab_node::{CostProfile, CostProfileError};

use crate::scenario::{self, CheckedScenario, NodeSettings};

/// The shipped measurements.
pub(crate) const REFERENCE: &str = include_str!("../data/cost_profiles/reference.toml");

/// The profiles that a scenario's nodes use.
#[derive(Debug)]
pub struct CostProfiles {
    free: Arc<CostProfile>,
    reference: Arc<CostProfile>,
    files: BTreeMap<PathBuf, Arc<CostProfile>>,
}

/// A cost profile file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cost profile {}: {source}", path.display())]
pub struct ProfileError {
    /// Where it was read from.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: CostProfileError,
}

impl CostProfiles {
    /// Reads the profiles of `scenario`.
    ///
    /// # Errors
    /// When a profile that a node names cannot be used.
    pub fn load(scenario: &CheckedScenario) -> Result<Self, ProfileError> {
        let mut files = BTreeMap::new();
        for settings in &scenario.nodes {
            if let scenario::CostProfile::File { path, text } = &settings.cost_profile
                && !files.contains_key(path)
            {
                let parsed = CostProfile::parse(text);
                let profile = parsed.map_err(|source| ProfileError { path: path.clone(), source })?;
                files.insert(path.clone(), Arc::new(profile));
            }
        }
        let reference =
            CostProfile::parse(REFERENCE).expect("the shipped profile is complete: a test reads it");
        Ok(Self { free: Arc::new(CostProfile::free()), reference: Arc::new(reference), files })
    }

    /// The profile in which everything is free.
    pub fn free(&self) -> Arc<CostProfile> {
        Arc::clone(&self.free)
    }

    /// The profile of a node.
    pub fn of(&self, settings: &NodeSettings) -> Arc<CostProfile> {
        match &settings.cost_profile {
            scenario::CostProfile::Free => self.free(),
            scenario::CostProfile::Reference => Arc::clone(&self.reference),
            scenario::CostProfile::File { path, .. } => Arc::clone(&self.files[path]),
        }
    }
}
