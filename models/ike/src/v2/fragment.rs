//! Fragmentation of protected messages (RFC 7383).
//!
//! [`seal`] cuts the chain of payloads inside SK into chunks and seals each in an SKF payload of its own; a
//! [`Reassembler`] takes such messages in any order, believes none whose ICV is wrong, and gives the whole message once
//! its last fragment is there. When to fragment (both sides said `IKEV2_FRAGMENTATION_SUPPORTED`), retransmission and
//! the answer to a repeated first fragment (§2.6.1) belong to the window.
//!
//! What the Reassembler keeps is bounded by [`FragmentLimits`], and an outsider fills none of it, since a fragment is
//! kept only after its ICV was good. Path MTU discovery (§2.5.2) is left out: the sender's size is fixed.

use core::net::IpAddr;
use std::collections::BTreeMap;

use ipseclab_crypto::{Crypto, PacketCipher};

use crate::wire::protect::{self, Envelope, ProtectError};
use crate::wire::{
    DecodeError, FragmentNumber, MAX_MESSAGE_LEN, Message, MessageHeader, MessageId, Payload, PayloadType,
    SkfPayload,
};

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const UDP_HEADER_LEN: usize = 8;
const NON_ESP_MARKER_LEN: usize = 4;

/// Most octets of one sent IKE message before it is cut into fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageLimit(usize);

impl MessageLimit {
    /// The least limit: around the headers, the longest IV and the longest ICV some octets of payload still fit.
    pub const MIN: usize = 128;

    /// A limit of this many octets, brought into [`MIN`](Self::MIN) to [`MAX_MESSAGE_LEN`].
    pub fn new(octets: usize) -> Self {
        Self(octets.clamp(Self::MIN, MAX_MESSAGE_LEN))
    }

    /// The limit that keeps IP datagrams to `peer` within `fragment_size` octets, as strongSwan's option of that name
    /// counts them: IP header without options, UDP header, and where neither port is 500 the non-ESP marker.
    pub fn of_datagram(fragment_size: usize, peer: IpAddr, non_esp_marker: bool) -> Self {
        let ip = if peer.is_ipv4() { IPV4_HEADER_LEN } else { IPV6_HEADER_LEN };
        let marker = if non_esp_marker { NON_ESP_MARKER_LEN } else { 0 };
        Self::new(fragment_size.saturating_sub(ip + UDP_HEADER_LEN + marker))
    }

    /// The limit in octets.
    pub const fn octets(self) -> usize {
        self.0
    }

    /// Whether a message with these payloads inside SK needs no fragments.
    pub fn fits(self, payloads: &[Payload], cipher: &PacketCipher) -> bool {
        let envelope = Envelope { first_inner: PayloadType::None, fragment: None };
        envelope.message_len(cipher, protect::inner_len(payloads)) <= self.0
    }

    /// Octets of payloads in each fragment but the last: as many whole blocks as fit, less the pad length octet.
    pub fn chunk_len(self, cipher: &PacketCipher) -> usize {
        let envelope = Envelope { first_inner: PayloadType::None, fragment: FragmentNumber::new(1, 1) };
        let room = self.0 - envelope.covered_len() - cipher.iv_len() - cipher.icv_len();
        room - room % cipher.block_len() - 1
    }
}

/// Octets that [`seal`] wants drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// An IV, never used before under this key, for this fragment; 0 is a message without fragments.
    Iv {
        /// The fragment's number.
        fragment: u16,
    },
    /// Padding.
    Padding,
}

/// Encodes a message whose payloads are all protected: in one SK payload where that keeps the limit, else in as many
/// messages with an SKF payload as it takes, first fragment first. `draw` fills IVs and padding.
///
/// # Panics
/// When the payloads cannot be encoded (see [`Message::encode`]) or together have more octets than [`MAX_MESSAGE_LEN`].
pub fn seal(
    header: &MessageHeader,
    payloads: &[Payload],
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    limit: MessageLimit,
    draw: &mut dyn FnMut(Draw, &mut [u8]),
) -> Vec<Vec<u8>> {
    let first = payloads.first().map_or(PayloadType::None, Payload::payload_type);
    let chain = protect::encode_inner(payloads);
    let mut cutter = Cutter { header, first, cipher, crypto, draw };
    if limit.fits(payloads, cipher) {
        return vec![cutter.seal(&chain, None)];
    }
    assert!(chain.len() <= MAX_MESSAGE_LEN, "a message has at most {MAX_MESSAGE_LEN} octets of payloads");
    let chunks = chain.chunks(limit.chunk_len(cipher));
    let total = u16::try_from(chunks.len()).expect("a chunk has more than ten octets");
    let numbers = (1..=total).map(|number| FragmentNumber::new(number, total));
    chunks.zip(numbers).map(|(chunk, number)| cutter.seal(chunk, number)).collect()
}

