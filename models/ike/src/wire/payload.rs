//! The payload chain: generic payload headers (RFC 7296 §3.2, figure 5) and the enum of all payloads.
//!
//! A payload's type stands in the header before it, so only the chain knows it; the payloads' own files see the body.

use core::fmt;

use super::auth::AuthPayload;
use super::buffer::{Reader, Writer};
use super::cert::CertPayload;
use super::certreq::CertReqPayload;
use super::cp::CpPayload;
use super::delete::DeletePayload;
use super::eap::EapPayload;
use super::error::{DecodeError, Fault, Item, Part};
use super::id::IdPayload;
use super::ke::KePayload;
use super::nonce::NoncePayload;
use super::notify::NotifyPayload;
use super::opaque::OpaquePayload;
use super::sa::SaPayload;
use super::sk::SkPayload;
use super::skf::SkfPayload;
use super::ts::TsPayload;
use super::vendor_id::VendorIdPayload;

/// Most payloads in one message or in one SK payload. Ours: real messages have fewer than 20, and a chain of empty
/// payloads costs memory out of proportion to its bytes.
pub const MAX_PAYLOADS: usize = 128;
/// Payloads that most messages stay under, to make room for.
const USUAL_PAYLOADS: usize = 8;

/// Octets of a generic payload header.
pub(crate) const PAYLOAD_HEADER_LEN: usize = 4;

const CRITICAL: u8 = 0x80;

code_points! {
    /// Payload types (RFC 7296 §3.2, RFC 7383).
    PayloadType: u8 {
        None = 0 => "none",
        Sa = 33 => "SA",
        KeyExchange = 34 => "KE",
        IdI = 35 => "IDi",
        IdR = 36 => "IDr",
        Certificate = 37 => "CERT",
        CertificateRequest = 38 => "CERTREQ",
        Auth = 39 => "AUTH",
        Nonce = 40 => "No",
        Notify = 41 => "N",
        Delete = 42 => "D",
        VendorId = 43 => "V",
        TsI = 44 => "TSi",
        TsR = 45 => "TSr",
        Encrypted = 46 => "SK",
        Configuration = 47 => "CP",
        Eap = 48 => "EAP",
        EncryptedFragment = 53 => "SKF",
    }
}

/// One payload of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security Association.
    Sa(SaPayload),
    /// Key Exchange.
    Ke(KePayload),
    /// Identification of the initiator.
    IdI(IdPayload),
    /// Identification of the responder.
    IdR(IdPayload),
    /// Certificate.
    Cert(CertPayload),
    /// Certificate Request.
    CertReq(CertReqPayload),
    /// Nonce.
    Nonce(NoncePayload),
    /// Notify.
    Notify(NotifyPayload),
    /// Delete.
    Delete(DeletePayload),
    /// Authentication.
    Auth(AuthPayload),
    /// Traffic selectors of the initiator's side.
    TsI(TsPayload),
    /// Traffic selectors of the responder's side.
    TsR(TsPayload),
    /// Vendor ID.
    VendorId(VendorIdPayload),
    /// Configuration.
    Cp(CpPayload),
    /// Extensible Authentication.
    Eap(EapPayload),
    /// Encrypted and Authenticated; the last payload where it occurs.
    Sk(SkPayload),
    /// Encrypted and Authenticated Fragment; the last payload where it occurs.
    Skf(SkfPayload),
    /// A payload of a type that has no codec here, as it came.
    Opaque(OpaquePayload),
}

