//! Two gateways on one link: what the node adds to the protocol cores.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod behind;
mod datapath;
mod faults;
mod renewals;
mod set_up;
mod support;
