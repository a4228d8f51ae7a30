//! Topologies from files: what the importers share, above all how they say what is wrong and where.
//!
//! An importer takes text and never opens a file, so that it runs in a test, in a fuzzer and behind any name. An
//! error carries the octets of the text that it is about; the command line turns them into file, line and column.

pub(crate) mod graphml;
pub(crate) mod toml;

use std::ops::Range;

use crate::geo::PositionError;
use crate::graph::GraphError;
use crate::link::{FramingError, LinkError};
use crate::name::NameError;
use crate::units::UnitError;

/// Largest topology file in octets: 16 MiB, fifty times the largest file of the Internet Topology Zoo.
pub const MAX_INPUT_BYTES: usize = 16 * 1024 * 1024;

/// What is wrong with a topology file, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct TopologyError {
    /// What is wrong.
    pub problem: Problem,
    /// The octets of the text that it is about, when it is about a part of it.
    pub span: Option<Range<usize>>,
}

/// The kinds of mistakes in topology files.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The file is larger than [`MAX_INPUT_BYTES`].
    #[error("topology file of {bytes} octets is above the limit of {MAX_INPUT_BYTES}")]
    TooLarge {
        /// Its size in octets.
        bytes: usize,
    },
    /// The file is not UTF-8.
    #[error("topology file is not UTF-8 text")]
    NotUtf8,
    /// The file is no TOML, or has unknown or missing keys, or values of the wrong type.
    #[error("{message}")]
    Toml {
        /// What the TOML reader says.
        message: String,
    },
    /// The file is no XML.
    #[error("{message}")]
    Xml {
        /// What the XML reader says.
        message: String,
    },
    /// The file is XML, but not GraphML as far as it is supported.
    #[error("{reason}")]
    Graphml {
        /// What is missing or not supported.
        reason: String,
    },
    /// A quantity is not what it should be.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// The framing of a link is none.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A value of a link is no text or number of the right kind.
    #[error("{key} cannot be {found}")]
    Type {
        /// The key.
        key: &'static str,
        /// The type found.
        found: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// A point is not on the Earth.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// A node has a latitude without a longitude, or the other way round.
    #[error("node `{node}` has {has} without {lacks}")]
    HalfPosition {
        /// The node.
        node: String,
        /// The coordinate that is there.
        has: &'static str,
        /// The coordinate that is missing.
        lacks: &'static str,
    },
    /// A value of a link, or of the defaults for links, is out of range.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The name cannot be a topology's.
    #[error("`{}` cannot be a topology: {reason}", .name.escape_debug())]
    Name {
        /// The name as written.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// A node or a link cannot join the topology.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A link ends at a node that the file does not have.
    #[error("there is no node `{}`", .name.escape_debug())]
    UnknownNode {
        /// The name as written.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A link has no delay, and nothing to compute it from.
    #[error("link {a}--{b} has no delay, and none follows without coordinates of {}", .missing.join(" and "))]
    NoDelay {
        /// One end.
        a: String,
        /// The other end.
        b: String,
        /// The ends without coordinates.
        missing: Vec<String>,
    },
    /// Links end at nodes without coordinates, and no default delay was given.
    #[error("no coordinates, hence no delays, for {}: {}", count_nodes(.nodes.len()), .nodes.join(", "))]
    NoCoordinates {
        /// The names of all of them.
        nodes: Vec<String>,
    },
}

fn count_nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}

impl Problem {
    /// The error with this problem at a place of the text.
    pub(crate) fn at(self, span: Range<usize>) -> TopologyError {
        TopologyError { problem: self, span: Some(span) }
    }

    /// The error with this problem that is about the file as a whole.
    pub(crate) fn anywhere(self) -> TopologyError {
        TopologyError { problem: self, span: None }
    }
}

impl TopologyError {
    /// What is wrong, in one line.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The octets of the text that the error is about.
    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// What would be right, when that is worth a line.
    pub fn help(&self) -> Option<String> {
        match &self.problem {
            Problem::Unit(error) => Some(error.help().to_owned()),
            Problem::Framing(error) => Some(error.help().to_owned()),
            Problem::Type { wanted, .. } => Some((*wanted).to_owned()),
            Problem::UnknownNode { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Problem::UnknownNode { nearest: None, .. } => {
                Some("every end of a link is the name of a node".to_owned())
            }
            Problem::HalfPosition { lacks, .. } => Some(format!("add {lacks}, in degrees")),
            Problem::NoDelay { .. } => Some(
                "add a delay to the link, latitude and longitude to its ends, or a delay to [defaults]"
                    .to_owned(),
            ),
            Problem::NoCoordinates { .. } => {
                Some("give a default delay for the links of these nodes".to_owned())
            }
            Problem::Name { reason, .. } | Problem::Graph(GraphError::Name { reason, .. }) => {
                name_help(reason)
            }
            Problem::Graph(GraphError::DuplicateNode { .. }) => {
                Some("every node needs a name of its own".to_owned())
            }
            // Nothing of it was XML.
            Problem::Xml { .. } if self.span.as_ref().is_some_and(|span| span.start == 0) => {
                Some("GraphML begins with <graphml>".to_owned())
            }
            Problem::Graph(_)
            | Problem::Link(_)
            | Problem::TooLarge { .. }
            | Problem::NotUtf8
            | Problem::Toml { .. }
            | Problem::Xml { .. }
            | Problem::Graphml { .. }
            | Problem::Position(_) => None,
        }
    }
}

fn name_help(reason: &NameError) -> Option<String> {
    let help = "control characters and # * / \\ \" are reserved for links, wildcards and files";
    matches!(reason, NameError::Character { .. }).then(|| help.to_owned())
}

/// Takes the octets of a topology file as text.
///
/// # Errors
/// [`Problem::TooLarge`], or [`Problem::NotUtf8`] at the first octet that is no text.
pub fn decode_text(bytes: &[u8]) -> Result<&str, TopologyError> {
    check_size(bytes.len())?;
    std::str::from_utf8(bytes).map_err(|error| {
        let start = error.valid_up_to();
        Problem::NotUtf8.at(start..start + 1)
    })
}

fn check_size(bytes: usize) -> Result<(), TopologyError> {
    if bytes > MAX_INPUT_BYTES { Err(Problem::TooLarge { bytes }.anywhere()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_passed_on() {
        assert_eq!(decode_text("name = \"é\"".as_bytes()), Ok("name = \"é\""));
    }

    #[test]
    fn what_is_no_text_is_pointed_at() {
        let error = decode_text(b"name = \"\xff\"").unwrap_err();
        assert_eq!((error.problem.clone(), error.span()), (Problem::NotUtf8, Some(8..9)));
        assert_eq!(error.message(), "topology file is not UTF-8 text");
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let text = " ".repeat(MAX_INPUT_BYTES + 1);
        let expected = Problem::TooLarge { bytes: MAX_INPUT_BYTES + 1 }.anywhere();
        assert_eq!(decode_text(text.as_bytes()), Err(expected.clone()));
        assert_eq!(toml::from_toml(&text).unwrap_err(), expected);
        assert_eq!(graphml::from_graphml(&text, &graphml::GraphmlOptions::default()).unwrap_err(), expected);
    }
}
