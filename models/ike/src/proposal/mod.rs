//! What a proposal means: the algorithms that a side wants, and the one set that both agree on (RFC 7296 §2.7, §3.3).
//!
//! The wire structure is [`wire::SaPayload`](crate::wire::SaPayload); this module turns strongSwan's keyword strings
//! into proposals, proposals into payloads, and an offer into a choice. A proposal holds one algorithm list per
//! transform type, in order of preference; an empty list means that the type is not proposed. Key lengths belong to
//! the algorithm here and become attributes on the wire alone.
//!
//! IKEv1 offers the same proposals in payloads of its own.

mod ah;
mod child;
mod choice;
mod parse;

use core::fmt;

use ipseclab_crypto::{AesKey, Encryption, Integrity, KeyExchangeMethod, Prf};

use crate::wire::{ProposalPayload, ProtocolId, SaPayload, Transform, TransformType};

pub use ah::AhProposal;
pub use child::{ChildProposal, ChosenChild};
pub use choice::{ChosenEsp, ChosenIke, select_child, select_ike, verify_answer_child, verify_answer_ike};
pub use parse::{
    ProposalError, ProposalFault, parse_ah_proposal, parse_bundled_esp_proposal, parse_esp_proposal,
    parse_ike_proposal,
};

/// Whether ESP counts with 64-bit sequence numbers (RFC 7296 §3.3.2, transform type 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Esn {
    /// 32-bit sequence numbers.
    #[default]
    No,
    /// 64-bit sequence numbers.
    Yes,
}

impl Esn {
    /// The IANA transform ID of type 5.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
        }
    }

    /// The value of a transform ID.
    pub const fn from_transform(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::No),
            1 => Some(Self::Yes),
            _ => None,
        }
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::No => "noesn",
            Self::Yes => "esn",
        }
    }

    /// The value of a keyword.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        [Self::No, Self::Yes].into_iter().find(|esn| esn.keyword() == keyword)
    }
}

/// A proposal for an IKE SA.
///
/// ```
/// use ipseclab_ike::proposal::parse_ike_proposal;
///
/// let proposal = parse_ike_proposal("aes256-sha384-modp2048")?;
/// assert_eq!(proposal.prf, [ipseclab_crypto::Prf::HmacSha2_384]);
/// assert_eq!(proposal.to_string(), "aes256-sha384-modp2048");
/// # Ok::<(), ipseclab_ike::proposal::ProposalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    /// Encryption, all AEADs or none.
    pub encryption: Vec<Encryption>,
    /// Integrity; empty with AEADs.
    pub integrity: Vec<Integrity>,
    /// Pseudorandom functions.
    pub prf: Vec<Prf>,
    /// Key exchange methods.
    pub key_exchange: Vec<KeyExchangeMethod>,
}

/// A proposal for a Child SA under ESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspProposal {
    /// Encryption, all AEADs or none.
    pub encryption: Vec<Encryption>,
    /// Integrity; empty with AEADs.
    pub integrity: Vec<Integrity>,
    /// Key exchange methods for perfect forward secrecy in `CREATE_CHILD_SA`; empty for none.
    pub key_exchange: Vec<KeyExchangeMethod>,
    /// Sequence number sizes.
    pub esn: Vec<Esn>,
}

const AEADS: [Encryption; 3] = [
    Encryption::AesGcm16(AesKey::Bits256),
    Encryption::AesGcm16(AesKey::Bits128),
    Encryption::ChaCha20Poly1305,
];
const CIPHERS: [Encryption; 2] = [Encryption::AesCbc(AesKey::Bits256), Encryption::AesCbc(AesKey::Bits128)];
const INTEGRITIES: [Integrity; 3] =
    [Integrity::HmacSha2_256_128, Integrity::HmacSha2_384_192, Integrity::HmacSha2_512_256];
const PRFS: [Prf; 3] = [Prf::HmacSha2_256, Prf::HmacSha2_384, Prf::HmacSha2_512];
const METHODS: [KeyExchangeMethod; 6] = [
    KeyExchangeMethod::Curve25519,
    KeyExchangeMethod::Ecp256,
    KeyExchangeMethod::Ecp384,
    KeyExchangeMethod::Modp3072,
    KeyExchangeMethod::Modp4096,
    KeyExchangeMethod::Modp2048,
];

