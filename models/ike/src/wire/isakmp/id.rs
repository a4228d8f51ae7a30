//! Identification payload (RFC 2407 §4.6.2): a peer in phase 1, the traffic of an SA in phase 2.
//!
//! Protocol and port belong to the identity: in phase 1 they are 0 and 0, or UDP and 500. An address with a mask and a
//! range of addresses are what traffic selectors are in IKEv2, and [`IdPayload::traffic`] and
//! [`IdPayload::of_traffic`] go between the two.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::{AddressRange, TrafficSelector};

code_points! {
    /// The kind of an identity (RFC 2407 §4.6.2.1).
    IdType: u8 {
        Ipv4 = 1 => "IPV4_ADDR",
        Fqdn = 2 => "FQDN",
        UserFqdn = 3 => "USER_FQDN",
        Ipv4Subnet = 4 => "IPV4_ADDR_SUBNET",
        Ipv6 = 5 => "IPV6_ADDR",
        Ipv6Subnet = 6 => "IPV6_ADDR_SUBNET",
        Ipv4Range = 7 => "IPV4_ADDR_RANGE",
        Ipv6Range = 8 => "IPV6_ADDR_RANGE",
        Dn = 9 => "DER_ASN1_DN",
        Gn = 10 => "DER_ASN1_GN",
        KeyId = 11 => "KEY_ID",
    }
}

/// An Identification payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdPayload {
    /// The kind of identity.
    pub kind: IdType,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// Port, 0 for any.
    pub port: u16,
    /// The identity itself: addresses, a name without terminator, DER, or any octets.
    pub data: Vec<u8>,
}

impl IdPayload {
    /// An identity for any protocol and port.
    pub fn new(kind: IdType, data: impl Into<Vec<u8>>) -> Self {
        Self { kind, protocol: 0, port: 0, data: data.into() }
    }

    /// The payload without its generic header: `IDii_b` and `IDir_b`, which `HASH_I` and `HASH_R` cover (RFC 2409 §5).
    pub fn body(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.into_vec()
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: IdType::from_code(reader.u8("ID type")?),
            protocol: reader.u8("protocol ID")?,
            port: reader.u16("port")?,
            data: reader.rest().to_vec(),
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.code());
        writer.u8(self.protocol);
        writer.u16(self.port);
        writer.bytes(&self.data);
    }

    /// The traffic that the identity stands for; `None` for one that is no address, and for addresses of a wrong
    /// length, a mask with holes and a range that ends before it starts.
    pub fn traffic(&self) -> Option<TrafficSelector> {
        let (start_port, end_port) = if self.port == 0 { (0, u16::MAX) } else { (self.port, self.port) };
        let addresses = self.addresses()?;
        Some(TrafficSelector { protocol: self.protocol, start_port, end_port, addresses })
    }

    fn addresses(&self) -> Option<AddressRange> {
        match self.kind {
            IdType::Ipv4 => v4_range(v4(&self.data)?, v4(&self.data)?),
            IdType::Ipv6 => v6_range(v6(&self.data)?, v6(&self.data)?),
            IdType::Ipv4Range => self.halves().and_then(|(start, end)| v4_range(v4(start)?, v4(end)?)),
            IdType::Ipv6Range => self.halves().and_then(|(start, end)| v6_range(v6(start)?, v6(end)?)),
            IdType::Ipv4Subnet => {
                let (address, mask) = self.halves()?;
                let (address, mask) = (v4(address)?.to_bits(), v4(mask)?.to_bits());
                let contiguous = mask.leading_ones() == mask.count_ones();
                let range = v4_range((address & mask).into(), (address | !mask).into());
                range.filter(|_| contiguous)
            }
            IdType::Ipv6Subnet => {
                let (address, mask) = self.halves()?;
                let (address, mask) = (v6(address)?.to_bits(), v6(mask)?.to_bits());
                let contiguous = mask.leading_ones() == mask.count_ones();
                let range = v6_range((address & mask).into(), (address | !mask).into());
                range.filter(|_| contiguous)
            }
            _ => None,
        }
    }

    fn halves(&self) -> Option<(&[u8], &[u8])> {
        self.data.split_at_checked(self.data.len() / 2)
    }

    /// The identity for traffic: a host, else a subnet where the range is one, else the range. `None` when the
    /// selector has more than one port and not all of them, or addresses of an unknown kind: no identity says that.
    pub fn of_traffic(selector: &TrafficSelector) -> Option<Self> {
        let port = match (selector.start_port, selector.end_port) {
            (0, u16::MAX) => 0,
            (start, end) if start == end => start,
            _ => return None,
        };
        let identity = match &selector.addresses {
            AddressRange::V4 { start, end } => of_v4(*start, *end),
            AddressRange::V6 { start, end } => of_v6(*start, *end),
            AddressRange::Unknown { .. } => return None,
        };
        Some(Self { protocol: selector.protocol, port, ..identity })
    }

    /// The identity of a host.
    pub fn of_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::new(IdType::Ipv4, address.octets()),
            IpAddr::V6(address) => Self::new(IdType::Ipv6, address.octets()),
        }
    }
}

fn v4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

