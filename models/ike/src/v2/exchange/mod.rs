//! The exchanges of IKEv2, one module each, both roles side by side.

pub(crate) mod auth;
pub(crate) mod create_child;
pub(crate) mod informational;
pub(crate) mod rekey_ike;
pub(crate) mod sa_init;