/// What all fragments of a message have in common.
struct Cutter<'a> {
    header: &'a MessageHeader,
    first: PayloadType,
    cipher: &'a PacketCipher,
    crypto: &'a mut Crypto,
    draw: &'a mut dyn FnMut(Draw, &mut [u8]),
}

impl Cutter<'_> {
    fn seal(&mut self, chunk: &[u8], fragment: Option<FragmentNumber>) -> Vec<u8> {
        let number = fragment.map_or(0, FragmentNumber::number);
        let mut iv = vec![0; self.cipher.iv_len()];
        (self.draw)(Draw::Iv { fragment: number }, &mut iv);
        let mut padding = vec![0; protect::pad_len(self.cipher, chunk.len())];
        (self.draw)(Draw::Padding, &mut padding);
        let plaintext = protect::padded(chunk, self.cipher, &padding);
        let first_inner = if number <= 1 { self.first } else { PayloadType::None };
        let envelope = Envelope { first_inner, fragment };
        protect::seal_in(self.header, envelope, &plaintext, self.cipher, self.crypto, &iv)
    }
}

/// How much a [`Reassembler`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Unfinished messages; one for each Message ID of the windows in both directions is enough.
    pub messages: usize,
    /// Fragments of one message.
    pub fragments: u16,
    /// Octets of one message, counted over the IKE messages of its fragments. What is inside SKF takes no more memory
    /// than that; payloads in front of it, which no exchange has, are kept decoded (see [`crate::wire`]).
    pub octets: usize,
}

impl Default for FragmentLimits {
    /// Four messages of 64 fragments and 64 KiB: a chain of ten RSA certificates takes a quarter of that.
    fn default() -> Self {
        Self { messages: 4, fragments: 64, octets: 65_536 }
    }
}

/// Why a fragment is thrown away; what was kept before stays as it was, but for a message that is complete and broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// The message is malformed outside of SKF.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is no SKF payload.
    #[error("message has no SKF payload")]
    NotAFragment,
    /// The ICV or the padding of the fragment is wrong, or ([`ProtectError::Inner`], offsets counted from the first
    /// payload) what all fragments together hold is malformed.
    #[error(transparent)]
    Protect(#[from] ProtectError),
    /// More fragments than the limit.
    #[error("message has {total} fragments, the limit is {limit}")]
    TooManyFragments {
        /// What the fragment says.
        total: u16,
        /// The limit.
        limit: u16,
    },
    /// More octets than the limit.
    #[error("fragments have {octets} octets, the limit is {limit}")]
    TooManyOctets {
        /// Octets with this fragment.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// More unfinished messages than the limit.
    #[error("more than {limit} unfinished messages")]
    TooManyMessages {
        /// The limit.
        limit: usize,
    },
    /// The fragment says less fragments than others of its message (RFC 7383 §2.6).
    #[error("message has {total} fragments, {known} were announced")]
    FewerFragments {
        /// What the fragment says.
        total: u16,
        /// What the others said.
        known: u16,
    },
    /// The header differs from that of other fragments in more than its length.
    #[error("header differs from that of the other fragments")]
    OtherHeader,
}

/// What became of a good fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was the last one missing: the message.
    Complete(Message),
    /// It is kept; others are missing.
    Incomplete {
        /// Fragments that are there.
        received: u16,
        /// Fragments of the message.
        total: u16,
    },
    /// It was there already; its ICV has not been looked at.
    Duplicate,
}

/// Puts fragments together again, for one IKE SA.
#[derive(Clone, Debug)]
pub struct Reassembler {
    limits: FragmentLimits,
    partial: BTreeMap<Key, Partial>,
}

/// A request and a response with one Message ID are different messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    response: bool,
    message_id: MessageId,
}

impl Key {
    fn of(header: &MessageHeader) -> Self {
        Self { response: header.flags.response, message_id: header.message_id }
    }
}

/// An unfinished message.
#[derive(Clone, Debug)]
struct Partial {
    header: MessageHeader,
    total: u16,
    /// Payloads in front of the first fragment's SKF, and the type of the first one inside (RFC 7383 §2.5.3).
    start: (Vec<Payload>, PayloadType),
    chunks: BTreeMap<u16, Vec<u8>>,
    octets: usize,
}

impl Partial {
    fn new(header: MessageHeader, total: u16) -> Self {
        Self { header, total, start: (Vec::new(), PayloadType::None), chunks: BTreeMap::new(), octets: 0 }
    }

    fn add(&mut self, closed: Closed, chunk: Vec<u8>, octets: usize) {
        let number = closed.number();
        if closed.skf.fragment.is_first() {
            self.start = (closed.outer, closed.skf.first_inner);
        }
        self.chunks.insert(number, chunk);
        self.octets = octets;
    }

    /// Fragments that are there, never more than the total since each has its own number.
    fn received(&self) -> u16 {
        self.chunks.keys().fold(0, |count, _| count + 1)
    }

