//! What is inside notifications whose data has a form, built and read.
//!
//! Each reader looks at one type of notification and gives `None` for any other type and for data of the wrong length:
//! RFC 7296 §3.10.1 asks to ignore status notifications that make no sense, so a bad one is as good as a missing one.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::buffer::Writer;
use super::notify::{NotifyPayload, NotifyType};
use super::sa::ProtocolId;

/// Octets of a cookie (RFC 7296 §2.6): 1 to 64.
const MAX_COOKIE_LEN: usize = 64;

const GATEWAY_IPV4: u8 = 1;
const GATEWAY_IPV6: u8 = 2;
const GATEWAY_FQDN: u8 = 3;

code_points! {
    /// Hash functions for signatures (RFC 7427 §4, RFC 8420, RFC 9385).
    HashAlgorithm: u16 {
        Sha1 = 1 => "SHA1",
        Sha2_256 = 2 => "SHA2_256",
        Sha2_384 = 3 => "SHA2_384",
        Sha2_512 = 4 => "SHA2_512",
        Identity = 5 => "IDENTITY",
        Streebog256 = 6 => "STREEBOG_256",
        Streebog512 = 7 => "STREEBOG_512",
    }
}

/// The gateway that a redirection names (RFC 5685 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectGateway {
    /// By its address.
    Address(IpAddr),
    /// By its domain name, at most 255 octets.
    Fqdn(Vec<u8>),
}

/// Notifications to send.
impl NotifyPayload {
    /// `REKEY_SA`: the Child SA that a `CREATE_CHILD_SA` request replaces, by the SPI that the sender receives with.
    pub fn rekey_sa(protocol: ProtocolId, spi: [u8; 4]) -> Self {
        let spi = spi.to_vec();
        Self { protocol: Some(protocol), spi, kind: NotifyType::RekeySa, data: Vec::new() }
    }

    /// `CHILD_SA_NOT_FOUND`: there is no Child SA of this SPI, which is repeated from the request.
    pub fn child_sa_not_found(protocol: ProtocolId, spi: [u8; 4]) -> Self {
        Self { kind: NotifyType::ChildSaNotFound, ..Self::rekey_sa(protocol, spi) }
    }

    /// `COOKIE` (RFC 7296 §2.6).
    ///
    /// # Panics
    /// When the cookie has not 1 to 64 octets.
    pub fn cookie(cookie: impl Into<Vec<u8>>) -> Self {
        let cookie = cookie.into();
        assert!((1..=MAX_COOKIE_LEN).contains(&cookie.len()), "a cookie has 1 to {MAX_COOKIE_LEN} octets");
        Self::new(NotifyType::Cookie, cookie)
    }

    /// `SET_WINDOW_SIZE`: how many requests the sender takes at a time, at least 1 (RFC 7296 §2.3).
    pub fn set_window_size(requests: u32) -> Self {
        Self::new(NotifyType::SetWindowSize, requests.to_be_bytes().to_vec())
    }

    /// `SIGNATURE_HASH_ALGORITHMS`, most wanted first (RFC 7427 §4).
    pub fn signature_hash_algorithms(algorithms: &[HashAlgorithm]) -> Self {
        let data = algorithms.iter().flat_map(|algorithm| algorithm.code().to_be_bytes()).collect();
        Self::new(NotifyType::SignatureHashAlgorithms, data)
    }

    /// `ADDITIONAL_IP4_ADDRESS` or `ADDITIONAL_IP6_ADDRESS` (RFC 4555 §4.2).
    pub fn additional_address(address: IpAddr) -> Self {
        let kind = match address {
            IpAddr::V4(_) => NotifyType::AdditionalIp4Address,
            IpAddr::V6(_) => NotifyType::AdditionalIp6Address,
        };
        Self::new(kind, ip_octets(address))
    }

    /// `AUTH_LIFETIME`: seconds until the sender wants a new authentication (RFC 4478 §3).
    pub fn auth_lifetime(seconds: u32) -> Self {
        Self::new(NotifyType::AuthLifetime, seconds.to_be_bytes().to_vec())
    }

    /// `INVALID_KE_PAYLOAD`: the transform ID of the key exchange method that the sender wants instead.
    pub fn invalid_ke_payload(method: u16) -> Self {
        Self::new(NotifyType::InvalidKePayload, method.to_be_bytes().to_vec())
    }

    /// `UNSUPPORTED_CRITICAL_PAYLOAD`: the type of the payload that is not known (RFC 7296 §2.5).
    pub fn unsupported_critical_payload(kind: u8) -> Self {
        Self::new(NotifyType::UnsupportedCriticalPayload, vec![kind])
    }

