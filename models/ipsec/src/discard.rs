//! Why a packet was discarded, and how often: every packet that the engine does not pass on has one of these reasons.

/// The reason why a packet went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscardReason {
    /// No SPD entry matches and the default is to discard (RFC 4301 §5.1).
    NoPolicy,
    /// The SPD entry says DISCARD.
    PolicyDiscard,
    /// As many packets as allowed already wait for this policy's SA.
    AcquireQueueFull,
    /// The negotiation that the packet waited for failed.
    NegotiationFailed,
    /// The SA that came up was narrowed and does not cover the waiting packet.
    OutsideSelectors,
    /// No SA has this SPI (RFC 4301 §5.2).
    UnknownSpi,
    /// The sequence number was seen before, is left of the window, or is 0 (RFC 4303 §3.4.3).
    Replay,
    /// The integrity check value is wrong (RFC 4303 §3.4.4).
    Integrity,
    /// Header lengths that do not fit the octets, or a ciphertext that is not whole blocks.
    Malformed,
    /// The padding is not 1, 2, 3, … or longer than the packet (RFC 4303 §2.4).
    Padding,
    /// It came in the clear where the SPD wants it protected, or under half of a bundle (RFC 4301 §5.2).
    Unprotected,
    /// What came out of an SA is not in its selectors (RFC 4301 §5.2), or no IP packet.
    InboundPolicy,
    /// The SA has used all its sequence numbers (RFC 4303 §3.3.3).
    SeqExhausted,
    /// The SA has carried as much as it may (RFC 4301 §4.4.2.1).
    LifetimeExceeded,
    /// A fragment where ESP needs a whole datagram (RFC 4303 §3.3.4, §3.4.1).
    Fragment,
    /// The protected packet would exceed what the length field of its IP header can say.
    TooBig,
    /// The protected packet would be longer than its path takes; its sender has been told where it can be (RFC 4301 §8.2.1).
    PathMtu,
    /// Not a loss: a router's message that a protected packet was too long, which the SA's path MTU has taken in.
    PathMtuNotice,
    /// A congestion mark on the outer header that the inner packet cannot carry (RFC 6040 §4.2).
    CongestionMark,
    /// A dummy packet, next header 59 (RFC 4303 §2.6).
    Dummy,
    /// A NAT keepalive (RFC 3948 §2.3).
    NatKeepalive,
}

impl DiscardReason {
    /// All reasons, in the order of [`DiscardCounters::iter`].
    pub const ALL: [Self; 21] = [
        Self::NoPolicy,
        Self::PolicyDiscard,
        Self::AcquireQueueFull,
        Self::NegotiationFailed,
        Self::OutsideSelectors,
        Self::UnknownSpi,
        Self::Replay,
        Self::Integrity,
        Self::Malformed,
        Self::Padding,
        Self::Unprotected,
        Self::InboundPolicy,
        Self::SeqExhausted,
        Self::LifetimeExceeded,
        Self::Fragment,
        Self::TooBig,
        Self::PathMtu,
        Self::PathMtuNotice,
        Self::CongestionMark,
        Self::Dummy,
        Self::NatKeepalive,
    ];

    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicy => "no_policy",
            Self::PolicyDiscard => "policy_discard",
            Self::AcquireQueueFull => "acquire_queue_full",
            Self::NegotiationFailed => "negotiation_failed",
            Self::OutsideSelectors => "outside_selectors",
            Self::UnknownSpi => "unknown_spi",
            Self::Replay => "replay",
            Self::Integrity => "integrity",
            Self::Malformed => "malformed",
            Self::Padding => "padding",
            Self::Unprotected => "unprotected",
            Self::InboundPolicy => "inbound_policy",
            Self::SeqExhausted => "seq_exhausted",
            Self::LifetimeExceeded => "lifetime_exceeded",
            Self::Fragment => "fragment",
            Self::TooBig => "too_big",
            Self::PathMtu => "path_mtu",
            Self::PathMtuNotice => "path_mtu_notice",
            Self::CongestionMark => "congestion_mark",
            Self::Dummy => "dummy",
            Self::NatKeepalive => "nat_keepalive",
        }
    }
}

/// Discarded packets by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscardCounters([u64; DiscardReason::ALL.len()]);

impl DiscardCounters {
    /// Packets discarded for `reason`.
    pub fn count(&self, reason: DiscardReason) -> u64 {
        self.0[reason as usize]
    }

    /// Reasons with their counts, in the order of [`DiscardReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (DiscardReason, u64)> + '_ {
        DiscardReason::ALL.into_iter().map(|reason| (reason, self.count(reason)))
    }

    pub(crate) fn add(&mut self, reason: DiscardReason) {
        self.0[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_count_at_their_own_place() {
        for (place, reason) in DiscardReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            let mut counters = DiscardCounters::default();
            counters.add(reason);
            assert!(counters.iter().all(|(other, count)| count == u64::from(other == reason)));
        }
    }

    #[test]
    fn names_are_distinct_and_snake_case() {
        for (place, reason) in DiscardReason::ALL.into_iter().enumerate() {
            let name = reason.as_str();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(DiscardReason::ALL[..place].iter().all(|earlier| earlier.as_str() != name));
        }
    }
}
