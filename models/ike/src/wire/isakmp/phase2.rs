//! Attributes of phase 2 transforms and their values (RFC 2407 §4.5, RFC 3947 §5.1, RFC 4868, RFC 4304).

code_points! {
    /// Types of phase 2 attributes.
    Phase2Attribute: u16 {
        LifeType = 1 => "LIFE_TYPE",
        LifeDuration = 2 => "LIFE_DURATION",
        Group = 3 => "GROUP",
        EncapsulationMode = 4 => "MODE",
        AuthAlgorithm = 5 => "AUTH",
        KeyLength = 6 => "KEY_LENGTH",
        KeyRounds = 7 => "KEY_ROUNDS",
        CompressDictionary = 8 => "COMPRESS_DICTIONARY_SIZE",
        CompressPrivate = 9 => "COMPRESS_PRIVATE",
        EcnTunnel = 10 => "ECN_TUNNEL",
        ExtendedSequence = 11 => "EXT_SEQ",
        AuthKeyLength = 12 => "AUTH_KEY_LENGTH",
        SignatureEncoding = 13 => "SIG_ENCODING",
    }
}

code_points! {
    /// Encapsulation modes, with UDP where a NAT was found (RFC 3947 §5.1; the drafts before it had other numbers).
    EncapsulationMode: u16 {
        Tunnel = 1 => "TUNNEL",
        Transport = 2 => "TRANSPORT",
        UdpTunnel = 3 => "UDP_TUNNEL",
        UdpTransport = 4 => "UDP_TRANSPORT",
        UdpTunnelDraft = 61443 => "UDP_TUNNEL_DRAFT",
        UdpTransportDraft = 61444 => "UDP_TRANSPORT_DRAFT",
    }
}

impl EncapsulationMode {
    /// Whether packets travel in UDP.
    pub const fn is_udp(self) -> bool {
        matches!(self, Self::UdpTunnel | Self::UdpTransport | Self::UdpTunnelDraft | Self::UdpTransportDraft)
    }

    /// Whether it is one of the transport modes.
    pub const fn is_transport(self) -> bool {
        matches!(self, Self::Transport | Self::UdpTransport | Self::UdpTransportDraft)
    }
}

code_points! {
    /// Integrity algorithms of ESP and AH.
    AuthAlgorithm: u16 {
        HmacMd5 = 1 => "HMAC_MD5",
        HmacSha1 = 2 => "HMAC_SHA1",
        DesMac = 3 => "DES_MAC",
        Kpdk = 4 => "KPDK",
        HmacSha2_256 = 5 => "HMAC_SHA2_256",
        HmacSha2_384 = 6 => "HMAC_SHA2_384",
        HmacSha2_512 = 7 => "HMAC_SHA2_512",
        HmacRipemd = 8 => "HMAC_RIPEMD",
        AesXcbc = 9 => "AES_XCBC_MAC",
        SignatureRsa = 10 => "SIG_RSA",
        AesGmac128 = 11 => "AES_128_GMAC",
        AesGmac192 = 12 => "AES_192_GMAC",
        AesGmac256 = 13 => "AES_256_GMAC",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_tunnel_or_transport_with_or_without_udp() {
        let table = [(1, false, false), (2, false, true), (3, true, false), (4, true, true)];
        for (code, udp, transport) in table.into_iter().chain([(61_443, true, false), (61_444, true, true)]) {
            let mode = EncapsulationMode::from_code(code);
            assert_eq!((mode.is_udp(), mode.is_transport()), (udp, transport), "{mode}");
        }
    }
}
