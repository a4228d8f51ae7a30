//! The Informational exchange (RFC 2408 §4.8, RFC 2409 §5.7): one message, without an answer.
//!
//! ```text
//! HDR*, HASH(1), N | D [, D ...]   ──►
//! ```
//!
//! Deletes and notifications are lost as easily as any datagram, and nobody notices: a peer that has missed a Delete
//! finds out by dead peer detection (RFC 3706), which is in here too:
//!
//! ```text
//! HDR*, HASH(1), N(R-U-THERE, n)   ──►
//!                             ◄──  HDR*, HASH(1), N(R-U-THERE-ACK, n)
//! ```

use crate::event::{ChildProtocol, CloseReason, FailureReason};
use crate::v1::V1Exchange;
use crate::v1::child_sa::ChildSa;
use crate::v1::established::Established;
use crate::v1::isakmp_sa::{Env, Envelope, Head, State, failure_of};
use crate::v1::order::Order;
use crate::wire::isakmp::{
    DeletePayload, HashPayload, Message, MessageId, NotifyPayload, NotifyType, Payload, ProtocolId,
    encoded_chain,
};

impl Established {
    /// Sends an Informational message with these payloads behind the hash.
    pub(crate) fn inform(&mut self, head: &mut Head, env: &mut Env<'_>, rest: Vec<Payload>) {
        let id = env.draw_message_id();
        let payloads = self.hashed(env, id, rest);
        let mut iv = self.cipher.exchange_iv(env.crypto, &self.phase1_iv, id);
        let envelope = Envelope { exchange: V1Exchange::Informational, id, response: false };
        let message = head.seal(env, (&self.cipher, &mut iv), envelope, &payloads);
        head.transmit(env, head.path, message);
    }

    /// Payloads with HASH(1) in front.
    pub(crate) fn hashed(&self, env: &mut Env<'_>, id: MessageId, rest: Vec<Payload>) -> Vec<Payload> {
        let hash = self.keys.hash_1(env.crypto, id, &encoded_chain(&rest));
        let mut payloads = vec![Payload::Hash(HashPayload::new(hash.expose()))];
        payloads.extend(rest);
        payloads
    }

    /// Tells the peer that a Child SA is gone, by the SPIs that we receive with.
    pub(crate) fn send_child_delete(&mut self, head: &mut Head, env: &mut Env<'_>, child: &ChildSa) {
        let delete = |(protocol, spi): (ProtocolId, u32)| {
            Payload::Delete(DeletePayload::ipsec(protocol, &[spi.to_be_bytes()]))
        };
        self.inform(head, env, child.inbound().map(delete).collect());
    }

    /// Tells the peer that the ISAKMP SA is gone.
    pub(crate) fn send_delete(&mut self, head: &mut Head, env: &mut Env<'_>) {
        self.inform(head, env, vec![Payload::Delete(DeletePayload::isakmp_sa(head.cookies))]);
    }

    /// Tells the peer why its Quick Mode comes to nothing; `spi` is the one that it offered.
    pub(crate) fn send_refusal(&mut self, head: &mut Head, env: &mut Env<'_>, kind: NotifyType, spi: &[u8]) {
        let notify = NotifyPayload {
            protocol: ProtocolId::Esp,
            spi: spi.to_vec(),
            ..NotifyPayload::isakmp(kind, vec![])
        };
        self.inform(head, env, vec![Payload::Notify(notify)]);
    }

    /// Asks whether the peer is alive, if it can answer that.
    pub(crate) fn send_dpd(&mut self, head: &mut Head, env: &mut Env<'_>, sequence: u32) {
        let notify = NotifyPayload::dpd(NotifyType::RUThere, head.cookies, sequence);
        self.inform(head, env, vec![Payload::Notify(notify)]);
    }

    /// Handles an authentic Informational message.
    pub(crate) fn handle_informational(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        for payload in &message.payloads {
            match payload {
                Payload::Delete(delete) if self.handle_delete(head, env, delete) => {
                    return self.end(head, env);
                }
                // The peer takes our proof for none: it has no ISAKMP SA.
                Payload::Notify(notify)
                    if notify.kind == NotifyType::AuthenticationFailed
                        && notify.cookies() == Some(head.cookies) =>
                {
                    return self.close(head, env, CloseReason::Remote);
                }
                Payload::Notify(notify) => self.handle_notify(head, env, notify),
                _ => {}
            }
        }
        State::Established(self)
    }

    /// The peer has deleted the ISAKMP SA. Whoever wants Child SAs gone deletes them one by one before; those that are
    /// left go to another ISAKMP SA with the peer, if there is one: two renewals of phase 1 have crossed.
    fn end(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        if self.outlive_delete(env) {
            return State::Established(self);
        }
        match self.heir(head, env).filter(|_| !self.children.is_empty()) {
            None => self.close(head, env, CloseReason::Remote),
            Some(heir) => {
                env.orders.push_back(Order::Succeed(heir, vec![head.id]));
                env.orders.push_back(Order::Retire(head.id));
                State::Established(self)
            }
        }
    }

    /// True when the ISAKMP SA itself is deleted.
    fn handle_delete(&mut self, head: &mut Head, env: &mut Env<'_>, delete: &DeletePayload) -> bool {
        let protocol = match delete.protocol() {
            ProtocolId::Isakmp => return delete.spis().any(|spi| spi == head.cookies.octets()),
            ProtocolId::Esp => ChildProtocol::Esp,
            ProtocolId::Ah => ChildProtocol::Ah,
            ProtocolId::IpComp | ProtocolId::Unknown(_) => return false,
        };
        let spis = delete.spis().filter_map(|spi| <[u8; 4]>::try_from(spi).ok().map(u32::from_be_bytes));
        for spi in spis {
            if !self.forget_child(head, env, protocol, spi) {
                // A renewal of phase 1 that crossed the peer's may have left it with another ISAKMP SA.
                env.orders.push_back(Order::ForgetChild(self.peers.clone(), protocol, spi));
            }
        }
        false
    }

    fn handle_notify(&mut self, head: &mut Head, env: &mut Env<'_>, notify: &NotifyPayload) {
        match (notify.kind, notify.dpd_sequence()) {
            (NotifyType::RUThere, Some(sequence)) if notify.cookies() == Some(head.cookies) => {
                let ack = NotifyPayload::dpd(NotifyType::RUThereAck, head.cookies, sequence);
                self.inform(head, env, vec![Payload::Notify(ack)]);
            }
            (NotifyType::RUThereAck, Some(sequence)) if notify.cookies() == Some(head.cookies) => {
                self.note_dpd_answer(sequence);
            }
            (kind, _) if kind.is_error() => self.note_refusal(head, env, &notify.spi, failure_of(notify)),
            _ => {}
        }
    }

    /// The peer refuses a Quick Mode of ours: the one that offered `spi`, or the only one.
    fn note_refusal(&mut self, head: &mut Head, env: &mut Env<'_>, spi: &[u8], reason: FailureReason) {
        let spi = <[u8; 4]>::try_from(spi).ok().map(u32::from_be_bytes);
        self.fail_quick_mode(head, env, spi, reason);
    }
}

/// The number of an ISAKMP SA's first question: random, and far from where it would begin anew (RFC 3706 §6.2).
pub(crate) fn first_sequence(env: &mut Env<'_>) -> u32 {
    env.draw_message_id().as_u32() & (u32::MAX >> 1)
}
