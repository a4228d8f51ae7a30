//! What Main Mode and Aggressive Mode have in common: what they gather, and how an ISAKMP SA comes up.

use core::time::Duration;
use std::cmp::Reverse;
use std::sync::Arc;

use ipseclab_crypto::{Hash, Secret};

use crate::config::{Connection, ConnectionId, IkeVersion, Unique};
use crate::event::{Event, FailureReason, IsakmpSaKeys};
use crate::identity::{Fit, Identity};
use crate::profile::V1Message;
use crate::v1::V1Exchange;
use crate::v1::cipher::{Iv, MessageCipher};
use crate::v1::conversation::Awaits;
use crate::v1::established::Established;
use crate::v1::exchange::proof;
use crate::v1::isakmp_sa::{Env, Envelope, Head, State, error_notify, failure_of};
use crate::v1::keys::{IsakmpKeys, PublicValues, Suite, skeyid_of_psk, skeyid_of_signature};
use crate::v1::nat::{self, NatStatus};
use crate::v1::offer::{self, Phase1};
use crate::v1::order::{Order, Plan};
use crate::v2::{Peers, Role, Turn};
use crate::wire::IkeSpi;
use crate::wire::isakmp::{
    HashPayload, IdPayload, KePayload, Message, MessageId, NoncePayload, NotifyPayload, NotifyType, Payload,
    SaPayload,
};

/// What an initiator sets phase 1 up for.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) plan: Plan,
}

impl Goal {
    pub(crate) fn connection(&self) -> ConnectionId {
        self.plan.connection
    }
}

/// What a responder knows from the first message on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    /// The connection whose proposals were agreed on; another one may turn out to fit the peer's identity.
    pub(crate) connection: ConnectionId,
    /// When to forget a peer that does not go on.
    pub(crate) expires: Duration,
    /// How many ISAKMP SAs had come up before.
    pub(crate) begun: Turn,
}

impl Guest {
    pub(crate) fn begin(env: &Env<'_>, connection: ConnectionId) -> Self {
        let expires = env.now.saturating_add(env.config.limits.half_open_timeout);
        Self { connection, expires, begun: env.contacts.next_turn() }
    }
}

/// The public halves of phase 1, the initiator's first.
#[derive(Clone, Debug)]
pub(crate) struct Halves {
    pub(crate) publics: [Vec<u8>; 2],
    pub(crate) nonces: [Vec<u8>; 2],
}

impl Halves {
    /// Ours and the peer's in the right order.
    pub(crate) fn of(role: Role, own: (Vec<u8>, Vec<u8>), peer: (&KePayload, &NoncePayload)) -> Self {
        let peer = (peer.0.as_bytes().to_vec(), peer.1.as_bytes().to_vec());
        let (initiator, responder) = match role {
            Role::Initiator => (own, peer),
            Role::Responder => (peer, own),
        };
        Self { publics: [initiator.0, responder.0], nonces: [initiator.1, responder.1] }
    }
}

/// What both sides know once phase 1 has its keys.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) agreed: Phase1,
    /// The body of the initiator's SA payload, which the proofs cover.
    sa_i: Vec<u8>,
    publics: [Vec<u8>; 2],
    pub(crate) keys: IsakmpKeys,
    pub(crate) cipher: MessageCipher,
    /// That of the next message of phase 1, in the end the one that phase 2 begins from.
    pub(crate) iv: Iv,
}

impl Secured {
    /// Derives the keys and tells the owner. `psk` is the shared secret, where that is how the two authenticate.
    pub(crate) fn derive(
        head: &Head,
        env: &mut Env<'_>,
        agreed: Phase1,
        sa_i: Vec<u8>,
        halves: Halves,
        (shared_secret, psk): (Secret, Option<&Secret>),
    ) -> Option<Self> {
        let suite = Suite::of(agreed.chosen)?;
        let nonces = [halves.nonces[0].as_slice(), halves.nonces[1].as_slice()];
        let skeyid = match psk {
            Some(psk) => skeyid_of_psk(env.crypto, suite.prf, psk, nonces),
            None => skeyid_of_signature(env.crypto, suite.prf, &shared_secret, nonces),
        };
        let keys = IsakmpKeys::derive(env.crypto, suite, skeyid, &shared_secret, head.cookies);
        let cipher = MessageCipher::new(env.crypto, &keys);
        let publics = halves.publics;
        let exchange = PublicValues { public_i: &publics[0], public_r: &publics[1] };
        let iv = cipher.phase1_iv(env.crypto, exchange);
        let secured = Self { agreed, sa_i, publics, keys, cipher, iv };
        env.events.push_back(Event::IsakmpKeysDerived(Box::new(secured.tell(head))));
        Some(secured)
    }

