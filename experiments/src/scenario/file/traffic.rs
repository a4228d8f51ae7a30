//! `[[traffic]]`: streams of packets.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::pattern::NodePattern;
use crate::scenario::value::{Address, Duration, Factor, Rate, Size};

/// A stream of packets from one node to another, or one for each pair of nodes that two patterns name.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["dscp"]))]
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
    /// Time from one packet to the next, or its mean; within bursts, where there are some. Default for ping: 1s. For
    /// udp and request, give this or `rate`.
    pub interval: Option<Duration>,
    /// Bit rate of whole IP packets, instead of `interval`. Only for udp and request.
    pub rate: Option<Rate>,
    /// When packets leave. Default: constant.
    pub distribution: Option<Distribution>,
    /// Mean length of bursts. Only for `on-off`, which needs it.
    pub on: Option<Duration>,
    /// Mean length of the silence between bursts. Only for `on-off`, which needs it.
    pub off: Option<Duration>,
    /// Shape of the Pareto distribution of `on` and `off`, above 1: the smaller, the heavier the tail. Only for `on-off`.
    /// Default: 1.5.
    pub shape: Option<Factor>,
    /// Octets of data in a packet, without ICMP, UDP and IP headers. Default: 56B for ping, 1000B for udp, 100B for a
    /// request. For tcp, the octets to transfer in all; default: as many as fit until `stop`.
    pub size: Option<Size>,
    /// A mix of packet lengths, instead of `size`. Only for udp.
    pub mix: Option<Mix>,
    /// Octets of data in the answer to a request. Only for request. Default: 1000B.
    pub response: Option<Size>,
    /// Buffers of the connection at each end, and so the largest window: 1KiB to 1GiB. Only for tcp. Default: 256KiB.
    pub window: Option<Size>,
    /// UDP or TCP port at both ends; with several pairs of nodes, that of the first, and each further one has the next. Only for
    /// udp, request and tcp. Default: 5001 and the number of the flow.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
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
#[schemars(extend("x-not-built-yet" = ["voip", "http"]))]
pub enum TrafficKind {
    /// ICMP echo requests, which the receiver answers.
    Ping,
    /// UDP datagrams in one direction.
    Udp,
    /// UDP datagrams, each of which the receiver answers with another one.
    Request,
    /// A bulk transfer over one TCP connection.
    Tcp,
}

/// When packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// At regular intervals.
    Constant,
    /// As a Poisson process: with independent, exponentially distributed times between packets.
    Poisson,
    /// At regular intervals in bursts; the lengths of bursts and of the silence between them have a Pareto distribution.
    OnOff,
}

/// A mix of packet lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mix {
    /// IP packets of 40, 576 and 1500 octets, seven to four to one, in random order.
    Imix,
}
