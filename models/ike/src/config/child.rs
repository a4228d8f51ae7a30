//! `children.<name>`: the Child SAs of a connection.

use core::time::Duration;

use super::selectors::ConfiguredTs;
use crate::proposal::{AhProposal, ChildProposal, EspProposal};

/// One `children.<name>` section.
#[derive(Clone, Debug)]
pub struct Child {
    /// The section's name.
    pub name: String,
    /// Our side's traffic.
    pub local_ts: ConfiguredTs,
    /// The peer's side's traffic.
    pub remote_ts: ConfiguredTs,
    /// ESP proposals in order of preference.
    pub esp_proposals: Vec<EspProposal>,
    /// AH proposals in order of preference; for AH alone there are no ESP proposals. Together with them they make a bundle
    /// of IKEv1, AH around ESP. IKEv2 has no bundles: there the ESP proposals go first, and one proposal is chosen.
    pub ah_proposals: Vec<AhProposal>,
    /// Tunnel or transport.
    pub mode: Mode,
    /// When its keys are renewed by time.
    pub lifetime: Lifetime,
    /// `rekey_bytes`, `life_bytes`, `rand_bytes`: the same by volume.
    pub bytes: Volume,
    /// `rekey_packets`, `life_packets`, `rand_packets`: the same by number.
    pub packets: Volume,
    /// `dpd_action`: what follows when the peer no longer answers.
    pub dpd_action: DpdAction,
    /// `close_action`: what follows when the peer deletes it.
    pub close_action: CloseAction,
}

/// How ESP wraps packets (RFC 4301 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A new IP header around the whole packet.
    Tunnel,
    /// Between the packet's IP header and its payload.
    Transport,
}

/// When a Child SA is renewed, and when it ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// `rekey_time`: fresh keys after this long; `None` never.
    pub rekey_time: Option<Duration>,
    /// `life_time`: the end, whether renewed or not; `None` never.
    pub life_time: Option<Duration>,
    /// `rand_time`: renewed at most this much earlier.
    pub rand_time: Duration,
}

/// Limits on what a Child SA carries; the datapath watches them and says when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Renewal is due; `None` never.
    pub rekey: Option<u64>,
    /// The end; `None` never.
    pub life: Option<u64>,
    /// Renewed at most this much earlier.
    pub rand: u64,
}

/// What follows when the peer of a Child SA no longer answers (swanctl's `dpd_action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpdAction {
    /// Nothing.
    #[default]
    Clear,
    /// The next packet that matches sets it up again.
    Trap,
    /// It is set up again at once.
    Restart,
}

/// What follows when the peer deletes a Child SA (swanctl's `close_action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseAction {
    /// Nothing.
    #[default]
    None,
    /// The next packet that matches sets it up again.
    Trap,
    /// It is set up again at once.
    Start,
}

impl Child {
    /// A child for this traffic in tunnel mode, with default proposals, and all else as strongSwan has it.
    pub fn new(name: &str, local_ts: impl Into<ConfiguredTs>, remote_ts: impl Into<ConfiguredTs>) -> Self {
        Self {
            name: name.to_owned(),
            local_ts: local_ts.into(),
            remote_ts: remote_ts.into(),
            esp_proposals: EspProposal::default_set(),
            ah_proposals: vec![],
            mode: Mode::Tunnel,
            lifetime: Lifetime::default(),
            bytes: Volume::default(),
            packets: Volume::default(),
            dpd_action: DpdAction::default(),
            close_action: CloseAction::default(),
        }
    }

    /// What IKEv2 offers and accepts for it, best first.
    pub(crate) fn proposals(&self) -> Vec<ChildProposal> {
        let esp = self.esp_proposals.iter().cloned().map(ChildProposal::Esp);
        esp.chain(self.ah_proposals.iter().cloned().map(ChildProposal::Ah)).collect()
    }
}

impl Default for Lifetime {
    /// strongSwan's: rekeyed after 1 h, ended after 10 % more, spread over those 10 %.
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self { rekey_time: Some(minutes(60)), life_time: Some(minutes(66)), rand_time: minutes(6) }
    }
}

impl Lifetime {
    /// A Child SA that lasts as long as its IKE SA.
    pub const NEVER: Self = Self { rekey_time: None, life_time: None, rand_time: Duration::ZERO };
}
