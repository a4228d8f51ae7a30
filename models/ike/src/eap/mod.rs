//! EAP inside `IKE_AUTH`: both sides as values that take packets and answer with steps (RFC 3748, RFC 7296 §2.16).
//!
//! Nothing here knows IKE. The owner carries the packets in EAP payloads, honours the delays that a step names, and at
//! the end computes AUTH from [`Msk::as_secret`], or from `SK_pi` and `SK_pr` where a method has no key. IKE repeats
//! lost messages itself, so EAP's own timers are left out; a packet that RFC 3748 wants discarded gives an `Ignore`
//! step, and as nothing else can follow in that IKE exchange, its owner should close the IKE SA.
//!
//! Methods: MD5-Challenge (RFC 1994, RFC 3748 §5.4) and `MSCHAPv2` (RFC 2759, keys of RFC 3079). Left out: expanded
//! types (§5.7), One-Time Password, Generic Token Card, changing an expired password, pass-through to RADIUS.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
//! use ipseclab_ike::eap::{
//!     AuthenticatorConfig, AuthenticatorStep, EapAuthenticator, EapContext, EapIdentity, EapPeer, EapSecrets,
//!     Password, PeerConfig, PeerStep,
//! };
//!
//! /// Octets for an example. Real ones come from the owner's seeded streams.
//! struct Counter(u8);
//!
//! impl RandomSource for Counter {
//!     fn fill(&mut self, _: Purpose, out: &mut [u8]) {
//!         out.fill_with(|| {
//!             self.0 = self.0.wrapping_mul(5).wrapping_add(3);
//!             self.0
//!         });
//!     }
//! }
//!
//! let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
//! let mut random = Counter(1);
//! let mut context = EapContext { crypto: &mut crypto, random: &mut random };
//!
//! let carol = EapIdentity::new(b"carol").unwrap();
//! let secrets = EapSecrets::from_iter([(carol.clone(), Password::new("Ar3etTnp").unwrap())]);
//! let config = AuthenticatorConfig::new(Arc::new(secrets));
//! let mut peer = EapPeer::new(PeerConfig::new(carol, Password::new("Ar3etTnp").unwrap()));
//! let (mut server, mut request) = EapAuthenticator::start(config, &mut context);
//!
//! let server_key = loop {
//!     let PeerStep::Respond(response) = peer.handle(&request, &mut context) else { panic!("gave up") };
//!     match server.handle(&response, &mut context) {
//!         AuthenticatorStep::Request { packet, .. } => request = packet,
//!         AuthenticatorStep::Success { packet, msk, .. } => {
//!             request = packet;
//!             break msk;
//!         }
//!         step => panic!("{step:?}"),
//!     }
//! };
//! let PeerStep::Success(peer_key) = peer.handle(&request, &mut context) else { panic!("no success") };
//! assert!(peer_key.is_some() && peer_key == server_key);
//! ```

use core::fmt;

use ipseclab_crypto::{Crypto, RandomSource, Secret};

mod authenticator;
mod identity;
mod md5;
mod mschapv2;
pub mod packet;
mod peer;
mod secrets;
#[cfg(test)]
mod tests;

pub use authenticator::{AuthenticatorConfig, AuthenticatorStep, EapAuthenticator, IdentitySource};
pub use identity::{EapIdentity, IDENTITY_LEN_MAX};
pub use mschapv2::MsChapStyle;
pub use peer::{EapPeer, PeerConfig, PeerStep};
pub use secrets::{EapSecrets, PASSWORD_LEN_MAX, Password};

use packet::EapType;

/// The methods that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EapMethod {
    /// MD5-Challenge, type 4: no key and no proof by the authenticator.
    Md5,
    /// `MSCHAPv2`, type 26: mutual, with an [`Msk`].
    MsChapV2,
}

impl EapMethod {
    /// The method's type on the wire.
    pub const fn eap_type(self) -> EapType {
        match self {
            Self::Md5 => EapType::Md5Challenge,
            Self::MsChapV2 => EapType::MsChapV2,
        }
    }

    /// The method of a type, or `None` when it is none or not ours.
    pub const fn from_eap_type(kind: EapType) -> Option<Self> {
        match kind {
            EapType::Md5Challenge => Some(Self::Md5),
            EapType::MsChapV2 => Some(Self::MsChapV2),
            EapType::Identity
            | EapType::Notification
            | EapType::Nak
            | EapType::Expanded
            | EapType::Other(_) => None,
        }
    }

    /// swanctl's word after `eap-`.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::MsChapV2 => "mschapv2",
        }
    }

    /// The method of swanctl's word after `eap-`.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        [Self::Md5, Self::MsChapV2].into_iter().find(|method| method.keyword() == keyword)
    }
}

/// The master session key of a method: 64 octets that both sides know (RFC 3748 §7.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msk(Secret);

impl Msk {
    /// The key, as the shared secret of the AUTH payloads wants it (RFC 7296 §2.16).
    pub const fn as_secret(&self) -> &Secret {
        &self.0
    }
}

/// What a step may use: metered cryptography and random octets.
pub struct EapContext<'a> {
    /// The session whose meter counts the work.
    pub crypto: &'a mut Crypto,
    /// The owner's streams; EAP draws for [`Purpose::Eap`](ipseclab_crypto::Purpose::Eap) alone.
    pub random: &'a mut dyn RandomSource,
}

/// Why an EAP conversation ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EapFailure {
    /// The two sides have different passwords.
    BadPassword,
    /// Nobody has a password for the name.
    UnknownIdentity,
    /// No method is left that both sides allow.
    MethodRefused,
    /// The authenticator refused for another reason, such as an account that is locked.
    Denied,
    /// A packet did not fit its method or its place in the conversation.
    ProtocolError,
    /// The conversation took more packets than the limit.
    TooManyRounds,
}

impl EapFailure {
    /// The word in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadPassword => "bad_password",
            Self::UnknownIdentity => "unknown_identity",
            Self::MethodRefused => "method_refused",
            Self::Denied => "denied",
            Self::ProtocolError => "protocol_error",
            Self::TooManyRounds => "too_many_rounds",
        }
    }
}

impl fmt::Display for EapFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a packet changed nothing (RFC 3748 §4 wants it discarded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// It is no EAP packet.
    Malformed,
    /// It has the code of the other direction.
    Direction,
    /// Its identifier is not that of the outstanding request.
    Identifier,
    /// It claims a success that the method has not reached (RFC 3748 §4.2).
    EarlySuccess,
    /// The conversation is over.
    Finished,
}

/// Packets that one side takes before it gives up, unless configured: three tries and every detour fit.
pub const ROUNDS_MAX_DEFAULT: u32 = 16;
