//! Why bytes are not an IKE message.
//!
//! Three kinds, since RFC 7296 §2.21 and §2.5 answer them differently: malformed (`INVALID_SYNTAX`), another major
//! version (`INVALID_MAJOR_VERSION`) and a critical payload that nobody here knows (`UNSUPPORTED_CRITICAL_PAYLOAD`). What
//! a message says about where it went wrong is for people; nothing branches on a [`Fault`].

use core::fmt;

use super::isakmp;
use super::payload::PayloadType;

/// Why a message does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Lengths, counts or values that the format does not allow: answered with `INVALID_SYNTAX`.
    #[error("{part} at byte {offset}: {fault}")]
    Malformed {
        /// The header or payload at fault.
        part: Part,
        /// Where that part starts, in bytes from the start of the message.
        offset: usize,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Another major version than that of the decoder, 2 or 1: answered with `INVALID_MAJOR_VERSION` (RFC 7296 §2.5,
    /// RFC 2408 §5.2).
    #[error("major version {major} is not the one that is decoded here")]
    UnsupportedVersion {
        /// The major version of the message.
        major: u8,
    },
    /// A critical payload of unknown type: answered with `UNSUPPORTED_CRITICAL_PAYLOAD` (RFC 7296 §2.5).
    #[error("payload type {kind} is critical and unknown")]
    UnsupportedCriticalPayload {
        /// The payload type, which the answer repeats as its data.
        kind: u8,
    },
}

/// The part of a message that an error speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The fixed header.
    Header,
    /// A payload of this type.
    Payload(PayloadType),
    /// The fixed header of an `IKEv1` message.
    IsakmpHeader,
    /// An `IKEv1` payload of this type.
    IsakmpPayload(isakmp::PayloadType),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("IKE header"),
            Self::Payload(kind) => write!(f, "{kind} payload"),
            Self::IsakmpHeader => f.write_str("ISAKMP header"),
            Self::IsakmpPayload(kind) => write!(f, "{kind} payload"),
        }
    }
}

/// A numbered thing within a part, such as "proposal 2".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub name: &'static str,
    /// Which one, counted from 1; 0 where there is only one.
    pub number: usize,
}

impl Item {
    /// The only one of its kind.
    pub const fn only(name: &'static str) -> Self {
        Self { name, number: 0 }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(self.name),
            number => write!(f, "{} {number}", self.name),
        }
    }
}

/// What is wrong with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A fixed-size field or a counted run does not fit.
    #[error("{field} needs {needed} bytes, {remaining} remain")]
    Truncated {
        /// Name of the field.
        field: &'static str,
        /// Bytes that it takes.
        needed: usize,
        /// Bytes that are there.
        remaining: usize,
    },
    /// A length field points past the end.
    #[error("{item} claims {claimed} bytes, {remaining} remain")]
    Overrun {
        /// What has the length.
        item: Item,
        /// The length field's value.
        claimed: usize,
        /// Bytes that are there.
        remaining: usize,
    },
    /// A length field is smaller than what it must cover.
    #[error("{item} claims {claimed} bytes, at least {least} are needed")]
    TooShort {
        /// What has the length.
        item: Item,
        /// The length field's value.
        claimed: usize,
        /// The least value.
        least: usize,
    },
    /// Bytes are left over.
    #[error("{count} bytes are left over after {after}")]
    Trailing {
        /// What ended before the bytes did.
        after: &'static str,
        /// How many are left.
        count: usize,
    },
    /// A value that is not allowed where it stands.
    #[error("{field} is {value}, {allowed} is right")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: usize,
        /// What it may hold.
        allowed: &'static str,
    },
    /// A range that ends before it starts.
    #[error("{item} ends before it starts")]
    Reversed {
        /// The range.
        item: Item,
    },
    /// More of something than this implementation takes.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(fault: Fault) -> String {
        DecodeError::Malformed { part: Part::Payload(PayloadType::Sa), offset: 28, fault }.to_string()
    }

    #[test]
    fn errors_say_what_is_wrong_where_and_by_how_much() {
        let item = Item { name: "proposal", number: 2 };
        let cases = [
            (Fault::Overrun { item, claimed: 48, remaining: 20 }, "proposal 2 claims 48 bytes, 20 remain"),
            (
                Fault::TooShort { item, claimed: 3, least: 4 },
                "proposal 2 claims 3 bytes, at least 4 are needed",
            ),
            (Fault::Reversed { item: Item::only("range") }, "range ends before it starts"),
            (Fault::TooMany { what: "proposals", limit: 64 }, "more than 64 proposals"),
        ];
        for (fault, expected) in cases {
            assert_eq!(malformed(fault), format!("SA payload at byte 28: {expected}"));
        }
    }

    #[test]
    fn the_other_two_kinds_carry_what_their_answer_needs() {
        let version = DecodeError::UnsupportedVersion { major: 3 };
        assert_eq!(version.to_string(), "major version 3 is not the one that is decoded here");
        let payload = DecodeError::UnsupportedCriticalPayload { kind: 200 };
        assert_eq!(payload.to_string(), "payload type 200 is critical and unknown");
    }
}