    /// `REDIRECT`: the gateway to go to, with the nonce of the `IKE_SA_INIT` request that is answered, if it is one
    /// (RFC 5685 §7.2).
    ///
    /// # Panics
    /// When the gateway's name has more than 255 octets.
    pub fn redirect(gateway: &RedirectGateway, nonce: &[u8]) -> Self {
        let mut writer = Writer::new();
        let (kind, identity) = match gateway {
            RedirectGateway::Address(address @ IpAddr::V4(_)) => (GATEWAY_IPV4, ip_octets(*address)),
            RedirectGateway::Address(address @ IpAddr::V6(_)) => (GATEWAY_IPV6, ip_octets(*address)),
            RedirectGateway::Fqdn(name) => (GATEWAY_FQDN, name.clone()),
        };
        writer.u8(kind);
        writer.count_u8(identity.len());
        writer.bytes(&identity);
        writer.bytes(nonce);
        Self::new(NotifyType::Redirect, writer.into_vec())
    }
}

/// Notifications received.
impl NotifyPayload {
    /// Protocol and SPI of the Child SA that a `REKEY_SA` or `CHILD_SA_NOT_FOUND` is about; `None` without a four-octet
    /// SPI of ESP or AH.
    pub fn child_sa(&self) -> Option<(ProtocolId, [u8; 4])> {
        let about_child = matches!(self.kind, NotifyType::RekeySa | NotifyType::ChildSaNotFound);
        let protocol = self.protocol.filter(|it| matches!(it, ProtocolId::Ah | ProtocolId::Esp))?;
        let spi = self.spi.as_slice().try_into().ok()?;
        about_child.then_some((protocol, spi))
    }

    /// The cookie of a `COOKIE`: 1 to 64 octets.
    pub fn as_cookie(&self) -> Option<&[u8]> {
        self.data_of(NotifyType::Cookie).filter(|cookie| (1..=MAX_COOKIE_LEN).contains(&cookie.len()))
    }

    /// The window of a `SET_WINDOW_SIZE`: at least 1 request.
    pub fn window_size(&self) -> Option<u32> {
        self.array_of(NotifyType::SetWindowSize).map(u32::from_be_bytes).filter(|&requests| requests > 0)
    }

    /// The hash functions of a `SIGNATURE_HASH_ALGORITHMS`, in order.
    pub fn hash_algorithms(&self) -> Option<impl Iterator<Item = HashAlgorithm>> {
        let (codes, rest) = self.data_of(NotifyType::SignatureHashAlgorithms)?.as_chunks();
        let algorithms = codes.iter().map(|&code| HashAlgorithm::from_code(u16::from_be_bytes(code)));
        rest.is_empty().then_some(algorithms)
    }

    /// The address of an `ADDITIONAL_IP4_ADDRESS` or `ADDITIONAL_IP6_ADDRESS`.
    pub fn as_additional_address(&self) -> Option<IpAddr> {
        match self.kind {
            NotifyType::AdditionalIp4Address => v4_address(&self.data),
            NotifyType::AdditionalIp6Address => v6_address(&self.data),
            _ => None,
        }
    }

    /// The seconds of an `AUTH_LIFETIME`.
    pub fn as_auth_lifetime(&self) -> Option<u32> {
        self.array_of(NotifyType::AuthLifetime).map(u32::from_be_bytes)
    }

    /// The key exchange method that an `INVALID_KE_PAYLOAD` asks for.
    pub fn wanted_method(&self) -> Option<u16> {
        self.array_of(NotifyType::InvalidKePayload).map(u16::from_be_bytes)
    }

    /// The payload type of an `UNSUPPORTED_CRITICAL_PAYLOAD`.
    pub fn unsupported_payload(&self) -> Option<u8> {
        self.array_of(NotifyType::UnsupportedCriticalPayload).map(u8::from_be_bytes)
    }

    /// The gateway and the nonce of a `REDIRECT`.
    pub fn as_redirect(&self) -> Option<(RedirectGateway, &[u8])> {
        let (&[kind, len], rest) = self.data_of(NotifyType::Redirect)?.split_first_chunk()?;
        let (identity, nonce) = rest.split_at_checked(usize::from(len))?;
        let gateway = match kind {
            GATEWAY_IPV4 => RedirectGateway::Address(v4_address(identity)?),
            GATEWAY_IPV6 => RedirectGateway::Address(v6_address(identity)?),
            GATEWAY_FQDN => RedirectGateway::Fqdn(identity.to_vec()),
            _ => return None,
        };
        Some((gateway, nonce))
    }

    fn data_of(&self, kind: NotifyType) -> Option<&[u8]> {
        (self.kind == kind).then_some(self.data.as_slice())
    }

    fn array_of<const N: usize>(&self, kind: NotifyType) -> Option<[u8; N]> {
        self.data_of(kind)?.try_into().ok()
    }
}

fn ip_octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn v4_address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into())
}

