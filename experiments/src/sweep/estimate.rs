//! What a handful of values says about all: mean, its confidence interval, quantiles.
//!
//! The interval is Student's, for a mean over independent replications with unknown variance; it is exact for normal
//! values and an approximation for others, so studies with skewed values want many replications.

use ipseclab_sim::stats::{Summary, quantile};
use statrs::distribution::{Continuous as _, ContinuousCDF as _, StudentsT};

use super::metric::Statistic;

/// Figures over the replications of a combination, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How many values there are; at least 1.
    pub count: u64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation; `None` for a single value.
    pub standard_deviation: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean; `None` for a single value.
    pub half_width: Option<f64>,
    /// The least value.
    pub min: f64,
    /// The median, by nearest rank, as the other quantiles: always one of the values.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The greatest value.
    pub max: f64,
}

impl Estimate {
    /// The figures of finite values, in the order in which they are summed; `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let summary: Summary = values.iter().copied().collect();
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let standard_deviation = summary.standard_deviation();
        let half_width = standard_deviation
            .zip(student_t_975(summary.count()))
            .map(|(deviation, t)| t * deviation / libm::sqrt(to_f64(summary.count())));
        Some(Self {
            count: summary.count(),
            mean: summary.mean()?,
            standard_deviation,
            half_width,
            min: summary.min()?,
            p50: quantile(&sorted, 500_000)?,
            p90: quantile(&sorted, 900_000)?,
            p99: quantile(&sorted, 990_000)?,
            max: summary.max()?,
        })
    }

    /// The 95 % confidence interval of the mean.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half_width.map(|half| (self.mean - half, self.mean + half))
    }

    /// One of the figures.
    pub fn statistic(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Mean => self.mean,
            Statistic::P50 => self.p50,
            Statistic::P90 => self.p90,
            Statistic::P99 => self.p99,
            Statistic::Min => self.min,
            Statistic::Max => self.max,
        }
    }
}

/// The 95 % score interval of the share of ones, if every value is 0 or 1 (E. B. Wilson, JASA 22(158), 1927).
///
/// Student's interval has no width when all values are equal; a hundred successes in a hundred tries say that at least
/// 96 % succeed, and not that all do.
pub(super) fn wilson_interval(values: &[f64]) -> Option<(f64, f64)> {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let is = |value: f64| move |other: &&f64| other.total_cmp(&value).is_eq();
    let (ones, zeros) = (values.iter().filter(is(1.0)).count(), values.iter().filter(is(0.0)).count());
    if values.is_empty() || ones + zeros < values.len() {
        return None;
    }
    let (count, ones) = (to_f64(values.len() as u64), to_f64(ones as u64));
    let middle = ones + Z * Z / 2.0;
    let half = Z * libm::sqrt(ones * (count - ones) / count + Z * Z / 4.0);
    Some(((middle - half) / (count + Z * Z), (middle + half) / (count + Z * Z)))
}

/// The 97.5 % quantile of Student's t for `count` values, which is half a 95 % interval in standard errors.
///
/// The library's inverse is off by 10⁻⁵ from 10⁵ values on, which Newton's method mends. Rounded to nine decimals: the
/// library computes with the mathematics of the platform, whose last bits differ.
pub fn student_t_975(count: u64) -> Option<f64> {
    let freedom = count.checked_sub(1).filter(|freedom| *freedom > 0)?;
    let distribution = StudentsT::new(0.0, 1.0, to_f64(freedom)).ok()?;
    let start = distribution.inverse_cdf(0.975);
    let t = (0..3).fold(start, |t, _| t - (distribution.cdf(t) - 0.975) / distribution.pdf(t));
    Some(libm::round(t * 1e9) / 1e9)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 values")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} instead of {expected}");
    }

    #[test]
    fn students_t_has_the_values_of_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, with more digits from the closed forms.
        for (count, expected) in [(3, 4.302_653), (10, 2.262_157), (30, 2.045_230), (100, 1.984_217)] {
            let found = student_t_975(count).unwrap();
            assert!((found - expected).abs() < 5e-7, "{count}: {found} instead of {expected}");
        }
        // Two values: t with one degree of freedom is Cauchy, tan(0.475 π).
        check_close(student_t_975(2).unwrap(), 12.706_204_736);
        assert_eq!((student_t_975(0), student_t_975(1)), (None, None));
        // The expansion around the normal quantile z, z + (z³ + z) / 4n + …, for a million.
        check_close(student_t_975(1_000_000).unwrap(), 1.959_966_357);
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        // Deviations from 5: −3 −1 −1 −1 0 0 2 4, squares 32; 32/7 under the root; t(7) = 2.364624252.
        let figures = Estimate::of(&[9.0, 2.0, 4.0, 5.0, 4.0, 7.0, 4.0, 5.0]).unwrap();
        assert_eq!(figures.count, 8);
        check_close(figures.mean, 5.0);
        check_close(figures.standard_deviation.unwrap(), 2.138_089_935_299_395);
        check_close(figures.half_width.unwrap(), 2.364_624_252 * 2.138_089_935_299_395 / 8.0_f64.sqrt());
        let (low, high) = figures.interval().unwrap();
        check_close(low + high, 10.0);
        let ranks = [figures.min, figures.p50, figures.p90, figures.p99, figures.max];
        ranks
            .into_iter()
            .zip([2.0, 4.0, 9.0, 9.0, 9.0])
            .for_each(|(found, expected)| check_close(found, expected));
    }

    #[test]
    fn the_interval_of_a_share_does_not_vanish_at_its_ends() {
        let values = |ones: usize, zeros: usize| [vec![1.0; ones], vec![0.0; zeros]].concat();
        let check = |ones, zeros, low: f64, high: f64| {
            let found = wilson_interval(&values(ones, zeros)).unwrap();
            assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{found:?}");
        };
        // With z² = 3.8415: 100/103.8415; 1.9600² / 103.8415; (89.9207 ± 1.9600 √11.5204) / 103.8415.
        check(100, 0, 0.9630, 1.0);
        check(0, 100, 0.0, 0.0370);
        check(88, 12, 0.8019, 0.9300);
        assert_eq!((wilson_interval(&[0.5, 1.0]), wilson_interval(&[])), (None, None));
    }

    #[test]
    fn one_value_has_no_interval_and_none_has_nothing() {
        let figures = Estimate::of(&[3.0]).unwrap();
        assert_eq!((figures.mean, figures.standard_deviation, figures.interval()), (3.0, None, None));
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        assert_eq!(Estimate::of(&[0.1; 30]).unwrap().interval(), Some((0.1, 0.1)));
    }
}
