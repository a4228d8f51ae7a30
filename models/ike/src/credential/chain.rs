//! From a peer's certificate to a trust anchor (RFC 5280 §6.1, RFC 4945 §5.1), with revocation by CRL.
//!
//! Paths are searched depth first, by names, anchors before intermediates; a bound on length and on the number of
//! signatures keeps a peer from making the search long. When no path leads to an anchor, the refusal is the first
//! one met on the way: it says more than that all ended.

use ipseclab_crypto::signature::VerifyError;
use ipseclab_crypto::{Crypto, PublicKey};

use super::certificate::{Certificate, Signed};
use super::crl::Crl;
use super::time::UnixTime;

/// What is done when no current CRL tells about a certificate (swanctl's `revocation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revocation {
    /// Refuse: each certificate below the anchor needs a good answer of a CRL that is not stale.
    Strict,
    /// Refuse where the certificate says where its CRL is, else accept.
    IfUri,
    /// Accept unless a CRL, stale or not, lists the certificate (strongSwan's default).
    #[default]
    Relaxed,
}

impl Revocation {
    /// Reads swanctl's word: `strict`, `ifuri` or `relaxed`.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        match keyword {
            "strict" => Some(Self::Strict),
            "ifuri" => Some(Self::IfUri),
            "relaxed" => Some(Self::Relaxed),
            _ => None,
        }
    }

    fn needs_answer(self, certificate: &Certificate) -> bool {
        match self {
            Self::Strict => true,
            Self::IfUri => certificate.has_crl_uri(),
            Self::Relaxed => false,
        }
    }
}

/// How chains are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPolicy {
    /// Certificates below the anchor, at most.
    pub len_max: usize,
    /// Certificates of the peer that are looked at besides its own.
    pub intermediates_max: usize,
    /// Signatures that are verified for one chain, those of CRLs included.
    pub signatures_max: usize,
    /// What is done without a current CRL.
    pub revocation: Revocation,
}

impl Default for ChainPolicy {
    /// A length of 7, as in strongSwan; 10 intermediates and 32 signatures, our choice.
    fn default() -> Self {
        Self { len_max: 7, intermediates_max: 10, signatures_max: 32, revocation: Revocation::Relaxed }
    }
}

/// Why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum ChainError {
    /// No configured authority is named as the issuer.
    #[error("no trusted authority issued the certificate")]
    NoTrustAnchor,
    /// A certificate's time is over.
    #[error("a certificate has expired")]
    Expired,
    /// A certificate's time has not come.
    #[error("a certificate is not yet valid")]
    NotYetValid,
    /// A CRL lists a certificate.
    #[error("a certificate is revoked")]
    Revoked,
    /// The policy wants an answer of a current CRL, and there is none.
    #[error("no current CRL tells whether a certificate is revoked")]
    RevocationUnknown,
    /// A signature is not that of the issuer's key.
    #[error("the signature of a certificate is wrong")]
    BadSignature,
    /// A certificate is signed by a scheme that is not accepted, SHA-1 among them.
    #[error("a certificate is signed by an unsupported scheme")]
    UnsupportedSignature,
    /// An issuer is not an authority.
    #[error("an issuer is not a certificate authority")]
    NotACa,
    /// More certificates than an authority or the policy allows.
    #[error("the certificate path is too long")]
    PathTooLong,
    /// `keyUsage` does not allow what the key was used for.
    #[error("a key is not meant for this use")]
    KeyUsage,
    /// A key of a kind that no scheme here uses.
    #[error("a certificate has an unsupported key")]
    UnsupportedKey,
    /// A critical extension that is not understood.
    #[error("a certificate has an unsupported critical extension")]
    UnsupportedExtension,
    /// The search for a path was given up.
    #[error("too many certificates to search")]
    TooManySignatures,
}

impl ChainError {
    /// The word for it in result tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTrustAnchor => "no_trust_anchor",
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Revoked => "certificate_revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::BadSignature => "certificate_bad_signature",
            Self::UnsupportedSignature => "certificate_unsupported_signature",
            Self::NotACa => "issuer_not_a_ca",
            Self::PathTooLong => "certificate_path_too_long",
            Self::KeyUsage => "certificate_key_usage",
            Self::UnsupportedKey => "certificate_unsupported_key",
            Self::UnsupportedExtension => "certificate_unsupported_extension",
            Self::TooManySignatures => "certificate_search_too_long",
        }
    }
}

/// What is trusted, and what is known to be revoked.
#[derive(Clone, Copy, Debug)]
pub struct TrustStore<'a> {
    /// Trust anchors. A peer's own certificate that is among them is trusted as it is.
    pub anchors: &'a [Certificate],
    /// Authorities below the anchors that configuration knows.
    pub intermediates: &'a [Certificate],
    /// Revocation lists.
    pub crls: &'a [Crl],
    /// How chains are judged.
    pub policy: ChainPolicy,
}

/// A verified path: the end entity, intermediates, and the trust anchor last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<'a>(Vec<&'a Certificate>);

