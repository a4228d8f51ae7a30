//! SPIs and sequence numbers: the two numbers of every ESP header (RFC 4303 §2.1, §2.2).
//!
//! They are types of their own because both are 32 bits on the wire and mixing them up compiles otherwise.

use core::fmt;

use ipseclab_crypto::SeqHigh;

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
    /// The last number of an SA with extended sequence numbers.
    pub const LAST: Self = Self(u64::MAX);
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

    /// The part that extended sequence numbers have in front of it, which is not sent.
    pub const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// What the ICV covers beside the packet under an SA with or without extended sequence numbers.
    pub(crate) fn implicit(self, esn: bool) -> Option<SeqHigh> {
        esn.then(|| SeqHigh(self.high()))
    }

    /// The number at which an SA with or without extended sequence numbers should be rekeyed: one in sixteen is left, so
    /// that a rekeying that takes several tries comes in time.
    pub(crate) const fn time_to_rekey(esn: bool) -> Self {
        let last = if esn { Self::LAST } else { Self::LAST_WITHOUT_ESN };
        Self(last.0 - last.0 / 16)
    }

    /// The next number that an SA with or without extended sequence numbers may use, if one is left.
    pub(crate) fn next(self, esn: bool) -> Option<Self> {
        let last = if esn { Self::LAST } else { Self::LAST_WITHOUT_ESN };
        (self < last).then(|| Self(self.0 + 1))
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
    fn numbers_end_before_the_low_half_wraps_unless_they_are_extended() {
        assert_eq!(SeqNo::new(0).next(false), Some(SeqNo::new(1)));
        assert_eq!(SeqNo::LAST_WITHOUT_ESN.next(false), None);
        assert_eq!(SeqNo::LAST_WITHOUT_ESN.next(true), Some(SeqNo::new(1 << 32)));
        assert_eq!(SeqNo::LAST.next(true), None);
    }

    #[test]
    fn the_high_half_is_implicit_under_extended_numbers_alone() {
        let number = SeqNo::new(0x5_0000_0007);
        assert_eq!((number.low(), number.high()), (7, 5));
        assert_eq!((number.implicit(true), number.implicit(false)), (Some(SeqHigh(5)), None));
    }
}
