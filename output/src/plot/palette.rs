//! Colours and markers.

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const BLACK: Rgb = Rgb(0x1a, 0x1a, 0x1a);
pub(super) const GRID: Rgb = Rgb(0xe4, 0xe4, 0xe4);
pub(super) const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);

/// M. Okabe and K. Ito, "Color Universal Design" (2008), without the yellow, which is too faint on white; ordered so
/// that the first ones differ most.
const SERIES: [Rgb; 7] = [
    Rgb(0x00, 0x72, 0xb2),
    Rgb(0xd5, 0x5e, 0x00),
    Rgb(0x00, 0x9e, 0x73),
    Rgb(0xcc, 0x79, 0xa7),
    Rgb(0xe6, 0x9f, 0x00),
    Rgb(0x56, 0xb4, 0xe9),
    Rgb(0x33, 0x33, 0x33),
];

/// Eleven steps of matplotlib's viridis (CC0), which stays ordered in grey and for colour-blind readers.
const VIRIDIS: [Rgb; 11] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x48, 0x24, 0x75),
    Rgb(0x41, 0x44, 0x87),
    Rgb(0x35, 0x5f, 0x8d),
    Rgb(0x2a, 0x78, 0x8e),
    Rgb(0x21, 0x91, 0x8c),
    Rgb(0x22, 0xa8, 0x84),
    Rgb(0x44, 0xbf, 0x70),
    Rgb(0x7a, 0xd1, 0x51),
    Rgb(0xbd, 0xdf, 0x26),
    Rgb(0xfd, 0xe7, 0x25),
];

/// Shape that marks a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Inverted,
    Cross,
    Hexagon,
    Plus,
}

/// Eight markers and seven colours: 56 series before a pair returns.
const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Inverted,
    Marker::Cross,
    Marker::Hexagon,
    Marker::Plus,
];

/// Colour of the series of that number.
pub(super) fn color(series: usize) -> Rgb {
    SERIES[series % SERIES.len()]
}

/// Marker of the series of that number.
pub(super) fn marker(series: usize) -> Marker {
    MARKERS[series % MARKERS.len()]
}

impl Rgb {
    /// This colour, mixed with white; `share` 0 is white, 1 the colour itself.
    pub(super) fn tint(self, share: f64) -> Self {
        mix(WHITE, self, share)
    }

    /// Whether black text is easier to read on it than white (ITU-R BT.601 luma).
    pub(super) fn is_light(self) -> bool {
        299 * u32::from(self.0) + 587 * u32::from(self.1) + 114 * u32::from(self.2) > 128_000
    }
}

/// Colour of a share between 0 and 1 on the scale of heat maps.
pub(super) fn heat(share: f64) -> Rgb {
    let place = share.clamp(0.0, 1.0) * 10.0;
    let (index, rest) = VIRIDIS.iter().enumerate().fold((0, place), |found, (index, _)| {
        let start = super::index(index);
        if start <= place { (index, place - start) } else { found }
    });
    mix(VIRIDIS[index], VIRIDIS[(index + 1).min(10)], rest)
}

fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let channel = |from: u8, to: u8| {
        let value = f64::from(from) + (f64::from(to) - f64::from(from)) * share;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between two u8, rounded"
        )]
        let value = libm::round(value) as u8;
        value
    };
    Rgb(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_the_first_56_series_look_alike() {
        let looks: Vec<_> = (0..56).map(|series| (color(series), marker(series))).collect();
        for (index, look) in looks.iter().enumerate() {
            assert!(!looks[..index].contains(look), "{index}");
        }
    }

    #[test]
    fn the_heat_scale_hits_its_ends_and_grows_lighter() {
        assert_eq!(
            [heat(-1.0), heat(0.0), heat(0.5), heat(1.0), heat(2.0)].map(|color| color.1),
            [1, 1, 0x91, 0xe7, 0xe7]
        );
        let greens: Vec<u8> = (0_u8..=100).map(|step| heat(f64::from(step) / 100.0).1).collect();
        assert!(greens.is_sorted());
        assert!(heat(1.0).is_light() && !heat(0.0).is_light());
    }

    #[test]
    fn a_tint_lies_between_white_and_the_colour() {
        assert_eq!([Rgb(0, 100, 200).tint(0.0), Rgb(0, 100, 200).tint(1.0)], [WHITE, Rgb(0, 100, 200)]);
        assert_eq!(Rgb(0, 100, 200).tint(0.5), Rgb(128, 178, 228));
    }
}
