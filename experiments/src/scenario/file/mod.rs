//! A scenario file as written: what serde fills and the JSON Schema describes.
//!
//! Nothing here is checked beyond the shape of single values; [`crate::scenario::CheckedScenario`] is the type that
//! cannot be wrong. Structs are flat and every optional key is an `Option`, so that any key can be set by its dotted
//! path and the defaults stand in one place, [`crate::scenario::defaults`]. A key that would do nothing does not
//! exist; the words that users of strongSwan know and later versions bring are listed as `x-not-built-yet`.

mod auth;
mod connections;
mod credentials;
mod events;
mod nodes;
mod topology;
mod traffic;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use auth::AuthFile;
pub use connections::{
    ChildFile, Childless, CloseAction, ConnectionFile, DpdAction, Fragmentation, IkeVersion, Mode,
    PolicyFile, PolicyMode, RemotePolicyFile, SendCert, StartAction, Unique,
};
pub use credentials::{AuthorityFile, CertificateFile, KeyKind, PoolOfAddressesFile};
pub use events::{ActionFile, ActionKind, FaultFile, FaultKind};
pub use nodes::{DatapathFile, Df, IpFragmentation, NatBehaviour, NodeFile, NodeLimitsFile, Spreading};
pub use topology::{LinkFile, ReorderDistribution, ReorderFile, TopologyFile, TopologyKind};
pub use traffic::{Distribution, Mix, TrafficFile, TrafficKind};

use super::defaults::MAX_SEED;
use super::value::{Duration, Moment};

/// A scenario: who is connected to whom, which tunnels they have, what traffic flows and what goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ipseclab scenario")]
#[schemars(extend("x-not-built-yet" = ["secrets"]))]
pub struct ScenarioFile {
    /// A short name of letters, digits, `-` and `_`; the output folder is called after it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the scenario shows, in a sentence or two.
    pub description: Option<String>,
    /// How long the run lasts in simulated time.
    pub duration: Duration,
    /// How much of the beginning is left out of statistics. Default: nothing.
    pub warm_up: Option<Duration>,
    /// The number from which all randomness of the run derives, as large as a TOML integer may be. Default: 1.
    #[schemars(range(min = 0, max = MAX_SEED))]
    pub seed: Option<i64>,
    /// The date at which the run begins, for certificates. Default: 2026-01-01T00:00:00Z.
    pub start_time: Option<Moment>,
    /// How cryptography is done. Default: real.
    pub crypto: Option<CryptoKind>,
    /// Nodes and links.
    pub topology: TopologyFile,
    /// Settings of nodes, by name or pattern; where patterns overlap, the one with more literal characters wins.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeFile>,
    /// IKE connections by name, in the words of strongSwan's swanctl.conf.
    #[serde(default)]
    pub connections: BTreeMap<String, ConnectionFile>,
    /// Certificate authorities that are made for the run, by name.
    #[serde(default)]
    pub authorities: BTreeMap<String, AuthorityFile>,
    /// Certificates that are made for the run, by the name that `certs` gives, such as "a.pem".
    #[serde(default)]
    pub certificates: BTreeMap<String, CertificateFile>,
    /// Virtual addresses to hand out, by name.
    #[serde(default)]
    pub pools: BTreeMap<String, PoolOfAddressesFile>,
    /// Traffic that passes in the clear or is dropped, before any tunnel is considered; the first match decides.
    #[serde(default)]
    pub policies: Vec<PolicyFile>,
    /// Streams of packets between nodes.
    #[serde(default)]
    pub traffic: Vec<TrafficFile>,
    /// Things that go wrong.
    #[serde(default)]
    pub faults: Vec<FaultFile>,
    /// Commands that an operator gives.
    #[serde(default)]
    pub actions: Vec<ActionFile>,
    /// What a run writes and shows besides the usual.
    #[serde(default)]
    pub outputs: OutputsFile,
    /// Bounds on what a run may use.
    #[serde(default)]
    pub limits: LimitsFile,
}

/// How cryptography is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["modelled"]))]
pub enum CryptoKind {
    /// Real keys and real ciphertext.
    Real,
}

/// What a run writes and shows besides the usual.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputsFile {
    /// The lengths of packets under tunnels beside those of the packets inside, as the receivers measure them: a table
    /// that `run` shows, and `packet_sizes.csv`. Default: false.
    pub packet_sizes: Option<bool>,
}

/// Bounds on what a run may use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsFile {
    /// Packets that wait at a node for one tunnel to come up; later ones are dropped. Default: 64.
    #[schemars(range(min = 0, max = 65536))]
    pub acquire_queue: Option<u32>,
    /// Events after which a run is stopped as a failure, and most packets that flows may be going to send. Default: 10⁹,
    /// which take a laptop some minutes, or longer where most of them are cryptography.
    #[schemars(range(min = 1))]
    pub events: Option<u64>,
}
