//! Places in a message, in the notation of the ladders: `SA`, `N(COOKIE)`, `V(0x882fe56d)`, `V(text)`, and `N(error)`
//! for every error notification without a place of its own (RFC 7296 §3.10.1).

use core::fmt;

use crate::wire::{NotifyPayload, NotifyType, Payload, PayloadType, VendorIdPayload};

/// Notifications that carry no data and that nothing here acts on: a profile may add them to what an exchange builds.
const ANNOUNCEMENTS: [NotifyType; 6] = [
    NotifyType::RedirectSupported,
    NotifyType::MultipleAuthSupported,
    NotifyType::EapOnlyAuthentication,
    NotifyType::Ikev2MessageIdSyncSupported,
    NotifyType::EspTfcPaddingNotSupported,
    NotifyType::NonFirstFragmentsAlso,
];

/// The payloads that have a name of their own.
const PAYLOADS: [PayloadType; 14] = [
    PayloadType::Sa,
    PayloadType::KeyExchange,
    PayloadType::IdI,
    PayloadType::IdR,
    PayloadType::Certificate,
    PayloadType::CertificateRequest,
    PayloadType::Auth,
    PayloadType::Nonce,
    PayloadType::Delete,
    PayloadType::TsI,
    PayloadType::TsR,
    PayloadType::Configuration,
    PayloadType::Eap,
    PayloadType::VendorId,
];

/// Octets of the longest vendor ID that a profile may send.
const MAX_VENDOR_ID: usize = 128;

/// A place in a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// All payloads of a type.
    Payload(PayloadType),
    /// All notifications of a type.
    Notify(NotifyType),
    /// Error notifications that have no place of their own.
    Error,
    /// A vendor ID, which is added.
    VendorId(Vec<u8>),
}

impl Slot {
    /// The place with this name, or `None` when nothing has it.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = within(text, "N(") {
            return if name == "error" { Some(Self::Error) } else { notify_type(name).map(Self::Notify) };
        }
        if let Some(octets) = within(text, "V(") {
            return vendor_id(octets).map(Self::VendorId);
        }
        let named = |kind: &PayloadType| *kind != PayloadType::VendorId && kind.to_string() == text;
        PAYLOADS.into_iter().find(named).map(Self::Payload)
    }

    /// The payload that this place adds to messages; `None` when only an exchange can build it.
    pub(super) fn announcement(&self) -> Option<Payload> {
        match self {
            Self::Notify(kind) if ANNOUNCEMENTS.contains(kind) => {
                Some(Payload::Notify(NotifyPayload::new(*kind, vec![])))
            }
            Self::VendorId(octets) => Some(Payload::VendorId(VendorIdPayload(octets.clone()))),
            _ => None,
        }
    }

    /// Whether a payload belongs here, when it has no place of its own where that can be.
    pub(super) fn takes(&self, payload: &Payload) -> bool {
        match (self, payload) {
            (Self::Notify(kind), Payload::Notify(notify)) => notify.kind == *kind,
            (Self::Error, Payload::Notify(notify)) => notify.kind.is_error(),
            (Self::VendorId(octets), Payload::VendorId(vendor)) => vendor.0 == *octets,
            (Self::Payload(kind), payload) => payload.payload_type() == *kind,
            _ => false,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(kind) => kind.fmt(f),
            Self::Notify(kind) => write!(f, "N({kind})"),
            Self::Error => f.write_str("N(error)"),
            Self::VendorId(octets) => {
                f.write_str("V(0x")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                f.write_str(")")
            }
        }
    }
}

pub(super) fn within<'a>(text: &'a str, open: &str) -> Option<&'a str> {
    text.strip_prefix(open)?.strip_suffix(')')
}

/// The registered notification with this name. Errors and statuses each begin a range that is used from its start.
fn notify_type(name: &str) -> Option<NotifyType> {
    let known = |kind: &NotifyType| !matches!(kind, NotifyType::Unknown(_));
    let mut kinds = (1..128).chain(16_384..16_512).map(NotifyType::from_code).filter(known);
    kinds.find(|kind| kind.to_string() == name)
}

/// Octets in hexadecimal after `0x`, or the text itself.
pub(super) fn vendor_id(text: &str) -> Option<Vec<u8>> {
    let octets = match text.strip_prefix("0x") {
        Some(digits) => hex(digits)?,
        None => text.is_ascii().then(|| text.as_bytes().to_vec())?,
    };
    (1..=MAX_VENDOR_ID).contains(&octets.len()).then_some(octets)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_ladders_is_a_place() {
        for name in
            ["SA", "KE", "IDi", "IDr", "CERT", "CERTREQ", "AUTH", "No", "D", "TSi", "TSr", "CP", "EAP"]
        {
            assert_eq!(Slot::parse(name).map(|slot| slot.to_string()).as_deref(), Some(name));
        }
        for name in ["N(COOKIE)", "N(REDIRECT_SUPPORTED)", "N(error)", "V(0x882f)"] {
            assert_eq!(Slot::parse(name).map(|slot| slot.to_string()).as_deref(), Some(name));
        }
        assert_eq!(Slot::parse("V(OE)"), Some(Slot::VendorId(b"OE".to_vec())));
    }

    #[test]
    fn what_no_ladder_shows_is_no_place() {
        let long = format!("V({})", "x".repeat(MAX_VENDOR_ID + 1));
        for name in [
            "",
            "V",
            "V()",
            "V(0x8)",
            "V(0xgg)",
            "V(0x+1)",
            "N",
            "N(16500)",
            "N(NO_SUCH)",
            "SK",
            "sa",
            "N(COOKIE",
            &long,
        ] {
            assert_eq!(Slot::parse(name), None, "{name}");
        }
    }

    #[test]
    fn only_announcements_can_be_added() {
        let addable = |name: &str| Slot::parse(name).unwrap().announcement().is_some();
        assert!(addable("N(REDIRECT_SUPPORTED)") && addable("V(0x00)"));
        for name in ["SA", "N(COOKIE)", "N(MOBIKE_SUPPORTED)", "N(INITIAL_CONTACT)", "N(error)", "CP"] {
            assert!(!addable(name), "{name}");
        }
    }
}
