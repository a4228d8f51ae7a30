//! Why a packet ended before it was delivered.
//!
//! One table names every reason of every layer, so that `drops.csv` has one vocabulary and a reader can search it.
//! The names are part of the output format: they never change. Fingerprints hold the places in the table, so new ones go
//! to its end.
//! Reasons of the node and of IPsec stand here too although their causes are in other crates, which map their own
//! outcomes onto these.

use core::fmt;

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DropReason {
            /// Every reason, in table order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name, as it stands in result files.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

drop_reasons! {
    /// The link's queue had no room.
    QueueFull = "queue_full",
    /// The packet was longer than the link's MTU.
    MtuExceeded = "mtu_exceeded",
    /// The link lost it.
    Loss = "loss",
    /// The link was down.
    LinkDown = "link_down",
    /// No route leads to its destination.
    NoRoute = "no_route",
    /// Its TTL ran out (RFC 1812 §5.3.1).
    TtlExpired = "ttl_expired",
    /// Its headers contradict themselves or its length.
    MalformedPacket = "malformed_packet",
    /// A header's or a datagram's checksum is wrong.
    BadChecksum = "bad_checksum",
    /// It is a fragment, and reassembly is not modelled.
    FragmentUnsupported = "fragment_unsupported",
    /// The NAT has a mapping, but its filter refuses the sender (RFC 4787 §5).
    NatFiltered = "nat_filtered",
    /// The NAT has no mapping for it.
    NatNoMapping = "nat_no_mapping",
    /// The NAT's table is full.
    NatTableFull = "nat_table_full",
    /// The NAT has no free external port.
    NatPortsExhausted = "nat_ports_exhausted",
    /// The NAT cannot translate its protocol (raw ESP, for one).
    NatUnsupportedProtocol = "nat_unsupported_protocol",
    /// The node is down.
    NodeDown = "node_down",
    /// A black hole in front of the node swallowed it.
    Blackhole = "blackhole",
    /// The virtual address that it was to leave from is not assigned.
    NoAddress = "no_address",
    /// No application or protocol waits for it.
    NoListener = "no_listener",
    /// The node's queue for its cores was full.
    CpuQueueFull = "cpu_queue_full",
    /// A policy says DISCARD (RFC 4301 §4.4.1).
    SpdDiscard = "spd_discard",
    /// No policy matches it (RFC 4301 §5.1).
    SpdNoPolicy = "spd_no_policy",
    /// It arrived in the clear where the policy wants protection (RFC 4301 §5.2).
    SpdUnprotected = "spd_unprotected",
    /// It is not in the selectors of the SA that it came out of (RFC 4301 §5.2 step 4), or of the only one that its
    /// policy has, which was narrowed (RFC 7296 §2.9).
    SelectorMismatch = "selector_mismatch",
    /// No SA has its SPI.
    NoSa = "no_sa",
    /// The SA it needs has ended.
    SaExpired = "sa_expired",
    /// The SA has used up its sequence numbers (RFC 4303 §3.3.3).
    SequenceExhausted = "sequence_exhausted",
    /// The replay window refuses it (RFC 4303 §3.4.3).
    Replay = "replay",
    /// Its integrity check failed (RFC 4303 §3.4.4).
    Integrity = "integrity",
    /// With ESP around it, it would exceed an IPv4 packet's length field.
    EncapsulatedTooLong = "encapsulated_too_long",
    /// Its outer header bears a congestion mark that the inner one cannot carry (RFC 6040 §4.2).
    CongestionMark = "congestion_mark",
    /// It is an ESP dummy packet, meant to end here (RFC 4303 §2.6).
    EspDummy = "esp_dummy",
    /// It is a NAT keepalive, meant to end here (RFC 3948 §2.3).
    NatKeepalive = "nat_keepalive",
    /// Its ESP framing or padding is wrong.
    EspMalformed = "esp_malformed",
    /// Too many packets wait for a negotiation already.
    AcquireQueueFull = "acquire_queue_full",
    /// It needs an SA, and no policy of this node brings one up (no trap).
    NoTunnel = "no_tunnel",
    /// The negotiation that it waited for failed.
    NegotiationFailed = "negotiation_failed",
    /// It waited for a negotiation or a core when its node went down.
    LostWithNode = "lost_with_node",
    /// The IKE endpoint could not use it.
    IkeRejected = "ike_rejected",
    /// With ESP or AH around it, it would exceed the path MTU of its SA, and may not be fragmented (RFC 4301 §8.2.1).
    PathMtu = "path_mtu",
    /// It is a router's message about an SA's path MTU, meant to end here.
    PathMtuNotice = "path_mtu_notice",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A count of packets for each reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCounters([u64; DropReason::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl DropCounters {
    /// Counts one packet.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Counts `packets` packets.
    pub fn add(&mut self, reason: DropReason, packets: u64) {
        self.0[reason as usize] += packets;
    }

    /// How many were dropped for `reason`.
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many were dropped in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.of(reason))).filter(|&(_, packets)| packets > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_snake_case() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
    }

    #[test]
    fn the_table_lists_reasons_in_the_order_of_their_numbers() {
        for (index, &reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn counters_keep_reasons_apart() {
        let mut drops = DropCounters::default();
        drops.count(DropReason::Replay);
        drops.add(DropReason::Loss, 2);
        assert_eq!(drops.iter().collect::<Vec<_>>(), [(DropReason::Loss, 2), (DropReason::Replay, 1)]);
        assert_eq!((drops.total(), drops.of(DropReason::NoSa)), (3, 0));
        assert_eq!(format!("{:>8}", DropReason::NoSa), "   no_sa");
    }
}
