//! Choosing from an offer, and checking the answer to our own (RFC 7296 §2.7, §3.3.6).
//!
//! The responder's own order decides, for proposals and within them, as with strongSwan's default
//! `prefer_configured_proposals = yes`. Transforms that nobody here knows are passed over; a proposal with a transform
//! type that is unknown, or that does not belong to its protocol, is not acceptable. "NONE" for integrity or key
//! exchange means the same as leaving the type out (§3.3.2).

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod, Prf};

use super::{Esn, EspProposal, IkeProposal};
use crate::wire::{ProposalPayload, ProtocolId, SaPayload, Transform, TransformType};

/// The transform ID of NONE in the types that have it.
const NONE: u16 = 0;
/// The least SPI of an ESP SA (RFC 4303 §2.1).
const FIRST_SPI: u32 = 256;

const IKE_TYPES: [TransformType; 4] =
    [TransformType::Encryption, TransformType::Integrity, TransformType::Prf, TransformType::KeyExchange];
const ESP_TYPES: [TransformType; 4] =
    [TransformType::Encryption, TransformType::Integrity, TransformType::KeyExchange, TransformType::Esn];

/// The algorithms of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenIke {
    /// The number of the accepted proposal.
    pub number: u8,
    /// Encryption.
    pub encryption: Encryption,
    /// Integrity; `None` with an AEAD.
    pub integrity: Option<Integrity>,
    /// Pseudorandom function.
    pub prf: Prf,
    /// Key exchange method.
    pub key_exchange: KeyExchangeMethod,
}

/// The algorithms of a Child SA under ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenEsp {
    /// The number of the accepted proposal.
    pub number: u8,
    /// The SPI in the peer's payload, which the peer receives with; at least 256.
    pub spi: [u8; 4],
    /// Encryption.
    pub encryption: Encryption,
    /// Integrity; `None` with an AEAD.
    pub integrity: Option<Integrity>,
    /// Key exchange method of a CREATE_CHILD_SA exchange with perfect forward secrecy.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// Sequence number size.
    pub esn: Esn,
}

impl ChosenIke {
    /// The proposal of the answer: one transform of each type.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        let proposal = IkeProposal {
            encryption: vec![self.encryption],
            integrity: self.integrity.into_iter().collect(),
            prf: vec![self.prf],
            key_exchange: vec![self.key_exchange],
        };
        proposal.to_wire(number, spi)
    }
}

impl ChosenEsp {
    /// The proposal of the answer: one transform of each type, with our own SPI.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        let proposal = EspProposal {
            encryption: vec![self.encryption],
            integrity: self.integrity.into_iter().collect(),
            key_exchange: self.key_exchange.into_iter().collect(),
            esn: vec![self.esn],
        };
        proposal.to_wire(number, spi)
    }
}

/// What a responder with proposals `configured` accepts of an offer for an IKE SA; `None` is NO_PROPOSAL_CHOSEN.
pub fn select_ike(configured: &[IkeProposal], offered: &SaPayload) -> Option<ChosenIke> {
    first_match(configured, offered, choose_ike)
}

/// What a responder with proposals `configured` accepts of an offer for an ESP SA; `None` is NO_PROPOSAL_CHOSEN.
///
/// In IKE_AUTH, `configured` has no key exchange methods ([`EspProposal::without_key_exchange`]).
pub fn select_esp(configured: &[EspProposal], offered: &SaPayload) -> Option<ChosenEsp> {
    first_match(configured, offered, choose_esp)
}

/// The choice in the answer to [`IkeProposal::offer`] of `sent`; `None` when it is not a choice from that offer.
pub fn verify_answer_ike(sent: &[IkeProposal], answer: &SaPayload) -> Option<ChosenIke> {
    let (proposal, answer) = answered(sent, answer)?;
    choose_ike(proposal, answer)
}

/// The choice in the answer to [`EspProposal::offer`] of `sent`; `None` when it is not a choice from that offer.
pub fn verify_answer_esp(sent: &[EspProposal], answer: &SaPayload) -> Option<ChosenEsp> {
    let (proposal, answer) = answered(sent, answer)?;
    choose_esp(proposal, answer)
}

