//! The order of payloads in phase 1, and the vendor IDs that go along (RFC 2409 §5.1 to §5.4).
//!
//! An exchange decides what a message says; a list decides in which order, and adds vendor IDs. Payloads of one place
//! keep their order. What has no place is not sent: that is how an implementation asks for certificates in message 5 and
//! not in message 3, or is silent about INITIAL-CONTACT in Aggressive Mode; what a message cannot do without always has a
//! place. A vendor ID that announces something which is switched off is left out by the exchange that asks.

use core::fmt;
use std::collections::BTreeMap;

use super::{V1Slot, VendorName};

/// Places of one list; a message may have 128 payloads, and most of them are added by a list.
const MAX_PLACES: usize = 48;

/// A message of phase 1, by its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum V1Message {
    /// Main Mode, 1 to 6.
    Main(u8),
    /// Aggressive Mode, 1 to 3.
    Aggressive(u8),
}

/// A place of a list, and when a vendor ID takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Entry {
    /// The place.
    pub slot: V1Slot,
    /// Sent only to peers that have sent this vendor ID.
    pub heard: Option<Vec<u8>>,
    /// Not sent to peers that have sent one of these.
    pub unheard: Vec<Vec<u8>>,
}

/// The lists of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Messages(BTreeMap<V1Message, Vec<V1Entry>>);

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum V1ProfileError {
    /// No payload has this name.
    #[error("{message}: no payload is called {slot:?}")]
    UnknownSlot {
        /// The message whose list it is.
        message: V1Message,
        /// The name as written.
        slot: String,
    },
    /// A place is given twice.
    #[error("{message}: {slot} is listed twice")]
    Duplicate {
        /// The message whose list it is.
        message: V1Message,
        /// The place.
        slot: String,
    },
    /// A payload that the message cannot do without has no place.
    #[error("{message}: {slot} is missing")]
    Missing {
        /// The message whose list it is.
        message: V1Message,
        /// The payload.
        slot: String,
    },
    /// A payload that the message never carries has a place.
    #[error("{message}: {slot} does not occur in this message")]
    Foreign {
        /// The message whose list it is.
        message: V1Message,
        /// The payload.
        slot: String,
    },
    /// The SA payload does not come first (RFC 2409 §5).
    #[error("{message}: SA must be the first payload")]
    SaNotFirst {
        /// The message whose list it is.
        message: V1Message,
    },
    /// A condition on a payload that only an exchange can build.
    #[error("{message}: {slot} is no vendor ID, so it takes no condition")]
    Condition {
        /// The message whose list it is.
        message: V1Message,
        /// The payload.
        slot: String,
    },
    /// A mode with another number of lists than messages.
    #[error("{mode} has {given} lists; it has {messages} messages")]
    Count {
        /// The mode.
        mode: &'static str,
        /// Lists given.
        given: usize,
        /// Its messages.
        messages: usize,
    },
    /// More places than any message needs.
    #[error("{message}: {places} places, at most {limit} are allowed")]
    TooLong {
        /// The message whose list it is.
        message: V1Message,
        /// Places in the list.
        places: usize,
        /// The limit.
        limit: usize,
    },
}

impl V1Message {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Main(1),
        Self::Main(2),
        Self::Main(3),
        Self::Main(4),
        Self::Main(5),
        Self::Main(6),
        Self::Aggressive(1),
        Self::Aggressive(2),
        Self::Aggressive(3),
    ];

    /// Payloads that have a place in every list of this message.
    fn required(self) -> &'static [V1Slot] {
        use V1Slot::{Hash, Id, KeyExchange, NatD, Nonce, Sa, Signature};
        match self {
            Self::Main(1 | 2) => &[Sa],
            Self::Main(3 | 4) => &[KeyExchange, Nonce, NatD],
            Self::Main(_) => &[Id, Hash, Signature],
            Self::Aggressive(1) => &[Sa, KeyExchange, Nonce, Id],
            Self::Aggressive(2) => &[Sa, KeyExchange, Nonce, Id, Hash, Signature, NatD],
            Self::Aggressive(_) => &[Hash, Signature, NatD],
        }
    }

    /// The other payloads that it may carry, besides vendor IDs.
    fn optional(self) -> &'static [V1Slot] {
        use V1Slot::{Certificate, CertificateRequest, InitialContact};
        match self {
            Self::Main(3 | 4) | Self::Aggressive(1) => &[CertificateRequest],
            Self::Main(5 | 6) => &[Certificate, CertificateRequest, InitialContact],
            Self::Aggressive(2) => &[Certificate, CertificateRequest],
            Self::Aggressive(3) => &[Certificate, InitialContact],
            Self::Main(_) | Self::Aggressive(_) => &[],
        }
    }

    fn carries(self, slot: &V1Slot) -> bool {
        matches!(slot, V1Slot::VendorId(_))
            || self.required().contains(slot)
            || self.optional().contains(slot)
    }
}

