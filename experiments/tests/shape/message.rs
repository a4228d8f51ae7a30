//! IKE messages as the tables of the reference captures describe them, taken from the bytes on our simulated wire.

use std::collections::BTreeMap;

use ipseclab_crypto::{Crypto, PacketCipher};
use ipseclab_ike::fragment::{Accepted, FragmentLimits, Reassembler};
use ipseclab_ike::wire::{Header, Message, Payload, protect};
use ipseclab_ike::{IkeSaKeys, Role};

/// One message on the wire, a fragment being one of its own.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When, in seconds since the first message.
    pub(crate) seconds: f64,
    /// Whether an earlier datagram had the same bytes.
    pub(crate) is_repetition: bool,
    /// Octets of the IP packet.
    pub(crate) packet_len: usize,
    pub(crate) is_fragment: bool,
    pub(crate) exchange: String,
    /// `a>b` or `b>a`.
    pub(crate) direction: String,
    pub(crate) source_port: u16,
    pub(crate) message_id: u32,
    /// The flag octet.
    pub(crate) flags: u8,
    /// Octets of the IKE message.
    pub(crate) len: usize,
    /// Payloads in order with their lengths; empty for fragments but the last.
    pub(crate) payloads: Vec<(String, usize)>,
}

impl Seen {
    /// Whether both are the same message in everything that is compared.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let facts = |seen: &Self| (seen.source_port, seen.message_id, seen.flags, seen.len);
        facts(self) == facts(other)
            && self.exchange == other.exchange
            && self.direction == other.direction
            && self.payloads == other.payloads
    }

    /// The length of a payload of it.
    pub(crate) fn payload(&self, label: &str) -> Option<usize> {
        self.payloads.iter().find(|(known, _)| known == label).map(|(_, len)| *len)
    }

    pub(crate) fn has(&self, label: &str) -> bool {
        self.payload(label).is_some()
    }

    pub(crate) fn is_request(&self) -> bool {
        self.flags & 0x20 == 0
    }
}

/// Opens messages with the keys of every IKE SA of the run.
pub(crate) struct Opener {
    crypto: Crypto,
    ciphers: BTreeMap<(u64, u64), [PacketCipher; 2]>,
    reassemblers: BTreeMap<(u64, u64, bool), Reassembler>,
}

impl Opener {
    pub(crate) fn new(mut crypto: Crypto, keys: &[IkeSaKeys]) -> Self {
        let cipher = |keys: &IkeSaKeys, role: Role, crypto: &mut Crypto| {
            let (encryption, integrity) = match role {
                Role::Initiator => (&keys.keys.sk_ei, &keys.keys.sk_ai),
                Role::Responder => (&keys.keys.sk_er, &keys.keys.sk_ar),
            };
            let chosen = keys.proposal;
            crypto.packet_cipher(
                chosen.encryption,
                encryption,
                chosen.integrity.map(|algorithm| (algorithm, integrity)),
            )
        };
        let ciphers = keys.iter().map(|keys| {
            let pair = [Role::Initiator, Role::Responder].map(|role| cipher(keys, role, &mut crypto));
            ((keys.spi_i.as_u64(), keys.spi_r.as_u64()), pair)
        });
        let ciphers = ciphers.collect();
        Self { crypto, ciphers, reassemblers: BTreeMap::new() }
    }

    /// The message in a UDP payload without its non-ESP marker; `None` for what is no IKE message.
    pub(crate) fn see(&mut self, direction: &str, source_port: u16, bytes: &[u8]) -> Option<Seen> {
        let header = Header::decode(bytes).ok()?;
        let flags = u8::from(header.flags.initiator) << 3 | u8::from(header.flags.response) << 5;
        let payloads = self.payloads(&header, bytes)?;
        Some(Seen {
            seconds: 0.0,
            is_repetition: false,
            packet_len: 0,
            is_fragment: false,
            exchange: header.exchange.to_string(),
            direction: direction.to_owned(),
            source_port,
            message_id: header.message_id.as_u32(),
            flags,
            len: bytes.len(),
            payloads,
        })
    }

    fn payloads(&mut self, header: &Header, bytes: &[u8]) -> Option<Vec<(String, usize)>> {
        let spis = (header.spi_i.as_u64(), header.spi_r.as_u64());
        let sender = usize::from(!header.flags.initiator);
        let message = Message::decode(bytes).ok()?;
        match message.payloads.last() {
            Some(Payload::Sk(_)) => {
                let cipher = &self.ciphers.get(&spis)?[sender];
                let message = protect::open(bytes, cipher, &mut self.crypto).ok()?;
                Some(describe(&message.payloads))
            }
            Some(Payload::Skf(_)) => {
                let cipher = &self.ciphers.get(&spis)?[sender];
                let key = (spis.0, spis.1, header.flags.initiator);
                let limits = FragmentLimits::default();
                let reassembler = self.reassemblers.entry(key).or_insert_with(|| Reassembler::new(limits));
                match reassembler.accept(bytes, cipher, &mut self.crypto).ok()? {
                    Accepted::Complete(message) => Some(describe(&message.payloads)),
                    Accepted::Incomplete { .. } | Accepted::Duplicate => Some(vec![]),
                }
            }
            _ => Some(describe(&message.payloads)),
        }
    }
}

fn describe(payloads: &[Payload]) -> Vec<(String, usize)> {
    payloads.iter().map(|payload| (label(payload), payload.encoded_len())).collect()
}

/// The table writes notifications as `N:NAME`.
fn label(payload: &Payload) -> String {
    match payload {
        Payload::Notify(notify) => format!("N:{}", notify.kind),
        other => other.payload_type().to_string(),
    }
}
