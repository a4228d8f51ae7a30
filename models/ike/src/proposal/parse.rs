//! strongSwan's proposal strings: algorithm keywords joined by `-` (swanctl.conf, `proposals`, `esp_proposals`).
//!
//! What strongSwan fills in is filled in here: in IKE the PRF of an integrity keyword, also next to an AEAD, where
//! the keyword names nothing else; in ESP 32-bit sequence numbers. What it would drop in silence is an error.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod, Prf};

use super::{AhProposal, Esn, EspProposal, IkeProposal};

/// A string that is not a proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{keyword}`: {reason}")]
pub struct ProposalError {
    /// The keyword at fault, or the whole string where something is missing.
    pub keyword: String,
    /// Where it stands in the string, in bytes.
    pub range: Range<usize>,
    /// What is wrong, and what would be right.
    pub reason: ProposalFault,
}

/// What is wrong with a proposal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalFault {
    /// Not a keyword of an IKE proposal.
    #[error("is not allowed in an IKE proposal; allowed are {}", Allowed(Use::Ike))]
    NotForIke,
    /// Not a keyword of an ESP proposal.
    #[error("is not allowed in an ESP proposal; allowed are {}", Allowed(Use::Esp))]
    NotForEsp,
    /// Not a keyword of an AH proposal.
    #[error("is not allowed in an AH proposal; allowed are {}", Allowed(Use::Ah))]
    NotForAh,
    /// The same algorithm stands there already.
    #[error("is named twice")]
    Repeated,
    /// AEADs and other ciphers in one proposal (RFC 5282 §8).
    #[error("AEADs and other ciphers cannot share a proposal; make two of it")]
    MixedModes,
    /// No encryption algorithm.
    #[error("an encryption algorithm is missing, such as aes256gcm16 or aes128")]
    NoEncryption,
    /// A cipher that does not authenticate, alone (for ESP: RFC 8221 §4).
    #[error("an integrity algorithm is missing, such as sha256")]
    NoIntegrity,
    /// An integrity algorithm beside an AEAD in ESP.
    #[error("an AEAD needs no integrity algorithm; leave it out")]
    IntegrityWithAead,
    /// An AEAD without a PRF in IKE.
    #[error("an AEAD needs a PRF beside it, such as prfsha256")]
    NoPrf,
    /// No key exchange method in IKE.
    #[error("a key exchange method is missing, such as x25519 or modp2048")]
    NoKeyExchange,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Ike,
    Esp,
    Ah,
}

struct Allowed(Use);

impl Allowed {
    fn keywords(&self) -> impl Iterator<Item = &'static str> {
        let purpose = self.0;
        let encryption =
            Encryption::ALL.iter().filter(move |algorithm| purpose.allows(Keyword::Encryption(**algorithm)));
        encryption
            .map(|algorithm| algorithm.keyword())
            .chain(Integrity::ALL.iter().map(|algorithm| algorithm.keyword()))
            .chain(Prf::ALL.iter().filter(move |_| purpose == Use::Ike).map(|algorithm| algorithm.keyword()))
            .chain(KeyExchangeMethod::ALL.iter().map(|method| method.keyword()))
            .chain([Esn::No, Esn::Yes].iter().filter(move |_| purpose != Use::Ike).map(|esn| esn.keyword()))
    }
}

impl ProposalFault {
    /// The keywords that could stand where one is not allowed; none for other faults.
    pub fn allowed(self) -> Vec<&'static str> {
        match self {
            Self::NotForIke => Allowed(Use::Ike).keywords().collect(),
            Self::NotForEsp => Allowed(Use::Esp).keywords().collect(),
            Self::NotForAh => Allowed(Use::Ah).keywords().collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, keyword) in self.keywords().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(keyword)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Keyword {
    Encryption(Encryption),
    Integrity(Integrity),
    Prf(Prf),
    KeyExchange(KeyExchangeMethod),
    Esn(Esn),
}

impl Keyword {
    fn parse(keyword: &str) -> Option<Self> {
        Encryption::from_keyword(keyword)
            .map(Self::Encryption)
            .or_else(|| Integrity::from_keyword(keyword).map(Self::Integrity))
            .or_else(|| Prf::from_keyword(keyword).map(Self::Prf))
            .or_else(|| KeyExchangeMethod::from_keyword(keyword).map(Self::KeyExchange))
            .or_else(|| Esn::from_keyword(keyword).map(Self::Esn))
    }
}

impl Use {
    fn allows(self, keyword: Keyword) -> bool {
        match keyword {
            Keyword::Encryption(algorithm) => match self {
                Self::Ike => algorithm.hides_text(),
                Self::Esp => true,
                Self::Ah => false,
            },
            Keyword::Esn(_) => self != Self::Ike,
            Keyword::Prf(_) => self == Self::Ike,
            Keyword::Integrity(_) | Keyword::KeyExchange(_) => true,
        }
    }

