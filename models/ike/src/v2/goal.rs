//! What an initiator sets an IKE SA up for, from `IKE_SA_INIT` to the end of `IKE_AUTH` (RFC 7296 §1.2, RFC 6023).
//!
//! It outlives the exchanges: when the negotiation begins again, it begins with the same goal.

use core::net::IpAddr;

use crate::config::{Childless, ConnectionId, EndpointConfig};
use crate::event::{FailureReason, IkeSaId};
use crate::v2::child_sa::Wish;
use crate::v2::ike_sa::Head;
use crate::v2::order::Plan;
use crate::v2::request::Request;

/// What an initiator wants.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) connection: ConnectionId,
    /// The Child SA that `IKE_AUTH` asks for.
    pub(crate) first: Option<Wish>,
    /// Whether none is wanted: `first` only goes to a peer that cannot do without (RFC 6023).
    pub(crate) bare: bool,
    /// The IKE SA that goes when this one is up.
    pub(crate) replaces: Option<IkeSaId>,
    /// The virtual addresses that the one before had.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Goal {
    /// What a plan wants, and the Child SAs that follow. `spare` is for a peer that cannot do without one.
    pub(crate) fn of(plan: Plan, spare: Option<Wish>) -> (Self, impl Iterator<Item = Wish>) {
        let Plan { connection, wishes, replaces, addresses, .. } = plan;
        let mut wishes = wishes.into_iter();
        let wanted = wishes.next();
        let bare = wanted.is_none();
        (Self { connection, first: wanted.or(spare), bare, replaces, addresses }, wishes)
    }

    /// The virtual addresses to ask for: those of the IKE SA before, else what is configured.
    pub(crate) fn wanted_addresses(&self, config: &EndpointConfig) -> Vec<IpAddr> {
        let configured = &config.connection(self.connection).vips;
        let wanted = if self.addresses.is_empty() { configured } else { &self.addresses };
        wanted.iter().copied().take(config.limits.virtual_addresses).collect()
    }

    /// Settles which Child SA `IKE_AUTH` asks for, now that it is known whether the peer can do without one.
    pub(crate) fn settle_first(
        &mut self,
        head: &mut Head,
        config: &EndpointConfig,
        peer_can: bool,
    ) -> Result<(), FailureReason> {
        let childless = config.connection(self.connection).childless;
        let separate = matches!(childless, Childless::Prefer | Childless::Force);
        if childless == Childless::Force && !peer_can {
            return Err(FailureReason::Childless);
        }
        let asked_since = head.waiting.iter().position(|request| matches!(request, Request::CreateChild(_)));
        if self.bare && peer_can && childless != Childless::Never {
            self.first = None;
        } else if self.bare {
            // What a packet has asked for meanwhile is better than the spare one.
            let asked_since = asked_since.and_then(|place| head.waiting.remove(place));
            if let Some(Request::CreateChild(wish)) = asked_since {
                self.first = Some(wish);
            }
        } else if peer_can && separate {
            head.waiting.extend(self.first.take().map(Request::CreateChild));
            head.waiting.rotate_right(1);
        }
        Ok(())
    }
}