impl IkeProposal {
    /// What is proposed where nothing is configured: AEADs first, then AES-CBC with SHA-2, each with every method that
    /// RFC 8247 does not advise against.
    pub fn default_set() -> Vec<Self> {
        let aead = Self {
            encryption: AEADS.to_vec(),
            integrity: Vec::new(),
            prf: PRFS.to_vec(),
            key_exchange: METHODS.to_vec(),
        };
        let classic = Self { encryption: CIPHERS.to_vec(), integrity: INTEGRITIES.to_vec(), ..aead.clone() };
        vec![aead, classic]
    }

    /// The proposal substructure with all its transforms. `spi` is empty in `IKE_SA_INIT` and has 8 octets in a rekey.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        let mut transforms = encryption_transforms(&self.encryption);
        transforms.extend(integrity_transforms(&self.integrity));
        transforms.extend(self.prf.iter().map(|prf| plain(TransformType::Prf, prf.transform_id())));
        transforms.extend(key_exchange_transforms(&self.key_exchange));
        ProposalPayload { number, protocol: ProtocolId::Ike, spi: spi.to_vec(), transforms }
    }

    /// The SA payload that offers `proposals`, numbered from 1 in their order.
    ///
    /// # Panics
    /// With more than 255 proposals.
    pub fn offer(proposals: &[Self], spi: &[u8]) -> SaPayload {
        numbered(proposals, |proposal, number| proposal.to_wire(number, spi))
    }
}

impl EspProposal {
    /// What is proposed where nothing is configured: AEADs first, then AES-CBC with SHA-2, without a key exchange.
    pub fn default_set() -> Vec<Self> {
        let aead = Self {
            encryption: AEADS.to_vec(),
            integrity: Vec::new(),
            key_exchange: Vec::new(),
            esn: vec![Esn::No],
        };
        let classic = Self { encryption: CIPHERS.to_vec(), integrity: INTEGRITIES.to_vec(), ..aead.clone() };
        vec![aead, classic]
    }

    /// The proposal substructure with all its transforms. `spi` has the four octets that the sender will receive with.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        let mut transforms = encryption_transforms(&self.encryption);
        transforms.extend(integrity_transforms(&self.integrity));
        transforms.extend(key_exchange_transforms(&self.key_exchange));
        transforms.extend(esn_transforms(&self.esn));
        ProposalPayload { number, protocol: ProtocolId::Esp, spi: spi.to_vec(), transforms }
    }

    /// The SA payload that offers `proposals`, numbered from 1 in their order.
    ///
    /// # Panics
    /// With more than 255 proposals.
    pub fn offer(proposals: &[Self], spi: &[u8]) -> SaPayload {
        numbered(proposals, |proposal, number| proposal.to_wire(number, spi))
    }
}

fn numbered<P>(proposals: &[P], to_wire: impl Fn(&P, u8) -> ProposalPayload) -> SaPayload {
    assert!(u8::try_from(proposals.len()).is_ok(), "proposals are numbered in one octet");
    SaPayload { proposals: proposals.iter().zip(1..).map(|(proposal, n)| to_wire(proposal, n)).collect() }
}

fn plain(kind: TransformType, id: u16) -> Transform {
    Transform::new(kind, id, None)
}

fn encryption_transforms(list: &[Encryption]) -> Vec<Transform> {
    let transform = |algorithm: &Encryption| {
        Transform::new(TransformType::Encryption, algorithm.transform_id(), algorithm.key_length_attribute())
    };
    list.iter().map(transform).collect()
}

fn integrity_transforms(list: &[Integrity]) -> impl Iterator<Item = Transform> {
    list.iter().map(|integrity| plain(TransformType::Integrity, integrity.transform_id()))
}

fn key_exchange_transforms(list: &[KeyExchangeMethod]) -> impl Iterator<Item = Transform> {
    list.iter().map(|method| plain(TransformType::KeyExchange, method.transform_id()))
}

fn esn_transforms(list: &[Esn]) -> impl Iterator<Item = Transform> {
    list.iter().map(|esn| plain(TransformType::Esn, esn.transform_id()))
}

