//! Requests of ours on an established IKE SA: those that wait for the window, and those under way.
//!
//! A [`Request`] says what is wanted; only when the window takes it, the exchange makes a message of it and a
//! [`Pending`], which owns what the answer needs. So a request that time has overtaken costs nothing.

use crate::event::{CloseReason, FailureReason};
use crate::v2::child_sa::{Named, Phase, Wish};
use crate::v2::established::Established;
use crate::v2::exchange::{create_child, informational, rekey_ike};
use crate::v2::ike_sa::{Env, Head};
use crate::wire::{ExchangeType, Payload};

/// Something that we want of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Are you there?
    Liveness,
    /// Delete the Child SA with this inbound SPI of ours.
    DeleteChild(u32),
    /// The peer believes in a Child SA under this inbound SPI of ours, and we do not: delete it.
    DisownChild(Named),
    /// Delete the IKE SA.
    DeleteIke(CloseReason),
    /// Make another Child SA.
    CreateChild(Wish),
    /// Renew the Child SA with this inbound SPI of ours.
    RekeyChild(u32),
    /// Renew the IKE SA.
    RekeyIke,
}

/// A request under way.
#[derive(Debug)]
pub(crate) enum Pending {
    Liveness,
    DeleteChild(u32),
    DeleteIke(CloseReason),
    Child(Box<create_child::Sent>),
    RekeyIke(Box<rekey_ike::Sent>),
}

impl Pending {
    /// Whether nothing else may be under way beside it: it ends or renews the IKE SA (RFC 7296 §2.25.2).
    fn is_exclusive(&self) -> bool {
        matches!(self, Self::DeleteIke(_) | Self::RekeyIke(_))
    }
}

impl Request {
    fn is_exclusive(&self) -> bool {
        matches!(self, Self::DeleteIke(_) | Self::RekeyIke)
    }

    /// Whether it goes to the IKE SA that takes the place of the one that it waits for. So does the wish to end that:
    /// it was meant for what the two sides have with each other.
    fn is_heritable(&self) -> bool {
        !matches!(self, Self::Liveness | Self::RekeyIke)
    }
}

impl Established {
    /// Asks for `request`, at once when the window is free; false when too much waits already.
    pub(crate) fn request(&mut self, head: &mut Head, env: &mut Env<'_>, request: Request) -> bool {
        if head.waiting.contains(&request) || self.is_under_way(&request) {
            return true;
        }
        let last = matches!(request, Request::DeleteIke(_));
        if last && self.is_ending(head) {
            return true;
        }
        // The end of the IKE SA is never refused; there is one at most. What can go out at once does not wait.
        let at_once = head.waiting.is_empty() && self.may_send(head, &request);
        if !last && !at_once && head.waiting.len() >= env.config.limits.queued_requests {
            return false;
        }
        if let Request::DeleteChild(spi) = request
            && let Some(child) = self.child_mut(spi)
            && !child.is_ending()
        {
            child.phase = Phase::Deleting(child.local_reason());
        }
        if last {
            Self::forget_wishes(head, env);
        }
        head.waiting.push_back(request);
        self.send_next(head, env);
        true
    }

    fn is_under_way(&self, request: &Request) -> bool {
        self.under_way.values().any(|pending| match (pending, request) {
            (Pending::Liveness, Request::Liveness) | (Pending::RekeyIke(_), Request::RekeyIke) => true,
            (Pending::DeleteChild(a), Request::DeleteChild(b)) => a == b,
            (Pending::Child(sent), request) => sent.serves(request),
            _ => false,
        })
    }

    /// What only made sense with an IKE SA that lives on.
    fn forget_wishes(head: &mut Head, env: &mut Env<'_>) {
        for request in std::mem::take(&mut head.waiting) {
            if let Request::CreateChild(wish) = request {
                head.child_failed(env, &wish, FailureReason::Terminated);
            }
        }
    }

    /// Sends waiting requests as long as the window takes them. Requests that time has overtaken are skipped.
    pub(crate) fn send_next(&mut self, head: &mut Head, env: &mut Env<'_>) {
        while let Some(request) = self.next_request(head) {
            let id = head.window.next_id();
            if let Some(pending) = self.send(head, env, request) {
                self.under_way.insert(id.as_u32(), pending);
            }
        }
    }

