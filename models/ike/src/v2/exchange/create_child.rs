//! `CREATE_CHILD_SA` for Child SAs (RFC 7296 §1.3.1, §1.3.3): further ones, and the renewal of one.
//!
//! ```text
//! requester                                                               answerer
//! HDR, SK { [N(REKEY_SA)], [N(USE_TRANSPORT_MODE)], SA, Ni, [KEi], TSi, TSr }  ──►
//!                  ◄──  HDR, SK { [N(USE_TRANSPORT_MODE)], SA, Nr, [KEr], TSi, TSr }
//!              or  ◄──  HDR, SK { N(INVALID_KE_PAYLOAD | NO_PROPOSAL_CHOSEN | TS_UNACCEPTABLE |
//!                                   TEMPORARY_FAILURE | CHILD_SA_NOT_FOUND | NO_ADDITIONAL_SAS) }
//! ```
//!
//! Renewals may cross (§2.8.1). Each side answers the other's request, so for a moment there are two new Child SAs. Of
//! the four nonces the lowest decides: whoever made the Child SA that it belongs to deletes that one, and the other
//! side deletes the old one. The answerer remembers its part as the [`Rival`] of the request that it has under way.
//!
//! The answerer of a renewal sends on the old Child SA until the requester deletes it: it cannot know before whether
//! its answer has arrived (§2.8).

mod answer;

use ipseclab_crypto::{ExchangeKey, KeyExchangeMethod, Secret};

use crate::config::ChildId;
use crate::event::{CloseReason, CreateChildSubject, Event, FailureReason, Outbound};
use crate::proposal::{self, ChildProposal};
use crate::v2::Role;
use crate::v2::child_sa::{
    self, Agreed, ChildParts, KeySources, Named, Phase, Selectors, Start, Wish, install, transport_notify,
};
use crate::v2::established::Established;
use crate::v2::ike_sa::{Env, Head, error_notify, failure_of, notify_data};
use crate::v2::request::{Pending, Request};
use crate::wire::{
    ExchangeType, KePayload, Message, NoncePayload, NotifyPayload, NotifyType, Payload, ProtocolId, SaPayload,
};

pub(crate) use answer::handle_request;

/// A request for a Child SA under way.
#[derive(Debug)]
pub(crate) struct Sent {
    wish: Wish,
    offered: Selectors,
    /// The Child SA that is renewed.
    replaces: Option<Named>,
    spi_in: u32,
    nonce: Vec<u8>,
    /// In the order of this request.
    proposals: Vec<ChildProposal>,
    key: Option<KeyPair>,
    rival: Option<Rival>,
    retries: u32,
}

/// Our half of a key exchange.
#[derive(Debug)]
pub(crate) struct KeyPair {
    pub(crate) method: KeyExchangeMethod,
    pub(crate) private: ExchangeKey,
    pub(crate) public_value: Vec<u8>,
}

/// The Child SA that the peer's crossing renewal has made.
#[derive(Debug)]
struct Rival {
    spi_in: u32,
    lowest_nonce: Vec<u8>,
}

/// The payloads of a message of this exchange.
#[derive(Default)]
struct Parts<'a> {
    child: ChildParts<'a>,
    nonce: Option<&'a NoncePayload>,
    ke: Option<&'a KePayload>,
}

impl KeyPair {
    pub(crate) fn draw(env: &mut Env<'_>, method: KeyExchangeMethod) -> Self {
        let (private, public_value) = env.draw_key_pair(method);
        Self { method, private, public_value }
    }

    pub(crate) fn payload(&self) -> Payload {
        let public_value = self.public_value.clone();
        Payload::Ke(KePayload { method: self.method.transform_id(), public_value })
    }

    /// The shared secret with the peer's half; `None` when that is of another group or invalid.
    pub(crate) fn agree(&self, env: &mut Env<'_>, peer: &KePayload) -> Option<Secret> {
        let fits = peer.method == self.method.transform_id();
        let secret = self.private.shared_secret(env.crypto, &peer.public_value);
        secret.ok().filter(|_| fits)
    }
}

