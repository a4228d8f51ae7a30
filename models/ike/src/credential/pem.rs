//! PEM blocks (RFC 7468) in a text that may hold several, with anything between them.

use der::pem::decode_vec;

/// Octets of PEM text that are read: far beyond any certificate or CRL here.
const TEXT_MAX: usize = 16 << 20;

/// The contents of the blocks labelled `label`, in order; a block that is broken ends the list with `None`.
pub(super) fn blocks(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(&begin) {
        let block = &rest[start..];
        let len = block.find(&end)? + end.len();
        found.push(decode_vec(&block.as_bytes()[..len]).ok()?.1);
        rest = &block[len..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "subject=/CN=a\n-----BEGIN A-----\nAQI=\n-----END A-----\n-----BEGIN B-----\nBQ==\n-----END B-----\n\
                       -----BEGIN A-----\nAw==\n-----END A-----";

    #[test]
    fn blocks_of_one_label_are_found_in_order() {
        assert_eq!(blocks(TWO, "A"), Some(vec![vec![1, 2], vec![3]]));
        assert_eq!(blocks(TWO, "B"), Some(vec![vec![5]]));
        assert_eq!(blocks(TWO, "C"), Some(vec![]));
    }

    #[test]
    fn a_broken_block_spoils_the_list() {
        assert_eq!(blocks(&TWO[..TWO.len() - 3], "A"), None);
        assert_eq!(blocks(&TWO.replace("Aw==", "A?=="), "A"), None);
    }
}
