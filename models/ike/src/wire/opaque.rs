//! Payloads that are carried and not understood: certificates, configuration, EAP, fragments, and unknown types.
//!
//! RFC 7296 §3.2 lets a receiver skip what it does not know unless the critical bit is set; the bit is kept here, and
//! unknown critical payloads do not decode at all.

use super::buffer::Writer;
use super::payload::PayloadType;

/// A payload as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaquePayload {
    kind: PayloadType,
    critical: bool,
    first_inner: PayloadType,
    data: Vec<u8>,
}

impl OpaquePayload {
    /// A payload of a type that has no codec of its own.
    ///
    /// # Panics
    /// When the type has a codec, ends the chain (none), or is SKF, for which there is [`fragment`](Self::fragment);
    /// and when the type is unknown and the payload critical, for no receiver could accept that.
    pub fn new(kind: PayloadType, critical: bool, data: Vec<u8>) -> Self {
        let unknown = matches!(kind, PayloadType::Unknown(_));
        let without_codec = unknown
            || matches!(
                kind,
                PayloadType::Certificate
                    | PayloadType::CertificateRequest
                    | PayloadType::Configuration
                    | PayloadType::Eap
            );
        assert!(without_codec, "{kind} payloads are not opaque");
        assert!(!(unknown && critical), "an unknown payload is not critical");
        Self { kind, critical, first_inner: PayloadType::None, data }
    }

    /// An encrypted fragment (RFC 7383 §2.5): numbers, IV, ciphertext and ICV, with the type of the first payload
    /// inside the whole message ([`PayloadType::None`] in all but the first fragment).
    pub const fn fragment(first_inner: PayloadType, critical: bool, data: Vec<u8>) -> Self {
        Self { kind: PayloadType::EncryptedFragment, critical, first_inner, data }
    }

    /// The payload's type.
    pub const fn kind(&self) -> PayloadType {
        self.kind
    }

    /// Whether the sender set the critical bit.
    pub const fn is_critical(&self) -> bool {
        self.critical
    }

    /// For a fragment, the type of the first payload inside.
    pub const fn first_inner(&self) -> Option<PayloadType> {
        match self.kind {
            PayloadType::EncryptedFragment => Some(self.first_inner),
            _ => None,
        }
    }

    /// What follows the generic header.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.data);
    }
}
