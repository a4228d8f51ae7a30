//! What a scenario means where it says nothing; every default of every key, with where it comes from.

use ipseclab_sim::SimDuration;

use super::checked::{Limits, Retransmission};
use super::file::NatBehaviour;

/// Any number does; one is easy to type.
pub const SEED: u64 = 1;
/// The largest integer of TOML, so that every seed can stand in a file.
pub const MAX_SEED: i64 = i64::MAX;
/// `charon.retransmit_timeout`, `retransmit_base` and `retransmit_tries` of strongSwan.
pub const RETRANSMISSION: Retransmission =
    Retransmission { timeout: SimDuration::from_secs(4), base_thousandths: 1800, tries: 5 };
/// Our own: the ports of a set-up say then whether there is a NAT. strongSwan announces MOBIKE.
pub const MOBIKE: bool = false;
/// `charon.fragment_size` of strongSwan: what every path with IPv6 on it takes.
pub const FRAGMENT_SIZE: u16 = 1280;
/// `charon.replay_window` of strongSwan.
pub const REPLAY_WINDOW: u32 = 32;
/// The date at which runs begin, for certificates: 2026-01-01T00:00:00Z.
pub const START_UNIX: i64 = 1_767_225_600;
/// Where forged sources come from, a range for documentation (RFC 5737).
pub const FLOOD_SOURCES: (std::net::Ipv4Addr, u8) = (std::net::Ipv4Addr::new(203, 0, 113, 0), 24);
/// Processor cores of a node.
pub const CORES: u32 = 1;
/// Packets in a ring: what interfaces of 10 Gb/s and above come with.
pub const RING_PACKETS: usize = 1024;
/// Packets that a core takes at once: what DPDK's examples take.
pub const BATCH_PACKETS: usize = 32;
/// Octets of data that `ping` sends.
pub const PING_PAYLOAD_OCTETS: u64 = 56;
/// A round size for UDP, that of the forwarding workload.
pub const UDP_PAYLOAD_OCTETS: u64 = 1000;
/// A short question, as one to a name server or a database is.
pub const REQUEST_PAYLOAD_OCTETS: u64 = 100;
/// An answer that fits one packet.
pub const RESPONSE_OCTETS: u64 = 1000;
/// The shape of bursts: between 1.2 and 1.7, where measurements of Ethernet traffic put it (Willinger et al. 1997).
pub const SHAPE_THOUSANDTHS: u32 = 1500;
/// Buffers of a TCP connection at each end: enough for 100 Mb/s over 20 ms.
pub const TCP_BUFFER_OCTETS: usize = 256 * 1024;
/// What a multiple of octets ESP packets are padded to (RFC 4303 §2.4).
pub const ESP_ALIGNMENT: u8 = 4;
/// The UDP and TCP port of the first flow; each further one has the next.
pub const FIRST_PORT: u16 = 5001;
/// The interval of `ping`.
pub const PING_INTERVAL: SimDuration = SimDuration::from_secs(1);
/// Both halves of the NAT that many firewalls are (RFC 4787 calls it symmetric in its history).
pub const NAT_BEHAVIOUR: NatBehaviour = NatBehaviour::AddressAndPortDependent;
/// What Linux gives a UDP flow that was never answered.
pub const NAT_TIMEOUT: SimDuration = SimDuration::from_secs(30);
/// First outer address, from the range for benchmarks (RFC 2544, appendix C.2.2); 198.18.0.0/15 has room for any
/// topology.
pub const FIRST_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(198, 18, 0, 1);
/// First address inside NATs, from the shared range of RFC 6598.
pub const FIRST_INSIDE_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(100, 64, 0, 1);
/// Packets waiting for a tunnel, and events of a run: enough for any shipped scenario, and an end to a runaway.
pub const LIMITS: Limits = Limits { acquire_queue: 64, events: 1_000_000_000 };

/// Most connections after expansion: the design's 10⁶ tunnels.
pub const MAX_CONNECTIONS: usize = 1_000_000;
/// Most flows after expansion.
pub const MAX_FLOWS: usize = 1_000_000;
/// Longest run: a year.
pub const MAX_DURATION: SimDuration = SimDuration::from_secs(365 * 86_400);
