//! `schema`: the JSON Schema of a kind of file.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::schema;

/// Print the JSON Schema of a kind of file, for completion and checks in editors.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab schema scenario > scenario.schema.json

An editor with the Even Better TOML extension or taplo uses it when the first line of a file is
  #:schema ./scenario.schema.json")]
pub struct SchemaArgs {
    /// The kind of file.
    #[arg(value_enum)]
    pub kind: SchemaKind,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// For `run`, `explain` and `check`.
    Scenario,
    /// For `sweep` and `check`.
    Sweep,
    /// For `profile` of a scenario's nodes.
    Profile,
}

pub(super) fn execute(args: &SchemaArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let schema = match args.kind {
        SchemaKind::Scenario => schema::scenario(),
        SchemaKind::Sweep => schema::sweep(),
        SchemaKind::Profile => schema::profile(),
    };
    // `{:#}` of a JSON value is the indented form.
    Ok(writeln!(out, "{schema:#}")?)
}