    fn refusal(self) -> ProposalFault {
        match self {
            Self::Ike => ProposalFault::NotForIke,
            Self::Esp => ProposalFault::NotForEsp,
            Self::Ah => ProposalFault::NotForAh,
        }
    }
}

#[derive(Default)]
struct Lists {
    encryption: Vec<Encryption>,
    integrity: Vec<Integrity>,
    prf: Vec<Prf>,
    key_exchange: Vec<KeyExchangeMethod>,
    esn: Vec<Esn>,
}

impl Lists {
    fn parse(text: &str, purpose: Use) -> Result<Self, ProposalError> {
        let mut lists = Self::default();
        let mut start = 0;
        for keyword in text.split('-') {
            let range = start..start + keyword.len();
            start = range.end + 1;
            lists.add(keyword, purpose).map_err(|reason| ProposalError {
                keyword: keyword.to_owned(),
                range,
                reason,
            })?;
        }
        Ok(lists)
    }

    fn add(&mut self, keyword: &str, purpose: Use) -> Result<(), ProposalFault> {
        let parsed = Keyword::parse(keyword).filter(|keyword| purpose.allows(*keyword));
        match parsed.ok_or(purpose.refusal())? {
            Keyword::Encryption(algorithm) => push_new(&mut self.encryption, algorithm),
            Keyword::Integrity(algorithm) => push_new(&mut self.integrity, algorithm),
            Keyword::Prf(algorithm) => push_new(&mut self.prf, algorithm),
            Keyword::KeyExchange(method) => push_new(&mut self.key_exchange, method),
            Keyword::Esn(esn) => push_new(&mut self.esn, esn),
        }
    }

    /// Whether the ciphers are AEADs.
    fn mode(&self) -> Result<bool, ProposalFault> {
        let first = self.encryption.first().ok_or(ProposalFault::NoEncryption)?.is_aead();
        if self.encryption.iter().any(|algorithm| algorithm.is_aead() != first) {
            return Err(ProposalFault::MixedModes);
        }
        if !first && self.integrity.is_empty() {
            return Err(ProposalFault::NoIntegrity);
        }
        Ok(first)
    }

    fn into_ike(mut self) -> Result<IkeProposal, ProposalFault> {
        let aead = self.mode()?;
        if self.prf.is_empty() {
            self.prf = self.integrity.iter().map(|integrity| integrity.prf()).collect();
        }
        if self.prf.is_empty() {
            return Err(ProposalFault::NoPrf);
        }
        if self.key_exchange.is_empty() {
            return Err(ProposalFault::NoKeyExchange);
        }
        let integrity = if aead { Vec::new() } else { self.integrity };
        Ok(IkeProposal {
            encryption: self.encryption,
            integrity,
            prf: self.prf,
            key_exchange: self.key_exchange,
        })
    }

    fn into_esp(self) -> Result<EspProposal, ProposalFault> {
        if self.mode()? && !self.integrity.is_empty() {
            return Err(ProposalFault::IntegrityWithAead);
        }
        Ok(self.into_bundled_esp())
    }

    /// AH around it sees to integrity.
    fn into_bundled_esp(self) -> EspProposal {
        let esn = self.esn_or_default();
        let Self { encryption, integrity, key_exchange, .. } = self;
        EspProposal { encryption, integrity, key_exchange, esn }
    }

    fn into_ah(self) -> Result<AhProposal, ProposalFault> {
        if self.integrity.is_empty() {
            return Err(ProposalFault::NoIntegrity);
        }
        let esn = self.esn_or_default();
        let Self { integrity, key_exchange, .. } = self;
        Ok(AhProposal { integrity, key_exchange, esn })
    }

