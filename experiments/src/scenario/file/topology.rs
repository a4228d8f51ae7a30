//! `[topology]`: a generator, a shipped topology or a file, and what its links are like.

use ipseclab_topologies::MAX_CHAIN_NODES;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::selector::Network;
use crate::scenario::value::{Duration, Framing, Loss, Rate, Size};

/// Nodes and links: either a generator (`kind`) or a file (`file`).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopologyFile {
    /// A generator.
    pub kind: Option<TopologyKind>,
    /// A shipped topology such as "abilene", or a path to a .toml or .graphml file beside this one.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
    /// Number of nodes in a chain: `left`, `right` and at most 4096 routers between them. Only for a chain.
    #[schemars(range(min = 2, max = MAX_CHAIN_NODES))]
    pub nodes: Option<u32>,
    /// Number of spokes around the hub, `spoke-1` and so on. Only for hub-and-spoke.
    #[schemars(range(min = 1, max = 99_999))]
    pub spokes: Option<u32>,
    /// What every link is like. With `file`, the keys given here replace those of the file.
    #[serde(default)]
    pub link: LinkFile,
    /// Where nodes without an `address` get theirs from, in node order. Default: from 198.18.0.1 upwards; an IPv6 network
    /// such as `"2001:db8::/64"` makes a topology of IPv6.
    pub addresses: Option<Network>,
    /// Delay of a link whose ends have no coordinates. Only for GraphML files.
    pub default_delay: Option<Duration>,
}

/// A generator of topologies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-not-built-yet" = ["mesh", "road-warrior", "tree", "ring"]))]
pub enum TopologyKind {
    /// Two nodes, `left` and `right`, and a link.
    Pair,
    /// `left`, routers and `right` in a row.
    Chain,
    /// `hub` with a link to each of `spoke-1`, `spoke-2`, ….
    HubAndSpoke,
}

/// What a link is like in both directions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["duplicate", "corrupt", "burst_loss"]))]
pub struct LinkFile {
    /// Bit rate; without it, packets take no time to serialise.
    pub rate: Option<Rate>,
    /// Propagation delay. Default: none, or from coordinates.
    pub delay: Option<Duration>,
    /// Largest extra delay of a packet, uniform from zero. Default: none.
    pub jitter: Option<Duration>,
    /// Packets that are held back, so that others overtake them. Default: none.
    pub reorder: Option<ReorderFile>,
    /// Probability that a packet is lost, each on its own. Default: 0.
    pub loss: Option<Loss>,
    /// Largest IP packet in octets. Default: 1500.
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<u32>,
    /// Octets that may wait for the link; a packet that does not fit is dropped. Default: 256KiB.
    pub queue: Option<Size>,
    /// What surrounds each packet on the wire and takes its share of the rate: "none"; "ethernet", which adds 38 octets
    /// with preamble and gap, and takes at least 84; or a number of octets. Default: none.
    pub framing: Option<Framing>,
}

/// Packets that are held back on a link, so that others overtake them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReorderFile {
    /// Probability that a packet is held back, each on its own.
    pub probability: Loss,
    /// For how long; on average with an exponential distribution.
    pub delay: Duration,
    /// How the spans are distributed. Default: constant.
    pub distribution: Option<ReorderDistribution>,
}

/// How the spans are distributed for which packets are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReorderDistribution {
    /// All the same.
    Constant,
    /// Exponentially: most are short, and some are long.
    Exponential,
}
