//! The payload chain: generic payload headers (RFC 2408 §3.2) and the enum of all payloads.
//!
//! Unlike IKEv2's chain it may end before the octets do: the padding of an encrypted message stands behind it, and
//! only the chain says where it begins. Hashes cover payloads as they were sent, so [`payload_octets`] gives them
//! out of a message that has been decoded, without a second copy being kept.

use core::fmt;

use super::cert::CertPayload;
use super::certreq::CertReqPayload;
use super::config::ConfigPayload;
use super::delete::DeletePayload;
use super::fragment::FragmentPayload;
use super::hash::HashPayload;
use super::id::IdPayload;
use super::ke::KePayload;
use super::nat_d::NatDPayload;
use super::nat_oa::NatOaPayload;
use super::nonce::NoncePayload;
use super::notify::NotifyPayload;
use super::opaque::OpaquePayload;
use super::sa::SaPayload;
use super::signature::SignaturePayload;
use super::vendor_id::VendorIdPayload;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault, Item, Part};

/// Most payloads in one message. Ours: real messages have fewer than 20.
pub const MAX_PAYLOADS: usize = 64;
/// Payloads that most messages stay under, to make room for.
const USUAL_PAYLOADS: usize = 8;

/// Octets of a generic payload header.
pub(crate) const PAYLOAD_HEADER_LEN: usize = 4;

code_points! {
    /// Payload types (RFC 2408 §3.1, RFC 3947 §3.2 and §5.2, draft-ietf-ipsec-nat-t-ike-02, and the fragments that Cisco
    /// and Microsoft send). Proposals and transforms have numbers too, but stand within SA payloads alone.
    PayloadType: u8 {
        None = 0 => "none",
        Sa = 1 => "SA",
        KeyExchange = 4 => "KE",
        Id = 5 => "ID",
        Certificate = 6 => "CERT",
        CertificateRequest = 7 => "CERTREQ",
        Hash = 8 => "HASH",
        Signature = 9 => "SIG",
        Nonce = 10 => "No",
        Notify = 11 => "N",
        Delete = 12 => "D",
        VendorId = 13 => "V",
        Configuration = 14 => "CP",
        NatD = 20 => "NAT-D",
        NatOa = 21 => "NAT-OA",
        NatDDraft = 130 => "NAT-D(130)",
        NatOaDraft = 131 => "NAT-OA(131)",
        Fragment = 132 => "FRAG",
    }
}

/// One payload of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security Association.
    Sa(SaPayload),
    /// Key Exchange.
    Ke(KePayload),
    /// Identification, of a peer in phase 1 and of traffic in phase 2.
    Id(IdPayload),
    /// Certificate.
    Cert(CertPayload),
    /// Certificate Request.
    CertReq(CertReqPayload),
    /// Hash.
    Hash(HashPayload),
    /// Signature.
    Signature(SignaturePayload),
    /// Nonce.
    Nonce(NoncePayload),
    /// Notification.
    Notify(NotifyPayload),
    /// Delete.
    Delete(DeletePayload),
    /// Vendor ID.
    VendorId(VendorIdPayload),
    /// Attributes of Mode-Config and XAUTH.
    Config(ConfigPayload),
    /// NAT discovery.
    NatD(NatDPayload),
    /// Original address, for transport mode behind a NAT.
    NatOa(NatOaPayload),
    /// NAT discovery with the number of the drafts.
    NatDDraft(NatDPayload),
    /// Original address with the number of the drafts.
    NatOaDraft(NatOaPayload),
    /// A piece of a larger message.
    Fragment(FragmentPayload),
    /// A payload of a type that has no codec here, as it came.
    Opaque(OpaquePayload),
}

