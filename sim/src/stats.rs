//! Statistics primitives: a running summary, and quantiles of sorted samples.
//!
//! Intervals and tests belong to the experiments. Sums are kept in the order of arrival; results are the same on every
//! machine as long as the samples come in the same order, since only +, −, ×, / and square root are used, which IEEE 754
//! defines to the last bit.

/// Count, mean, standard deviation, least and greatest of a stream of samples (Welford's method).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    count: u64,
    mean: f64,
    /// The sum of squared distances from the mean.
    spread: f64,
    range: Option<(f64, f64)>,
}

impl Summary {
    /// Without samples.
    pub const fn new() -> Self {
        Self { count: 0, mean: 0.0, spread: 0.0, range: None }
    }

    /// Adds a sample.
    ///
    /// # Panics
    /// When the sample is not finite: every later figure would be false.
    pub fn add(&mut self, sample: f64) {
        assert!(sample.is_finite(), "a sample is {sample}");
        self.count += 1;
        let distance = sample - self.mean;
        self.mean += distance / to_f64(self.count);
        self.spread += distance * (sample - self.mean);
        self.range =
            Some(self.range.map_or((sample, sample), |(min, max)| (min.min(sample), max.max(sample))));
    }

    /// How many samples there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean, in the unit of the samples; `None` without samples.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The sample standard deviation (divisor n − 1), in the unit of the samples; `None` below two samples.
    pub fn standard_deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| libm::sqrt(self.spread / to_f64(self.count - 1)))
    }

    /// The least sample.
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(min, _)| min)
    }

    /// The greatest sample.
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, max)| max)
    }
}

impl Extend<f64> for Summary {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, samples: T) {
        samples.into_iter().for_each(|sample| self.add(sample));
    }
}

impl FromIterator<f64> for Summary {
    fn from_iter<T: IntoIterator<Item = f64>>(samples: T) -> Self {
        let mut summary = Self::new();
        summary.extend(samples);
        summary
    }
}

/// The quantile of rank `ppm` / 10⁶ by nearest rank: the least sample such that at least that share is at or below it.
///
/// It is always one of the samples, so integers stay integers, and it needs no arithmetic on them. `None` without
/// samples. With 0 it is the least, with 1 000 000 the greatest sample.
///
/// # Panics
/// When `ppm` is above 1 000 000, or (in debug builds) when the samples are not sorted.
pub fn quantile<T: Copy + PartialOrd>(sorted: &[T], ppm: u32) -> Option<T> {
    assert!(ppm <= 1_000_000, "a quantile of {ppm} ppm does not exist");
    debug_assert!(sorted.is_sorted(), "quantiles need sorted samples");
    let rank = (sorted.len() as u128 * u128::from(ppm)).div_ceil(1_000_000).max(1);
    sorted.get(usize::try_from(rank - 1).ok()?).copied()
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 samples")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= expected.abs() * 1e-12, "{found} instead of {expected}");
    }

    #[test]
    fn a_summary_has_the_textbook_values() {
        let summary: Summary = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        assert_eq!(summary.count(), 8);
        close(summary.mean(), 5.0);
        close(summary.standard_deviation(), (32.0_f64 / 7.0).sqrt());
        close(summary.min(), 2.0);
        close(summary.max(), 9.0);
    }

    #[test]
    fn a_large_offset_does_not_eat_the_deviation() {
        let summary: Summary = [4.0, 7.0, 13.0, 16.0].into_iter().map(|x| x + 1e9).collect();
        close(summary.mean(), 1e9 + 10.0);
        close(summary.standard_deviation(), 30.0_f64.sqrt());
    }

    #[test]
    fn without_samples_there_are_no_figures() {
        let mut summary = Summary::new();
        assert_eq!((summary.mean(), summary.min(), summary.max()), (None, None, None));
        summary.add(3.0);
        assert_eq!((summary.mean(), summary.standard_deviation()), (Some(3.0), None));
    }

    #[test]
    fn a_sample_that_is_no_number_stops_the_run() {
        assert!(std::panic::catch_unwind(|| Summary::new().add(f64::NAN)).is_err());
    }

    #[test]
    fn quantiles_are_samples_of_the_nearest_rank() {
        let sorted = [15, 20, 35, 40, 50];
        let at = |ppm| quantile(&sorted, ppm).unwrap();
        assert_eq!(
            [at(0), at(50_000), at(300_000), at(400_000), at(500_000), at(1_000_000)],
            [15, 15, 20, 20, 35, 50]
        );
    }

    #[test]
    fn p99_of_a_hundred_is_the_ninety_ninth() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(quantile(&sorted, 990_000), Some(99));
        assert_eq!(quantile(&sorted, 990_001), Some(100));
    }

    #[test]
    fn no_samples_have_no_quantile() {
        assert_eq!(quantile::<u64>(&[], 500_000), None);
    }
}
