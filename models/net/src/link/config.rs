//! What a link is like: rate, loss probability, MTU and the rest, each a type that cannot hold nonsense.

use core::fmt;

use ipseclab_sim::SimDuration;

use super::framing::Framing;
use super::reorder::Reorder;

/// A rate in bits per second, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u64);

/// A probability, of loss or of being held back, in parts per 10⁹, 0 to 10⁹.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossPpb(u32);

/// The longest IPv4 packet that a link takes, in octets, at least 68 (RFC 791 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mtu(u16);

/// The properties of one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Rate; `None` puts a packet on the wire in no time, so that nothing ever waits.
    pub rate: Option<BitRate>,
    /// Propagation delay.
    pub delay: SimDuration,
    /// Each packet's delay gets a further uniform span of 0 to this; packets may then overtake each other.
    pub jitter: SimDuration,
    /// Packets that are held back so that others overtake them, if any are.
    pub reorder: Option<Reorder>,
    /// Probability that a packet is lost on the wire, each independently (Bernoulli).
    pub loss: LossPpb,
    /// Longest packet taken.
    pub mtu: Mtu,
    /// How many octets may wait, without the packet in service.
    pub queue_bytes: u64,
    /// What surrounds each packet on the wire. MTU and queue are in octets of IP packets, without it.
    pub framing: Framing,
}

/// By how much a serialisation time is too long since it is a whole number of nanoseconds: less than one of them, in
/// fractions of a nanosecond of which there are as many as the rate has bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Surplus(u64);

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Surplus {
    /// Nothing.
    pub(super) const NONE: Self = Self(0);
}

impl BitRate {
    /// `bits_per_second`, or `None` for 0.
    pub const fn new(bits_per_second: u64) -> Option<Self> {
        if bits_per_second == 0 { None } else { Some(Self(bits_per_second)) }
    }

    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// The time that `octets` take, rounded up to a whole nanosecond.
    ///
    /// # Panics
    /// When that is more than 584 years.
    #[inline]
    pub fn time_for(self, octets: u64) -> SimDuration {
        self.time_after(octets, Surplus::NONE).0
    }

    /// The time that `octets` take right behind others that were given too much, rounded up to a whole nanosecond; and
    /// what this one is given too much.
    ///
    /// # Panics
    /// When that is more than 584 years.
    #[inline]
    pub(super) fn time_after(self, octets: u64, surplus: Surplus) -> (SimDuration, Surplus) {
        // The 64-bit path holds for everything below 2.3 GB, and a 128-bit division is ten times as slow.
        let (nanos, remainder) = if let Some(scaled_bits) = octets.checked_mul(8 * NANOS_PER_SECOND) {
            let Some(owed) = scaled_bits.checked_sub(surplus.0) else {
                return (SimDuration::ZERO, Surplus(surplus.0 - scaled_bits));
            };
            (owed.div_ceil(self.0), owed % self.0)
        } else {
            let owed = u128::from(octets) * 8 * u128::from(NANOS_PER_SECOND) - u128::from(surplus.0);
            let rate = u128::from(self.0);
            let nanos = u64::try_from(owed.div_ceil(rate)).expect("a serialisation time beyond 584 years");
            (nanos, u64::try_from(owed % rate).expect("less than the rate"))
        };
        let surplus = if remainder == 0 { Surplus::NONE } else { Surplus(self.0 - remainder) };
        (SimDuration::from_nanos(nanos), surplus)
    }
}

impl LossPpb {
    /// No loss.
    pub const NONE: Self = Self(0);
    /// Every packet is lost.
    pub const ALL: Self = Self(1_000_000_000);

    /// `ppb` parts per 10⁹, or `None` above 10⁹.
    pub const fn new(ppb: u32) -> Option<Self> {
        if ppb <= Self::ALL.0 { Some(Self(ppb)) } else { None }
    }

    /// Parts per 10⁹.
    pub const fn ppb(self) -> u32 {
        self.0
    }
}

impl Mtu {
    /// What Ethernet carries.
    pub const ETHERNET: Self = Self(1_500);
    /// The longest IPv4 packet there is.
    pub const MAX: Self = Self(u16::MAX);

    /// `octets`, or `None` below 68.
    pub const fn new(octets: u16) -> Option<Self> {
        if octets >= 68 { Some(Self(octets)) } else { None }
    }

    /// Octets.
    pub const fn octets(self) -> u16 {
        self.0
    }
}

