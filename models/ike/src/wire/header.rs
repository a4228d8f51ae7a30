//! The fixed header (RFC 7296 §3.1, figure 4).
//!
//! [`Header`] is what stands on the wire and can be read from a message of any version, so that an endpoint can answer
//! what it cannot decode. [`MessageHeader`] is the part that somebody chooses; the rest follows from the payloads.

use core::fmt;

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Part};
use super::payload::PayloadType;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 28;

/// Where the header's length field stands.
pub(crate) const LENGTH_AT: usize = 24;

const FLAG_INITIATOR: u8 = 0x08;
const FLAG_VERSION: u8 = 0x10;
const FLAG_RESPONSE: u8 = 0x20;

/// The SPI that one side chose for an IKE SA; zero while the responder has not chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSpi(u64);

impl IkeSpi {
    /// "Not chosen yet".
    pub const ZERO: Self = Self(0);

    /// The SPI with this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether it stands for "not chosen yet".
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The number of an exchange within an IKE SA (RFC 7296 §2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u32);

impl MessageId {
    /// The message ID with this value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The ID of the exchange after this one.
    ///
    /// # Panics
    /// After 2³² - 1 exchanges: the IKE SA had to be closed before (RFC 7296 §2.2).
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("an IKE SA is replaced before its message IDs run out"))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

code_points! {
    /// What a message is for (RFC 7296 §3.1).
    ExchangeType: u8 {
        IkeSaInit = 34 => "IKE_SA_INIT",
        IkeAuth = 35 => "IKE_AUTH",
        CreateChildSa = 36 => "CREATE_CHILD_SA",
        Informational = 37 => "INFORMATIONAL",
    }
}

/// The flags octet (RFC 7296 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The sender is the original initiator of the IKE SA.
    pub initiator: bool,
    /// The message is a response.
    pub response: bool,
    /// The sender speaks a higher major version; to be ignored.
    pub version: bool,
    reserved: u8,
}

impl Flags {
    /// A request from the original initiator, or from the original responder.
    pub const fn request(initiator: bool) -> Self {
        Self { initiator, response: false, version: false, reserved: 0 }
    }

    /// A response from the original initiator, or from the original responder.
    pub const fn response(initiator: bool) -> Self {
        Self { initiator, response: true, version: false, reserved: 0 }
    }

    /// The flags in an octet; reserved bits are kept.
    pub const fn from_octet(octet: u8) -> Self {
        Self {
            initiator: octet & FLAG_INITIATOR != 0,
            response: octet & FLAG_RESPONSE != 0,
            version: octet & FLAG_VERSION != 0,
            reserved: octet & !(FLAG_INITIATOR | FLAG_RESPONSE | FLAG_VERSION),
        }
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        let initiator = if self.initiator { FLAG_INITIATOR } else { 0 };
        let response = if self.response { FLAG_RESPONSE } else { 0 };
        let version = if self.version { FLAG_VERSION } else { 0 };
        initiator | response | version | self.reserved
    }
}

/// A version with major number 2; the minor number is ignored on receipt (RFC 7296 §2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    minor: u8,
}

impl Version {
    /// IKEv2 as it is spoken.
    pub const V2_0: Self = Self { minor: 0 };
    /// The only major version here.
    pub const MAJOR: u8 = 2;

    /// The minor number, 0 to 15.
    pub const fn minor(self) -> u8 {
        self.minor
    }
}

/// The fixed header as it stands on the wire, of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The original initiator's SPI.
    pub spi_i: IkeSpi,
    /// The original responder's SPI, zero in the first request.
    pub spi_r: IkeSpi,
    /// The type of the first payload.
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
    /// Octets of the whole message, header included.
    pub length: u32,
}

impl Header {
    /// Reads the header at the start of a message. Neither the version nor the length is judged.
    ///
    /// # Errors
    /// When there are fewer than [`HEADER_LEN`] octets.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes, Part::Header, 0))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let spi_i = IkeSpi(reader.u64("initiator SPI")?);
        let spi_r = IkeSpi(reader.u64("responder SPI")?);
        let next_payload = PayloadType::from_code(reader.u8("next payload")?);
        let version = reader.u8("version")?;
        Ok(Self {
            spi_i,
            spi_r,
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
        writer.u64(self.spi_i.0);
        writer.u64(self.spi_r.0);
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
    /// When the major version is not 2.
    pub fn message_header(&self) -> Result<MessageHeader, DecodeError> {
        if self.major != Version::MAJOR {
            return Err(DecodeError::UnsupportedVersion { major: self.major });
        }
        Ok(MessageHeader {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            exchange: self.exchange,
            flags: self.flags,
            message_id: self.message_id,
            version: Version { minor: self.minor },
        })
    }
}

/// The header of an IKEv2 message but for what follows from its payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHeader {
    /// The original initiator's SPI.
    pub spi_i: IkeSpi,
    /// The original responder's SPI, zero in the first request.
    pub spi_r: IkeSpi,
    /// The exchange.
    pub exchange: ExchangeType,
    /// The flags.
    pub flags: Flags,
    /// The message ID.
    pub message_id: MessageId,
    /// The version, [`Version::V2_0`] in what we send.
    pub version: Version,
}

impl MessageHeader {
    /// The header on the wire, in front of payloads that begin with `next_payload`; the length is filled in when the
    /// payloads are written.
    pub(crate) fn with_payloads(&self, next_payload: PayloadType) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
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
