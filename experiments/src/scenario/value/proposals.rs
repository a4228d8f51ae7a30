//! Proposals in strongSwan's keywords.

use ipseclab_ike::proposal::{self, ProposalFault};

use super::{TextValue, text_values};
use crate::structure::{Mistake, suggestion};

/// A proposal for the IKE SA in strongSwan's keywords: `"aes256gcm16-prfsha256-x25519"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    text: String,
    parsed: proposal::IkeProposal,
}

/// A proposal for ESP SAs in strongSwan's keywords: `"aes128gcm16"`, `"aes256-sha256"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspProposal {
    text: String,
    parsed: proposal::EspProposal,
}

/// A proposal for AH SAs in strongSwan's keywords: `"sha256"`, `"sha1-modp1024"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhProposal {
    text: String,
    parsed: proposal::AhProposal,
}

impl IkeProposal {
    /// The proposal as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The transforms that it stands for.
    pub fn parsed(&self) -> &proposal::IkeProposal {
        &self.parsed
    }
}

impl EspProposal {
    /// The proposal as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The transforms that it stands for.
    pub fn parsed(&self) -> &proposal::EspProposal {
        &self.parsed
    }

    /// Whether it leaves integrity to AH (RFC 8221 §4 forbids it alone).
    pub fn needs_ah(&self) -> bool {
        needs_ah(&self.parsed)
    }
}

impl AhProposal {
    /// The proposal as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The transforms that it stands for.
    pub fn parsed(&self) -> &proposal::AhProposal {
        &self.parsed
    }
}

/// Whether a proposal leaves integrity to AH.
pub(in crate::scenario) fn needs_ah(parsed: &proposal::EspProposal) -> bool {
    parsed.integrity.is_empty() && parsed.encryption.iter().any(|algorithm| !algorithm.is_aead())
}

/// The long list of what is allowed goes below the snippet, not into it; the keyword goes into it, for the place may
/// be a whole list of proposals.
fn proposal_mistake(error: &proposal::ProposalError) -> Mistake {
    let reason = error.reason.to_string();
    let (wrong, right) = reason.split_once("; ").unwrap_or((&reason, ""));
    let keyword = error.keyword.escape_debug();
    let message = match error.reason {
        ProposalFault::NotForIke
        | ProposalFault::NotForEsp
        | ProposalFault::NotForAh
        | ProposalFault::Repeated => {
            format!("`{keyword}` {wrong}")
        }
        _ => wrong.to_owned(),
    };
    let meant = suggestion(&error.keyword, &error.reason.allowed());
    let right = Some(right).filter(|text| !text.is_empty()).map(str::to_owned);
    Mistake { message, span: Some(error.range.clone()), help: meant.into_iter().chain(right).collect() }
}

impl TextValue for IkeProposal {
    const FORMAT: &'static str = "ike-proposal";
    const EXPECTED: &'static str = "an IKE proposal such as \"aes256gcm16-prfsha256-x25519\"";
    const PATTERN: &'static str = "^[a-z0-9_]+(-[a-z0-9_]+)*$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let parsed = proposal::parse_ike_proposal(text).map_err(|error| proposal_mistake(&error))?;
        Ok(Self { text: text.to_owned(), parsed })
    }
}

impl TextValue for EspProposal {
    const FORMAT: &'static str = "esp-proposal";
    const EXPECTED: &'static str = "an ESP proposal such as \"aes128gcm16\" or \"aes256-sha256\"";
    const PATTERN: &'static str = "^[a-z0-9_]+(-[a-z0-9_]+)*$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let parsed = proposal::parse_bundled_esp_proposal(text).map_err(|error| proposal_mistake(&error))?;
        Ok(Self { text: text.to_owned(), parsed })
    }
}

impl TextValue for AhProposal {
    const FORMAT: &'static str = "ah-proposal";
    const EXPECTED: &'static str = "an AH proposal such as \"sha256\"";
    const PATTERN: &'static str = "^[a-z0-9_]+(-[a-z0-9_]+)*$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let parsed = proposal::parse_ah_proposal(text).map_err(|error| proposal_mistake(&error))?;
        Ok(Self { text: text.to_owned(), parsed })
    }
}

text_values! {
    IkeProposal = "IkeProposal": "A proposal for the IKE SA in strongSwan's keywords.",
    EspProposal = "EspProposal": "A proposal for ESP SAs in strongSwan's keywords.",
    AhProposal = "AhProposal": "A proposal for AH SAs in strongSwan's keywords.",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake<T: TextValue>(text: &str) -> Mistake {
        T::parse(text).err().unwrap_or_else(|| panic!("{text:?} should be refused"))
    }

    #[test]
    fn a_proposal_typo_is_placed_at_the_keyword() {
        assert_eq!(IkeProposal::parse("aes256gcm16-prfsha256-x25519").unwrap().text().len(), 28);
        assert_eq!(mistake::<IkeProposal>("aes256gcm16-prfsha257-x25519").span, Some(12..21));
        assert_eq!(mistake::<EspProposal>("aes129gcm16").span, Some(0..11));
    }

    #[test]
    fn a_proposal_typo_is_named_with_the_keyword_that_was_meant() {
        let typo = mistake::<IkeProposal>("aes256gcm16-prfsha257-x25519");
        assert_eq!(typo.message, "`prfsha257` is not allowed in an IKE proposal");
        assert_eq!(typo.help[0], "did you mean `prfsha256`?");
        assert!(typo.help[1].starts_with("allowed are des, 3des, aes128, "), "{:?}", typo.help);
        let repeated = mistake::<EspProposal>("aes128-sha256-aes");
        assert_eq!((repeated.message.as_str(), repeated.help.len()), ("`aes` is named twice", 0));
    }
}
