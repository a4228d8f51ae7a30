//! Proposals for a Child SA of IKEv2, each for ESP or for AH (RFC 7296 §3.3).
//!
//! One offer may have proposals of both kinds, and the answer takes one of them: a bundle of two protocols, which IKEv1
//! knows, cannot be negotiated here. What was chosen of AH is kept in the words of ESP, without encryption.

use core::fmt;

use ipseclab_crypto::KeyExchangeMethod;

use super::{AhProposal, ChosenEsp, EspProposal};
use crate::event::ChildProtocol;
use crate::wire::ProposalPayload;

/// A proposal for a Child SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildProposal {
    /// Under ESP.
    Esp(EspProposal),
    /// Under AH.
    Ah(AhProposal),
}

/// The protocol and the algorithms of a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenChild {
    /// What the SPI and the algorithms are of.
    pub protocol: ChildProtocol,
    /// The algorithms; of AH the encryption is NULL, which its proposal does not name.
    pub algorithms: ChosenEsp,
}

impl ChildProposal {
    /// Its key exchange methods for perfect forward secrecy.
    pub fn key_exchange(&self) -> &[KeyExchangeMethod] {
        match self {
            Self::Esp(esp) => &esp.key_exchange,
            Self::Ah(ah) => &ah.key_exchange,
        }
    }

    pub(crate) fn key_exchange_mut(&mut self) -> &mut Vec<KeyExchangeMethod> {
        match self {
            Self::Esp(esp) => &mut esp.key_exchange,
            Self::Ah(ah) => &mut ah.key_exchange,
        }
    }

    /// The proposal as `IKE_AUTH` carries it and chooses from it: no key exchange takes place there (RFC 7296 §1.2).
    #[must_use]
    pub fn without_key_exchange(mut self) -> Self {
        self.key_exchange_mut().clear();
        self
    }

    /// The proposal substructure with all its transforms. `spi` has the four octets that the sender will receive with.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        match self {
            Self::Esp(esp) => esp.to_wire(number, spi),
            Self::Ah(ah) => ah.to_wire(number, spi),
        }
    }
}

impl ChosenChild {
    /// The proposal of the answer: one transform of each type, with our own SPI.
    pub fn to_wire(&self, spi: &[u8]) -> ProposalPayload {
        let ChosenEsp { number, integrity, key_exchange, esn, .. } = self.algorithms;
        match self.protocol {
            ChildProtocol::Esp => self.algorithms.to_wire(number, spi),
            ChildProtocol::Ah => {
                let integrity = integrity.into_iter().collect();
                let key_exchange = key_exchange.into_iter().collect();
                AhProposal { integrity, key_exchange, esn: vec![esn] }.to_wire(number, spi)
            }
        }
    }
}

impl fmt::Display for ChosenChild {
    /// In swanctl's keywords: `aes128gcm16`, `aes128-sha256-esn`, or for AH `sha256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            ChildProtocol::Esp => self.algorithms.fmt(f),
            ChildProtocol::Ah => self.algorithms.fmt_authentication(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proposal::{Esn, parse_ah_proposal, parse_esp_proposal, select_child, verify_answer_child};
    use crate::wire::{ProtocolId, SaPayload, Transform, TransformType};

    const SPI: [u8; 4] = [0xc7, 0x51, 0x3f, 0xc2];

    fn ah(text: &str) -> ChildProposal {
        ChildProposal::Ah(parse_ah_proposal(text).unwrap())
    }

    fn esp(text: &str) -> ChildProposal {
        ChildProposal::Esp(parse_esp_proposal(text).unwrap())
    }

    fn offer(proposals: &[ChildProposal]) -> SaPayload {
        let proposals = proposals.iter().zip(1..).map(|(one, number)| one.to_wire(number, &SPI)).collect();
        SaPayload { proposals }
    }

    /// What the responder chooses is what the initiator reads from the answer.
    fn check(configured: &[ChildProposal], offered: &[ChildProposal], expected: Option<(u8, &str)>) {
        let chosen = select_child(configured, &offer(offered));
        let told = chosen.map(|chosen| (chosen.algorithms.number, chosen.to_string()));
        assert_eq!(told, expected.map(|(number, text)| (number, text.to_owned())));
        let Some(chosen) = chosen else { return };
        assert_eq!(chosen.algorithms.spi, SPI);
        let answer = SaPayload { proposals: vec![chosen.to_wire(&[9; 4])] };
        let read = verify_answer_child(offered, &answer).unwrap();
        assert_eq!(read.algorithms, ChosenEsp { spi: [9; 4], ..chosen.algorithms });
        assert_eq!(read.protocol, chosen.protocol);
    }

    #[test]
    fn ah_is_offered_with_integrity_and_sequence_numbers_and_no_encryption() {
        let wire = ah("sha256-sha1-x25519-esn-noesn").to_wire(2, &SPI);
        assert_eq!((wire.number, wire.protocol, wire.spi.as_slice()), (2, ProtocolId::Ah, SPI.as_slice()));
        let rows: Vec<_> = wire.transforms.iter().map(|one| (one.kind.code(), one.id)).collect();
        assert_eq!(rows, [(3, 12), (3, 2), (4, 31), (5, 1), (5, 0)]);
    }

    #[test]
    fn the_first_of_our_own_that_is_offered_decides_the_protocol() {
        let both = [esp("aes128gcm16"), ah("sha256-sha1")];
        check(&both, &[ah("sha1"), esp("aes128gcm16")], Some((2, "aes128gcm16")));
        check(&both, &[ah("sha1")], Some((1, "sha1")));
        check(&[ah("sha1")], &both, Some((2, "sha1")));
        check(&[ah("sha1-esn")], &[ah("sha1"), ah("sha1-noesn-esn")], Some((2, "sha1-esn")));
        check(&[ah("sha1-x25519")], &[ah("sha1-modp2048-x25519")], Some((1, "sha1-x25519")));
    }

    #[test]
    fn nothing_in_common_is_nothing_chosen() {
        check(&[ah("sha256")], &[ah("sha1")], None);
        check(&[ah("sha256")], &[ah("sha256-esn")], None);
        check(&[ah("sha256")], &[ah("sha256-x25519")], None);
        check(&[ah("sha256")], &[esp("null-sha256")], None);
        check(&[esp("null-sha256")], &[ah("sha256")], None);
    }

    #[test]
    fn ah_with_an_encryption_algorithm_or_without_sequence_numbers_is_no_proposal() {
        let own = [ah("sha256")];
        let mut odd = offer(&own);
        odd.proposals[0].transforms.push(Transform::new(TransformType::Encryption, 11, None));
        assert_eq!(select_child(&own, &odd), None);
        let mut odd = offer(&own);
        odd.proposals[0].transforms.retain(|transform| transform.kind != TransformType::Esn);
        assert_eq!(select_child(&own, &odd), None);
        let mut reserved = offer(&own);
        reserved.proposals[0].spi = vec![0, 0, 0, 255];
        assert_eq!(select_child(&own, &reserved), None);
    }

    #[test]
    fn ike_auth_leaves_key_exchanges_out() {
        let bare = ah("sha256-x25519").without_key_exchange();
        assert_eq!(bare, ah("sha256"));
        assert_eq!(esp("aes128gcm16-x25519-esn").without_key_exchange(), esp("aes128gcm16-esn"));
        let ChildProposal::Ah(proposal) = bare else { panic!("still AH") };
        assert_eq!(proposal.esn, [Esn::No]);
    }
}
