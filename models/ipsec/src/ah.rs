//! The Authentication Header (RFC 4302 §2): its layout, and the ICV over a packet that has one.
//!
//! ```text
//!  next header | length | 0 0 | SPI | sequence number | IV (GMAC) | tag | padding
//! ```
//!
//! The header ends on a multiple of four octets over IPv4 and of eight over IPv6 (§2.6), with zeros. The ICV is computed in
//! place: what is in front of the header is kept aside, masked for as long as it takes, and put back; so nothing is
//! copied but that. Under extended sequence numbers the high half stands behind the packet meanwhile (§3.3.3).

use ipseclab_crypto::{Authentication, Authenticator, Crypto, SeqHigh};

use crate::discard::DiscardReason;
use crate::header::Version;
use crate::mutable;
use crate::spi::{SeqNo, Spi};

/// Octets in front of the ICV field.
const FIXED_LEN: usize = 12;
/// Longest IV of any algorithm, in octets.
const IV_MAX: usize = 8;
/// Longest tag of any algorithm, in octets.
const TAG_MAX: usize = 32;
/// Longest header: that of HMAC-SHA2-512-256 over IPv6.
const LEN_MAX: usize = (FIXED_LEN + TAG_MAX).next_multiple_of(8);

/// Octets of the header with its padding.
pub(crate) const fn header_len(algorithm: Authentication, version: Version) -> usize {
    let alignment = match version {
        Version::V4 => 4,
        Version::V6 => 8,
    };
    (FIXED_LEN + algorithm.iv_len() + algorithm.tag_len()).next_multiple_of(alignment)
}

/// What an AH header says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AhHeader {
    pub(crate) spi: Spi,
    /// The sequence number, or its low half.
    pub(crate) low: u32,
    pub(crate) next_header: u8,
    pub(crate) len: usize,
}

impl AhHeader {
    /// The SPI of a header of which only the beginning may be there.
    pub(crate) fn quoted_spi(rest: &[u8]) -> Option<Spi> {
        let octets = rest.get(4..8)?.try_into().ok()?;
        Spi::new(u32::from_be_bytes(octets))
    }

    /// Reads the header that a packet's rest begins with.
    ///
    /// # Errors
    /// [`DiscardReason::Malformed`] when it is cut off, [`DiscardReason::UnknownSpi`] for a reserved SPI.
    pub(crate) fn parse(rest: &[u8]) -> Result<Self, DiscardReason> {
        let fixed = rest.first_chunk::<FIXED_LEN>().ok_or(DiscardReason::Malformed)?;
        let [spi, low] =
            [[fixed[4], fixed[5], fixed[6], fixed[7]], [fixed[8], fixed[9], fixed[10], fixed[11]]];
        let len = (usize::from(fixed[1]) + 2) * 4;
        if len < FIXED_LEN || len > rest.len() {
            return Err(DiscardReason::Malformed);
        }
        let spi = Spi::new(u32::from_be_bytes(spi)).ok_or(DiscardReason::UnknownSpi)?;
        Ok(Self { spi, low: u32::from_be_bytes(low), next_header: fixed[0], len })
    }
}

/// Where the header of a packet is, and under which numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered<'a> {
    pub(crate) version: Version,
    /// Octets in front of the header.
    pub(crate) start: usize,
    pub(crate) authenticator: &'a Authenticator,
    pub(crate) high: Option<SeqHigh>,
}

