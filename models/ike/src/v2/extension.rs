//! What the two sides of an IKE SA have agreed on beyond the exchanges themselves: fragments (RFC 7383), MOBIKE
//! (RFC 4555) and wider windows (RFC 7296 §2.3).
//!
//! Fragments are announced in `IKE_SA_INIT`, the rest in `IKE_AUTH`; a renewed IKE SA inherits all of it. Of MOBIKE
//! there is what one address on each side needs: the initiator's address may change, and either side notices when a NAT
//! between them gives it another port. Lists of additional addresses are read over.

use std::collections::BTreeMap;

use ipseclab_crypto::Crypto;

use crate::config::{Connection, EndpointConfig, Fragmentation, Limits, NAT_T_PORT};
use crate::event::DropReason;
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::fragment::{Accepted, FragmentError, FragmentLimits, MessageLimit, Reassembler};
use crate::v2::ike_sa::{Env, Head, has_notify, notify_data};
use crate::v2::nat;
use crate::v2::window::{Path, Tail};
use crate::wire::protect::ProtectError;
use crate::wire::{HEADER_LEN, Header, Message, NotifyPayload, NotifyType, Payload};

/// Fragments of messages in different windows that are kept at once, at least.
const UNFINISHED_MESSAGES: usize = 4;

/// What the two sides have agreed on.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    /// Both have said that they understand fragments.
    fragments: Option<Fragments>,
    /// Octets of an IP datagram above which we send fragments; `None` sends none.
    fragment_size: Option<u16>,
    /// Our part in MOBIKE: the one who began the first IKE SA of the peers decides on addresses (RFC 4555 §3.2).
    pub(crate) mobike: Option<Role>,
}

/// Fragments of the peer that do not make a message yet.
#[derive(Debug)]
struct Fragments {
    limits: FragmentLimits,
    reassembler: Reassembler,
    /// How the first fragments end, by direction and Message ID: a repeated request is known by them (RFC 7383 §2.6.1).
    first: BTreeMap<(bool, u32), Tail>,
}

impl Fragments {
    fn new(limits: FragmentLimits) -> Self {
        Self { limits, reassembler: Reassembler::new(limits), first: BTreeMap::new() }
    }

    /// Takes a fragment; the whole message with the end of its first fragment when nothing is missing any more.
    fn accept(
        &mut self,
        crypto: &mut Crypto,
        channel: &Channel,
        header: &Header,
        bytes: &[u8],
    ) -> Result<Option<(Message, Tail)>, FragmentError> {
        let key = (header.flags.response, header.message_id.as_u32());
        let accepted = channel.accept_fragment(&mut self.reassembler, crypto, bytes)?;
        if matches!(accepted, Accepted::Duplicate) {
            return Ok(None);
        }
        if fragment_number(bytes) == Some(1) {
            self.first.insert(key, Tail::of(bytes));
        }
        if self.first.len() > self.limits.messages {
            self.first.pop_first();
        }
        let Accepted::Complete(message) = accepted else { return Ok(None) };
        let tail = self.first.remove(&key).unwrap_or(Tail::of(bytes));
        Ok(Some((message, tail)))
    }
}

impl Extensions {
    /// What an IKE SA that takes this one's place has from the beginning.
    pub(crate) fn inherited(&self) -> Self {
        let fragments = self.fragments.as_ref().map(|fragments| Fragments::new(fragments.limits));
        Self { fragments, fragment_size: self.fragment_size, mobike: self.mobike }
    }

    /// What is left before anything is agreed on: our own setting.
    pub(crate) fn unsettled(&self) -> Self {
        Self { fragment_size: self.fragment_size, ..Self::default() }
    }

    /// How long a message on `path` may be before it is cut.
    pub(crate) fn message_limit(&self, path: Path) -> Option<MessageLimit> {
        let size = self.fragment_size.filter(|_| self.fragments.is_some())?;
        let marker = path.local.port() == NAT_T_PORT;
        Some(MessageLimit::of_datagram(size.into(), path.remote.ip(), marker))
    }

    /// Whether the peer may send fragments.
    pub(crate) fn takes_fragments(&self) -> bool {
        self.fragments.is_some()
    }
}

impl Head {
    /// The connection is known: its settings apply.
    pub(crate) fn settle(&mut self, connection: &Connection) {
        self.retransmit = connection.retransmit;
        self.extensions.fragment_size = match connection.fragmentation {
            Fragmentation::Above(size) => Some(size),
            Fragmentation::Off | Fragmentation::Accept => None,
        };
    }

    /// Both sides have said in `IKE_SA_INIT` that they understand fragments.
    pub(crate) fn allow_fragments(&mut self, limits: &Limits) {
        let limits = FragmentLimits {
            messages: UNFINISHED_MESSAGES.max(limits.window as usize),
            fragments: limits.fragments,
            octets: limits.fragmented_octets,
        };
        self.extensions.fragments = Some(Fragments::new(limits));
    }

