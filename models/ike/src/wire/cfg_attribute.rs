//! Configuration attributes (RFC 7296 §3.15.1, figure 23; RFC 7651, RFC 8598).
//!
//! An attribute without a value asks for one, so every value is optional. Decoding settles lengths and the ranges of
//! prefixes; how often an attribute may occur is the exchanges' affair. The reserved bit in front of the type is ignored.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Item};

const TYPE_MASK: u16 = 0x7fff;
const MAX_PREFIX_LEN: u8 = 128;

code_points! {
    /// Types of configuration attributes, those with a form of their own here.
    CfgAttributeType: u16 {
        Ip4Address = 1 => "INTERNAL_IP4_ADDRESS",
        Ip4Netmask = 2 => "INTERNAL_IP4_NETMASK",
        Ip4Dns = 3 => "INTERNAL_IP4_DNS",
        Ip4Nbns = 4 => "INTERNAL_IP4_NBNS",
        Ip4Dhcp = 6 => "INTERNAL_IP4_DHCP",
        ApplicationVersion = 7 => "APPLICATION_VERSION",
        Ip6Address = 8 => "INTERNAL_IP6_ADDRESS",
        Ip6Dns = 10 => "INTERNAL_IP6_DNS",
        Ip6Dhcp = 12 => "INTERNAL_IP6_DHCP",
        Ip4Subnet = 13 => "INTERNAL_IP4_SUBNET",
        SupportedAttributes = 14 => "SUPPORTED_ATTRIBUTES",
        Ip6Subnet = 15 => "INTERNAL_IP6_SUBNET",
        PcscfIp4Address = 20 => "P_CSCF_IP4_ADDRESS",
        PcscfIp6Address = 21 => "P_CSCF_IP6_ADDRESS",
        DnsDomain = 25 => "INTERNAL_DNS_DOMAIN",
    }
}

/// An IPv6 address with a prefix length of at most 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Prefix {
    address: Ipv6Addr,
    len: u8,
}

impl Ipv6Prefix {
    /// The address with the first `len` bits as its network, or `None` when it has not so many.
    pub fn new(address: Ipv6Addr, len: u8) -> Option<Self> {
        (len <= MAX_PREFIX_LEN).then_some(Self { address, len })
    }

    /// The whole address.
    pub const fn address(self) -> Ipv6Addr {
        self.address
    }

    /// Bits of the network part.
    pub const fn prefix_len(self) -> u8 {
        self.len
    }
}

/// One configuration attribute; `None` is an empty value, which asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CfgAttribute {
    /// `INTERNAL_IP4_ADDRESS`: an address for the client.
    Ip4Address(Option<Ipv4Addr>),
    /// `INTERNAL_IP4_NETMASK`: the mask of the client's network.
    Ip4Netmask(Option<Ipv4Addr>),
    /// `INTERNAL_IP4_DNS`: a name server.
    Ip4Dns(Option<Ipv4Addr>),
    /// `INTERNAL_IP4_NBNS`: a `NetBIOS` name server.
    Ip4Nbns(Option<Ipv4Addr>),
    /// `INTERNAL_IP4_DHCP`: a DHCP server.
    Ip4Dhcp(Option<Ipv4Addr>),
    /// `APPLICATION_VERSION`: printable octets without terminator, or none to ask for them.
    ApplicationVersion(Vec<u8>),
    /// `INTERNAL_IP6_ADDRESS`: an address for the client and the prefix of its network.
    Ip6Address(Option<Ipv6Prefix>),
    /// `INTERNAL_IP6_DNS`: a name server.
    Ip6Dns(Option<Ipv6Addr>),
    /// `INTERNAL_IP6_DHCP`: a DHCP server.
    Ip6Dhcp(Option<Ipv6Addr>),
    /// `INTERNAL_IP4_SUBNET`: address and mask of a network behind the sender.
    Ip4Subnet(Option<(Ipv4Addr, Ipv4Addr)>),
    /// `SUPPORTED_ATTRIBUTES`: types that the sender knows.
    Supported(Vec<CfgAttributeType>),
    /// `INTERNAL_IP6_SUBNET`: a network behind the sender.
    Ip6Subnet(Option<Ipv6Prefix>),
    /// `P_CSCF_IP4_ADDRESS`: a SIP proxy (RFC 7651).
    PcscfIp4Address(Option<Ipv4Addr>),
    /// `P_CSCF_IP6_ADDRESS`: a SIP proxy (RFC 7651).
    PcscfIp6Address(Option<Ipv6Addr>),
    /// `INTERNAL_DNS_DOMAIN`: a domain to be resolved inside, in presentation format (RFC 8598).
    DnsDomain(Vec<u8>),
    /// An attribute of another type.
    Unknown {
        /// The type, 15 bits, none of [`CfgAttributeType`]'s.
        kind: u16,
        /// The value.
        data: Vec<u8>,
    },
}

