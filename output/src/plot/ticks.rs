//! Where an axis has ticks, and what they are called.
//!
//! Linear axes step by 1, 2 or 5 times a power of ten. Logarithmic axes have 1, 2, 5 below three decades, powers of
//! ten above, and linear steps inside a single factor of a few; if one of its numbers needs a power of ten, all
//! have one. A tick is kept as mantissa and exponent, so that
//! its text is exact decimal and never `0.30000000000000004`.

/// A tick at `mantissa × 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    mantissa: i64,
    exponent: i32,
}

impl Decimal {
    #[expect(clippy::cast_precision_loss, reason = "mantissas of ticks are small")]
    fn value(self) -> f64 {
        self.mantissa as f64 * libm::exp10(f64::from(self.exponent))
    }

    /// In plain decimals, or as a power of ten where those would be long.
    fn text(self) -> String {
        let mut shortest = self;
        while shortest.mantissa != 0 && shortest.mantissa % 10 == 0 {
            shortest = Self { mantissa: shortest.mantissa / 10, exponent: shortest.exponent + 1 };
        }
        if shortest.mantissa == 0 {
            "0".to_owned()
        } else if shortest.exponent >= -5 && self.value().abs() < 1e6 {
            self.plain()
        } else {
            shortest.scientific()
        }
    }

    fn plain(self) -> String {
        let sign = if self.mantissa < 0 { "−" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let Ok(zeros) = usize::try_from(self.exponent) else {
            let decimals = usize::try_from(-self.exponent).unwrap_or(0);
            let digits = format!("{digits:0>width$}", width = decimals + 1);
            let (whole, fraction) = digits.split_at(digits.len() - decimals);
            return format!("{sign}{whole}.{fraction}");
        };
        format!("{sign}{digits}{}", "0".repeat(zeros))
    }

    /// Such as `10⁻⁶`, `2×10⁹` or `1.5×10⁷`.
    fn scientific(self) -> String {
        let sign = if self.mantissa < 0 { "−" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let (first, rest) = digits.split_at(1);
        let power = self.exponent + i32::try_from(rest.len()).unwrap_or(0);
        let factor = match (first, rest) {
            ("1", "") => String::new(),
            (first, "") => format!("{first}×"),
            (first, rest) => format!("{first}.{rest}×"),
        };
        format!("{sign}{factor}10{}", superscript(power))
    }
}

fn superscript(number: i32) -> String {
    number
        .to_string()
        .chars()
        .filter_map(|digit| {
            Some(match digit {
                '-' => '⁻',
                '0' => '⁰',
                '1' => '¹',
                '2' => '²',
                '3' => '³',
                '4' => '⁴',
                '5' => '⁵',
                '6' => '⁶',
                '7' => '⁷',
                '8' => '⁸',
                '9' => '⁹',
                _ => return None,
            })
        })
        .collect()
}

/// A tick; one without text is a minor one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) text: String,
}

impl Tick {
    fn new(decimal: Decimal) -> Self {
        Self { value: decimal.value(), text: decimal.text() }
    }
}

/// Ticks of a linear axis from `low` to `high`, about `wanted` of them.
pub(super) fn linear(low: f64, high: f64, wanted: u8) -> Vec<Tick> {
    let rough = (high - low) / f64::from(wanted.max(1));
    let exponent = floor(libm::log10(rough));
    let ratio = rough / libm::exp10(f64::from(exponent));
    let (step, exponent) = match ratio {
        ratio if ratio <= 1.0 => (1, exponent),
        ratio if ratio <= 2.0 => (2, exponent),
        ratio if ratio <= 5.0 => (5, exponent),
        _ => (1, exponent + 1),
    };
    let unit = Decimal { mantissa: step, exponent }.value();
    // A bound that is a tick up to rounding shall have it.
    let slack = (high - low) * 1e-9;
    let first = ceil((low - slack) / unit);
    let last = ceil((high + slack) / unit);
    let ticks = (first..=last).map(|count| Tick::new(Decimal { mantissa: count * step, exponent }));
    ticks.filter(|tick| tick.value <= high + slack).collect()
}

/// Ticks of a logarithmic axis from `low` to `high`, both above zero.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<Tick> {
    let decades = libm::log10(high / low);
    let exponents = floor(libm::log10(low))..=floor(libm::log10(high));
    let inside = |tick: &Tick| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(&tick.value);
    let powers = low < 1e-5 || high >= 1e6;
    let at = |mantissas: &'static [i64], every: i32, named: bool| {
        let exponents = exponents.clone().filter(move |exponent| exponent.rem_euclid(every) == 0);
        exponents.flat_map(move |exponent| {
            mantissas.iter().map(move |&mantissa| {
                let decimal = Decimal { mantissa, exponent };
                let value = decimal.value();
                match (named, powers && !(0..=1).contains(&exponent)) {
                    (false, _) => Tick { value, text: String::new() },
                    (true, true) => Tick { value, text: decimal.scientific() },
                    (true, false) => Tick::new(decimal),
                }
            })
        })
    };
    let major: Vec<Tick> = if decades > 3.2 {
        at(&[1], every(decades), true).filter(inside).collect()
    } else {
        at(&[1, 2, 5], 1, true).filter(inside).collect()
    };
    if major.len() < 3 && decades < 1.0 {
        return linear(low, high, 5);
    }
    let minor = at(&[2, 3, 4, 5, 6, 7, 8, 9], 1, false).filter(inside).filter(|_| decades <= 6.0);
    let minor: Vec<Tick> =
        minor.filter(|tick| major.iter().all(|other| other.value.total_cmp(&tick.value).is_ne())).collect();
    major.into_iter().chain(minor).collect()
}

