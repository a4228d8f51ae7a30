//! Sans-IO IKEv2.

pub mod proposal;
pub mod wire;