    /// The first waiting request, if it may go out now.
    fn next_request(&self, head: &mut Head) -> Option<Request> {
        if self.may_send(head, head.waiting.front()?) { head.waiting.pop_front() } else { None }
    }

    /// Whether the window has room, and nothing under way forbids it.
    fn may_send(&self, head: &Head, request: &Request) -> bool {
        let alone = self.under_way.is_empty();
        let allowed =
            alone || !(request.is_exclusive() || self.under_way.values().any(Pending::is_exclusive));
        let current = !self.is_replaced() || matches!(request, Request::DeleteIke(_));
        allowed && current && head.window.has_room()
    }

    fn send(&mut self, head: &mut Head, env: &mut Env<'_>, request: Request) -> Option<Pending> {
        match request {
            Request::Liveness => {
                let payloads = head.liveness_payloads(env);
                Some(self.inform(head, env, &payloads, Pending::Liveness))
            }
            Request::DeleteIke(reason) => {
                let delete = informational::delete_ike();
                Some(self.inform(head, env, &[delete], Pending::DeleteIke(reason)))
            }
            Request::DeleteChild(spi) => {
                let delete = informational::delete_children(&[self.child(spi)?.named()]);
                Some(self.inform(head, env, &delete, Pending::DeleteChild(spi)))
            }
            Request::DisownChild(child) => {
                let delete = informational::delete_children(&[child]);
                Some(self.inform(head, env, &delete, Pending::DeleteChild(child.spi_in)))
            }
            Request::CreateChild(wish) => Some(create_child::initiate(self, head, env, wish, None)),
            Request::RekeyChild(spi) => create_child::rekey(self, head, env, spi),
            Request::RekeyIke => Some(rekey_ike::initiate(self, head, env)),
        }
    }

    fn inform(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        payloads: &[Payload],
        pending: Pending,
    ) -> Pending {
        head.send_protected_request(env, &mut self.channel, ExchangeType::Informational, payloads);
        pending
    }

    /// Whether the end of the IKE SA is under way or waits its turn.
    pub(crate) fn is_ending(&self, head: &Head) -> bool {
        self.is_closing() || head.waiting.iter().any(|request| matches!(request, Request::DeleteIke(_)))
    }

    /// Whether our Delete of the IKE SA is under way.
    pub(crate) fn is_closing(&self) -> bool {
        self.under_way.values().any(|pending| matches!(pending, Pending::DeleteIke(_)))
    }

    /// The renewal of the IKE SA that we have asked for.
    pub(crate) fn rekeying(&mut self) -> Option<&mut rekey_ike::Sent> {
        self.under_way.values_mut().find_map(|pending| match pending {
            Pending::RekeyIke(sent) => Some(sent.as_mut()),
            _ => None,
        })
    }

    /// The Child SA that we have asked for in place of the one with this inbound SPI.
    pub(crate) fn rekeying_child(&mut self, spi_in: u32) -> Option<&mut create_child::Sent> {
        self.under_way.values_mut().find_map(|pending| match pending {
            Pending::Child(sent) if sent.replaces() == Some(spi_in) => Some(sent.as_mut()),
            _ => None,
        })
    }

    /// Whether an answer under way may bring a Child SA.
    pub(crate) fn awaits_child(&self) -> bool {
        self.under_way.values().any(|pending| matches!(pending, Pending::Child(_)))
    }

    /// Whether a request about a Child SA is under way (RFC 7296 §2.25.2).
    pub(crate) fn has_child_exchange(&self) -> bool {
        self.under_way.values().any(|pending| matches!(pending, Pending::Child(_) | Pending::DeleteChild(_)))
    }

    /// The waiting requests that the heir of this IKE SA is to make.
    pub(crate) fn heritage(head: &mut Head) -> Vec<Request> {
        let (heritable, rest): (Vec<_>, Vec<_>) = head.waiting.drain(..).partition(Request::is_heritable);
        head.waiting.extend(rest);
        heritable
    }
}
