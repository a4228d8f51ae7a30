//! Vendor behaviour as data: what an implementation does where the RFCs leave the choice.
//!
//! A [`Profile`] has two halves. The message lists ([`Messages`]) work by themselves: an endpoint whose
//! [`EndpointConfig::profile`](crate::config::EndpointConfig::profile) has them sends its payloads in that order and
//! adds their announcements. Everything else are defaults: whoever builds the configuration starts from
//! [`Profile::connection_defaults`], [`Profile::child_defaults`] and [`Profile::limits_defaults`] and then writes
//! what its user has said over them, so that a profile never overrides a user.
//!
//! There is no file format here; the owner reads its own and gets a [`ProfileError`] for lists that make no message.
//! Facts about implementations stand beside the files that describe them.

mod error;
mod kind;
mod messages;
mod slot;
mod v1;

use core::time::Duration;

pub use error::ProfileError;
pub use kind::{MessageKind, Purpose};
pub(crate) use messages::heard;
pub use messages::{Entry, Messages};
pub use slot::Slot;
pub use v1::{V1Habits, V1Message, V1NonceLen, V1Place, V1Slot};

use crate::config::{
    Child, Childless, Connection, Fragmentation, Lifetime, Limits, Renewal, RetransmitPolicy, Volume,
};
use crate::proposal::{EspProposal, IkeProposal};

/// How an implementation behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name that configurations use.
    pub name: String,
    /// The version that it describes, and where the facts come from.
    pub describes: String,
    /// Waits and intervals.
    pub timers: Timers,
    /// Bounds that make responders ask for cookies, and drop.
    pub thresholds: Thresholds,
    /// What connections are like unless configured.
    pub defaults: Defaults,
    /// The order of payloads, and announcements.
    pub messages: Messages,
    /// What IKEv1 messages are like.
    pub v1: V1Habits,
}

/// Waits and intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// How unanswered requests are repeated.
    pub retransmit: RetransmitPolicy,
    /// How long a half-open IKE SA waits for `IKE_AUTH`.
    pub half_open_timeout: Duration,
    /// Between two keepalives to a NAT's outside (RFC 3948 §4).
    pub keep_alive: Duration,
    /// The longest wait before what met a passing obstacle is tried again.
    pub retry_interval: Duration,
    /// At most this much of that wait is left out at random.
    pub retry_jitter: Duration,
    /// How long a responder waits before it tells that EAP has failed.
    pub eap_failure_delay: Duration,
    /// The time without a sign of life after which one is asked for; `None` never asks.
    pub dpd_delay: Option<Duration>,
}

/// Numbers of half-open IKE SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// From this many on, first requests must bring a cookie (RFC 7296 §2.6).
    pub cookie: usize,
    /// The same for those of one address.
    pub cookie_per_address: usize,
    /// More than this many are not kept.
    pub half_open: usize,
    /// The same for those of one address.
    pub half_open_per_address: usize,
}

/// What connections are like unless configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// IKE proposals in order of preference.
    pub ike_proposals: Vec<IkeProposal>,
    /// ESP proposals in order of preference.
    pub esp_proposals: Vec<EspProposal>,
    /// When IKE SAs are renewed.
    pub renewal: Renewal,
    /// When Child SAs are renewed.
    pub lifetime: Lifetime,
    /// When Child SAs are renewed by the octets that they carry.
    pub bytes: Volume,
    /// Whether RFC 4555 is announced.
    pub mobike: bool,
    /// Whether large messages travel in pieces (RFC 7383).
    pub fragmentation: Fragmentation,
    /// Whether an IKE SA may come up without a Child SA (RFC 6023).
    pub childless: Childless,
    /// Whether certificates are asked for (RFC 7296 §3.7).
    pub send_certreq: bool,
    /// Octets of nonces.
    pub nonce_len: NonceLen,
    /// Octets of cookies (RFC 7296 §2.6).
    pub cookie_len: CookieLen,
}

