//! Names of nodes and topologies: what they may be, how foreign labels become such names, and which known name was meant.
//!
//! A link is called `left--right`, its parallel twin `left--right#2`, and a scenario may write `spoke-*` for many
//! nodes. So these marks cannot occur in a node's name, and neither can what breaks a file name (captures are
//! written per node): every name of a link can then be taken apart again in one way only.

/// Longest name in octets: leaves room for a suffix in file systems that allow 255.
const MAX_NAME_BYTES: usize = 100;
/// Stands between the two ends in the name of a link.
pub(crate) const LINK_MARK: &str = "--";
/// Stands before the number of a parallel link.
pub(crate) const PARALLEL_MARK: char = '#';
const FORBIDDEN: [char; 5] = [PARALLEL_MARK, '*', '/', '\\', '"'];

/// Why a text cannot be the name of a node or a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The name is longer than 100 octets.
    #[error("a name of {bytes} octets is above the limit of {MAX_NAME_BYTES}")]
    TooLong {
        /// Its length in octets.
        bytes: usize,
    },
    /// The name holds a control character, or one of `# * / \ "`.
    #[error("{character:?} cannot occur in a name")]
    Character {
        /// The first such character.
        character: char,
    },
    /// The name holds `--`, which joins the ends in the name of a link.
    #[error("`--` cannot occur in a name, since it joins the two ends in the name of a link")]
    LinkMark,
    /// The name begins or ends with a blank, a `-` or a `.`.
    #[error("a name cannot begin or end with {character:?}")]
    Edge {
        /// The character at the edge.
        character: char,
    },
}

/// Checks that a text can name a node or a topology.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    if let Some(character) = name.chars().find(|&c| is_forbidden(c)) {
        return Err(NameError::Character { character });
    }
    if name.contains(LINK_MARK) {
        return Err(NameError::LinkMark);
    }
    let first = name.chars().next().ok_or(NameError::Empty)?;
    let edges = [first, name.chars().next_back().unwrap_or(first)];
    edges.into_iter().find(|&c| is_edge(c)).map_or(Ok(()), |character| Err(NameError::Edge { character }))
}

fn is_forbidden(character: char) -> bool {
    character.is_control() || FORBIDDEN.contains(&character)
}

fn is_edge(character: char) -> bool {
    character.is_whitespace() || character == '-' || character == '.'
}

/// Turns any label into a name that [`check_name`] accepts, or `None` if nothing of it is left.
///
/// Forbidden characters and runs of blanks become one `-` and one blank; the rest stays, accents included.
pub(crate) fn name_from_label(label: &str) -> Option<String> {
    let mut name = String::new();
    for character in label.trim_matches(|c| is_edge(c) || is_forbidden(c)).chars() {
        let character = match character {
            c if c.is_whitespace() => ' ',
            c if is_forbidden(c) => '-',
            c => c,
        };
        let repeats = matches!(character, ' ' | '-') && name.ends_with(character);
        if !repeats && name.len() + character.len_utf8() <= MAX_LABEL_BYTES {
            name.push(character);
        }
    }
    let name = name.trim_end_matches(is_edge);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Labels are cut here, so that an identifier can still be appended to make them unique.
const MAX_LABEL_BYTES: usize = 60;

/// The known name that a mistyped one most likely means, if any is near enough to be worth suggesting.
///
/// Case is ignored; about a third of the letters may differ. Among equally near names the first one wins.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > MAX_NAME_BYTES {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let limit = wanted.chars().count().div_ceil(3);
    let near = known.into_iter().map(|name| (edit_distance(&wanted, &name.to_lowercase()), name));
    near.filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters: insertions, deletions and substitutions count one each.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_names_are_accepted() {
        for name in ["left", "router-1", "New York", "St. Louis", "São Paulo", "Gary?", "a"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_would_confuse_links_files_or_wildcards_are_refused() {
        let long = "x".repeat(101);
        let refused = [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong { bytes: 101 }),
            ("a--b", NameError::LinkMark),
            ("a#2", NameError::Character { character: '#' }),
            ("spoke-*", NameError::Character { character: '*' }),
            ("a/b", NameError::Character { character: '/' }),
            ("a\nb", NameError::Character { character: '\n' }),
            ("a-", NameError::Edge { character: '-' }),
            (" a", NameError::Edge { character: ' ' }),
            ("..", NameError::Edge { character: '.' }),
        ];
        for (name, expected) in refused {
            assert_eq!(check_name(name), Err(expected), "{name:?}");
        }
    }

    #[test]
    fn labels_keep_what_they_can() {
        assert_eq!(name_from_label("  New \t York "), Some("New York".to_owned()));
        assert_eq!(name_from_label("A/B*C--D"), Some("A-B-C-D".to_owned()));
        assert_eq!(name_from_label("Washington D.C."), Some("Washington D.C".to_owned()));
        assert_eq!(name_from_label(" --- "), None);
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["left", "right", "router-1"];
        assert_eq!(nearest("rigth", known), Some("right"));
        assert_eq!(nearest("Left", known), Some("left"));
        assert_eq!(nearest("router-2", known), Some("router-1"));
        assert_eq!(nearest("Timbuktu", known), None);
    }

    #[test]
    fn edit_distance_matches_the_textbook_cases() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_label_the_name_is_valid(label in ".*") {
            if let Some(name) = name_from_label(&label) {
                prop_assert_eq!(check_name(&name), Ok(()), "{}", name);
            }
        }
    }
}
