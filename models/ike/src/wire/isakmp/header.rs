//! The ISAKMP header (RFC 2408 §3.1).
//!
//! It has the size and the places of IKEv2's, but the two numbers in front are cookies, a message ID is a random tag of
//! one exchange instead of a count, and the flags are others; hence types of their own. [`Header`] is what stands on
//! the wire, of any version, so that an endpoint can answer what it cannot decode; [`MessageHeader`] is the part that
//! somebody chooses.

use core::fmt;

use super::payload::PayloadType;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Part};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 28;

const FLAG_ENCRYPTION: u8 = 0x01;
const FLAG_COMMIT: u8 = 0x02;
const FLAG_AUTHENTICATION: u8 = 0x04;

/// One side's half of the name of an ISAKMP SA; zero while the responder has not chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(u64);

impl Cookie {
    /// Octets on the wire.
    pub const LEN: usize = 8;
    /// "Not chosen yet".
    pub const ZERO: Self = Self(0);

    /// The cookie with this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// As it stands on the wire and enters key derivation.
    pub const fn octets(self) -> [u8; Self::LEN] {
        self.0.to_be_bytes()
    }

    /// Whether it stands for "not chosen yet".
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Both cookies: the name of an ISAKMP SA, and its SPI in Notify and Delete payloads (RFC 2408 §3.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookies {
    /// The initiator's.
    pub initiator: Cookie,
    /// The responder's.
    pub responder: Cookie,
}

impl Cookies {
    /// Octets on the wire.
    pub const LEN: usize = 2 * Cookie::LEN;

    /// `CKY-I | CKY-R`.
    pub fn octets(self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        octets[..Cookie::LEN].copy_from_slice(&self.initiator.octets());
        octets[Cookie::LEN..].copy_from_slice(&self.responder.octets());
        octets
    }

    /// The cookies in an SPI of 16 octets; `None` for other lengths.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (initiator, responder) = octets.split_first_chunk::<{ Cookie::LEN }>()?;
        let responder: [u8; Cookie::LEN] = responder.try_into().ok()?;
        let cookie = |octets: [u8; Cookie::LEN]| Cookie(u64::from_be_bytes(octets));
        Some(Self { initiator: cookie(*initiator), responder: cookie(responder) })
    }
}

/// The tag of one exchange under an ISAKMP SA; zero in phase 1 (RFC 2408 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u32);

impl MessageId {
    /// That of phase 1.
    pub const ZERO: Self = Self(0);

    /// The message ID with this value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// As it stands on the wire and enters hashes.
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// Whether it is that of phase 1.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

code_points! {
    /// What a message is for (RFC 2408 §3.1, RFC 2409 §5.5, §5.6, draft-ietf-ipsec-isakmp-mode-cfg §3.1).
    ExchangeType: u8 {
        Base = 1 => "BASE",
        IdentityProtection = 2 => "ID_PROT",
        AuthenticationOnly = 3 => "AUTH_ONLY",
        Aggressive = 4 => "AGGRESSIVE",
        Informational = 5 => "INFORMATIONAL_V1",
        Transaction = 6 => "TRANSACTION",
        QuickMode = 32 => "QUICK_MODE",
        NewGroup = 33 => "NEW_GROUP_MODE",
    }
}

/// The flags octet (RFC 2408 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// What follows the header is encrypted.
    pub encryption: bool,
    /// The sender wants a confirmation before the SA is used (§3.1; nobody here sets it).
    pub commit: bool,
    /// The message is authenticated but not encrypted: only Informational exchanges may have it.
    pub authentication: bool,
    reserved: u8,
}

impl Flags {
    /// None: a message in the clear.
    pub const CLEAR: Self = Self { encryption: false, commit: false, authentication: false, reserved: 0 };
    /// An encrypted message.
    pub const ENCRYPTED: Self = Self { encryption: true, ..Self::CLEAR };

    /// The same for a message that is encrypted.
    #[must_use]
    pub const fn with_encryption(self) -> Self {
        Self { encryption: true, ..self }
    }

    /// The flags in an octet; reserved bits are kept.
    pub const fn from_octet(octet: u8) -> Self {
        Self {
            encryption: octet & FLAG_ENCRYPTION != 0,
            commit: octet & FLAG_COMMIT != 0,
            authentication: octet & FLAG_AUTHENTICATION != 0,
            reserved: octet & !(FLAG_ENCRYPTION | FLAG_COMMIT | FLAG_AUTHENTICATION),
        }
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        let encryption = if self.encryption { FLAG_ENCRYPTION } else { 0 };
        let commit = if self.commit { FLAG_COMMIT } else { 0 };
        let authentication = if self.authentication { FLAG_AUTHENTICATION } else { 0 };
        encryption | commit | authentication | self.reserved
    }
}

/// A version with major number 1; the minor number is kept and not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    minor: u8,
}

impl Version {
    /// ISAKMP as it is spoken.
    pub const V1_0: Self = Self { minor: 0 };
    /// The only major version here.
    pub const MAJOR: u8 = 1;

    /// The minor number, 0 to 15.
    pub const fn minor(self) -> u8 {
        self.minor
    }
}

/// The fixed header as it stands on the wire, of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The initiator's and the responder's cookie; the latter zero in the first message.
    pub cookies: Cookies,
    /// The type of the first payload, also where it is encrypted.
    pub next_payload: PayloadType,
    /// Major version, 0 to 15.
    pub major: u8,
    /// Minor version, 0 to 15.
    pub minor: u8,
    /// The exchange.
    pub exchange: ExchangeType,
    /// The flags.
    pub flags: Flags,
    /// The message ID.
    pub message_id: MessageId,
    /// Octets of the whole message, header and padding included.
    pub length: u32,
}

