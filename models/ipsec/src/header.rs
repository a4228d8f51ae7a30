//! IP headers of both versions as the datapath looks at them: lengths, addresses, and the chain of extension headers
//! (RFC 791, RFC 8200 §4).
//!
//! Two places in a packet matter. *Insertion* is where ESP or AH of transport mode goes: behind the headers that every
//! hop, or the fragmentation, looks at (RFC 4303 §3.1.1, RFC 4302 §3.1.1). *Upper* is where the chain ends: the protocol
//! that selectors speak of, or ESP and AH on arrival. Over IPv4 both are the end of the header.
//! Left out: jumbograms (RFC 2675), whose payload length of 0 is malformed here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::selector::SelectorError;

/// Octets of an IPv4 header without options.
pub(crate) const IPV4_LEN: usize = 20;
/// Octets of an IPv6 header without extension headers.
pub(crate) const IPV6_LEN: usize = 40;
/// Octets of a UDP header.
pub(crate) const UDP_LEN: usize = 8;

/// Protocol numbers (IANA) that the datapath knows.
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AH: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    /// In ESP: a dummy packet (RFC 4303 §2.6).
    pub(crate) const NONE: u8 = 59;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
    pub(crate) const MOBILITY: u8 = 135;
}

/// The version of a packet, or of the addresses of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    V4,
    V6,
}

impl Version {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Octets of a header without options and extension headers.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::V4 => IPV4_LEN,
            Self::V6 => IPV6_LEN,
        }
    }

    /// Its protocol number inside a tunnel.
    pub(crate) const fn in_tunnel(self) -> u8 {
        match self {
            Self::V4 => protocol::IPV4,
            Self::V6 => protocol::IPV6,
        }
    }

    /// Octets of the longest packet that the length field can say.
    pub(crate) const fn packet_len_max(self) -> usize {
        match self {
            Self::V4 => u16::MAX as usize,
            Self::V6 => IPV6_LEN + u16::MAX as usize,
        }
    }
}

/// A place in the chain of headers: where something starts, and which octet says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) named_at: usize,
    pub(crate) protocol: u8,
}

/// What a packet is of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    FirstFragment,
    LaterFragment,
}

/// The headers of a packet, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpHeader {
    pub(crate) version: Version,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// DSCP and ECN.
    pub(crate) traffic_class: u8,
    /// IPv6 routers never fragment, so there it is always set.
    pub(crate) dont_fragment: bool,
    pub(crate) part: Part,
    /// Octets of the packet by its own account.
    pub(crate) total_len: usize,
    pub(crate) insertion: Place,
    pub(crate) upper: Place,
}

impl IpHeader {
    /// Reads the headers of a packet, behind which there may be other octets.
    ///
    /// # Errors
    /// When the version is neither 4 nor 6, or the lengths do not fit the octets that are there.
    #[inline]
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, SelectorError> {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => Self::parse_v4(packet),
            Some(6) => Self::parse_v6(packet),
            Some(version) if packet.len() >= IPV4_LEN => Err(SelectorError::Version { version }),
            _ => Err(SelectorError::Header { octets: packet.len() }),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, SelectorError> {
        let wrong = SelectorError::Header { octets: packet.len() };
        let Some(fixed) = packet.first_chunk::<IPV4_LEN>() else { return Err(wrong) };
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if header_len < IPV4_LEN || total_len < header_len || packet.len() < total_len {
            return Err(wrong);
        }
        let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
        let place = Place { start: header_len, named_at: 9, protocol: fixed[9] };
        Ok(Self {
            version: Version::V4,
            source: IpAddr::V4(Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15])),
            destination: IpAddr::V4(Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19])),
            traffic_class: fixed[1],
            dont_fragment: fragment & 0x4000 != 0,
            part: part(fragment & 0x1fff != 0, fragment & 0x2000 != 0),
            total_len,
            insertion: place,
            upper: place,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, SelectorError> {
        let wrong = SelectorError::Header { octets: packet.len() };
        let Some(fixed) = packet.first_chunk::<IPV6_LEN>() else { return Err(wrong) };
        let total_len = IPV6_LEN + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let Some(packet) = packet.get(..total_len) else { return Err(wrong) };
        let chain = Chain::walk(packet, fixed[6]).ok_or(wrong)?;
        Ok(Self {
            version: Version::V6,
            source: ipv6_at(fixed, 8),
            destination: ipv6_at(fixed, 24),
            traffic_class: fixed[0] << 4 | fixed[1] >> 4,
            dont_fragment: true,
            part: chain.part,
            total_len,
            insertion: chain.insertion,
            upper: chain.upper,
        })
    }
}

const fn part(is_later: bool, more: bool) -> Part {
    match (is_later, more) {
        (true, _) => Part::LaterFragment,
        (false, true) => Part::FirstFragment,
        (false, false) => Part::Whole,
    }
}

/// The IPv6 address at `place` of a header that is long enough.
pub(crate) fn ipv6_at(header: &[u8], place: usize) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&header[place..place + 16]);
    IpAddr::V6(Ipv6Addr::from(octets))
}

/// Octets of an extension header of IPv6 that says its own length, or of AH; `None` for one that is cut off.
pub(crate) fn extension_len(rest: &[u8], protocol: u8) -> Option<usize> {
    let units = usize::from(*rest.get(1)?);
    let len = if protocol == protocol::AH { (units + 2) * 4 } else { (units + 1) * 8 };
    (len <= rest.len()).then_some(len)
}

