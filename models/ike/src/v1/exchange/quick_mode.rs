//! Quick Mode (RFC 2409 §5.5): phase 2, which makes Child SAs and renews them.
//!
//! ```text
//!    initiator                                              responder
//! 1  HDR*, HASH(1), SA, Ni, [KE], IDci, IDcr, [NAT-OA, NAT-OA]    ──►
//!          ◄──  HDR*, HASH(2), SA, Nr, [KE], IDci, IDcr, [NAT-OA, NAT-OA]      2
//! 3  HDR*, HASH(3)                                                ──►
//!
//!          ◄──  HDR*, HASH(1), N(error)     instead of 2, in an Informational exchange
//! ```
//!
//! The responder has its Child SA with message 3 only, and repeats message 2 until it comes. When it does not come
//! although the initiator may have its Child SA, the responder deletes that.
//!
//! A Child SA of the same child and traffic as one that is up renews that one; IKEv1 has no other word for it. The old
//! one receives until its lifetime is over, as strongSwan has it.
//!
//! Left out: several SAs in one Quick Mode, and the commit bit.

use ipseclab_crypto::{Crypto, Secret};

use crate::config::{ChildId, Mode};
use crate::event::{CreateChildSubject, DropReason, Event, FailureReason};
use crate::profile::V1Message;
use crate::v1::V1Exchange;
use crate::v1::abilities::NatTraversal;
use crate::v1::child_sa::{Agreed, ChildSa, Phase, Sources, Traffic, Wish};
use crate::v1::cipher::Opened;
use crate::v1::conversation::Awaits;
use crate::v1::established::{Established, Exchange, Work};
use crate::v1::exchange::phase1::{Essentials, arranged};
use crate::v1::isakmp_sa::{Env, Envelope, Head, KeyPair};
use crate::v1::keys::IsakmpKeys;
use crate::v1::offer::{self, Phase2, Phase2Terms};
use crate::v2::Role;
use crate::wire::isakmp::{
    HashPayload, IdPayload, KePayload, Message, MessageId, NatOaPayload, NoncePayload, NotifyType, Payload,
    SaPayload, encoded_chain,
};

/// The initiator after message 1.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) wish: Wish,
    traffic: Traffic,
    ids: [IdPayload; 2],
    pub(crate) terms: Phase2Terms,
    pair: Option<KeyPair>,
    nonce: Vec<u8>,
}

/// The responder after message 2.
#[derive(Debug)]
pub(crate) struct Answered {
    agreed: Agreed,
    nonces: [Vec<u8>; 2],
    shared_secret: Option<Secret>,
}

impl Answered {
    /// The HASH(3) that the peer's message must have.
    pub(crate) fn expected(&self, crypto: &mut Crypto, keys: &IsakmpKeys, opened: &Opened) -> Secret {
        let nonces = [self.nonces[0].as_slice(), self.nonces[1].as_slice()];
        keys.hash_3(crypto, opened.message.header.message_id, nonces)
    }

    /// Whether the peer will receive with this SPI.
    pub(crate) fn is_sent_with(&self, spi: u32) -> bool {
        let Phase2 { main, around, .. } = &self.agreed.phase2;
        std::iter::once(main).chain(around).any(|part| part.chosen.spi == spi.to_be_bytes())
    }

    /// The inbound SPIs that it will have.
    pub(crate) fn spis_in(&self) -> impl Iterator<Item = u32> {
        let terms = self.agreed.terms;
        std::iter::once(terms.spi_in).chain(terms.ah_spi_in)
    }
}

impl Begun {
    /// The HASH(2) that the peer's message must have.
    pub(crate) fn expected(&self, crypto: &mut Crypto, keys: &IsakmpKeys, opened: &Opened) -> Secret {
        keys.hash_2(crypto, opened.message.header.message_id, &self.nonce, opened.behind_first())
    }

    /// The inbound SPIs that it will have.
    pub(crate) fn spis_in(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.terms.spi_in).chain(self.terms.ah_spi_in)
    }
}

/// The payloads of a Quick Mode message beside the hash.
struct Parts<'a> {
    sa: &'a SaPayload,
    nonce: &'a NoncePayload,
    ke: Option<&'a KePayload>,
    ids: Option<[&'a IdPayload; 2]>,
}

