//! Notify payload (RFC 7296 §3.10, figure 16) and its message types.
//!
//! The data stays octets here, since unknown types must survive; the typed views of it are in [`notify_data`](super::notify_data).

use super::buffer::{Reader, Writer};
use super::error::DecodeError;
use super::sa::ProtocolId;

/// The first status type; all below are errors (RFC 7296 §3.10.1).
const FIRST_STATUS: u16 = 16_384;

code_points! {
    /// Notify message types of RFC 7296 §3.10.1 and of IANA's registry behind it: RFC 4478, 4555, 5026, 5685, 5723,
    /// 5739, 5840, 5857, 5998, 6023, 6290, 6311, 6467, 6631, 6867, 7383, 7427, 7791, 8019, 8784, 8983, 9242, 9347, 9370
    /// and 9611.
    NotifyType: u16 {
        UnsupportedCriticalPayload = 1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        InvalidIkeSpi = 4 => "INVALID_IKE_SPI",
        InvalidMajorVersion = 5 => "INVALID_MAJOR_VERSION",
        InvalidSyntax = 7 => "INVALID_SYNTAX",
        InvalidMessageId = 9 => "INVALID_MESSAGE_ID",
        InvalidSpi = 11 => "INVALID_SPI",
        NoProposalChosen = 14 => "NO_PROPOSAL_CHOSEN",
        InvalidKePayload = 17 => "INVALID_KE_PAYLOAD",
        AuthenticationFailed = 24 => "AUTHENTICATION_FAILED",
        SinglePairRequired = 34 => "SINGLE_PAIR_REQUIRED",
        NoAdditionalSas = 35 => "NO_ADDITIONAL_SAS",
        InternalAddressFailure = 36 => "INTERNAL_ADDRESS_FAILURE",
        FailedCpRequired = 37 => "FAILED_CP_REQUIRED",
        TsUnacceptable = 38 => "TS_UNACCEPTABLE",
        InvalidSelectors = 39 => "INVALID_SELECTORS",
        UnacceptableAddresses = 40 => "UNACCEPTABLE_ADDRESSES",
        UnexpectedNatDetected = 41 => "UNEXPECTED_NAT_DETECTED",
        UseAssignedHoa = 42 => "USE_ASSIGNED_HOA",
        TemporaryFailure = 43 => "TEMPORARY_FAILURE",
        ChildSaNotFound = 44 => "CHILD_SA_NOT_FOUND",
        InvalidGroupId = 45 => "INVALID_GROUP_ID",
        AuthorizationFailed = 46 => "AUTHORIZATION_FAILED",
        StateNotFound = 47 => "STATE_NOT_FOUND",
        TsMaxQueue = 48 => "TS_MAX_QUEUE",
        InitialContact = 16384 => "INITIAL_CONTACT",
        SetWindowSize = 16385 => "SET_WINDOW_SIZE",
        AdditionalTsPossible = 16386 => "ADDITIONAL_TS_POSSIBLE",
        IpcompSupported = 16387 => "IPCOMP_SUPPORTED",
        NatDetectionSourceIp = 16388 => "NAT_DETECTION_SOURCE_IP",
        NatDetectionDestinationIp = 16389 => "NAT_DETECTION_DESTINATION_IP",
        Cookie = 16390 => "COOKIE",
        UseTransportMode = 16391 => "USE_TRANSPORT_MODE",
        HttpCertLookupSupported = 16392 => "HTTP_CERT_LOOKUP_SUPPORTED",
        RekeySa = 16393 => "REKEY_SA",
        EspTfcPaddingNotSupported = 16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        NonFirstFragmentsAlso = 16395 => "NON_FIRST_FRAGMENTS_ALSO",
        MobikeSupported = 16396 => "MOBIKE_SUPPORTED",
        AdditionalIp4Address = 16397 => "ADDITIONAL_IP4_ADDRESS",
        AdditionalIp6Address = 16398 => "ADDITIONAL_IP6_ADDRESS",
        NoAdditionalAddresses = 16399 => "NO_ADDITIONAL_ADDRESSES",
        UpdateSaAddresses = 16400 => "UPDATE_SA_ADDRESSES",
        Cookie2 = 16401 => "COOKIE2",
        NoNatsAllowed = 16402 => "NO_NATS_ALLOWED",
        AuthLifetime = 16403 => "AUTH_LIFETIME",
        MultipleAuthSupported = 16404 => "MULTIPLE_AUTH_SUPPORTED",
        AnotherAuthFollows = 16405 => "ANOTHER_AUTH_FOLLOWS",
        RedirectSupported = 16406 => "REDIRECT_SUPPORTED",
        Redirect = 16407 => "REDIRECT",
        RedirectedFrom = 16408 => "REDIRECTED_FROM",
        TicketLtOpaque = 16409 => "TICKET_LT_OPAQUE",
        TicketRequest = 16410 => "TICKET_REQUEST",
        TicketAck = 16411 => "TICKET_ACK",
        TicketNack = 16412 => "TICKET_NACK",
        TicketOpaque = 16413 => "TICKET_OPAQUE",
        LinkId = 16414 => "LINK_ID",
        UseWespMode = 16415 => "USE_WESP_MODE",
        RohcSupported = 16416 => "ROHC_SUPPORTED",
        EapOnlyAuthentication = 16417 => "EAP_ONLY_AUTHENTICATION",
        ChildlessIkev2Supported = 16418 => "CHILDLESS_IKEV2_SUPPORTED",
        QuickCrashDetection = 16419 => "QUICK_CRASH_DETECTION",
        Ikev2MessageIdSyncSupported = 16420 => "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
        IpsecReplayCounterSyncSupported = 16421 => "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED",
        Ikev2MessageIdSync = 16422 => "IKEV2_MESSAGE_ID_SYNC",
        IpsecReplayCounterSync = 16423 => "IPSEC_REPLAY_COUNTER_SYNC",
        SecurePasswordMethods = 16424 => "SECURE_PASSWORD_METHODS",
        PskPersist = 16425 => "PSK_PERSIST",
        PskConfirm = 16426 => "PSK_CONFIRM",
        ErxSupported = 16427 => "ERX_SUPPORTED",
        IfomCapability = 16428 => "IFOM_CAPABILITY",
        GroupSender = 16429 => "GROUP_SENDER",
        Ikev2FragmentationSupported = 16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        SignatureHashAlgorithms = 16431 => "SIGNATURE_HASH_ALGORITHMS",
        CloneIkeSaSupported = 16432 => "CLONE_IKE_SA_SUPPORTED",
        CloneIkeSa = 16433 => "CLONE_IKE_SA",
        Puzzle = 16434 => "PUZZLE",
        UsePpk = 16435 => "USE_PPK",
        PpkIdentity = 16436 => "PPK_IDENTITY",
        NoPpkAuth = 16437 => "NO_PPK_AUTH",
        IntermediateExchangeSupported = 16438 => "INTERMEDIATE_EXCHANGE_SUPPORTED",
        Ip4Allowed = 16439 => "IP4_ALLOWED",
        Ip6Allowed = 16440 => "IP6_ALLOWED",
        AdditionalKeyExchange = 16441 => "ADDITIONAL_KEY_EXCHANGE",
        UseAggfrag = 16442 => "USE_AGGFRAG",
    }
}