    fn tell(&self, head: &Head) -> IsakmpSaKeys {
        IsakmpSaKeys {
            ike_sa: head.id,
            cookie_i: IkeSpi::new(head.cookies.initiator.as_u64()),
            cookie_r: IkeSpi::new(head.cookies.responder.as_u64()),
            proposal: self.agreed.chosen,
            skeyid: self.keys.skeyid.clone(),
            skeyid_d: self.keys.skeyid_d.clone(),
            skeyid_a: self.keys.skeyid_a.clone(),
            skeyid_e: self.keys.skeyid_e.clone(),
            encryption_key: self.keys.encryption_key.clone(),
        }
    }

    /// `HASH_I` or `HASH_R` of `signer`.
    pub(crate) fn auth_hash(&self, head: &Head, env: &mut Env<'_>, signer: Role, id: &IdPayload) -> Secret {
        let [public_i, public_r] = &self.publics;
        let exchange = PublicValues { public_i, public_r };
        self.keys.auth_hash(env.crypto, signer, exchange, head.cookies, (&self.sa_i, &id.body()))
    }

    /// Seals and sends a message of phase 1.
    pub(crate) fn send(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        exchange: V1Exchange,
        payloads: &[Payload],
        awaits: Awaits,
    ) {
        let envelope = Envelope::phase1(exchange, head.role);
        let message = head.seal(env, (&self.cipher, &mut self.iv), envelope, payloads);
        head.phase1.send(env.now, head.retransmit, message.clone(), awaits);
        head.transmit(env, head.path, message);
    }

    /// Tells the peer, under our keys, that its proof is none (RFC 2408 §5.14: notifications of errors are advisory).
    /// A peer with another secret cannot read it, and nobody else learns anything.
    pub(crate) fn complain(&self, head: &mut Head, env: &mut Env<'_>, kind: NotifyType) {
        let notify = match kind {
            // strongSwan names no SPI where the message could not be read.
            NotifyType::PayloadMalformed => NotifyPayload::isakmp(kind, vec![]),
            _ => NotifyPayload::of_isakmp_sa(kind, head.cookies, vec![]),
        };
        let id = env.draw_message_id();
        let rest = [Payload::Notify(notify)];
        let chain = crate::wire::isakmp::encoded_chain(&rest);
        let hash = self.keys.hash_1(env.crypto, id, &chain);
        let [notify] = rest;
        let payloads = [Payload::Hash(HashPayload::new(hash.expose())), notify];
        let mut iv = self.cipher.exchange_iv(env.crypto, &self.iv, id);
        let envelope = Envelope { exchange: V1Exchange::Informational, id, response: false };
        let message = head.seal(env, (&self.cipher, &mut iv), envelope, &payloads);
        head.transmit(env, head.path, message);
    }

    /// Why the peer gives up, as a protected notification says under our keys; `None` when it is none, or not the
    /// peer's.
    pub(crate) fn open_notify(
        &self,
        env: &mut Env<'_>,
        id: MessageId,
        bytes: &[u8],
    ) -> Option<FailureReason> {
        let iv = self.cipher.exchange_iv(env.crypto, &self.iv, id);
        let opened = self.cipher.open(env.crypto, bytes, &iv).ok()?;
        let [Payload::Hash(hash), ..] = opened.message.payloads.as_slice() else { return None };
        let expected = self.keys.hash_1(env.crypto, id, opened.behind_first());
        let notify = error_notify(&opened.message.payloads)?;
        (Secret::new(hash.as_bytes()) == expected).then(|| failure_of(notify))
    }

    fn hash(&self) -> Hash {
        self.keys.suite.hash
    }

    /// Compares the addresses that a message was seen with to those that its sender believes in.
    pub(crate) fn detect_nat(
        &self,
        head: &Head,
        env: &mut Env<'_>,
        message: &Message,
        fake: bool,
    ) -> NatStatus {
        detect_nat(head, env, self.hash(), message, fake)
    }
}

