//! Words of plots that are also numbers: `20 ms`, `0.05`, `5 %`, and units at the end of labels.
//!
//! A user who writes `5 %` for 0.05 has said where the value stands on an axis and in which unit. Reading the names
//! back gives axes in the units that people chose, without a second list of numbers.

use super::plan::Axis;

/// The number and the unit of a name, such as 20 and `ms`; the unit may be empty.
fn quantity(name: &str) -> Option<(f64, &str)> {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    let end = name.find(|c: char| !is_number(c)).unwrap_or(name.len());
    // An `e` may belong to the unit ("5 eV"), so the longest start that is a number counts.
    let (number, end) = (1..=end).rev().find_map(|end| Some((name.get(..end)?.parse().ok()?, end)))?;
    let unit = name[end..].trim();
    let is_unit = unit.chars().all(|c| c.is_alphabetic() || matches!(c, '%' | '‰' | '/'));
    (f64::is_finite(number) && is_unit).then_some((number, unit))
}

/// Where the values of an axis stand, by their names, and in which unit; `None` unless all are numbers of one unit.
pub(super) fn positions<'a>(axis: &'a Axis, shown: &[usize]) -> Option<(Vec<f64>, &'a str)> {
    let values = shown.iter().map(|&value| quantity(&axis.values[value].label));
    let quantities: Vec<_> = values.collect::<Option<_>>()?;
    let (_, unit) = quantities.first()?;
    let same = quantities.iter().all(|(_, other)| other == unit);
    same.then(|| (quantities.iter().map(|(number, _)| *number).collect(), *unit))
}

/// A label without the unit in brackets at its end, and that unit: `delay (ms)` is `delay` and `ms`.
pub(super) fn split_unit(label: &str) -> (&str, Option<&str>) {
    let inner = label.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    inner.map_or((label, None), |(words, unit)| (words.trim_end(), Some(unit)))
}

/// A label with a unit at its end, unless it has one or the unit is empty.
pub(super) fn with_unit(label: &str, unit: &str) -> String {
    match split_unit(label) {
        (_, None) if !unit.is_empty() => format!("{label} ({unit})"),
        _ => label.to_owned(),
    }
}

/// The heading of a panel: `round-trip time` and `10 ms` read as one.
pub(super) fn heading(axis: &Axis, value: usize) -> String {
    let (words, unit) = split_unit(&axis.label);
    let name = &axis.values[value].label;
    match quantity(name) {
        Some((_, "")) => format!("{words} {name} {}", unit.unwrap_or_default()).trim_end().to_owned(),
        Some(_) => format!("{words} {name}"),
        None => format!("{words}: {name}"),
    }
}

/// A name for a file: whole words of letters and digits with hyphens between them, about forty octets.
pub(super) fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: String = text.chars().map(plain).collect();
    words.split_whitespace().fold(String::new(), |name, word| match name.len() {
        0 => word.chars().take(40).collect(),
        length if length + word.len() < 40 => format!("{name}-{word}"),
        _ => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_a_unit_are_read() {
        assert_eq!(quantity("20 ms"), Some((20.0, "ms")));
        assert_eq!(quantity("5ms"), Some((5.0, "ms")));
        assert_eq!(quantity("0.5 %"), Some((0.5, "%")));
        assert_eq!(quantity("-1e3"), Some((-1000.0, "")));
        assert_eq!(quantity("5 eV"), Some((5.0, "eV")));
        assert_eq!(quantity("2e"), Some((2.0, "e")));
    }

    #[test]
    fn names_are_no_numbers() {
        for name in ["", "MODP-2048", "aes128", "10 ms, 20 ms", "1.2.3.4", "inf", "nan", "3 × 4", "µ"] {
            assert_eq!(quantity(name), None, "{name}");
        }
    }

    #[test]
    fn a_unit_is_added_once() {
        assert_eq!(with_unit("loss", "%"), "loss (%)");
        assert_eq!(with_unit("loss (%)", "%"), "loss (%)");
        assert_eq!(with_unit("loss", ""), "loss");
        assert_eq!(split_unit("mean latency (ms)"), ("mean latency", Some("ms")));
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(slug("Mean set-up latency (95 % CI), µs"), "mean-set-up-latency-95-ci-s");
        assert_eq!(slug("…"), "");
        assert!(slug(&"word ".repeat(50)).len() <= 40 && slug(&"w".repeat(90)).len() == 40);
    }
}
