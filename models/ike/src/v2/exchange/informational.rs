//! INFORMATIONAL (RFC 7296 §1.4): Delete for IKE and Child SAs, and the empty request as a liveness check.
//!
//! ```text
//! requester                              answerer
//! HDR, SK { D(IKE) }              ──►
//!                                  ◄──   HDR, SK { }
//! HDR, SK { D(ESP, our SPI) }     ──►
//!                                  ◄──   HDR, SK { D(ESP, their SPI) }
//! HDR, SK { }                     ──►
//!                                  ◄──   HDR, SK { }
//! ```
//!
//! Both sides may delete at once: each answers the other's request, and an SPI that is already gone is left out of
//! the answer (§1.4.1). The requester keeps its half until the answer, so no packet meets a half-closed SA.

use crate::event::{CloseReason, Event};
use crate::v2::ike_sa::{ChildSa, Env, Established, Head, State, is_fatal};
use crate::wire::{DeletePayload, ExchangeType, Message, Payload, ProtocolId};

/// A request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Are you there?
    Liveness,
    /// Delete the Child SA with this inbound SPI of ours.
    DeleteChild(u32),
    /// Delete the IKE SA.
    DeleteIke,
}

impl Established {
    /// Asks for `request`, at once when the window is free; false when too many Child SAs wait for their end already.
    pub(crate) fn request(&mut self, head: &mut Head, env: &mut Env<'_>, request: Request) -> bool {
        if self.current == Some(request) || self.waiting.contains(&request) {
            return true;
        }
        // The other two requests wait once at most, so only this kind needs a bound.
        let bounded = matches!(request, Request::DeleteChild(_)) && self.current.is_some();
        if bounded && self.waiting.len() >= env.config.limits.queued_requests {
            return false;
        }
        self.waiting.push_back(request);
        self.send_next(head, env);
        true
    }

    /// Sends the next waiting request if none is under way. Requests that time has overtaken are skipped.
    pub(crate) fn send_next(&mut self, head: &mut Head, env: &mut Env<'_>) {
        while self.current.is_none() {
            let Some(request) = self.waiting.pop_front() else { return };
            let payloads = match request {
                Request::Liveness => vec![],
                Request::DeleteIke => vec![delete_ike()],
                Request::DeleteChild(spi) if self.has_child(spi) => vec![delete_children(&[spi])],
                Request::DeleteChild(_) => continue,
            };
            head.send_protected_request(env, &mut self.channel, ExchangeType::Informational, &payloads);
            self.current = Some(request);
        }
    }

    /// Whether the end of the IKE SA is under way or waits its turn.
    pub(crate) fn is_ending(&self) -> bool {
        let ends = |request: &Request| *request == Request::DeleteIke;
        self.current.as_ref().is_some_and(ends) || self.waiting.iter().any(ends)
    }

    fn has_child(&self, spi_in: u32) -> bool {
        self.children.iter().any(|child| child.spi_in == spi_in)
    }

    /// Handles the decrypted answer to the request under way.
    pub(crate) fn handle_response(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        head.window.complete();
        self.heard = env.now;
        match self.current.take() {
            _ if is_fatal(&message.payloads) => return self.close_and_linger(head, env),
            Some(Request::DeleteIke) => return self.close(head, env, CloseReason::Local),
            Some(Request::DeleteChild(spi)) => self.remove_child(head, env, spi, CloseReason::Local),
            Some(Request::Liveness) | None => {}
        }
        self.send_next(head, env);
        State::Established(self)
    }

    /// Handles a decrypted request of the peer.
    pub(crate) fn handle_request(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        self.heard = env.now;
        let mut closing = is_fatal(&message.payloads);
        let mut deleted = Vec::new();
        for payload in &message.payloads {
            match payload {
                Payload::Delete(delete) if delete.protocol == ProtocolId::Ike => closing = true,
                Payload::Delete(delete) if delete.protocol == ProtocolId::Esp => {
                    deleted.extend(self.delete_named(head, env, delete));
                }
                _ => {}
            }
        }
        let answer = if deleted.is_empty() || closing { vec![] } else { vec![delete_children(&deleted)] };
        head.send_protected_response(env, &mut self.channel, &message.header, &answer);
        if closing { self.close_and_linger(head, env) } else { State::Established(self) }
    }

    /// Removes the Child SAs that the peer names by its own inbound SPIs; returns ours.
    fn delete_named(&mut self, head: &Head, env: &mut Env<'_>, delete: &DeletePayload) -> Vec<u32> {
        let mut removed = Vec::new();
        for spi in &delete.spis {
            let named = |child: &&ChildSa| child.spi_out.to_be_bytes() == *spi;
            let Some(spi_in) = self.children.iter().find(named).map(|child| child.spi_in) else { continue };
            // A Child SA that we are deleting ourselves is answered, but named by our own request (§1.4.1).
            if self.current != Some(Request::DeleteChild(spi_in)) {
                removed.push(spi_in);
            }
            self.remove_child(head, env, spi_in, CloseReason::Remote);
        }
        removed
    }

    fn remove_child(&mut self, head: &Head, env: &mut Env<'_>, spi_in: u32, reason: CloseReason) {
        if self.has_child(spi_in) {
            self.children.retain(|child| child.spi_in != spi_in);
            env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in, reason });
        }
    }

    /// The peer has ended the IKE SA: a request of ours needs no answer any more, only its repetitions do.
    pub(crate) fn close_and_linger(self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        self.close(head, env, CloseReason::Remote);
        head.window.abandon();
        State::Lingering(env.linger_until())
    }

    /// Ends the IKE SA with all its Child SAs.
    pub(crate) fn close(mut self: Box<Self>, head: &Head, env: &mut Env<'_>, reason: CloseReason) -> State {
        for child in std::mem::take(&mut self.children) {
            env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in: child.spi_in, reason });
        }
        env.events.push_back(Event::IkeSaClosed { ike_sa: head.id, reason });
        State::Closed
    }
}

fn delete_ike() -> Payload {
    Payload::Delete(DeletePayload::ike_sa())
}

fn delete_children(spis: &[u32]) -> Payload {
    Payload::Delete(DeletePayload::esp(spis.iter().map(|spi| spi.to_be_bytes()).collect()))
}
