//! Choosing from an offer, and checking the answer to our own (RFC 7296 §2.7, §3.3.6).
//!
//! The responder's own order decides, for proposals and within them, as with strongSwan's default
//! `prefer_configured_proposals = yes`. Transforms that nobody here knows are passed over; a proposal with a transform
//! type that is unknown, or that does not belong to its protocol, is not acceptable. "NONE" for integrity or key
//! exchange means the same as leaving the type out (§3.3.2).

use core::fmt;

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod, Prf};

use super::{AhProposal, ChildProposal, ChosenChild, Esn, EspProposal, IkeProposal};
use crate::event::ChildProtocol;
use crate::wire::{ProposalPayload, ProtocolId, SaPayload, Transform, TransformType};

/// The transform ID of NONE in the types that have it.
const NONE: u16 = 0;
/// The least SPI of an ESP or AH SA (RFC 4302 §2.4, RFC 4303 §2.1).
const FIRST_SPI: u32 = 256;

const IKE_TYPES: [TransformType; 4] =
    [TransformType::Encryption, TransformType::Integrity, TransformType::Prf, TransformType::KeyExchange];
const ESP_TYPES: [TransformType; 4] =
    [TransformType::Encryption, TransformType::Integrity, TransformType::KeyExchange, TransformType::Esn];
const AH_TYPES: [TransformType; 3] =
    [TransformType::Integrity, TransformType::KeyExchange, TransformType::Esn];

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
    /// Key exchange method of a `CREATE_CHILD_SA` exchange with perfect forward secrecy.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// Sequence number size.
    pub esn: Esn,
}

impl fmt::Display for ChosenIke {
    /// In swanctl's keywords, such as `aes256gcm16-prfsha256-x25519`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encryption.keyword())?;
        if let Some(integrity) = self.integrity {
            write!(f, "-{}", integrity.keyword())?;
        }
        if self.integrity.is_none_or(|integrity| integrity.prf() != self.prf) {
            write!(f, "-{}", self.prf.keyword())?;
        }
        write!(f, "-{}", self.key_exchange.keyword())
    }
}

impl fmt::Display for ChosenEsp {
    /// In swanctl's keywords, such as `aes128gcm16` or `aes128-sha256-esn`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encryption.keyword())?;
        f.write_str(if self.integrity.is_some() { "-" } else { "" })?;
        self.fmt_authentication(f)
    }
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
    /// All but the encryption, which is what AH has.
    pub(super) fn fmt_authentication(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.integrity.map_or("", Integrity::keyword))?;
        if let Some(method) = self.key_exchange {
            write!(f, "-{}", method.keyword())?;
        }
        f.write_str(if self.esn == Esn::Yes { "-esn" } else { "" })
    }

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

impl IkeProposal {
    /// Whether every algorithm of `chosen` is among this proposal's.
    pub fn allows(&self, chosen: ChosenIke) -> bool {
        let integrity = match chosen.integrity {
            Some(integrity) => self.integrity.contains(&integrity),
            None => self.integrity.is_empty(),
        };
        integrity
            && self.encryption.contains(&chosen.encryption)
            && self.prf.contains(&chosen.prf)
            && self.key_exchange.contains(&chosen.key_exchange)
    }
}

/// What a responder with proposals `configured` accepts of an offer for an IKE SA; `None` is `NO_PROPOSAL_CHOSEN`.
pub fn select_ike(configured: &[IkeProposal], offered: &SaPayload) -> Option<ChosenIke> {
    first_match(configured, offered, choose_ike)
}

/// What a responder with proposals `configured` accepts of an offer for a Child SA; `None` is `NO_PROPOSAL_CHOSEN`.
///
/// In `IKE_AUTH`, `configured` has no key exchange methods ([`ChildProposal::without_key_exchange`]).
pub fn select_child(configured: &[ChildProposal], offered: &SaPayload) -> Option<ChosenChild> {
    first_match(configured, offered, choose_child)
}

/// The choice in the answer to [`IkeProposal::offer`] of `sent`; `None` when it is not a choice from that offer.
pub fn verify_answer_ike(sent: &[IkeProposal], answer: &SaPayload) -> Option<ChosenIke> {
    let (proposal, answer) = answered(sent, answer)?;
    choose_ike(proposal, answer)
}

/// The choice in the answer to an offer of `sent`, numbered from 1; `None` when it is not a choice from that offer.
pub fn verify_answer_child(sent: &[ChildProposal], answer: &SaPayload) -> Option<ChosenChild> {
    let (proposal, answer) = answered(sent, answer)?;
    choose_child(proposal, answer)
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
    let integrity = common_integrity(&own.integrity, other);
    if integrity.is_none() && !both_without(&own.integrity, other, TransformType::Integrity) {
        return None;
    }
    Some(ChosenIke {
        number: other.number,
        encryption: common(&own.encryption, other, TransformType::Encryption, encryption)?,
        integrity,
        prf: common(&own.prf, other, TransformType::Prf, |t| by_id(t, Prf::from_transform))?,
        key_exchange: common_key_exchange(&own.key_exchange, other)?,
    })
}

