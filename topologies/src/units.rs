//! Quantities as people write them: `20ms`, `1Gbps`, `256KiB`, `1%`.
//!
//! A value is a decimal number and a unit, read exactly with integers: `1.5ms` is 1 500 000 ns, and a value that
//! is no whole number of the base unit (`0.1ns`) is refused instead of rounded. The unit must be written, for a
//! bare `20` means seconds to one reader and milliseconds to the next; only a loss may be a bare fraction.
//! Formatting writes the shortest exact form, so that reading it gives the number back.

use std::fmt;

/// Longest text that is looked at; longer ones are refused unread.
const MAX_TEXT_BYTES: usize = 64;

/// A unit and how many base units it holds.
type Unit = (&'static str, u64);

/// The last unit of each list is the base unit. µ has two code points, U+00B5 and U+03BC.
const DURATION_UNITS: &[Unit] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("\u{b5}s", 1000),
    ("\u{3bc}s", 1000),
    ("ns", 1),
];
const RATE_UNITS: &[Unit] =
    &[("Tbps", 1_000_000_000_000), ("Gbps", 1_000_000_000), ("Mbps", 1_000_000), ("kbps", 1000), ("bps", 1)];
const SIZE_UNITS: &[Unit] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];
/// A bare number is the fraction itself.
const LOSS_UNITS: &[Unit] = &[("", 1_000_000_000), ("%", 10_000_000), ("ppm", 1000), ("ppb", 1)];

/// What kind of value a text should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// A time, in nanoseconds.
    Duration,
    /// Bits per second.
    Rate,
    /// Octets.
    Size,
    /// A probability, in parts per billion.
    Loss,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitProblem {
    /// There is no number in front.
    #[error("it does not begin with a number")]
    NoNumber,
    /// The number has a sign `-`.
    #[error("it is negative")]
    Negative,
    /// There is no unit behind the number.
    #[error("the unit is missing")]
    NoUnit,
    /// The unit is none of those allowed.
    #[error("`{unit}` is no such unit")]
    UnknownUnit {
        /// The unit as written.
        unit: String,
    },
    /// The value is no whole number of the base unit.
    #[error("it is no whole number of {base}")]
    TooFine {
        /// The base unit.
        base: &'static str,
    },
    /// The value is above what is allowed or can be held.
    #[error("it is too large")]
    TooLarge,
    /// The text is longer than 64 octets.
    #[error("it is too long to be one")]
    TooLong,
}

/// A text that is not the quantity that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {quantity}: {problem}", .text.escape_debug())]
pub struct UnitError {
    /// The quantity wanted.
    pub quantity: Quantity,
    /// The text as written, cut when it is very long.
    pub text: String,
    /// What is wrong with it.
    pub problem: UnitProblem,
}

impl UnitError {
    /// What would be right.
    pub fn help(&self) -> &'static str {
        self.quantity.help()
    }
}

impl Quantity {
    /// What a text of this quantity looks like.
    pub fn help(self) -> &'static str {
        match self {
            Self::Duration => "write a number and one of ns, us, ms, s, min, h, d, for example \"20ms\"",
            Self::Rate => "write a number and one of bps, kbps, Mbps, Gbps, Tbps, for example \"1Gbps\"",
            Self::Size => "write a number and one of B, kB, MB, GB, KiB, MiB, GiB, for example \"256KiB\"",
            Self::Loss => "write a probability from 0 to 1, for example 0.01, \"1%\" or \"100ppm\"",
        }
    }

    fn units(self) -> &'static [Unit] {
        match self {
            Self::Duration => DURATION_UNITS,
            Self::Rate => RATE_UNITS,
            Self::Size => SIZE_UNITS,
            Self::Loss => LOSS_UNITS,
        }
    }

    fn base(self) -> &'static str {
        match self {
            Self::Duration => "nanoseconds",
            Self::Rate => "bits per second",
            Self::Size => "octets",
            Self::Loss => "parts per billion",
        }
    }

    fn parse(self, text: &str) -> Result<u64, UnitError> {
        let problem = |problem| UnitError { quantity: self, text: text.chars().take(40).collect(), problem };
        if text.len() > MAX_TEXT_BYTES {
            return Err(problem(UnitProblem::TooLong));
        }
        let (number, unit) = split(text.trim()).map_err(problem)?;
        let scale = self.scale(unit).map_err(problem)?;
        number.times(scale, self.base()).map_err(problem)
    }

    fn scale(self, unit: &str) -> Result<u64, UnitProblem> {
        let known = self.units().iter().find(|(name, _)| *name == unit);
        known.map(|&(_, scale)| scale).ok_or_else(|| match unit {
            "" => UnitProblem::NoUnit,
            unit => UnitProblem::UnknownUnit { unit: unit.to_owned() },
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => "duration",
            Self::Rate => "rate",
            Self::Size => "size",
            Self::Loss => "loss probability",
        })
    }
}

