//! Where nodes stand, how far apart, and how long light takes in between.
//!
//! The distance is the great circle on a sphere, by the haversine formula, which stays accurate for short
//! distances. All mathematics is that of `libm`, hence the same bits on every machine; the only rounding to
//! integers is in [`propagation_ns`].
//!
//! Model: cables follow the great circle. Real ones are longer, by a third or more on land; a topology file that
//! knows better states the delay of the link.

/// Mean radius of the Earth in metres: R₁ = (2a + b) / 3 of the GRS 80 ellipsoid (Moritz, *Geodetic Reference
/// System 1980*, Journal of Geodesy 74, 2000).
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Speed of light in vacuum in metres per second (exact, SI).
pub const LIGHT_M_PER_S: f64 = 299_792_458.0;
/// Share of that speed reached in optical fibre: two thirds, for a refractive index of about 1.5.
pub const FIBRE_SHARE: f64 = 2.0 / 3.0;

/// A point on the Earth. Both angles are finite and within their range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

/// Why a pair of numbers is no point on the Earth.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PositionError {
    /// The latitude is not within ±90°.
    #[error("latitude of {degrees} is not between -90 and 90 degrees")]
    Latitude {
        /// The value asked for.
        degrees: f64,
    },
    /// The longitude is not within ±180°.
    #[error("longitude of {degrees} is not between -180 and 180 degrees")]
    Longitude {
        /// The value asked for.
        degrees: f64,
    },
}

impl Position {
    /// A point from degrees, north and east positive.
    ///
    /// # Errors
    /// [`PositionError`] when a value is not a number or outside ±90 (latitude) or ±180 (longitude).
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, PositionError> {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(PositionError::Latitude { degrees: latitude });
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(PositionError::Longitude { degrees: longitude });
        }
        Ok(Self { latitude, longitude })
    }

    /// Degrees north of the equator.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich.
    pub fn longitude(self) -> f64 {
        self.longitude
    }
}

/// Great-circle distance in metres.
pub fn distance_m(a: Position, b: Position) -> f64 {
    let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half_lat = libm::sin((lat_b - lat_a) / 2.0);
    let half_lon = libm::sin((b.longitude - a.longitude).to_radians() / 2.0);
    let haversine = half_lat * half_lat + libm::cos(lat_a) * libm::cos(lat_b) * half_lon * half_lon;
    // Rounding can lift antipodes a hair above 1, where the arcsine ends.
    2.0 * EARTH_RADIUS_M * libm::asin(libm::sqrt(haversine.min(1.0)))
}

/// Time that light needs in fibre for a distance in metres, in whole nanoseconds (halves away from zero).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half the Earth's circumference is about 10^8 ns, and `as` saturates for anything else"
)]
pub fn propagation_ns(distance_m: f64) -> u64 {
    libm::round(distance_m / (LIGHT_M_PER_S * FIBRE_SHARE) * 1e9) as u64
}

/// Propagation delay in fibre along the great circle between two points, in nanoseconds.
pub fn delay_ns(a: Position, b: Position) -> u64 {
    propagation_ns(distance_m(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position::new(latitude, longitude).unwrap()
    }

    fn position() -> impl Strategy<Value = Position> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| at(latitude, longitude))
    }

    fn check_distance(a: Position, b: Position, metres: f64) {
        let distance = distance_m(a, b);
        assert!((distance - metres).abs() < 1e-3, "{distance} m instead of {metres} m");
    }

    #[test]
    fn a_quarter_of_a_meridian_is_a_quarter_of_the_circumference() {
        check_distance(at(0.0, 0.0), at(90.0, 0.0), std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_M);
        check_distance(at(0.0, -45.0), at(0.0, 45.0), std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_M);
    }

    #[test]
    fn antipodes_are_half_the_circumference_apart() {
        check_distance(at(0.0, 0.0), at(0.0, 180.0), std::f64::consts::PI * EARTH_RADIUS_M);
        check_distance(at(90.0, 12.0), at(-90.0, -77.0), std::f64::consts::PI * EARTH_RADIUS_M);
    }

    #[test]
    fn the_date_line_is_no_barrier() {
        check_distance(at(0.0, 179.0), at(0.0, -179.0), distance_m(at(0.0, 0.0), at(0.0, 2.0)));
    }

    #[test]
    fn new_york_to_london_takes_almost_28_ms() {
        let delay = delay_ns(at(40.7128, -74.006), at(51.5074, -0.1278));
        assert!((27_800_000..27_950_000).contains(&delay), "{delay} ns for about 5570 km");
    }

    #[test]
    fn light_in_fibre_needs_about_five_microseconds_per_kilometre() {
        assert_eq!(propagation_ns(0.0), 0);
        assert_eq!(propagation_ns(LIGHT_M_PER_S), 1_500_000_000);
        assert_eq!(propagation_ns(1000.0), 5003);
    }

    #[test]
    fn numbers_outside_the_globe_are_refused() {
        assert_eq!(Position::new(90.1, 0.0), Err(PositionError::Latitude { degrees: 90.1 }));
        assert_eq!(Position::new(0.0, -180.5), Err(PositionError::Longitude { degrees: -180.5 }));
        assert!(Position::new(f64::NAN, 0.0).is_err());
        assert!(Position::new(0.0, f64::INFINITY).is_err());
        assert!(Position::new(-90.0, 180.0).is_ok());
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_at_most_half_way_round(a in position(), b in position()) {
            prop_assert_eq!(delay_ns(a, b), delay_ns(b, a));
            prop_assert!(distance_m(a, b) <= std::f64::consts::PI * EARTH_RADIUS_M + 1e-6);
            prop_assert_eq!(delay_ns(a, a), 0);
        }

        #[test]
        fn a_detour_is_never_shorter(a in position(), b in position(), c in position()) {
            prop_assert!(distance_m(a, c) <= distance_m(a, b) + distance_m(b, c) + 1e-3);
        }
    }
}