impl<'a> Parts<'a> {
    fn of(message: &'a Message) -> Option<Self> {
        let Essentials { sa, ke, nonce } = Essentials::of(message)?;
        let ids: Vec<_> = message
            .payloads
            .iter()
            .filter_map(|payload| match payload {
                Payload::Id(id) => Some(id),
                _ => None,
            })
            .collect();
        let ids = match ids[..] {
            [] => None,
            [initiator, responder] => Some([initiator, responder]),
            _ => return None,
        };
        Some(Self { sa: sa?, nonce: nonce?, ke, ids })
    }
}

/// What a Child SA of `child` is offered with.
fn terms(head: &Head, env: &mut Env<'_>, child: ChildId) -> Phase2Terms {
    let config = env.config.child(child);
    let mode = offer::encapsulation(config.mode, head.nat.detected());
    let (_, around) = offer::protocols_of(config);
    let spi_in = env.draw_child_spi(&[]);
    let ah_spi_in = around.then(|| env.draw_child_spi(&[spi_in]));
    Phase2Terms { mode, spi_in, ah_spi_in }
}

/// Nonce, key exchange, identities and original addresses, in their order.
fn payloads(
    head: &Head,
    side: Role,
    mode: Mode,
    (nonce, public): (&[u8], Option<&[u8]>),
    ids: &[IdPayload; 2],
) -> Vec<Payload> {
    let nonce = NoncePayload::new(nonce.to_vec()).expect("our nonces have a length that is allowed");
    let mut payloads = vec![Payload::Nonce(nonce)];
    payloads.extend(public.map(|public| Payload::Ke(KePayload::new(public))));
    payloads.extend(ids.iter().cloned().map(Payload::Id));
    if mode == Mode::Transport && head.nat.detected() {
        payloads.extend(original_addresses(head, side));
    }
    payloads
}

/// Where the two sides are as we see it, the initiator first (RFC 3947 §5.2).
fn original_addresses(head: &Head, side: Role) -> [Payload; 2] {
    let (local, remote) = (head.path.local.ip(), head.path.remote.ip());
    let addresses = if side == Role::Initiator { [local, remote] } else { [remote, local] };
    addresses.map(|address| NatOaPayload { address }).map(match head.abilities.nat_traversal() {
        Some(NatTraversal::Draft) => Payload::NatOaDraft,
        _ => Payload::NatOa,
    })
}

impl Established {
    /// Begins the next Quick Mode that waits, if none of ours is under way.
    pub(crate) fn proceed(&mut self, head: &mut Head, env: &mut Env<'_>) {
        while self.may_ask() {
            let Some(wish) = head.waiting.pop_front() else { return };
            self.begin_quick_mode(head, env, wish);
        }
    }

    fn begin_quick_mode(&mut self, head: &mut Head, env: &mut Env<'_>, wish: Wish) {
        let old = wish.rekeys.and_then(|spi| self.child(spi)).map(|old| old.traffic.clone());
        if wish.rekeys.is_some() && old.is_none() {
            return;
        }
        let config = env.config.child(wish.child);
        let hosts = self.addresses.hosts(head.path);
        let traffic = old.or_else(|| Traffic::wanted(config, &hosts));
        let traffic = traffic.and_then(|traffic| Some((traffic.ids(Role::Initiator)?, traffic)));
        let Some((ids, traffic)) = traffic else {
            return self.give_wish_up(head, env, &wish, FailureReason::TsUnacceptable);
        };
        if self.children.len() >= env.config.limits.children {
            return self.give_wish_up(head, env, &wish, FailureReason::NoAdditionalSas);
        }
        let terms = terms(head, env, wish.child);
        let pair = offer::wanted_group(config).map(|method| env.draw_key_pair(method));
        let begun = Begun { wish, traffic, ids, terms, pair, nonce: env.draw_nonce() };
        self.send_offer(head, env, begun);
    }

