//! IKEv1 endpoints brought to each stage of an ISAKMP SA's life, with somebody who throws things at them: an outsider,
//! or an insider that has the keys of phase 1. Shared with the fuzz target `isakmp_endpoint`.

use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Crypto, Secret};
use ipseclab_ike::config::{Connection, IkeVersion};
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::isakmp::{
    Cookie, Cookies, ExchangeType, Flags, HashPayload, Header, Message, MessageHeader, MessageId, Payload,
    Version, encoded_chain,
};
use ipseclab_ike::{Event, IsakmpSaKeys};

use crate::support::cheap::Cheap;
use crate::support::{A, B, Counting, OFFICE, Pair, Peer, Side, Verdict, config};

/// How many half-open ISAKMP SAs the victim may have.
pub(crate) const HALF_OPEN: usize = 3;
/// Messages of Main Mode.
const MAIN_MODE: usize = 6;
/// Octets of a block of AES.
const BLOCK_LEN: usize = 16;

/// What the victim is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// B has seen nothing yet.
    Listening,
    /// A awaits message 2 of Main Mode.
    MainOffered,
    /// B awaits message 3.
    MainChosen,
    /// A awaits message 4.
    MainKeySent,
    /// B awaits message 5.
    MainKeyAnswered,
    /// A awaits message 6.
    MainProofSent,
    /// B has sent message 6, and knows who A is.
    MainDone,
    /// A awaits message 2 of Aggressive Mode.
    AggressiveOffered,
    /// B awaits message 3.
    AggressiveAnswered,
    /// A awaits message 2 of Quick Mode.
    QuickOffered,
    /// B awaits message 3.
    QuickAnswered,
    /// A has a Child SA that it began.
    Initiator,
    /// B has a Child SA that A began.
    Responder,
    /// A renews the Child SA.
    Rekeying,
}

impl Stage {
    pub(crate) const ALL: [Self; 14] = [
        Self::Listening,
        Self::MainOffered,
        Self::MainChosen,
        Self::MainKeySent,
        Self::MainKeyAnswered,
        Self::MainProofSent,
        Self::MainDone,
        Self::AggressiveOffered,
        Self::AggressiveAnswered,
        Self::QuickOffered,
        Self::QuickAnswered,
        Self::Initiator,
        Self::Responder,
        Self::Rekeying,
    ];

    fn victim(self) -> Side {
        match self {
            Self::MainOffered
            | Self::MainKeySent
            | Self::MainProofSent
            | Self::AggressiveOffered
            | Self::QuickOffered
            | Self::Initiator
            | Self::Rekeying => Side::A,
            Self::Listening
            | Self::MainChosen
            | Self::MainKeyAnswered
            | Self::MainDone
            | Self::AggressiveAnswered
            | Self::QuickAnswered
            | Self::Responder => Side::B,
        }
    }

    /// How many messages the network delivers before the victim stands there.
    fn delivered(self) -> usize {
        match self {
            Self::Listening | Self::MainOffered | Self::AggressiveOffered => 0,
            Self::MainChosen | Self::AggressiveAnswered => 1,
            Self::MainKeySent => 2,
            Self::MainKeyAnswered => 3,
            Self::MainProofSent => 4,
            Self::MainDone => 5,
            Self::QuickOffered => MAIN_MODE,
            Self::QuickAnswered => MAIN_MODE + 1,
            Self::Initiator | Self::Responder | Self::Rekeying => MAIN_MODE + 3,
        }
    }

    fn is_aggressive(self) -> bool {
        matches!(self, Self::AggressiveOffered | Self::AggressiveAnswered)
    }

    /// Whether the victim has authenticated its peer.
    pub(crate) fn is_established(self) -> bool {
        self.delivered() >= MAIN_MODE - 1
    }

    /// Whether nothing ends the victim's ISAKMP SA by itself: the responder of what stays half-done keeps phase 1.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::MainDone | Self::QuickAnswered | Self::Initiator | Self::Responder)
    }
}

fn speak_v1(connection: &mut Connection, aggressive: bool) {
    connection.version = IkeVersion::V1;
    connection.v1.aggressive = aggressive;
    connection.proposals = vec![parse_ike_proposal("aes128-sha1-modp1024").expect("a proposal")];
    for child in &mut connection.children {
        child.esp_proposals = vec![parse_esp_proposal("aes128-sha1").expect("a proposal")];
    }
}

fn pair(aggressive: bool) -> Pair {
    let peer = |side, seed| {
        let mut config = config(side);
        config.limits.half_open = HALF_OPEN;
        speak_v1(&mut config.connections[0], aggressive);
        Peer::cheap(config, Counting::new(seed))
    };
    Pair::of(peer(Side::A, 0), peer(Side::B, 0x55))
}

/// A victim at its stage.
pub(crate) struct Staged {
    pub(crate) stage: Stage,
    pair: Pair,
    /// Every message that was sent until now.
    pub(crate) genuine: Vec<Vec<u8>>,
}

