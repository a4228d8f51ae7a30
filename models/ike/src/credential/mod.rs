//! Credentials: what a peer proves its identity with, and how the proof of the other side is judged.
//!
//! [`Certificate`] and [`Crl`] are read once from DER or PEM; [`Chain`] verifies a peer's certificates against trust
//! anchors at a time that the caller hands in; [`Credentials`] holds what one endpoint is configured with;
//! [`auth_method`] turns keys into AUTH payloads (RFC 7296 §2.15, RFC 4754, RFC 7427) and back into a verdict;
//! [`issue`] makes certificates for scenarios.
//!
//! Why not a ready-made path validator: every signature checked here runs through [`Crypto`](ipseclab_crypto::Crypto),
//! which meters it, each refusal has a name of its own for the result tables, and names are compared as strongSwan
//! compares them. Reading and writing DER is left to the `der` and `x509-cert` crates.
//!
//! Left out: OCSP, fetching anything by URL, name constraints and policies (a critical extension of that kind is
//! refused), delta CRLs, indirect CRLs, and "hash and URL" encodings (RFC 7296 §3.6).

pub mod algorithm;
pub mod auth_method;
mod certificate;
mod chain;
mod crl;
pub(crate) mod distinguished_name;
pub mod issue;
mod pem;
mod store;
mod time;

pub use certificate::{Certificate, CertificateError, KeyHash};
pub use chain::{Chain, ChainError, ChainPolicy, Revocation, TrustStore};
pub use crl::Crl;
pub use distinguished_name::{DistinguishedName, NameError};
pub use store::{Credentials, OwnCertificate, Owners, Psk};
pub use time::UnixTime;