/// Octets of a nonce that fits every PRF: half the longest key is 32 (RFC 7296 §2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceLen(u16);

/// Octets of a cookie (RFC 7296 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieLen(u8);

impl NonceLen {
    /// A length of 32 to 256 octets.
    pub const fn new(octets: u16) -> Option<Self> {
        if octets >= 32 && octets <= 256 { Some(Self(octets)) } else { None }
    }

    /// Octets.
    pub const fn octets(self) -> usize {
        self.0 as usize
    }
}

impl CookieLen {
    /// A length of 1 to 64 octets.
    pub const fn new(octets: u8) -> Option<Self> {
        if octets >= 1 && octets <= 64 { Some(Self(octets)) } else { None }
    }

    /// Octets.
    pub const fn octets(self) -> usize {
        self.0 as usize
    }
}

impl Default for Profile {
    /// Our own: messages as the exchanges build them, the values of [`Limits`], [`RetransmitPolicy`] and their kin.
    fn default() -> Self {
        Self {
            name: "ipseclab".to_owned(),
            describes: "this implementation".to_owned(),
            timers: Timers::default(),
            thresholds: Thresholds::default(),
            defaults: Defaults::default(),
            messages: Messages::default(),
            v1: V1Habits::default(),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        let Limits { half_open_timeout, keep_alive, retry_interval, retry_jitter, .. } = Limits::default();
        Self {
            retransmit: RetransmitPolicy::default(),
            half_open_timeout,
            keep_alive,
            retry_interval,
            retry_jitter,
            eap_failure_delay: Duration::from_secs(2),
            dpd_delay: None,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            cookie: limits.cookie_threshold,
            cookie_per_address: limits.cookie_threshold_per_address,
            half_open: limits.half_open,
            half_open_per_address: limits.half_open_per_address,
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            ike_proposals: IkeProposal::default_set(),
            esp_proposals: EspProposal::default_set(),
            renewal: Renewal::default(),
            lifetime: Lifetime::default(),
            bytes: Volume::default(),
            mobike: false,
            fragmentation: Fragmentation::DEFAULT,
            childless: Childless::default(),
            send_certreq: true,
            nonce_len: NonceLen(32),
            cookie_len: CookieLen(24),
        }
    }
}

impl Profile {
    /// Writes the profile's defaults over a connection that has just been made: proposals, retransmission, liveness
    /// checks, renewal, MOBIKE, fragmentation and childless set-up. Its children keep theirs.
    pub fn connection_defaults(&self, connection: &mut Connection) {
        let Defaults { ike_proposals, renewal, mobike, fragmentation, childless, .. } = &self.defaults;
        connection.proposals.clone_from(ike_proposals);
        connection.retransmit = self.timers.retransmit;
        connection.dpd_delay = self.timers.dpd_delay;
        (connection.renewal, connection.mobike) = (*renewal, *mobike);
        (connection.fragmentation, connection.childless) = (*fragmentation, *childless);
    }

    /// Writes the profile's defaults over a child that has just been made: proposals and lifetime.
    pub fn child_defaults(&self, child: &mut Child) {
        child.esp_proposals.clone_from(&self.defaults.esp_proposals);
        (child.lifetime, child.bytes) = (self.defaults.lifetime, self.defaults.bytes);
    }

    /// Writes the profile's defaults over the limits of an endpoint: thresholds and the waits that belong to no
    /// connection.
    pub fn limits_defaults(&self, limits: &mut Limits) {
        limits.cookie_threshold = self.thresholds.cookie;
        limits.cookie_threshold_per_address = self.thresholds.cookie_per_address;
        limits.half_open = self.thresholds.half_open;
        limits.half_open_per_address = self.thresholds.half_open_per_address;
        limits.half_open_timeout = self.timers.half_open_timeout;
        limits.keep_alive = self.timers.keep_alive;
        limits.retry_interval = self.timers.retry_interval;
        limits.retry_jitter = self.timers.retry_jitter;
    }
}

#[cfg(test)]
mod tests;
