//! `[connections.<name>]`, their children, and `[[policies]]`, in swanctl's words.
//!
//! swanctl.conf describes one side; here a connection describes both, `local` being the side that the words
//! `local_ts`, `local_id` and `start_action` speak of. The other side gets the mirror image, unless a key that begins with
//! `remote_` gives it something of its own: two gateways that disagree are what most real faults are.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::auth::AuthFile;
use crate::scenario::pattern::NodePattern;
use crate::scenario::selector::Selector;
use crate::scenario::value::{
    AhProposal, Duration, EspProposal, Factor, IkeProposal, Size, Spread, VirtualAddress,
};

/// An IKE connection between two nodes, or one for each pair of nodes that two patterns name.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = [
    "close_action", "dscp", "if_id_in", "if_id_out", "local_addrs", "local_port", "ppk_id", "ppk_required",
    "remote_addrs", "remote_port",
]))]
pub struct ConnectionFile {
    /// The version of IKE, 1 or 2. Default: 2.
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
    /// IKEv1: set up in three messages instead of six, which shows the identities, and with a shared key a hash that can be
    /// attacked offline. Default: false.
    pub aggressive: Option<bool>,
    /// IKEv1: whether the local node asks for its virtual addresses, or the remote node sends them unasked. Default: true.
    pub pull: Option<bool>,
    /// IKEv1: the IKE SA protects at most so much data, in whole KiB, and both sides are told. Default: no limit.
    pub life_bytes: Option<Size>,
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
    /// IKEv1: after this long without a sign of life the peer counts as gone; IKEv2 has its retransmissions for that, and
    /// refuses the key. Default: as long as a request would be repeated.
    pub dpd_timeout: Option<Duration>,
    /// Both sides give the IKE SA fresh keys after this long; 0s never does. Default: 4h, or 0s with `reauth_time`.
    pub rekey_time: Option<Duration>,
    /// The remote node's own `rekey_time`; with 0s it never begins a renewal. Default: `rekey_time`.
    pub remote_rekey_time: Option<Duration>,
    /// Both sides authenticate anew after this long; 0s never does. Default: 0s.
    pub reauth_time: Option<Duration>,
    /// How long after the renewal was due the IKE SA ends. Default: 10 % of the longer of `rekey_time` and `reauth_time`.
    pub over_time: Option<Duration>,
    /// A renewal comes earlier by a uniform share of this: a time, or "50%" of the time in question. Default: `over_time`.
    pub rand_time: Option<Spread>,
    /// Set the new IKE SA up before the old one ends when authenticating anew. Default: false.
    pub make_before_break: Option<bool>,
    /// What becomes of older IKE SAs between the same two identities. Default: no.
    pub unique: Option<Unique>,
    /// Announce MOBIKE (RFC 4555) and move to port 4500 with `IKE_AUTH`. Default: false; strongSwan's is true.
    pub mobike: Option<bool>,
    /// Whether large messages travel in pieces (RFC 7383). Default: yes.
    pub fragmentation: Option<Fragmentation>,
    /// Largest IP packet of a message in pieces. Default: 1280B.
    pub fragment_size: Option<Size>,
    /// Whether the IKE SA may come up without a tunnel (RFC 6023). Default: allow.
    pub childless: Option<Childless>,
    /// How often setting up is tried before giving up; 0 never gives up. Default: 1.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub keyingtries: Option<u32>,
    /// Requests that each side lets the other have under way at once (RFC 7296 §2.3). Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub window: Option<u32>,
    /// Name the authorities that one trusts (CERTREQ). Default: true.
    pub send_certreq: Option<bool>,
    /// When certificates are sent. Default: ifasked.
    pub send_cert: Option<SendCert>,
    /// Virtual addresses that the local node asks for; 0.0.0.0 leaves the choice to the remote node. Default: none.
    #[schemars(length(min = 1, max = 16))]
    pub vips: Option<Vec<VirtualAddress>>,
    /// Pools that the remote node hands out virtual addresses from, by the names in `[pools]`. Default: none.
    #[schemars(length(min = 1, max = 16))]
    pub pools: Option<Vec<String>>,
    /// The tunnels inside, by name. The first of them, in the order of names, is set up with the IKE SA.
    #[serde(default)]
    pub children: BTreeMap<String, ChildFile>,
}

/// The version of IKE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "i64")]
pub enum IkeVersion {
    /// RFC 2409.
    V1,
    /// RFC 7296.
    #[default]
    V2,
}