impl LinkConfig {
    /// A perfect link: infinite rate, no loss, no jitter, no reordering, Ethernet's MTU, 256 KiB of queue, no framing.
    pub const fn ideal(delay: SimDuration) -> Self {
        Self {
            rate: None,
            delay,
            jitter: SimDuration::ZERO,
            reorder: None,
            loss: LossPpb::NONE,
            mtu: Mtu::ETHERNET,
            queue_bytes: 256 * 1024,
            framing: Framing::None,
        }
    }

    /// The time that a packet of `len` octets occupies an idle wire, framing included: ⌈bits · 10⁹ / rate⌉ ns.
    #[inline]
    pub fn serialisation(&self, len: u16) -> SimDuration {
        self.serialisation_after(len, Surplus::NONE).0
    }

    /// The same right behind a packet whose time had this surplus, and the surplus of this one.
    #[inline]
    pub(super) fn serialisation_after(&self, len: u16, surplus: Surplus) -> (SimDuration, Surplus) {
        let octets = self.framing.layer_1_len(len.into());
        self.rate.map_or((SimDuration::ZERO, Surplus::NONE), |rate| rate.time_after(octets, surplus))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bit/s", self.0)
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LossPpb {
    /// A share from 0 to 1 with nine decimals, exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / Self::ALL.0, self.0 % Self::ALL.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(bits_per_second: u64) -> BitRate {
        BitRate::new(bits_per_second).unwrap()
    }

    #[test]
    fn constructors_refuse_what_cannot_be() {
        assert_eq!(BitRate::new(0), None);
        assert_eq!(LossPpb::new(1_000_000_001), None);
        assert_eq!(Mtu::new(67), None);
        assert_eq!(LossPpb::new(1_000_000_000), Some(LossPpb::ALL));
        assert_eq!(Mtu::new(68).map(Mtu::octets), Some(68));
    }

    #[test]
    fn values_print_exactly() {
        assert_eq!(LossPpb::new(50_000_000).unwrap().to_string(), "0.050000000");
        assert_eq!(LossPpb::ALL.to_string(), "1.000000000");
        assert_eq!(rate(1_000).to_string(), "1000 bit/s");
        assert_eq!(Mtu::ETHERNET.to_string(), "1500");
    }

    #[test]
    fn serialisation_takes_the_textbook_times() {
        // 1500 octets at 100 Mb/s: 120 µs. 1028 at 1 Gb/s: 8224 ns. 64 at 3 bit/s: 170 ⅔ s, rounded up.
        assert_eq!(rate(100_000_000).time_for(1_500), SimDuration::from_micros(120));
        assert_eq!(rate(1_000_000_000).time_for(1_028), SimDuration::from_nanos(8_224));
        assert_eq!(rate(3).time_for(64), SimDuration::from_nanos(170_666_666_667));
        assert_eq!(rate(u64::MAX).time_for(1), SimDuration::from_nanos(1));
    }

    #[test]
    fn framing_counts_on_the_wire() {
        let config = LinkConfig {
            rate: Some(rate(8_000_000_000)),
            framing: Framing::Ethernet,
            ..LinkConfig::ideal(SimDuration::ZERO)
        };
        assert_eq!(config.serialisation(1_500), SimDuration::from_nanos(1_538));
        assert_eq!(LinkConfig { rate: None, ..config }.serialisation(1_500), SimDuration::ZERO);
    }

    proptest! {
        #[test]
        fn serialisation_is_the_least_span_that_fits_the_bits(octets in 0_u64..1 << 40, bits_per_second in 1_000_u64..) {
            let nanos = u128::from(rate(bits_per_second).time_for(octets).as_nanos());
            let needed = u128::from(octets) * 8 * u128::from(NANOS_PER_SECOND);
            let speed = u128::from(bits_per_second);
            prop_assert!(nanos * speed >= needed);
            prop_assert!(nanos == 0 || (nanos - 1) * speed < needed);
        }

        #[test]
        fn packets_in_a_row_take_as_long_as_one_of_their_length(
            octets in proptest::collection::vec(1_u64..10_000, 1..50),
            bits_per_second in 1_000_u64..1 << 44,
        ) {
            let rate = rate(bits_per_second);
            let (mut time, mut surplus) = (SimDuration::ZERO, Surplus::NONE);
            for octets in &octets {
                let (more, left) = rate.time_after(*octets, surplus);
                (time, surplus) = (time + more, left);
            }
            prop_assert_eq!(time, rate.time_for(octets.iter().sum()));
        }
    }
}
