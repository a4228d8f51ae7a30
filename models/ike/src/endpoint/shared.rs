//! What both versions of IKE work with in one endpoint.

use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, RandomSource};

use super::Counters;
use crate::config::EndpointConfig;
use crate::event::{Event, Transmit};
use crate::v2::AddressPools;

/// What both versions share: the queues to the owner, and whatever must be unique or counted over all IKE SAs.
pub(crate) struct Shared {
    pub(crate) config: EndpointConfig,
    pub(crate) crypto: Crypto,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) pools: AddressPools,
    /// The number of the next IKE SA.
    pub(crate) next_id: u32,
    pub(crate) counters: Counters,
}

impl Shared {
    pub(super) fn new(config: EndpointConfig, crypto: Crypto, random: Box<dyn RandomSource>) -> Self {
        Self {
            config,
            crypto,
            random,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            pools: AddressPools::default(),
            next_id: 1,
            counters: Counters::default(),
        }
    }

    /// Whether a version that has `held` IKE SAs may not begin another one.
    pub(crate) fn next_is_full(&self, held: usize) -> bool {
        held >= self.config.limits.ike_sas
    }
}
