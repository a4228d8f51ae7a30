//! `auth` of a connection: how the two sides prove who they are.
//!
//! swanctl.conf has a `local` and a `remote` section on each gateway. Here `local_auth` is what the local node shows and
//! the remote node asks for, `remote_auth` the other way round, and a key that begins with `remote_` is the remote node's.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::value::{AuthMethod, Psk};

/// How two peers prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["pubkey", "eap", "aaa_id", "class", "groups", "revocation"]))]
pub struct AuthFile {
    /// A key that both know: any text, or octets in hexadecimal behind 0x. Needed where a side shows "psk".
    pub psk: Option<Psk>,
    /// The key that the remote node has in its place, to watch authentication fail. Default: the same key.
    pub remote_psk: Option<Psk>,
    /// How the local node proves who it is. Default: psk.
    pub local_auth: Option<AuthMethod>,
    /// How the remote node proves who it is. Default: psk.
    pub remote_auth: Option<AuthMethod>,
    /// The local node's certificates, each by its name in `[certificates]` or a path to a .pem file beside this one.
    #[schemars(length(min = 1, max = 8))]
    pub certs: Option<Vec<String>>,
    /// The remote node's certificates.
    #[schemars(length(min = 1, max = 8))]
    pub remote_certs: Option<Vec<String>>,
    /// The authorities that both trust, each by its name in `[authorities]` or a path to a .pem file beside this one.
    /// Default: all roots among the authorities of the scenario.
    #[schemars(length(min = 1, max = 16))]
    pub cacerts: Option<Vec<String>>,
    /// The authorities that the remote node trusts in their place. Default: the same ones.
    #[schemars(length(min = 1, max = 16))]
    pub remote_cacerts: Option<Vec<String>>,
    /// The name that a node shows with EAP. Default: its identity.
    #[schemars(length(min = 1))]
    pub eap_id: Option<String>,
    /// The password of EAP.
    #[schemars(length(min = 1))]
    pub eap_password: Option<String>,
    /// The password that the other side has on file in its place, to watch authentication fail. Default: the same one.
    #[schemars(length(min = 1))]
    pub remote_eap_password: Option<String>,
    /// IKEv1: the name that the local node shows with XAUTH. Default: its identity.
    #[schemars(length(min = 1))]
    pub xauth_id: Option<String>,
    /// IKEv1: the password of XAUTH, which the remote node asks the local one for after phase 1. Default: no XAUTH.
    #[schemars(length(min = 1))]
    pub xauth_password: Option<String>,
    /// The password that the remote node has on file in its place, to watch XAUTH fail. Default: the same one.
    #[schemars(length(min = 1))]
    pub remote_xauth_password: Option<String>,
}
