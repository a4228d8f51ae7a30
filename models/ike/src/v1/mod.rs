//! IKEv1 (RFC 2407, 2408, 2409).

mod cipher;
mod conversation;
mod endpoint;
mod keys;
mod offer;
mod weak_keys;

use core::fmt;

pub(crate) use endpoint::{Endpoint, IsakmpSas};

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
