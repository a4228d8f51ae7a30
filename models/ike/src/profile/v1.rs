//! What an implementation's IKEv1 messages are like: payload order, vendor IDs, order of attributes.
//!
//! An exchange builds the payloads that its message needs, in an order of its own. A list for a message puts them in
//! another order and adds vendor IDs; payloads that no place takes stay behind those that they followed. What a peer
//! may be told depends on what it has told us, so a place can wait for that.

use std::collections::BTreeMap;

use crate::wire::isakmp::{
    KnownVendorId, Payload, PayloadType, Phase1Attribute, Phase2Attribute, VendorIdPayload,
};

/// What an implementation's IKEv1 messages are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Habits {
    /// Payload order and vendor IDs; messages without a list go out as the exchange builds them.
    pub messages: BTreeMap<V1Message, Vec<V1Place>>,
    /// The order of attributes in transforms of phase 1; what is not listed goes last.
    pub phase1_attributes: Vec<Phase1Attribute>,
    /// The order of attributes in transforms of phase 2; a life duration follows its type.
    pub phase2_attributes: Vec<Phase2Attribute>,
    /// Octets of nonces.
    pub nonce_len: V1NonceLen,
    /// Whether identities of phase 1 say UDP and port 500 instead of nothing (RFC 2407 §4.6.2 allows both).
    pub id_names_port: bool,
}

/// Octets of an IKEv1 nonce (RFC 2409 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1NonceLen(u16);

/// A message that may have a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum V1Message {
    /// Main Mode, message 1.
    MainOffer,
    /// Main Mode, message 2.
    MainChoice,
    /// Main Mode, message 3.
    MainKeyI,
    /// Main Mode, message 4.
    MainKeyR,
    /// Main Mode, message 5.
    MainProofI,
    /// Main Mode, message 6.
    MainProofR,
    /// Aggressive Mode, message 1.
    AggressiveOffer,
    /// Aggressive Mode, message 2.
    AggressiveChoice,
    /// Aggressive Mode, message 3.
    AggressiveProof,
    /// Quick Mode, message 1.
    QuickOffer,
    /// Quick Mode, message 2.
    QuickChoice,
}

/// A place in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Place {
    /// What stands there.
    pub slot: V1Slot,
    /// Only when the peer has sent the same vendor ID.
    pub if_heard: bool,
}

/// What a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum V1Slot {
    /// All payloads of a type.
    Payload(PayloadType),
    /// A vendor ID, which is added.
    VendorId(Vec<u8>),
}

impl V1NonceLen {
    /// A length of 8 to 256 octets.
    pub const fn new(octets: u16) -> Option<Self> {
        if octets >= 8 && octets <= 256 { Some(Self(octets)) } else { None }
    }

    /// Octets.
    pub const fn octets(self) -> usize {
        self.0 as usize
    }
}

impl V1Place {
    /// All payloads of a type.
    pub const fn payload(kind: PayloadType) -> Self {
        Self { slot: V1Slot::Payload(kind), if_heard: false }
    }

    /// A vendor ID that is always sent.
    pub fn vendor(id: KnownVendorId) -> Self {
        Self { slot: V1Slot::VendorId(id.octets().to_vec()), if_heard: false }
    }

    /// A vendor ID that is sent to peers that have sent it.
    pub fn vendor_if_heard(id: KnownVendorId) -> Self {
        Self { if_heard: true, ..Self::vendor(id) }
    }

    fn takes(&self, payload: &Payload) -> bool {
        matches!(&self.slot, V1Slot::Payload(kind) if *kind == payload.payload_type())
    }

    /// The vendor ID that belongs here, to a peer that has sent `heard`.
    fn announcement(&self, heard: &[VendorIdPayload]) -> Option<Payload> {
        let V1Slot::VendorId(octets) = &self.slot else { return None };
        let is_same = |theirs: &VendorIdPayload| {
            let ours = VendorIdPayload(octets.clone());
            *theirs == ours || ours.known().is_some() && theirs.known() == ours.known()
        };
        let wanted = !self.if_heard || heard.iter().any(is_same);
        wanted.then(|| Payload::VendorId(VendorIdPayload(octets.clone())))
    }
}

