//! The kernel of ipseclab: a deterministic discrete-event simulator that knows no network.

pub mod rng;
pub mod time;

pub use rng::{KeyRng, ModelRng, RunSeed, StreamLabel};
pub use time::{SimDuration, SimTime};
