//! `rand_time` and virtual addresses.

use std::net::{IpAddr, Ipv4Addr};

use ipseclab_sim::SimDuration;

use super::{Duration, TextValue, text_values};
use crate::structure::Mistake;

/// How far renewals that began together are spread: a span of time, or a share of the time to the renewal.
///
/// strongSwan takes a time only; the share lets a sweep vary it without knowing `rekey_time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// A span.
    Span(SimDuration),
    /// A share in thousandths of a percent, from 0 to 100 000.
    Share(u32),
}

/// An address that a peer asks for inside the tunnel; unspecified leaves the choice to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress(IpAddr);

impl Spread {
    /// The span, where a share is one of `whole`.
    pub fn of(self, whole: SimDuration) -> SimDuration {
        match self {
            Self::Span(span) => span,
            Self::Share(share) => {
                let nanos = u128::from(whole.as_nanos()) * u128::from(share) / 100_000;
                SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

impl VirtualAddress {
    /// The address.
    pub fn get(self) -> IpAddr {
        self.0
    }
}

impl TextValue for Spread {
    const FORMAT: &'static str = "duration-or-share";
    const EXPECTED: &'static str = "a duration such as \"6min\" or a share such as \"50%\"";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?(%|ns|us|µs|ms|s|min|h|d)$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let Some(share) = text.strip_suffix('%') else {
            return Duration::parse(text).map(|duration| Self::Span(duration.span()));
        };
        let (whole, decimals) = share.trim_end().split_once('.').unwrap_or((share.trim_end(), "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
            return Err(Mistake::new("not a plain decimal number with at most three decimals"));
        }
        let thousandths = format!("{whole}{decimals:0<3}").parse().ok();
        match thousandths.filter(|share| *share <= 100_000) {
            Some(share) => Ok(Self::Share(share)),
            None => Err(Mistake::new("more than the whole")),
        }
    }
}

impl TextValue for VirtualAddress {
    const FORMAT: &'static str = "virtual-address";
    const EXPECTED: &'static str = "an address such as \"10.77.0.9\", or \"0.0.0.0\" for any";
    const PATTERN: &'static str = r"^[0-9a-fA-F.:]+$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let address: IpAddr = text.parse().map_err(|_| Mistake::new("not an IP address"))?;
        let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if broadcast || address.is_multicast() || address.is_loopback() {
            return Err(Mistake::new("no host can have this address"));
        }
        Ok(Self(address))
    }
}

text_values! {
    Spread = "Spread": "A span of time, or a share such as 50%.",
    VirtualAddress = "VirtualAddress": "An address inside a tunnel; 0.0.0.0 or :: for any.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_of_the_time_to_the_renewal() {
        let hour = SimDuration::from_secs(3600);
        for (text, seconds) in [("50%", 1800), ("0%", 0), ("100%", 3600), ("12.5%", 450), ("6min", 360)] {
            assert_eq!(Spread::parse(text).unwrap().of(hour), SimDuration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn shares_without_sense_are_refused() {
        for text in ["101%", "100.001%", "-1%", "%", "1.2345%", "x%", "6", "99999999999%"] {
            assert!(Spread::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn virtual_addresses_may_be_of_either_family_and_unspecified() {
        for text in ["0.0.0.0", "::", "10.77.0.9", "2001:db8::9"] {
            assert_eq!(VirtualAddress::parse(text).unwrap().get(), text.parse::<IpAddr>().unwrap());
        }
        for text in ["", "10.77.0", "224.0.0.1", "127.0.0.1", "255.255.255.255", "%any"] {
            assert!(VirtualAddress::parse(text).is_err(), "{text}");
        }
    }
}