    /// What we announce in `IKE_AUTH`: a wider window, and MOBIKE; the responder only when the initiator has.
    pub(crate) fn announcements(&mut self, connection: &Connection) -> Vec<Payload> {
        let mut payloads = Vec::new();
        let mobike = match self.role {
            Role::Initiator => connection.mobike,
            Role::Responder => self.extensions.mobike.is_some(),
        };
        if mobike {
            payloads.push(status(NotifyType::MobikeSupported, vec![]));
            payloads.push(status(NotifyType::NoAdditionalAddresses, vec![]));
        }
        if connection.window > 1 {
            payloads.push(status(NotifyType::SetWindowSize, connection.window.to_be_bytes().to_vec()));
            self.window.grow_own(connection.window);
        }
        payloads
    }

    /// What the peer announces in `IKE_AUTH`.
    pub(crate) fn hear(&mut self, config: &EndpointConfig, connection: &Connection, message: &Message) {
        if connection.mobike && has_notify(message, NotifyType::MobikeSupported) {
            self.extensions.mobike = Some(self.role);
        }
        let size = notify_data(message, NotifyType::SetWindowSize);
        if let Some(size) = size.and_then(|data| <[u8; 4]>::try_from(data).ok()).map(u32::from_be_bytes) {
            self.window.grow_peer(size.min(config.limits.window));
        }
    }

    /// Takes a fragment of the peer; the whole message when nothing is missing any more.
    pub(crate) fn accept_fragment(
        &mut self,
        crypto: &mut Crypto,
        channel: &Channel,
        header: &Header,
        bytes: &[u8],
    ) -> Result<Option<Result<Message, ProtectError>>, DropReason> {
        let Some(fragments) = &mut self.extensions.fragments else { return Err(DropReason::Unexpected) };
        match fragments.accept(crypto, channel, header, bytes) {
            Ok(None) => Ok(None),
            Ok(Some((message, tail))) => {
                self.received.tail = tail;
                Ok(Some(Ok(message)))
            }
            Err(FragmentError::Protect(error)) => Ok(Some(Err(error))),
            Err(
                FragmentError::TooManyFragments { .. }
                | FragmentError::TooManyOctets { .. }
                | FragmentError::TooManyMessages { .. },
            ) => Err(DropReason::Limit),
            Err(
                FragmentError::Decode(_)
                | FragmentError::NotAFragment
                | FragmentError::FewerFragments { .. }
                | FragmentError::OtherHeader,
            ) => Err(DropReason::Malformed),
        }
    }

    /// What a question for a sign of life carries: with MOBIKE and a NAT in front of us, how the peer may see that our
    /// outside has changed (RFC 4555 §3.10).
    pub(crate) fn liveness_payloads(&self, env: &mut Env<'_>) -> Vec<Payload> {
        if self.extensions.mobike.is_some() && self.nat.local {
            self.nat_payloads(env, self.path)
        } else {
            vec![]
        }
    }

    /// What answers the peer's INFORMATIONAL request beside Deletes: with MOBIKE the addresses that we see, and what it
    /// wants echoed (RFC 4555 §3.5).
    pub(crate) fn mobike_answer(&self, env: &mut Env<'_>, request: &Message) -> Vec<Payload> {
        if self.extensions.mobike.is_none() {
            return vec![];
        }
        let asked = has_notify(request, NotifyType::NatDetectionSourceIp);
        let mut answer = if asked { self.nat_payloads(env, self.received.path) } else { vec![] };
        let echo = notify_data(request, NotifyType::Cookie2);
        answer.extend(echo.map(|data| status(NotifyType::Cookie2, data.to_vec())));
        answer
    }

    /// The initiator of MOBIKE has moved: we write to where its request came from, whoever is behind a NAT
    /// (RFC 4555 §3.5). False when it is not the one who may, or has said nothing of it.
    pub(crate) fn follow_update(&mut self, env: &mut Env<'_>, request: &Message) -> bool {
        let may = self.extensions.mobike == Some(Role::Responder);
        if !may || !has_notify(request, NotifyType::UpdateSaAddresses) {
            return false;
        }
        self.path = self.received.path;
        self.detect_nat(env, request);
        true
    }

    /// Takes what a message under this IKE SA says of NATs; whether that changes where ESP goes.
    pub(crate) fn detect_nat(&mut self, env: &mut Env<'_>, message: &Message) -> bool {
        let (spis, path) = ((self.spi_i, self.spi_r), self.received.path);
        let seen = nat::detect(env.crypto, message, spis, path.remote, path.local, self.nat.faked);
        let before = self.nat.detected();
        self.nat = seen.unwrap_or(self.nat);
        before != self.nat.detected()
    }

    fn nat_payloads(&self, env: &mut Env<'_>, path: Path) -> Vec<Payload> {
        let spis = (self.spi_i, self.spi_r);
        nat::notifies(env.crypto, spis, path.local, path.remote, self.nat.faked).to_vec()
    }
}

/// Our announcement in `IKE_SA_INIT` that we understand fragments.
pub(crate) fn fragmentation_notify() -> Payload {
    status(NotifyType::Ikev2FragmentationSupported, vec![])
}

/// The number of the fragment that a message is, if it begins with one.
pub(crate) fn fragment_number(bytes: &[u8]) -> Option<u16> {
    let number = bytes.get(HEADER_LEN + 4..HEADER_LEN + 6)?;
    Some(u16::from_be_bytes(number.try_into().ok()?))
}

fn status(kind: NotifyType, data: Vec<u8>) -> Payload {
    Payload::Notify(NotifyPayload::new(kind, data))
}