impl Covered<'_> {
    fn header_len(&self) -> usize {
        header_len(self.authenticator.algorithm(), self.version)
    }

    /// Writes the header into its room, the ICV included. The packet is complete but for the header, the fields that are
    /// not covered, and an IV that GMAC needs comes from `salt` and the number.
    ///
    /// # Errors
    /// [`DiscardReason::Malformed`] when what is in front of the header cannot be covered; the packet is then incomplete.
    pub(crate) fn seal(
        &self,
        crypto: &mut Crypto,
        kept: &mut Vec<u8>,
        packet: &mut Vec<u8>,
        (spi, number, next_header): (Spi, SeqNo, u8),
        salt: u64,
    ) -> Result<(), DiscardReason> {
        let algorithm = self.authenticator.algorithm();
        let len = self.header_len();
        let header = &mut packet[self.start..self.start + len];
        header.fill(0);
        header[0] = next_header;
        header[1] = u8::try_from(len / 4 - 2).expect("no ICV is that long");
        header[4..8].copy_from_slice(&spi.value().to_be_bytes());
        header[8..12].copy_from_slice(&number.low().to_be_bytes());
        let iv = (salt ^ number.value()).to_be_bytes();
        let iv = &iv[..algorithm.iv_len()];
        let mut tag = [0; TAG_MAX];
        let tag = &mut tag[..algorithm.tag_len()];
        self.masked(kept, packet, |covered| self.authenticator.sign(crypto, covered, iv, tag))?;
        let field = &mut packet[self.start + FIXED_LEN..];
        field[..iv.len()].copy_from_slice(iv);
        field[iv.len()..iv.len() + tag.len()].copy_from_slice(tag);
        Ok(())
    }

    /// Checks the ICV of a packet, which is afterwards as it was.
    ///
    /// # Errors
    /// [`DiscardReason::Malformed`] when the header does not have the algorithm's length or what is in front of it cannot be
    /// covered, [`DiscardReason::Integrity`] when the ICV is wrong.
    pub(crate) fn verify(
        &self,
        crypto: &mut Crypto,
        kept: &mut Vec<u8>,
        packet: &mut Vec<u8>,
        header: &AhHeader,
    ) -> Result<(), DiscardReason> {
        let algorithm = self.authenticator.algorithm();
        if header.len != self.header_len() {
            return Err(DiscardReason::Malformed);
        }
        let field = self.start + FIXED_LEN..self.start + FIXED_LEN + algorithm.iv_len() + algorithm.tag_len();
        let mut received = [0; LEN_MAX];
        let received = &mut received[..field.len()];
        received.copy_from_slice(&packet[field.clone()]);
        packet[field.clone()].fill(0);
        let (iv, tag) = received.split_at(algorithm.iv_len());
        let genuine =
            self.masked(kept, packet, |covered| self.authenticator.verify(crypto, covered, iv, tag));
        packet[field].copy_from_slice(received);
        if genuine? { Ok(()) } else { Err(DiscardReason::Integrity) }
    }

    /// Shows `read` what the ICV covers.
    fn masked<R>(
        &self,
        kept: &mut Vec<u8>,
        packet: &mut Vec<u8>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, DiscardReason> {
        let len = packet.len();
        kept.clear();
        kept.extend_from_slice(&packet[..self.start]);
        let masked = mutable::mask(&mut packet[..self.start], self.version);
        let result = masked.map(|()| {
            packet.extend(self.high.map(SeqHigh::octets).into_iter().flatten());
            read(packet)
        });
        packet.truncate(len);
        packet[..self.start].copy_from_slice(kept);
        result
    }
}

const _: () = assert!(IV_MAX + 16 <= TAG_MAX);

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{AesKey, Integrity};

    use super::*;

    #[test]
    fn lengths_are_those_of_the_alignment_of_each_version() {
        let lens = |algorithm| [Version::V4, Version::V6].map(|version| header_len(algorithm, version));
        assert_eq!(lens(Integrity::HmacSha1_96.into()), [24, 24]);
        assert_eq!(lens(Integrity::HmacSha2_256_128.into()), [28, 32]);
        assert_eq!(lens(Integrity::HmacSha2_384_192.into()), [36, 40]);
        assert_eq!(lens(Integrity::HmacSha2_512_256.into()), [44, 48]);
        assert_eq!(lens(Authentication::Gmac(AesKey::Bits128)), [36, 40]);
        for &algorithm in Authentication::ALL {
            assert!(algorithm.iv_len() <= IV_MAX && algorithm.tag_len() <= TAG_MAX);
            assert!(lens(algorithm).iter().all(|len| *len <= LEN_MAX));
        }
    }

    #[test]
    fn a_header_that_is_cut_off_or_says_a_wrong_length_is_malformed() {
        let header = [6, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let read = AhHeader { spi: Spi::new(256).unwrap(), low: 9, next_header: 6, len: 24 };
        assert_eq!(AhHeader::parse(&header), Ok(read));
        for len in 0..header.len() {
            assert_eq!(AhHeader::parse(&header[..len]), Err(DiscardReason::Malformed));
        }
        let with = |place: usize, value| {
            let mut header = header;
            header[place] = value;
            AhHeader::parse(&header)
        };
        assert_eq!(with(1, 0), Err(DiscardReason::Malformed));
        assert_eq!(with(6, 0), Err(DiscardReason::UnknownSpi));
    }
}
