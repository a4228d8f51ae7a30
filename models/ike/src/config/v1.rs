//! What a connection needs for IKEv1 alone.
//!
//! All else means the same in both versions, or what is nearest to it: `proposals` take their hash from the integrity
//! algorithm, [`Renewal`](super::Renewal) renews phase 1 by setting a new one up and gives the lifetime that is
//! announced, [`Lifetime`](super::Lifetime) and [`Volume`](super::Volume) of a child do the same for phase 2.

use core::time::Duration;

use crate::eap::EapIdentity;

/// Which IKE a connection speaks (swanctl's `version`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IkeVersion {
    /// IKEv1 (RFC 2409).
    V1,
    /// IKEv2 (RFC 7296).
    #[default]
    V2,
}

/// What a connection needs for IKEv1 alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1 {
    /// `aggressive`: three messages instead of six, which show the identities; with a shared secret they let whoever sees
    /// them try secrets offline.
    pub aggressive: bool,
    /// The volume that an ISAKMP SA protects at most, in units of 1024 octets; announced when it is given (RFC 2409
    /// appendix A).
    pub life_kilobytes: Option<u32>,
    /// `dpd_timeout`: how long after the last sign of life a peer that does not answer is given up; `None` as long as a
    /// request is repeated (RFC 3706 §5.5).
    pub dpd_timeout: Option<Duration>,
    /// Whether the first ISAKMP SA with a peer says that it is the first (RFC 2407 §4.6.3.3).
    pub initial_contact: bool,
    /// Extended authentication after phase 1; `None` for none.
    pub xauth: Option<Xauth>,
    /// How the client gets the virtual addresses of [`Connection::vips`](super::Connection::vips).
    pub mode_config: ModeConfig,
}

/// A side of extended authentication (draft-beaulieu-ike-xauth-02). The passwords are those of EAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Xauth {
    /// `local.auth = xauth`, `local.xauth_id`: we show a name and its password. For initiators.
    Client(EapIdentity),
    /// `remote.auth = xauth`: the peer has to.
    Server,
}

/// Who begins Mode-Config (draft-dukes-ike-mode-cfg-02).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeConfig {
    /// The client asks for its address (strongSwan's default).
    #[default]
    Pull,
    /// The server sets it.
    Push,
}

impl Default for V1 {
    /// Main Mode, and all else as strongSwan has it.
    fn default() -> Self {
        Self {
            aggressive: false,
            life_kilobytes: None,
            dpd_timeout: None,
            initial_contact: true,
            xauth: None,
            mode_config: ModeConfig::Pull,
        }
    }
}
