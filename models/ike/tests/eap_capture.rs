//! EAP-MSCHAPv2 against strongSwan: its packets are opened from the reference capture, ours are made beside them.
//!
//! The capture is not part of the repository; without it the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Crypto, Prf, Purpose, RandomSource, RealProvider, Secret};
use ipseclab_ike::eap::packet::{Content, EapType, Identifier, Packet};
use ipseclab_ike::eap::{
    AuthenticatorConfig, AuthenticatorStep, EapAuthenticator, EapContext, EapIdentity, EapPeer, EapSecrets,
    Msk, Password, PeerConfig, PeerStep,
};
use ipseclab_ike::wire::protect::open;
use ipseclab_ike::wire::{HEADER_LEN, Message, Payload};

#[expect(dead_code, reason = "shared with tests/captures.rs, which uses the rest")]
mod reference;

use reference::{KeySet, frames, ike_message, keys, name, secret, v2_cases};

/// EAP payload lengths in `messages.csv`, with the generic header of four octets.
const PAYLOAD_LENGTHS: [usize; 7] = [9, 14, 40, 68, 77, 10, 8];
/// EAP inside the second of two fragments, behind the rest of the signature.
const IDENTITY_REQUEST: [u8; 5] = [1, 0, 0, 5, 1];
/// Of the first message's generic header, in front of EAP.
const GENERIC_HEADER_LEN: usize = 4;

struct Capture {
    crypto: Crypto,
    keys: KeySet,
    /// IKE messages in order.
    messages: Vec<Vec<u8>>,
}

/// The octets that a capture shows, in the order in which they were drawn.
struct Script(Vec<u8>);

impl RandomSource for Script {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Eap);
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<_>>());
    }
}

fn case() -> Option<PathBuf> {
    v2_cases()?.into_iter().find(|case| name(case) == "v2-eap-mschapv2")
}

impl Capture {
    fn read() -> Option<Self> {
        let case = case()?;
        let messages = frames(&case).iter().filter_map(|frame| ike_message(frame)).collect();
        let keys = keys(&case).ike_sas.into_iter().next().unwrap();
        Some(Self { crypto: Crypto::new(Arc::new(RealProvider::new())), keys, messages })
    }

    fn opened(&mut self, at: usize) -> Message {
        let bytes = &self.messages[at];
        let from_initiator = Message::decode(bytes).unwrap().header.flags.initiator;
        let cipher = self.keys.cipher(&self.crypto, from_initiator).unwrap();
        open(bytes, &cipher, &mut self.crypto).unwrap()
    }

    /// The EAP packets in order; the first is in an encrypted fragment.
    fn eap(&mut self) -> Vec<Vec<u8>> {
        let mut packets = vec![self.last_octets_of_fragment(4, IDENTITY_REQUEST.len())];
        for at in 5..11 {
            let message = self.opened(at);
            let [Payload::Eap(eap)] = message.payloads.as_slice() else { panic!("{message:?}") };
            packets.push(eap.packet().to_vec());
        }
        packets
    }

    /// The last octets of the plaintext of an SKF payload: its fixed part is 8 octets (RFC 7383 §2.5).
    fn last_octets_of_fragment(&mut self, at: usize, len: usize) -> Vec<u8> {
        let cipher = self.keys.cipher(&self.crypto, false).unwrap();
        let mut bytes = self.messages[at].clone();
        let plaintext = cipher.open(&mut self.crypto, &mut bytes, HEADER_LEN + 8).unwrap();
        let (pad_len, text) = plaintext.split_last().unwrap();
        let text = &text[..text.len() - usize::from(*pad_len)];
        text[text.len() - len..].to_vec()
    }

    fn payload<T>(&mut self, at: usize, find: impl Fn(&Payload) -> Option<T>) -> T {
        let message = Message::decode(&self.messages[at]).unwrap();
        let sealed = matches!(message.payloads.as_slice(), [Payload::Sk(_)]);
        let message = if sealed { self.opened(at) } else { message };
        message.payloads.iter().find_map(find).unwrap()
    }

    fn nonce(&mut self, at: usize) -> Vec<u8> {
        self.payload(at, |payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.as_bytes().to_vec()),
            _ => None,
        })
    }

    /// AUTH of a shared key (RFC 7296 §2.15) under HMAC-SHA2-256.
    fn auth(&mut self, key: &Secret, message: usize, nonce: usize, sk_p: &Secret, id: &[u8]) -> Secret {
        let nonce = self.nonce(nonce);
        let prf = Prf::HmacSha2_256;
        let maced_id = self.crypto.prf(prf, sk_p.expose(), &[id]);
        let padded = self.crypto.prf(prf, key.expose(), &[b"Key Pad for IKEv2"]);
        let message = self.messages[message].clone();
        self.crypto.prf(prf, padded.expose(), &[&message, &nonce, maced_id.expose()])
    }

    fn auth_payload(&mut self, at: usize) -> Secret {
        self.payload(at, |payload| match payload {
            Payload::Auth(auth) => Some(Secret::new(auth.data.clone())),
            _ => None,
        })
    }
}

