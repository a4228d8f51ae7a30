//! The ESP packet format (RFC 4303 §2): one function that seals a packet in its place, one that opens it.
//!
//! ```text
//!  SPI | sequence number | IV | payload | 1 2 3 … | pad length | next header | ICV
//! ```
//!
//! Sequence number and IV are arguments, so that a test can seal a captured plaintext again and compare octets; who
//! chooses them is `outbound`. Padding is the least that the cipher's block and the alignment of the trailer ask for; an
//! arriving packet is taken with any. Under extended sequence numbers the packet has the low half of its number, and the ICV covers both. Left
//! out: traffic flow confidentiality padding.

use core::ops::Range;

use ipseclab_crypto::{Crypto, OpenError, PacketCipher, SeqHigh};

use crate::discard::DiscardReason;
use crate::spi::{SeqNo, Spi};

/// Octets of SPI and sequence number.
pub(crate) const HEADER_LEN: usize = 8;
/// Octets of pad length and next header.
const TRAILER_LEN: usize = 2;

/// Where the trailer of an ESP packet ends, beside what the cipher's block asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailerAlignment {
    /// On a multiple of four octets, as RFC 4303 §2.4 wants it.
    #[default]
    FourOctets,
    /// Anywhere. No device sends such packets; published comparisons of overheads that leave the alignment out, as RFC 9347
    /// appendix C does, can be made again with it.
    None,
}

impl TrailerAlignment {
    /// The trailer ends on a multiple of so many octets.
    #[inline]
    const fn octets(self) -> usize {
        match self {
            Self::FourOctets => 4,
            Self::None => 1,
        }
    }

    /// The same with the block of a cipher, which is a power of two as well.
    #[inline]
    fn with(self, cipher: &PacketCipher) -> usize {
        cipher.block_len().max(self.octets())
    }
}

/// The monotonic part of padding: 1, 2, 3, … (RFC 4303 §2.4).
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    let mut octet = u8::MAX;
    while octet > 0 {
        padding[octet as usize - 1] = octet;
        octet -= 1;
    }
    padding
};

/// What the sealing of one packet needs beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) spi: Spi,
    pub(crate) number: SeqNo,
    pub(crate) esn: bool,
    pub(crate) iv: &'a [u8],
    pub(crate) next_header: u8,
    pub(crate) alignment: TrailerAlignment,
}

/// Octets in front of the payload.
#[inline]
pub(crate) fn front_len(cipher: &PacketCipher) -> usize {
    HEADER_LEN + cipher.iv_len()
}

/// Octets of padding behind `payload_len` octets.
#[inline]
pub(crate) fn pad_len(cipher: &PacketCipher, alignment: TrailerAlignment, payload_len: usize) -> usize {
    let filled = payload_len + TRAILER_LEN;
    // Blocks and alignments are powers of two, and a division would show beside the rest of a short packet's way.
    let last = alignment.with(cipher) - 1;
    filled.wrapping_neg() & last
}

/// Octets of the ESP packet around `payload_len` octets.
#[inline]
pub(crate) fn sealed_len(cipher: &PacketCipher, alignment: TrailerAlignment, payload_len: usize) -> usize {
    let body = payload_len + pad_len(cipher, alignment, payload_len) + TRAILER_LEN;
    HEADER_LEN + cipher.iv_len() + body + cipher.icv_len()
}

/// The longest payload for which payload, trailer and ICV are at most `octets` long.
pub(crate) fn payload_max(cipher: &PacketCipher, alignment: TrailerAlignment, octets: usize) -> usize {
    let alignment = alignment.with(cipher);
    let body = octets.saturating_sub(cipher.icv_len()) / alignment * alignment;
    body.saturating_sub(TRAILER_LEN)
}

