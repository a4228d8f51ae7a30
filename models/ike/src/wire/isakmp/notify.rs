//! Notification payload (RFC 2408 §3.14) and its types (RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.3).

use super::doi::{Doi, ProtocolId};
use super::header::Cookies;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;

/// The first status type; all below are errors (RFC 2408 §3.14.1).
const FIRST_STATUS: u16 = 16_384;
/// Octets of the sequence number of R-U-THERE and its answer (RFC 3706 §5.3).
const DPD_DATA_LEN: usize = 4;

code_points! {
    /// Notify message types.
    NotifyType: u16 {
        InvalidPayloadType = 1 => "INVALID_PAYLOAD_TYPE",
        DoiNotSupported = 2 => "DOI_NOT_SUPPORTED",
        SituationNotSupported = 3 => "SITUATION_NOT_SUPPORTED",
        InvalidCookie = 4 => "INVALID_COOKIE",
        InvalidMajorVersion = 5 => "INVALID_MAJOR_VERSION",
        InvalidMinorVersion = 6 => "INVALID_MINOR_VERSION",
        InvalidExchangeType = 7 => "INVALID_EXCHANGE_TYPE",
        InvalidFlags = 8 => "INVALID_FLAGS",
        InvalidMessageId = 9 => "INVALID_MESSAGE_ID",
        InvalidProtocolId = 10 => "INVALID_PROTOCOL_ID",
        InvalidSpi = 11 => "INVALID_SPI",
        InvalidTransformId = 12 => "INVALID_TRANSFORM_ID",
        AttributesNotSupported = 13 => "ATTRIBUTES_NOT_SUPPORTED",
        NoProposalChosen = 14 => "NO_PROPOSAL_CHOSEN",
        BadProposalSyntax = 15 => "BAD_PROPOSAL_SYNTAX",
        PayloadMalformed = 16 => "PAYLOAD_MALFORMED",
        InvalidKeyInformation = 17 => "INVALID_KEY_INFORMATION",
        InvalidIdInformation = 18 => "INVALID_ID_INFORMATION",
        InvalidCertEncoding = 19 => "INVALID_CERT_ENCODING",
        InvalidCertificate = 20 => "INVALID_CERTIFICATE",
        CertTypeUnsupported = 21 => "CERT_TYPE_UNSUPPORTED",
        InvalidCertAuthority = 22 => "INVALID_CERT_AUTHORITY",
        InvalidHashInformation = 23 => "INVALID_HASH_INFORMATION",
        AuthenticationFailed = 24 => "AUTHENTICATION_FAILED",
        InvalidSignature = 25 => "INVALID_SIGNATURE",
        AddressNotification = 26 => "ADDRESS_NOTIFICATION",
        NotifySaLifetime = 27 => "NOTIFY_SA_LIFETIME",
        CertificateUnavailable = 28 => "CERTIFICATE_UNAVAILABLE",
        UnsupportedExchangeType = 29 => "UNSUPPORTED_EXCHANGE_TYPE",
        UnequalPayloadLengths = 30 => "UNEQUAL_PAYLOAD_LENGTHS",
        Connected = 16384 => "CONNECTED",
        ResponderLifetime = 24576 => "RESPONDER_LIFETIME",
        ReplayStatus = 24577 => "REPLAY_STATUS",
        InitialContact = 24578 => "INITIAL_CONTACT",
        RUThere = 36136 => "R-U-THERE",
        RUThereAck = 36137 => "R-U-THERE-ACK",
        UnityLoadBalance = 40501 => "UNITY_LOAD_BALANCE",
        UnityGroupHash = 40503 => "UNITY_GROUP_HASH",
    }
}

impl NotifyType {
    /// Whether the type says that something failed, known or not.
    pub const fn is_error(self) -> bool {
        self.code() < FIRST_STATUS
    }
}

/// A Notification payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyPayload {
    /// Whose numbers it uses.
    pub doi: Doi,
    /// The protocol of the SA that it is about; [`ProtocolId::Unknown`] of 0 for none.
    pub protocol: ProtocolId,
    /// The SPI of that SA: both cookies for ISAKMP, 4 octets for ESP and AH, or nothing.
    pub spi: Vec<u8>,
    /// What is notified.
    pub kind: NotifyType,
    /// Data that depends on the type.
    pub data: Vec<u8>,
}

impl NotifyPayload {
    /// A notification about phase 1 without an SPI, as an unauthenticated error has it.
    pub const fn isakmp(kind: NotifyType, data: Vec<u8>) -> Self {
        Self { doi: Doi::IPSEC, protocol: ProtocolId::Isakmp, spi: Vec::new(), kind, data }
    }

