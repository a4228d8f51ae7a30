//! The texts with a meaning that scenario files hold: a newtype each, one parser each, one schema each.
//!
//! A type implements [`TextValue`]; the macro below gives it serde and JSON Schema, and [`FORMATS`] lists its parser
//! for [`crate::structure`], which underlines the byte at fault. So a duration is read by the same code whether it
//! stands in a file, in a sweep or behind `--set`.

mod auth_method;
mod base64;
mod moment;
mod proposals;
mod spread;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipseclab_sim::SimDuration;
use ipseclab_topologies::units::{self, UnitError};
use serde::de::{self, Visitor};

use super::pattern::NodePattern;
use super::selector::{Network, Selector};
use crate::structure::{Format, Mistake};

pub use auth_method::{AuthMethod, EapMethod, HashName, KeyFamily, SignatureChoice};
pub use moment::Moment;
pub(in crate::scenario) use proposals::needs_ah;
pub use proposals::{AhProposal, EspProposal, IkeProposal};
pub use spread::{Spread, VirtualAddress};

/// A text with a meaning.
pub trait TextValue: Sized {
    /// The `format` of the schema.
    const FORMAT: &'static str;
    /// What such a text is, with an example.
    const EXPECTED: &'static str;
    /// A regular expression for editors; the parser has the last word.
    const PATTERN: &'static str;
    /// Whether a bare number may stand for the text.
    const NUMBER: bool = false;

    /// Reads the text.
    ///
    /// # Errors
    /// What is wrong with it, and where in it.
    fn parse(text: &str) -> Result<Self, Mistake>;
}

/// A span of time: `"20ms"`, `"1.5s"`, `"2min"`, `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(SimDuration);

/// A bit rate with decimal prefixes: `"100Mbps"`, `"1Gbps"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// A number of octets: `"1500B"`, `"9kB"`, `"256KiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// The probability that a packet is lost: `0.01`, `"1%"`, `"100ppm"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss(u32);

/// What surrounds each packet on a link: `"none"`, `"ethernet"`, `"20B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing(ipseclab_topologies::Framing);

/// A factor of at most three decimals between 1 and 100, such as `1.8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor(u32);

/// The address of a host: `"192.0.2.1"`, `"2001:db8::1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(IpAddr);

/// A pre-shared key: any text, or octets in hexadecimal behind `0x`.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(Vec<u8>);

/// The parsers of all formats.
pub const FORMATS: &[Format] = &[
    format_of::<Duration>(),
    format_of::<Rate>(),
    format_of::<Size>(),
    format_of::<Loss>(),
    format_of::<Framing>(),
    format_of::<Factor>(),
    format_of::<Address>(),
    format_of::<Network>(),
    format_of::<Selector>(),
    format_of::<NodePattern>(),
    format_of::<IkeProposal>(),
    format_of::<EspProposal>(),
    format_of::<AhProposal>(),
    format_of::<Psk>(),
    format_of::<Spread>(),
    format_of::<VirtualAddress>(),
    format_of::<AuthMethod>(),
    format_of::<Moment>(),
];

const fn format_of<T: TextValue>() -> Format {
    Format { name: T::FORMAT, expected: T::EXPECTED, check: |text| T::parse(text).map(drop) }
}

impl Duration {
    /// The span in simulated time.
    pub fn span(self) -> SimDuration {
        self.0
    }
}

impl Rate {
    /// Bits per second.
    pub fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl Size {
    /// Octets.
    pub fn octets(self) -> u64 {
        self.0
    }
}

impl Loss {
    /// Parts per billion, at most 10⁹.
    pub fn ppb(self) -> u32 {
        self.0
    }
}

impl Framing {
    /// The framing.
    pub fn get(self) -> ipseclab_topologies::Framing {
        self.0
    }
}

impl Factor {
    /// Thousandths: 1.8 is 1800.
    pub fn thousandths(self) -> u32 {
        self.0
    }
}

impl Address {
    /// The address.
    pub fn get(self) -> IpAddr {
        self.0
    }
}

impl Psk {
    /// The octets of the key.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk({} octets)", self.0.len())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unit_mistake(error: UnitError) -> Mistake {
    Mistake { help: vec![error.help().to_owned()], ..Mistake::new(error.problem.to_string()) }
}

impl TextValue for Duration {
    const FORMAT: &'static str = "duration-with-unit";
    const EXPECTED: &'static str = "a duration such as \"20ms\"";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?(ns|us|µs|ms|s|min|h|d)$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        units::parse_duration(text).map(|ns| Self(SimDuration::from_nanos(ns))).map_err(unit_mistake)
    }
}

impl TextValue for Rate {
    const FORMAT: &'static str = "rate-with-unit";
    const EXPECTED: &'static str = "a bit rate such as \"100Mbps\"";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?[kMGT]?bps$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        match units::parse_rate(text).map_err(unit_mistake)? {
            0 => Err(Mistake::new("a rate of nothing carries nothing")),
            rate => Ok(Self(rate)),
        }
    }
}

