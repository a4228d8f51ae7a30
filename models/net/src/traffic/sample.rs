//! Random numbers with a distribution, the same on every platform.
//!
//! Each sampler is the inverse of its distribution function at a uniform number, so that one draw of the stream makes one
//! sample, whatever its value. Logarithms and powers are those of `libm`, since the platform's differ in the last bit, and
//! the result is rounded to whole nanoseconds here and nowhere else.

use ipseclab_sim::{ModelRng, SimDuration};

/// A Pareto distribution of spans, by its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pareto {
    mean: SimDuration,
    shape_thousandths: u32,
}

impl Pareto {
    /// Spans with this mean and shape; the tail falls as x^−shape. `None` for a shape of at most 1, which has no mean.
    pub const fn new(mean: SimDuration, shape_thousandths: u32) -> Option<Self> {
        if shape_thousandths > 1000 { Some(Self { mean, shape_thousandths }) } else { None }
    }

    /// The mean.
    pub const fn mean(self) -> SimDuration {
        self.mean
    }

    /// The shape.
    fn shape(self) -> f64 {
        f64::from(self.shape_thousandths) / 1000.0
    }

    /// One span, never below (shape − 1) / shape of the mean.
    pub(super) fn sample(self, rng: &mut ModelRng) -> SimDuration {
        let shape = self.shape();
        let least = nanos(self.mean) * (shape - 1.0) / shape;
        span(least * libm::pow(uniform(rng), -1.0 / shape))
    }
}

/// An exponentially distributed span.
pub(crate) fn exponential(rng: &mut ModelRng, mean: SimDuration) -> SimDuration {
    span(-libm::log(uniform(rng)) * nanos(mean))
}

/// A number from 0 to `bound` − 1, each with the same chance up to one part in 2⁶⁴.
pub(super) fn below(rng: &mut ModelRng, bound: u64) -> u64 {
    let wide = u128::from(rng.next_u64()) * u128::from(bound);
    u64::try_from(wide >> 64).expect("the upper half of a product")
}

/// A uniform number above 0 and up to 1, of 53 bits.
#[expect(clippy::cast_precision_loss, reason = "a number of 53 bits is exact")]
fn uniform(rng: &mut ModelRng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a mean of more than 104 days may lose a nanosecond")]
fn nanos(span: SimDuration) -> f64 {
    span.as_nanos() as f64
}

/// The span in whole nanoseconds; what is longer than 292 years counts as that.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "never negative, and bounded"
)]
fn span(nanos: f64) -> SimDuration {
    SimDuration::from_nanos(libm::round(nanos).min((u64::MAX / 2) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::{RunSeed, StreamLabel};

    use super::*;

    const DRAWS: u32 = 200_000;

    fn rng() -> ModelRng {
        ModelRng::new(RunSeed::new(3), StreamLabel::new(0, "samples"))
    }

    fn mean_of(mut sample: impl FnMut() -> SimDuration) -> f64 {
        (0..DRAWS).map(|_| nanos(sample())).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn exponential_spans_have_their_mean_and_their_tail() {
        let (mut rng, mean) = (rng(), SimDuration::from_micros(100));
        let found = mean_of(|| exponential(&mut rng, mean));
        // The standard error is mean / √n; four of them.
        assert!((found - 100_000.0).abs() < 4.0 * 100_000.0 / f64::from(DRAWS).sqrt(), "{found}");
        let beyond =
            (0..DRAWS).filter(|_| exponential(&mut rng, mean) > SimDuration::from_micros(300)).count();
        // e^−3 of them, within four standard deviations of a binomial count.
        let (expected, p) = (f64::from(DRAWS) * 0.049_787, 0.049_787_f64);
        let bound = 4.0 * (f64::from(DRAWS) * p * (1.0 - p)).sqrt();
        assert!((f64::from(u32::try_from(beyond).unwrap()) - expected).abs() < bound, "{beyond}");
    }

    #[test]
    fn pareto_spans_have_their_least_value_and_their_tail() {
        let mut rng = rng();
        let pareto = Pareto::new(SimDuration::from_micros(300), 1_500).unwrap();
        let samples: Vec<_> = (0..DRAWS).map(|_| pareto.sample(&mut rng).as_nanos()).collect();
        // The least value is a third of the mean here, and (1/4)^1.5 = 1/8 of all are above four times that.
        assert!(samples.iter().all(|span| *span >= 100_000));
        let beyond = u32::try_from(samples.iter().filter(|span| **span > 400_000).count()).unwrap();
        let bound = 4.0 * (f64::from(DRAWS) * 0.125 * 0.875).sqrt();
        assert!((f64::from(beyond) - f64::from(DRAWS) / 8.0).abs() < bound, "{beyond}");
    }

    #[test]
    fn a_shape_without_a_mean_is_refused() {
        assert_eq!(Pareto::new(SimDuration::from_micros(1), 1_000), None);
        assert!(Pareto::new(SimDuration::from_micros(1), 1_001).is_some());
    }

    #[test]
    fn numbers_below_a_bound_are_below_it_and_reach_it() {
        let mut rng = rng();
        let drawn: Vec<_> = (0..200).map(|_| below(&mut rng, 3)).collect();
        assert!((0..3).all(|value| drawn.contains(&value)) && drawn.iter().all(|value| *value < 3));
    }
}
