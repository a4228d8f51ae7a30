//! Messages that the endpoints themselves would not send, sealed with their keys or without any.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, PacketCipher, RealProvider, Secret};
use ipseclab_ike::wire::protect::{inner_len, pad_len, seal};
use ipseclab_ike::wire::{
    ExchangeType, Flags, HEADER_LEN, IkeSpi, Message, MessageHeader, MessageId, NotifyPayload, NotifyType,
    Payload, Version,
};
use ipseclab_ike::{Event, IkeSaKeys, Role};

use super::Peer;

/// Speaks for one side of an IKE SA.
pub(crate) struct Crafter {
    keys: Box<IkeSaKeys>,
    role: Role,
    crypto: Crypto,
}

impl Crafter {
    /// Speaks for `role` with the last keys that `peer` has told of.
    pub(crate) fn new(peer: &Peer, role: Role) -> Self {
        let keys = peer.events.iter().rev().find_map(|event| match event {
            Event::KeysDerived(keys) => Some(keys.clone()),
            _ => None,
        });
        let keys = keys.expect("keys were derived");
        Self { keys, role, crypto: Crypto::new(Arc::new(RealProvider::new())) }
    }

    /// A protected request.
    pub(crate) fn request(&mut self, exchange: ExchangeType, id: u32, payloads: &[Payload]) -> Vec<u8> {
        self.seal(exchange, Flags::request(self.role == Role::Initiator), id, payloads)
    }

    /// A protected response.
    pub(crate) fn response(&mut self, exchange: ExchangeType, id: u32, payloads: &[Payload]) -> Vec<u8> {
        self.seal(exchange, Flags::response(self.role == Role::Initiator), id, payloads)
    }

    fn seal(&mut self, exchange: ExchangeType, flags: Flags, id: u32, payloads: &[Payload]) -> Vec<u8> {
        let header = MessageHeader {
            spi_i: self.keys.spi_i,
            spi_r: self.keys.spi_r,
            exchange,
            flags,
            message_id: MessageId::new(id),
            version: Version::V2_0,
        };
        let cipher = self.cipher();
        let iv = vec![0xa5; cipher.iv_len()];
        let padding = vec![0; pad_len(&cipher, inner_len(payloads))];
        seal(&header, payloads, &cipher, &mut self.crypto, &iv, &padding)
    }

    fn cipher(&self) -> PacketCipher {
        let (sk_e, sk_a) = match self.role {
            Role::Initiator => (&self.keys.keys.sk_ei, &self.keys.keys.sk_ai),
            Role::Responder => (&self.keys.keys.sk_er, &self.keys.keys.sk_ar),
        };
        let chosen = self.keys.proposal;
        let integrity = chosen.integrity.map(|algorithm| (algorithm, sk_a));
        self.crypto.packet_cipher(chosen.encryption, sk_e, integrity)
    }

    /// Opens a message of its own, lets `edit` change the octets inside SK, and seals it again.
    pub(crate) fn edit(&mut self, mut message: Vec<u8>, edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let (cipher, covered) = (self.cipher(), HEADER_LEN + 4);
        let end = message.len() - cipher.icv_len();
        cipher.open(&mut self.crypto, &mut message, covered).expect("it sealed this itself");
        message.truncate(end);
        edit(&mut message[covered + cipher.iv_len()..]);
        cipher.seal(&mut self.crypto, &mut message, covered);
        message
    }

    /// `prf(prf(psk, pad), signed message | nonce | prf(SK_p, ID))`, the AUTH data of RFC 7296 §2.15.
    pub(crate) fn auth(&mut self, psk: &[u8], message: &[u8], nonce: &[u8], id_body: &[u8]) -> Vec<u8> {
        let prf = self.keys.proposal.prf;
        let sk_p = match self.role {
            Role::Initiator => self.keys.keys.sk_pi.clone(),
            Role::Responder => self.keys.keys.sk_pr.clone(),
        };
        let maced_id = self.crypto.prf(prf, sk_p.expose(), &[id_body]);
        let key: Secret = self.crypto.prf(prf, psk, &[b"Key Pad for IKEv2"]);
        self.crypto.prf(prf, key.expose(), &[message, nonce, maced_id.expose()]).expose().to_vec()
    }
}

/// A notification without data.
pub(crate) fn notify(kind: NotifyType) -> Payload {
    Payload::Notify(NotifyPayload::new(kind, vec![]))
}

/// An unprotected answer to the `IKE_SA_INIT` request of `spi_i`.
pub(crate) fn init_answer(spi_i: IkeSpi, payloads: Vec<Payload>) -> Vec<u8> {
    let header = MessageHeader {
        spi_i,
        spi_r: IkeSpi::ZERO,
        exchange: ExchangeType::IkeSaInit,
        flags: Flags::response(false),
        message_id: MessageId::new(0),
        version: Version::V2_0,
    };
    Message { header, payloads }.encode()
}
