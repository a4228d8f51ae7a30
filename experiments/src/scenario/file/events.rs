//! `[[faults]]` and `[[actions]]`: what happens at given times.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::pattern::NodePattern;
use crate::scenario::value::Duration;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// When it happens.
    pub at: Duration,
    /// What happens.
    pub kind: FaultKind,
    /// The link, named by its ends: "left--right", or "left--right#2" for the second of two.
    #[schemars(length(min = 1))]
    pub link: String,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Duration,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-not-built-yet" = ["node-crash", "nat-reboot", "clock-jump", "loss"]))]
pub enum FaultKind {
    /// The link takes no packet; those that it has accepted before still arrive.
    LinkDown,
}

/// A command that an operator gives.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionFile {
    /// When it is given.
    pub at: Duration,
    /// The command, as in `swanctl --initiate` and `swanctl --terminate`.
    pub action: ActionKind,
    /// The connection; every pair of nodes that it stands for.
    #[schemars(length(min = 1))]
    pub connection: String,
    /// The tunnel inside it, to terminate it by its own Delete; the IKE SA follows its last tunnel. Default: for
    /// `terminate`, the IKE SA with everything in it.
    #[schemars(length(min = 1))]
    pub child: Option<String>,
    /// The nodes where the command is given. Default: the connection's local nodes.
    pub node: Option<NodePattern>,
}

/// A command about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["rekey", "reauth", "redirect"]))]
pub enum ActionKind {
    /// Brings it up with a new IKE SA, whatever is up already.
    Initiate,
    /// Takes it down.
    Terminate,
}