impl Payload {
    /// The payload's type.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::Sa,
            Self::Ke(_) => PayloadType::KeyExchange,
            Self::IdI(_) => PayloadType::IdI,
            Self::IdR(_) => PayloadType::IdR,
            Self::Cert(_) => PayloadType::Certificate,
            Self::CertReq(_) => PayloadType::CertificateRequest,
            Self::Nonce(_) => PayloadType::Nonce,
            Self::Notify(_) => PayloadType::Notify,
            Self::Delete(_) => PayloadType::Delete,
            Self::Auth(_) => PayloadType::Auth,
            Self::TsI(_) => PayloadType::TsI,
            Self::TsR(_) => PayloadType::TsR,
            Self::VendorId(_) => PayloadType::VendorId,
            Self::Cp(_) => PayloadType::Configuration,
            Self::Eap(_) => PayloadType::Eap,
            Self::Sk(_) => PayloadType::Encrypted,
            Self::Skf(_) => PayloadType::EncryptedFragment,
            Self::Opaque(payload) => payload.kind(),
        }
    }

    /// Octets on the wire, generic header included.
    pub fn encoded_len(&self) -> usize {
        let mut writer = Writer::new();
        self.encode_body(&mut writer);
        PAYLOAD_HEADER_LEN + writer.len()
    }

    fn decode_body(
        kind: PayloadType,
        head: GenericHeader,
        body: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        Ok(match kind {
            PayloadType::Sa => Self::Sa(SaPayload::decode(body)?),
            PayloadType::KeyExchange => Self::Ke(KePayload::decode(body)?),
            PayloadType::IdI => Self::IdI(IdPayload::decode(body)?),
            PayloadType::IdR => Self::IdR(IdPayload::decode(body)?),
            PayloadType::Certificate => Self::Cert(CertPayload::decode(body)?),
            PayloadType::CertificateRequest => Self::CertReq(CertReqPayload::decode(body)?),
            PayloadType::Nonce => Self::Nonce(NoncePayload::decode(body)?),
            PayloadType::Notify => Self::Notify(NotifyPayload::decode(body)?),
            PayloadType::Delete => Self::Delete(DeletePayload::decode(body)?),
            PayloadType::Auth => Self::Auth(AuthPayload::decode(body)?),
            PayloadType::TsI => Self::TsI(TsPayload::decode(body)?),
            PayloadType::TsR => Self::TsR(TsPayload::decode(body)?),
            PayloadType::VendorId => Self::VendorId(VendorIdPayload::decode(body)),
            PayloadType::Encrypted => Self::Sk(SkPayload::decode(head.next, body)),
            PayloadType::EncryptedFragment => Self::Skf(SkfPayload::decode(head.next, body)?),
            PayloadType::Configuration => Self::Cp(CpPayload::decode(body)?),
            PayloadType::Eap => Self::Eap(EapPayload::decode(body)?),
            PayloadType::Unknown(kind) if head.critical => {
                return Err(DecodeError::UnsupportedCriticalPayload { kind });
            }
            PayloadType::None | PayloadType::Unknown(_) => {
                Self::Opaque(OpaquePayload::new(kind, body.rest().to_vec()))
            }
        })
    }

    fn encode_body(&self, writer: &mut Writer) {
        match self {
            Self::Sa(payload) => payload.encode(writer),
            Self::Ke(payload) => payload.encode(writer),
            Self::IdI(payload) | Self::IdR(payload) => payload.encode(writer),
            Self::Cert(payload) => payload.encode(writer),
            Self::CertReq(payload) => payload.encode(writer),
            Self::Nonce(payload) => payload.encode(writer),
            Self::Notify(payload) => payload.encode(writer),
            Self::Delete(payload) => payload.encode(writer),
            Self::Auth(payload) => payload.encode(writer),
            Self::TsI(payload) | Self::TsR(payload) => payload.encode(writer),
            Self::VendorId(payload) => payload.encode(writer),
            Self::Cp(payload) => payload.encode(writer),
            Self::Eap(payload) => payload.encode(writer),
            Self::Sk(payload) => payload.encode(writer),
            Self::Skf(payload) => payload.encode(writer),
            Self::Opaque(payload) => payload.encode(writer),
        }
    }

    /// For SK and SKF, whose "next payload" field speaks of what is inside: that type.
    fn first_inner(&self) -> Option<PayloadType> {
        match self {
            Self::Sk(payload) => Some(payload.first_inner),
            Self::Skf(payload) => Some(payload.first_inner),
            _ => None,
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notify(notify) => write!(f, "N({})", notify.kind),
            other => other.payload_type().fmt(f),
        }
    }
}

#[derive(Clone, Copy)]
struct GenericHeader {
    next: PayloadType,
    critical: bool,
    length: usize,
}

impl GenericHeader {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let next = PayloadType::from_code(reader.u8("next payload")?);
        let critical = reader.u8("critical bit")? & CRITICAL != 0;
        let length = usize::from(reader.u16("payload length")?);
        Ok(Self { next, critical, length })
    }
}

/// Whether an SK payload may occur in a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// The payloads of a message.
    Outer,
    /// The payloads within an SK payload.
    Inner,
}

/// Decodes a chain that begins with a payload of type `first`, to the end of the reader.
pub(crate) fn decode_chain(
    first: PayloadType,
    reader: &mut Reader<'_>,
    level: Level,
) -> Result<Vec<Payload>, DecodeError> {
    let mut payloads = Vec::with_capacity(USUAL_PAYLOADS);
    let mut kind = first;
    while kind != PayloadType::None {
        reader.enter(Part::Payload(kind));
        if payloads.len() == MAX_PAYLOADS {
            return Err(reader.fault(Fault::TooMany { what: "payloads", limit: MAX_PAYLOADS }));
        }
        let last = matches!(kind, PayloadType::Encrypted | PayloadType::EncryptedFragment);
        if last && level == Level::Inner {
            return Err(reader.fault(Fault::Value {
                field: "payload type within SK",
                value: usize::from(kind.code()),
                allowed: "any but 46 and 53",
            }));
        }
        let head = GenericHeader::read(reader)?;
        let mut body = reader.item(Item::only("payload"), head.length, PAYLOAD_HEADER_LEN)?;
        payloads.push(Payload::decode_body(kind, head, &mut body)?);
        body.finish("its last field")?;
        kind = if last { PayloadType::None } else { head.next };
    }
    reader.finish("the last payload")?;
    Ok(payloads)
}

