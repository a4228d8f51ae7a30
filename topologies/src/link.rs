//! What a link is: its delay, rate, loss, MTU, queue and framing.
//!
//! The fields are plain integers in named units, because each is read by another model (delay line, port, loss
//! process) which has a type of its own for it. Ranges are checked once, by [`LinkSpec::validate`], which
//! [`Topology::add_link`](crate::Topology::add_link) calls: a link inside a topology needs no second check.
//!
//! Model: both directions of a link are alike; a link that differs by direction is left out.

use std::str::FromStr;

use crate::units::{self, UnitError, format_duration, format_loss, format_size};

/// The least MTU in octets: every IPv4 module must forward 68 octets (RFC 791 §3.2).
pub const MIN_MTU: u32 = 68;
/// The largest MTU in octets: the IPv4 Total Length field has 16 bits (RFC 791 §3.1).
pub const MAX_MTU: u32 = 65_535;
/// The longest delay and jitter of one link: one day, in nanoseconds. Chosen so that the delays of a path over
/// [`MAX_NODES`](crate::MAX_NODES) nodes still add up in 64 bits.
pub const MAX_DELAY_NS: u64 = 86_400_000_000_000;
/// The MTU of a link that states none, in octets: that of Ethernet (RFC 894).
pub const DEFAULT_MTU: u32 = 1500;
/// The queue of a link that states none, in octets: 256 KiB, about 2 ms at 1 Gb/s, as a small router port has.
pub const DEFAULT_QUEUE_BYTES: u64 = 256 * 1024;
/// Certain loss in parts per billion.
pub(crate) const LOSS_ONE_PPB: u32 = 1_000_000_000;

/// A duplex link with the same values in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSpec {
    /// Propagation delay in nanoseconds, at most [`MAX_DELAY_NS`].
    pub delay_ns: u64,
    /// Rate in bits per second, at least 1; `None` is a link without serialisation time.
    pub rate_bps: Option<u64>,
    /// The largest extra delay of a packet in nanoseconds, on top of `delay_ns`; at most [`MAX_DELAY_NS`].
    pub jitter_ns: u64,
    /// Packets that are held back so that others overtake them.
    pub reorder: Option<ReorderSpec>,
    /// Probability that a packet is lost, in parts per billion, at most 1 000 000 000.
    pub loss_ppb: u32,
    /// Largest IP packet in octets, [`MIN_MTU`] to [`MAX_MTU`].
    pub mtu: u32,
    /// Octets that may wait in the queue of each end, at least 1.
    pub queue_bytes: u64,
    /// What surrounds each packet on the wire, and takes its share of the rate.
    pub framing: Framing,
}

/// What surrounds each IP packet of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: the rate is one of IP packets.
    #[default]
    None,
    /// Ethernet: 38 octets with preamble and gap, and at least 84 (IEEE 802.3 §3.1.1, §4.4.2).
    Ethernet,
    /// So many octets.
    Octets(u16),
}

/// A text that names no framing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// It is neither a name nor a size.
    #[error("`{}` is no framing", .0.text.escape_debug())]
    Unknown(UnitError),
    /// It is a size above 65 535 octets.
    #[error("a framing of {} is longer than any packet", format_size(*.octets))]
    TooLong {
        /// The size asked for, in octets.
        octets: u64,
    },
}

/// How a link holds packets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReorderSpec {
    /// How likely each packet is held back, in parts per billion, at most 1 000 000 000.
    pub probability_ppb: u32,
    /// For how long, in nanoseconds, above 0 and at most [`MAX_DELAY_NS`]; the mean where chance decides.
    pub delay_ns: u64,
    /// Whether the spans are exponentially distributed, rather than all the same.
    pub is_exponential: bool,
}

/// Which value of a link something is about, named as in topology files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkValue {
    /// Propagation delay.
    Delay,
    /// Bits per second.
    Rate,
    /// Extra random delay.
    Jitter,
    /// Packets held back.
    Reorder,
    /// Loss probability.
    Loss,
    /// Largest IP packet.
    Mtu,
    /// Queue of each end.
    Queue,
}

