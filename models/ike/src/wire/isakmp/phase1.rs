//! Attributes of phase 1 transforms and their values (RFC 2409 appendix A and IANA's "ipsec-registry").

code_points! {
    /// Types of phase 1 attributes (RFC 2409 appendix A).
    Phase1Attribute: u16 {
        Encryption = 1 => "ENC",
        Hash = 2 => "HASH",
        AuthMethod = 3 => "AUTH",
        Group = 4 => "GROUP",
        GroupType = 5 => "GROUP_TYPE",
        GroupPrime = 6 => "GROUP_PRIME",
        GroupGeneratorOne = 7 => "GROUP_GENERATOR_1",
        GroupGeneratorTwo = 8 => "GROUP_GENERATOR_2",
        GroupCurveA = 9 => "GROUP_CURVE_A",
        GroupCurveB = 10 => "GROUP_CURVE_B",
        LifeType = 11 => "LIFE_TYPE",
        LifeDuration = 12 => "LIFE_DURATION",
        Prf = 13 => "PRF",
        KeyLength = 14 => "KEY_LENGTH",
        FieldSize = 15 => "FIELD_SIZE",
        GroupOrder = 16 => "GROUP_ORDER",
    }
}

code_points! {
    /// Encryption algorithms of phase 1.
    Phase1Encryption: u16 {
        Des = 1 => "DES",
        Idea = 2 => "IDEA",
        Blowfish = 3 => "BLOWFISH",
        Rc5 = 4 => "RC5",
        TripleDes = 5 => "3DES",
        Cast = 6 => "CAST",
        AesCbc = 7 => "AES_CBC",
        Camellia = 8 => "CAMELLIA",
    }
}

code_points! {
    /// Hash algorithms of phase 1; their HMAC is the PRF where none is negotiated (RFC 2409 §4).
    Phase1Hash: u16 {
        Md5 = 1 => "MD5",
        Sha1 = 2 => "SHA1",
        Tiger = 3 => "TIGER",
        Sha2_256 = 4 => "SHA2_256",
        Sha2_384 = 5 => "SHA2_384",
        Sha2_512 = 6 => "SHA2_512",
    }
}

code_points! {
    /// Authentication methods of phase 1 (RFC 2409 appendix A, RFC 4754, draft-ietf-ipsec-isakmp-hybrid-auth,
    /// draft-ietf-ipsec-isakmp-xauth-06 §7.2). With XAUTH the method says which side is to log in.
    AuthMethod: u16 {
        Psk = 1 => "PSK",
        DssSignature = 2 => "DSS_SIG",
        RsaSignature = 3 => "RSA_SIG",
        RsaEncryption = 4 => "RSA_ENC",
        RsaRevisedEncryption = 5 => "RSA_REV_ENC",
        EcdsaSha2_256 = 9 => "ECDSA_256",
        EcdsaSha2_384 = 10 => "ECDSA_384",
        EcdsaSha2_512 = 11 => "ECDSA_521",
        HybridInitRsa = 64221 => "HYBRID_INIT_RSA",
        HybridRespRsa = 64222 => "HYBRID_RESP_RSA",
        XauthInitPsk = 65001 => "XAUTH_INIT_PSK",
        XauthRespPsk = 65002 => "XAUTH_RESP_PSK",
        XauthInitDss = 65003 => "XAUTH_INIT_DSS",
        XauthRespDss = 65004 => "XAUTH_RESP_DSS",
        XauthInitRsa = 65005 => "XAUTH_INIT_RSA",
        XauthRespRsa = 65006 => "XAUTH_RESP_RSA",
        XauthInitRsaEncryption = 65007 => "XAUTH_INIT_RSA_ENC",
        XauthRespRsaEncryption = 65008 => "XAUTH_RESP_RSA_ENC",
        XauthInitRsaRevised = 65009 => "XAUTH_INIT_RSA_REV",
        XauthRespRsaRevised = 65010 => "XAUTH_RESP_RSA_REV",
    }
}

code_points! {
    /// What a life duration counts, in either phase (RFC 2407 §4.5, RFC 2409 appendix A).
    LifeType: u16 {
        Seconds = 1 => "SECONDS",
        Kilobytes = 2 => "KILOBYTES",
    }
}
