//! Topologies that come with the program, as files in our own format.
//!
//! They are data, so that they can be read, copied and changed; and they are embedded, so that the program needs
//! no file to run.

/// Name and text, by name.
const SHIPPED: &[(&str, &str)] = &[("abilene", include_str!("../data/abilene.toml"))];

/// All shipped topologies, name and TOML text, in order of their names.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

/// The text of the shipped topology of that name.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|&&(known, _)| known == name).map(|&(_, text)| text)
}