/// Why a link cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The delay is above [`MAX_DELAY_NS`].
    #[error("delay of {} is above the limit of {}", format_duration(*.delay_ns), format_duration(MAX_DELAY_NS))]
    DelayTooLong {
        /// The delay asked for, in nanoseconds.
        delay_ns: u64,
    },
    /// The jitter is above [`MAX_DELAY_NS`].
    #[error("jitter of {} is above the limit of {}", format_duration(*.jitter_ns), format_duration(MAX_DELAY_NS))]
    JitterTooLong {
        /// The jitter asked for, in nanoseconds.
        jitter_ns: u64,
    },
    /// The probability of being held back is above one.
    #[error("a probability of {} to be held back is above 100%", format_loss(*.probability_ppb))]
    ReorderAboveOne {
        /// The probability asked for, in parts per billion.
        probability_ppb: u32,
    },
    /// Packets are held back for no time, or for more than [`MAX_DELAY_NS`].
    #[error("holding packets back for {} is not between 1ns and {}", format_duration(*.delay_ns), format_duration(MAX_DELAY_NS))]
    ReorderDelay {
        /// The time asked for, in nanoseconds.
        delay_ns: u64,
    },
    /// The rate is zero.
    #[error("rate of 0bps carries nothing")]
    NoRate,
    /// The loss probability is above one.
    #[error("loss of {} is above 100%", format_loss(*.loss_ppb))]
    LossAboveOne {
        /// The loss asked for, in parts per billion.
        loss_ppb: u32,
    },
    /// The MTU is outside [`MIN_MTU`] to [`MAX_MTU`].
    #[error("mtu of {mtu} is not between {MIN_MTU} and {MAX_MTU}")]
    Mtu {
        /// The MTU asked for, in octets.
        mtu: u32,
    },
    /// The queue is zero.
    #[error("queue of 0B holds nothing")]
    NoQueue,
}

impl LinkError {
    /// The value that is wrong.
    pub fn value(&self) -> LinkValue {
        match self {
            Self::DelayTooLong { .. } => LinkValue::Delay,
            Self::JitterTooLong { .. } => LinkValue::Jitter,
            Self::ReorderAboveOne { .. } | Self::ReorderDelay { .. } => LinkValue::Reorder,
            Self::NoRate => LinkValue::Rate,
            Self::LossAboveOne { .. } => LinkValue::Loss,
            Self::Mtu { .. } => LinkValue::Mtu,
            Self::NoQueue => LinkValue::Queue,
        }
    }
}

impl FramingError {
    /// What would be right.
    pub const fn help(&self) -> &'static str {
        Framing::HELP
    }
}

impl Framing {
    /// What a text that names a framing looks like.
    pub const HELP: &'static str =
        "write \"none\", \"ethernet\", or the octets around each packet, for example \"20B\"";
}

impl FromStr for Framing {
    type Err = FramingError;

    /// Reads `none`, `ethernet` or a size such as `20B`.
    fn from_str(text: &str) -> Result<Self, FramingError> {
        match text.trim() {
            "none" => Ok(Self::None),
            "ethernet" => Ok(Self::Ethernet),
            size => {
                let octets = units::parse_size(size).map_err(FramingError::Unknown)?;
                u16::try_from(octets).map(Self::Octets).map_err(|_| FramingError::TooLong { octets })
            }
        }
    }
}

impl Default for LinkSpec {
    /// No delay, no jitter, no reordering, no loss, no rate limit, no framing, [`DEFAULT_MTU`], [`DEFAULT_QUEUE_BYTES`].
    fn default() -> Self {
        Self {
            delay_ns: 0,
            rate_bps: None,
            jitter_ns: 0,
            reorder: None,
            loss_ppb: 0,
            mtu: DEFAULT_MTU,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            framing: Framing::None,
        }
    }
}

