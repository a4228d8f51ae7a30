//! `[[traffic]]`: streams of packets.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::pattern::NodePattern;
use crate::scenario::value::{Address, Duration, Rate, Size};

/// A stream of packets from one node to another, or one for each pair of nodes that two patterns name.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["distribution", "port", "dscp"]))]
pub struct TrafficFile {
    /// What is sent.
    pub kind: TrafficKind,
    /// The sending node, or a pattern.
    pub from: NodePattern,
    /// The receiving node, or a pattern.
    pub to: NodePattern,
    /// Where packets come from. Default: the first host of the sender's first network, or its own address.
    pub source: Option<Address>,
    /// Where packets go. Default: the first host of the receiver's first network, or its own address.
    pub destination: Option<Address>,
    /// Time from one packet to the next. Default for ping: 1s. For udp, give this or `rate`.
    pub interval: Option<Duration>,
    /// Bit rate of whole IP packets, instead of `interval`. Only for udp.
    pub rate: Option<Rate>,
    /// Octets of data in a packet, without ICMP, UDP and IP headers. Default: 56B for ping, 1000B for udp.
    pub size: Option<Size>,
    /// Packets to send. Default: as many as fit until `stop`.
    #[schemars(range(min = 1))]
    pub count: Option<u64>,
    /// When the first packet is sent. Default: at the start of the run.
    pub start: Option<Duration>,
    /// When sending stops. Default: at the end of the run.
    pub stop: Option<Duration>,
    /// How much later each further pair of nodes starts. Default: all at once.
    pub stagger: Option<Duration>,
}

/// What a stream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["tcp", "voip", "http"]))]
pub enum TrafficKind {
    /// ICMP echo requests, which the receiver answers.
    Ping,
    /// UDP datagrams in one direction.
    Udp,
}