/// The type of the first payload, for the header before the chain.
pub(crate) fn first_type(payloads: &[Payload]) -> PayloadType {
    payloads.first().map_or(PayloadType::None, Payload::payload_type)
}

/// Appends the chain.
///
/// # Panics
/// When there are more than [`MAX_PAYLOADS`], or an SK payload is not the last one.
pub(crate) fn encode_chain(payloads: &[Payload], writer: &mut Writer) {
    assert!(payloads.len() <= MAX_PAYLOADS, "a message has at most {MAX_PAYLOADS} payloads");
    let mut rest = payloads;
    while let [payload, after @ ..] = rest {
        let inner = payload.first_inner();
        assert!(inner.is_none() || after.is_empty(), "SK is the last payload (RFC 7296 §3.14)");
        encode_payload(payload, inner.unwrap_or_else(|| first_type(after)), writer);
        rest = after;
    }
}

fn encode_payload(payload: &Payload, next: PayloadType, writer: &mut Writer) {
    writer.measured(2, |writer| {
        writer.u8(next.code());
        writer.u8(0);
        writer.u16(0);
        payload.encode_body(writer);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::NotifyType;

    fn notify(kind: NotifyType) -> Payload {
        Payload::Notify(NotifyPayload::new(kind, Vec::new()))
    }

    fn decode(first: PayloadType, bytes: &[u8], level: Level) -> Result<Vec<Payload>, String> {
        let mut reader = Reader::new(bytes, Part::Header, 28);
        decode_chain(first, &mut reader, level).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_those_of_the_message_tables() {
        assert_eq!(notify(NotifyType::NatDetectionSourceIp).to_string(), "N(NAT_DETECTION_SOURCE_IP)");
        assert_eq!(Payload::Delete(DeletePayload::ike_sa()).to_string(), "D");
        let labels = [33, 34, 35, 36, 37, 38, 39, 40, 42, 43, 44, 45, 46, 47, 48, 53, 200]
            .map(|code| PayloadType::from_code(code).to_string());
        let expected = [
            "SA", "KE", "IDi", "IDr", "CERT", "CERTREQ", "AUTH", "No", "D", "V", "TSi", "TSr", "SK", "CP",
            "EAP", "SKF", "200",
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn errors_name_the_payload_and_where_it_starts() {
        let two = [41, 0, 0, 8, 0, 0, 0x40, 0, 0, 0, 0, 9, 0, 0, 0x40, 0];
        assert_eq!(
            decode(PayloadType::Notify, &two, Level::Outer),
            Err("N payload at byte 36: payload claims 9 bytes, 8 remain".to_owned())
        );
    }

    #[test]
    fn the_critical_bit_of_a_known_payload_is_ignored() {
        let bytes = [0, 0x80, 0, 8, 0, 0, 0x40, 0];
        assert_eq!(
            decode(PayloadType::Notify, &bytes, Level::Outer),
            Ok(vec![notify(NotifyType::InitialContact)])
        );
    }

    #[test]
    fn sk_does_not_nest() {
        let bytes = [0, 0, 0, 4];
        assert!(decode(PayloadType::Encrypted, &bytes, Level::Outer).is_ok());
        let error = decode(PayloadType::Encrypted, &bytes, Level::Inner).unwrap_err();
        assert!(error.contains("payload type within SK is 46"), "{error}");
        assert!(decode(PayloadType::EncryptedFragment, &bytes, Level::Inner).is_err());
    }

    #[test]
    fn a_chain_is_bounded() {
        let mut bytes = [43, 0, 0, 4].repeat(MAX_PAYLOADS);
        bytes[4 * MAX_PAYLOADS - 4] = 0;
        assert_eq!(decode(PayloadType::VendorId, &bytes, Level::Outer).unwrap().len(), MAX_PAYLOADS);
        bytes[4 * MAX_PAYLOADS - 4] = 43;
        bytes.extend([0, 0, 0, 4]);
        let error = decode(PayloadType::VendorId, &bytes, Level::Outer).unwrap_err();
        assert_eq!(error, "V payload at byte 540: more than 128 payloads");
    }

    #[test]
    fn bytes_behind_the_last_payload_are_an_error() {
        let error = decode(PayloadType::None, &[1], Level::Outer).unwrap_err();
        assert_eq!(error, "IKE header at byte 28: 1 bytes are left over after the last payload");
    }
}