impl TextValue for Size {
    const FORMAT: &'static str = "size-with-unit";
    const EXPECTED: &'static str = "a size such as \"256KiB\"";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|KiB|MiB|GiB)$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        units::parse_size(text).map(Self).map_err(unit_mistake)
    }
}

impl TextValue for Loss {
    const FORMAT: &'static str = "probability";
    const EXPECTED: &'static str = "a loss probability from 0 to 1 such as 0.01 or \"1%\"";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? ?(%|ppm|ppb)?$";
    const NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, Mistake> {
        units::parse_loss(text).map(Self).map_err(unit_mistake)
    }
}

impl TextValue for Framing {
    const FORMAT: &'static str = "framing";
    const EXPECTED: &'static str = "a framing such as \"ethernet\" or \"20B\"";
    const PATTERN: &'static str = r"^(none|ethernet|[0-9]+(\.[0-9]+)? ?(B|kB|KiB))$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let mistake = |error: ipseclab_topologies::FramingError| Mistake {
            help: vec![error.help().to_owned()],
            ..Mistake::new(error.to_string())
        };
        text.parse().map(Self).map_err(mistake)
    }
}

impl TextValue for Factor {
    const FORMAT: &'static str = "factor";
    const EXPECTED: &'static str = "a factor from 1 to 100 with at most three decimals such as 1.8";
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]{1,3})?$";
    const NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, Mistake> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok());
        let thousandths = match (digits(whole).flatten(), digits(decimals).flatten(), decimals.len()) {
            (Some(whole), Some(_), 1..=3) => format!("{decimals:0<3}")
                .parse::<u32>()
                .ok()
                .and_then(|fraction| whole.checked_mul(1000)?.checked_add(fraction)),
            _ => return Err(Mistake::new("not a plain decimal number")),
        };
        match thousandths {
            Some(factor @ 1000..=100_000) => Ok(Self(factor)),
            _ => Err(Mistake::new("out of range")),
        }
    }
}

impl TextValue for Address {
    const FORMAT: &'static str = "ip-address";
    const EXPECTED: &'static str = "an IP address such as \"192.0.2.1\" or \"2001:db8::1\"";
    const PATTERN: &'static str = r"^[0-9a-fA-F.:]+$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let address: IpAddr = text.parse().map_err(|_| Mistake::new("not an IP address"))?;
        if address.is_unspecified()
            || address == IpAddr::V4(Ipv4Addr::BROADCAST)
            || address.is_multicast()
            || address.is_loopback()
        {
            return Err(Mistake::new("no host can have this address"));
        }
        Ok(Self(address))
    }
}

impl TextValue for NodePattern {
    const FORMAT: &'static str = "node-pattern";
    const EXPECTED: &'static str = "the name of a node or a pattern such as \"spoke-*\"";
    const PATTERN: &'static str = "^.+$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        Self::parse(text)
    }
}

impl TextValue for Psk {
    const FORMAT: &'static str = "psk";
    const EXPECTED: &'static str = "a pre-shared key: a text, or octets such as \"0x6b6579\"";
    const PATTERN: &'static str = "^.+$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let octets = match (text.strip_prefix("0x"), text.strip_prefix(base64::PREFIX)) {
            (Some(digits), _) => hexadecimal(digits)?,
            (None, Some(digits)) => base64::decoded(digits)?,
            (None, None) => text.as_bytes().to_vec(),
        };
        match octets.len() {
            0 => Err(Mistake::new("an empty key protects nothing")),
            1..=1024 => Ok(Self(octets)),
            _ => Err(Mistake::new("longer than 1024 octets")),
        }
    }
}

/// The octets behind `0x`, with mistakes placed as if that stood in front.
pub(super) fn hexadecimal(digits: &str) -> Result<Vec<u8>, Mistake> {
    if let Some((at, c)) = digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
        let span = Some(at + 2..at + 2 + c.len_utf8());
        return Err(Mistake { span, ..Mistake::new("not a hexadecimal digit") });
    }
    if digits.len() % 2 == 1 {
        return Err(Mistake::new("an octet is two digits"));
    }
    let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Ok((0..digits.len()).step_by(2).filter_map(octet).collect())
}

struct TextVisitor<T>(std::marker::PhantomData<T>);

