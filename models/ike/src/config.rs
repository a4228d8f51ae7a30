//! What an endpoint is configured with, in the vocabulary of strongSwan's `swanctl.conf`.
//!
//! Everything here is checked by its owner's file format before it arrives; the endpoint only reads it. Durations
//! count from the owner's epoch or are spans. What swanctl leaves to the daemon (`charon.*` in `strongswan.conf`) is
//! in [`EndpointConfig`]; its retransmission settings belong to a connection here.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use ipseclab_crypto::Secret;

use crate::identity::Identity;
use crate::proposal::{EspProposal, IkeProposal};
use crate::traffic_selector::TrafficSelectors;

/// The UDP port of IKE (RFC 7296 §2).
pub const IKE_PORT: u16 = 500;
/// The UDP port of IKE and ESP behind a NAT (RFC 7296 §2.23, RFC 3948).
pub const NAT_T_PORT: u16 = 4500;

/// Everything that an [`Endpoint`](crate::v2::Endpoint) needs to know.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The address that this endpoint sends from.
    pub local_address: Ipv4Addr,
    /// Connections, in order of preference.
    pub connections: Vec<Connection>,
    /// Bounds on what peers can make this endpoint keep.
    pub limits: Limits,
    /// Whether transmitted messages carry their payload list, for ladders and logs.
    pub trace: bool,
}

/// The number of a connection: its place in [`EndpointConfig::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// One `connections.<name>` section.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The section's name.
    pub name: String,
    /// Where the peer is; `None` accepts requests from anywhere and can't initiate (swanctl's `%any`).
    pub remote_address: Option<IpAddr>,
    /// IKE proposals in order of preference.
    pub proposals: Vec<IkeProposal>,
    /// Our identity.
    pub local_id: Identity,
    /// The identity that the peer must show.
    pub remote_id: Identity,
    /// The shared secret of the two identities.
    pub psk: Secret,
    /// `encap`: behave as if a NAT were on the path, so that ESP goes into UDP.
    pub encap: bool,
    /// How unanswered requests are repeated.
    pub retransmit: RetransmitPolicy,
    /// `dpd_delay`: after this long without a sign of life, ask for one; `None` never asks.
    pub dpd_delay: Option<Duration>,
    /// The Child SA that `IKE_AUTH` sets up with the IKE SA.
    pub child: Child,
}

/// One `children.<name>` section.
#[derive(Clone, Debug)]
pub struct Child {
    /// The section's name.
    pub name: String,
    /// Our side's traffic.
    pub local_ts: TrafficSelectors,
    /// The peer's side's traffic.
    pub remote_ts: TrafficSelectors,
    /// ESP proposals in order of preference.
    pub esp_proposals: Vec<EspProposal>,
    /// Tunnel or transport.
    pub mode: Mode,
}

/// How ESP wraps packets (RFC 4301 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A new IP header around the whole packet.
    Tunnel,
    /// Between the packet's IP header and its payload.
    Transport,
}

/// The schedule of repeated requests: strongSwan's `retransmit_*` settings.
///
/// Try n waits `timeout` × `base`ⁿ; after `tries` repetitions and one last wait the request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmitPolicy {
    /// The first wait.
    pub timeout: Duration,
    /// The growth of the wait from one try to the next, in thousandths.
    pub base_permille: u32,
    /// Repetitions before giving up.
    pub tries: u32,
}

/// Bounds on state that peers can create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IKE SAs in all states together.
    pub ike_sas: usize,
    /// IKE SAs that a peer has begun and not authenticated.
    pub half_open: usize,
    /// How long a half-open IKE SA waits for `IKE_AUTH` (strongSwan: `half_open_timeout` = 30 s).
    pub half_open_timeout: Duration,
    /// Requests of our own that wait for the window of one IKE SA.
    pub queued_requests: usize,
    /// How many answers in `IKE_SA_INIT` that ask for another group or a cookie an initiator follows.
    pub sa_init_retries: u32,
}

impl Connection {
    /// Whether a peer at `address` may use this connection.
    pub(crate) fn accepts(&self, address: IpAddr) -> bool {
        self.remote_address.is_none_or(|remote| remote == address)
    }
}

impl Default for RetransmitPolicy {
    /// strongSwan's: 4.0 s, 1.8, 5 tries, so sent at 0, 4, 11.2, 24.16, 47.49, 89.48 s, given up at 165.06 s.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(4), base_permille: 1800, tries: 5 }
    }
}

impl RetransmitPolicy {
    /// How long to wait for an answer after transmission number `sent` (0: the first), or `None` when that one was
    /// the last and its wait is over: the waits are those of `0..=tries`.
    pub fn wait_after(&self, sent: u32) -> Option<Duration> {
        if sent > self.tries {
            return None;
        }
        // Integer arithmetic in nanoseconds: 128 bits hold 2⁶⁴ ns × (2³² thousandths) at each step.
        let nanos = (0..sent).fold(self.timeout.as_nanos(), |wait, _| {
            (wait.saturating_mul(u128::from(self.base_permille)) / 1000).min(u128::from(u64::MAX))
        });
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ike_sas: 1_000_000,
            half_open: 10_000,
            half_open_timeout: Duration::from_secs(30),
            queued_requests: 16,
            sa_init_retries: 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transmission times and the time of giving up, in milliseconds.
    fn check_schedule(policy: RetransmitPolicy, expected_ms: &[u128]) {
        let mut at = Duration::ZERO;
        let mut times = Vec::new();
        for sent in 0.. {
            let Some(wait) = policy.wait_after(sent) else { break };
            at += wait;
            times.push(at.as_millis());
        }
        assert_eq!(times, expected_ms);
    }

    #[test]
    fn strongswan_defaults_send_and_give_up_at_the_published_times() {
        // anchors.csv D01.
        check_schedule(RetransmitPolicy::default(), &[4_000, 11_200, 24_160, 47_488, 89_478, 165_061]);
    }

    #[test]
    fn doubling_from_half_a_second_gives_the_libreswan_schedule() {
        // anchors.csv D02.
        let policy = RetransmitPolicy { timeout: Duration::from_millis(500), base_permille: 2000, tries: 5 };
        check_schedule(policy, &[500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }

    #[test]
    fn absurd_growth_saturates_instead_of_overflowing() {
        let policy = RetransmitPolicy { timeout: Duration::MAX, base_permille: u32::MAX, tries: u32::MAX };
        assert_eq!(policy.wait_after(40), Some(Duration::from_nanos(u64::MAX)));
    }
}
