//! One simulated packet: its real octets, and what the simulation knows beside them.
//!
//! The octets start at the IP version nibble; there is no link-layer frame, and a link adds framing as a number
//! (`LinkConfig::framing`). Trail, tag and owner are not on the wire: no model may read them to decide what happens to a
//! packet.

use ipseclab_sim::SimTime;

use crate::owner::Owner;
use crate::trail::Trail;

/// Octets of room that packets are made with behind their end, so that a tunnel can grow them where they are: more than
/// any outer header, ESP and AH together need.
pub const TUNNEL_ROOM: usize = 160;

/// A packet under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// An IPv4 or IPv6 packet, from the version octet on.
    pub bytes: Vec<u8>,
    /// Where the packet's time went.
    pub trail: Trail,
    /// A number of the owner's choice that stays with the packet, so that arrivals can be matched with departures.
    pub tag: u64,
    /// The flow and the SA whose books it is in.
    pub owner: Owner,
}

impl Packet {
    /// A packet that comes into being at `now`.
    pub const fn new(bytes: Vec<u8>, now: SimTime) -> Self {
        Self { bytes, trail: Trail::new(now), tag: 0, owner: Owner::NONE }
    }

    /// A packet that continues `trail`, as the ESP packet does for the packet it carries.
    pub const fn with_trail(bytes: Vec<u8>, trail: Trail) -> Self {
        Self { bytes, trail, tag: 0, owner: Owner::NONE }
    }

    /// The length in octets, IP header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no octets at all.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::SimDuration;

    use super::*;

    #[test]
    fn a_packet_is_eleven_words_beside_its_octets() {
        assert_eq!(size_of::<Packet>(), 88);
    }

    #[test]
    fn an_encapsulating_packet_continues_the_trail_of_its_payload() {
        let mut inner = Packet::new(vec![0x45; 20], SimTime::from_nanos(7));
        inner.trail.add_cpu(SimDuration::from_nanos(3));
        let outer = Packet::with_trail(vec![0x45; 60], inner.trail);
        assert_eq!((outer.len(), outer.is_empty()), (60, false));
        outer.trail.assert_at(SimTime::from_nanos(10));
    }
}