impl Staged {
    pub(crate) fn new(stage: Stage) -> Self {
        let delivered = stage.delivered();
        let mut pair = pair(stage.is_aggressive())
            .script(move |number, _| if number < delivered { Verdict::Deliver } else { Verdict::Lose });
        if stage != Stage::Listening {
            pair.initiate();
            pair.run_for(Duration::from_secs(1));
        }
        if stage == Stage::Rekeying {
            let (id, spis) = pair.a.established();
            pair.a.endpoint.rekey_child(pair.now, id, spis[0]).expect("it is established");
            pair.flush();
        }
        let mut genuine: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.payload.clone()).collect();
        if stage == Stage::Listening {
            // What A would send: something to start from.
            for aggressive in [false, true] {
                let mut other = self::pair(aggressive);
                other.a.endpoint.initiate(other.now, OFFICE).expect("the connection has a peer address");
                genuine.extend(other.a.drain().into_iter().map(|transmit| transmit.payload));
            }
        }
        Self { stage, pair, genuine }
    }

    pub(crate) fn victim(&mut self) -> &mut Peer {
        self.pair.peer(self.stage.victim())
    }

    /// Delivers `bytes` to the victim as if from its peer; returns how many datagrams it sends.
    pub(crate) fn throw(&mut self, bytes: &[u8]) -> usize {
        let from = if self.stage.victim() == Side::A { B } else { A };
        let now = self.pair.now;
        self.victim().receive(now, (from, 500), 500, bytes).len()
    }

    /// Somebody who has the keys of phase 1; `None` before the victim has authenticated its peer.
    pub(crate) fn insider(&mut self) -> Option<Insider> {
        let last = self.genuine.get(MAIN_MODE - 1)?;
        let last_block = last[last.len() - BLOCK_LEN..].to_vec();
        self.stage.is_established().then(|| Insider::new(self.victim(), last_block))
    }

    /// The victim's ISAKMP SAs that are established, and all.
    pub(crate) fn counts(&mut self) -> (usize, usize) {
        let endpoint = &self.victim().endpoint;
        (endpoint.established().count(), endpoint.ike_sa_count())
    }

    /// The victim's Child SAs.
    pub(crate) fn children(&mut self) -> usize {
        self.victim().endpoint.established().map(|(_, _, spis)| spis.len()).sum()
    }

    /// Lets all timers of the victim run out.
    pub(crate) fn wait(&mut self) {
        for _ in 0..1000 {
            let Some(next) = self.victim().endpoint.poll_timeout() else { return };
            self.pair.now = self.pair.now.max(next);
            let now = self.pair.now;
            self.victim().endpoint.handle_timeout(now);
            self.victim().drain();
        }
        unreachable!("{:?}: timers never end", self.stage);
    }
}

/// Speaks under the keys of an ISAKMP SA.
pub(crate) struct Insider {
    keys: Box<IsakmpSaKeys>,
    last_block: Vec<u8>,
    crypto: Crypto,
}

impl Insider {
    /// With the last keys that `peer` has told of, and the last block of phase 1.
    fn new(peer: &Peer, last_block: Vec<u8>) -> Self {
        let keys = peer.events.iter().rev().find_map(|event| match event {
            Event::IsakmpKeysDerived(keys) => Some(keys.clone()),
            _ => None,
        });
        let crypto = Crypto::new(Arc::new(Cheap::new()));
        Self { keys: keys.expect("keys were derived"), last_block, crypto }
    }

    /// The first message of an exchange after phase 1: HASH(1), which is right, and `payloads`.
    pub(crate) fn begin(&mut self, exchange: ExchangeType, id: u32, payloads: &[Payload]) -> Vec<u8> {
        let (prf, id) = (self.keys.proposal.prf, MessageId::new(id));
        let rest = encoded_chain(payloads);
        let hash = self.crypto.prf(prf, self.keys.skeyid_a.expose(), &[&id.octets(), &rest]);
        let all = [&[Payload::Hash(HashPayload::new(hash.expose()))], payloads].concat();
        let clear = Message { header: self.header(exchange, id), payloads: all }.encode();
        self.encrypt(&clear, id)
    }

    fn header(&self, exchange: ExchangeType, message_id: MessageId) -> MessageHeader {
        let cookies = Cookies {
            initiator: Cookie::new(self.keys.cookie_i.as_u64()),
            responder: Cookie::new(self.keys.cookie_r.as_u64()),
        };
        MessageHeader { cookies, exchange, flags: Flags::CLEAR, message_id, version: Version::V1_0 }
    }

    /// Encrypts what follows the header of a message in the clear, under the first IV of exchange `id`.
    fn encrypt(&mut self, clear: &[u8], id: MessageId) -> Vec<u8> {
        let hash = self.keys.proposal.prf.hash().expect("the PRF of IKEv1 is the HMAC of a hash");
        let iv = self.crypto.hash(hash, &[&self.last_block, &id.octets()])[..BLOCK_LEN].to_vec();
        let (head, text) = clear.split_at(28);
        let padding = vec![0; BLOCK_LEN - text.len() % BLOCK_LEN];
        let mut text = [&iv, text, &padding].concat();
        let key: &Secret = &self.keys.encryption_key;
        let cipher = self.crypto.packet_cipher(self.keys.proposal.encryption, key, None);
        cipher.seal(&mut self.crypto, &mut text, 0);
        let mut bytes = [head, &text[BLOCK_LEN..]].concat();
        let length = u32::try_from(bytes.len()).expect("a message is short");
        bytes[19] = Flags::ENCRYPTED.octet();
        bytes[24..28].copy_from_slice(&length.to_be_bytes());
        debug_assert_eq!(Header::decode(&bytes).map(|header| header.length), Ok(length));
        bytes
    }
}