impl fmt::Display for V1Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main(number) => write!(f, "v1.main_mode message {number}"),
            Self::Aggressive(number) => write!(f, "v1.aggressive_mode message {number}"),
        }
    }
}

impl From<V1Slot> for V1Entry {
    /// A place without conditions.
    fn from(slot: V1Slot) -> Self {
        Self { slot, heard: None, unheard: vec![] }
    }
}

impl V1Messages {
    /// Gives a message this list.
    ///
    /// # Errors
    /// When the list could not arrange such a message.
    pub fn set(&mut self, message: V1Message, list: Vec<V1Entry>) -> Result<(), V1ProfileError> {
        check(message, &list)?;
        self.0.insert(message, list);
        Ok(())
    }

    /// The list of a message, in order.
    pub fn list(&self, message: V1Message) -> &[V1Entry] {
        self.0.get(&message).map_or(&[], Vec::as_slice)
    }

    /// The payloads of a message in the order of its list, with its vendor IDs. `heard` are the peer's, and `announce`
    /// makes the payload of one of ours, or `None` when it is not to be sent.
    pub fn arrange<P>(
        &self,
        message: V1Message,
        payloads: Vec<(V1Slot, P)>,
        heard: &[Vec<u8>],
        announce: impl Fn(&[u8]) -> Option<P>,
    ) -> Vec<P> {
        let list = self.list(message);
        let place = |slot: &V1Slot| list.iter().position(|entry| entry.slot == *slot);
        let mut placed: Vec<_> =
            payloads.into_iter().filter_map(|(slot, payload)| Some((place(&slot)?, payload))).collect();
        for (place, entry) in list.iter().enumerate() {
            let V1Slot::VendorId(octets) = &entry.slot else { continue };
            if entry.is_due(heard) {
                placed.extend(announce(octets).map(|payload| (place, payload)));
            }
        }
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, payload)| payload).collect()
    }
}

impl V1Entry {
    fn is_due(&self, heard: &[Vec<u8>]) -> bool {
        self.heard.as_ref().is_none_or(|vendor| heard.contains(vendor))
            && !self.unheard.iter().any(|vendor| heard.contains(vendor))
    }
}

fn check(message: V1Message, list: &[V1Entry]) -> Result<(), V1ProfileError> {
    if list.len() > MAX_PLACES {
        return Err(V1ProfileError::TooLong { message, places: list.len(), limit: MAX_PLACES });
    }
    for (place, entry) in list.iter().enumerate() {
        let slot = || entry.slot.to_string();
        let conditional = entry.heard.is_some() || !entry.unheard.is_empty();
        if !message.carries(&entry.slot) {
            return Err(V1ProfileError::Foreign { message, slot: slot() });
        }
        if list[..place].iter().any(|earlier| earlier.slot == entry.slot) {
            return Err(V1ProfileError::Duplicate { message, slot: slot() });
        }
        if conditional && !matches!(entry.slot, V1Slot::VendorId(_)) {
            return Err(V1ProfileError::Condition { message, slot: slot() });
        }
    }
    let listed = |slot: &V1Slot| list.iter().any(|entry| entry.slot == *slot);
    if let Some(slot) = message.required().iter().find(|slot| !listed(slot)) {
        return Err(V1ProfileError::Missing { message, slot: slot.to_string() });
    }
    if listed(&V1Slot::Sa) && list.first().is_some_and(|entry| entry.slot != V1Slot::Sa) {
        return Err(V1ProfileError::SaNotFirst { message });
    }
    Ok(())
}

impl Default for V1Messages {
    /// strongSwan's order: every vendor ID in the first message, and the best of NAT traversal in the answer.
    fn default() -> Self {
        use V1Slot::{
            Certificate, CertificateRequest, Hash, Id, InitialContact, KeyExchange, NatD, Nonce, Sa,
            Signature,
        };
        let vendors = [VendorName::Xauth, VendorName::Dpd, VendorName::Fragmentation];
        let offered = vendors.into_iter().chain([VendorName::Rfc3947, VendorName::NatDraft02n]);
        let with = |slots: &[V1Slot], vendors: &[V1Entry], rest: &[V1Slot]| -> Vec<V1Entry> {
            let before = slots.iter().cloned().map(V1Entry::from);
            before.chain(vendors.iter().cloned()).chain(rest.iter().cloned().map(V1Entry::from)).collect()
        };
        let offer: Vec<_> = offered.map(|vendor| V1Entry::from(V1Slot::vendor(vendor))).collect();
        let answer: Vec<_> = vendors
            .into_iter()
            .map(|vendor| V1Entry::from(V1Slot::vendor(vendor)))
            .chain(best_nat_t())
            .collect();
        let keys = [KeyExchange, Nonce, CertificateRequest, NatD];
        let proof = [Id, Certificate, Hash, Signature, CertificateRequest, InitialContact];
        let first = [Sa, KeyExchange, Nonce, Id];
        let lists = [
            (V1Message::Main(1), with(&[Sa], &offer, &[])),
            (V1Message::Main(2), with(&[Sa], &answer, &[])),
            (V1Message::Main(3), with(&[KeyExchange, Nonce, NatD], &[], &[])),
            (V1Message::Main(4), with(&keys, &[], &[])),
            (V1Message::Main(5), with(&proof, &[], &[])),
            (V1Message::Main(6), with(&proof, &[], &[])),
            (V1Message::Aggressive(1), with(&first, &offer, &[CertificateRequest])),
            (
                V1Message::Aggressive(2),
                with(&first, &answer, &[NatD, CertificateRequest, Certificate, Hash, Signature]),
            ),
            (V1Message::Aggressive(3), with(&[Certificate, Hash, Signature, NatD], &[], &[])),
        ];
        Self(lists.into_iter().collect())
    }
}