/// A decimal number: `digits` × 10^−`decimals`.
struct Decimal {
    digits: u128,
    decimals: u32,
}

impl Decimal {
    /// The exact product, if it is whole and can be held.
    fn times(&self, scale: u64, base: &'static str) -> Result<u64, UnitProblem> {
        let product = self.digits.checked_mul(u128::from(scale)).ok_or(UnitProblem::TooLarge)?;
        // A power of ten that cannot be held is above any product, so the value is a fraction (or zero).
        let divisor = 10_u128.checked_pow(self.decimals).unwrap_or(u128::MAX);
        if product % divisor != 0 {
            return Err(UnitProblem::TooFine { base });
        }
        u64::try_from(product / divisor).map_err(|_| UnitProblem::TooLarge)
    }
}

/// Takes a text apart into its number and its unit, which blanks may separate.
fn split(text: &str) -> Result<(Decimal, &str), UnitProblem> {
    if text.starts_with('-') {
        return Err(UnitProblem::Negative);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(UnitProblem::NoNumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let decimals = u32::try_from(fraction.len()).map_err(|_| UnitProblem::TooLarge)?;
    // Only a number that does not fit can fail here: the text is digits alone, and at least one.
    let digits = format!("{whole}{fraction}").parse().map_err(|_| UnitProblem::TooLarge)?;
    Ok((Decimal { digits, decimals }, unit.trim_start()))
}

/// Reads a duration such as `20ms` or `1.5 h` as nanoseconds.
///
/// # Errors
/// [`UnitError`], with what would be right in [`UnitError::help`].
pub fn parse_duration(text: &str) -> Result<u64, UnitError> {
    Quantity::Duration.parse(text)
}

/// Reads a rate such as `1Gbps` as bits per second; prefixes are decimal.
///
/// # Errors
/// [`UnitError`], with what would be right in [`UnitError::help`].
pub fn parse_rate(text: &str) -> Result<u64, UnitError> {
    Quantity::Rate.parse(text)
}

/// Reads a size such as `256KiB` or `9kB` as octets.
///
/// # Errors
/// [`UnitError`], with what would be right in [`UnitError::help`].
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    Quantity::Size.parse(text)
}

/// Reads a loss probability such as `0.01`, `1%`, `10ppm` or `5ppb` as parts per billion, at most 10⁹.
///
/// # Errors
/// [`UnitError`], with what would be right in [`UnitError::help`].
pub fn parse_loss(text: &str) -> Result<u32, UnitError> {
    let loss = Quantity::Loss.parse(text)?;
    let too_large =
        || UnitError { quantity: Quantity::Loss, text: text.to_owned(), problem: UnitProblem::TooLarge };
    u32::try_from(loss).ok().filter(|&ppb| ppb <= crate::link::LOSS_ONE_PPB).ok_or_else(too_large)
}

/// Takes a loss probability that a file gives as a number, as parts per billion.
///
/// The shortest decimal that denotes the number is what was written in the file, and it is that which counts.
///
/// # Errors
/// [`UnitError`], as for [`parse_loss`]; also for what is not a number.
pub fn loss_from_number(value: f64) -> Result<u32, UnitError> {
    let text = value.to_string();
    if text.len() <= MAX_TEXT_BYTES {
        return parse_loss(&text);
    }
    let problem = match value {
        ..0.0 => UnitProblem::Negative,
        1.0.. => UnitProblem::TooLarge,
        _ => UnitProblem::TooFine { base: Quantity::Loss.base() },
    };
    Err(UnitError { quantity: Quantity::Loss, text: format!("{value:e}"), problem })
}

/// Writes nanoseconds with the largest unit that stays exact: `1.5ms`, `90s`, `2h`.
pub fn format_duration(ns: u64) -> String {
    // 100 s would be 1.666… minutes, so the units that are no powers of ten serve whole numbers only.
    let whole = DURATION_UNITS[..3].iter().find(|&&(_, scale)| ns != 0 && ns.is_multiple_of(scale));
    match whole {
        Some(&(unit, scale)) => format!("{}{unit}", ns / scale),
        None => {
            format_decimal(ns, &[DURATION_UNITS[3], DURATION_UNITS[4], DURATION_UNITS[5], DURATION_UNITS[8]])
        }
    }
}

/// Writes bits per second with the largest unit that the rate reaches: `2.5Gbps`.
pub fn format_rate(bps: u64) -> String {
    format_decimal(bps, RATE_UNITS)
}

/// Writes octets with the largest unit of which they are a whole number: `256KiB`, `9kB`, `1500B`.
pub fn format_size(bytes: u64) -> String {
    let (unit, scale) =
        SIZE_UNITS.iter().find(|&&(_, scale)| bytes != 0 && bytes.is_multiple_of(scale)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / scale)
}

/// Writes parts per billion as a percentage: `1%`, `0.0001%`.
pub fn format_loss(ppb: u32) -> String {
    format_decimal(u64::from(ppb), &[LOSS_UNITS[1]])
}

/// Writes a value exactly, in the first of the units that it reaches or else in the last one.
fn format_decimal(value: u64, units: &[Unit]) -> String {
    let reached = units.iter().find(|&&(_, scale)| value >= scale).or(units.last());
    let &(unit, scale) = reached.unwrap_or(&("", 1));
    let decimals = scale.ilog10() as usize;
    let (whole, fraction) = (value / scale, value % scale);
    let text = format!("{whole}.{fraction:0decimals$}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_problem<T: fmt::Debug + PartialEq>(result: Result<T, UnitError>, expected: UnitProblem) {
        assert_eq!(result.map_err(|error| error.problem), Err(expected));
    }

    fn unknown(unit: &str) -> UnitProblem {
        UnitProblem::UnknownUnit { unit: unit.to_owned() }
    }

    #[test]
    fn every_duration_unit_is_read() {
        let texts = ["1ns", "1us", "1\u{b5}s", "1\u{3bc}s", "1ms", "1s", "1min", "1h", "1d"];
        let seconds = 1_000_000_000;
        let expected =
            [1, 1000, 1000, 1000, 1_000_000, seconds, 60 * seconds, 3600 * seconds, 86_400 * seconds];
        assert_eq!(texts.map(|text| parse_duration(text).unwrap()), expected);
    }

    #[test]
    fn every_rate_unit_is_decimal() {
        let texts = ["1bps", "1kbps", "1Mbps", "1Gbps", "1Tbps"];
        assert_eq!(
            texts.map(|text| parse_rate(text).unwrap()),
            [0, 3, 6, 9, 12].map(|power| 10_u64.pow(power))
        );
    }

    #[test]
    fn sizes_are_binary_only_with_an_i() {
        let texts = ["1B", "1kB", "1MB", "1GB", "1KiB", "1MiB", "1GiB"];
        let expected = [1, 1000, 1_000_000, 1_000_000_000, 1024, 1_048_576, 1_073_741_824];
        assert_eq!(texts.map(|text| parse_size(text).unwrap()), expected);
    }

    #[test]
    fn a_loss_is_a_fraction_a_percentage_or_parts() {
        let texts = ["0.01", "1%", "10000ppm", "10000000ppb", "0.010"];
        assert_eq!(texts.map(|text| parse_loss(text).unwrap()), [10_000_000; 5]);
        assert_eq!(
            ["0", "1", "100%"].map(|text| parse_loss(text).unwrap()),
            [0, 1_000_000_000, 1_000_000_000]
        );
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(parse_duration("1.5ms"), Ok(1_500_000));
        assert_eq!(parse_duration("0.000000001s"), Ok(1));
        assert_eq!(parse_duration("18446744073.709551615s"), Ok(u64::MAX));
        assert_eq!(parse_rate("9.58464Gbps"), Ok(9_584_640_000));
        assert_eq!(parse_duration("2.500000000000000000000h"), Ok(9_000_000_000_000));
    }

    #[test]
    fn blanks_around_number_and_unit_do_not_matter() {
        assert_eq!(parse_duration(" 20 ms "), Ok(20_000_000));
    }

    #[test]
    fn a_bare_number_is_no_duration_rate_or_size() {
        check_problem(parse_duration("20"), UnitProblem::NoUnit);
        check_problem(parse_rate("0"), UnitProblem::NoUnit);
        check_problem(parse_size("1500"), UnitProblem::NoUnit);
    }

    #[test]
    fn foreign_and_miscased_units_are_refused() {
        check_problem(parse_duration("20 parsecs"), unknown("parsecs"));
        check_problem(parse_duration("20MS"), unknown("MS"));
        check_problem(parse_rate("1GBps"), unknown("GBps"));
        check_problem(parse_size("256kb"), unknown("kb"));
        check_problem(parse_duration("1e3ms"), unknown("e3ms"));
        check_problem(parse_duration("1 000ms"), unknown("000ms"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "ms", ".5s", "5.s", "1.2.3s", "+1s", "NaN", "inf", "\u{661}s"] {
            check_problem(parse_duration(text), UnitProblem::NoNumber);
        }
    }

    #[test]
    fn negative_values_are_refused() {
        check_problem(parse_duration("-1ms"), UnitProblem::Negative);
        check_problem(parse_loss("-0.5"), UnitProblem::Negative);
        check_problem(loss_from_number(-0.01), UnitProblem::Negative);
        check_problem(loss_from_number(-1e300), UnitProblem::Negative);
    }

    #[test]
    fn parts_of_the_base_unit_are_refused_instead_of_rounded() {
        check_problem(parse_duration("0.1ns"), UnitProblem::TooFine { base: "nanoseconds" });
        check_problem(parse_size("1.5B"), UnitProblem::TooFine { base: "octets" });
        check_problem(loss_from_number(1.5e-9), UnitProblem::TooFine { base: "parts per billion" });
        check_problem(loss_from_number(1e-300), UnitProblem::TooFine { base: "parts per billion" });
        check_problem(
            parse_loss(&format!("0.{}1", "0".repeat(50))),
            UnitProblem::TooFine { base: "parts per billion" },
        );
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        check_problem(parse_duration("18446744073.709551616s"), UnitProblem::TooLarge);
        check_problem(parse_duration("213504d"), UnitProblem::TooLarge);
        check_problem(parse_duration(&format!("{}s", "9".repeat(60))), UnitProblem::TooLarge);
        check_problem(parse_duration(&"9".repeat(1000)), UnitProblem::TooLong);
        check_problem(parse_loss("1.000000001"), UnitProblem::TooLarge);
        check_problem(parse_loss("100.1%"), UnitProblem::TooLarge);
        check_problem(loss_from_number(2.0), UnitProblem::TooLarge);
        check_problem(loss_from_number(1e300), UnitProblem::TooLarge);
    }

    #[test]
    fn numbers_of_a_file_count_as_written() {
        assert_eq!(
            [0.0, 0.01, 0.1, 1e-9, 1.0].map(|loss| loss_from_number(loss).unwrap()),
            [0, 10_000_000, 100_000_000, 1, 1_000_000_000]
        );
        check_problem(loss_from_number(f64::NAN), UnitProblem::NoNumber);
        check_problem(loss_from_number(f64::INFINITY), UnitProblem::NoNumber);
    }

    #[test]
    fn an_error_says_what_is_wrong_and_what_would_be_right() {
        let error = parse_duration("20 parsecs").unwrap_err();
        assert_eq!(error.to_string(), "`20 parsecs` is not a duration: `parsecs` is no such unit");
        assert_eq!(error.help(), "write a number and one of ns, us, ms, s, min, h, d, for example \"20ms\"");
    }

    #[test]
    fn the_shortest_exact_form_is_written() {
        let durations =
            [0, 1, 1500, 1_500_000, 90_000_000_000, 100_000_000_000, 120_000_000_000, 7_200_000_000_000];
        assert_eq!(
            durations.map(format_duration),
            ["0ns", "1ns", "1.5us", "1.5ms", "90s", "100s", "2min", "2h"]
        );
        assert_eq!(format_duration(86_400_000_000_000), "1d");
        assert_eq!([0, 999, 2_500_000_000].map(format_rate), ["0bps", "999bps", "2.5Gbps"]);
        assert_eq!(
            [0, 1500, 9000, 262_144, 12_000_000].map(format_size),
            ["0B", "1500B", "9kB", "256KiB", "12MB"]
        );
        assert_eq!([0, 1, 10_000_000, 1_000_000_000].map(format_loss), ["0%", "0.0000001%", "1%", "100%"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(parse_duration(&format_duration(value)), Ok(value));
            prop_assert_eq!(parse_rate(&format_rate(value)), Ok(value));
            prop_assert_eq!(parse_size(&format_size(value)), Ok(value));
        }

        #[test]
        fn round_values_are_read_back(number in 0_u64..10_000, unit in 0_usize..7) {
            let [duration, rate, size] = [DURATION_UNITS, RATE_UNITS, SIZE_UNITS].map(|u| number * u[unit.min(u.len() - 1)].1);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_rate(&format_rate(rate)), Ok(rate));
            prop_assert_eq!(parse_size(&format_size(size)), Ok(size));
        }

        #[test]
        fn a_loss_is_read_back_as_text_and_as_number(ppb in 0_u32..=1_000_000_000) {
            prop_assert_eq!(parse_loss(&format_loss(ppb)), Ok(ppb));
            prop_assert_eq!(loss_from_number(f64::from(ppb) / 1e9), Ok(ppb));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}", number in "[-0-9.]{0,70}[a-zA-Zµ% ]{0,4}", value: f64) {
            for text in [text, number] {
                let results = [parse_duration(&text), parse_rate(&text), parse_size(&text)];
                prop_assert!(results.iter().flatten().all(|_| text.len() <= MAX_TEXT_BYTES));
                prop_assert!(parse_loss(&text).map_or(true, |ppb| ppb <= 1_000_000_000));
            }
            prop_assert!(loss_from_number(value).is_err() || (0.0..=1.0).contains(&value));
        }
    }
}