    fn send_offer(&mut self, head: &mut Head, env: &mut Env<'_>, begun: Begun) {
        let id = self.new_message_id(env);
        let Begun { wish, terms, pair, nonce, ids, .. } = &begun;
        let config = env.config.child(wish.child);
        let sa = offer::offer_phase2(config, &env.config.profile.v1, terms);
        let public = pair.as_ref().map(|pair| pair.public.as_slice());
        let mut rest = vec![Payload::Sa(sa)];
        rest.extend(payloads(head, Role::Initiator, config.mode, (nonce, public), ids));
        let rest = arranged(head, env, V1Message::QuickOffer, rest);
        let payloads = self.hashed(env, id, rest);
        let subject = match wish.rekeys {
            Some(spi) => CreateChildSubject::RekeyChild(spi),
            None => CreateChildSubject::Child(wish.child),
        };
        if self.is_later(wish) {
            let message_id = crate::wire::MessageId::new(id.as_u32());
            env.events.push_back(Event::CreateChildSaBegan { ike_sa: head.id, message_id, subject });
        }
        let iv = self.cipher.exchange_iv(env.crypto, &self.phase1_iv, id);
        let mut exchange = Exchange::new(iv, Work::QuickBegun(Box::new(begun)));
        let envelope = Envelope { exchange: V1Exchange::QuickMode, id, response: false };
        exchange.send(head, env, &self.cipher, (envelope, &payloads), Awaits::Answer);
        self.exchanges.insert(id, exchange);
    }

    /// Handles message 1.
    pub(crate) fn answer_quick_mode(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        opened: Opened,
    ) -> Result<(), DropReason> {
        let id = opened.message.header.message_id;
        let expected = self.keys.hash_1(env.crypto, id, opened.behind_first());
        opened.check_hash(&expected)?;
        self.note_authentic(head, env, id);
        let message = &opened.message;
        let Some(parts) = Parts::of(message) else {
            self.send_refusal(head, env, NotifyType::PayloadMalformed, &[]);
            return Ok(());
        };
        let offered = parts.sa.proposals.last().map(|proposal| proposal.spi.clone()).unwrap_or_default();
        let answered = self.judge_offer(head, env, &parts);
        let (answered, ids, public, nonce) = match answered {
            Ok(answered) => answered,
            Err((child, reason)) => {
                self.send_refusal(head, env, refusal(reason), &offered);
                let (ike_sa, connection) = (head.id, self.connection);
                env.events.push_back(Event::ChildSaFailed { ike_sa, connection, child, reason });
                return Ok(());
            }
        };
        let Agreed { wish, phase2, terms, .. } = &answered.agreed;
        let config = env.config.child(wish.child);
        let mut rest = vec![Payload::Sa(offer::choice_phase2(phase2, &env.config.profile.v1, terms))];
        rest.extend(payloads(head, Role::Responder, config.mode, (&nonce, public.as_deref()), &ids));
        let rest = arranged(head, env, V1Message::QuickChoice, rest);
        let hash = self.keys.hash_2(env.crypto, id, &answered.nonces[0], &encoded_chain(&rest));
        let mut payloads = vec![Payload::Hash(HashPayload::new(hash.expose()))];
        payloads.extend(rest);
        let mut exchange = Exchange::new(opened.next_iv, Work::QuickAnswered(Box::new(answered)));
        exchange.conversation.accept(head.received.print);
        let envelope = Envelope { exchange: V1Exchange::QuickMode, id, response: true };
        exchange.send(head, env, &self.cipher, (envelope, &payloads), Awaits::Answer);
        self.exchanges.insert(id, exchange);
        Ok(())
    }

    /// What an offer comes to: the state of the exchange, the identities as they came, our public value and nonce.
    #[expect(clippy::type_complexity, reason = "the parts go into one message and are named there")]
    fn judge_offer(
        &self,
        head: &Head,
        env: &mut Env<'_>,
        parts: &Parts<'_>,
    ) -> Result<(Answered, [IdPayload; 2], Option<Vec<u8>>, Vec<u8>), (Option<ChildId>, FailureReason)> {
        let (child, traffic) =
            self.matching_child(head, env, parts).ok_or((None, FailureReason::TsUnacceptable))?;
        let fail = |reason| (Some(child), reason);
        if self.children.len() + self.exchanges.len() >= env.config.limits.children {
            return Err(fail(FailureReason::NoAdditionalSas));
        }
        let config = env.config.child(child);
        let mode = offer::encapsulation(config.mode, head.nat.detected());
        let ke_len = Some(parts.ke.map_or(0, |ke| ke.as_bytes().len()));
        let phase2 = offer::select_phase2(config, mode, ke_len, parts.sa);
        let phase2 = phase2.ok_or(fail(FailureReason::NoProposalChosen))?;
        let pair = phase2.main.chosen.key_exchange.map(|method| env.draw_key_pair(method));
        let shared_secret = match (&pair, parts.ke) {
            (Some(pair), Some(ke)) => {
                let shared = pair.private.shared_secret(env.crypto, ke.as_bytes());
                Some(shared.map_err(|_| fail(FailureReason::InvalidKePayload))?)
            }
            _ => None,
        };
        let terms = terms(head, env, child);
        let nonce = env.draw_nonce();
        let rekeys = self.renewed_by(child, &traffic).map(|old| old.spi_in);
        let ids = match parts.ids {
            Some([initiator, responder]) => Some([initiator.clone(), responder.clone()]),
            None => traffic.ids(Role::Responder),
        };
        let ids = ids.ok_or(fail(FailureReason::TsUnacceptable))?;
        let agreed = Agreed { wish: Wish { child, rekeys }, phase2, terms, traffic };
        let nonces = [parts.nonce.as_bytes().to_vec(), nonce.clone()];
        let public = pair.map(|pair| pair.public);
        Ok((Answered { agreed, nonces, shared_secret }, ids, public, nonce))
    }

