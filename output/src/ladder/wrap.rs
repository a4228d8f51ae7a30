//! Breaking text into lines, by any measure of width: terminal columns or pixels.

/// Breaks `text` at blanks into lines of at most `width` characters; longer words are cut.
pub fn wrap_columns(text: &str, width: usize) -> Vec<String> {
    wrap(text, |line| line.chars().count() <= width)
}

/// Breaks `text` at blanks into lines that `fits` accepts; a word that does not fit alone is cut.
///
/// A single character always gets its line, so the result is finite even if nothing fits.
pub(super) fn wrap(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = cut(word, &mut lines, &fits);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Pushes full pieces of a word to `lines`; the rest, which fits.
fn cut(word: &str, lines: &mut Vec<String>, fits: &impl Fn(&str) -> bool) -> String {
    let mut piece = String::new();
    for character in word.chars() {
        piece.push(character);
        if piece.chars().count() > 1 && !fits(&piece) {
            piece.pop();
            lines.push(std::mem::take(&mut piece));
            piece.push(character);
        }
    }
    piece
}

/// Shortens `text` to `width` characters, with an ellipsis for what is left out.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { kept + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(width: usize) -> impl Fn(&str) -> bool {
        move |text| text.chars().count() <= width
    }

    #[test]
    fn lines_break_at_blanks_and_long_words_are_cut() {
        assert_eq!(wrap("SA, KE, Nonce", columns(7)), ["SA, KE,", "Nonce"]);
        assert_eq!(wrap("a abcdefgh b", columns(3)), ["a", "abc", "def", "gh", "b"]);
        assert!(wrap("  ", columns(3)).is_empty());
    }

    #[test]
    fn a_character_that_fits_nowhere_still_gets_a_line() {
        assert_eq!(wrap("ab", columns(0)), ["a", "b"]);
    }

    #[test]
    fn a_shortened_text_ends_in_an_ellipsis() {
        assert_eq!(
            [shorten("gateway", 7), shorten("gateway", 4), shorten("gateway", 0)],
            ["gateway", "gat…", ""]
        );
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_character_and_overflows_no_line(text in "[a-zäß ]{0,60}", width in 1_usize..20) {
            let lines = wrap(&text, columns(width));
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&lines.join(" ")), squeeze(&text));
        }
    }
}