impl Default for V1Habits {
    /// strongSwan's (`FACTS.md` of the captures, "IKEv1").
    fn default() -> Self {
        use KnownVendorId as Id;
        let sa = || V1Place::payload(PayloadType::Sa);
        let extensions = [V1Place::vendor(Id::Xauth), V1Place::vendor(Id::Dpd)];
        let offer = [
            V1Place::vendor(Id::Fragmentation),
            V1Place::vendor(Id::NatTraversal),
            V1Place::vendor(Id::NatTraversalDraft02Newline),
        ];
        let choice =
            [V1Place::vendor_if_heard(Id::Fragmentation), V1Place::vendor_if_heard(Id::NatTraversal)];
        let opening = || {
            [PayloadType::Sa, PayloadType::KeyExchange, PayloadType::Nonce, PayloadType::Id]
                .map(V1Place::payload)
        };
        let list = |places: &[&[V1Place]]| places.concat();
        let messages = BTreeMap::from([
            (V1Message::MainOffer, list(&[&[sa()], &extensions, &offer])),
            (V1Message::MainChoice, list(&[&[sa()], &extensions, &choice])),
            (V1Message::AggressiveOffer, list(&[&opening(), &extensions, &offer])),
            (V1Message::AggressiveChoice, list(&[&opening(), &extensions, &choice])),
        ]);
        Self {
            messages,
            phase1_attributes: vec![
                Phase1Attribute::Encryption,
                Phase1Attribute::KeyLength,
                Phase1Attribute::Hash,
                Phase1Attribute::Group,
                Phase1Attribute::AuthMethod,
                Phase1Attribute::LifeType,
            ],
            phase2_attributes: vec![
                Phase2Attribute::KeyLength,
                Phase2Attribute::AuthAlgorithm,
                Phase2Attribute::ExtendedSequence,
                Phase2Attribute::Group,
                Phase2Attribute::EncapsulationMode,
                Phase2Attribute::LifeType,
            ],
            nonce_len: V1NonceLen(32),
            id_names_port: false,
        }
    }
}

impl V1Habits {
    /// Whether the list of a message names a payload: INITIAL-CONTACT goes into Aggressive Mode only where it is named.
    pub(crate) fn names(&self, message: V1Message, kind: PayloadType) -> bool {
        let list = self.messages.get(&message);
        list.is_some_and(|list| list.iter().any(|place| place.slot == V1Slot::Payload(kind)))
    }

    /// The payloads of a message in its order, with its vendor IDs, for a peer that has sent `heard`.
    pub(crate) fn arrange(
        &self,
        message: V1Message,
        payloads: Vec<Payload>,
        heard: &[VendorIdPayload],
    ) -> Vec<Payload> {
        let Some(list) = self.messages.get(&message) else { return payloads };
        let mut here = None;
        let mut placed: Vec<(Option<usize>, Payload)> = Vec::with_capacity(payloads.len() + list.len());
        for payload in payloads {
            // What has no place of its own stays behind the whole list if it came last, else behind its neighbour.
            here = list.iter().position(|place| place.takes(&payload)).or(here.map(|_| list.len()));
            placed.push((here, payload));
        }
        let added = |(at, place): (usize, &V1Place)| Some((Some(at), place.announcement(heard)?));
        placed.extend(list.iter().enumerate().filter_map(added));
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, payload)| payload).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::{HashPayload, IdPayload, IdType, NatDPayload, NoncePayload};

    fn labels(payloads: &[Payload]) -> String {
        payloads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn payloads() -> Vec<Payload> {
        vec![
            Payload::Nonce(NoncePayload::new(vec![1; 8]).unwrap()),
            Payload::Id(IdPayload::new(IdType::KeyId, [1])),
            Payload::NatD(NatDPayload::new([1])),
            Payload::Hash(HashPayload::new([1])),
        ]
    }

    #[test]
    fn vendor_ids_stand_between_the_opening_and_what_follows() {
        let habits = V1Habits::default();
        let arranged = habits.arrange(V1Message::AggressiveOffer, payloads(), &[]);
        assert_eq!(labels(&arranged), "No ID V V V V V NAT-D HASH");
    }

    #[test]
    fn a_choice_announces_nat_traversal_to_those_who_have_it() {
        let habits = V1Habits::default();
        assert_eq!(
            labels(&habits.arrange(V1Message::AggressiveChoice, payloads(), &[])),
            "No ID V V NAT-D HASH"
        );
        let heard = [KnownVendorId::NatTraversal.into()];
        let arranged = habits.arrange(V1Message::AggressiveChoice, payloads(), &heard);
        assert_eq!(labels(&arranged), "No ID V V V NAT-D HASH");
    }

    #[test]
    fn messages_without_a_list_stay_as_they_are() {
        let habits = V1Habits::default();
        assert_eq!(labels(&habits.arrange(V1Message::MainProofI, payloads(), &[])), "No ID NAT-D HASH");
    }
}
