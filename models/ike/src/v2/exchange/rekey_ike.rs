//! `CREATE_CHILD_SA` for the IKE SA itself (RFC 7296 §1.3.2, §2.18): fresh keys without a fresh authentication.
//!
//! ```text
//! requester                                      answerer
//! HDR, SK { SA, Ni, KEi }                 ──►
//!                                         ◄──   HDR, SK { SA, Nr, KEr }
//!                                     or  ◄──   HDR, SK { N(INVALID_KE_PAYLOAD | NO_PROPOSAL_CHOSEN | TEMPORARY_FAILURE) }
//! HDR, SK { D(IKE) }                      ──►   (on the old IKE SA)
//!                                         ◄──   HDR, SK { }
//! ```
//!
//! The new IKE SA inherits the Child SAs. When renewals cross (§2.8.2), each side answers, and of the four nonces the
//! lowest decides: whoever made the IKE SA that it belongs to deletes that one, and the other side deletes the old one.
//! Until that is decided the new IKE SAs own nothing.

use ipseclab_crypto::{KeyExchangeMethod, Secret};

use crate::config::IkeVersion;
use crate::event::{
    CloseReason, CreateChildSubject, Event, FailureReason, IkeSaEstablished, IkeSaId, IkeSaKeys,
};
use crate::proposal::{self, ChosenIke, IkeProposal};
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::established::Established;
use crate::v2::exchange::create_child::{KeyPair, invalid_ke, nonce_payload, offers_ike, refuse};
use crate::v2::ike_sa::{Env, Head, IkeSa, State, error_notify, failure_of, notify_data};
use crate::v2::keys::{IkeKeys, SaInitValues};
use crate::v2::order::Order;
use crate::v2::request::{Pending, Request};
use crate::v2::schedule::Schedule;
use crate::v2::window::Window;
use crate::wire::{
    ExchangeType, IkeSpi, KePayload, Message, NoncePayload, NotifyPayload, NotifyType, Payload, SaPayload,
};

/// A request for a new IKE SA under way.
#[derive(Debug)]
pub(crate) struct Sent {
    spi_i: IkeSpi,
    nonce: Vec<u8>,
    /// In the order of this request.
    proposals: Vec<IkeProposal>,
    key: KeyPair,
    rival: Option<Rival>,
    retries: u32,
}

/// The IKE SA that the peer's crossing renewal has made.
#[derive(Debug)]
struct Rival {
    ike_sa: IkeSaId,
    lowest_nonce: Vec<u8>,
}

/// The payloads of a message of this exchange.
struct Parts<'a> {
    sa: &'a SaPayload,
    nonce: &'a NoncePayload,
    ke: &'a KePayload,
}

/// The new IKE SA, before it is one.
struct Fresh {
    role: Role,
    chosen: ChosenIke,
    spis: (IkeSpi, IkeSpi),
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    secret: Secret,
}

/// Whether a `CREATE_CHILD_SA` request is for an IKE SA.
pub(crate) fn is_request(message: &Message) -> bool {
    let offers = |payload: &Payload| matches!(payload, Payload::Sa(sa) if offers_ike(sa));
    message.payloads.iter().any(offers)
}

/// Sends the request.
pub(crate) fn initiate(sa: &mut Established, head: &mut Head, env: &mut Env<'_>) -> Pending {
    let proposals = env.config.connection(sa.connection).proposals.clone();
    // The group that both sides are known to accept.
    let key = KeyPair::draw(env, sa.channel.chosen.key_exchange);
    let nonce = env.draw_nonce();
    let sent = Sent { spi_i: env.draw_ike_spi(), nonce, proposals, key, rival: None, retries: 0 };
    sent.send(sa, head, env)
}

impl Sent {
    /// The IKE SA that the peer's crossing renewal has made.
    pub(crate) fn rival(&self) -> Option<IkeSaId> {
        self.rival.as_ref().map(|rival| rival.ike_sa)
    }

    fn send(self, sa: &mut Established, head: &mut Head, env: &mut Env<'_>) -> Pending {
        let spi = self.spi_i.as_u64().to_be_bytes();
        let numbered = self.proposals.iter().zip(1_u8..);
        let proposals = numbered.map(|(proposal, number)| proposal.to_wire(number, &spi)).collect();
        let payloads = [Payload::Sa(SaPayload { proposals }), nonce_payload(&self.nonce), self.key.payload()];
        let (ike_sa, message_id) = (head.id, head.window.next_id());
        let subject = CreateChildSubject::RekeyIke;
        env.events.push_back(Event::CreateChildSaBegan { ike_sa, message_id, subject });
        head.send_protected_request(env, &mut sa.channel, ExchangeType::CreateChildSa, &payloads);
        Pending::RekeyIke(Box::new(self))
    }