/// Decades from one named power of ten to the next, for at most about eight of them.
fn every(decades: f64) -> i32 {
    let mut every = 1;
    while decades / f64::from(every) > 8.0 {
        every += 1;
    }
    every
}

#[expect(clippy::cast_possible_truncation, reason = "exponents of an f64 fit")]
fn floor(value: f64) -> i32 {
    libm::floor(value) as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a few steps from zero or from a mantissa; the cast saturates"
)]
fn ceil(value: f64) -> i64 {
    libm::ceil(value) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.text.as_str()).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn linear_steps_are_one_two_or_five() {
        assert_eq!(texts(&linear(0.0, 1.0, 5)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&linear(-0.3, 0.31, 6)), ["−0.2", "0", "0.2"]);
        assert_eq!(texts(&linear(0.0, 47.0, 5)), ["0", "10", "20", "30", "40"]);
        assert_eq!(texts(&linear(0.0, 0.05, 5)), ["0", "0.01", "0.02", "0.03", "0.04", "0.05"]);
    }

    #[test]
    fn large_and_small_numbers_become_powers_of_ten() {
        assert_eq!(texts(&linear(0.0, 2e7, 4)), ["0", "5×10⁶", "10⁷", "1.5×10⁷", "2×10⁷"]);
        assert_eq!(texts(&linear(0.0, 2e-9, 2)), ["0", "10⁻⁹", "2×10⁻⁹"]);
        assert_eq!(texts(&linear(0.0, 500_000.0, 5))[5], "500000");
    }

    #[test]
    fn a_short_logarithmic_axis_has_one_two_five() {
        assert_eq!(texts(&logarithmic(0.9, 60.0)), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(texts(&logarithmic(0.01, 0.1)), ["0.01", "0.02", "0.05", "0.1"]);
    }

    #[test]
    fn a_long_logarithmic_axis_has_powers_of_ten_and_minor_ticks() {
        let ticks = logarithmic(1e-3, 1e3);
        assert_eq!(texts(&ticks), ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(ticks.iter().filter(|tick| tick.text.is_empty()).count(), 6 * 8);
        assert!(texts(&logarithmic(1e-30, 1e30)).len() <= 9);
        assert_eq!(texts(&logarithmic(1.0, 1e7)), ["1", "10", "10²", "10³", "10⁴", "10⁵", "10⁶", "10⁷"]);
    }

    #[test]
    fn a_logarithmic_axis_within_one_factor_has_linear_ticks() {
        assert_eq!(texts(&logarithmic(42.0, 48.0)), ["42", "44", "46", "48"]);
    }

    #[test]
    fn minus_is_a_minus_sign_and_numbers_keep_their_digits() {
        assert_eq!(Decimal { mantissa: -25, exponent: -1 }.text(), "−2.5");
        assert_eq!(Decimal { mantissa: 5, exponent: -3 }.text(), "0.005");
        assert_eq!(Decimal { mantissa: -12, exponent: 9 }.text(), "−1.2×10¹⁰");
    }
}
