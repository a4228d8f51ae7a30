//! Which list a message is arranged by, and what such a message may and must carry (RFC 7296 §1.2 to §1.4, §2.16).

use core::fmt;

use super::slot::Slot;
use crate::wire::{ExchangeType, MessageHeader, Payload, PayloadType, ProtocolId};

/// Messages that are built alike.
///
/// A further Child SA and the renewal of one share a kind: their answers cannot be told apart, and the requests differ
/// by `N(REKEY_SA)`, which a list can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// `IKE_SA_INIT`.
    IkeSaInit,
    /// The request of `IKE_AUTH` with `IDi` and the answer with `IDr`.
    IkeAuth,
    /// The other messages of `IKE_AUTH`, which EAP needs (RFC 7296 §2.16).
    IkeAuthEap,
    /// `CREATE_CHILD_SA` for a Child SA.
    CreateChildSa,
    /// `CREATE_CHILD_SA` for the IKE SA.
    RekeyIkeSa,
    /// INFORMATIONAL.
    Informational,
}

/// A purpose and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageKind {
    /// What the message is for.
    pub purpose: Purpose,
    /// Whether it answers.
    pub response: bool,
}

impl Purpose {
    /// All of them, in the order of an IKE SA's life.
    pub const ALL: [Self; 6] = [
        Self::IkeSaInit,
        Self::IkeAuth,
        Self::IkeAuthEap,
        Self::CreateChildSa,
        Self::RekeyIkeSa,
        Self::Informational,
    ];

    /// The name in profile files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IkeSaInit => "ike_sa_init",
            Self::IkeAuth => "ike_auth",
            Self::IkeAuthEap => "ike_auth_eap",
            Self::CreateChildSa => "create_child_sa",
            Self::RekeyIkeSa => "rekey_ike_sa",
            Self::Informational => "informational",
        }
    }

    /// The request of this purpose.
    pub const fn request(self) -> MessageKind {
        MessageKind { purpose: self, response: false }
    }

    /// The response of this purpose.
    pub const fn response(self) -> MessageKind {
        MessageKind { purpose: self, response: true }
    }
}

impl MessageKind {
    /// The kind of a message; `None` for exchanges without lists.
    pub(crate) fn of(header: &MessageHeader, payloads: &[Payload]) -> Option<Self> {
        let response = header.flags.response;
        let purpose = match header.exchange {
            ExchangeType::IkeSaInit => Purpose::IkeSaInit,
            ExchangeType::IkeAuth if has_identity(payloads, response) => Purpose::IkeAuth,
            ExchangeType::IkeAuth => Purpose::IkeAuthEap,
            ExchangeType::CreateChildSa if payloads.iter().any(offers_ike) => Purpose::RekeyIkeSa,
            ExchangeType::CreateChildSa => Purpose::CreateChildSa,
            ExchangeType::Informational => Purpose::Informational,
            ExchangeType::Unknown(_) => return None,
        };
        Some(Self { purpose, response })
    }

    /// The payloads that have a place in every list of this kind.
    pub(super) fn required(self) -> &'static [PayloadType] {
        use PayloadType::{Auth, Eap, IdI, IdR, KeyExchange, Nonce, Sa, TsI, TsR};
        match (self.purpose, self.response) {
            (Purpose::IkeSaInit | Purpose::RekeyIkeSa, _) => &[Sa, KeyExchange, Nonce],
            (Purpose::IkeAuth, false) => &[IdI, IdR, Auth, Sa, TsI, TsR],
            (Purpose::IkeAuth, true) => &[IdR, Auth, Eap, Sa, TsI, TsR],
            (Purpose::IkeAuthEap, false) => &[Eap, Auth],
            (Purpose::IkeAuthEap, true) => &[Eap, Auth, Sa, TsI, TsR],
            (Purpose::CreateChildSa, _) => &[Sa, Nonce, KeyExchange, TsI, TsR],
            (Purpose::Informational, _) => &[],
        }
    }

    /// The other payloads, beside notifications and vendor IDs, that a message of this kind may carry.
    fn optional(self) -> &'static [PayloadType] {
        use PayloadType::{Certificate, CertificateRequest, Configuration, Delete};
        match (self.purpose, self.response) {
            (Purpose::IkeSaInit, true) => &[CertificateRequest],
            (Purpose::IkeAuth, false) => &[Certificate, CertificateRequest, Configuration],
            (Purpose::IkeAuth, true) => &[Certificate, Configuration],
            (Purpose::IkeAuthEap, _) => &[Configuration],
            (Purpose::Informational, _) => &[Delete, Configuration],
            (Purpose::IkeSaInit, false) | (Purpose::CreateChildSa | Purpose::RekeyIkeSa, _) => &[],
        }
    }

    pub(super) fn carries(self, slot: &Slot) -> bool {
        match slot {
            Slot::Payload(kind) => self.required().contains(kind) || self.optional().contains(kind),
            Slot::Notify(_) | Slot::Error | Slot::VendorId(_) => true,
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.purpose.name(), if self.response { "response" } else { "request" })
    }
}

/// The identity by which the first message of each side is known.
fn has_identity(payloads: &[Payload], response: bool) -> bool {
    let own = if response { PayloadType::IdR } else { PayloadType::IdI };
    payloads.iter().any(|payload| payload.payload_type() == own)
}

fn offers_ike(payload: &Payload) -> bool {
    matches!(payload, Payload::Sa(sa) if sa.proposals.iter().any(|proposal| proposal.protocol == ProtocolId::Ike))
}