    fn esn_or_default(&self) -> Vec<Esn> {
        if self.esn.is_empty() { vec![Esn::No] } else { self.esn.clone() }
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) -> Result<(), ProposalFault> {
    if list.contains(&value) {
        return Err(ProposalFault::Repeated);
    }
    list.push(value);
    Ok(())
}

fn whole(text: &str, reason: ProposalFault) -> ProposalError {
    ProposalError { keyword: text.to_owned(), range: 0..text.len(), reason }
}

/// Parses an IKE proposal such as `aes256gcm16-prfsha256-x25519`.
///
/// # Errors
/// Where a keyword is unknown or out of place, or something is missing.
pub fn parse_ike_proposal(text: &str) -> Result<IkeProposal, ProposalError> {
    Lists::parse(text, Use::Ike)?.into_ike().map_err(|reason| whole(text, reason))
}

/// Parses an ESP proposal such as `aes128gcm16` or `aes128-sha256-modp2048`.
///
/// # Errors
/// Where a keyword is unknown or out of place, or something is missing.
pub fn parse_esp_proposal(text: &str) -> Result<EspProposal, ProposalError> {
    Lists::parse(text, Use::Esp)?.into_esp().map_err(|reason| whole(text, reason))
}

/// Parses an ESP proposal that stands beside one of AH, so that integrity may be left to that: `aes128`, say.
///
/// # Errors
/// Where a keyword is unknown or out of place, or something is missing.
pub fn parse_bundled_esp_proposal(text: &str) -> Result<EspProposal, ProposalError> {
    let lists = Lists::parse(text, Use::Esp)?;
    match lists.mode() {
        Err(ProposalFault::NoIntegrity) => Ok(lists.into_bundled_esp()),
        _ => lists.into_esp().map_err(|reason| whole(text, reason)),
    }
}

/// Parses an AH proposal such as `sha256` or `sha1-modp1024`.
///
/// # Errors
/// Where a keyword is unknown or out of place, or something is missing.
pub fn parse_ah_proposal(text: &str) -> Result<AhProposal, ProposalError> {
    Lists::parse(text, Use::Ah)?.into_ah().map_err(|reason| whole(text, reason))
}

impl FromStr for AhProposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_ah_proposal(text)
    }
}

impl FromStr for IkeProposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_ike_proposal(text)
    }
}

