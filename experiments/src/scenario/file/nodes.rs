//! `[nodes.<pattern>]`: what is behind a node, its processor, and the NAT in front of it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::selector::Network;
use crate::scenario::value::{Address, Duration};

/// Settings of one node or of all that a pattern names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["role", "interfaces", "mtu", "clock_skew"]))]
pub struct NodeFile {
    /// The networks behind the node; no two nodes may share an address.
    pub networks: Option<Vec<Network>>,
    /// Instead of `networks`: one network of each node, taken in node order from a larger one.
    pub pool: Option<PoolFile>,
    /// The node's address on the outside. Default: 198.18.0.1 and up, in node order.
    pub address: Option<Address>,
    /// Processor cores. Default: 1.
    #[schemars(range(min = 1, max = 1024))]
    pub cores: Option<u32>,
    /// What cryptography and packets cost in processor time: "free", "reference", or a path to a .toml file beside
    /// this one. Default: reference; free for nodes that only forward.
    #[schemars(length(min = 1))]
    pub cost_profile: Option<String>,
    /// A NAT between the node and its only link; the node's `address` is then the NAT's outside. NATs work for free.
    pub nat: Option<NatFile>,
}

/// Networks of equal size out of a larger one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolFile {
    /// The larger network.
    pub from: Network,
    /// The prefix length of each node's network.
    #[schemars(range(min = 1, max = 32))]
    pub prefix: u8,
}

/// A NAT (RFC 4787) in front of one node.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["hairpinning", "port_preservation", "reboot"]))]
pub struct NatFile {
    /// When two packets from one inside port share an outside port. Default: address-and-port-dependent.
    pub mapping: Option<NatBehaviour>,
    /// Which packets from outside come through a mapping. Default: address-and-port-dependent.
    pub filtering: Option<NatBehaviour>,
    /// How long an unused mapping lives. Default: 30s.
    pub timeout: Option<Duration>,
    /// The node's address inside. Default: 100.64.0.1 and up, in node order.
    pub inside: Option<Address>,
}

/// What a NAT's mapping or filter depends on (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NatBehaviour {
    /// On nothing: the same for every remote endpoint.
    EndpointIndependent,
    /// On the remote address.
    AddressDependent,
    /// On the remote address and port.
    AddressAndPortDependent,
}
