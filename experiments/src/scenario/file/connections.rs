//! `[connections.<name>]`, their children, and `[[policies]]`, in swanctl's words.
//!
//! swanctl.conf describes one side; here a connection describes both, `local` being the side that the words
//! `local_ts`, `local_id` and `start_action` speak of. The other side gets the mirror image, unless a key that begins with
//! `remote_` gives it something of its own: two gateways that disagree are what most real faults are.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::scenario::pattern::NodePattern;
use crate::scenario::selector::Selector;
use crate::scenario::value::{Duration, EspProposal, Factor, IkeProposal, Psk};

/// An IKE connection between two nodes, or one for each pair of nodes that two patterns name.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = [
    "aggressive", "childless", "close_action", "dpd_timeout", "dscp", "fragmentation", "if_id_in", "if_id_out",
    "keyingtries", "local_addrs", "local_port", "mobike", "over_time", "pools", "ppk_id", "ppk_required",
    "pull", "rand_time", "reauth_time", "rekey_time", "remote_addrs", "remote_port", "send_cert", "send_certreq",
    "unique", "vips",
]))]
pub struct ConnectionFile {
    /// The version of IKE. Default: 2.
    pub version: Option<IkeVersion>,
    /// The node that this description speaks of, or a pattern: one connection for each node that it names.
    pub local: NodePattern,
    /// The other node, or a pattern.
    pub remote: NodePattern,
    /// Proposals for the IKE SA, best first. Default: all AEADs, then AES-CBC with SHA-2.
    #[schemars(length(min = 1, max = 255))]
    pub proposals: Option<Vec<IkeProposal>>,
    /// The proposals that the remote node has in their place, to watch the two disagree. Default: the same proposals.
    #[schemars(length(min = 1, max = 255))]
    pub remote_proposals: Option<Vec<IkeProposal>>,
    /// How the two prove who they are.
    pub auth: AuthFile,
    /// Identity of the local node: an address, a domain name or user@domain. Default: its address.
    #[schemars(length(min = 1))]
    pub local_id: Option<String>,
    /// Identity of the remote node. Default: its address.
    #[schemars(length(min = 1))]
    pub remote_id: Option<String>,
    /// Wrap ESP in UDP even when there is no NAT. Default: false.
    pub encap: Option<bool>,
    /// Wait before a request is sent again. Default: 4s.
    pub retransmit_timeout: Option<Duration>,
    /// How much longer each further wait is. Default: 1.8.
    pub retransmit_base: Option<Factor>,
    /// How often a request is sent again before the peer counts as gone. Default: 5.
    #[schemars(range(min = 0, max = 32))]
    pub retransmit_tries: Option<u32>,
    /// Ask the peer for a sign of life after this long without one; if no answer comes to any repetition either, the
    /// tunnel is taken down. Default: 0s, which never asks.
    pub dpd_delay: Option<Duration>,
    /// The tunnel inside, by name; more than one is not built yet.
    #[serde(default)]
    pub children: BTreeMap<String, ChildFile>,
}

/// The version of IKE; 2 is the only one so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct IkeVersion;

/// How two peers prove who they are.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["pubkey", "eap", "xauth", "certs", "cacerts", "eap_id", "class"]))]
pub struct AuthFile {
    /// A key that both know: any text, or octets in hexadecimal behind 0x.
    pub psk: Psk,
    /// The key that the remote node has in its place, to watch authentication fail. Default: the same key.
    pub remote_psk: Option<Psk>,
}

/// A tunnel inside a connection.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = [
    "ah_proposals", "close_action", "copy_df", "copy_dscp", "copy_ecn", "dpd_action", "hw_offload", "interface",
    "ipcomp", "life_bytes", "life_packets", "life_time", "mark_in", "mark_out", "policies", "priority", "rand_bytes",
    "rand_packets", "rand_time", "rekey_bytes", "rekey_packets", "rekey_time", "replay_window", "reqid", "tfc_padding",
    "updown",
]))]
pub struct ChildFile {
    /// Traffic of the local side. Default: the local node's networks, or its address in transport mode.
    pub local_ts: Option<Vec<Selector>>,
    /// Traffic of the remote side. Default: the remote node's networks, or its address in transport mode.
    pub remote_ts: Option<Vec<Selector>>,
    /// Proposals for the ESP SAs, best first. Key exchange groups in them are for rekeying: `IKE_AUTH` carries none (RFC
    /// 7296 §1.2). Default: all AEADs, then AES-CBC with SHA-2.
    #[schemars(length(min = 1, max = 255))]
    pub esp_proposals: Option<Vec<EspProposal>>,
    /// The ESP proposals that the remote node has in their place. Default: the same proposals.
    #[schemars(length(min = 1, max = 255))]
    pub remote_esp_proposals: Option<Vec<EspProposal>>,
    /// The traffic selectors that the remote node has in their place, to watch them narrowed or refused (RFC 7296 §2.9).
    /// Default: the mirror image of `local_ts` and `remote_ts`.
    pub remote_policy: Option<RemotePolicyFile>,
    /// Tunnel or transport mode. Default: tunnel.
    pub mode: Option<Mode>,
    /// What brings the tunnel up. Default: trap.
    pub start_action: Option<StartAction>,
    /// Idle time after which the tunnel is taken down; the IKE SA goes with its last tunnel. Default: never.
    pub inactivity: Option<Duration>,
}

/// The traffic of a tunnel in the remote node's own configuration, where `local` is the remote node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemotePolicyFile {
    /// Traffic of the remote node. Default: the child's `remote_ts`.
    pub local_ts: Option<Vec<Selector>>,
    /// Traffic of the local node. Default: the child's `local_ts`.
    pub remote_ts: Option<Vec<Selector>>,
}

/// What ESP wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["beet", "transport_proxy"]))]
pub enum Mode {
    /// Whole packets, between gateways.
    Tunnel,
    /// What packets carry, between the two nodes themselves.
    Transport,
}

/// What brings a tunnel up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["trap|start"]))]
pub enum StartAction {
    /// Only an `initiate` action or the other side.
    None,
    /// The first packet that matches.
    Trap,
    /// The start of the run.
    Start,
}

/// Traffic that passes in the clear or is dropped (swanctl: a child with mode pass or drop).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The nodes that have the policy.
    pub node: NodePattern,
    /// Traffic of the node's side.
    #[schemars(length(min = 1))]
    pub local_ts: Vec<Selector>,
    /// Traffic of the other side.
    #[schemars(length(min = 1))]
    pub remote_ts: Vec<Selector>,
    /// What happens to it.
    pub mode: PolicyMode,
}

/// What happens to traffic outside tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// It passes in the clear (BYPASS, RFC 4301 §4.4.1).
    Pass,
    /// It is dropped (DISCARD).
    Drop,
}

impl TryFrom<i64> for IkeVersion {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        if number == 2 { Ok(Self) } else { Err("only version 2 of IKE is built yet") }
    }
}

impl JsonSchema for IkeVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IkeVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "integer",
            "const": 2,
            "x-not-built-yet": [0, 1],
            "description": "The version of IKE; 2 is the only one so far.",
        })
    }
}