impl CfgAttribute {
    /// The attribute's type.
    pub const fn kind(&self) -> CfgAttributeType {
        match self {
            Self::Ip4Address(_) => CfgAttributeType::Ip4Address,
            Self::Ip4Netmask(_) => CfgAttributeType::Ip4Netmask,
            Self::Ip4Dns(_) => CfgAttributeType::Ip4Dns,
            Self::Ip4Nbns(_) => CfgAttributeType::Ip4Nbns,
            Self::Ip4Dhcp(_) => CfgAttributeType::Ip4Dhcp,
            Self::ApplicationVersion(_) => CfgAttributeType::ApplicationVersion,
            Self::Ip6Address(_) => CfgAttributeType::Ip6Address,
            Self::Ip6Dns(_) => CfgAttributeType::Ip6Dns,
            Self::Ip6Dhcp(_) => CfgAttributeType::Ip6Dhcp,
            Self::Ip4Subnet(_) => CfgAttributeType::Ip4Subnet,
            Self::Supported(_) => CfgAttributeType::SupportedAttributes,
            Self::Ip6Subnet(_) => CfgAttributeType::Ip6Subnet,
            Self::PcscfIp4Address(_) => CfgAttributeType::PcscfIp4Address,
            Self::PcscfIp6Address(_) => CfgAttributeType::PcscfIp6Address,
            Self::DnsDomain(_) => CfgAttributeType::DnsDomain,
            Self::Unknown { kind, .. } => CfgAttributeType::Unknown(*kind),
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, number: usize) -> Result<Self, DecodeError> {
        let kind = CfgAttributeType::from_code(reader.u16("attribute type")? & TYPE_MASK);
        let len = usize::from(reader.u16("attribute length")?);
        let mut value = reader.item(Item { name: "configuration attribute", number }, len, 0)?;
        let attribute = Self::decode_value(kind, &mut value)?;
        value.finish("the attribute's value")?;
        Ok(attribute)
    }

    fn decode_value(kind: CfgAttributeType, value: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            CfgAttributeType::Ip4Address => Self::Ip4Address(optional(value, ipv4)?),
            CfgAttributeType::Ip4Netmask => Self::Ip4Netmask(optional(value, ipv4)?),
            CfgAttributeType::Ip4Dns => Self::Ip4Dns(optional(value, ipv4)?),
            CfgAttributeType::Ip4Nbns => Self::Ip4Nbns(optional(value, ipv4)?),
            CfgAttributeType::Ip4Dhcp => Self::Ip4Dhcp(optional(value, ipv4)?),
            CfgAttributeType::ApplicationVersion => Self::ApplicationVersion(value.rest().to_vec()),
            CfgAttributeType::Ip6Address => Self::Ip6Address(optional(value, prefix)?),
            CfgAttributeType::Ip6Dns => Self::Ip6Dns(optional(value, ipv6)?),
            CfgAttributeType::Ip6Dhcp => Self::Ip6Dhcp(optional(value, ipv6)?),
            CfgAttributeType::Ip4Subnet => Self::Ip4Subnet(optional(value, subnet)?),
            CfgAttributeType::SupportedAttributes => Self::Supported(supported(value)?),
            CfgAttributeType::Ip6Subnet => Self::Ip6Subnet(optional(value, prefix)?),
            CfgAttributeType::PcscfIp4Address => Self::PcscfIp4Address(optional(value, ipv4)?),
            CfgAttributeType::PcscfIp6Address => Self::PcscfIp6Address(optional(value, ipv6)?),
            CfgAttributeType::DnsDomain => Self::DnsDomain(value.rest().to_vec()),
            CfgAttributeType::Unknown(kind) => Self::Unknown { kind, data: value.rest().to_vec() },
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let mut value = Writer::new();
        self.encode_value(&mut value);
        writer.u16(self.kind().code() & TYPE_MASK);
        writer.count_u16(value.len());
        writer.bytes(&value.into_vec());
    }

    fn encode_value(&self, writer: &mut Writer) {
        match self {
            Self::Ip4Address(value)
            | Self::Ip4Netmask(value)
            | Self::Ip4Dns(value)
            | Self::Ip4Nbns(value)
            | Self::Ip4Dhcp(value)
            | Self::PcscfIp4Address(value) => {
                writer.bytes(value.map(|ip| ip.octets()).as_slice().as_flattened());
            }
            Self::Ip6Dns(value) | Self::Ip6Dhcp(value) | Self::PcscfIp6Address(value) => {
                writer.bytes(value.map(|ip| ip.octets()).as_slice().as_flattened());
            }
            Self::Ip6Address(value) | Self::Ip6Subnet(value) => {
                if let Some(prefix) = value {
                    writer.bytes(&prefix.address.octets());
                    writer.u8(prefix.len);
                }
            }
            Self::Ip4Subnet(value) => {
                if let Some((address, mask)) = value {
                    writer.bytes(&address.octets());
                    writer.bytes(&mask.octets());
                }
            }
            Self::Supported(kinds) => kinds.iter().for_each(|kind| writer.u16(kind.code() & TYPE_MASK)),
            Self::ApplicationVersion(data) | Self::DnsDomain(data) | Self::Unknown { data, .. } => {
                writer.bytes(data);
            }
        }
    }
}

/// A value, or none where there are no octets for one.
fn optional<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if reader.is_empty() { Ok(None) } else { read(reader).map(Some) }
}