impl<T: TextValue> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(|Mistake { message, help, .. }| {
            E::custom(help.into_iter().fold(message, |said, help| said + "; " + &help))
        })
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_number(number, de::Unexpected::Signed(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_number(number, de::Unexpected::Unsigned(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_number(number, de::Unexpected::Float(number))
    }
}

impl<T: TextValue> TextVisitor<T> {
    fn visit_number<E: de::Error>(self, number: impl fmt::Display, what: de::Unexpected<'_>) -> Result<T, E> {
        if T::NUMBER { self.visit_str(&number.to_string()) } else { Err(E::invalid_type(what, &self)) }
    }
}

macro_rules! text_values {
    ($($type:ty = $name:literal: $description:literal),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::scenario::value::TextVisitor(std::marker::PhantomData))
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let types: &[&str] = if <Self as $crate::scenario::value::TextValue>::NUMBER { &["number", "string"] } else { &["string"] };
                schemars::json_schema!({
                    "type": types,
                    "format": <Self as $crate::scenario::value::TextValue>::FORMAT,
                    "pattern": <Self as $crate::scenario::value::TextValue>::PATTERN,
                    "description": $description,
                })
            }
        }
    )*};
}

use text_values;

text_values! {
    Duration = "Duration": "A span of time: a number and one of ns, us, ms, s, min, h, d.",
    Rate = "Rate": "A bit rate: a number and one of bps, kbps, Mbps, Gbps, Tbps.",
    Size = "Size": "A number of octets: a number and one of B, kB, MB, GB, KiB, MiB, GiB.",
    Loss = "Loss": "A probability from 0 to 1: a number, or a text with %, ppm or ppb.",
    Framing = "Framing": "What surrounds each packet on a link: none, ethernet, or a number of octets.",
    Factor = "Factor": "A factor from 1 to 100 with at most three decimals.",
    Address = "Address": "An IPv4 or IPv6 address of a host.",
    Network = "Network": "An IPv4 or IPv6 network in prefix notation.",
    Selector = "Selector": "Traffic: a network, an address, a range of addresses, or `dynamic` for the node's own address, with an optional [protocol/port].",
    NodePattern = "NodePattern": "The name of a node; `*` stands for any run of characters.",
    Psk = "Psk": "A pre-shared key: any text, or octets in hexadecimal behind 0x or in Base64 behind 0s.",
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn mistake<T: TextValue>(text: &str) -> Mistake {
        T::parse(text).err().unwrap_or_else(|| panic!("{text:?} should be refused"))
    }

    #[test]
    fn quantities_become_exact_integers() {
        assert_eq!(Duration::parse("1.5ms").unwrap().span().as_nanos(), 1_500_000);
        assert_eq!(Rate::parse("100Mbps").unwrap().bits_per_second(), 100_000_000);
        assert_eq!(Size::parse("256KiB").unwrap().octets(), 262_144);
        assert_eq!(Loss::parse("1%").unwrap(), Loss::parse("0.01").unwrap());
        assert_eq!(Factor::parse("1.8").unwrap().thousandths(), 1800);
        assert_eq!(Factor::parse("2").unwrap().thousandths(), 2000);
    }

    #[test]
    fn quantities_without_sense_are_refused() {
        assert_eq!(mistake::<Duration>("20").message, "the unit is missing");
        assert_eq!(mistake::<Rate>("0Mbps").message, "a rate of nothing carries nothing");
        assert_eq!(mistake::<Loss>("-0.1").message, "it is negative");
        assert_eq!(mistake::<Loss>("1.5").message, "it is too large");
        for text in
            ["0.999", "100.001", "1.8888", "x", "", ".", "1.", "+2", "-2", "1e3", "NaN", "99999999999"]
        {
            mistake::<Factor>(text);
        }
    }

    #[test]
    fn only_addresses_of_hosts_are_addresses() {
        assert_eq!(Address::parse("192.0.2.1").unwrap().get(), Ipv4Addr::new(192, 0, 2, 1));
        for text in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "1.2.3", "::1", "host"] {
            mistake::<Address>(text);
        }
    }

    #[test]
    fn keys_are_text_or_octets_and_never_printed() {
        assert_eq!(Psk::parse("0sa2V5").unwrap().octets(), b"key");
        assert_eq!(Psk::parse("0x6b6579").unwrap().octets(), b"key");
        assert_eq!(Psk::parse("key").unwrap().octets(), b"key");
        assert_eq!(format!("{:?}", Psk::parse("key").unwrap()), "Psk(3 octets)");
        assert_eq!(mistake::<Psk>("0x6z").span, Some(3..4));
        for text in ["", "0x", "0x1", "0s", "0sa2V5!", &"k".repeat(1025)] {
            mistake::<Psk>(text);
        }
    }

    #[test]
    fn numbers_stand_for_text_only_where_the_type_says_so() {
        #[derive(Deserialize)]
        struct Holder {
            loss: Loss,
        }
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[expect(dead_code, reason = "only its refusal matters")]
            delay: Duration,
        }
        assert_eq!(toml::from_str::<Holder>("loss = 0.05").unwrap().loss.ppb(), 50_000_000);
        assert_eq!(toml::from_str::<Holder>("loss = 1").unwrap().loss.ppb(), 1_000_000_000);
        let error = toml::from_str::<Strict>("delay = 20").unwrap_err();
        assert!(error.message().contains("a duration such as \"20ms\""), "{error}");
    }
}