/// Compares the addresses that a message was seen with to those that its sender believes in.
pub(crate) fn detect_nat(
    head: &Head,
    env: &mut Env<'_>,
    hash: Hash,
    message: &Message,
    fake: bool,
) -> NatStatus {
    let seen = nat::detect(env.crypto, hash, head.cookies, head.received.path, message);
    // A peer without NAT traversal is not impressed by a NAT that we fake.
    seen.map_or_else(NatStatus::default, |seen| NatStatus { faked: fake, ..seen })
}

/// The payloads that say where we believe to be; none to a peer that does not know them.
pub(crate) fn nat_payloads(head: &Head, env: &mut Env<'_>, agreed: Phase1, fake: bool) -> Vec<Payload> {
    let (Some(kind), Some(suite)) = (head.abilities.nat_traversal(), Suite::of(agreed.chosen)) else {
        return vec![];
    };
    nat::payloads(env.crypto, (suite.hash, kind), head.cookies, head.path, fake).to_vec()
}

/// The payloads of a message in the profile's order.
pub(crate) fn arranged(
    head: &Head,
    env: &Env<'_>,
    message: V1Message,
    payloads: Vec<Payload>,
) -> Vec<Payload> {
    let mut arranged = env.config.profile.v1.arrange(message, payloads, &head.abilities.heard);
    arranged.retain(|payload| head.abilities.admits(payload));
    arranged
}

/// The two payloads of a key exchange.
pub(crate) fn key_payloads(public: &[u8], nonce: &[u8]) -> [Payload; 2] {
    let nonce = NoncePayload::new(nonce.to_vec()).expect("our nonces have a length that is allowed");
    [Payload::Ke(KePayload::new(public)), Payload::Nonce(nonce)]
}

/// The payloads of a key exchange and an offer in a message, each exactly once where it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Essentials<'a> {
    pub(crate) sa: Option<&'a SaPayload>,
    pub(crate) ke: Option<&'a KePayload>,
    pub(crate) nonce: Option<&'a NoncePayload>,
}