/// The way along the extension headers of IPv6.
struct Chain {
    insertion: Place,
    upper: Place,
    part: Part,
}

impl Chain {
    fn walk(packet: &[u8], first: u8) -> Option<Self> {
        let start = Place { start: IPV6_LEN, named_at: 6, protocol: first };
        let mut chain = Self { insertion: start, upper: start, part: Part::Whole };
        while let protocol @ (protocol::HOP_BY_HOP
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::DESTINATION_OPTIONS) = chain.upper.protocol
        {
            let at = chain.upper.start;
            let rest = packet.get(at..)?;
            let len = if protocol == protocol::FRAGMENT { 8 } else { extension_len(rest, protocol)? };
            let next = *rest.first().filter(|_| rest.len() >= len)?;
            chain.upper = Place { start: at + len, named_at: at, protocol: next };
            // Destination options are for the far end, unless a routing header behind them makes them for every stop.
            if protocol != protocol::DESTINATION_OPTIONS {
                chain.insertion = chain.upper;
            }
            if protocol == protocol::FRAGMENT {
                chain.part = part(rest[2] != 0 || rest[3] & 0xf8 != 0, rest[3] & 1 != 0);
                if chain.part == Part::LaterFragment {
                    break;
                }
            }
        }
        Some(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 packet with these extension headers, each given as its number and its octets from the second on.
    fn packet(chain: &[(u8, &[u8])], last: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for (place, (_, octets)) in chain.iter().enumerate() {
            body.push(chain.get(place + 1).map_or(last, |next| next.0));
            body.extend_from_slice(octets);
        }
        body.extend_from_slice(payload);
        let mut packet = vec![0x6a, 0xb0, 0, 1, 0, u8::try_from(body.len()).unwrap()];
        packet.extend_from_slice(&[chain.first().map_or(last, |first| first.0), 64]);
        packet.extend_from_slice(&[1; 16]);
        packet.extend_from_slice(&[2; 16]);
        packet.extend_from_slice(&body);
        packet
    }

    #[test]
    fn an_ipv4_header_says_where_its_payload_is() {
        let mut packet = vec![0x46, 0xb8, 0, 28, 0, 9, 0x40, 0, 64, 17, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        packet.extend_from_slice(&[1, 1, 1, 0, 9, 9, 9, 9, 0xff]);
        let header = IpHeader::parse(&packet).unwrap();
        assert_eq!((header.total_len, header.upper.start, header.upper.protocol), (28, 24, 17));
        assert_eq!((header.traffic_class, header.dont_fragment, header.part), (0xb8, true, Part::Whole));
        for (flags, part) in [(0x2000_u16, Part::FirstFragment), (0x0001, Part::LaterFragment)] {
            packet[6..8].copy_from_slice(&flags.to_be_bytes());
            assert_eq!(IpHeader::parse(&packet).unwrap().part, part);
        }
        for (place, value) in [(0, 0x44), (2, 1), (3, 23)] {
            let mut wrong = packet.clone();
            wrong[place] = value;
            assert!(IpHeader::parse(&wrong).is_err(), "octet {place}");
        }
    }

    #[test]
    fn transport_mode_goes_behind_what_every_hop_reads() {
        let (hop, routing, options) =
            (&[0, 5, 2, 0, 0, 1, 0][..], &[0, 0, 0, 0, 0, 0, 0][..], &[0, 1, 4, 0, 0, 0, 0][..]);
        let all = packet(&[(0, hop), (60, options), (43, routing), (60, options)], 17, &[7; 12]);
        let header = IpHeader::parse(&all).unwrap();
        assert_eq!(header.traffic_class, 0xab);
        assert_eq!(header.insertion, Place { start: 40 + 24, named_at: 40 + 16, protocol: 60 });
        assert_eq!(header.upper, Place { start: 40 + 32, named_at: 40 + 24, protocol: 17 });
        let bare = IpHeader::parse(&packet(&[], 6, &[0; 20])).unwrap();
        assert_eq!((bare.insertion, bare.upper.start, bare.upper.named_at), (bare.upper, 40, 6));
    }

    #[test]
    fn later_fragments_end_the_chain_and_atomic_ones_are_whole() {
        let fragment = |offset: u8, more: u8| vec![0, 0, offset << 3 | more, 0, 0, 0, 1];
        let parse = |offset, more| {
            let header = fragment(offset, more);
            IpHeader::parse(&packet(&[(44, &header), (60, &[0, 1, 4, 0, 0, 0, 0])], 17, &[7; 12])).unwrap()
        };
        assert_eq!((parse(0, 0).part, parse(0, 0).upper.protocol), (Part::Whole, 17));
        assert_eq!((parse(0, 1).part, parse(0, 1).upper.protocol), (Part::FirstFragment, 17));
        assert_eq!((parse(3, 1).part, parse(3, 1).upper.protocol), (Part::LaterFragment, 60));
        assert_eq!(parse(3, 0).part, Part::LaterFragment);
    }

    #[test]
    fn a_chain_that_leaves_the_packet_is_refused() {
        let whole = packet(&[(0, &[0, 5, 2, 0, 0, 1, 0]), (43, &[0, 0, 0, 0, 0, 0, 0])], 17, &[]);
        for len in 0..whole.len() {
            assert!(IpHeader::parse(&whole[..len]).is_err(), "{len} octets");
        }
        let mut long = whole.clone();
        long[41] = 2;
        assert!(IpHeader::parse(&long).is_err());
        assert_eq!(IpHeader::parse(&[0x50; 40]), Err(SelectorError::Version { version: 5 }));
    }
}
