//! The cost profiles that come with the program, as files anybody can read, copy and change; and those of a scenario's
//! nodes, read once each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ipseclab_node::{CostProfile, CostProfileError};

use crate::scenario::library::Shipped;
use crate::scenario::{self, CheckedScenario, NodeSettings};

/// The profile in which everything is free.
const FREE: &str = include_str!("../data/cost_profiles/free.toml");
/// The shipped measurements.
pub(crate) const REFERENCE: &str = include_str!("../data/cost_profiles/reference.toml");

/// The shipped cost profiles by their names.
pub const SHIPPED: &[Shipped] =
    &[Shipped { name: "free", text: FREE }, Shipped { name: "reference", text: REFERENCE }];

/// The shipped profile `name`, or `None` when there is none.
pub fn shipped(name: &str) -> Option<CostProfile> {
    text(name).map(parse_shipped)
}

/// The file of the shipped profile `name`.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|profile| profile.name == name).map(|profile| profile.text)
}

fn parse_shipped(text: &str) -> CostProfile {
    CostProfile::parse(text).expect("shipped profiles are complete: a test reads every one")
}

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
        let [free, reference] = [FREE, REFERENCE].map(|text| Arc::new(parse_shipped(text)));
        Ok(Self { free, reference, files })
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
