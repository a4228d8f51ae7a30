//! The wire format of IKEv2 (RFC 7296 §3): bytes to values and back, and nothing else. [`isakmp`] is that of `IKEv1`.
//!
//! One file per payload, each with its type, `decode`, `encode` and tests; [`Reader`] and [`Writer`] are the only
//! places that slice bytes. Decoding settles counts, lengths and ranges, so that the exchanges never check them again;
//! which payloads an exchange needs, and how often, is the exchanges' affair and not known here.
//!
//! Canonical messages come back byte for byte from decode and encode. Reserved bits, and the critical bit of the
//! payloads that RFC 7296 defines, are ignored as §3.2 asks and are sent as zero; so whoever must hash a received
//! message (AUTH, §2.15) keeps its bytes. Payloads of unknown types stay opaque.
//!
//! Lists are bounded, and a message of n octets makes the decoder allocate at most 24 n bytes and 16 KiB
//! (`tests/allocation.rs` counts them).

#[macro_use]
mod code;
mod auth;
mod buffer;
mod cert;
mod certreq;
mod cfg_attribute;
mod cp;
mod delete;
mod eap;
mod error;
mod header;
mod id;
pub mod isakmp;
mod ke;
mod message;
mod nonce;
mod notify;
mod notify_data;
mod opaque;
mod payload;
pub mod protect;
mod sa;
mod sk;
mod skf;
mod transform;
mod ts;
mod vendor_id;

pub(crate) use message::set_length;

pub use auth::{AuthMethod, AuthPayload};
pub use buffer::{Reader, Writer};
pub use cert::{CertEncoding, CertPayload};
pub use certreq::{AUTHORITY_HASH_LEN, AuthorityHash, CertReqPayload};
pub use cfg_attribute::{CfgAttribute, CfgAttributeType, Ipv6Prefix};
pub use cp::{CfgType, CpPayload, MAX_CFG_ATTRIBUTES};
pub use delete::DeletePayload;
pub use eap::{EapCode, EapPayload};
pub use error::{DecodeError, Fault, Item, Part};
pub use header::{ExchangeType, Flags, HEADER_LEN, Header, IkeSpi, MessageHeader, MessageId, Version};
pub use id::{IdPayload, IdType};
pub use ke::KePayload;
pub use message::{MAX_MESSAGE_LEN, Message};
pub use nonce::NoncePayload;
pub use notify::{NotifyPayload, NotifyType};
pub use notify_data::{HashAlgorithm, RedirectGateway};
pub use opaque::OpaquePayload;
pub use payload::{MAX_PAYLOADS, Payload, PayloadType};
pub use sa::{MAX_PROPOSALS, ProposalPayload, ProtocolId, SaPayload};
pub use sk::SkPayload;
pub use skf::{FragmentNumber, SkfPayload};
pub use transform::{Attribute, MAX_ATTRIBUTES, MAX_TRANSFORMS, Transform, TransformType};
pub use ts::{AddressRange, TrafficSelector, TsPayload};
pub use vendor_id::VendorIdPayload;

#[cfg(test)]
pub(crate) mod testing;
