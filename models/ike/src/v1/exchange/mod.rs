//! The exchanges: one file each, both roles side by side.

pub(crate) mod aggressive_mode;
pub(crate) mod informational;
pub(crate) mod main_mode;
pub(crate) mod phase1;
pub(crate) mod proof;
pub(crate) mod quick_mode;
pub(crate) mod transaction;