/// Sends the request for `wish`, in place of the Child SA `replaces`.
pub(crate) fn initiate(
    sa: &mut Established,
    head: &mut Head,
    env: &mut Env<'_>,
    wish: Wish,
    replaces: Option<Named>,
) -> Pending {
    let proposals = env.config.child(wish.child).proposals();
    let method = proposals.first().and_then(|proposal| proposal.key_exchange().first().copied());
    let offered = wish.selectors(env.config, &sa.hosts(head));
    let sent = Sent {
        wish,
        offered,
        replaces,
        spi_in: env.draw_child_spi(),
        nonce: env.draw_nonce(),
        proposals,
        key: method.map(|method| KeyPair::draw(env, method)),
        rival: None,
        retries: 0,
    };
    sent.send(sa, head, env)
}

/// Sends the request to renew the Child SA `spi_in`, if it is still one to be renewed.
pub(crate) fn rekey(
    sa: &mut Established,
    head: &mut Head,
    env: &mut Env<'_>,
    spi_in: u32,
) -> Option<Pending> {
    let old = sa.child(spi_in).filter(|old| old.phase == Phase::Rekeying)?;
    let (wish, named) = (Wish::whole(old.child), old.named());
    Some(initiate(sa, head, env, wish, Some(named)))
}

impl Sent {
    /// The child that the Child SA is made from.
    pub(crate) fn child(&self) -> ChildId {
        self.wish.child
    }

    /// The inbound SPI that the new Child SA will have.
    pub(crate) fn spi_in(&self) -> u32 {
        self.spi_in
    }

    /// The inbound SPI of the Child SA that is renewed.
    pub(crate) fn replaces(&self) -> Option<u32> {
        self.replaces.map(|old| old.spi_in)
    }

    /// Whether this is what `request` wants.
    pub(crate) fn serves(&self, request: &Request) -> bool {
        match request {
            Request::CreateChild(wish) => self.replaces.is_none() && self.wish == *wish,
            Request::RekeyChild(spi) => self.replaces() == Some(*spi),
            _ => false,
        }
    }

    fn send(self, sa: &mut Established, head: &mut Head, env: &mut Env<'_>) -> Pending {
        let mut payloads = Vec::new();
        payloads.extend(self.replaces.map(|old| Payload::Notify(rekey_notify(old))));
        payloads.extend(transport_notify(env.config.child(self.wish.child).mode));
        payloads.push(child_sa::offer(&self.proposals, self.spi_in));
        payloads.push(nonce_payload(&self.nonce));
        payloads.extend(self.key.as_ref().map(KeyPair::payload));
        payloads.push(Payload::TsI(self.offered.local.to_payload()));
        payloads.push(Payload::TsR(self.offered.remote.to_payload()));
        let subject = self
            .replaces()
            .map_or(CreateChildSubject::Child(self.wish.child), CreateChildSubject::RekeyChild);
        let (ike_sa, message_id) = (head.id, head.window.next_id());
        env.events.push_back(Event::CreateChildSaBegan { ike_sa, message_id, subject });
        head.send_protected_request(env, &mut sa.channel, ExchangeType::CreateChildSa, &payloads);
        Pending::Child(Box::new(self))
    }

    /// Nothing comes of it.
    pub(crate) fn abandon(&self, head: &Head, env: &mut Env<'_>, reason: FailureReason) {
        match self.replaces {
            Some(_) => self.rekey_failed(head, env, reason),
            None => head.child_failed(env, &self.wish, reason),
        }
    }

    fn rekey_failed(&self, head: &Head, env: &mut Env<'_>, reason: FailureReason) {
        let (ike_sa, spi_in) = (head.id, self.replaces());
        env.events.push_back(Event::RekeyFailed { ike_sa, spi_in, reason });
    }

    /// The lower of the nonces that made the Child SA.
    fn lowest_nonce<'a>(&'a self, peer: &'a [u8]) -> &'a [u8] {
        self.nonce.as_slice().min(peer)
    }

