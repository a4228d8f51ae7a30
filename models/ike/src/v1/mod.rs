//! IKEv1 (RFC 2407, 2408, 2409).

mod abilities;
#[cfg(test)]
mod captured;
mod child_sa;
mod cipher;
mod conversation;
mod endpoint;
mod established;
mod exchange;
mod fragment;
mod isakmp_sa;
mod keys;
mod nat;
mod offer;
mod order;
mod table;
mod weak_keys;

use core::fmt;

pub(crate) use endpoint::{Endpoint, IsakmpSas};

use crate::wire::isakmp::ExchangeType;

/// An exchange of IKEv1 (RFC 2409 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum V1Exchange {
    /// Phase 1 in six messages, which hides the identities.
    MainMode,
    /// Phase 1 in three.
    AggressiveMode,
    /// Phase 2: Child SAs.
    QuickMode,
    /// Notifications and Deletes, without an answer.
    Informational,
    /// XAUTH and Mode-Config.
    Transaction,
}

impl V1Exchange {
    /// Its number on the wire.
    const fn wire(self) -> ExchangeType {
        match self {
            Self::MainMode => ExchangeType::IdentityProtection,
            Self::AggressiveMode => ExchangeType::Aggressive,
            Self::QuickMode => ExchangeType::QuickMode,
            Self::Informational => ExchangeType::Informational,
            Self::Transaction => ExchangeType::Transaction,
        }
    }

    /// The name in logs and diagrams.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MainMode => "Main Mode",
            Self::AggressiveMode => "Aggressive Mode",
            Self::QuickMode => "Quick Mode",
            Self::Informational => "Informational",
            Self::Transaction => "Transaction",
        }
    }
}

impl fmt::Display for V1Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