fn choose_child(own: &ChildProposal, other: &ProposalPayload) -> Option<ChosenChild> {
    let (protocol, algorithms) = match own {
        ChildProposal::Esp(own) => (ChildProtocol::Esp, choose_esp(own, other)?),
        ChildProposal::Ah(own) => (ChildProtocol::Ah, choose_ah(own, other)?),
    };
    Some(ChosenChild { protocol, algorithms })
}

fn choose_esp(own: &EspProposal, other: &ProposalPayload) -> Option<ChosenEsp> {
    if other.protocol != ProtocolId::Esp || !has_only(other, &ESP_TYPES) {
        return None;
    }
    let integrity = common_integrity(&own.integrity, other);
    if integrity.is_none() && !both_without(&own.integrity, other, TransformType::Integrity) {
        return None;
    }
    Some(ChosenEsp {
        number: other.number,
        spi: child_spi(other)?,
        encryption: common(&own.encryption, other, TransformType::Encryption, encryption)?,
        integrity,
        key_exchange: child_key_exchange(&own.key_exchange, other)?,
        esn: common_esn(&own.esn, other)?,
    })
}

fn choose_ah(own: &AhProposal, other: &ProposalPayload) -> Option<ChosenEsp> {
    if other.protocol != ProtocolId::Ah || !has_only(other, &AH_TYPES) {
        return None;
    }
    Some(ChosenEsp {
        number: other.number,
        spi: child_spi(other)?,
        encryption: Encryption::Null,
        integrity: Some(common_integrity(&own.integrity, other)?),
        key_exchange: child_key_exchange(&own.key_exchange, other)?,
        esn: common_esn(&own.esn, other)?,
    })
}

fn child_spi(other: &ProposalPayload) -> Option<[u8; 4]> {
    let spi = <[u8; 4]>::try_from(other.spi.as_slice()).ok()?;
    (u32::from_be_bytes(spi) >= FIRST_SPI).then_some(spi)
}

/// The key exchange that both want, or that neither wants: the outer `None` is for one that only one side wants.
#[expect(clippy::option_option, reason = "no agreement is not the same as agreeing on none")]
fn child_key_exchange(
    own: &[KeyExchangeMethod],
    other: &ProposalPayload,
) -> Option<Option<KeyExchangeMethod>> {
    let method = common_key_exchange(own, other);
    (method.is_some() || both_without(own, other, TransformType::KeyExchange)).then_some(method)
}