impl NotifyType {
    /// Whether the type says that the request failed, known or not (RFC 7296 §3.10.1).
    pub const fn is_error(self) -> bool {
        self.code() < FIRST_STATUS
    }
}

/// A Notify payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyPayload {
    /// The protocol of the SA that the SPI names; `None` (0 on the wire) when there is no SPI.
    pub protocol: Option<ProtocolId>,
    /// The SPI that the notification is about; mostly empty.
    pub spi: Vec<u8>,
    /// What is notified.
    pub kind: NotifyType,
    /// Data that depends on the type.
    pub data: Vec<u8>,
}

impl NotifyPayload {
    /// A notification that is about no SPI.
    pub const fn new(kind: NotifyType, data: Vec<u8>) -> Self {
        Self { protocol: None, spi: Vec::new(), kind, data }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = match reader.u8("protocol ID")? {
            0 => None,
            code => Some(ProtocolId::from_code(code)),
        };
        let spi_size = usize::from(reader.u8("SPI size")?);
        let kind = NotifyType::from_code(reader.u16("notify message type")?);
        let spi = reader.bytes(spi_size, "SPI")?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.protocol.map_or(0, ProtocolId::code));
        writer.count_u8(self.spi.len());
        writer.u16(self.kind.code());
        writer.bytes(&self.spi);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn a_notification_without_spi_has_protocol_zero() {
        let notify = NotifyPayload::new(NotifyType::InvalidKePayload, vec![0, 14]);
        check_bytes(&Payload::Notify(notify), &[0, 0, 0, 17, 0, 14]);
    }

