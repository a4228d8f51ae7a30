//! `connections.<name>`: the IKE SA between two peers.

use core::net::IpAddr;
use core::time::Duration;

use super::auth::{LocalAuth, RemoteAuth, SendCert};
use super::child::Child;
use super::pool::PoolId;
use super::retransmit::RetransmitPolicy;
use crate::identity::{Identity, IdentityPattern};
use crate::proposal::IkeProposal;

/// One `connections.<name>` section.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The section's name.
    pub name: String,
    /// Where the peer is; `None` accepts requests from anywhere and can't initiate (swanctl's `%any`).
    pub remote_address: Option<IpAddr>,
    /// IKE proposals in order of preference.
    pub proposals: Vec<IkeProposal>,
    /// How we prove who we are.
    pub local: LocalAuth,
    /// How the peer has to prove who it is.
    pub remote: RemoteAuth,
    /// `send_cert`: when our certificate is sent along.
    pub send_cert: SendCert,
    /// `send_certreq`: whether we tell the peer which authorities we trust.
    pub send_certreq: bool,
    /// How signatures say by which algorithm they are.
    pub signatures: SignatureNaming,
    /// `encap`: behave as if a NAT were on the path, so that ESP goes into UDP.
    pub encap: bool,
    /// `mobike`: announce RFC 4555 and move to port 4500 with `IKE_AUTH` even without NAT.
    pub mobike: bool,
    /// `fragmentation`: whether large messages travel in pieces (RFC 7383).
    pub fragmentation: Fragmentation,
    /// `childless`: whether the IKE SA may come up without a Child SA (RFC 6023).
    pub childless: Childless,
    /// `vips`: the addresses that we ask the peer for; `0.0.0.0` and `::` stand for any.
    pub vips: Vec<IpAddr>,
    /// `pools`: where the addresses that we lend to the peer come from, in order of preference.
    pub pools: Vec<PoolId>,
    /// `unique`: what becomes of older IKE SAs with the same peer.
    pub unique: Unique,
    /// Requests that we let the peer have under way at once; above one it is announced (RFC 7296 §2.3).
    pub window: u32,
    /// How unanswered requests are repeated.
    pub retransmit: RetransmitPolicy,
    /// `keyingtries`: how often setting up is tried before giving up; zero never gives up.
    pub keying_tries: u32,
    /// `dpd_delay`: after this long without a sign of life, ask for one; `None` never asks.
    pub dpd_delay: Option<Duration>,
    /// When keys are renewed.
    pub renewal: Renewal,
    /// Child SAs; the first is set up with the IKE SA.
    pub children: Vec<Child>,
}

/// When an IKE SA is renewed, or ended because it could not be.
///
/// Each time is drawn once for each IKE SA: the soft limit less a uniform share of [`rand_time`](Self::rand_time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// `rekey_time`: fresh keys after this long; `None` never.
    pub rekey_time: Option<Duration>,
    /// `reauth_time`: a fresh authentication after this long; `None` never.
    pub reauth_time: Option<Duration>,
    /// `over_time`: how long after the soft limit the IKE SA is given up.
    pub over_time: Duration,
    /// `rand_time`: at most this much earlier, to spread renewals that began together.
    pub rand_time: Duration,
    /// How a fresh authentication goes about it.
    pub reauthentication: Reauthentication,
}

/// The order of the old and the new IKE SA in a reauthentication (strongSwan's `make_before_break`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reauthentication {
    /// The old one ends before the new one begins.
    #[default]
    BreakBeforeMake,
    /// The old one ends when the new one is up.
    MakeBeforeBreak,
}

/// How an AUTH payload says by which algorithm its signature is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureNaming {
    /// By its name (RFC 7427), with a peer that can read that.
    #[default]
    Named,
    /// By the one method that each kind of key has (RFC 7296 §3.8, RFC 4754).
    PerKey,
}

/// Whether large messages travel in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragmentation {
    /// Never, and it is not announced.
    Off,
    /// When the peer can, and the message would make an IP datagram of more octets than this (strongSwan:
    /// `fragment_size`, 1280).
    Above(u16),
    /// We understand fragments and send none.
    Accept,
}

/// Whether an IKE SA may come up without a Child SA (RFC 6023).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Childless {
    /// As a responder only.
    #[default]
    Allow,
    /// As a responder, and as an initiator whenever the responder can: its Child SAs follow by themselves.
    Prefer,
    /// Always; peers that cannot, or do not, are refused.
    Force,
    /// Never; peers that do are refused.
    Never,
}

/// What becomes of older IKE SAs between the same two identities (strongSwan's `unique`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unique {
    /// They stay, unless the peer says that it has none (`INITIAL_CONTACT`).
    #[default]
    No,
    /// They stay, whatever the peer says, and we do not say it either.
    Never,
    /// The new one stays, and the responder deletes the older ones of the same connection.
    Replace,
    /// The older one of the same connection stays, and the responder refuses the new one.
    Keep,
}

impl Connection {
    /// A connection between two identities that share a secret, with default proposals, any peer address, no children, no
    /// MOBIKE, and all else as strongSwan has it.
    pub fn new(name: &str, local_id: Identity, remote_id: impl Into<IdentityPattern>) -> Self {
        Self {
            name: name.to_owned(),
            remote_address: None,
            proposals: IkeProposal::default_set(),
            local: LocalAuth::psk(local_id),
            remote: RemoteAuth::psk(remote_id.into()),
            send_cert: SendCert::default(),
            send_certreq: true,
            signatures: SignatureNaming::default(),
            encap: false,
            mobike: false,
            fragmentation: Fragmentation::DEFAULT,
            childless: Childless::default(),
            vips: vec![],
            pools: vec![],
            unique: Unique::default(),
            window: 1,
            retransmit: RetransmitPolicy::default(),
            keying_tries: 1,
            dpd_delay: None,
            renewal: Renewal::default(),
            children: vec![],
        }
    }

    /// Whether a peer at `address` may use this connection.
    pub(crate) fn accepts(&self, address: IpAddr) -> bool {
        self.remote_address.is_none_or(|remote| remote == address)
    }
}

impl Default for Renewal {
    /// strongSwan's: rekeyed after 4 h, given up after 10 % more, spread over those 10 %; no reauthentication.
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            rekey_time: Some(hours(4)),
            reauth_time: None,
            over_time: hours(4) / 10,
            rand_time: hours(4) / 10,
            reauthentication: Reauthentication::default(),
        }
    }
}

impl Renewal {
    /// An IKE SA that lasts for ever.
    pub const NEVER: Self = Self {
        rekey_time: None,
        reauth_time: None,
        over_time: Duration::ZERO,
        rand_time: Duration::ZERO,
        reauthentication: Reauthentication::BreakBeforeMake,
    };
}

impl Fragmentation {
    /// strongSwan's default: on, with IP datagrams of at most 1280 octets.
    pub const DEFAULT: Self = Self::Above(1280);
}
