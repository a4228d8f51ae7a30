//! Traffic Selector payloads (RFC 7296 §3.13 and §3.13.1, figures 19 and 20).
//!
//! The RFC does not say what a range that ends before it starts means; it selects nothing, so a peer that sends one
//! is broken and gets `INVALID_SYNTAX`. The exception is the port range 65535–0, which the RFC defines as OPAQUE.
//! Selectors of unknown types are kept, for §2.9 only lets the responder skip them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Item};

const TS_IPV4: u8 = 7;
const TS_IPV6: u8 = 8;
const SELECTOR_HEADER_LEN: usize = 4;
/// Start and end port of OPAQUE (RFC 7296 §3.13.1).
const OPAQUE_PORTS: (u16, u16) = (65_535, 0);

/// A Traffic Selector payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsPayload {
    /// The selectors, 1 to 255; in a request after an acquire the first one is the packet's own (RFC 7296 §2.9).
    pub selectors: Vec<TrafficSelector>,
}

/// One traffic selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficSelector {
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First port, or ICMP type and code; 0 for selectors of unknown types.
    pub start_port: u16,
    /// Last port, or ICMP type and code; 0 for selectors of unknown types.
    pub end_port: u16,
    /// First and last address.
    pub addresses: AddressRange,
}

/// The addresses of a selector, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressRange {
    /// `TS_IPV4_ADDR_RANGE`.
    V4 {
        /// First address.
        start: Ipv4Addr,
        /// Last address, not below the first.
        end: Ipv4Addr,
    },
    /// `TS_IPV6_ADDR_RANGE`.
    V6 {
        /// First address.
        start: Ipv6Addr,
        /// Last address, not below the first.
        end: Ipv6Addr,
    },
    /// A selector of another type: all that follows its length field.
    Unknown {
        /// TS type, neither 7 nor 8.
        kind: u8,
        /// What follows the selector's length.
        data: Vec<u8>,
    },
}

impl TsPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u8("number of selectors")?);
        let _reserved = reader.bytes(3, "reserved octets")?;
        let selectors = (1..=count)
            .map(|number| TrafficSelector::decode(reader, Item { name: "selector", number }))
            .collect::<Result<Vec<_>, _>>()?;
        if selectors.is_empty() {
            return Err(reader.fault(Fault::Value {
                field: "number of selectors",
                value: 0,
                allowed: "1 to 255",
            }));
        }
        Ok(Self { selectors })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        assert!(!self.selectors.is_empty(), "a TS payload has 1 to 255 selectors");
        writer.count_u8(self.selectors.len());
        writer.bytes(&[0; 3]);
        self.selectors.iter().for_each(|selector| selector.encode(writer));
    }
}

impl TrafficSelector {
    fn decode(reader: &mut Reader<'_>, item: Item) -> Result<Self, DecodeError> {
        let kind = reader.u8("TS type")?;
        let protocol = reader.u8("IP protocol ID")?;
        let length = usize::from(reader.u16("selector length")?);
        let mut inner = reader.item(item, length, SELECTOR_HEADER_LEN)?;
        if kind != TS_IPV4 && kind != TS_IPV6 {
            let addresses = AddressRange::Unknown { kind, data: inner.rest().to_vec() };
            return Ok(Self { protocol, start_port: 0, end_port: 0, addresses });
        }
        let start_port = inner.u16("start port")?;
        let end_port = inner.u16("end port")?;
        let addresses = AddressRange::decode(&mut inner, kind)?;
        inner.finish("the ending address")?;
        let selector = Self { protocol, start_port, end_port, addresses };
        if selector.is_reversed() {
            return Err(reader.fault(Fault::Reversed { item }));
        }
        Ok(selector)
    }

    fn is_reversed(&self) -> bool {
        let ports = (self.start_port, self.end_port);
        (ports.0 > ports.1 && ports != OPAQUE_PORTS) || self.addresses.is_reversed()
    }

    fn encode(&self, writer: &mut Writer) {
        assert!(!self.is_reversed(), "a selector does not end before it starts");
        writer.measured(2, |writer| {
            writer.u8(self.addresses.kind());
            writer.u8(self.protocol);
            writer.u16(0);
            if !matches!(self.addresses, AddressRange::Unknown { .. }) {
                writer.u16(self.start_port);
                writer.u16(self.end_port);
            }
            self.addresses.encode(writer);
        });
    }
}

impl AddressRange {
    /// The TS type on the wire.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::V4 { .. } => TS_IPV4,
            Self::V6 { .. } => TS_IPV6,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn decode(reader: &mut Reader<'_>, kind: u8) -> Result<Self, DecodeError> {
        if kind == TS_IPV4 {
            let start = Ipv4Addr::from(reader.u32("starting address")?);
            let end = Ipv4Addr::from(reader.u32("ending address")?);
            return Ok(Self::V4 { start, end });
        }
        let start = Ipv6Addr::from(reader.array::<16>("starting address")?);
        let end = Ipv6Addr::from(reader.array::<16>("ending address")?);
        Ok(Self::V6 { start, end })
    }