    /// The child whose policy has the traffic that is asked for; one with just that goes first.
    fn matching_child(&self, head: &Head, env: &Env<'_>, parts: &Parts<'_>) -> Option<(ChildId, Traffic)> {
        let hosts = self.addresses.hosts(head.path);
        let addresses = [head.path.local.ip(), head.path.remote.ip()];
        let asked = Traffic::of_ids(parts.ids, Role::Responder, addresses)?;
        let fitting = env.config.children(self.connection).filter_map(|(id, child)| {
            let traffic = asked.clone().seen_from_here(child, head);
            let exact = traffic.fit(child, &hosts)?;
            Some((exact, id, traffic))
        });
        let mut fitting: Vec<_> = fitting.collect();
        let best = fitting.iter().position(|(exact, ..)| *exact).unwrap_or(0);
        (!fitting.is_empty()).then(|| fitting.swap_remove(best)).map(|(_, id, traffic)| (id, traffic))
    }

    /// The newest Child SA of the same child and traffic that is still in use.
    fn renewed_by(&self, child: ChildId, traffic: &Traffic) -> Option<&ChildSa> {
        let same = |sa: &&ChildSa| sa.child == child && sa.traffic == *traffic && sa.phase != Phase::Rekeyed;
        self.children.iter().rfind(same)
    }

    /// Handles message 2, whose hash is right, and sends message 3.
    pub(crate) fn conclude_quick_mode(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        (mut exchange, begun): (Exchange, Box<Begun>),
        message: &Message,
    ) {
        let id = message.header.message_id;
        let wish = begun.wish;
        match verify_choice(env, *begun, message) {
            Ok((agreed, nonces, shared)) => {
                let hash = self.keys.hash_3(env.crypto, id, [&nonces[0], &nonces[1]]);
                let payloads = [Payload::Hash(HashPayload::new(hash.expose()))];
                let envelope = Envelope { exchange: V1Exchange::QuickMode, id, response: false };
                exchange.send(head, env, &self.cipher, (envelope, &payloads), Awaits::Nothing);
                let sources = Sources {
                    side: Role::Initiator,
                    nonces: [&nonces[0], &nonces[1]],
                    shared_secret: shared.as_ref(),
                };
                let child = agreed.install(head, env, &self.keys, sources);
                self.take_in(child, wish.rekeys);
                self.pass_on(head, env);
            }
            Err((reason, spi)) => {
                self.send_refusal(head, env, refusal(reason), &spi);
                self.give_wish_up(head, env, &wish, reason);
            }
        }
        exchange.finish(head, env);
        self.exchanges.insert(id, exchange);
        self.proceed(head, env);
    }

    /// Handles message 3, whose hash is right.
    pub(crate) fn confirm_quick_mode(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        id: MessageId,
        (mut exchange, answered): (Exchange, Box<Answered>),
    ) {
        let Answered { mut agreed, nonces, shared_secret } = *answered;
        // What it was to renew may have ended meanwhile.
        agreed.wish.rekeys = agreed.wish.rekeys.filter(|spi| self.child(*spi).is_some());
        let rekeys = agreed.wish.rekeys;
        let nonces = [nonces[0].as_slice(), nonces[1].as_slice()];
        let sources = Sources { side: Role::Responder, nonces, shared_secret: shared_secret.as_ref() };
        let child = agreed.install(head, env, &self.keys, sources);
        self.take_in(child, rekeys);
        self.pass_on(head, env);
        exchange.finish(head, env);
        self.exchanges.insert(id, exchange);
    }

