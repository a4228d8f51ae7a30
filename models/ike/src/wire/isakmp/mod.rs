//! The wire format of `IKEv1`: ISAKMP (RFC 2408) with the numbers of RFC 2407, RFC 2409, RFC 3947, Mode-Config and
//! XAUTH.
//!
//! It shares the readers, the errors and the attributes of [`wire`](crate::wire), and nothing else: payloads of the
//! same name differ in their fields. The rules are the same, though: one file a payload, decoding settles lengths and
//! counts, unknown numbers survive, lists are bounded, canonical messages come back byte for byte. Reserved octets are
//! ignored and sent as zero, so whoever hashes a received payload takes it from the message ([`payload_octets`]).

mod attribute;
mod cert;
mod certreq;
mod config;
mod delete;
mod doi;
mod fragment;
mod hash;
mod header;
mod id;
mod ke;
mod message;
mod nat_d;
mod nat_oa;
mod nonce;
mod notify;
mod opaque;
mod payload;
mod phase1;
mod phase2;
mod sa;
mod signature;
mod vendor_id;

pub(crate) use message::read_header;
pub(crate) use payload::{decode_chain, encode_chain, first_type};

pub use attribute::{Attribute, MAX_ATTRIBUTES};
pub use cert::{CertPayload, CertType};
pub use certreq::CertReqPayload;
pub use config::{ConfigAttribute, ConfigPayload, ConfigType};
pub use delete::DeletePayload;
pub use doi::{AhTransform, Doi, EspTransform, IsakmpTransform, ProtocolId, Situation};
pub use fragment::FragmentPayload;
pub use hash::HashPayload;
pub use header::{
    Cookie, Cookies, ExchangeType, Flags, HEADER_LEN, Header, MessageHeader, MessageId, Version,
};
pub use id::{IdPayload, IdType};
pub use ke::KePayload;
pub use message::Message;
pub use nat_d::NatDPayload;
pub use nat_oa::NatOaPayload;
pub use nonce::NoncePayload;
pub use notify::{NotifyPayload, NotifyType};
pub use opaque::OpaquePayload;
pub use payload::{MAX_PAYLOADS, Payload, PayloadType, encoded_chain, payload_octets};
pub use phase1::{AuthMethod, LifeType, Phase1Attribute, Phase1Encryption, Phase1Hash};
pub use phase2::{AuthAlgorithm, EncapsulationMode, Phase2Attribute};
pub use sa::{MAX_PROPOSALS, MAX_TRANSFORMS, Proposal, SaPayload, Transform};
pub use signature::SignaturePayload;
pub use vendor_id::{KnownVendorId, VendorIdPayload};

#[cfg(test)]
pub(crate) mod testing;
