//! Proposals for AH (RFC 7296 §3.3.3; RFC 2407 §4.4.3): integrity without encryption.
//!
//! A child with proposals for both AH and ESP is a bundle, AH around ESP, which `IKEv1` alone can negotiate (RFC 2408 §4.2);
//! its first AH proposal goes with its first ESP proposal, and so on.

use core::fmt;
use core::str::FromStr;

use ipseclab_crypto::{Integrity, KeyExchangeMethod};

use super::parse::parse_ah_proposal;
use super::{Esn, ProposalError, write_keywords};

/// A proposal for a Child SA under AH.
///
/// ```
/// use ipseclab_ike::proposal::AhProposal;
///
/// let proposal: AhProposal = "sha256-sha1-modp2048".parse()?;
/// assert_eq!(proposal.integrity.len(), 2);
/// assert_eq!(proposal.to_string(), "sha256-sha1-modp2048");
/// # Ok::<(), ipseclab_ike::proposal::ProposalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhProposal {
    /// Integrity; at least one.
    pub integrity: Vec<Integrity>,
    /// Key exchange methods for perfect forward secrecy; empty for none.
    pub key_exchange: Vec<KeyExchangeMethod>,
    /// Sequence number sizes.
    pub esn: Vec<Esn>,
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

impl FromStr for AhProposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_ah_proposal(text)
    }
}
