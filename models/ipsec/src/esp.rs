//! The ESP packet format (RFC 4303 §2): one function that builds and seals a packet, one that opens it.
//!
//! ```text
//!  SPI | sequence number | IV | payload | 1 2 3 … | pad length | next header | ICV
//! ```
//!
//! Sequence number and IV are arguments, so that a test can seal a captured plaintext again and compare octets; who
//! chooses them is `outbound`. Padding is the least that the cipher's block and the four-octet alignment of the trailer
//! ask for. Left out: extended sequence numbers and traffic flow confidentiality padding.

use core::ops::Range;

use ipseclab_crypto::{Crypto, OpenError, PacketCipher};

use crate::discard::DiscardReason;
use crate::spi::{SeqNo, Spi};

/// Octets of SPI and sequence number.
pub(crate) const HEADER_LEN: usize = 8;
/// Octets of pad length and next header.
const TRAILER_LEN: usize = 2;
/// The trailer ends on a multiple of this many octets (RFC 4303 §2.4).
const ALIGNMENT: usize = 4;
/// Next header of IPv4 in tunnel mode.
pub(crate) const IPV4_IN_ESP: u8 = 4;
/// Next header of a dummy packet (RFC 4303 §2.6).
pub(crate) const NO_NEXT_HEADER: u8 = 59;

/// The monotonic part of padding: 1, 2, 3, … (RFC 4303 §2.4).
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    let mut place = 0;
    while place < 255 {
        padding[place] = place as u8 + 1;
        place += 1;
    }
    padding
};

/// What the sealing of one packet needs beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) spi: Spi,
    pub(crate) number: SeqNo,
    pub(crate) iv: &'a [u8],
    pub(crate) next_header: u8,
    /// Room that the caller will want in front of the packet.
    pub(crate) headroom: usize,
}

/// Octets of padding behind `payload_len` octets.
pub(crate) fn pad_len(cipher: &PacketCipher, payload_len: usize) -> usize {
    let filled = payload_len + TRAILER_LEN;
    filled.next_multiple_of(cipher.block_len().max(ALIGNMENT)) - filled
}

/// Octets of the ESP packet around `payload_len` octets.
pub(crate) fn sealed_len(cipher: &PacketCipher, payload_len: usize) -> usize {
    let body = payload_len + pad_len(cipher, payload_len) + TRAILER_LEN;
    HEADER_LEN + cipher.iv_len() + body + cipher.icv_len()
}

/// An ESP packet around `payload`, with capacity for `headroom` octets more.
pub(crate) fn seal(
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    envelope: &Envelope<'_>,
    payload: &[u8],
) -> Vec<u8> {
    let pad_len = pad_len(cipher, payload.len());
    let mut packet = Vec::with_capacity(envelope.headroom + sealed_len(cipher, payload.len()));
    packet.extend_from_slice(&envelope.spi.value().to_be_bytes());
    packet.extend_from_slice(&envelope.number.low().to_be_bytes());
    packet.extend_from_slice(envelope.iv);
    packet.extend_from_slice(payload);
    packet.extend_from_slice(&PADDING[..pad_len]);
    packet.extend_from_slice(&[pad_len as u8, envelope.next_header]);
    cipher.seal(crypto, &mut packet, HEADER_LEN);
    packet
}

/// SPI and sequence number of an ESP packet.
///
/// # Errors
/// [`DiscardReason::Malformed`] when the header is cut off, [`DiscardReason::UnknownSpi`] for a reserved SPI.
pub(crate) fn header(packet: &[u8]) -> Result<(Spi, SeqNo), DiscardReason> {
    let Some((header, _)) = packet.split_first_chunk::<HEADER_LEN>() else {
        return Err(DiscardReason::Malformed);
    };
    let [spi, number] =
        [[header[0], header[1], header[2], header[3]], [header[4], header[5], header[6], header[7]]];
    let spi = Spi::new(u32::from_be_bytes(spi)).ok_or(DiscardReason::UnknownSpi)?;
    Ok((spi, SeqNo::new(u64::from(u32::from_be_bytes(number)))))
}

/// Where the payload of an opened packet lies, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) payload: Range<usize>,
    pub(crate) next_header: u8,
}

/// Checks the ICV of an ESP packet, decrypts it in place and takes the trailer off.
///
/// # Errors
/// [`DiscardReason::Malformed`], [`DiscardReason::Integrity`] or [`DiscardReason::Padding`].
pub(crate) fn open(
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    packet: &mut [u8],
) -> Result<Opened, DiscardReason> {
    let start = HEADER_LEN + cipher.iv_len();
    let plaintext = cipher.open(crypto, packet, HEADER_LEN).map_err(reason)?;
    let (body, [pad_len, next_header]) =
        plaintext.split_last_chunk::<TRAILER_LEN>().ok_or(DiscardReason::Malformed)?;
    let pad_len = usize::from(*pad_len);
    let payload_len = body.len().checked_sub(pad_len).ok_or(DiscardReason::Padding)?;
    if body[payload_len..] != PADDING[..pad_len] {
        return Err(DiscardReason::Padding);
    }
    Ok(Opened { payload: start..start + payload_len, next_header: *next_header })
}

fn reason(error: OpenError) -> DiscardReason {
    match error {
        OpenError::TooShort { .. } | OpenError::NotWholeBlocks { .. } => DiscardReason::Malformed,
        OpenError::Integrity => DiscardReason::Integrity,
    }
}
