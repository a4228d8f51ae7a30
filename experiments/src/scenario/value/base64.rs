//! Octets as Base64 (RFC 4648 §4), which swanctl writes behind `0s`.

use crate::structure::Mistake;

/// What stands in front of it.
pub(super) const PREFIX: &str = "0s";

/// The octets behind `0s`, with mistakes placed as if that stood in front. Padding may be left out.
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, Mistake> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return Err(Mistake::new("Base64 comes in groups of four digits"));
    }
    let mut values = Vec::with_capacity(digits.len());
    for (at, c) in digits.char_indices() {
        let at = at + PREFIX.len();
        let wrong = || Mistake { span: Some(at..at + c.len_utf8()), ..Mistake::new("not a digit of Base64") };
        values.push(value(c).ok_or_else(wrong)?);
    }
    Ok(values.chunks(4).flat_map(octets).collect())
}

fn value(digit: char) -> Option<u8> {
    let octet = u8::try_from(digit).ok()?;
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Four digits are three octets, three are two, two are one.
fn octets(group: &[u8]) -> impl Iterator<Item = u8> + use<> {
    let bits = group
        .iter()
        .zip([18, 12, 6, 0])
        .fold(0_u32, |bits, (value, shift)| bits | u32::from(*value) << shift);
    let [_, octets @ ..] = bits.to_be_bytes();
    octets.into_iter().take(group.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_are_read_with_and_without_padding() {
        // RFC 4648 §10.
        for (text, octets) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decoded(text), Ok(octets.as_bytes().to_vec()), "{text}");
            assert_eq!(decoded(text.trim_end_matches('=')), Ok(octets.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_said_at_its_place() {
        assert_eq!(decoded("Zm-v").unwrap_err().span, Some(4..5));
        for text in ["Z", "Zg===", "=", "====", "Zm9vé"] {
            assert_eq!(decoded(text).is_err(), text != "=", "{text}");
        }
    }
}