    /// Takes another group; false when that was not offered, or asked for too often.
    fn change_group(&mut self, env: &mut Env<'_>, data: &[u8]) -> bool {
        let wanted = <[u8; 2]>::try_from(data).ok().map(u16::from_be_bytes);
        let wanted = wanted.and_then(KeyExchangeMethod::from_transform);
        let offered = |method: &KeyExchangeMethod| {
            self.proposals.iter().any(|proposal| proposal.key_exchange.contains(method))
        };
        let Some(method) = wanted.filter(offered) else { return false };
        self.retries += 1;
        if self.retries > env.config.limits.sa_init_retries {
            return false;
        }
        self.key = KeyPair::draw(env, method);
        true
    }

    /// Checks the answer.
    fn agree(&self, env: &mut Env<'_>, parts: &Parts<'_>) -> Result<Fresh, FailureReason> {
        let chosen = proposal::verify_answer_ike(&self.proposals, parts.sa)
            .filter(|chosen| chosen.key_exchange == self.key.method)
            .ok_or(FailureReason::NoProposalChosen)?;
        let spi_r = proposed_spi(parts.sa, chosen.number).ok_or(FailureReason::InvalidSyntax)?;
        let secret = self.key.agree(env, parts.ke).ok_or(FailureReason::InvalidSyntax)?;
        let (nonce_i, nonce_r) = (self.nonce.clone(), parts.nonce.as_bytes().to_vec());
        Ok(Fresh { role: Role::Initiator, chosen, spis: (self.spi_i, spi_r), nonce_i, nonce_r, secret })
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
    let refusal = error_notify(&message.payloads).map_or(FailureReason::InvalidSyntax, failure_of);
    let fresh = Parts::of(message).ok_or(refusal).and_then(|parts| sent.agree(env, &parts));
    match fresh {
        Ok(fresh) => accept(sa, head, env, &sent, &fresh),
        Err(reason) => refused(sa, head, env, &sent, reason),
    }
}

/// The peer has agreed. The new IKE SA lives, or loses against the one that the peer has made.
fn accept(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, sent: &Sent, fresh: &Fresh) {
    let new = build(sa, head, env, fresh);
    let heir = new.head.id;
    env.orders.push_back(Order::Insert(Box::new(new)));
    match &sent.rival {
        Some(rival) if fresh.lowest_nonce() < rival.lowest_nonce.as_slice() => {
            env.orders.push_back(Order::Request(heir, Request::DeleteIke(CloseReason::Redundant)));
            sa.bequeath(head, env, rival.ike_sa);
        }
        _ => {
            sa.bequeath(head, env, heir);
            sa.request(head, env, Request::DeleteIke(CloseReason::Rekeyed));
        }
    }
}

/// Our request has come to nothing.
fn refused(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, sent: &Sent, reason: FailureReason) {
    if let Some(heir) = sent.rival() {
        // The peer has finished its own renewal before it saw ours.
        return sa.bequeath(head, env, heir);
    }
    env.events.push_back(Event::RekeyFailed { ike_sa: head.id, spi_in: None, reason });
    sa.schedule.rekey = Some(env.retry_at());
}

/// Handles a request of the peer.
pub(crate) fn handle_request(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, message: &Message) {
    match answer(sa, head, env, message) {
        Ok((fresh, payloads)) => {
            head.send_protected_response(env, &mut sa.channel, &message.header, &payloads);
            let new = build(sa, head, env, &fresh);
            let ike_sa = new.head.id;
            let crossing = sa.rekeying().is_some();
            env.orders.push_back(Order::Insert(Box::new(new)));
            if let Some(sent) = sa.rekeying() {
                sent.rival = Some(Rival { ike_sa, lowest_nonce: fresh.lowest_nonce().to_vec() });
            }
            if !crossing {
                sa.bequeath(head, env, ike_sa);
            }
        }
        Err(refusal) => {
            let payloads = [Payload::Notify(refusal)];
            head.send_protected_response(env, &mut sa.channel, &message.header, &payloads);
        }
    }
}

fn answer(
    sa: &mut Established,
    head: &Head,
    env: &mut Env<'_>,
    message: &Message,
) -> Result<(Fresh, Vec<Payload>), NotifyPayload> {
    let rival = sa.rekeying().is_some_and(|sent| sent.rival.is_some());
    if sa.is_ending(head) || sa.is_replaced() || sa.has_child_exchange() || rival {
        return Err(refuse(NotifyType::TemporaryFailure));
    }
    let parts = Parts::of(message).ok_or_else(|| refuse(NotifyType::InvalidSyntax))?;
    let proposals = &env.config.connection(sa.connection).proposals;
    let chosen = proposal::select_ike(proposals, parts.sa);
    let chosen = chosen.ok_or_else(|| refuse(NotifyType::NoProposalChosen))?;
    let spi_i = proposed_spi(parts.sa, chosen.number).ok_or_else(|| refuse(NotifyType::InvalidSyntax))?;
    if parts.ke.method != chosen.key_exchange.transform_id() {
        return Err(invalid_ke(chosen.key_exchange));
    }
    let key = KeyPair::draw(env, chosen.key_exchange);
    let secret = key.agree(env, parts.ke).ok_or_else(|| refuse(NotifyType::InvalidSyntax))?;
    let (nonce_i, nonce_r) = (parts.nonce.as_bytes().to_vec(), env.draw_nonce());
    let spi_r = env.draw_ike_spi();
    let proposals = vec![chosen.to_wire(chosen.number, &spi_r.as_u64().to_be_bytes())];
    let payloads = vec![Payload::Sa(SaPayload { proposals }), nonce_payload(&nonce_r), key.payload()];
    let fresh = Fresh { role: Role::Responder, chosen, spis: (spi_i, spi_r), nonce_i, nonce_r, secret };
    Ok((fresh, payloads))
}

impl Fresh {
    fn lowest_nonce(&self) -> &[u8] {
        self.nonce_i.as_slice().min(&self.nonce_r)
    }
}

/// Makes the new IKE SA and tells the owner. It owns no Child SAs until the old one leaves them to it.
fn build(sa: &Established, old: &Head, env: &mut Env<'_>, fresh: &Fresh) -> IkeSa {
    let (spi_i, spi_r) = fresh.spis;
    let values = SaInitValues { nonce_i: &fresh.nonce_i, nonce_r: &fresh.nonce_r, spi_i, spi_r };
    let keys = sa.channel.keys.rekey(env.crypto, (sa.channel.chosen, fresh.chosen), &fresh.secret, values);
    let mut head = Head::new(env.new_id(), fresh.role, old.received);
    let (own, peer) = old.window.sizes();
    (head.spi_i, head.spi_r) = fresh.spis;
    (head.path, head.nat, head.retransmit) = (old.path, old.nat, old.retransmit);
    head.window = Window::sized(own, peer);
    (head.extensions, head.last_sent) = (old.extensions.inherited(), old.last_sent);
    announce(sa, &head, env, old.id, (fresh.chosen, &keys));
    let channel = Channel::new(env.crypto, env.random, fresh.role, fresh.chosen, keys);
    let schedule = Schedule::begin(env, sa.connection, sa.schedule.reauth);
    let mut new =
        Established::new(env, (sa.connection, sa.peer_id.clone()), sa.peers.clone(), channel, schedule);
    new.refused.clone_from(&sa.refused);
    // Should it never inherit anything, because the peer's own stays and its Delete is lost, it is forgotten.
    new.expect_estate(&head, env);
    IkeSa { head, state: State::Established(Box::new(new)) }
}

fn announce(
    sa: &Established,
    head: &Head,
    env: &mut Env<'_>,
    old: IkeSaId,
    (proposal, keys): (ChosenIke, &IkeKeys),
) {
    let (ike_sa, spi_i, spi_r) = (head.id, head.spi_i, head.spi_r);
    let keys = keys.clone();
    env.events.push_back(Event::KeysDerived(Box::new(IkeSaKeys { ike_sa, spi_i, spi_r, proposal, keys })));
    env.events.push_back(Event::IkeSaEstablished(Box::new(IkeSaEstablished {
        ike_sa,
        version: IkeVersion::V2,
        connection: sa.connection,
        replaces: Some(old),
        role: head.role,
        spi_i,
        spi_r,
        proposal,
        peer_id: sa.peer_id.clone(),
        local: head.path.local,
        remote: head.path.remote,
        nat_detected: head.nat.detected(),
    })));
}

impl<'a> Parts<'a> {
    /// The three payloads, each exactly once.
    fn of(message: &'a Message) -> Option<Self> {
        let (mut sa, mut nonce, mut ke) = (None, None, None);
        for payload in &message.payloads {
            let twice = match payload {
                Payload::Sa(payload) => sa.replace(payload).is_some(),
                Payload::Nonce(payload) => nonce.replace(payload).is_some(),
                Payload::Ke(payload) => ke.replace(payload).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(Self { sa: sa?, nonce: nonce?, ke: ke? })
    }
}

/// The SPI that the sender of a proposal wants for the new IKE SA.
fn proposed_spi(sa: &SaPayload, number: u8) -> Option<IkeSpi> {
    let proposal = sa.proposals.iter().find(|proposal| proposal.number == number)?;
    let spi = <[u8; 8]>::try_from(proposal.spi.as_slice()).ok().map(u64::from_be_bytes)?;
    (spi != 0).then(|| IkeSpi::new(spi))
}
