//! Cutting packets to the MTU of a link, and putting them together again.
//!
//! IPv4 packets may be cut anywhere on their way unless they forbid it (RFC 791 §3.2); IPv6 packets by their sender alone
//! (RFC 8200 §4.5). [`fragment()`] does the cutting for both, [`Reassembler`] the rest.

mod cut;
mod reassemble;

pub use cut::{FragmentError, fragment};
pub use reassemble::{Reassembled, Reassembler, ReassemblyConfig, ReassemblyCounters};

#[cfg(test)]
mod tests;
