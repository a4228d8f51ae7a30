//! Scenarios: what users write, what it means, and everything that can be wrong with it.
//!
//! A text becomes a [`crate::document::Document`], overrides change it, [`check()`] turns it into a
//! [`CheckedScenario`], and only that reaches a simulation. [`load`] does all three for a path or a shipped name.

mod check;
mod checked;
pub mod defaults;
pub mod file;
pub mod library;
mod overrides;
mod pattern;
mod selector;
mod source;
mod value;

pub use check::{check, hex, read_bounded, read_topology};
pub use checked::{
    Action, CheckedScenario, Child, ChildEnd, Connection, ConnectionIndex, CostProfile, Fault, Flow,
    FlowKind, Identity, Limits, Nat, NodeSettings, Policy, Retransmission, TrafficSelector,
};
pub use file::{
    ActionKind, CryptoKind, Mode, NatBehaviour, PolicyMode, ScenarioFile, StartAction, TopologyFile,
    TrafficKind,
};
pub use overrides::{Override, OverrideError};
pub use pattern::{NodePattern, Precision};
pub use selector::{Network, Selector, SelectorRange};
pub use source::{ScenarioSource, load};
pub use value::{
    Address, Duration, EspProposal, FORMATS, Factor, IkeProposal, Loss, Psk, Rate, Size, TextValue,
};
