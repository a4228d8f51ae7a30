//! Scenarios, sweeps and the `ipseclab` command.
//!
//! A user's text becomes a [`document::Document`], is compared with the schema of its type ([`structure`],
//! [`schema`]) and checked ([`scenario`], [`sweep`]); what comes out cannot be wrong and is what simulations are built
//! from. Everything that is wrong with the input is in one [`document::Report`].
//!
//! Invariants of the crate:
//!
//! - No result depends on anything but scenario or sweep text, the files that they name, seed and version.
//! - No input panics: every mistake is a [`document::Finding`] with its place.
//! - Only this crate reads files, and only its command `calibrate` looks at a clock.
//!
//! ```
//! use ipseclab_experiments::scenario;
//!
//! let checked = scenario::load("site-to-site", &[])?;
//! assert_eq!(checked.connections[0].name, "office");
//! # Ok::<(), ipseclab_experiments::document::Report>(())
//! ```

pub mod books;
pub mod calibrate;
pub mod cli;
pub mod cost_profiles;
pub mod document;
pub mod profiles;
pub mod results;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod structure;
pub mod sweep;
pub mod throughput;
pub mod world;