impl fmt::Display for IkeProposal {
    /// strongSwan's keywords; the PRFs only where they do not follow from the integrity algorithms.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let derived: Vec<_> = self.integrity.iter().map(|integrity| integrity.prf()).collect();
        let prfs = if derived == self.prf { &[] } else { self.prf.as_slice() };
        let keywords = (self.encryption.iter().map(|algorithm| algorithm.keyword()))
            .chain(self.integrity.iter().map(|algorithm| algorithm.keyword()))
            .chain(prfs.iter().map(|algorithm| algorithm.keyword()))
            .chain(self.key_exchange.iter().map(|method| method.keyword()));
        write_keywords(f, keywords)
    }
}

impl fmt::Display for EspProposal {
    /// strongSwan's keywords; 32-bit sequence numbers only beside 64-bit ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let esn = if self.esn == [Esn::No] { &[] } else { self.esn.as_slice() };
        let keywords = (self.encryption.iter().map(|algorithm| algorithm.keyword()))
            .chain(self.integrity.iter().map(|algorithm| algorithm.keyword()))
            .chain(self.key_exchange.iter().map(|method| method.keyword()))
            .chain(esn.iter().map(|esn| esn.keyword()));
        write_keywords(f, keywords)
    }
}

fn write_keywords(f: &mut fmt::Formatter<'_>, keywords: impl Iterator<Item = &'static str>) -> fmt::Result {
    for (index, keyword) in keywords.enumerate() {
        f.write_str(if index == 0 { "" } else { "-" })?;
        f.write_str(keyword)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(proposal: &ProposalPayload) -> Vec<(u8, u16, Option<u16>)> {
        proposal.transforms.iter().map(|t| (t.kind.code(), t.id, t.key_length)).collect()
    }

    #[test]
    fn an_ike_proposal_lists_encr_integ_prf_ke_in_this_order() {
        let proposal = parse_ike_proposal("aes256-aes128-sha256-modp2048-x25519").unwrap();
        let wire = proposal.to_wire(3, &[]);
        assert_eq!((wire.number, wire.protocol, wire.spi.len()), (3, ProtocolId::Ike, 0));
        let expected = [
            (1, 12, Some(256)),
            (1, 12, Some(128)),
            (3, 12, None),
            (2, 5, None),
            (4, 14, None),
            (4, 31, None),
        ];
        assert_eq!(rows(&wire), expected);
    }

    #[test]
    fn an_esp_proposal_ends_with_esn_and_has_a_key_exchange_only_outside_ike_auth() {
        let proposal = parse_esp_proposal("aes128gcm16-x25519-esn-noesn").unwrap();
        let full = proposal.to_wire(1, &[1, 2, 3, 4]);
        assert_eq!(rows(&full), [(1, 20, Some(128)), (4, 31, None), (5, 1, None), (5, 0, None)]);
        let auth = ChildProposal::Esp(proposal).without_key_exchange().to_wire(1, &[1, 2, 3, 4]);
        assert_eq!(rows(&auth), [(1, 20, Some(128)), (5, 1, None), (5, 0, None)]);
        assert_eq!(auth.spi, [1, 2, 3, 4]);
    }

    #[test]
    fn an_offer_numbers_proposals_from_one() {
        let offer = IkeProposal::offer(&IkeProposal::default_set(), &[]);
        let numbers: Vec<_> = offer.proposals.iter().map(|proposal| proposal.number).collect();
        assert_eq!(numbers, [1, 2]);
    }

    /// RFC 8247 §2 and RFC 8221 §5 advise against them.
    #[test]
    fn the_default_sets_name_nothing_weak() {
        let ike = IkeProposal::default_set();
        let esp = EspProposal::default_set();
        let texts: Vec<_> =
            ike.iter().map(ToString::to_string).chain(esp.iter().map(ToString::to_string)).collect();
        let weak = [
            "des",
            "3des",
            "md5",
            "sha1",
            "prfmd5",
            "prfsha1",
            "modp768",
            "modp1024",
            "modp1536",
            "modp1024s160",
        ];
        let named = |keyword: &&str| texts.iter().any(|text| text.split('-').any(|word| word == *keyword));
        assert_eq!(weak.iter().find(|keyword| named(keyword)), None);
        assert!(named(&"x25519"));
    }

    #[test]
    fn the_default_sets_are_proposals_that_one_could_write() {
        for proposal in IkeProposal::default_set() {
            assert_eq!(parse_ike_proposal(&proposal.to_string()), Ok(proposal));
        }
        for proposal in EspProposal::default_set() {
            assert_eq!(parse_esp_proposal(&proposal.to_string()), Ok(proposal));
        }
    }
}
