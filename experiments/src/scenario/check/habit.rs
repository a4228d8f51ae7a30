//! What a node does unless it is told otherwise: the defaults of its vendor profile in the words of scenario files.

use ipseclab_ike::config::{Childless as IkeChildless, Fragmentation as IkeFragmentation};
use ipseclab_ike::profile::Profile;
use ipseclab_ike::proposal::{EspProposal, IkeProposal};
use ipseclab_sim::SimDuration;

use super::version::{v1_esp_proposals, v1_ike_proposals};
use crate::scenario::checked::Retransmission;
use crate::scenario::defaults;
use crate::scenario::file::{Childless, Fragmentation, IkeVersion};

fn sim(span: std::time::Duration) -> SimDuration {
    SimDuration::from_nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn retransmission(habits: &Profile) -> Retransmission {
    let policy = habits.timers.retransmit;
    Retransmission {
        timeout: sim(policy.timeout),
        base_thousandths: policy.base_permille,
        tries: policy.tries,
    }
}

pub(super) fn ike_proposals(habits: &Profile, version: IkeVersion) -> Vec<IkeProposal> {
    match version {
        IkeVersion::V1 => v1_ike_proposals(&habits.defaults.ike_proposals),
        IkeVersion::V2 => habits.defaults.ike_proposals.clone(),
    }
}

pub(super) fn esp_proposals(habits: &Profile, version: IkeVersion) -> Vec<EspProposal> {
    match version {
        IkeVersion::V1 => v1_esp_proposals(&habits.defaults.esp_proposals),
        IkeVersion::V2 => habits.defaults.esp_proposals.clone(),
    }
}

pub(super) fn dpd_delay(habits: &Profile) -> Option<SimDuration> {
    habits.timers.dpd_delay.map(sim)
}

pub(super) fn fragmentation(habits: &Profile) -> Fragmentation {
    match habits.defaults.fragmentation {
        IkeFragmentation::Above(_) => Fragmentation::Yes,
        IkeFragmentation::Accept => Fragmentation::Accept,
        IkeFragmentation::Off => Fragmentation::No,
    }
}

pub(super) fn fragment_size(habits: &Profile) -> u16 {
    match habits.defaults.fragmentation {
        IkeFragmentation::Above(octets) => octets,
        IkeFragmentation::Accept | IkeFragmentation::Off => defaults::FRAGMENT_SIZE,
    }
}

pub(super) fn childless(habits: &Profile) -> Childless {
    match habits.defaults.childless {
        IkeChildless::Allow => Childless::Allow,
        IkeChildless::Prefer => Childless::Prefer,
        IkeChildless::Force => Childless::Force,
        IkeChildless::Never => Childless::Never,
    }
}