fn v6(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

fn v4_range(start: Ipv4Addr, end: Ipv4Addr) -> Option<AddressRange> {
    (start <= end).then_some(AddressRange::V4 { start, end })
}

fn v6_range(start: Ipv6Addr, end: Ipv6Addr) -> Option<AddressRange> {
    (start <= end).then_some(AddressRange::V6 { start, end })
}

fn of_v4(start: Ipv4Addr, end: Ipv4Addr) -> IdPayload {
    if start == end {
        return IdPayload::of_address(start.into());
    }
    let (mask, differing) = (!(start.to_bits() ^ end.to_bits()), start.to_bits() ^ end.to_bits());
    let subnet = differing.leading_zeros() + differing.count_ones() == 32 && start.to_bits() & differing == 0;
    let (kind, second) = if subnet { (IdType::Ipv4Subnet, mask.into()) } else { (IdType::Ipv4Range, end) };
    IdPayload::new(kind, [start.octets(), second.octets()].concat())
}

fn of_v6(start: Ipv6Addr, end: Ipv6Addr) -> IdPayload {
    if start == end {
        return IdPayload::of_address(start.into());
    }
    let (mask, differing) = (!(start.to_bits() ^ end.to_bits()), start.to_bits() ^ end.to_bits());
    let subnet =
        differing.leading_zeros() + differing.count_ones() == 128 && start.to_bits() & differing == 0;
    let (kind, second) = if subnet { (IdType::Ipv6Subnet, mask.into()) } else { (IdType::Ipv6Range, end) };
    IdPayload::new(kind, [start.octets(), second.octets()].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn the_body_is_what_hashes_cover() {
        let id = IdPayload { protocol: 17, port: 500, ..IdPayload::of_address([192, 0, 2, 1].into()) };
        assert_eq!(id.body(), [1, 17, 1, 0xf4, 192, 0, 2, 1]);
        check_bytes(&Payload::Id(id), &[1, 17, 1, 0xf4, 192, 0, 2, 1]);
        check_error(PayloadType::Id, &[1, 17, 1], "port needs 2 bytes, 1 remain");
    }

    fn selector(start: IpAddr, end: IpAddr) -> TrafficSelector {
        let addresses = match (start, end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => AddressRange::V4 { start, end },
            (IpAddr::V6(start), IpAddr::V6(end)) => AddressRange::V6 { start, end },
            _ => panic!("both of one family"),
        };
        TrafficSelector { protocol: 0, start_port: 0, end_port: u16::MAX, addresses }
    }

    fn check_traffic(start: &str, end: &str, expected: IdType) {
        let selector = selector(start.parse().unwrap(), end.parse().unwrap());
        let id = IdPayload::of_traffic(&selector).unwrap();
        assert_eq!(id.kind, expected, "{start} to {end}");
        assert_eq!(id.traffic(), Some(selector));
    }

    #[test]
    fn a_range_is_said_in_the_shortest_way() {
        check_traffic("10.0.0.1", "10.0.0.1", IdType::Ipv4);
        check_traffic("10.10.1.0", "10.10.1.255", IdType::Ipv4Subnet);
        check_traffic("0.0.0.0", "255.255.255.255", IdType::Ipv4Subnet);
        check_traffic("10.10.1.1", "10.10.1.255", IdType::Ipv4Range);
        check_traffic("10.0.0.0", "10.0.2.255", IdType::Ipv4Range);
        check_traffic("10.0.0.0", "10.0.0.6", IdType::Ipv4Range);
        check_traffic("2001:db8::1", "2001:db8::1", IdType::Ipv6);
        check_traffic("2001:db8::", "2001:db8::ffff", IdType::Ipv6Subnet);
        check_traffic("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IdType::Ipv6Subnet);
        check_traffic("2001:db8::", "2001:db8::fffe", IdType::Ipv6Range);
    }

    #[test]
    fn a_subnet_is_an_address_and_a_mask() {
        let id = IdPayload::new(IdType::Ipv4Subnet, [10, 10, 1, 7, 255, 255, 255, 0]);
        let whole = selector([10, 10, 1, 0].into(), [10, 10, 1, 255].into());
        assert_eq!(id.traffic(), Some(whole));
    }

    #[test]
    fn protocol_and_port_narrow_the_traffic() {
        let id = IdPayload { protocol: 6, port: 80, ..IdPayload::of_address([10, 0, 0, 1].into()) };
        let traffic = id.traffic().unwrap();
        assert_eq!((traffic.protocol, traffic.start_port, traffic.end_port), (6, 80, 80));
        assert_eq!(IdPayload::of_traffic(&traffic), Some(id));
        let several = TrafficSelector { end_port: 90, ..traffic };
        assert_eq!(IdPayload::of_traffic(&several), None);
    }

    #[test]
    fn what_is_no_traffic_selects_none() {
        let none = [
            IdPayload::new(IdType::Fqdn, *b"a.example"),
            IdPayload::new(IdType::Ipv4, [1, 2, 3]),
            IdPayload::new(IdType::Ipv4Subnet, [10, 0, 0, 0, 255, 0, 255, 0]),
            IdPayload::new(IdType::Ipv4Subnet, [10, 0, 0, 0, 255, 255, 255]),
            IdPayload::new(IdType::Ipv4Range, [10, 0, 0, 2, 10, 0, 0, 1]),
            IdPayload::new(IdType::Ipv6Subnet, [0x55; 32]),
            IdPayload::new(IdType::Unknown(99), [1, 2, 3, 4]),
        ];
        assert_eq!(none.map(|id| id.traffic()), [const { None }; 7]);
    }

    proptest! {
        #[test]
        fn any_identity_survives(kind: u8, protocol: u8, port: u16, data in octets(0..64)) {
            let kind = IdType::from_code(kind);
            check_round_trip(&Payload::Id(IdPayload { kind, protocol, port, data }));
        }

        #[test]
        fn any_range_comes_back_from_its_identity(ends: (u32, u32), protocol: u8, port: u16) {
            let (start, end) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let addresses = AddressRange::V4 { start: start.into(), end: end.into() };
            let (start_port, end_port) = if port == 0 { (0, u16::MAX) } else { (port, port) };
            let selector = TrafficSelector { protocol, start_port, end_port, addresses };
            prop_assert_eq!(IdPayload::of_traffic(&selector).unwrap().traffic(), Some(selector));
        }
    }
}
