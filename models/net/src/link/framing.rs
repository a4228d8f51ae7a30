//! What surrounds an IP packet on a link, and so what its rate has to carry besides.
//!
//! Rates of packets are told on three layers, as testers of devices do (RFC 2544, RFC 9004): layer 3 counts IP packets,
//! layer 2 whole frames, layer 1 all the time that the wire is taken. On Ethernet a frame is the packet with 18 octets
//! around it, and at least 64 octets long; on the wire, 20 octets pass between two frames.
//!
//! Left out: VLAN tags and other headers between Ethernet and IP; they would be [`Octets`](Framing::Octets).

/// Addresses, length or type, and frame check sequence (IEEE 802.3 §3.1.1: 6 + 6 + 2 + 4 octets).
const ETHERNET_FRAME_OCTETS: u64 = 18;
/// The shortest frame; what is shorter is padded (IEEE 802.3 §4.4.2, `minFrameSize` of 512 bits).
const ETHERNET_FRAME_MIN_OCTETS: u64 = 64;
/// Preamble and start of frame, and the gap between packets (IEEE 802.3 §3.1.1: 7 + 1 octets; §4.4.2: 96 bits).
const ETHERNET_GAP_OCTETS: u64 = 8 + 12;

/// What surrounds each IP packet on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: the rate of the link is one of IP packets, and the three layers are one.
    #[default]
    None,
    /// The frames of Ethernet, with preamble and gap.
    Ethernet,
    /// So many octets around each packet, of whatever sort; they count on layer 2.
    Octets(u16),
}

impl Framing {
    /// Octets of the frame around a packet of `len` octets: layer 2.
    #[inline]
    pub fn layer_2_len(self, len: u64) -> u64 {
        match self {
            Self::None => len,
            Self::Ethernet => (len + ETHERNET_FRAME_OCTETS).max(ETHERNET_FRAME_MIN_OCTETS),
            Self::Octets(octets) => len + u64::from(octets),
        }
    }

    /// Octets for which a packet of `len` octets takes the wire: layer 1.
    #[inline]
    pub fn layer_1_len(self, len: u64) -> u64 {
        self.layer_2_len(len) + self.gap_len()
    }

    /// Octets that a frame takes the wire for beside its own: what layer 1 has over layer 2.
    pub const fn gap_len(self) -> u64 {
        match self {
            Self::Ethernet => ETHERNET_GAP_OCTETS,
            Self::None | Self::Octets(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_adds_38_octets_and_pads_to_84() {
        let layers = |len| (Framing::Ethernet.layer_2_len(len), Framing::Ethernet.layer_1_len(len));
        assert_eq!(layers(1_500), (1_518, 1_538));
        assert_eq!((layers(46), layers(47)), ((64, 84), (65, 85)));
        assert_eq!((layers(40), layers(20)), ((64, 84), (64, 84)), "a minimum frame");
    }

    #[test]
    fn other_framings_have_no_minimum_and_no_gap() {
        assert_eq!((Framing::None.layer_2_len(40), Framing::None.layer_1_len(40)), (40, 40));
        let ppp = Framing::Octets(9);
        assert_eq!((ppp.layer_2_len(40), ppp.layer_1_len(40), ppp.gap_len()), (49, 49, 0));
    }
}