impl FromStr for EspProposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_esp_proposal(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_ike_error(text: &str, keyword: &str, reason: ProposalFault) {
        let error = parse_ike_proposal(text).unwrap_err();
        assert_eq!((error.keyword.as_str(), error.reason), (keyword, reason), "{text}");
        assert_eq!(&text[error.range], keyword);
    }

    fn check_esp_error(text: &str, keyword: &str, reason: ProposalFault) {
        let error = parse_esp_proposal(text).unwrap_err();
        assert_eq!((error.keyword.as_str(), error.reason), (keyword, reason), "{text}");
        assert_eq!(&text[error.range], keyword);
    }

    #[test]
    fn keywords_come_back_as_they_were_written() {
        for text in [
            "aes256gcm16-prfsha256-x25519",
            "aes256-aes128-sha384-sha256-ecp384-modp2048",
            "aes128-sha256-prfsha512-modp3072",
            "aes128gcm16-chacha20poly1305-prfsha384-prfsha256-ecp256",
        ] {
            assert_eq!(parse_ike_proposal(text).unwrap().to_string(), text);
        }
        for text in ["aes128gcm16", "null-sha256", "aes256-sha1-modp2048-noesn-esn", "aes256gcm16-esn"] {
            assert_eq!(parse_esp_proposal(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_algorithm_is_reached_by_its_keyword() {
        for encryption in Encryption::ALL {
            let rest = if encryption.is_aead() { "" } else { "-sha256" };
            let esp = parse_esp_proposal(&format!("{}{rest}", encryption.keyword())).unwrap();
            assert_eq!(esp.encryption, [*encryption]);
            let ike = parse_ike_proposal(&format!("{}-sha256-x25519", encryption.keyword()));
            assert_eq!(ike.is_ok(), encryption.hides_text(), "{encryption}");
        }
        for (integrity, method) in Integrity::ALL.iter().zip(KeyExchangeMethod::ALL.iter().cycle()) {
            let ike =
                parse_ike_proposal(&format!("3des-{}-{}", integrity.keyword(), method.keyword())).unwrap();
            assert_eq!((ike.integrity, ike.prf), (vec![*integrity], vec![integrity.prf()]));
        }
        for (method, prf) in KeyExchangeMethod::ALL.iter().zip(Prf::ALL.iter().cycle()) {
            let text = format!("aes256ccm16-{}-{}", prf.keyword(), method.keyword());
            let ike = parse_ike_proposal(&text).unwrap();
            assert_eq!((ike.prf, ike.key_exchange), (vec![*prf], vec![*method]));
        }
    }

    #[test]
    fn the_prf_follows_from_the_integrity_keyword_also_with_an_aead() {
        let classic = parse_ike_proposal("aes128-sha1-sha512-modp1024").unwrap();
        assert_eq!(classic.prf, [Prf::HmacSha1, Prf::HmacSha2_512]);
        let aead = parse_ike_proposal("aes256gcm16-sha384-ecp384").unwrap();
        assert_eq!((aead.prf, aead.integrity), (vec![Prf::HmacSha2_384], vec![]));
    }

    #[test]
    fn order_within_a_type_is_kept_and_order_between_types_does_not_matter() {
        assert_eq!(
            parse_ike_proposal("x25519-sha256-aes128-modp2048"),
            parse_ike_proposal("aes128-sha256-x25519-modp2048")
        );
        let proposal = parse_ike_proposal("aes128-aes256-sha256-x25519").unwrap();
        assert_eq!(proposal.encryption[0].keyword(), "aes128");
    }

    #[test]
    fn a_typo_is_pointed_at_with_what_is_allowed() {
        check_ike_error("aes256-sha265-modp2048", "sha265", ProposalFault::NotForIke);
        let message = parse_ike_proposal("aes256-sha265-modp2048").unwrap_err().to_string();
        assert!(
            message
                .starts_with("`sha265`: is not allowed in an IKE proposal; allowed are des, 3des, aes128, ")
        );
        assert!(message.contains("prfsha256") && message.contains("x25519"), "{message}");
        assert!(ProposalFault::NotForIke.allowed().iter().all(|keyword| message.contains(keyword)));
        assert!(ProposalFault::NoPrf.allowed().is_empty());
        assert!(
            !message.contains("null") && !message.contains("gmac") && !message.contains("esn"),
            "{message}"
        );
    }

    #[test]
    fn empty_keywords_are_errors_where_they_stand() {
        check_ike_error("", "", ProposalFault::NotForIke);
        check_ike_error("aes128--sha256", "", ProposalFault::NotForIke);
        assert_eq!(parse_esp_proposal("aes128-sha256-").unwrap_err().range, 14..14);
    }

    #[test]
    fn an_ike_proposal_needs_cipher_integrity_prf_and_key_exchange() {
        let cases = [
            ("sha256-modp2048", ProposalFault::NoEncryption),
            ("aes128-modp2048", ProposalFault::NoIntegrity),
            ("aes128gcm16-modp2048", ProposalFault::NoPrf),
            ("aes128-sha256", ProposalFault::NoKeyExchange),
            ("aes128-aes128gcm16-sha256-modp2048", ProposalFault::MixedModes),
        ];
        for (text, reason) in cases {
            check_ike_error(text, text, reason);
        }
    }

    #[test]
    fn keywords_of_the_other_protocol_are_refused() {
        check_ike_error("null-sha256-modp2048", "null", ProposalFault::NotForIke);
        check_ike_error("aes128gmac-prfsha256-modp2048", "aes128gmac", ProposalFault::NotForIke);
        check_ike_error("aes128-sha256-modp2048-esn", "esn", ProposalFault::NotForIke);
        check_esp_error("aes128-sha256-prfsha256", "prfsha256", ProposalFault::NotForEsp);
    }

    #[test]
    fn an_esp_proposal_is_always_authenticated_and_only_once() {
        check_esp_error("aes128", "aes128", ProposalFault::NoIntegrity);
        check_esp_error("null", "null", ProposalFault::NoIntegrity);
        check_esp_error("aes128gcm16-sha256", "aes128gcm16-sha256", ProposalFault::IntegrityWithAead);
    }

    #[test]
    fn an_algorithm_named_twice_is_an_error_also_by_its_alias() {
        check_esp_error("aes128-sha256-aes", "aes", ProposalFault::Repeated);
        check_ike_error("aes128-sha256-x25519-curve25519", "curve25519", ProposalFault::Repeated);
    }
}
