//! `[authorities.<name>]`, `[certificates."<file>"]` and `[pools.<name>]`.
//!
//! Certificates of a scenario are issued when it starts, from the run's seed, so that no key lies in a file; paths to real
//! .pem files work as well. Names of certificates look like the files that a swanctl.conf would name.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::value::{Moment, VirtualAddress};

/// A certificate authority that is made for the run.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityFile {
    /// Its distinguished name, such as "C=CH, O=Lab, CN=lab CA".
    #[schemars(length(min = 3))]
    pub subject: String,
    /// Its key.
    pub key: KeyKind,
    /// The authority that signed this one. Default: none, so this is a root.
    #[schemars(length(min = 1))]
    pub issuer: Option<String>,
    /// From when it is valid. Default: a day before the run.
    pub not_before: Option<Moment>,
    /// Until when it is valid. Default: ten years after the start of the run.
    pub not_after: Option<Moment>,
    /// Certificates of this authority that are on its revocation list, by name. Default: none.
    pub revoked: Option<Vec<String>>,
}

/// A certificate that is made for the run.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// The authority that signs it.
    #[schemars(length(min = 1))]
    pub authority: String,
    /// Its distinguished name, such as "C=CH, O=Lab, CN=a.example".
    #[schemars(length(min = 3))]
    pub subject: String,
    /// Other names of its owner: domain names, addresses, user@domain. Default: none.
    pub san: Option<Vec<String>>,
    /// Its key.
    pub key: KeyKind,
    /// From when it is valid. Default: a day before the run.
    pub not_before: Option<Moment>,
    /// Until when it is valid. Default: a year after the start of the run.
    pub not_after: Option<Moment>,
}

/// A kind of key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-not-built-yet" = ["ecdsa-p521", "ed448"]))]
pub enum KeyKind {
    /// RSA with a modulus of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// ECDSA on P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA on P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// Ed25519.
    Ed25519,
}

/// Virtual addresses that a node hands out.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["dhcp", "nbns", "subnet", "split_exclude", "p_cscf"]))]
pub struct PoolOfAddressesFile {
    /// The addresses: a network such as "10.77.0.0/28", or a range "10.77.0.10-10.77.0.99".
    #[schemars(length(min = 3))]
    pub addrs: String,
    /// Name servers that go with them. Default: none.
    #[schemars(length(max = 4))]
    pub dns: Option<Vec<VirtualAddress>>,
}

impl PoolOfAddressesFile {
    /// The name servers.
    pub fn dns(&self) -> Vec<IpAddr> {
        self.dns.iter().flatten().map(|address| address.get()).collect()
    }
}