impl Payload {
    /// The payload's type.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::Sa,
            Self::Ke(_) => PayloadType::KeyExchange,
            Self::Id(_) => PayloadType::Id,
            Self::Cert(_) => PayloadType::Certificate,
            Self::CertReq(_) => PayloadType::CertificateRequest,
            Self::Hash(_) => PayloadType::Hash,
            Self::Signature(_) => PayloadType::Signature,
            Self::Nonce(_) => PayloadType::Nonce,
            Self::Notify(_) => PayloadType::Notify,
            Self::Delete(_) => PayloadType::Delete,
            Self::VendorId(_) => PayloadType::VendorId,
            Self::Config(_) => PayloadType::Configuration,
            Self::NatD(_) => PayloadType::NatD,
            Self::NatOa(_) => PayloadType::NatOa,
            Self::NatDDraft(_) => PayloadType::NatDDraft,
            Self::NatOaDraft(_) => PayloadType::NatOaDraft,
            Self::Fragment(_) => PayloadType::Fragment,
            Self::Opaque(payload) => payload.kind(),
        }
    }

    /// Octets on the wire, generic header included.
    pub fn encoded_len(&self) -> usize {
        let mut writer = Writer::new();
        self.encode_body(&mut writer);
        PAYLOAD_HEADER_LEN + writer.len()
    }

    fn decode_body(kind: PayloadType, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            PayloadType::Sa => Self::Sa(SaPayload::decode(body)?),
            PayloadType::KeyExchange => Self::Ke(KePayload::decode(body)),
            PayloadType::Id => Self::Id(IdPayload::decode(body)?),
            PayloadType::Certificate => Self::Cert(CertPayload::decode(body)?),
            PayloadType::CertificateRequest => Self::CertReq(CertReqPayload::decode(body)?),
            PayloadType::Hash => Self::Hash(HashPayload::decode(body)),
            PayloadType::Signature => Self::Signature(SignaturePayload::decode(body)),
            PayloadType::Nonce => Self::Nonce(NoncePayload::decode(body)?),
            PayloadType::Notify => Self::Notify(NotifyPayload::decode(body)?),
            PayloadType::Delete => Self::Delete(DeletePayload::decode(body)?),
            PayloadType::VendorId => Self::VendorId(VendorIdPayload::decode(body)),
            PayloadType::Configuration => Self::Config(ConfigPayload::decode(body)?),
            PayloadType::NatD => Self::NatD(NatDPayload::decode(body)),
            PayloadType::NatOa => Self::NatOa(NatOaPayload::decode(body)?),
            PayloadType::NatDDraft => Self::NatDDraft(NatDPayload::decode(body)),
            PayloadType::NatOaDraft => Self::NatOaDraft(NatOaPayload::decode(body)?),
            PayloadType::Fragment => Self::Fragment(FragmentPayload::decode(body)?),
            PayloadType::None | PayloadType::Unknown(_) => {
                Self::Opaque(OpaquePayload::new(kind, body.rest().to_vec()))
            }
        })
    }

    fn encode_body(&self, writer: &mut Writer) {
        match self {
            Self::Sa(payload) => payload.encode(writer),
            Self::Ke(payload) => payload.encode(writer),
            Self::Id(payload) => payload.encode(writer),
            Self::Cert(payload) => payload.encode(writer),
            Self::CertReq(payload) => payload.encode(writer),
            Self::Hash(payload) => payload.encode(writer),
            Self::Signature(payload) => payload.encode(writer),
            Self::Nonce(payload) => payload.encode(writer),
            Self::Notify(payload) => payload.encode(writer),
            Self::Delete(payload) => payload.encode(writer),
            Self::VendorId(payload) => payload.encode(writer),
            Self::Config(payload) => payload.encode(writer),
            Self::NatD(payload) | Self::NatDDraft(payload) => payload.encode(writer),
            Self::NatOa(payload) | Self::NatOaDraft(payload) => payload.encode(writer),
            Self::Fragment(payload) => payload.encode(writer),
            Self::Opaque(payload) => payload.encode(writer),
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

/// Decodes a chain that begins with a payload of type `first`; the reader stops behind its last payload.
pub(crate) fn decode_chain(first: PayloadType, reader: &mut Reader<'_>) -> Result<Vec<Payload>, DecodeError> {
    let mut payloads = Vec::with_capacity(USUAL_PAYLOADS);
    let mut kind = first;
    while kind != PayloadType::None {
        reader.enter(Part::IsakmpPayload(kind));
        if payloads.len() == MAX_PAYLOADS {
            return Err(reader.fault(Fault::TooMany { what: "payloads", limit: MAX_PAYLOADS }));
        }
        let (next, mut body) = payload(reader)?;
        payloads.push(Payload::decode_body(kind, &mut body)?);
        body.finish("its last field")?;
        kind = next;
    }
    Ok(payloads)
}

/// The type of the payload behind the one at the cursor, and the body of that; the cursor moves past it.
fn payload<'a>(reader: &mut Reader<'a>) -> Result<(PayloadType, Reader<'a>), DecodeError> {
    let next = PayloadType::from_code(reader.u8("next payload")?);
    let _reserved = reader.u8("reserved octet")?;
    let length = usize::from(reader.u16("payload length")?);
    let body = reader.item(Item::only("payload"), length, PAYLOAD_HEADER_LEN)?;
    Ok((next, body))
}

/// The type of the first payload, for the header before the chain.
pub(crate) fn first_type(payloads: &[Payload]) -> PayloadType {
    payloads.first().map_or(PayloadType::None, Payload::payload_type)
}

/// Appends the chain.
///
/// # Panics
/// When there are more than [`MAX_PAYLOADS`].
pub(crate) fn encode_chain(payloads: &[Payload], writer: &mut Writer) {
    assert!(payloads.len() <= MAX_PAYLOADS, "a message has at most {MAX_PAYLOADS} payloads");
    let mut rest = payloads;
    while let [payload, after @ ..] = rest {
        writer.measured(2, |writer| {
            writer.u8(first_type(after).code());
            writer.u8(0);
            writer.u16(0);
            payload.encode_body(writer);
        });
        rest = after;
    }
}

/// The octets of a chain without what stands behind it: what HASH(1) and its like cover from the second payload on
/// (RFC 2409 §5.5).
pub fn encoded_chain(payloads: &[Payload]) -> Vec<u8> {
    let mut writer = Writer::new();
    encode_chain(payloads, &mut writer);
    writer.into_vec()
}

/// The payloads of a chain as they stand in `chain`, generic headers included: the octets that hashes cover. It ends
/// where the chain ends or does not decode.
pub fn payload_octets(first: PayloadType, chain: &[u8]) -> impl Iterator<Item = (PayloadType, &[u8])> {
    let mut reader = Reader::new(chain, Part::IsakmpPayload(first), 0);
    let mut kind = first;
    core::iter::from_fn(move || {
        let start = reader.position();
        if kind == PayloadType::None {
            return None;
        }
        let (next, _) = payload(&mut reader).ok()?;
        Some((core::mem::replace(&mut kind, next), &chain[start..reader.position()]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::NotifyType;

    fn decode(first: PayloadType, bytes: &[u8]) -> Result<Vec<Payload>, String> {
        decode_chain(first, &mut Reader::new(bytes, Part::IsakmpHeader, 28))
            .map_err(|error| error.to_string())
    }

    fn hash(octets: &[u8]) -> Payload {
        Payload::Hash(HashPayload::new(octets))
    }

    #[test]
    fn labels_are_those_of_the_message_tables() {
        let notify = NotifyPayload::isakmp(NotifyType::InitialContact, Vec::new());
        assert_eq!(Payload::Notify(notify).to_string(), "N(INITIAL_CONTACT)");
        let labels = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 132, 99]
            .map(|code| PayloadType::from_code(code).to_string());
        let expected = [
            "SA", "KE", "ID", "CERT", "CERTREQ", "HASH", "SIG", "No", "N", "D", "V", "CP", "NAT-D", "NAT-OA",
            "FRAG", "99",
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn errors_name_the_payload_and_where_it_starts() {
        let two = [13, 0, 0, 8, 1, 2, 3, 4, 0, 0, 0, 9, 1, 2, 3, 4];
        let expected = "V payload at byte 36: payload claims 9 bytes, 8 remain";
        assert_eq!(decode(PayloadType::Hash, &two), Err(expected.to_owned()));
    }

    #[test]
    fn a_chain_ends_with_its_last_payload_and_the_padding_stays_unread() {
        let bytes = [0, 0, 0, 6, 1, 2, 0, 0, 0];
        let mut reader = Reader::new(&bytes, Part::IsakmpHeader, 28);
        assert_eq!(decode_chain(PayloadType::Hash, &mut reader), Ok(vec![hash(&[1, 2])]));
        assert_eq!(reader.remaining(), 3);
    }

    #[test]
    fn the_octets_of_each_payload_can_be_told_apart_again() {
        let payloads = [hash(&[1, 2]), hash(&[3])];
        let mut bytes = encoded_chain(&payloads);
        bytes.extend([0; 5]);
        let octets: Vec<_> = payload_octets(PayloadType::Hash, &bytes).collect();
        assert_eq!(octets, [(PayloadType::Hash, &bytes[..6]), (PayloadType::Hash, &bytes[6..11])]);
        assert_eq!(payload_octets(PayloadType::Hash, &bytes[..10]).count(), 1);
    }

    #[test]
    fn a_chain_is_bounded() {
        let mut bytes = [13, 0, 0, 4].repeat(MAX_PAYLOADS + 1);
        bytes[4 * MAX_PAYLOADS] = 0;
        let error = decode(PayloadType::VendorId, &bytes).unwrap_err();
        assert_eq!(error, "V payload at byte 284: more than 64 payloads");
    }
}