    /// Checks the answer, and derives what the keys need.
    fn agree(
        &self,
        env: &mut Env<'_>,
        message: &Message,
        parts: &Parts<'_>,
    ) -> Result<(Agreed, Option<Secret>), FailureReason> {
        let Some(sa) = parts.child.sa else {
            let refused = error_notify(&message.payloads).map(failure_of);
            return Err(refused.unwrap_or(FailureReason::InvalidSyntax));
        };
        let chosen =
            proposal::verify_answer_child(&self.proposals, sa).ok_or(FailureReason::NoProposalChosen)?;
        let secret = match (chosen.algorithms.key_exchange, &self.key, parts.ke) {
            (None, ..) => None,
            (Some(method), Some(key), Some(ke)) if method == key.method => {
                Some(key.agree(env, ke).ok_or(FailureReason::InvalidSyntax)?)
            }
            (Some(_), ..) => return Err(FailureReason::InvalidSyntax),
        };
        let (asked, answer) = ((self.wish.child, &self.offered), (self.spi_in, chosen));
        child_sa::verify_answer(env.config, asked, answer, message, &parts.child)
            .map(|agreed| (agreed, secret))
    }

    /// Puts another group in front; false when that was not offered, or asked for too often.
    fn change_group(&mut self, env: &mut Env<'_>, data: &[u8]) -> bool {
        let wanted = <[u8; 2]>::try_from(data).ok().map(u16::from_be_bytes);
        let wanted = wanted.and_then(KeyExchangeMethod::from_transform);
        let offered =
            |proposal: &ChildProposal| wanted.is_some_and(|group| proposal.key_exchange().contains(&group));
        let place = self.proposals.iter().position(offered);
        let (Some(method), Some(place)) = (wanted, place) else { return false };
        self.retries += 1;
        if self.retries > env.config.limits.sa_init_retries {
            return false;
        }
        let mut proposal = self.proposals.remove(place);
        let groups = proposal.key_exchange_mut();
        groups.retain(|other| *other != method);
        groups.insert(0, method);
        self.proposals.insert(0, proposal);
        self.key = Some(KeyPair::draw(env, method));
        true
    }
}

/// Handles the answer to our request.
pub(crate) fn handle_response(
    sa: &mut Established,
    head: &mut Head,
    env: &mut Env<'_>,
    mut sent: Sent,
    message: &Message,
) {
    if let Some(group) = notify_data(message, NotifyType::InvalidKePayload) {
        if sent.change_group(env, group) {
            // The answer has used its Message ID up, unlike in IKE_SA_INIT.
            let id = head.window.next_id().as_u32();
            let pending = sent.send(sa, head, env);
            sa.under_way.insert(id, pending);
        } else {
            refused(sa, head, env, &sent, FailureReason::InvalidKePayload);
        }
        return;
    }
    let Some((parts, nonce)) = Parts::of(message).and_then(|parts| parts.nonce.map(|nonce| (parts, nonce)))
    else {
        let reason = error_notify(&message.payloads).map_or(FailureReason::InvalidSyntax, failure_of);
        refused(sa, head, env, &sent, reason);
        return;
    };
    match sent.agree(env, message, &parts) {
        Ok((agreed, secret)) => accept(sa, head, env, &sent, (agreed, secret), nonce.as_bytes()),
        Err(reason) => {
            refused(sa, head, env, &sent, reason);
            // The peer has it and we have not.
            if let Some(protocol) = parts.child.protocol() {
                sa.request(head, env, Request::DisownChild(Named { protocol, spi_in: sent.spi_in }));
            }
        }
    }
}

/// The peer has agreed: the new Child SA is there, and after a renewal one of the others is to go.
fn accept(
    sa: &mut Established,
    head: &mut Head,
    env: &mut Env<'_>,
    sent: &Sent,
    (agreed, secret): (Agreed, Option<Secret>),
    nonce_r: &[u8],
) {
    let lost = sent.rival.as_ref().is_some_and(|rival| *sent.lowest_nonce(nonce_r) < *rival.lowest_nonce);
    let outbound = if lost { Outbound::Later } else { Outbound::Now };
    let sources =
        KeySources { side: Role::Initiator, nonce_i: &sent.nonce, nonce_r, shared_secret: secret.as_ref() };
    let start = Start { replaces: sent.replaces(), outbound };
    let child = install(head, env, &sa.channel, agreed, sources, start);
    sa.children.push(child);
    let Some(old) = sent.replaces() else { return };
    if lost {
        sa.end_child(head, env, sent.spi_in, CloseReason::Redundant);
        if let Some(old) = sa.child_mut(old) {
            old.phase = Phase::Rekeyed;
        }
    } else {
        if let Some(old) = sa.child_mut(old) {
            old.successor = None;
        }
        sa.end_child(head, env, old, CloseReason::Rekeyed);
    }
}

