//! What the keys of a swanctl.conf hold: times, numbers, yes or no, lists.

use std::ops::Range;

use ipseclab_sim::SimDuration;

use super::parse::Entry;
use crate::document::{Finding, list};

/// An element of a list.
pub(in crate::scenario) struct Item {
    pub(in crate::scenario) text: String,
    /// Its bytes in the value.
    pub(in crate::scenario) range: Range<usize>,
}

fn no_such(entry: &Entry, expected: &str) -> Finding {
    let finding = Finding::new(format!("`{}` must be {expected}", entry.key));
    finding.at(entry.place.clone(), "not one")
}

/// A time: a number of seconds, or with s, m, h or d.
pub(in crate::scenario) fn span(entry: &Entry) -> Result<SimDuration, Box<Finding>> {
    let text = entry.value.as_str();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    // 2⁶⁴ ns are 584 years.
    let seconds = seconds.filter(|seconds| unit > 0 && *seconds < u64::MAX / 1_000_000_000);
    seconds
        .map(SimDuration::from_secs)
        .ok_or_else(|| Box::new(no_such(entry, "a time such as 30s, 10m, 4h or 1d")))
}

/// A number of octets, or with k, m or g for powers of 1024.
pub(in crate::scenario) fn bytes(entry: &Entry) -> Result<u64, Box<Finding>> {
    let text = entry.value.as_str();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => 0,
    };
    let octets = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    octets
        .filter(|_| unit > 0)
        .ok_or_else(|| Box::new(no_such(entry, "a number of octets such as 1000000, 500k or 2g")))
}

/// A number within bounds.
pub(in crate::scenario) fn number(entry: &Entry, least: u64, most: u64) -> Result<u64, Box<Finding>> {
    let number = entry.value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| Box::new(no_such(entry, &format!("a number from {least} to {most}"))))
}

/// yes or no.
pub(in crate::scenario) fn yes_or_no(entry: &Entry) -> Result<bool, Box<Finding>> {
    match entry.value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "enabled" | "1" => Ok(true),
        "no" | "false" | "disabled" | "0" => Ok(false),
        _ => Err(Box::new(no_such(entry, "yes or no"))),
    }
}

/// One of several words.
pub(in crate::scenario) fn choice<T: Copy>(entry: &Entry, words: &[(&str, T)]) -> Result<T, Box<Finding>> {
    let found = words.iter().find(|(word, _)| *word == entry.value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names = || words.iter().map(|(word, _)| *word);
        let finding = Finding::new(format!("`{}` cannot be `{}`", entry.key, entry.value.escape_debug()))
            .at(entry.place.clone(), "not one of its values")
            .suggest(&entry.value, names())
            .help(format!("allowed: {}", list(names())));
        Box::new(finding)
    })
}

/// The elements between commas, without blanks around them; empty ones are left out.
pub(in crate::scenario) fn items(entry: &Entry) -> Vec<Item> {
    let mut found = Vec::new();
    let mut start = 0;
    for part in entry.value.split(',') {
        let lead = part.len() - part.trim_start().len();
        let text = part.trim();
        if !text.is_empty() {
            let range = start + lead..start + lead + text.len();
            found.push(Item { text: text.to_owned(), range });
        }
        start += part.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use crate::document::SourceText;

    fn entry(value: &str) -> Entry {
        let root = parse(&SourceText::new("t.conf", format!("key = {value}\n"))).unwrap();
        root.entry("key").unwrap().clone()
    }

    #[test]
    fn times_have_units_of_one_letter_or_are_seconds() {
        for (text, seconds) in
            [("30", 30), ("30s", 30), ("10m", 600), ("4h", 14_400), ("1d", 86_400), ("0", 0)]
        {
            assert_eq!(span(&entry(text)).unwrap(), SimDuration::from_secs(seconds), "{text}");
        }
        for text in ["", "h", "1.5h", "4 hours", "-1", "99999999999999999999", "999999999999d"] {
            assert!(span(&entry(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn octets_numbers_and_switches_are_read() {
        assert_eq!(bytes(&entry("2k")).unwrap(), 2048);
        assert_eq!(bytes(&entry("500000000")).unwrap(), 500_000_000);
        assert!(bytes(&entry("2x")).is_err() && bytes(&entry("")).is_err());
        assert!(yes_or_no(&entry("Yes")).unwrap() && !yes_or_no(&entry("0")).unwrap());
        assert!(yes_or_no(&entry("maybe")).is_err());
        assert_eq!(number(&entry("7"), 0, 9).unwrap(), 7);
        assert!(number(&entry("10"), 0, 9).is_err());
        assert_eq!(choice(&entry("keep"), &[("no", 0), ("keep", 1)]).unwrap(), 1);
        assert!(choice(&entry("kepe"), &[("no", 0), ("keep", 1)]).unwrap_err().help[0].contains("`keep`"));
    }

    #[test]
    fn elements_of_lists_know_their_places() {
        let entry = entry("10.1.0.0/16 ,  10.2.0.0/16,");
        let items = items(&entry);
        assert_eq!(items.len(), 2);
        assert_eq!(entry.within(items[1].range.clone()).text(), "10.2.0.0/16");
    }
}