fn carol() -> (EapIdentity, Password) {
    (EapIdentity::new(b"carol").unwrap(), Password::new("Ar3etTnp").unwrap())
}

fn content(packet: &[u8]) -> Content {
    match Packet::decode(packet).unwrap() {
        Packet::Request(_, content) | Packet::Response(_, content) => content,
        packet => panic!("{packet:?}"),
    }
}

/// Our two sides with the random octets that strongSwan's two drew.
fn replay(captured: &[Vec<u8>], crypto: &mut Crypto) -> (Vec<Vec<u8>>, Msk, Msk) {
    let (challenge, response) = (content(&captured[2]), content(&captured[3]));
    let identifier = captured[2][1];
    let mut random = Script([&[identifier], &challenge.data[5..21], &response.data[5..21]].concat());
    let mut context = EapContext { crypto, random: &mut random };
    let (user, password) = carol();
    let secrets = Arc::new(EapSecrets::from_iter([carol()]));
    let (mut server, first) = EapAuthenticator::start(AuthenticatorConfig::new(secrets), &mut context);
    let mut peer = EapPeer::new(PeerConfig::new(user.clone(), password));
    let mut packets = vec![first];
    loop {
        let PeerStep::Respond(response) = peer.handle(packets.last().unwrap(), &mut context) else {
            panic!()
        };
        packets.push(response.clone());
        match server.handle(&response, &mut context) {
            AuthenticatorStep::Request { packet, after } => {
                assert_eq!(after, Duration::ZERO);
                packets.push(packet);
            }
            AuthenticatorStep::Success { packet, msk, user: proved } => {
                assert_eq!(proved, user);
                let PeerStep::Success(peer_msk) = peer.handle(&packet, &mut context) else { panic!() };
                packets.push(packet);
                return (packets, msk.unwrap(), peer_msk.unwrap());
            }
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn with_the_same_random_octets_every_packet_has_strongswans_bytes() {
    let Some(mut capture) = Capture::read() else { return };
    let captured = capture.eap();
    assert_eq!(captured[0], IDENTITY_REQUEST);
    let lengths: Vec<_> = captured.iter().map(|packet| GENERIC_HEADER_LEN + packet.len()).collect();
    assert_eq!(lengths, PAYLOAD_LENGTHS);
    let (ours, ..) = replay(&captured, &mut capture.crypto);
    assert_eq!(ours, captured);
}

#[test]
fn the_msk_is_the_key_of_both_auth_payloads() {
    let Some(mut capture) = Capture::read() else { return };
    let captured = capture.eap();
    let (_, msk, peer_msk) = replay(&captured, &mut capture.crypto);
    assert_eq!(msk, peer_msk);
    let id = |kind: fn(&Payload) -> Option<Vec<u8>>, capture: &mut Capture| capture.payload(2, kind);
    let id_i =
        id(|payload| if let Payload::IdI(id) = payload { Some(id.body()) } else { None }, &mut capture);
    // The responder's own IDr is in a fragment, and is the one that the initiator asked for.
    let id_r =
        id(|payload| if let Payload::IdR(id) = payload { Some(id.body()) } else { None }, &mut capture);
    let sk_p = [secret(&capture.keys.sk_pi), secret(&capture.keys.sk_pr)];
    let by_initiator = capture.auth(msk.as_secret(), 0, 1, &sk_p[0], &id_i);
    assert_eq!(by_initiator, capture.auth_payload(11));
    let by_responder = capture.auth(msk.as_secret(), 1, 0, &sk_p[1], &id_r);
    assert_eq!(by_responder, capture.auth_payload(12));
}

#[test]
fn strongswans_packets_survive_the_codec() {
    let Some(mut capture) = Capture::read() else { return };
    for packet in capture.eap() {
        assert_eq!(Packet::decode(&packet).unwrap().encode(), packet);
    }
    let success = capture.eap().pop().unwrap();
    assert_eq!(Packet::decode(&success), Ok(Packet::Success(Identifier(7))));
    assert_eq!(content(&capture.eap()[3]).kind, EapType::MsChapV2);
}