impl Established {
    /// Deletes a Child SA for `reason`.
    fn end_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32, reason: CloseReason) {
        if let Some(child) = self.child_mut(spi_in) {
            child.phase = Phase::Deleting(reason);
            self.request(head, env, Request::DeleteChild(spi_in));
        }
    }
}

/// Our request has come to nothing.
fn refused(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, sent: &Sent, reason: FailureReason) {
    let Some(old) = sent.replaces() else {
        if reason == FailureReason::TemporaryFailure {
            sa.postpone(env, sent.wish.clone());
        } else {
            sa.refused.insert(sent.wish.child);
            head.child_failed(env, &sent.wish, reason);
        }
        return;
    };
    if sent.rival.is_some() {
        // The peer has finished its own renewal before it saw ours.
        if let Some(old) = sa.child_mut(old) {
            old.phase = Phase::Rekeyed;
        }
        return;
    }
    sent.rekey_failed(head, env, reason);
    if reason == FailureReason::ChildSaNotFound {
        return replace_forgotten(sa, head, env, sent, old);
    }
    let retry_at = env.retry_at();
    if let Some(old) = sa.child_mut(old).filter(|old| old.phase == Phase::Rekeying) {
        old.phase = Phase::Installed;
        old.rekey_at = Some(retry_at);
    }
}

/// The peer does not know the Child SA that we wanted to renew: ours goes too, and a new one is made (RFC 7296 §2.25.1).
fn replace_forgotten(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, sent: &Sent, old: u32) {
    if sa.child(old).is_some() {
        sa.remove_child(head, env, old, CloseReason::Remote);
        sa.request(head, env, Request::CreateChild(sent.wish.clone()));
    }
}

impl<'a> Parts<'a> {
    /// Sorts the payloads; `None` when one comes twice.
    fn of(message: &'a Message) -> Option<Self> {
        let mut parts = Self::default();
        for payload in &message.payloads {
            let twice = match payload {
                Payload::Sa(sa) => parts.child.sa.replace(sa).is_some(),
                Payload::Nonce(nonce) => parts.nonce.replace(nonce).is_some(),
                Payload::Ke(ke) => parts.ke.replace(ke).is_some(),
                Payload::TsI(ts) => parts.child.ts_i.replace(ts.into()).is_some(),
                Payload::TsR(ts) => parts.child.ts_r.replace(ts.into()).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(parts)
    }
}

/// The refusal that names the wanted group (RFC 7296 §1.3).
pub(crate) fn invalid_ke(method: KeyExchangeMethod) -> NotifyPayload {
    NotifyPayload::new(NotifyType::InvalidKePayload, method.transform_id().to_be_bytes().to_vec())
}

pub(crate) fn refuse(kind: NotifyType) -> NotifyPayload {
    NotifyPayload::new(kind, vec![])
}

/// The payload of a nonce of ours.
pub(crate) fn nonce_payload(nonce: &[u8]) -> Payload {
    Payload::Nonce(NoncePayload::new(nonce.to_vec()).expect("our nonces have an allowed length"))
}

fn rekey_notify(old: Named) -> NotifyPayload {
    NotifyPayload::rekey_sa(old.protocol.id(), old.spi_in.to_be_bytes())
}

/// Whether an SA payload offers an IKE SA.
pub(crate) fn offers_ike(sa: &SaPayload) -> bool {
    sa.proposals.first().is_some_and(|proposal| proposal.protocol == ProtocolId::Ike)
}