fn v6_address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Payload;
    use crate::wire::testing::{check_bytes, octets};

    fn hashes(notify: &NotifyPayload) -> Option<Vec<HashAlgorithm>> {
        notify.hash_algorithms().map(Iterator::collect)
    }

    #[test]
    fn what_is_built_has_the_bytes_of_the_rfcs() {
        let algorithms = [HashAlgorithm::Sha2_256, HashAlgorithm::Identity];
        let gateway = RedirectGateway::Fqdn(b"b.example".to_vec());
        let cases: [(NotifyPayload, &[u8]); 9] = [
            (NotifyPayload::rekey_sa(ProtocolId::Esp, [1, 2, 3, 4]), &[3, 4, 0x40, 9, 1, 2, 3, 4]),
            (NotifyPayload::child_sa_not_found(ProtocolId::Ah, [1; 4]), &[2, 4, 0, 44, 1, 1, 1, 1]),
            (NotifyPayload::set_window_size(5), &[0, 0, 0x40, 1, 0, 0, 0, 5]),
            (NotifyPayload::signature_hash_algorithms(&algorithms), &[0, 0, 0x40, 0x2f, 0, 2, 0, 5]),
            (NotifyPayload::additional_address([192, 0, 2, 1].into()), &[0, 0, 0x40, 13, 192, 0, 2, 1]),
            (NotifyPayload::auth_lifetime(3600), &[0, 0, 0x40, 19, 0, 0, 14, 16]),
            (NotifyPayload::invalid_ke_payload(31), &[0, 0, 0, 17, 0, 31]),
            (NotifyPayload::unsupported_critical_payload(200), &[0, 0, 0, 1, 200]),
            (NotifyPayload::redirect(&gateway, &[7, 7]), b"\0\0\x40\x17\x03\x09b.example\x07\x07"),
        ];
        for (notify, bytes) in cases {
            check_bytes(&Payload::Notify(notify), bytes);
        }
    }

    #[test]
    fn what_is_built_is_read_back() {
        let cookie = NotifyPayload::cookie([9; 24]);
        assert_eq!(cookie.as_cookie(), Some([9; 24].as_slice()));
        let rekey = NotifyPayload::rekey_sa(ProtocolId::Esp, [1, 2, 3, 4]);
        assert_eq!(rekey.child_sa(), Some((ProtocolId::Esp, [1, 2, 3, 4])));
        assert_eq!(NotifyPayload::set_window_size(5).window_size(), Some(5));
        assert_eq!(NotifyPayload::auth_lifetime(7).as_auth_lifetime(), Some(7));
        assert_eq!(NotifyPayload::invalid_ke_payload(31).wanted_method(), Some(31));
        assert_eq!(NotifyPayload::unsupported_critical_payload(200).unsupported_payload(), Some(200));
        for address in [[192, 0, 2, 1].into(), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            assert_eq!(NotifyPayload::additional_address(address).as_additional_address(), Some(address));
            let gateway = RedirectGateway::Address(address);
            let redirect = NotifyPayload::redirect(&gateway, &[1; 16]);
            assert_eq!(redirect.as_redirect(), Some((gateway, [1; 16].as_slice())));
        }
        let algorithms = [2, 3, 4, 5, 9].map(HashAlgorithm::from_code);
        let notify = NotifyPayload::signature_hash_algorithms(&algorithms);
        assert_eq!(hashes(&notify), Some(algorithms.to_vec()));
    }

    #[test]
    fn values_out_of_range_are_as_good_as_missing() {
        assert_eq!(NotifyPayload::set_window_size(0).window_size(), None);
        assert_eq!(NotifyPayload::new(NotifyType::Cookie, Vec::new()).as_cookie(), None);
        assert_eq!(NotifyPayload::new(NotifyType::Cookie, vec![0; 65]).as_cookie(), None);
        assert_eq!(NotifyPayload::rekey_sa(ProtocolId::Ike, [1; 4]).child_sa(), None);
        let odd = NotifyPayload::new(NotifyType::SignatureHashAlgorithms, vec![0, 2, 0]);
        assert_eq!(hashes(&odd), None);
    }

    #[test]
    #[should_panic(expected = "a cookie has 1 to 64 octets")]
    fn a_cookie_is_not_empty() {
        NotifyPayload::cookie([]);
    }

    proptest! {
        #[test]
        fn readers_answer_for_their_own_type_and_length_alone(
            kind in prop_oneof![any::<u16>(), Just(17), Just(16_397), Just(16_398), Just(16_403)],
            data in octets(0..20),
        ) {
            let notify = NotifyPayload::new(NotifyType::from_code(kind), data.clone());
            let is = |kind: NotifyType, len: usize| notify.kind == kind && data.len() == len;
            prop_assert_eq!(notify.as_auth_lifetime().is_some(), is(NotifyType::AuthLifetime, 4));
            prop_assert_eq!(notify.wanted_method().is_some(), is(NotifyType::InvalidKePayload, 2));
            let address =
                is(NotifyType::AdditionalIp4Address, 4) || is(NotifyType::AdditionalIp6Address, 16);
            prop_assert_eq!(notify.as_additional_address().is_some(), address);
            prop_assert!(notify.child_sa().is_none());
        }

        #[test]
        fn any_redirection_data_is_read_or_refused(kind in 0_u8..5, len in 0_u8..20, rest in octets(0..30)) {
            let data = [&[kind, len], rest.as_slice()].concat();
            let notify = NotifyPayload::new(NotifyType::Redirect, data);
            if let Some((gateway, nonce)) = notify.as_redirect() {
                prop_assert_eq!(NotifyPayload::redirect(&gateway, nonce), notify.clone());
            }
        }
    }
}