    /// A notification about the ISAKMP SA of these cookies.
    pub fn of_isakmp_sa(kind: NotifyType, cookies: Cookies, data: Vec<u8>) -> Self {
        Self { spi: cookies.octets().to_vec(), ..Self::isakmp(kind, data) }
    }

    /// R-U-THERE or its answer, with a sequence number (RFC 3706 §5.3).
    pub fn dpd(kind: NotifyType, cookies: Cookies, sequence: u32) -> Self {
        Self::of_isakmp_sa(kind, cookies, sequence.to_be_bytes().to_vec())
    }

    /// The sequence number of R-U-THERE or its answer; `None` for other types and other lengths.
    pub fn dpd_sequence(&self) -> Option<u32> {
        if !matches!(self.kind, NotifyType::RUThere | NotifyType::RUThereAck) {
            return None;
        }
        <[u8; DPD_DATA_LEN]>::try_from(self.data.as_slice()).ok().map(u32::from_be_bytes)
    }

    /// The cookies that the SPI consists of; `None` where it does not.
    pub fn cookies(&self) -> Option<Cookies> {
        Cookies::from_octets(&self.spi)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let doi = Doi(reader.u32("DOI")?);
        let protocol = ProtocolId::from_code(reader.u8("protocol ID")?);
        let spi_size = usize::from(reader.u8("SPI size")?);
        let kind = NotifyType::from_code(reader.u16("notify message type")?);
        let spi = reader.bytes(spi_size, "SPI")?.to_vec();
        Ok(Self { doi, protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.doi.0);
        writer.u8(self.protocol.code());
        writer.count_u8(self.spi.len());
        writer.u16(self.kind.code());
        writer.bytes(&self.spi);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Cookie, Payload, PayloadType};

    const COOKIES: Cookies = Cookies { initiator: Cookie::new(1), responder: Cookie::new(2) };

    #[test]
    fn an_error_in_the_clear_names_no_sa() {
        let notify = NotifyPayload::isakmp(NotifyType::NoProposalChosen, Vec::new());
        assert_eq!(notify.cookies(), None);
        check_bytes(&Payload::Notify(notify), &[0, 0, 0, 1, 1, 0, 0, 14]);
    }

    #[test]
    fn a_liveness_question_has_cookies_and_a_number() {
        let notify = NotifyPayload::dpd(NotifyType::RUThere, COOKIES, 0x2ba4_2da8);
        assert_eq!((notify.cookies(), notify.dpd_sequence()), (Some(COOKIES), Some(0x2ba4_2da8)));
        let expected = [
            &[0, 0, 0, 1, 1, 16, 0x8d, 0x28][..],
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0x2b, 0xa4, 0x2d, 0xa8],
        ];
        check_bytes(&Payload::Notify(notify), &expected.concat());
    }

    #[test]
    fn only_liveness_has_a_sequence_number_and_it_has_four_octets() {
        let short = NotifyPayload::of_isakmp_sa(NotifyType::RUThere, COOKIES, vec![0; 3]);
        let other = NotifyPayload::of_isakmp_sa(NotifyType::InitialContact, COOKIES, vec![0; 4]);
        assert_eq!((short.dpd_sequence(), other.dpd_sequence()), (None, None));
    }

    #[test]
    fn types_below_16384_are_errors_known_or_not() {
        for kind in [NotifyType::PayloadMalformed, NotifyType::Unknown(16_383)] {
            assert!(kind.is_error(), "{kind}");
        }
        for kind in [NotifyType::Connected, NotifyType::InitialContact, NotifyType::RUThere] {
            assert!(!kind.is_error(), "{kind}");
        }
    }

    #[test]
    fn an_spi_cannot_be_longer_than_the_payload() {
        check_error(PayloadType::Notify, &[0, 0, 0, 1, 3, 4, 0, 11, 1, 2], "SPI needs 4 bytes, 2 remain");
    }

    proptest! {
        #[test]
        fn any_notification_survives(
            doi: u32,
            protocol: u8,
            spi in octets(0..20),
            kind: u16,
            data in octets(0..40),
        ) {
            let (protocol, kind) = (ProtocolId::from_code(protocol), NotifyType::from_code(kind));
            check_round_trip(&Payload::Notify(NotifyPayload { doi: Doi(doi), protocol, spi, kind, data }));
        }
    }
}
