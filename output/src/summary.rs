//! `summary.json`: any serialisable summary as pretty JSON with a stable order.
//!
//! Structs keep the order of their fields and `serde_json::Value` objects are sorted by key (the crate's default map
//! is a `BTreeMap`), so equal values give equal bytes. JSON has no NaN and no infinity; serde writes `null` for them.

use serde::Serialize;

/// A value that has no JSON form, such as a map whose keys are not strings.
#[derive(Debug, thiserror::Error)]
#[error("summary has no JSON form: {0}")]
pub struct SummaryError(#[from] serde_json::Error);

/// `value` as JSON with two blanks per level and one line break at the end.
///
/// # Errors
/// [`SummaryError`] for a map with keys that are not strings, or a value whose own serialiser fails.
pub fn summary_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, SummaryError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn keys_are_sorted_whatever_the_order_of_insertion() {
        let one = summary_json(&json!({"b": 1, "a": {"d": 0.1, "c": null}})).unwrap();
        let two = summary_json(&json!({"a": {"c": null, "d": 0.1}, "b": 1})).unwrap();
        assert_eq!(one, two);
        let expected = "{\n  \"a\": {\n    \"c\": null,\n    \"d\": 0.1\n  },\n  \"b\": 1\n}\n";
        assert_eq!(String::from_utf8(one).unwrap(), expected);
    }

    #[test]
    fn a_map_with_other_keys_than_strings_is_refused() {
        let map = BTreeMap::from([((1, 2), 3)]);
        assert!(summary_json(&map).unwrap_err().to_string().starts_with("summary has no JSON form"));
    }
}