fn ipv4(reader: &mut Reader<'_>) -> Result<Ipv4Addr, DecodeError> {
    reader.u32("IPv4 address").map(Ipv4Addr::from)
}

fn ipv6(reader: &mut Reader<'_>) -> Result<Ipv6Addr, DecodeError> {
    reader.array::<16>("IPv6 address").map(Ipv6Addr::from)
}

fn subnet(reader: &mut Reader<'_>) -> Result<(Ipv4Addr, Ipv4Addr), DecodeError> {
    Ok((ipv4(reader)?, reader.u32("netmask").map(Ipv4Addr::from)?))
}

fn prefix(reader: &mut Reader<'_>) -> Result<Ipv6Prefix, DecodeError> {
    let address = ipv6(reader)?;
    let len = reader.u8("prefix length")?;
    let fault = Fault::Value { field: "prefix length", value: usize::from(len), allowed: "0 to 128" };
    Ipv6Prefix::new(address, len).ok_or_else(|| reader.fault(fault))
}

fn supported(reader: &mut Reader<'_>) -> Result<Vec<CfgAttributeType>, DecodeError> {
    let mut kinds = Vec::with_capacity(reader.remaining() / 2);
    while !reader.is_empty() {
        kinds.push(CfgAttributeType::from_code(reader.u16("supported attribute")? & TYPE_MASK));
    }
    Ok(kinds)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::error::Part;
    use crate::wire::testing::octets;

    /// Any attribute that a payload can hold.
    pub(crate) fn any_attribute() -> impl Strategy<Value = CfgAttribute> {
        let v4 = || option::of(any::<u32>().prop_map(Ipv4Addr::from));
        let v6 = || option::of(any::<u128>().prop_map(Ipv6Addr::from));
        let prefix = || option::of((any::<u128>(), 0_u8..=128).prop_map(|(ip, len)| prefix_of(ip, len)));
        let subnet = option::of(any::<(u32, u32)>().prop_map(|(ip, mask)| (ip.into(), mask.into())));
        let kind = (0_u16..=TYPE_MASK).prop_map(CfgAttributeType::from_code);
        prop_oneof![
            v4().prop_map(CfgAttribute::Ip4Address),
            v4().prop_map(CfgAttribute::Ip4Netmask),
            v4().prop_map(CfgAttribute::Ip4Dns),
            v4().prop_map(CfgAttribute::Ip4Nbns),
            v4().prop_map(CfgAttribute::Ip4Dhcp),
            v4().prop_map(CfgAttribute::PcscfIp4Address),
            v6().prop_map(CfgAttribute::Ip6Dns),
            v6().prop_map(CfgAttribute::Ip6Dhcp),
            v6().prop_map(CfgAttribute::PcscfIp6Address),
            prefix().prop_map(CfgAttribute::Ip6Address),
            prefix().prop_map(CfgAttribute::Ip6Subnet),
            subnet.prop_map(CfgAttribute::Ip4Subnet),
            vec(kind, 0..6).prop_map(CfgAttribute::Supported),
            octets(0..20).prop_map(CfgAttribute::ApplicationVersion),
            octets(0..20).prop_map(CfgAttribute::DnsDomain),
            (26..=TYPE_MASK, octets(0..20)).prop_map(|(kind, data)| CfgAttribute::Unknown { kind, data }),
        ]
    }

    fn prefix_of(address: u128, len: u8) -> Ipv6Prefix {
        Ipv6Prefix::new(address.into(), len).unwrap()
    }

    fn decode(bytes: &[u8]) -> Result<CfgAttribute, String> {
        let mut reader = Reader::new(bytes, Part::Header, 0);
        let attribute = CfgAttribute::decode(&mut reader, 1).map_err(|error| error.to_string())?;
        assert!(reader.is_empty());
        Ok(attribute)
    }

    fn check(attribute: &CfgAttribute, bytes: &[u8]) {
        let mut writer = Writer::new();
        attribute.encode(&mut writer);
        assert_eq!(writer.into_vec(), bytes);
        assert_eq!(decode(bytes).as_ref(), Ok(attribute));
    }

    #[test]
    fn an_ipv6_address_has_seventeen_octets() {
        let attribute = CfgAttribute::Ip6Address(Some(prefix_of(0x2001_0db8 << 96 | 1, 64)));
        let mut bytes = vec![0, 8, 0, 17, 0x20, 0x01, 0x0d, 0xb8];
        bytes.extend([0; 11]);
        bytes.extend([1, 64]);
        check(&attribute, &bytes);
        bytes[20] = 129;
        assert!(decode(&bytes).unwrap_err().ends_with("prefix length is 129, 0 to 128 is right"));
        (bytes[3], _) = (16, bytes.pop());
        assert!(decode(&bytes).unwrap_err().ends_with("prefix length needs 1 bytes, 0 remain"));
    }

    #[test]
    fn an_ipv4_subnet_is_address_and_mask() {
        let subnet = (Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(255, 255, 0, 0));
        check(&CfgAttribute::Ip4Subnet(Some(subnet)), &[0, 13, 0, 8, 10, 1, 0, 0, 255, 255, 0, 0]);
    }

    #[test]
    fn supported_attributes_are_a_list_of_types() {
        let kinds = vec![CfgAttributeType::Ip4Address, CfgAttributeType::Unknown(27)];
        check(&CfgAttribute::Supported(kinds), &[0, 14, 0, 4, 0, 1, 0, 27]);
        assert!(decode(&[0, 14, 0, 3, 0, 1, 0]).unwrap_err().ends_with("needs 2 bytes, 1 remain"));
    }

    #[test]
    fn the_reserved_bit_is_no_part_of_the_type() {
        assert_eq!(decode(&[0x80, 3, 0, 0]), Ok(CfgAttribute::Ip4Dns(None)));
        let kinds = vec![CfgAttributeType::Ip4Dns];
        assert_eq!(decode(&[0, 14, 0, 2, 0x80, 3]), Ok(CfgAttribute::Supported(kinds)));
    }

    #[test]
    fn an_address_is_whole_or_missing() {
        assert!(
            decode(&[0, 1, 0, 3, 10, 0, 0]).unwrap_err().ends_with("IPv4 address needs 4 bytes, 3 remain")
        );
        let error = decode(&[0, 1, 0, 5, 10, 0, 0, 1, 0]).unwrap_err();
        assert!(error.ends_with("1 bytes are left over after the attribute's value"), "{error}");
    }

    #[test]
    fn types_print_as_the_registry_writes_them() {
        assert_eq!(CfgAttribute::Ip4Address(None).kind().to_string(), "INTERNAL_IP4_ADDRESS");
        assert_eq!(CfgAttribute::Unknown { kind: 26, data: Vec::new() }.kind().to_string(), "26");
    }
}