fn first_match<P, C>(
    configured: &[P],
    offered: &SaPayload,
    choose: impl Fn(&P, &ProposalPayload) -> Option<C>,
) -> Option<C> {
    configured.iter().find_map(|own| offered.proposals.iter().find_map(|other| choose(own, other)))
}

/// The one proposal of an answer with what was sent under its number; it has at most one transform of each type.
fn answered<'a, P>(sent: &'a [P], answer: &'a SaPayload) -> Option<(&'a P, &'a ProposalPayload)> {
    let [proposal] = answer.proposals.as_slice() else {
        return None;
    };
    let own = sent.get(usize::from(proposal.number).checked_sub(1)?)?;
    let transforms = &proposal.transforms;
    let repeated =
        (1..transforms.len()).any(|n| transforms[..n].iter().any(|t| t.kind == transforms[n].kind));
    (!repeated).then_some((own, proposal))
}

fn choose_ike(own: &IkeProposal, other: &ProposalPayload) -> Option<ChosenIke> {
    if other.protocol != ProtocolId::Ike || !has_only(other, &IKE_TYPES) {
        return None;
    }
    Some(ChosenIke {
        number: other.number,
        encryption: common(&own.encryption, other, TransformType::Encryption, encryption)?,
        integrity: common_or_none(
            &own.integrity,
            other,
            TransformType::Integrity,
            Integrity::from_transform,
        )?,
        prf: common(&own.prf, other, TransformType::Prf, |t| by_id(t, Prf::from_transform))?,
        key_exchange: common(&own.key_exchange, other, TransformType::KeyExchange, |transform| {
            by_id(transform, KeyExchangeMethod::from_transform)
        })?,
    })
}

fn choose_esp(own: &EspProposal, other: &ProposalPayload) -> Option<ChosenEsp> {
    let spi: [u8; 4] = other.spi.as_slice().try_into().ok()?;
    let reserved = u32::from_be_bytes(spi) < FIRST_SPI;
    if other.protocol != ProtocolId::Esp || reserved || !has_only(other, &ESP_TYPES) {
        return None;
    }
    Some(ChosenEsp {
        number: other.number,
        spi,
        encryption: common(&own.encryption, other, TransformType::Encryption, encryption)?,
        integrity: common_or_none(
            &own.integrity,
            other,
            TransformType::Integrity,
            Integrity::from_transform,
        )?,
        key_exchange: common_or_none(
            &own.key_exchange,
            other,
            TransformType::KeyExchange,
            KeyExchangeMethod::from_transform,
        )?,
        esn: common(&own.esn, other, TransformType::Esn, |t| by_id(t, Esn::from_transform))?,
    })
}

fn has_only(proposal: &ProposalPayload, allowed: &[TransformType]) -> bool {
    proposal.transforms.iter().all(|transform| allowed.contains(&transform.kind))
}

fn encryption(transform: &Transform) -> Option<Encryption> {
    let known = transform.other_attributes.is_empty();
    Encryption::from_transform(transform.id, transform.key_length).filter(|_| known)
}

/// The algorithm of a transform that may have no attribute.
fn by_id<T>(transform: &Transform, from: impl Fn(u16) -> Option<T>) -> Option<T> {
    let plain = transform.key_length.is_none() && transform.other_attributes.is_empty();
    from(transform.id).filter(|_| plain)
}

/// The first algorithm of `own` that the other side names too.
fn common<T: Copy + PartialEq>(
    own: &[T],
    other: &ProposalPayload,
    kind: TransformType,
    from: impl Fn(&Transform) -> Option<T>,
) -> Option<T> {
    let offered: Vec<T> =
        other.transforms.iter().filter(|transform| transform.kind == kind).filter_map(from).collect();
    own.iter().copied().find(|algorithm| offered.contains(algorithm))
}

/// The same for a type that may be left out: `Some(None)` when both sides can do without.
fn common_or_none<T: Copy + PartialEq>(
    own: &[T],
    other: &ProposalPayload,
    kind: TransformType,
    from: impl Fn(u16) -> Option<T>,
) -> Option<Option<T>> {
    if !own.is_empty() {
        return common(own, other, kind, |transform| by_id(transform, &from)).map(Some);
    }
    let mut offered = other.transforms.iter().filter(|transform| transform.kind == kind).peekable();
    let can_do_without = offered.peek().is_none() || offered.any(|transform| transform.id == NONE);
    can_do_without.then_some(None)
}