    fn is_reversed(&self) -> bool {
        match self {
            Self::V4 { start, end } => start > end,
            Self::V6 { start, end } => start > end,
            Self::Unknown { .. } => false,
        }
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::V4 { start, end } => {
                writer.bytes(&start.octets());
                writer.bytes(&end.octets());
            }
            Self::V6 { start, end } => {
                writer.bytes(&start.octets());
                writer.bytes(&end.octets());
            }
            Self::Unknown { data, .. } => writer.bytes(data),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    fn v4(start: [u8; 4], end: [u8; 4]) -> TrafficSelector {
        TrafficSelector {
            protocol: 0,
            start_port: 0,
            end_port: 65_535,
            addresses: AddressRange::V4 { start: start.into(), end: end.into() },
        }
    }

    #[test]
    fn a_network_is_a_range_of_addresses() {
        let payload = TsPayload { selectors: vec![v4([10, 1, 0, 0], [10, 1, 255, 255])] };
        let body = [1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0xff, 0xff, 10, 1, 0, 0, 10, 1, 255, 255];
        check_bytes(&Payload::TsI(payload.clone()), &body);
        check_bytes(&Payload::TsR(payload), &body);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_malformed() {
        let body = [1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0xff, 0xff, 10, 1, 0, 1, 10, 1, 0, 0];
        check_error(PayloadType::TsI, &body, "TSi payload at byte 28: selector 1 ends before it starts");
        let body = [1, 0, 0, 0, 7, 17, 0, 16, 0, 81, 0, 80, 10, 1, 0, 0, 10, 1, 0, 0];
        check_error(PayloadType::TsI, &body, "TSi payload at byte 28: selector 1 ends before it starts");
    }

    #[test]
    fn opaque_ports_are_a_range_of_their_own() {
        let mut selector = v4([10, 1, 0, 0], [10, 1, 255, 255]);
        (selector.start_port, selector.end_port) = (65_535, 0);
        check_round_trip(&Payload::TsI(TsPayload { selectors: vec![selector] }));
    }

    #[test]
    fn selectors_of_unknown_types_are_kept() {
        let selector = TrafficSelector {
            protocol: 0,
            start_port: 0,
            end_port: 0,
            addresses: AddressRange::Unknown { kind: 10, data: vec![1, 2] },
        };
        let body = [1, 0, 0, 0, 10, 0, 0, 6, 1, 2];
        check_bytes(&Payload::TsR(TsPayload { selectors: vec![selector] }), &body);
    }

    #[test]
    fn count_and_lengths_must_agree() {
        let part = "TSr payload at byte 28";
        check_error(
            PayloadType::TsR,
            &[0, 0, 0, 0],
            &format!("{part}: number of selectors is 0, 1 to 255 is right"),
        );
        let body = [2, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0, 0, 10, 1, 0, 0, 10, 1, 0, 0];
        check_error(PayloadType::TsR, &body, &format!("{part}: TS type needs 1 bytes, 0 remain"));
        let body = [1, 0, 0, 0, 7, 0, 0, 20, 0, 0, 0, 0, 10, 1, 0, 0, 10, 1, 0, 0];
        check_error(PayloadType::TsR, &body, &format!("{part}: selector 1 claims 20 bytes, 16 remain"));
        let body = [1, 0, 0, 0, 7, 0, 0, 17, 0, 0, 0, 0, 10, 1, 0, 0, 10, 1, 0, 0, 9];
        check_error(
            PayloadType::TsR,
            &body,
            &format!("{part}: 1 bytes are left over after the ending address"),
        );
    }

    fn addresses() -> impl Strategy<Value = AddressRange> {
        let v4 = any::<(u32, u32)>()
            .prop_map(|(a, b)| AddressRange::V4 { start: a.min(b).into(), end: a.max(b).into() });
        let v6 = any::<(u128, u128)>()
            .prop_map(|(a, b)| AddressRange::V6 { start: a.min(b).into(), end: a.max(b).into() });
        let unknown =
            (9_u8..=255, octets(0..40)).prop_map(|(kind, data)| AddressRange::Unknown { kind, data });
        prop_oneof![v4, v6, unknown]
    }

    fn selector() -> impl Strategy<Value = TrafficSelector> {
        (any::<(u8, u16, u16)>(), addresses()).prop_map(|((protocol, a, b), addresses)| {
            let ports = match addresses {
                AddressRange::Unknown { .. } => (0, 0),
                AddressRange::V4 { .. } | AddressRange::V6 { .. } => (a.min(b), a.max(b)),
            };
            TrafficSelector { protocol, start_port: ports.0, end_port: ports.1, addresses }
        })
    }

    proptest! {
        #[test]
        fn any_selectors_survive(selectors in vec(selector(), 1..6)) {
            check_round_trip(&Payload::TsI(TsPayload { selectors }));
        }
    }
}