fn common_esn(own: &[Esn], other: &ProposalPayload) -> Option<Esn> {
    common(own, other, TransformType::Esn, |t| by_id(t, Esn::from_transform))
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

fn common_integrity(own: &[Integrity], other: &ProposalPayload) -> Option<Integrity> {
    common(own, other, TransformType::Integrity, |t| by_id(t, Integrity::from_transform))
}

fn common_key_exchange(own: &[KeyExchangeMethod], other: &ProposalPayload) -> Option<KeyExchangeMethod> {
    common(own, other, TransformType::KeyExchange, |t| by_id(t, KeyExchangeMethod::from_transform))
}

/// Whether neither side asks for a transform of this type.
fn both_without<T>(own: &[T], other: &ProposalPayload, kind: TransformType) -> bool {
    let mut offered = other.transforms.iter().filter(|transform| transform.kind == kind).peekable();
    own.is_empty() && (offered.peek().is_none() || offered.any(|transform| transform.id == NONE))
}

#[cfg(test)]
mod tests {
    use ipseclab_crypto::AesKey;

    use super::*;
    use crate::proposal::{parse_esp_proposal, parse_ike_proposal};
    use crate::wire::Attribute;

    const SPI: [u8; 4] = [0xc7, 0x51, 0x3f, 0xc2];

    fn ike(texts: &[&str]) -> Vec<IkeProposal> {
        texts.iter().map(|text| parse_ike_proposal(text).unwrap()).collect()
    }

    fn esp(texts: &[&str]) -> Vec<EspProposal> {
        texts.iter().map(|text| parse_esp_proposal(text).unwrap()).collect()
    }

    fn select_esp(configured: &[EspProposal], offered: &SaPayload) -> Option<ChosenEsp> {
        first_match(configured, offered, choose_esp)
    }

    fn wire(number: u8, text: &str) -> ProposalPayload {
        parse_ike_proposal(text).unwrap().to_wire(number, &[])
    }

    /// Negotiates both ways: what the responder chooses is what the initiator reads from the answer.
    fn check_ike(configured: &[&str], offered: &[&str], expected: Option<(u8, &str)>) {
        let sent = ike(offered);
        let chosen = select_ike(&ike(configured), &IkeProposal::offer(&sent, &[]));
        let expected = expected.map(|(number, text)| (number, parse_ike_proposal(text).unwrap()));
        let as_proposal = |chosen: ChosenIke| IkeProposal {
            encryption: vec![chosen.encryption],
            integrity: chosen.integrity.into_iter().collect(),
            prf: vec![chosen.prf],
            key_exchange: vec![chosen.key_exchange],
        };
        assert_eq!(chosen.map(|chosen| (chosen.number, as_proposal(chosen))), expected);
        if let Some(chosen) = chosen {
            let answer = SaPayload { proposals: vec![chosen.to_wire(chosen.number, &[])] };
            assert_eq!(verify_answer_ike(&sent, &answer), Some(chosen));
        }
    }

    #[test]
    fn the_responders_order_decides_for_proposals_and_algorithms() {
        check_ike(
            &["aes256gcm16-prfsha384-ecp384", "aes128-aes256-sha256-modp2048-x25519"],
            &["aes256-aes128-sha256-x25519-modp2048", "aes256gcm16-prfsha384-ecp384"],
            Some((2, "aes256gcm16-prfsha384-ecp384")),
        );
        check_ike(
            &["aes128-aes256-sha256-modp2048-x25519"],
            &["aes256-aes128-sha256-x25519-modp2048"],
            Some((1, "aes128-sha256-modp2048")),
        );
    }

    #[test]
    fn every_type_must_have_something_in_common() {
        let own = &["aes128-sha256-modp2048"];
        for offered in [
            "aes256-sha256-modp2048",
            "aes128-sha384-prfsha256-modp2048",
            "aes128-sha256-prfsha384-modp2048",
            "aes128-sha256-modp3072",
            "aes128gcm16-prfsha256-modp2048",
        ] {
            check_ike(own, &[offered], None);
        }
        check_ike(own, &["aes256-sha256-modp2048", "aes128-sha256-modp2048"], Some((2, own[0])));
    }

    #[test]
    fn a_proposal_allows_what_could_have_been_chosen_from_it() {
        let own = parse_ike_proposal("aes128-aes256-sha256-modp2048-x25519").unwrap();
        let allows = |text| {
            let chosen = select_ike(&ike(&[text]), &IkeProposal::offer(&ike(&[text]), &[])).unwrap();
            own.allows(chosen)
        };
        assert!(allows("aes256-sha256-x25519"));
        let others =
            ["aes192-sha256-x25519", "aes256-sha384-prfsha256-x25519", "aes256-sha256-prfsha384-x25519"];
        assert!(!others.into_iter().any(allows));
        assert!(!allows("aes256-sha256-ecp256") && !allows("aes256gcm16-prfsha256-x25519"));
    }

    #[test]
    fn unknown_algorithms_are_passed_over() {
        let mut offer = wire(1, "aes128-sha256-modp2048");
        offer.transforms.insert(0, Transform::new(TransformType::Encryption, 3, None));
        offer.transforms.push(Transform::new(TransformType::KeyExchange, 999, None));
        let offer = SaPayload { proposals: vec![offer] };
        let chosen = select_ike(&ike(&["aes128-sha256-modp2048"]), &offer).unwrap();
        assert_eq!(chosen.encryption, Encryption::AesCbc(AesKey::Bits128));
    }

    #[test]
    fn a_proposal_with_a_foreign_transform_type_is_not_acceptable() {
        for kind in [TransformType::Unknown(6), TransformType::Esn] {
            let mut offer = wire(1, "aes128-sha256-modp2048");
            offer.transforms.push(Transform::new(kind, 0, None));
            let good = wire(2, "aes128-sha256-modp2048");
            let offer = SaPayload { proposals: vec![offer, good] };
            assert_eq!(select_ike(&ike(&["aes128-sha256-modp2048"]), &offer).unwrap().number, 2);
        }
    }

    #[test]
    fn a_transform_with_an_unknown_attribute_is_not_acceptable() {
        let mut offer = wire(1, "aes128-sha256-modp2048");
        offer.transforms[0].other_attributes.push(Attribute::Short { kind: 77, value: 1 });
        let offer = SaPayload { proposals: vec![offer] };
        assert_eq!(select_ike(&ike(&["aes128-sha256-modp2048"]), &offer), None);
    }

    #[test]
    fn integrity_none_beside_an_aead_means_no_integrity() {
        let own = ike(&["aes128gcm16-prfsha256-x25519"]);
        let with_integrity = |id| {
            let mut offer = wire(1, "aes128gcm16-prfsha256-x25519");
            offer.transforms.push(Transform::new(TransformType::Integrity, id, None));
            SaPayload { proposals: vec![offer] }
        };
        assert_eq!(select_ike(&own, &with_integrity(0)).unwrap().integrity, None);
        assert_eq!(select_ike(&own, &with_integrity(12)), None);
        assert_eq!(verify_answer_ike(&own, &with_integrity(0)).unwrap().integrity, None);
    }

    #[test]
    fn an_answer_must_be_one_proposal_from_the_offer_with_one_transform_each() {
        let sent = ike(&["aes128-aes256-sha256-modp2048", "aes256gcm16-prfsha256-x25519"]);
        let check = |proposals: Vec<ProposalPayload>| verify_answer_ike(&sent, &SaPayload { proposals });
        assert!(check(vec![wire(1, "aes256-sha256-modp2048")]).is_some());
        assert!(check(vec![wire(2, "aes256gcm16-prfsha256-x25519")]).is_some());
        assert_eq!(check(vec![]), None);
        assert_eq!(check(vec![wire(1, "aes256-sha256-modp2048"); 2]), None, "two proposals");
        assert_eq!(check(vec![wire(2, "aes256-sha256-modp2048")]), None, "content of another number");
        assert_eq!(check(vec![wire(0, "aes256-sha256-modp2048")]), None, "numbers start at 1");
        assert_eq!(check(vec![wire(3, "aes256-sha256-modp2048")]), None, "never sent");
        assert_eq!(check(vec![wire(1, "aes192-sha256-modp2048")]), None, "not offered");
        assert_eq!(check(vec![wire(1, "aes128-aes256-sha256-modp2048")]), None, "no choice made");
    }

    #[test]
    fn esp_takes_the_peers_spi_and_answers_with_its_own() {
        let sent = esp(&["aes256-sha256", "aes128gcm16-esn-noesn"]);
        let offer = EspProposal::offer(&sent, &SPI);
        let chosen = select_esp(&esp(&["aes128gcm16"]), &offer).unwrap();
        assert_eq!((chosen.number, chosen.spi, chosen.esn), (2, SPI, Esn::No));
        let answer = SaPayload { proposals: vec![chosen.to_wire(chosen.number, &[9, 9, 9, 9])] };
        let sent: Vec<_> = sent.into_iter().map(ChildProposal::Esp).collect();
        let read = verify_answer_child(&sent, &answer).unwrap().algorithms;
        assert_eq!(read, ChosenEsp { spi: [9; 4], ..chosen });
    }

    #[test]
    fn esp_spis_of_another_size_or_below_256_are_not_acceptable() {
        let own = esp(&["aes128gcm16"]);
        let select = |spi: &[u8]| select_esp(&own, &EspProposal::offer(&own, spi));
        assert!(select(&[0, 0, 1, 0]).is_some());
        assert_eq!(select(&[0, 0, 0, 255]), None);
        assert_eq!(select(&[]), None);
        assert_eq!(select(&[1; 8]), None);
    }

    #[test]
    fn perfect_forward_secrecy_must_be_wanted_by_both() {
        let select = |own: &str, other: &str| {
            select_esp(&esp(&[own]), &EspProposal::offer(&esp(&[other]), &SPI))
                .map(|chosen| chosen.key_exchange)
        };
        assert_eq!(select("aes128gcm16", "aes128gcm16"), Some(None));
        assert_eq!(
            select("aes128gcm16-x25519", "aes128gcm16-modp2048-x25519"),
            Some(Some(KeyExchangeMethod::Curve25519))
        );
        assert_eq!(select("aes128gcm16-x25519", "aes128gcm16"), None);
        assert_eq!(select("aes128gcm16", "aes128gcm16-x25519"), None);
    }

    #[test]
    fn ah_and_ike_proposals_are_not_taken_for_esp() {
        let own = esp(&["aes128gcm16"]);
        for protocol in [ProtocolId::Ah, ProtocolId::Ike, ProtocolId::Unknown(9)] {
            let mut offer = EspProposal::offer(&own, &SPI);
            offer.proposals[0].protocol = protocol;
            assert_eq!(select_esp(&own, &offer), None);
        }
    }

    #[test]
    fn an_esp_proposal_without_esn_is_not_acceptable() {
        let own = esp(&["aes128gcm16"]);
        let mut offer = EspProposal::offer(&own, &SPI);
        offer.proposals[0].transforms.retain(|transform| transform.kind != TransformType::Esn);
        assert_eq!(select_esp(&own, &offer), None);
    }
}
