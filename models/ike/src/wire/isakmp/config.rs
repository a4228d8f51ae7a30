//! Attributes payload of Mode-Config and XAUTH (draft-dukes-ike-mode-cfg-02 §3, draft-ietf-ipsec-isakmp-xauth-06 §6).
//!
//! Both extensions share the payload and the Transaction exchange; the attributes tell them apart. An attribute
//! without a value asks for one.

use core::net::Ipv4Addr;

use super::attribute::{Attribute, MAX_ATTRIBUTES, decode_list};
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;

code_points! {
    /// What a Mode-Config payload does (draft-dukes-ike-mode-cfg-02 §3.2).
    ConfigType: u8 {
        Request = 1 => "REQUEST",
        Reply = 2 => "REPLY",
        Set = 3 => "SET",
        Ack = 4 => "ACK",
    }
}

code_points! {
    /// Types of attributes: Mode-Config's, XAUTH's, and those that Cisco's clients ask for.
    ConfigAttribute: u16 {
        Ip4Address = 1 => "INTERNAL_IP4_ADDRESS",
        Ip4Netmask = 2 => "INTERNAL_IP4_NETMASK",
        Ip4Dns = 3 => "INTERNAL_IP4_DNS",
        Ip4Nbns = 4 => "INTERNAL_IP4_NBNS",
        AddressExpiry = 5 => "INTERNAL_ADDRESS_EXPIRY",
        Ip4Dhcp = 6 => "INTERNAL_IP4_DHCP",
        ApplicationVersion = 7 => "APPLICATION_VERSION",
        Ip6Address = 8 => "INTERNAL_IP6_ADDRESS",
        Ip6Netmask = 9 => "INTERNAL_IP6_NETMASK",
        Ip6Dns = 10 => "INTERNAL_IP6_DNS",
        Ip6Nbns = 11 => "INTERNAL_IP6_NBNS",
        Ip6Dhcp = 12 => "INTERNAL_IP6_DHCP",
        Ip4Subnet = 13 => "INTERNAL_IP4_SUBNET",
        SupportedAttributes = 14 => "SUPPORTED_ATTRIBUTES",
        Ip6Subnet = 15 => "INTERNAL_IP6_SUBNET",
        XauthType = 16520 => "XAUTH_TYPE",
        XauthUserName = 16521 => "XAUTH_USER_NAME",
        XauthUserPassword = 16522 => "XAUTH_USER_PASSWORD",
        XauthPasscode = 16523 => "XAUTH_PASSCODE",
        XauthMessage = 16524 => "XAUTH_MESSAGE",
        XauthChallenge = 16525 => "XAUTH_CHALLENGE",
        XauthDomain = 16526 => "XAUTH_DOMAIN",
        XauthStatus = 16527 => "XAUTH_STATUS",
        XauthNextPin = 16528 => "XAUTH_NEXT_PIN",
        XauthAnswer = 16529 => "XAUTH_ANSWER",
        UnityBanner = 28672 => "UNITY_BANNER",
        UnitySavePassword = 28673 => "UNITY_SAVE_PASSWD",
        UnityDefaultDomain = 28674 => "UNITY_DEF_DOMAIN",
        UnitySplitDns = 28675 => "UNITY_SPLITDNS_NAME",
        UnitySplitInclude = 28676 => "UNITY_SPLIT_INCLUDE",
        UnityNatPort = 28677 => "UNITY_NATT_PORT",
        UnityLocalLan = 28678 => "UNITY_LOCAL_LAN",
        UnityPfs = 28679 => "UNITY_PFS",
        UnityFirewall = 28680 => "UNITY_FW_TYPE",
        UnityBackupServers = 28681 => "UNITY_BACKUP_SERVERS",
        UnityDdnsHostname = 28682 => "UNITY_DDNS_HOSTNAME",
    }
}

/// An Attributes payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPayload {
    /// What it does.
    pub kind: ConfigType,
    /// Pairs an answer with its question.
    pub identifier: u16,
    /// The attributes, in order; at most [`MAX_ATTRIBUTES`].
    pub attributes: Vec<Attribute>,
}

impl ConfigAttribute {
    /// The attribute with octets as its value; none ask for one.
    pub fn with_octets(self, value: impl Into<Vec<u8>>) -> Attribute {
        Attribute::Long { kind: self.code(), value: value.into() }
    }

