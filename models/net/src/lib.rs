//! Packets, links, queues, NAT, routers and traffic of the simulated network.
//!
//! Everything here is a plain value without a clock: the owner (a node of the simulation, a test, a benchmark loop)
//! passes `now` in and gets a verdict back. So a link can be proven against a closed form without an event queue.
//! What is in a [`Packet`] is what would be on a real wire: real IPv4, IPv6, UDP and ICMP octets with right checksums.
//!
//! Invariants:
//! - every packet that enters a value leaves it again or is counted under a [`DropReason`];
//! - a packet's [`Trail`] accounts for every nanosecond of its life;
//! - hostile octets give a [`PacketError`] or a drop, never a panic.
//!
//! ```
//! use ipseclab_net::{BitRate, Link, LinkConfig, Verdict};
//! use ipseclab_sim::{ModelRng, RunSeed, SimDuration, SimTime, StreamLabel};
//!
//! let config = LinkConfig { rate: BitRate::new(100_000_000), ..LinkConfig::ideal(SimDuration::from_millis(20)) };
//! let rng = |purpose| ModelRng::new(RunSeed::new(1), StreamLabel::new(0, purpose));
//! let mut link = Link::new(config, rng("loss"), rng("jitter"), rng("reorder"));
//!
//! let verdict = link.transmit(SimTime::ZERO, 1_500);
//! let queued_and_serialised = SimDuration::from_micros(120);
//! assert_eq!(verdict, Verdict::Deliver { queued_and_serialised, propagation: SimDuration::from_millis(20) });
//! ```

mod address;
mod checksum;
mod drop;
mod error;
mod fragment;
mod icmp;
mod ip;
mod ipv4;
mod ipv6;
mod link;
mod mss;
mod nat;
mod owner;
mod packet;
mod router;
mod traffic;
mod trail;
mod udp;

pub use address::{AddressError, IpAddr, IpNet, Ipv4Addr, Ipv6Addr};
pub use drop::{DropCounters, DropReason};
pub use error::PacketError;
pub use fragment::{FragmentError, Reassembled, Reassembler, ReassemblyConfig, ReassemblyCounters, fragment};
pub use icmp::{Echo, EchoKind, IcmpError, IcmpMessage, build_echo, build_icmp_error, parse_icmp};
pub use ip::{IpHeader, IpView, build_ip, decrement_ttl};
pub use ipv4::{Ipv4Header, Ipv4View, TtlOutcome, build_ipv4, protocol};
pub use ipv6::{FragmentInfo, Ipv6Header, Ipv6View, build_ipv6};
pub use link::{
    BitRate, Framing, Link, LinkConfig, LinkCounters, LossPpb, Mtu, Reorder, ReorderSpread, Verdict,
};
pub use mss::clamp_mss;
pub use nat::{Nat, NatBehaviour, NatConfig, NatCounters};
pub use owner::{FlowId, Owner, SaId};
pub use packet::{Packet, TUNNEL_ROOM};
pub use router::{Fib, PortId, forward};
pub use traffic::{
    Arrival, DelayStats, FlowRecord, Pace, Pareto, PingConfig, PingSource, Reordering, RequestConfig,
    RequestSource, Responder, STAMP_LEN, Sizes, Spans, Tally, TcpConfig, TcpReceiver, TcpSender,
    TrafficError, UdpConfig, UdpSink, UdpSource, UdpStreams,
};
pub use trail::{Delays, Trail};
pub use udp::{UdpDatagram, build_udp, parse_udp};
