//! INFORMATIONAL (RFC 7296 §1.4): Delete for IKE and Child SAs, and the empty request as a liveness check.
//!
//! ```text
//! requester                              answerer
//! HDR, SK { D(IKE) }              ──►
//!                                  ◄──   HDR, SK { }
//! HDR, SK { D(ESP | AH, our SPI) }  ──►
//!                                    ◄──   HDR, SK { D(ESP | AH, their SPI) }
//! HDR, SK { }                     ──►
//!                                  ◄──   HDR, SK { }
//! ```
//!
//! Both sides may delete at once: each answers the other's request, and an SPI that is already gone is left out of
//! the answer (§1.4.1). The requester keeps its half until the answer, so no packet meets a half-closed SA.

use crate::config::{ChildId, CloseAction};
use crate::event::{ChildProtocol, CloseReason, Event};
use crate::v2::child_sa::{ChildSa, Named, Wish};
use crate::v2::established::Established;
use crate::v2::ike_sa::{Env, Head, State, is_fatal};
use crate::v2::request::{Pending, Request};
use crate::wire::{DeletePayload, Message, Payload, ProtocolId};

impl Established {
    /// Handles a decrypted request of the peer.
    pub(crate) fn handle_informational(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        let closing = ends_ike_sa(message);
        let mut deleted = Vec::new();
        for payload in &message.payloads {
            if let Payload::Delete(delete) = payload {
                deleted.extend(self.delete_named(head, env, delete));
            }
        }
        let (ours, gone): (Vec<_>, Vec<_>) = deleted.into_iter().unzip();
        let mut answer = if closing { vec![] } else { delete_children(&ours) };
        if head.follow_update(env, message) {
            self.announce_path(head, env);
        }
        answer.extend(head.mobike_answer(env, message));
        head.send_protected_response(env, &mut self.channel, &message.header, &answer);
        if closing {
            return self.close_and_linger(head, env);
        }
        for child in gone.into_iter().flatten() {
            self.replace_closed(head, env, child);
        }
        self.send_next(head, env);
        State::Established(self)
    }

    /// Removes the Child SAs that the peer names by its own inbound SPIs; returns ours, each with its child when nothing
    /// has taken its place.
    fn delete_named(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        delete: &DeletePayload,
    ) -> Vec<(Named, Option<ChildId>)> {
        let mut removed = Vec::new();
        for spi in &delete.spis {
            let named = |child: &&ChildSa| child.is_sent_with(delete.protocol, spi);
            let Some(child) = self.children.iter().find(named) else { continue };
            let (spi_in, reason, lost) = (child.spi_in, child.remote_reason(), child.child);
            let ours = child.named();
            // A Child SA that we are deleting ourselves is answered, but named by our own request (§1.4.1).
            if !self.is_deleting(spi_in) {
                removed.push((ours, (reason == CloseReason::Remote).then_some(lost)));
            }
            self.remove_child(head, env, spi_in, reason);
        }
        removed
    }

    /// What follows when the peer has deleted a Child SA alone (swanctl's `close_action`).
    fn replace_closed(&mut self, head: &mut Head, env: &mut Env<'_>, child: ChildId) {
        if self.has_child_of(child) {
            return;
        }
        match env.config.child(child).close_action {
            CloseAction::None => {}
            CloseAction::Trap => env.events.push_back(Event::TrapWanted { child }),
            CloseAction::Start => {
                self.request(head, env, Request::CreateChild(Wish::whole(child)));
            }
        }
    }

    /// Whether a Delete names a Child SA that we do not have.
    pub(crate) fn names_unknown_child(&self, message: &Message) -> bool {
        let is_known = |protocol: ProtocolId, spi: &[u8]| {
            self.children.iter().any(|child| child.is_sent_with(protocol, spi))
        };
        message.payloads.iter().any(|payload| match payload {
            Payload::Delete(delete) if matches!(delete.protocol, ProtocolId::Esp | ProtocolId::Ah) => {
                !delete.spis.iter().all(|spi| is_known(delete.protocol, spi))
            }
            _ => false,
        })
    }

    fn is_deleting(&self, spi_in: u32) -> bool {
        self.under_way.values().any(|pending| matches!(pending, Pending::DeleteChild(spi) if *spi == spi_in))
    }
}

/// Whether a request ends the IKE SA.
pub(crate) fn ends_ike_sa(message: &Message) -> bool {
    let deletes =
        |payload: &Payload| matches!(payload, Payload::Delete(delete) if delete.protocol == ProtocolId::Ike);
    is_fatal(&message.payloads) || message.payloads.iter().any(deletes)
}

pub(crate) fn delete_ike() -> Payload {
    Payload::Delete(DeletePayload::ike_sa())
}

/// The Delete payloads for Child SAs of ours: one for each protocol, since a payload has just one (§3.11).
pub(crate) fn delete_children(children: &[Named]) -> Vec<Payload> {
    let delete = |wanted: ChildProtocol| {
        let of_it = children.iter().filter(|child| child.protocol == wanted);
        let spis: Vec<_> = of_it.map(|child| child.spi_in.to_be_bytes()).collect();
        (!spis.is_empty()).then_some(Payload::Delete(DeletePayload { protocol: wanted.id(), spis }))
    };
    [ChildProtocol::Esp, ChildProtocol::Ah].into_iter().filter_map(delete).collect()
}