    /// The attribute with a short number as its value.
    pub const fn with_number(self, value: u16) -> Attribute {
        Attribute::Short { kind: self.code(), value }
    }
}

impl ConfigPayload {
    /// The first attribute of a type.
    pub fn attribute(&self, kind: ConfigAttribute) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.kind() == kind.code())
    }

    /// The octets of an attribute; `None` where it is absent or short.
    pub fn octets(&self, kind: ConfigAttribute) -> Option<&[u8]> {
        match self.attribute(kind)? {
            Attribute::Long { value, .. } => Some(value),
            Attribute::Short { .. } => None,
        }
    }

    /// The IPv4 addresses of all attributes of a type that have one.
    pub fn ipv4_addresses(&self, kind: ConfigAttribute) -> impl Iterator<Item = Ipv4Addr> {
        let of_kind = move |attribute: &&Attribute| attribute.kind() == kind.code();
        self.attributes.iter().filter(of_kind).filter_map(|attribute| match attribute {
            Attribute::Long { value, .. } => <[u8; 4]>::try_from(value.as_slice()).ok().map(Ipv4Addr::from),
            Attribute::Short { .. } => None,
        })
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = ConfigType::from_code(reader.u8("configuration type")?);
        let _reserved = reader.u8("reserved octet")?;
        let identifier = reader.u16("identifier")?;
        Ok(Self { kind, identifier, attributes: decode_list(reader)? })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        assert!(self.attributes.len() <= MAX_ATTRIBUTES, "at most {MAX_ATTRIBUTES} attributes");
        writer.u8(self.kind.code());
        writer.u8(0);
        writer.u16(self.identifier);
        self.attributes.iter().for_each(|attribute| attribute.encode(writer));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn a_login_is_asked_for_with_empty_attributes() {
        let attributes = vec![
            ConfigAttribute::XauthUserName.with_octets([]),
            ConfigAttribute::XauthUserPassword.with_octets([]),
        ];
        let payload = ConfigPayload { kind: ConfigType::Request, identifier: 0, attributes };
        assert_eq!(payload.octets(ConfigAttribute::XauthUserName), Some(&[][..]));
        check_bytes(&Payload::Config(payload), &[1, 0, 0, 0, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0]);
    }

    #[test]
    fn the_outcome_of_a_login_is_a_short_attribute() {
        let attributes = vec![ConfigAttribute::XauthStatus.with_number(1)];
        let payload = ConfigPayload { kind: ConfigType::Set, identifier: 7, attributes };
        let status = payload.attribute(ConfigAttribute::XauthStatus).and_then(Attribute::number);
        assert_eq!((status, payload.octets(ConfigAttribute::XauthStatus)), (Some(1), None));
        check_bytes(&Payload::Config(payload), &[3, 0, 0, 7, 0xc0, 0x8f, 0, 1]);
    }

    #[test]
    fn addresses_are_read_where_they_are_whole() {
        let attributes = vec![
            ConfigAttribute::Ip4Dns.with_octets([10, 0, 0, 1]),
            ConfigAttribute::Ip4Dns.with_octets([]),
            ConfigAttribute::Ip4Address.with_octets([10, 0, 0, 9]),
            ConfigAttribute::Ip4Dns.with_octets([10, 0, 0, 2]),
        ];
        let payload = ConfigPayload { kind: ConfigType::Reply, identifier: 0, attributes };
        let servers: Vec<_> = payload.ipv4_addresses(ConfigAttribute::Ip4Dns).collect();
        assert_eq!(servers, [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
    }

    #[test]
    fn a_value_cannot_reach_past_the_payload_and_attributes_are_bounded() {
        let kind = PayloadType::Configuration;
        check_error(kind, &[1, 0, 0, 0, 0, 1, 0, 4, 1], "attribute value needs 4 bytes, 1 remain");
        let many = [&[1, 0, 0, 0][..], &[0x80, 1, 0, 0].repeat(MAX_ATTRIBUTES + 1)].concat();
        check_error(kind, &many, "more than 32 attributes");
    }

    proptest! {
        #[test]
        fn any_attributes_survive(
            kind: u8,
            identifier: u16,
            values in vec((0_u16..0x8000, octets(0..9)), 0..5),
        ) {
            let attributes = values
                .into_iter()
                .map(|(kind, value)| Attribute::Long { kind, value })
                .collect();
            let kind = ConfigType::from_code(kind);
            check_round_trip(&Payload::Config(ConfigPayload { kind, identifier, attributes }));
        }
    }
}
