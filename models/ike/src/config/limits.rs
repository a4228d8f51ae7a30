//! Bounds on state that peers can create; each has its default from strongSwan or a stated choice.

use core::time::Duration;

/// Bounds on state that peers can create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IKE SAs in all states together.
    pub ike_sas: usize,
    /// IKE SAs that peers have begun and not authenticated; further first requests are dropped.
    pub half_open: usize,
    /// The same from one address (strongSwan: `block_threshold` = 5).
    pub half_open_per_address: usize,
    /// From this many half-open IKE SAs on, first requests must bring a cookie (strongSwan: `cookie_threshold` = 30).
    pub cookie_threshold: usize,
    /// The same for those from one address (strongSwan: `cookie_threshold_ip` = 3).
    pub cookie_threshold_per_address: usize,
    /// How long a half-open IKE SA waits for `IKE_AUTH` (strongSwan: `half_open_timeout` = 30 s).
    pub half_open_timeout: Duration,
    /// Requests of our own that wait for the window of one IKE SA.
    pub queued_requests: usize,
    /// Child SAs of one IKE SA, those that are being replaced included.
    pub children: usize,
    /// Addresses that one IKE SA asks for or is lent.
    pub virtual_addresses: usize,
    /// Leases that each pool remembers, free ones included.
    pub leases: usize,
    /// How long an IKE SA that its peer has set up anew is left to be deleted by that peer, when both come from the same
    /// address (strongSwan: 10 s).
    pub replaced_delay: Duration,
    /// Most requests that we have under way at once, whatever the peer allows (RFC 7296 §2.3).
    pub window: u32,
    /// How many answers in `IKE_SA_INIT` that ask for another group or a cookie an initiator follows.
    pub sa_init_retries: u32,
    /// Fragments of one message (RFC 7383 §2.5 allows 65 535).
    pub fragments: u16,
    /// Octets of one message in fragments (strongSwan: `max_packet` = 10 000).
    pub fragmented_octets: usize,
    /// Between two keepalives to a NAT's outside when nothing else was sent (strongSwan: `keep_alive` = 20 s).
    pub keep_alive: Duration,
    /// The longest wait before a renewal that met a passing obstacle is tried again (strongSwan: 15 s).
    pub retry_interval: Duration,
    /// At most this much of that wait is left out at random (strongSwan: 10 s).
    pub retry_jitter: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ike_sas: 1_000_000,
            half_open: 10_000,
            half_open_per_address: 5,
            cookie_threshold: 30,
            cookie_threshold_per_address: 3,
            half_open_timeout: Duration::from_secs(30),
            queued_requests: 16,
            children: 64,
            virtual_addresses: 4,
            leases: 1_000_000,
            replaced_delay: Duration::from_secs(10),
            window: 1,
            sa_init_retries: 4,
            fragments: 64,
            fragmented_octets: 10_000,
            keep_alive: Duration::from_secs(20),
            retry_interval: Duration::from_secs(15),
            retry_jitter: Duration::from_secs(10),
        }
    }
}