/// Makes an ESP packet of [`sealed_len`] octets of room, in which a payload of `payload_len` octets stands already,
/// behind [`front_len`] octets.
pub(crate) fn seal(
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    envelope: &Envelope<'_>,
    packet: &mut [u8],
    payload_len: usize,
) {
    let (header, rest) = packet.split_at_mut(HEADER_LEN);
    header[..4].copy_from_slice(&envelope.spi.value().to_be_bytes());
    header[4..].copy_from_slice(&envelope.number.low().to_be_bytes());
    let (iv, body) = rest.split_at_mut(cipher.iv_len());
    copy_iv(iv, envelope.iv);
    let pad_len = pad_len(cipher, envelope.alignment, payload_len);
    let (padding, trailer) = body[payload_len..].split_at_mut(pad_len);
    let mut last = 0;
    // A loop, since it is mostly over after a step or two.
    for octet in padding {
        last += 1;
        *octet = last;
    }
    // Counting from 1, the last octet of padding is its length.
    trailer[..TRAILER_LEN].copy_from_slice(&[last, envelope.next_header]);
    cipher.seal_in_place(crypto, packet, HEADER_LEN, envelope.number.implicit(envelope.esn));
}

/// Copies an IV. All but those of block ciphers have eight octets, and a copy of a known length is no call.
#[inline]
fn copy_iv(to: &mut [u8], from: &[u8]) {
    match (to.first_chunk_mut::<8>(), from.first_chunk::<8>()) {
        (Some(to), Some(known)) if from.len() == 8 => *to = *known,
        _ => to.copy_from_slice(from),
    }
}

/// SPI and sequence number of an ESP packet, or its low half.
///
/// # Errors
/// [`DiscardReason::Malformed`] when the header is cut off, [`DiscardReason::UnknownSpi`] for a reserved SPI.
pub(crate) fn header(packet: &[u8]) -> Result<(Spi, u32), DiscardReason> {
    let Some((header, _)) = packet.split_first_chunk::<HEADER_LEN>() else {
        return Err(DiscardReason::Malformed);
    };
    let [spi, number] =
        [[header[0], header[1], header[2], header[3]], [header[4], header[5], header[6], header[7]]];
    let spi = Spi::new(u32::from_be_bytes(spi)).ok_or(DiscardReason::UnknownSpi)?;
    Ok((spi, u32::from_be_bytes(number)))
}

/// Where the payload of an opened packet lies, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) payload: Range<usize>,
    pub(crate) next_header: u8,
}