/// Of the vendor IDs of NAT traversal that a peer has sent, the best one goes back (RFC 3947 §3.1).
fn best_nat_t() -> [V1Entry; 2] {
    let octets = |vendor: VendorName| vendor.octets().to_vec();
    let (rfc, draft) = (VendorName::Rfc3947, VendorName::NatDraft02n);
    [
        V1Entry { slot: V1Slot::vendor(rfc), heard: Some(octets(rfc)), unheard: vec![] },
        V1Entry { slot: V1Slot::vendor(draft), heard: Some(octets(draft)), unheard: vec![octets(rfc)] },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(message: V1Message, slots: &[V1Slot], heard: &[VendorName]) -> Vec<String> {
        let payloads = slots.iter().map(|slot| (slot.clone(), slot.to_string())).collect();
        let heard: Vec<_> = heard.iter().map(|vendor| vendor.octets().to_vec()).collect();
        let announce = |octets: &[u8]| Some(V1Slot::VendorId(octets.to_vec()).to_string());
        V1Messages::default().arrange(message, payloads, &heard, announce)
    }

    fn refusal(message: V1Message, names: &[&str]) -> String {
        let list = names.iter().map(|name| V1Slot::parse(name).unwrap().into()).collect();
        V1Messages::default().set(message, list).unwrap_err().to_string()
    }

    #[test]
    fn the_answer_names_the_best_nat_traversal_that_was_offered() {
        let both = [VendorName::Rfc3947, VendorName::NatDraft02n];
        let ends = |heard: &[VendorName]| arranged(V1Message::Main(2), &[V1Slot::Sa], heard).pop().unwrap();
        assert_eq!(ends(&both), "V(NAT-T-RFC3947)");
        assert_eq!(ends(&both[1..]), "V(NAT-T-draft-02n)");
        assert_eq!(ends(&[]), "V(FRAGMENTATION)", "a peer without NAT traversal");
    }

    #[test]
    fn payloads_of_one_place_stay_together_and_in_order() {
        let slots = [V1Slot::NatD, V1Slot::Nonce, V1Slot::NatD, V1Slot::KeyExchange];
        assert_eq!(arranged(V1Message::Main(3), &slots, &[]), ["KE", "No", "NAT-D", "NAT-D"]);
    }

    #[test]
    fn what_has_no_place_is_not_sent() {
        let slots = [V1Slot::Hash, V1Slot::InitialContact, V1Slot::NatD];
        assert_eq!(arranged(V1Message::Aggressive(3), &slots, &[]), ["HASH", "NAT-D"]);
        let slots = [V1Slot::KeyExchange, V1Slot::CertificateRequest, V1Slot::Nonce];
        assert_eq!(arranged(V1Message::Main(3), &slots, &[]), ["KE", "No"]);
        assert_eq!(arranged(V1Message::Main(4), &slots, &[]), ["KE", "No", "CERTREQ"]);
    }

    #[test]
    fn what_an_exchange_switches_off_is_not_announced() {
        let none = V1Messages::default().arrange(V1Message::Main(1), vec![(V1Slot::Sa, 0)], &[], |_| None);
        assert_eq!(none, [0]);
    }

    #[test]
    fn lists_that_make_no_message_are_refused_with_the_place_at_fault() {
        let first = V1Message::Main(1);
        assert_eq!(refusal(first, &["V(XAUTH)"]), "v1.main_mode message 1: SA is missing");
        assert_eq!(
            refusal(first, &["V(XAUTH)", "SA"]),
            "v1.main_mode message 1: SA must be the first payload"
        );
        assert_eq!(
            refusal(first, &["SA", "KE"]),
            "v1.main_mode message 1: KE does not occur in this message"
        );
        assert_eq!(
            refusal(V1Message::Aggressive(3), &["HASH", "SIG", "NAT-D", "HASH"]),
            "v1.aggressive_mode message 3: HASH is listed twice"
        );
    }

    #[test]
    fn the_default_lists_would_be_taken_from_a_file() {
        for message in V1Message::ALL {
            let list = V1Messages::default().list(message).to_vec();
            assert_eq!(check(message, &list), Ok(()), "{message}");
        }
    }
}
