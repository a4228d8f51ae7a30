//! Certificates and pools of a scenario.

use ipseclab_ike::config::{PoolAttribute, PoolRange};

use crate::scenario::file::KeyKind;

/// Authorities, certificates and pools; the others name them by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Authorities; an issuer comes before those that it signs.
    pub authorities: Vec<Authority>,
    /// Certificates of nodes.
    pub certificates: Vec<Certificate>,
    /// Pools of virtual addresses.
    pub pools: Vec<Pool>,
}

/// A certificate authority that is made for the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The name in the scenario.
    pub name: String,
    /// Its distinguished name.
    pub subject: String,
    /// Its key.
    pub key: KeyKind,
    /// The place of the authority that signs it, below its own; `None` for a root.
    pub issuer: Option<usize>,
    /// From when it is valid, in Unix seconds.
    pub not_before: i64,
    /// Until when it is valid, in Unix seconds; above `not_before`.
    pub not_after: i64,
    /// Places of its certificates that are revoked.
    pub revoked: Vec<usize>,
}

/// A certificate of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The name in the scenario, such as `a.pem`.
    pub name: String,
    /// Where it comes from.
    pub source: CertificateSource,
}

/// Where a certificate and its key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// It is made for the run.
    Issued {
        /// The place of the authority that signs it.
        authority: usize,
        /// Its distinguished name.
        subject: String,
        /// Other names, as written.
        san: Vec<String>,
        /// Its key.
        key: KeyKind,
        /// From when it is valid, in Unix seconds.
        not_before: i64,
        /// Until when it is valid, in Unix seconds; above `not_before`.
        not_after: i64,
    },
    /// A .pem file with certificates, and the private key of the first in it.
    File {
        /// The whole text.
        pem: String,
    },
}

/// An authority that a side trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaTrust {
    /// A place in [`Credentials::authorities`].
    Authority(usize),
    /// The text of a .pem file with certificates of authorities.
    File(String),
}

/// Virtual addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name.
    pub name: String,
    /// What is lent.
    pub addresses: PoolRange,
    /// What clients are told beside their address, in this order.
    pub attributes: Vec<PoolAttribute>,
}