/// A tunnel inside a connection.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = [
    "copy_df", "copy_dscp", "copy_ecn", "hw_offload", "interface", "ipcomp", "mark_in", "mark_out", "policies",
    "priority", "reqid", "tfc_padding", "updown",
]))]
pub struct ChildFile {
    /// Traffic of the local side. Default: the local node's networks, or its address in transport mode.
    pub local_ts: Option<Vec<Selector>>,
    /// Traffic of the remote side. Default: the remote node's networks, or its address in transport mode.
    pub remote_ts: Option<Vec<Selector>>,
    /// Proposals for the ESP SAs, best first. Key exchange groups in them are for rekeying: `IKE_AUTH` carries none (RFC
    /// 7296 §1.2). Default: all AEADs, then AES-CBC with SHA-2; none beside `ah_proposals`.
    #[schemars(length(min = 1, max = 255))]
    pub esp_proposals: Option<Vec<EspProposal>>,
    /// Proposals for AH SAs, best first: AH in place of ESP, or in IKEv1 AH around ESP where there are `esp_proposals` as well, which
    /// then may leave integrity to AH. Default: no AH.
    #[schemars(length(min = 1, max = 255))]
    pub ah_proposals: Option<Vec<AhProposal>>,
    /// Whether ESP may go without integrity and without AH around it, as some old configurations have it: anybody on the way
    /// can then change packets unseen, and the run warns of it (RFC 8221 §4). Default: false.
    pub unauthenticated_esp: Option<bool>,
    /// The ESP proposals that the remote node has in their place. Default: the same proposals.
    #[schemars(length(min = 1, max = 255))]
    pub remote_esp_proposals: Option<Vec<EspProposal>>,
    /// The AH proposals that the remote node has in their place. Default: the same proposals.
    #[schemars(length(min = 1, max = 255))]
    pub remote_ah_proposals: Option<Vec<AhProposal>>,
    /// The traffic selectors that the remote node has in their place, to watch them narrowed or refused (RFC 7296 §2.9).
    /// Default: the mirror image of `local_ts` and `remote_ts`.
    pub remote_policy: Option<RemotePolicyFile>,
    /// Tunnel or transport mode. Default: tunnel.
    pub mode: Option<Mode>,
    /// What brings the tunnel up. Default: trap.
    pub start_action: Option<StartAction>,
    /// Idle time after which the tunnel is taken down; the IKE SA goes with its last tunnel. Default: never.
    pub inactivity: Option<Duration>,
    /// Both sides give the tunnel fresh keys after this long; 0s never does. Default: 1h.
    pub rekey_time: Option<Duration>,
    /// The remote node's own `rekey_time`; with 0s it never begins a renewal. Default: `rekey_time`.
    pub remote_rekey_time: Option<Duration>,
    /// The tunnel ends after this long, whether it got fresh keys or not; 0s never does. Default: 110 % of `rekey_time`.
    pub life_time: Option<Duration>,
    /// Fresh keys come earlier by a uniform share of this: a time, or "50%" of `rekey_time`. Default: `life_time` less
    /// `rekey_time`.
    pub rand_time: Option<Spread>,
    /// Fresh keys after this much data in one direction. Default: never.
    pub rekey_bytes: Option<Size>,
    /// The end after this much data. Default: 110 % of `rekey_bytes`.
    pub life_bytes: Option<Size>,
    /// Fresh keys come earlier by a uniform share of this. Default: `life_bytes` less `rekey_bytes`.
    pub rand_bytes: Option<Size>,
    /// Fresh keys after so many packets in one direction. Default: never.
    #[schemars(range(min = 0))]
    pub rekey_packets: Option<i64>,
    /// The end after so many packets. Default: 110 % of `rekey_packets`.
    #[schemars(range(min = 0))]
    pub life_packets: Option<i64>,
    /// Fresh keys come earlier by a uniform share of so many packets. Default: `life_packets` less `rekey_packets`.
    #[schemars(range(min = 0))]
    pub rand_packets: Option<i64>,
    /// What follows when the peer no longer answers; what begins anew is done by the local node. Default: clear.
    pub dpd_action: Option<DpdAction>,
    /// What follows when the peer takes the tunnel down; what begins anew is done by the local node. Default: none.
    pub close_action: Option<CloseAction>,
    /// Packets that may arrive out of order and still count as new; 0 takes repeated packets, too. Default: 32.
    #[schemars(range(min = 0, max = 4096))]
    pub replay_window: Option<u32>,
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
pub enum StartAction {
    /// Only an `initiate` action or the other side.
    None,
    /// The first packet that matches.
    Trap,
    /// The start of the run.
    Start,
    /// The start of the run, and a packet that matches once it is down.
    #[serde(rename = "trap|start")]
    TrapStart,
}

/// What follows when the peer of a tunnel no longer answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DpdAction {
    /// Nothing.
    #[default]
    Clear,
    /// The next packet that matches sets it up again.
    Trap,
    /// It is set up again at once.
    Restart,
}

/// What follows when the peer takes a tunnel down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CloseAction {
    /// Nothing.
    #[default]
    None,
    /// The next packet that matches sets it up again.
    Trap,
    /// It is set up again at once.
    Start,
}

/// What becomes of older IKE SAs between the same two identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unique {
    /// They stay, unless the peer says that it has none (`INITIAL_CONTACT`).
    #[default]
    No,
    /// They stay, whatever the peer says.
    Never,
    /// The old one stays and the new one is refused.
    Keep,
    /// The new one stays.
    Replace,
}

/// Whether large messages travel in pieces (RFC 7383).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fragmentation {
    /// When the peer can.
    #[default]
    Yes,
    /// Pieces are understood and none are sent.
    Accept,
    /// As yes; IKEv1 does not ask its peer first.
    Force,
    /// Never, and it is not announced.
    No,
}

/// Whether an IKE SA may come up without a tunnel (RFC 6023).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Childless {
    /// When the other side asks for it.
    #[default]
    Allow,
    /// Also as the initiator, whenever the responder can.
    Prefer,
    /// Always; other peers are refused.
    Force,
    /// Never.
    Never,
}

/// When certificates are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SendCert {
    /// When the peer asks for them.
    #[default]
    IfAsked,
    /// Always.
    Always,
    /// Never.
    Never,
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
        match number {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            _ => Err("IKE has the versions 1 and 2"),
        }
    }
}

impl JsonSchema for IkeVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IkeVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "integer",
            "minimum": 1,
            "maximum": 2,
            "description": "The version of IKE.",
        })
    }
}