    /// A new Child SA, and what it renews.
    fn take_in(&mut self, child: ChildSa, rekeys: Option<u32>) {
        self.refused.remove(&child.child);
        if let Some(old) = rekeys.and_then(|spi| self.child_mut(spi)) {
            old.phase = Phase::Rekeyed;
        }
        self.children.push(child);
    }

    /// The peer has refused a Quick Mode of ours: the one that offered `spi`, or the only one.
    pub(crate) fn fail_quick_mode(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        spi: Option<u32>,
        reason: FailureReason,
    ) {
        let is_it = |exchange: &Exchange| match &exchange.work {
            Work::QuickBegun(begun) => spi.is_none_or(|spi| begun.spis_in().any(|ours| ours == spi)),
            _ => false,
        };
        let found = self.exchanges.iter().find(|(_, exchange)| is_it(exchange)).map(|(id, _)| *id);
        if let Some(id) = found {
            self.abandon_quick_mode(head, env, id, reason);
            self.proceed(head, env);
        }
    }

    /// A Quick Mode of ours comes to nothing.
    pub(crate) fn abandon_quick_mode(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        id: MessageId,
        reason: FailureReason,
    ) {
        if let Some(Exchange { work: Work::QuickBegun(begun), .. }) = self.exchanges.remove(&id) {
            self.give_wish_up(head, env, &begun.wish, reason);
        }
    }

    /// Nothing comes of a wish. What it was to renew lives on, and is tried again when that may help.
    pub(crate) fn give_wish_up(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        wish: &Wish,
        reason: FailureReason,
    ) {
        head.child_failed(env, wish, reason);
        match wish.rekeys {
            None => {
                self.refused.insert(wish.child);
            }
            Some(spi) => {
                let again = env.retry_at();
                if let Some(old) = self.child_mut(spi)
                    && old.phase == Phase::Rekeying
                {
                    old.phase = Phase::Installed;
                    old.rekey_at = Some(again);
                }
            }
        }
    }
}

/// Checks message 2: what was chosen, and that the identities are ours (RFC 2409 §5.5).
#[expect(clippy::type_complexity, reason = "the parts go into one Child SA and are named there")]
fn verify_choice(
    env: &mut Env<'_>,
    begun: Begun,
    message: &Message,
) -> Result<(Agreed, [Vec<u8>; 2], Option<Secret>), (FailureReason, Vec<u8>)> {
    let parts = Parts::of(message).ok_or((FailureReason::InvalidSyntax, vec![]))?;
    let spi = parts.sa.proposals.last().map(|proposal| proposal.spi.clone()).unwrap_or_default();
    let fail = |reason| (reason, spi.clone());
    let Begun { wish, traffic, ids, terms, pair, nonce } = begun;
    let same = parts.ids.is_none_or(|theirs| theirs.into_iter().eq(&ids));
    if !same {
        return Err(fail(FailureReason::TsUnacceptable));
    }
    let phase2 = offer::verify_phase2(env.config.child(wish.child), terms.mode, parts.sa);
    let phase2 = phase2.ok_or_else(|| fail(FailureReason::NoProposalChosen))?;
    let shared = match (pair, parts.ke) {
        (None, None) => None,
        (Some(pair), Some(ke)) => {
            let shared = pair.private.shared_secret(env.crypto, ke.as_bytes());
            Some(shared.map_err(|_| fail(FailureReason::InvalidKePayload))?)
        }
        _ => return Err(fail(FailureReason::InvalidKePayload)),
    };
    let nonces = [nonce, parts.nonce.as_bytes().to_vec()];
    Ok((Agreed { wish, phase2, terms, traffic }, nonces, shared))
}

/// What the peer is told of a Quick Mode that we refuse.
fn refusal(reason: FailureReason) -> NotifyType {
    match reason {
        FailureReason::TsUnacceptable => NotifyType::InvalidIdInformation,
        FailureReason::InvalidKePayload => NotifyType::InvalidKeyInformation,
        FailureReason::InvalidSyntax => NotifyType::PayloadMalformed,
        _ => NotifyType::NoProposalChosen,
    }
}
