//! SPIs and sequence numbers: the two numbers of every ESP header (RFC 4303 §2.1, §2.2).
//!
//! They are types of their own because both are 32 bits on the wire and mixing them up compiles otherwise.

use core::fmt;

/// A Security Parameters Index of ESP; never below 256, which IANA reserves (RFC 4303 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(u32);

impl Spi {
    /// The SPI with this value, or `None` in the reserved range 0 to 255.
    pub const fn new(value: u32) -> Option<Self> {
        if value < 256 { None } else { Some(Self(value)) }
    }

    /// An SPI of the reserved range, as old captures of manual keying have them.
    #[cfg(test)]
    pub(crate) const fn reserved(value: u32) -> Self {
        Self(value)
    }

    /// The value as the header carries it.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A sequence number: 64 bits inside, of which the header carries the low 32 (RFC 4303 §2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(u64);

impl SeqNo {
    /// The last number of an SA without extended sequence numbers (RFC 4303 §3.3.3).
    pub const LAST_WITHOUT_ESN: Self = Self(u32::MAX as u64);

    /// The sequence number with this value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// All 64 bits.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The part that the ESP header carries.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    pub const fn low(self) -> u32 {
        self.0 as u32
    }

    /// The next number that an SA without extended sequence numbers may use, if one is left.
    pub(crate) fn next_without_esn(self) -> Option<Self> {
        (self < Self::LAST_WITHOUT_ESN).then(|| Self(self.0 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_spis_do_not_exist() {
        assert_eq!(Spi::new(255), None);
        assert_eq!(Spi::new(256).map(Spi::value), Some(256));
    }

    #[test]
    fn an_spi_prints_as_eight_hex_digits() {
        assert_eq!(Spi::new(0x00ab_cdef).unwrap().to_string(), "00abcdef");
    }

    #[test]
    fn numbers_end_before_the_low_half_wraps() {
        assert_eq!(SeqNo::new(0).next_without_esn(), Some(SeqNo::new(1)));
        assert_eq!(SeqNo::LAST_WITHOUT_ESN.next_without_esn(), None);
        assert_eq!(SeqNo::new(0x1_0000_0007).low(), 7);
    }
}
