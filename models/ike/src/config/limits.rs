//! Bounds on state that peers can create; each has its default from strongSwan or a stated choice.
//!
//! `CONFORMANCE.md`, "Bounds", says where each is kept and what happens at it.

use core::time::Duration;

/// Bounds on state that peers can create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IKE SAs in all states together. Default 1 000 000: what a large gateway holds.
    pub ike_sas: usize,
    /// From this many IKE SAs that peers have begun and not authenticated on, first requests are dropped; 0 never.
    /// Default 10 000 (strongSwan: `init_limit_half_open`, off): 30 s of requests at the rate that a processor answers.
    pub half_open: usize,
    /// The same from one address, without those that were refused; 0 never. Default 5 (strongSwan: `block_threshold`).
    pub half_open_per_address: usize,
    /// From this many half-open IKE SAs on, without those that were refused, first requests must bring a cookie (RFC 7296 §2.6); 0 never. Default 30
    /// (strongSwan: `cookie_threshold`).
    pub cookie_threshold: usize,
    /// The same for those from one address; 0 never. Default 3 (strongSwan: `cookie_threshold_ip`).
    pub cookie_threshold_per_address: usize,
    /// How long one secret makes cookies, and how long after that they are still taken. Default 10 s (strongSwan's
    /// cookies last as long).
    pub cookie_lifetime: Duration,
    /// How long a half-open IKE SA waits for `IKE_AUTH`. Default 30 s (strongSwan: `half_open_timeout`).
    pub half_open_timeout: Duration,
    /// How many requests for unknown IKE SAs are answered with an unprotected `INVALID_IKE_SPI` in each second
    /// (RFC 7296 §1.5, §2.21.4). Default 0: silence, as strongSwan.
    pub answer_unknown_spi: u32,
    /// Requests of our own that wait for the window of one IKE SA. Default 16: more than any exchange causes.
    pub queued_requests: usize,
    /// Child SAs of one IKE SA, those that are being replaced included. Default 64.
    pub children: usize,
    /// Addresses that one IKE SA asks for or is lent.
    pub virtual_addresses: usize,
    /// Leases that each pool remembers, free ones included.
    pub leases: usize,
    /// How long an IKE SA that its peer has set up anew is left to be deleted by that peer, when both come from the same
    /// address (strongSwan: 10 s).
    pub replaced_delay: Duration,
    /// Most requests that we have under way at once, whatever the peer allows (RFC 7296 §2.3). Default 1, as strongSwan.
    pub window: u32,
    /// How many answers in `IKE_SA_INIT` that ask for another group or a cookie an initiator follows. Default 4.
    pub sa_init_retries: u32,
    /// Fragments of one message (RFC 7383 §2.5 allows 65 535). Default 64.
    pub fragments: u16,
    /// Octets of one message in fragments. Default 10 000 (strongSwan: `max_packet`).
    pub fragmented_octets: usize,
    /// Between two keepalives to a NAT's outside when nothing else was sent; zero sends none. Default 20 s (strongSwan:
    /// `keep_alive`).
    pub keep_alive: Duration,
    /// The longest wait before a renewal that met a passing obstacle is tried again. Default 15 s, as strongSwan.
    pub retry_interval: Duration,
    /// At most this much of that wait is left out at random. Default 10 s, as strongSwan.
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
            cookie_lifetime: Duration::from_secs(10),
            half_open_timeout: Duration::from_secs(30),
            answer_unknown_spi: 0,
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
