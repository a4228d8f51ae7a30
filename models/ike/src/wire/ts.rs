//! Traffic Selector payloads (RFC 7296 §3.13 and §3.13.1, figures 19 and 20).
//!
//! The RFC does not say what a range that ends before it starts means; it selects nothing, so a peer that sends one
//! is broken and gets INVALID_SYNTAX. The exception is the port range 65535–0, which the RFC defines as OPAQUE.
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
    /// TS_IPV4_ADDR_RANGE.
    V4 {
        /// First address.
        start: Ipv4Addr,
        /// Last address, not below the first.
        end: Ipv4Addr,
    },
    /// TS_IPV6_ADDR_RANGE.
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