impl LinkSpec {
    /// The default link with a propagation delay in nanoseconds.
    pub fn with_delay(delay_ns: u64) -> Self {
        Self { delay_ns, ..Self::default() }
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first value that is out of range, in the order of the fields.
    pub fn validate(&self) -> Result<(), LinkError> {
        // Every framing is possible.
        let Self { delay_ns, rate_bps, jitter_ns, reorder, loss_ppb, mtu, queue_bytes, framing: _ } = *self;
        if let Some(reorder) = reorder {
            reorder.validate()?;
        }
        match () {
            () if delay_ns > MAX_DELAY_NS => Err(LinkError::DelayTooLong { delay_ns }),
            () if rate_bps == Some(0) => Err(LinkError::NoRate),
            () if jitter_ns > MAX_DELAY_NS => Err(LinkError::JitterTooLong { jitter_ns }),
            () if loss_ppb > LOSS_ONE_PPB => Err(LinkError::LossAboveOne { loss_ppb }),
            () if !(MIN_MTU..=MAX_MTU).contains(&mtu) => Err(LinkError::Mtu { mtu }),
            () if queue_bytes == 0 => Err(LinkError::NoQueue),
            () => Ok(()),
        }
    }
}

impl ReorderSpec {
    fn validate(self) -> Result<(), LinkError> {
        let Self { probability_ppb, delay_ns, is_exponential: _ } = self;
        match () {
            () if probability_ppb > LOSS_ONE_PPB => Err(LinkError::ReorderAboveOne { probability_ppb }),
            () if !(1..=MAX_DELAY_NS).contains(&delay_ns) => Err(LinkError::ReorderDelay { delay_ns }),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(link: LinkSpec, expected: &LinkError, value: LinkValue) {
        assert_eq!(link.validate().as_ref(), Err(expected));
        assert_eq!(expected.value(), value);
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        let widest = LinkSpec {
            delay_ns: MAX_DELAY_NS,
            rate_bps: Some(1),
            jitter_ns: MAX_DELAY_NS,
            reorder: Some(ReorderSpec {
                probability_ppb: LOSS_ONE_PPB,
                delay_ns: MAX_DELAY_NS,
                is_exponential: true,
            }),
            loss_ppb: LOSS_ONE_PPB,
            mtu: MAX_MTU,
            queue_bytes: 1,
            framing: Framing::Octets(u16::MAX),
        };
        assert_eq!(widest.validate(), Ok(()));
        assert_eq!(LinkSpec { mtu: MIN_MTU, ..widest }.validate(), Ok(()));
        assert_eq!(LinkSpec::default().validate(), Ok(()));
    }

    #[test]
    fn one_beyond_each_limit_is_refused_and_named() {
        let link = LinkSpec::default();
        let (late, lossy) = (MAX_DELAY_NS + 1, LOSS_ONE_PPB + 1);
        let reorder = ReorderSpec { probability_ppb: 1, delay_ns: 1, is_exponential: false };
        let refused = [
            (
                LinkSpec { delay_ns: late, ..link },
                LinkError::DelayTooLong { delay_ns: late },
                LinkValue::Delay,
            ),
            (LinkSpec { rate_bps: Some(0), ..link }, LinkError::NoRate, LinkValue::Rate),
            (
                LinkSpec { jitter_ns: late, ..link },
                LinkError::JitterTooLong { jitter_ns: late },
                LinkValue::Jitter,
            ),
            (
                LinkSpec { loss_ppb: lossy, ..link },
                LinkError::LossAboveOne { loss_ppb: lossy },
                LinkValue::Loss,
            ),
            (LinkSpec { mtu: MIN_MTU - 1, ..link }, LinkError::Mtu { mtu: 67 }, LinkValue::Mtu),
            (LinkSpec { mtu: MAX_MTU + 1, ..link }, LinkError::Mtu { mtu: 65_536 }, LinkValue::Mtu),
            (LinkSpec { queue_bytes: 0, ..link }, LinkError::NoQueue, LinkValue::Queue),
            (
                LinkSpec { reorder: Some(ReorderSpec { delay_ns: 0, ..reorder }), ..link },
                LinkError::ReorderDelay { delay_ns: 0 },
                LinkValue::Reorder,
            ),
            (
                LinkSpec { reorder: Some(ReorderSpec { delay_ns: late, ..reorder }), ..link },
                LinkError::ReorderDelay { delay_ns: late },
                LinkValue::Reorder,
            ),
            (
                LinkSpec { reorder: Some(ReorderSpec { probability_ppb: lossy, ..reorder }), ..link },
                LinkError::ReorderAboveOne { probability_ppb: lossy },
                LinkValue::Reorder,
            ),
        ];
        for (link, expected, value) in refused {
            check_refused(link, &expected, value);
        }
    }

    #[test]
    fn a_framing_is_a_name_or_a_size() {
        assert_eq!("ethernet".parse(), Ok(Framing::Ethernet));
        assert_eq!("none".parse(), Ok(Framing::None));
        assert_eq!("20B".parse(), Ok(Framing::Octets(20)));
        let refused = |text: &str| text.parse::<Framing>().unwrap_err().to_string();
        assert_eq!(refused("Ethernet"), "`Ethernet` is no framing");
        assert_eq!(refused("20"), "`20` is no framing");
        assert_eq!(refused("64KiB"), "a framing of 64KiB is longer than any packet");
    }

    #[test]
    fn an_error_names_the_value_in_readable_units() {
        let error = LinkError::DelayTooLong { delay_ns: 2 * MAX_DELAY_NS };
        assert_eq!(error.to_string(), "delay of 2d is above the limit of 1d");
        assert_eq!(
            LinkError::LossAboveOne { loss_ppb: 1_500_000_000 }.to_string(),
            "loss of 150% is above 100%"
        );
        assert_eq!(LinkError::Mtu { mtu: 20 }.to_string(), "mtu of 20 is not between 68 and 65535");
    }
}