impl Header {
    /// Reads the header at the start of a message. Neither the version nor the length is judged.
    ///
    /// # Errors
    /// When there are fewer than [`HEADER_LEN`] octets.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes, Part::IsakmpHeader, 0))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let initiator = Cookie(reader.u64("initiator cookie")?);
        let responder = Cookie(reader.u64("responder cookie")?);
        let next_payload = PayloadType::from_code(reader.u8("next payload")?);
        let version = reader.u8("version")?;
        Ok(Self {
            cookies: Cookies { initiator, responder },
            next_payload,
            major: version >> 4,
            minor: version & 0x0f,
            exchange: ExchangeType::from_code(reader.u8("exchange type")?),
            flags: Flags::from_octet(reader.u8("flags")?),
            message_id: MessageId(reader.u32("message ID")?),
            length: reader.u32("length")?,
        })
    }

    /// Appends the header.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.cookies.octets());
        writer.u8(self.next_payload.code());
        writer.u8(self.major << 4 | self.minor & 0x0f);
        writer.u8(self.exchange.code());
        writer.u8(self.flags.octet());
        writer.u32(self.message_id.0);
        writer.u32(self.length);
    }

    /// The chosen part of the header.
    ///
    /// # Errors
    /// When the major version is not 1.
    pub fn message_header(&self) -> Result<MessageHeader, DecodeError> {
        if self.major != Version::MAJOR {
            return Err(DecodeError::UnsupportedVersion { major: self.major });
        }
        Ok(MessageHeader {
            cookies: self.cookies,
            exchange: self.exchange,
            flags: self.flags,
            message_id: self.message_id,
            version: Version { minor: self.minor },
        })
    }
}

/// The header of an `IKEv1` message but for what follows from its payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHeader {
    /// The initiator's and the responder's cookie; the latter zero in the first message.
    pub cookies: Cookies,
    /// The exchange.
    pub exchange: ExchangeType,
    /// The flags.
    pub flags: Flags,
    /// The message ID.
    pub message_id: MessageId,
    /// The version, [`Version::V1_0`] in what we send.
    pub version: Version,
}

impl MessageHeader {
    /// The header on the wire, in front of payloads that begin with `next_payload`; the length is filled in when the
    /// payloads are written.
    pub(crate) fn with_payloads(&self, next_payload: PayloadType) -> Header {
        Header {
            cookies: self.cookies,
            next_payload,
            major: Version::MAJOR,
            minor: self.version.minor,
            exchange: self.exchange,
            flags: self.flags,
            message_id: self.message_id,
            length: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first Quick Mode message of a real exchange.
    const BYTES: [u8; HEADER_LEN] = [
        0x83, 0x57, 0x5a, 0x58, 0xea, 0x2e, 0x9c, 0x3d, 0x36, 0xe8, 0x24, 0x98, 0x91, 0x60, 0x5b, 0xca, 8,
        0x10, 32, 1, 0xb0, 0xd7, 0x26, 0x46, 0, 0, 1, 0x3c,
    ];

    fn encode(header: &Header) -> Vec<u8> {
        let mut writer = Writer::new();
        header.encode(&mut writer);
        writer.into_vec()
    }

    #[test]
    fn the_fields_stand_where_the_rfc_has_them() {
        let header = Header::decode(&BYTES).unwrap();
        let cookies = Cookies {
            initiator: Cookie::new(0x8357_5a58_ea2e_9c3d),
            responder: Cookie::new(0x36e8_2498_9160_5bca),
        };
        assert_eq!((header.cookies, header.next_payload), (cookies, PayloadType::Hash));
        assert_eq!((header.major, header.minor, header.length), (1, 0, 316));
        assert_eq!((header.exchange, header.flags), (ExchangeType::QuickMode, Flags::ENCRYPTED));
        assert_eq!(header.message_id.to_string(), "b0d72646");
        assert_eq!(encode(&header), BYTES);
    }

    #[test]
    fn headers_of_other_versions_can_be_read_but_are_not_messages() {
        let mut bytes = BYTES;
        bytes[17] = 0x20;
        let header = Header::decode(&bytes).unwrap();
        assert_eq!(header.message_header(), Err(DecodeError::UnsupportedVersion { major: 2 }));
        bytes[17] = 0x15;
        assert_eq!(Header::decode(&bytes).unwrap().message_header().unwrap().version.minor(), 5);
    }

    #[test]
    fn a_short_header_is_malformed() {
        let error = Header::decode(&BYTES[..27]).unwrap_err().to_string();
        assert_eq!(error, "ISAKMP header at byte 0: length needs 4 bytes, 3 remain");
    }

    #[test]
    fn both_cookies_are_the_spi_of_an_isakmp_sa() {
        let cookies = Header::decode(&BYTES).unwrap().cookies;
        assert_eq!(cookies.octets(), BYTES[..16]);
        assert_eq!(Cookies::from_octets(&BYTES[..16]), Some(cookies));
        assert_eq!(Cookies::from_octets(&BYTES[..15]), None);
        assert_eq!(cookies.initiator.to_string(), "83575a58ea2e9c3d");
        assert!(Cookie::ZERO.is_zero() && MessageId::ZERO.is_zero() && !cookies.responder.is_zero());
    }

    #[test]
    fn flags_are_three_bits_and_the_rest_is_kept() {
        assert_eq!((Flags::CLEAR.octet(), Flags::ENCRYPTED.octet()), (0, 1));
        let flags = Flags::from_octet(0xf6);
        assert!(!flags.encryption && flags.commit && flags.authentication);
        assert_eq!(flags.octet(), 0xf6);
    }

    proptest! {
        #[test]
        fn any_28_octets_survive(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(encode(&Header::decode(&bytes).unwrap()), bytes);
        }
    }
}
