//! IKEv2 (RFC 7296).
//!
//! From the bottom up: [`window`] keeps Message IDs and retransmission, [`channel`] protects messages, the modules of
//! [`exchange`] hold one exchange each with both roles, [`ike_sa`] and [`established`] are the state that they work on,
//! [`request`] is what waits for the window, [`dispatch`] says what becomes of each message, and [`endpoint`] finds the
//! IKE SA for a datagram or a timer in its [`table`] and carries out each [`order`] that reaches beyond one IKE SA.

mod address_pool;
#[cfg(test)]
mod captured;
mod channel;
mod child_sa;
mod configuration;
mod cookie;
mod dispatch;
mod endpoint;
mod established;
mod exchange;
mod extension;
mod few;
pub mod fragment;
mod goal;
mod ike_sa;
mod keys;
mod nat;
mod order;
mod rate;
mod request;
mod schedule;
mod table;
mod translated;
mod uniqueness;
mod window;

pub use endpoint::{Acquired, Counters, Endpoint, UnknownSa};
pub use keys::IkeKeys;

/// Who began the IKE SA: the original initiator or the original responder (RFC 7296 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The side that sent the first message.
    Initiator,
    /// The side that answered it.
    Responder,
}

impl Role {
    /// The peer's role.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}