impl<'a> Chain<'a> {
    /// Verifies `end_entity` at `now`, with the peer's other certificates as possible intermediates.
    ///
    /// # Errors
    /// When no path to an anchor holds; the error is that of the first path that was tried.
    pub fn verify(
        crypto: &mut Crypto,
        now: UnixTime,
        end_entity: &'a Certificate,
        others: &'a [Certificate],
        trust: TrustStore<'a>,
    ) -> Result<Self, ChainError> {
        if !end_entity.may_authenticate() {
            return Err(ChainError::KeyUsage);
        }
        let others = &others[..others.len().min(trust.policy.intermediates_max)];
        let mut search = Search { crypto, now, others, trust, signatures: 0 };
        search.check_alone(end_entity)?;
        if trust.anchors.iter().any(|anchor| anchor.as_der() == end_entity.as_der()) {
            return Ok(Self(vec![end_entity]));
        }
        search.extend(&[end_entity]).map(Self)
    }

    /// The path, the end entity first and the trust anchor last.
    pub fn certificates(&self) -> &[&'a Certificate] {
        &self.0
    }

    /// The trust anchor.
    pub fn anchor(&self) -> &'a Certificate {
        self.0[self.0.len() - 1]
    }
}

struct Search<'a, 'c> {
    crypto: &'c mut Crypto,
    now: UnixTime,
    others: &'a [Certificate],
    trust: TrustStore<'a>,
    signatures: usize,
}

impl<'a> Search<'a, '_> {
    /// Continues a path that holds so far to an anchor.
    fn extend(&mut self, path: &[&'a Certificate]) -> Result<Vec<&'a Certificate>, ChainError> {
        let last = path[path.len() - 1];
        if path.len() > self.trust.policy.len_max {
            return Err(ChainError::PathTooLong);
        }
        let anchors = self.trust.anchors.iter().map(|anchor| (anchor, true));
        let below = self.trust.intermediates.iter().chain(self.others).map(|other| (other, false));
        let mut failure = None;
        for (issuer, is_anchor) in anchors.chain(below) {
            if !issuer.subject().is_same(last.issuer()) || path.contains(&issuer) {
                continue;
            }
            let step = self.check_link(path, issuer).and_then(|()| {
                let longer = [path, &[issuer]].concat();
                if is_anchor { Ok(longer) } else { self.extend(&longer) }
            });
            match step {
                Ok(whole) => return Ok(whole),
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        Err(failure.unwrap_or(ChainError::NoTrustAnchor))
    }

    /// What a certificate must fulfil by itself.
    fn check_alone(&self, certificate: &Certificate) -> Result<(), ChainError> {
        if self.now < certificate.not_before() {
            return Err(ChainError::NotYetValid);
        }
        if self.now > certificate.not_after() {
            return Err(ChainError::Expired);
        }
        if certificate.has_unknown_critical() {
            return Err(ChainError::UnsupportedExtension);
        }
        certificate.public_key().map(drop).map_err(|_| ChainError::UnsupportedKey)
    }

    /// Whether `issuer` may have signed the last certificate of `path`, did so, and has not revoked it.
    fn check_link(&mut self, path: &[&'a Certificate], issuer: &'a Certificate) -> Result<(), ChainError> {
        let last = path[path.len() - 1];
        self.check_alone(issuer)?;
        if !issuer.is_authority() {
            return Err(ChainError::NotACa);
        }
        if !issuer.may_sign_certificates() {
            return Err(ChainError::KeyUsage);
        }
        // RFC 5280 §4.2.1.9: certificates that an authority issued to itself do not count.
        let between = path[1..].iter().filter(|below| !below.subject().is_same(below.issuer())).count();
        if issuer.path_len_max().is_some_and(|max| between > max) {
            return Err(ChainError::PathTooLong);
        }
        let key = issuer.public_key().map_err(|_| ChainError::UnsupportedKey)?;
        self.check_signature(&last.signed, key)?;
        self.check_revocation(last, issuer, key)
    }

    fn check_signature(&mut self, signed: &Signed, key: &PublicKey) -> Result<(), ChainError> {
        use ipseclab_crypto::SignatureScheme::RsaPkcs1Sha1;
        let scheme =
            signed.scheme.filter(|scheme| *scheme != RsaPkcs1Sha1).ok_or(ChainError::UnsupportedSignature)?;
        if self.signatures == self.trust.policy.signatures_max {
            return Err(ChainError::TooManySignatures);
        }
        self.signatures += 1;
        self.crypto.verify(key, scheme, &signed.content, &signed.signature).map_err(|error| match error {
            VerifyError::WrongKey { .. } => ChainError::UnsupportedSignature,
            VerifyError::Signature => ChainError::BadSignature,
        })
    }

    /// A list counts when the issuer itself signed it; a stale one still revokes, as in strongSwan.
    fn check_revocation(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        key: &PublicKey,
    ) -> Result<(), ChainError> {
        let mut is_known_good = false;
        for crl in self.trust.crls.iter().filter(|crl| crl.issuer().is_same(issuer.subject())) {
            let is_authentic = issuer.may_sign_crls()
                && match self.check_signature(&crl.signed, key) {
                    Ok(()) => true,
                    // A list that is not looked at might have revoked.
                    Err(ChainError::TooManySignatures) => return Err(ChainError::TooManySignatures),
                    Err(_) => false,
                };
            if is_authentic && crl.revokes(certificate.serial()) {
                return Err(ChainError::Revoked);
            }
            is_known_good |= is_authentic && crl.is_current(self.now) && !crl.has_unknown_critical();
        }
        if is_known_good || !self.trust.policy.revocation.needs_answer(certificate) {
            Ok(())
        } else {
            Err(ChainError::RevocationUnknown)
        }
    }
}
