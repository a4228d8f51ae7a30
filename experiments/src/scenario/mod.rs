//! Scenarios: what users write, what it means, and everything that can be wrong with it.
//!
//! A text becomes a [`crate::document::Document`], overrides change it, [`check()`] turns it into a
//! [`CheckedScenario`], and only that reaches a simulation. [`load`] does all three for a path or a shipped name.

mod addresses;
mod check;
mod checked;
pub mod defaults;
pub mod file;
mod identity;
pub mod library;
mod overrides;
mod pattern;
mod selector;
mod source;
mod swanctl;
mod value;

pub use addresses::Addresses;
pub use check::{check, hex, read_bounded, read_topology};
pub use checked::{
    Action, Authority, CaTrust, Certificate, CertificateSource, CheckedScenario, Child, ChildIndex,
    Connection, ConnectionIndex, CostProfile, Credentials, Datapath, Eap, EapUser, Fault, Flow, FlowKind,
    FlowPace, Identity, Lifetime, Limits, LocalAuth, Nat, NodeLimits, NodeSettings, Outputs, Pair,
    PeerIdentity, Policy, Pool, RemoteAuth, Renewal, Retransmission, TrafficSelector, V1Settings, Volume,
    Xauth,
};
pub use file::{
    ActionKind, Childless, CloseAction, CryptoKind, Df, DpdAction, Fragmentation, IkeVersion,
    IpFragmentation, KeyKind, Mode, NatBehaviour, PolicyMode, ScenarioFile, SendCert, Spreading, StartAction,
    TopologyFile, TrafficKind, Unique,
};
pub use overrides::{Override, OverrideError};
pub use pattern::{NodePattern, Precision};
pub use selector::{Network, Selector, SelectorRange};
pub use source::{ScenarioSource, load};
pub use value::{
    Address, AhProposal, AuthMethod, Duration, EapMethod, EspProposal, FORMATS, Factor, Framing, HashName,
    IkeProposal, KeyFamily, Loss, Moment, Psk, Rate, SignatureChoice, Size, Spread, TextValue,
    VirtualAddress,
};
