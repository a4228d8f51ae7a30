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
    /// The gateway that the node is behind: its only link leads there, and its address is one of the gateway's networks.
    /// Default: none.
    #[schemars(length(min = 1))]
    pub behind: Option<String>,
    /// The node's address on the outside. Default: 198.18.0.1 and up, in node order; behind a gateway, from the second
    /// address of its first network on.
    pub address: Option<Address>,
    /// Processor cores. Default: 1.
    #[schemars(range(min = 1, max = 1024))]
    pub cores: Option<u32>,
    /// Further cores for packets alone, so that IKE and they do not wait for each other. Default: none.
    pub datapath: Option<DatapathFile>,
    /// What cryptography and packets cost in processor time: "free", "reference", or a path to a .toml file beside
    /// this one. Default: reference; free for nodes that only forward.
    #[schemars(length(min = 1))]
    pub cost_profile: Option<String>,
    /// The implementation that the node behaves like: "strongswan", "libreswan", or a path to a .toml file beside this one.
    /// Default: none, which is this program's own behaviour.
    #[schemars(length(min = 1))]
    pub profile: Option<String>,
    /// The node's connections, secrets and pools in strongSwan's own format: a path to a swanctl.conf beside this file.
    #[schemars(length(min = 1))]
    pub swanctl: Option<String>,
    /// The DF flag of the outer headers of the node's tunnels over IPv4. Default: set.
    pub df: Option<Df>,
    /// When packets that do not fit the node's tunnels are cut, if they may be. Default: before.
    pub ip_fragmentation: Option<IpFragmentation>,
    /// The node's ESP packets are padded to a multiple of so many octets: 4, as RFC 4303 wants it, or 1, which no real
    /// device does, to make published figures again that leave it out. Ciphers pad to their block in any case. Default: 4.
    #[schemars(range(min = 1, max = 4))]
    pub esp_alignment: Option<u8>,
    /// Bounds on what peers can make the node keep.
    pub limits: Option<NodeLimitsFile>,
    /// TCP connections that begin through the node announce segments of at most this many octets, so that they fit its
    /// tunnels. Default: as their ends announce.
    #[schemars(range(min = 48, max = 65_495))]
    pub mss_clamp: Option<u16>,
    /// A NAT between the node and its only link; the node's `address` is then the NAT's outside. NATs work for free.
    pub nat: Option<NatFile>,
}

/// Cores that poll rings of packets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatapathFile {
    /// How many.
    #[schemars(range(min = 1, max = 1024))]
    pub cores: u32,
    /// Packets that may wait for each of them; a packet that finds its ring full is dropped. Default: 1024.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub ring: Option<u32>,
    /// Packets that a core takes at once, at most. Default: 32.
    #[schemars(range(min = 1, max = 4096))]
    pub batch: Option<u32>,
    /// By what arriving packets are spread over the cores. Default: spi.
    pub spreading: Option<Spreading>,
}

/// The DF flag of a tunnel's outer headers (RFC 4301 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Df {
    /// Set: routers drop what is too long, and say so.
    Set,
    /// Clear: routers cut what is too long.
    Clear,
    /// As in the packet inside.
    Copy,
}

/// When packets that do not fit a tunnel are cut (RFC 4301 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IpFragmentation {
    /// Before they are encrypted, so that the other gateway decrypts each by itself.
    Before,
    /// Afterwards, where `df` lets them: the other gateway joins the pieces and decrypts the whole.
    After,
}

/// By what arriving packets are spread over datapath cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spreading {
    /// By the SPI, so that every SA has a core.
    Spi,
    /// By addresses, protocol and ports of the outer header.
    FiveTuple,
}

/// Bounds on what peers can make a node keep, and how long it waits.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLimitsFile {
    /// IKE SAs in all states together. Default: 1 000 000.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub ike_sas: Option<u32>,
    /// IKE SAs that peers have begun and not authenticated; further first requests are dropped. Default: 10 000.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub half_open: Option<u32>,
    /// The same from one address. Default: 5.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub half_open_per_address: Option<u32>,
    /// From this many half-open IKE SAs on, first requests must bring a cookie. Default: 30.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub cookie_threshold: Option<u32>,
    /// The same for those from one address. Default: 3.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub cookie_threshold_per_address: Option<u32>,
    /// How long a half-open IKE SA waits for `IKE_AUTH`. Default: 30s.
    pub half_open_timeout: Option<Duration>,
    /// Requests of the node itself that wait for the window of one IKE SA. Default: 16.
    #[schemars(range(min = 1, max = 65_536))]
    pub queued_requests: Option<u32>,
    /// Tunnels of one IKE SA, those that are being replaced included. Default: 64.
    #[schemars(range(min = 1, max = 65_536))]
    pub children: Option<u32>,
    /// Most requests under way at once, whatever the peer allows. Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub window: Option<u32>,
    /// Answers that ask for another group or a cookie, which an initiator follows. Default: 4.
    #[schemars(range(min = 0, max = 100))]
    pub sa_init_retries: Option<u32>,
    /// Fragments of one message. Default: 64.
    #[schemars(range(min = 1, max = 65_535))]
    pub fragments: Option<u32>,
    /// Octets of one message in fragments. Default: 10 000.
    #[schemars(range(min = 1280, max = 16_777_216))]
    pub fragmented_octets: Option<u32>,
    /// Between two keepalives to a NAT when nothing else was sent; 0s sends none. Default: 20s.
    pub keep_alive: Option<Duration>,
    /// The longest wait before a renewal that met a passing obstacle is tried again. Default: 15s.
    pub retry_interval: Option<Duration>,
    /// At most this much of that wait is left out at random. Default: 10s.
    pub retry_jitter: Option<Duration>,
    /// How long a Child SA that another one has replaced still takes packets that arrive. Default: 5s.
    pub delete_rekeyed_delay: Option<Duration>,
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
