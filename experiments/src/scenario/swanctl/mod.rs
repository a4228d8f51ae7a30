//! strongSwan's `swanctl.conf`, read as it is.
//!
//! The grammar is that of `strongswan.conf`: sections in braces, `key = value` up to the end of the line, comments
//! behind `#`, quoted texts. Every key keeps its place, so that messages point into the file. `words` knows which keys
//! mean something to a simulation; `value` reads what they hold; the checker makes a node's connections of it.
//!
//! Left out, with a message of its own: `include`, and sections that refer to others (`child : parent`).

mod parse;
mod value;
mod words;

pub(super) use parse::{Entry, Section, parse};
pub(super) use value::{Item, bytes, choice, items, number, span, yes_or_no};
pub(super) use words::check;
