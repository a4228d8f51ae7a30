//! `[[faults]]` and `[[actions]]`: what happens at given times.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::pattern::NodePattern;
use crate::scenario::selector::Network;
use crate::scenario::value::Duration;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// When it happens.
    pub at: Duration,
    /// What happens.
    pub kind: FaultKind,
    /// Only for link-down: the link, named by its ends: "left--right", or "left--right#2" for the second of two.
    #[schemars(length(min = 1))]
    pub link: Option<String>,
    /// The node, or a pattern: every node that it names. For all kinds but link-down and flood.
    pub node: Option<NodePattern>,
    /// How long it lasts. Needed for link-down, blackhole and flood; without it a crashed node stays down.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
    /// Only for flood: the node that sends.
    pub from: Option<NodePattern>,
    /// Only for flood: the node that is flooded.
    pub to: Option<NodePattern>,
    /// Only for flood: requests in a second.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub rate: Option<u32>,
    /// Only for flood: the network that the forged source addresses are from, or the sender's own address.
    /// Default: 203.0.113.0/24.
    pub sources: Option<Network>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-not-built-yet" = ["clock-jump", "loss"]))]
pub enum FaultKind {
    /// The link takes no packet; those that it has accepted before still arrive.
    LinkDown,
    /// The node loses all its SAs and mappings and drops every packet until it is back.
    NodeCrash,
    /// The NAT in front of the node forgets its mappings; new ones get other ports.
    NatReboot,
    /// Every packet that arrives at the node is dropped; what it sends goes out.
    Blackhole,
    /// A node sends `IKE_SA_INIT` requests with forged source addresses and ports.
    Flood,
}

/// A command that an operator gives.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionFile {
    /// When it is given.
    pub at: Duration,
    /// The command, as in `swanctl --initiate`, `--rekey` (with `--reauth`) and `--terminate`.
    pub action: ActionKind,
    /// The connection; every pair of nodes that it stands for.
    #[schemars(length(min = 1))]
    pub connection: String,
    /// The tunnel inside it. A terminated one ends by its own Delete, and the IKE SA stays. Default: all tunnels for
    /// `initiate`, the IKE SA with everything in it for the others.
    #[schemars(length(min = 1))]
    pub child: Option<String>,
    /// Speak of the IKE SA alone: `initiate` then brings it up without a tunnel (RFC 6023). Default: false.
    pub ike: Option<bool>,
    /// The nodes where the command is given. Default: the connection's local nodes.
    pub node: Option<NodePattern>,
}

/// A command about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["redirect"]))]
pub enum ActionKind {
    /// Brings up its tunnels, or one of them, under the IKE SA that is there, or else under a new one.
    Initiate,
    /// Gives it fresh keys.
    Rekey,
    /// Replaces the IKE SA by one that authenticates anew.
    Reauthenticate,
    /// Takes it down.
    Terminate,
}
