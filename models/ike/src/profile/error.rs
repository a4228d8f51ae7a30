//! What is wrong with a profile's message lists.

use super::kind::MessageKind;

/// Why a list of payloads cannot arrange messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No payload has this name.
    #[error("{message}: no payload is called {slot:?}")]
    UnknownSlot {
        /// The message whose list it is.
        message: MessageKind,
        /// The name as written.
        slot: String,
    },
    /// A place is given twice.
    #[error("{message}: {slot} is listed twice")]
    Duplicate {
        /// The message whose list it is.
        message: MessageKind,
        /// The place.
        slot: String,
    },
    /// A payload that the message cannot do without has no place.
    #[error("{message}: {slot} is missing")]
    Missing {
        /// The message whose list it is.
        message: MessageKind,
        /// The payload.
        slot: String,
    },
    /// A payload that the message never carries has a place.
    #[error("{message}: {slot} does not occur in this message")]
    Foreign {
        /// The message whose list it is.
        message: MessageKind,
        /// The payload.
        slot: String,
    },
    /// A cookie that does not open the message (RFC 7296 §2.6).
    #[error("{message}: N(COOKIE) must be the first payload")]
    CookieNotFirst {
        /// The message whose list it is.
        message: MessageKind,
    },
    /// A condition on a payload that only an exchange can build.
    #[error("{message}: {slot} is no announcement, so it takes no condition")]
    Condition {
        /// The message whose list it is.
        message: MessageKind,
        /// The payload.
        slot: String,
    },
    /// More places than any message needs.
    #[error("{message}: {places} places, at most {limit} are allowed")]
    TooLong {
        /// The message whose list it is.
        message: MessageKind,
        /// Places in the list.
        places: usize,
        /// The limit.
        limit: usize,
    },
}