impl<'a> Essentials<'a> {
    pub(crate) fn of(message: &'a Message) -> Option<Self> {
        let mut parts = Self::default();
        for payload in &message.payloads {
            let twice = match payload {
                Payload::Sa(sa) => parts.sa.replace(sa).is_some(),
                Payload::Ke(ke) => parts.ke.replace(ke).is_some(),
                Payload::Nonce(nonce) => parts.nonce.replace(nonce).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(parts)
    }

    /// Public value and nonce.
    pub(crate) fn key(&self) -> Option<(&'a KePayload, &'a NoncePayload)> {
        self.ke.zip(self.nonce)
    }
}

/// The body of the SA payload as it stands in a message: hashes cover what was sent, not what was understood.
pub(crate) fn sa_body(message: &[u8], first: crate::wire::isakmp::PayloadType) -> Vec<u8> {
    use crate::wire::isakmp::{HEADER_LEN, PayloadType, payload_octets};
    let chain = message.get(HEADER_LEN..).unwrap_or_default();
    let sa = payload_octets(first, chain).find(|(kind, _)| *kind == PayloadType::Sa);
    // Its generic header has four octets.
    sa.and_then(|(_, octets)| octets.get(4..)).unwrap_or_default().to_vec()
}

/// The connection for a first message: the first one that takes a peer from there in this mode and its offer.
pub(crate) fn choose_connection(
    head: &Head,
    env: &Env<'_>,
    aggressive: bool,
    sa: &SaPayload,
) -> Result<(ConnectionId, Phase1), NotifyType> {
    let reachable = |connection: &&Connection| connection.accepts(IkeVersion::V1, head.path.remote.ip());
    let connections = (0_u32..).zip(&env.config.connections);
    let mut reachable = connections.filter(|(_, connection)| reachable(connection)).peekable();
    let mut of_mode =
        reachable.by_ref().filter(|(_, connection)| connection.v1.aggressive == aggressive).peekable();
    if of_mode.peek().is_none() {
        // As strongSwan answers somebody who wants the other mode.
        return Err(NotifyType::AuthenticationFailed);
    }
    let agreed = |(place, connection): (u32, &Connection)| {
        let agreed = offer::select_phase1(connection, Role::Responder, sa)?;
        Some((ConnectionId(place), agreed))
    };
    of_mode.find_map(agreed).ok_or(NotifyType::NoProposalChosen)
}

/// The connection that fits the identity of a peer best, among those that it could have been from the start on.
pub(crate) fn connection_for(
    head: &Head,
    env: &Env<'_>,
    guest: &Guest,
    agreed: &Phase1,
    peer: &Identity,
) -> Option<ConnectionId> {
    let (local, remote) = (head.path.local.ip(), head.path.remote.ip());
    let first = env.config.connection(guest.connection);
    let secret = |connection: &Connection| {
        offer::is_by_secret(agreed.method).then(|| proof::secret_of(env, connection, local, remote))
    };
    let wanted = secret(first);
    let fits = |connection: &Connection| {
        connection.accepts(IkeVersion::V1, remote)
            && connection.v1.aggressive == first.v1.aggressive
            && offer::method_of(connection, Role::Responder) == Some(agreed.method)
            && connection.proposals.iter().any(|proposal| {
                proposal.encryption.contains(&agreed.chosen.encryption)
                    && proposal.prf.contains(&agreed.chosen.prf)
                    && proposal.key_exchange.contains(&agreed.chosen.key_exchange)
            })
            && secret(connection) == wanted
    };
    let candidates = (0_u32..).zip(&env.config.connections).filter(|(_, connection)| fits(connection));
    let known = candidates.filter(|(_, connection)| connection.remote.id.fit(peer) > Fit::None);
    let best = known.max_by_key(|(place, connection)| (connection.remote.id.fit(peer), Reverse(*place)));
    best.map(|(place, _)| ConnectionId(place))
}

/// Whether the first proof to this peer says that there is no other ISAKMP SA with it (RFC 2407 §4.6.3.3).
pub(crate) fn initial_contact(
    head: &Head,
    env: &Env<'_>,
    connection: &Connection,
    own: &Identity,
) -> Option<Payload> {
    let peer = proof::named_peer(&connection.remote.id);
    let address = Identity::Address(head.path.remote.ip());
    let peers = Peers::new(own, peer.unwrap_or(&address));
    let is_first = env.contacts.between(&peers).next().is_none();
    let wanted = connection.v1.initial_contact && connection.unique != Unique::Never && is_first;
    let notify = || NotifyPayload::of_isakmp_sa(NotifyType::InitialContact, head.cookies, vec![]);
    wanted.then(|| Payload::Notify(notify()))
}

/// Whether a message has this notification.
pub(crate) fn has_notify(message: &Message, kind: NotifyType) -> bool {
    message.payloads.iter().any(|payload| matches!(payload, Payload::Notify(notify) if notify.kind == kind))
}

/// How an ISAKMP SA came to be.
#[derive(Debug)]
pub(crate) enum Origin {
    Begun(Goal),
    Answered {
        guest: Guest,
        /// The peer says that it has no other.
        initial_contact: bool,
    },
}

/// Both sides are authenticated.
pub(crate) fn establish(
    head: &mut Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    (own_id, peer_id): (Identity, Identity),
    secured: Secured,
    origin: Origin,
) -> State {
    let peers = Arc::new(Peers::new(&own_id, &peer_id));
    if let Origin::Answered { guest, initial_contact } = &origin {
        settle_rivals(head, env, connection, &peers, guest, *initial_contact);
    }
    let mut sa = Box::new(Established::new(env, (connection, peer_id), peers, secured));
    if let Origin::Begun(goal) = origin {
        sa.replaces = goal.plan.replaces;
        head.waiting.extend(goal.plan.wishes);
    }
    sa.begin(head, env);
    State::Established(sa)
}

/// What becomes of older ISAKMP SAs of the peer of a new one. Without a word from the peer the new one takes their
/// Child SAs over, as strongSwan has it: that is how phase 1 is renewed.
///
/// Model: `unique` says `never` or not; `keep` and `replace` would refuse or break what renews phase 1.
fn settle_rivals(
    head: &Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    peers: &Peers,
    guest: &Guest,
    initial_contact: bool,
) {
    let older: Vec<_> = env.contacts.older(peers, guest.begun).collect();
    let same = |id: &crate::event::IkeSaId| {
        env.contacts.between(peers).any(|(other, of)| other == *id && of == connection)
    };
    let unique = env.config.connection(connection).unique;
    if initial_contact && unique != Unique::Never {
        for old in older {
            env.pools.release(old);
            env.orders.push_back(Order::Forget(old));
        }
        return;
    }
    let same: Vec<_> = older.into_iter().filter(same).collect();
    if !same.is_empty() {
        env.orders.push_back(Order::Succeed(head.id, same));
    }
}