    #[test]
    fn rekey_sa_names_protocol_and_spi() {
        let notify = NotifyPayload {
            protocol: Some(ProtocolId::Esp),
            spi: vec![1, 2, 3, 4],
            kind: NotifyType::RekeySa,
            data: Vec::new(),
        };
        check_bytes(&Payload::Notify(notify), &[3, 4, 0x40, 0x09, 1, 2, 3, 4]);
    }

    #[test]
    fn types_below_16384_are_errors_known_or_not() {
        for kind in [NotifyType::InvalidSyntax, NotifyType::ChildSaNotFound, NotifyType::Unknown(16_383)] {
            assert!(kind.is_error(), "{kind}");
        }
        for kind in [NotifyType::InitialContact, NotifyType::Cookie, NotifyType::Unknown(40_000)] {
            assert!(!kind.is_error(), "{kind}");
        }
    }

    #[test]
    fn types_print_as_the_rfc_writes_them_and_unknown_ones_as_numbers() {
        assert_eq!(NotifyType::NoProposalChosen.to_string(), "NO_PROPOSAL_CHOSEN");
        assert_eq!(NotifyType::from_code(40_000).to_string(), "40000");
    }

    #[test]
    fn each_number_has_one_name() {
        let names: BTreeSet<_> = (0..=u16::MAX).map(|code| NotifyType::from_code(code).to_string()).collect();
        assert_eq!(names.len(), 65_536);
        for (code, name) in [
            (40, "UNACCEPTABLE_ADDRESSES"),
            (16_403, "AUTH_LIFETIME"),
            (16_407, "REDIRECT"),
            (16_409, "TICKET_LT_OPAQUE"),
            (16_417, "EAP_ONLY_AUTHENTICATION"),
            (16_418, "CHILDLESS_IKEV2_SUPPORTED"),
            (16_422, "IKEV2_MESSAGE_ID_SYNC"),
            (16_427, "ERX_SUPPORTED"),
            (16_430, "IKEV2_FRAGMENTATION_SUPPORTED"),
            (16_431, "SIGNATURE_HASH_ALGORITHMS"),
            (16_432, "CLONE_IKE_SA_SUPPORTED"),
            (16_435, "USE_PPK"),
        ] {
            assert_eq!(NotifyType::from_code(code).to_string(), name);
        }
    }

    #[test]
    fn an_spi_cannot_be_longer_than_the_payload() {
        check_error(
            PayloadType::Notify,
            &[3, 4, 0x40, 0x09, 1, 2],
            "N payload at byte 28: SPI needs 4 bytes, 2 remain",
        );
    }

    proptest! {
        #[test]
        fn any_notification_survives(
            protocol in 0_u8..8,
            spi in octets(0..40),
            kind: u16,
            data in octets(0..100),
        ) {
            let protocol = (protocol > 0).then(|| ProtocolId::from_code(protocol));
            let kind = NotifyType::from_code(kind);
            let payload = Payload::Notify(NotifyPayload { protocol, spi, kind, data });
            check_round_trip(&payload);
            check_hostile(&payload);
        }
    }
}