/// Checks the ICV of an ESP packet, which covers `high` too, decrypts it in place and takes the trailer off.
///
/// # Errors
/// [`DiscardReason::Malformed`], [`DiscardReason::Integrity`] or [`DiscardReason::Padding`].
pub(crate) fn open(
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    packet: &mut [u8],
    high: Option<SeqHigh>,
) -> Result<Opened, DiscardReason> {
    let start = HEADER_LEN + cipher.iv_len();
    let plaintext = cipher.open_numbered(crypto, packet, HEADER_LEN, high).map_err(reason)?;
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

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{AesKey, Encryption};

    use super::*;
    use TrailerAlignment::FourOctets as ALIGNED;

    use crate::testing::{cipher, crypto};

    const CBC: Encryption = Encryption::AesCbc(AesKey::Bits128);
    const GCM: Encryption = Encryption::AesGcm16(AesKey::Bits128);

    /// Seals a plaintext that brings its own trailer, right or wrong.
    fn seal_raw(cipher: &PacketCipher, plaintext: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, 0, 1, 0, 0, 0, 0, 1];
        packet.resize(HEADER_LEN + cipher.iv_len(), 0x5a);
        packet.extend_from_slice(plaintext);
        cipher.seal(&mut crypto(), &mut packet, HEADER_LEN);
        packet
    }

    fn open_raw(plaintext: &[u8]) -> Result<Opened, DiscardReason> {
        let cipher = cipher(GCM);
        let mut packet = seal_raw(&cipher, plaintext);
        open(&cipher, &mut crypto(), &mut packet, None)
    }

    #[test]
    fn padding_is_the_least_for_block_and_alignment() {
        let (cbc, gcm, null) = (cipher(CBC), cipher(GCM), cipher(Encryption::Null));
        // The lengths of the strongSwan captures: a ping of 84 octets.
        let lens = |cipher, len| (pad_len(cipher, ALIGNED, len), sealed_len(cipher, ALIGNED, len));
        assert_eq!(lens(&cbc, 84), (10, 8 + 16 + 96 + 12));
        assert_eq!(lens(&gcm, 84), (2, 8 + 8 + 88 + 16));
        for len in 0..200 {
            for (cipher, alignment) in [
                (&cbc, ALIGNED),
                (&gcm, ALIGNED),
                (&gcm, TrailerAlignment::None),
                (&cbc, TrailerAlignment::None),
            ] {
                let sealed_len = |len| sealed_len(cipher, alignment, len);
                let longest = payload_max(cipher, alignment, sealed_len(len) - front_len(cipher));
                assert!(longest >= len && sealed_len(longest) == sealed_len(len));
                assert!(sealed_len(longest + 1) > sealed_len(len));
            }
            assert!(lens(&cbc, len).0 < 16 && lens(&gcm, len).0 < 4);
            assert_eq!((len + lens(&null, len).0 + TRAILER_LEN) % 4, 0);
        }
    }

    #[test]
    fn without_alignment_only_blocks_are_padded() {
        let (cbc, gcm, null) = (cipher(CBC), cipher(GCM), cipher(Encryption::Null));
        let unaligned = |cipher, len| pad_len(cipher, TrailerAlignment::None, len);
        for len in 0..200 {
            assert_eq!((unaligned(&gcm, len), unaligned(&null, len)), (0, 0));
            assert_eq!(unaligned(&cbc, len), pad_len(&cbc, ALIGNED, len));
        }
    }

    #[test]
    fn what_was_sealed_into_its_room_opens() {
        for encryption in [Encryption::Null, CBC, GCM, Encryption::ChaCha20Poly1305] {
            let cipher = cipher(encryption);
            let iv = vec![9; cipher.iv_len()];
            let spi = Spi::new(256).unwrap();
            for (len, alignment) in
                [0, 1, 63, 1400].into_iter().zip([ALIGNED, TrailerAlignment::None].repeat(2))
            {
                let number = SeqNo::new(1);
                let envelope = Envelope { spi, number, esn: false, iv: &iv, next_header: 4, alignment };
                let mut packet = vec![7; sealed_len(&cipher, alignment, len)];
                seal(&cipher, &mut crypto(), &envelope, &mut packet, len);
                let opened = open(&cipher, &mut crypto(), &mut packet, None).unwrap();
                assert_eq!(
                    opened,
                    Opened { payload: front_len(&cipher)..front_len(&cipher) + len, next_header: 4 }
                );
                assert_eq!(packet[opened.payload], vec![7; len]);
            }
        }
    }

    #[test]
    fn padding_that_does_not_count_up_is_refused() {
        assert_eq!(open_raw(&[0xaa, 1, 2, 3, 3, 4]).map(|opened| opened.payload.len()), Ok(1));
        for wrong in [[0xaa, 1, 2, 4, 3, 4], [0xaa, 0, 0, 0, 3, 4], [0xaa, 2, 3, 4, 3, 4]] {
            assert_eq!(open_raw(&wrong), Err(DiscardReason::Padding));
        }
    }

    #[test]
    fn padding_longer_than_the_packet_is_refused() {
        assert_eq!(open_raw(&[1, 2, 3, 4]), Err(DiscardReason::Padding));
        assert_eq!(open_raw(&[0, 59]), Ok(Opened { payload: 16..16, next_header: 59 }));
        assert_eq!(open_raw(&[59]), Err(DiscardReason::Malformed));
        assert_eq!(open_raw(&[]), Err(DiscardReason::Malformed));
    }

    #[test]
    fn the_longest_legal_padding_is_accepted() {
        let mut plaintext = PADDING.to_vec();
        plaintext.extend_from_slice(&[255, 4]);
        assert_eq!(open_raw(&plaintext).map(|opened| opened.payload.len()), Ok(0));
    }

    #[test]
    fn a_cut_header_is_malformed_and_a_reserved_spi_unknown() {
        assert_eq!(header(&[0, 0, 1, 0, 0, 0, 0]), Err(DiscardReason::Malformed));
        assert_eq!(header(&[0, 0, 0, 255, 0, 0, 0, 1]), Err(DiscardReason::UnknownSpi));
        assert_eq!(header(&[0, 0, 1, 0, 0, 0, 0, 9]), Ok((Spi::new(256).unwrap(), 9)));
    }
}