    fn finish(self) -> Result<Message, FragmentError> {
        let chain = self.chunks.into_values().collect::<Vec<_>>().concat();
        let (mut payloads, first_inner) = self.start;
        payloads.extend(protect::decode_inner(first_inner, &chain, 0)?);
        Ok(Message { header: self.header, payloads })
    }
}

/// A fragment whose ICV nobody has looked at yet.
struct Closed {
    header: MessageHeader,
    outer: Vec<Payload>,
    skf: SkfPayload,
}

impl Closed {
    fn decode(bytes: &[u8]) -> Result<Self, FragmentError> {
        let Message { header, payloads: mut outer } = Message::decode(bytes)?;
        match outer.pop() {
            Some(Payload::Skf(skf)) => Ok(Self { header, outer, skf }),
            _ => Err(FragmentError::NotAFragment),
        }
    }

    fn number(&self) -> u16 {
        self.skf.fragment.number()
    }

    fn total(&self) -> u16 {
        self.skf.fragment.total()
    }
}

impl Reassembler {
    /// A reassembler that has nothing yet.
    pub fn new(limits: FragmentLimits) -> Self {
        Self { limits, partial: BTreeMap::new() }
    }

    /// Takes a message with an SKF payload: what is known to be useless is refused first, then the ICV is checked, and
    /// only then is anything kept (RFC 7383 §2.6). More fragments than announced before begin the message anew.
    ///
    /// # Errors
    /// See [`FragmentError`].
    pub fn accept(
        &mut self,
        bytes: &[u8],
        cipher: &PacketCipher,
        crypto: &mut Crypto,
    ) -> Result<Accepted, FragmentError> {
        let closed = Closed::decode(bytes)?;
        let Some(octets) = self.check(&closed, bytes.len())? else {
            return Ok(Accepted::Duplicate);
        };
        let chunk = protect::open_body(bytes, closed.skf.body.len(), cipher, crypto)?;
        self.keep(closed, chunk, octets)
    }

    /// Throws away what has come of a message, such as one whose exchange is over.
    pub fn forget(&mut self, response: bool, message_id: MessageId) {
        self.partial.remove(&Key { response, message_id });
    }

    /// Octets of the IKE messages whose content is kept.
    pub fn octets(&self) -> usize {
        self.partial.values().map(|partial| partial.octets).sum()
    }

    /// Whether a fragment is worth its decryption: the octets of its message with it, or `None` for a duplicate.
    fn check(&self, closed: &Closed, len: usize) -> Result<Option<usize>, FragmentError> {
        let (total, limits) = (closed.total(), self.limits);
        if total > limits.fragments {
            return Err(FragmentError::TooManyFragments { total, limit: limits.fragments });
        }
        let before = match self.partial.get(&Key::of(&closed.header)) {
            Some(partial) if partial.header != closed.header => return Err(FragmentError::OtherHeader),
            Some(Partial { total: known, .. }) if *known > total => {
                return Err(FragmentError::FewerFragments { total, known: *known });
            }
            Some(partial) if partial.total < total => 0,
            Some(partial) if partial.chunks.contains_key(&closed.number()) => return Ok(None),
            Some(partial) => partial.octets,
            None => self.check_room(Key::of(&closed.header))?,
        };
        let octets = before + len;
        if octets > limits.octets {
            return Err(FragmentError::TooManyOctets { octets, limit: limits.octets });
        }
        Ok(Some(octets))
    }

    /// Refuses a new message when there are enough and none of its direction is older; it has no octets yet.
    fn check_room(&self, key: Key) -> Result<usize, FragmentError> {
        let limit = self.limits.messages;
        let replaceable = self.oldest_before(key).is_some();
        if self.partial.len() < limit || replaceable {
            return Ok(0);
        }
        Err(FragmentError::TooManyMessages { limit })
    }

    fn oldest_before(&self, key: Key) -> Option<Key> {
        let first = Key { message_id: MessageId::new(0), ..key };
        self.partial.range(first..key).next().map(|(&oldest, _)| oldest)
    }

    fn keep(&mut self, closed: Closed, chunk: Vec<u8>, octets: usize) -> Result<Accepted, FragmentError> {
        let (total, key) = (closed.total(), Key::of(&closed.header));
        let known = self.partial.remove(&key).filter(|partial| partial.total == total);
        let mut partial = known.unwrap_or_else(|| Partial::new(closed.header, total));
        partial.add(closed, chunk, octets);
        let received = partial.received();
        if received == total {
            return partial.finish().map(Accepted::Complete);
        }
        if self.partial.len() >= self.limits.messages {
            let oldest = self.oldest_before(key);
            oldest.and_then(|oldest| self.partial.remove(&oldest));
        }
        self.partial.insert(key, partial);
        Ok(Accepted::Incomplete { received, total })
    }
}

#[cfg(test)]
mod tests;
