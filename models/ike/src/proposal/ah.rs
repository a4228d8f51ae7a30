//! Proposals for AH (RFC 4302), which has nothing to encrypt.

use core::fmt;

use ipseclab_crypto::{Integrity, KeyExchangeMethod};

use super::{Esn, esn_transforms, integrity_transforms, key_exchange_transforms, write_keywords};
use crate::wire::{ProposalPayload, ProtocolId};

/// A proposal for a Child SA under AH.
///
/// ```
/// use ipseclab_ike::proposal::parse_ah_proposal;
///
/// let proposal = parse_ah_proposal("sha256-modp2048")?;
/// assert_eq!(proposal.integrity, [ipseclab_crypto::Integrity::HmacSha2_256_128]);
/// assert_eq!(proposal.to_string(), "sha256-modp2048");
/// # Ok::<(), ipseclab_ike::proposal::ProposalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhProposal {
    /// Integrity.
    pub integrity: Vec<Integrity>,
    /// Key exchange methods for perfect forward secrecy; empty for none.
    pub key_exchange: Vec<KeyExchangeMethod>,
    /// Sequence number sizes.
    pub esn: Vec<Esn>,
}

impl AhProposal {
    /// The proposal substructure with all its transforms. `spi` has the four octets that the sender will receive with.
    pub fn to_wire(&self, number: u8, spi: &[u8]) -> ProposalPayload {
        let transforms = (integrity_transforms(&self.integrity))
            .chain(key_exchange_transforms(&self.key_exchange))
            .chain(esn_transforms(&self.esn))
            .collect();
        ProposalPayload { number, protocol: ProtocolId::Ah, spi: spi.to_vec(), transforms }
    }
}

impl fmt::Display for AhProposal {
    /// strongSwan's keywords; 32-bit sequence numbers only beside 64-bit ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let esn = if self.esn == [Esn::No] { &[] } else { self.esn.as_slice() };
        let keywords = (self.integrity.iter().map(|algorithm| algorithm.keyword()))
            .chain(self.key_exchange.iter().map(|method| method.keyword()))
            .chain(esn.iter().map(|esn| esn.keyword()));
        write_keywords(f, keywords)
    }
}
