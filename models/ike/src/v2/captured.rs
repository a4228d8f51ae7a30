//! Key derivation and AUTH against strongSwan: everything is computed anew from the bytes of the reference captures.
//!
//! A unit test, since [`IkeKeys`] has no public constructor. Without the captures it says so and passes.

use std::path::Path;
use std::sync::Arc;

use ipseclab_crypto::{Crypto, Encryption, Integrity, KeyExchangeMethod, Prf, RealProvider, Secret};

use crate::proposal::{ChosenEsp, ChosenIke, Esn};
use crate::v2::Role;
use crate::v2::child_sa::KeySources;
use crate::v2::keys::{IkeKeys, SaInitValues, SignedOctets};
use crate::wire::protect::open;
use crate::wire::{
    AuthMethod, AuthPayload, ExchangeType, IdPayload, Message, Payload, ProposalPayload, ProtocolId,
    Transform, TransformType,
};

use crate::reference::{ChildKeySet, KeySet, frames, ike_message, keys, name, secret, v2_cases};

/// How much was compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    ike_sas: usize,
    auth_payloads: usize,
    child_sas: usize,
}

/// A message of the wire with its bytes.
struct Wire {
    bytes: Vec<u8>,
    message: Message,
}

/// The messages that matter of one IKE SA.
struct Negotiation<'a> {
    request: &'a Wire,
    response: &'a Wire,
    auth: Vec<&'a Wire>,
}

/// Compares the keys of one IKE SA with those that strongSwan logged.
struct Checker<'a> {
    crypto: Crypto,
    keys: IkeKeys,
    chosen: ChosenIke,
    negotiation: Negotiation<'a>,
    label: String,
}

fn wires(case: &Path) -> Vec<Wire> {
    let messages = frames(case).iter().filter_map(|frame| ike_message(frame)).collect::<Vec<_>>();
    let decoded = messages.into_iter().filter_map(|bytes| {
        let message = Message::decode(&bytes).ok()?;
        Some(Wire { bytes, message })
    });
    decoded.collect()
}

/// Finds the messages of an IKE SA; `None` when it came from rekeying or has algorithms that we do not have.
fn negotiation<'a>(wires: &'a [Wire], set: &KeySet) -> Option<Negotiation<'a>> {
    let header = |wire: &Wire| wire.message.header;
    let of_set = |wire: &&Wire| header(wire).spi_i.to_string() == set.spi_i;
    let all: Vec<_> = wires.iter().filter(of_set).collect();
    let response = all.iter().position(|wire| {
        header(wire).exchange == ExchangeType::IkeSaInit && header(wire).spi_r.to_string() == set.spi_r
    })?;
    let is_request = |wire: &&&Wire| !header(wire).flags.response;
    let request = all[..response].iter().rfind(is_request)?;
    let auth = |wire: &&&Wire| header(wire).exchange == ExchangeType::IkeAuth;
    let auth = all[response..].iter().filter(auth).copied().collect();
    Some(Negotiation { request, response: all[response], auth })
}

fn find<'a, T: 'a>(message: &'a Message, select: impl Fn(&'a Payload) -> Option<T>) -> Option<T> {
    message.payloads.iter().find_map(select)
}

fn nonce(wire: &Wire) -> &[u8] {
    let nonce = find(&wire.message, |payload| match payload {
        Payload::Nonce(nonce) => Some(nonce.as_bytes()),
        _ => None,
    });
    nonce.expect("IKE_SA_INIT has a nonce")
}

fn proposal(message: &Message) -> Option<&ProposalPayload> {
    find(message, |payload| match payload {
        Payload::Sa(sa) => sa.proposals.first(),
        _ => None,
    })
}

fn transform<T>(
    proposal: &ProposalPayload,
    kind: TransformType,
    from: impl Fn(&Transform) -> Option<T>,
) -> Option<T> {
    proposal.transforms.iter().find(|transform| transform.kind == kind).and_then(from)
}

fn encryption(proposal: &ProposalPayload) -> Option<Encryption> {
    transform(proposal, TransformType::Encryption, |t| Encryption::from_transform(t.id, t.key_length))
}

fn integrity(proposal: &ProposalPayload) -> Option<Integrity> {
    transform(proposal, TransformType::Integrity, |t| Integrity::from_transform(t.id))
}

fn chosen_ike(answer: &Message) -> Option<ChosenIke> {
    let proposal = proposal(answer)?;
    Some(ChosenIke {
        number: proposal.number,
        encryption: encryption(proposal)?,
        integrity: integrity(proposal),
        prf: transform(proposal, TransformType::Prf, |t| Prf::from_transform(t.id))?,
        key_exchange: transform(proposal, TransformType::KeyExchange, |t| {
            KeyExchangeMethod::from_transform(t.id)
        })?,
    })
}

/// Of AH too, which has no encryption to choose.
fn chosen_esp(answer: &Message) -> Option<ChosenEsp> {
    let proposal = proposal(answer)?;
    let (spi, esn) = (proposal.spi.as_slice().try_into().ok()?, Esn::No);
    let encryption = match proposal.protocol {
        ProtocolId::Ah => Encryption::Null,
        _ => encryption(proposal)?,
    };
    let integrity = integrity(proposal);
    Some(ChosenEsp { number: proposal.number, spi, encryption, integrity, key_exchange: None, esn })
}

impl<'a> Checker<'a> {
    fn new(label: String, set: &KeySet, negotiation: Negotiation<'a>) -> Option<Self> {
        let chosen = chosen_ike(&negotiation.response.message)?;
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let header = negotiation.response.message.header;
        let values = SaInitValues {
            nonce_i: nonce(negotiation.request),
            nonce_r: nonce(negotiation.response),
            spi_i: header.spi_i,
            spi_r: header.spi_r,
        };
        let keys = IkeKeys::derive(&mut crypto, chosen, &secret(&set.dh_shared), values);
        Some(Self { crypto, keys, chosen, negotiation, label })
    }

    fn check_keys(&self, set: &KeySet) {
        let ours = &self.keys;
        let pairs = [
            (&ours.skeyseed, &set.skeyseed),
            (&ours.sk_d, &set.sk_d),
            (&ours.sk_ai, &set.sk_ai),
            (&ours.sk_ar, &set.sk_ar),
            (&ours.sk_ei, &set.sk_ei),
            (&ours.sk_er, &set.sk_er),
            (&ours.sk_pi, &set.sk_pi),
            (&ours.sk_pr, &set.sk_pr),
        ];
        for (place, (ours, theirs)) in pairs.into_iter().enumerate() {
            assert_eq!(*ours, secret(theirs), "{}: key {place}", self.label);
        }
    }

    /// The messages of `IKE_AUTH`, opened with our own keys; fragments stay out.
    fn opened(&mut self) -> Vec<Message> {
        let mut opened = Vec::new();
        for wire in &self.negotiation.auth {
            let sender = if wire.message.header.flags.initiator { Role::Initiator } else { Role::Responder };
            let cipher = self.keys.cipher(&self.crypto, self.chosen, sender);
            opened.extend(open(&wire.bytes, &cipher, &mut self.crypto));
        }
        opened
    }

    /// Computes the AUTH payload of `message` if it proves a shared key; whether there was one to compare.
    fn check_auth(&mut self, message: &Message, psk: &Secret) -> bool {
        let signer = if message.header.flags.initiator { Role::Initiator } else { Role::Responder };
        let (Some(auth), Some(id)) = (shared_key_auth(message), identity(message, signer)) else {
            return false;
        };
        let Negotiation { request, response, .. } = &self.negotiation;
        let octets = match signer {
            Role::Initiator => SignedOctets { message: &request.bytes, nonce: nonce(response), id },
            Role::Responder => SignedOctets { message: &response.bytes, nonce: nonce(request), id },
        };
        let ours = self.keys.psk_auth(&mut self.crypto, self.chosen, signer, octets, psk);
        assert_eq!(ours.expose(), auth.data, "{}: AUTH of the {signer:?}", self.label);
        true
    }

    /// Derives the keys of the Child SA of `IKE_AUTH`; whether there was one to compare.
    fn check_child(&mut self, messages: &[Message], sets: &[ChildKeySet]) -> bool {
        let answer =
            messages.iter().find(|message| message.header.flags.response && chosen_esp(message).is_some());
        let Some((esp, set)) = answer.and_then(chosen_esp).and_then(|esp| {
            let spi = format!("{:08x}", u32::from_be_bytes(esp.spi));
            let set = sets.iter().find(|set| [&set.spi_in, &set.spi_out].contains(&&spi))?;
            Some((esp, set))
        }) else {
            return false;
        };
        let Negotiation { request, response, .. } = &self.negotiation;
        let sources = KeySources {
            side: Role::Initiator,
            nonce_i: nonce(request),
            nonce_r: nonce(response),
            shared_secret: None,
        };
        let keys = self.keys.child_keys(&mut self.crypto, self.chosen, &esp, sources);
        let pairs = [
            (keys.from_initiator.encryption, &set.encr_i),
            (keys.from_responder.encryption, &set.encr_r),
            (keys.from_initiator.integrity, &set.integ_i),
            (keys.from_responder.integrity, &set.integ_r),
        ];
        for (place, (ours, theirs)) in pairs.into_iter().enumerate() {
            assert_eq!(ours, secret(theirs), "{}: Child SA key {place}", self.label);
        }
        true
    }
}

fn shared_key_auth(message: &Message) -> Option<&AuthPayload> {
    find(message, |payload| match payload {
        Payload::Auth(auth) => (auth.method == AuthMethod::SharedKeyMic).then_some(auth),
        _ => None,
    })
}

fn identity(message: &Message, signer: Role) -> Option<&IdPayload> {
    find(message, |payload| match (signer, payload) {
        (Role::Initiator, Payload::IdI(id)) | (Role::Responder, Payload::IdR(id)) => Some(id),
        _ => None,
    })
}

/// The keys of the two sides: `psk_a` and `psk_b`.
fn psks(case: &Path) -> [Secret; 2] {
    let text = std::fs::read_to_string(case.join("case.txt")).unwrap();
    ["psk_a: ", "psk_b: "].map(|key| {
        let psk = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        Secret::new(psk.as_bytes())
    })
}

fn check_case(case: &Path, counts: &mut Counts) {
    let (wires, keys) = (wires(case), keys(case));
    let psks = psks(case);
    for set in &keys.ike_sas {
        let label = format!("{} {}", name(case), set.spi_i);
        let checker = negotiation(&wires, set).and_then(|found| Checker::new(label, set, found));
        let Some(mut checker) = checker else { continue };
        checker.check_keys(set);
        counts.ike_sas += 1;
        let messages = checker.opened();
        for message in &messages {
            // a begins in all of these captures.
            let psk = if message.header.flags.initiator { &psks[0] } else { &psks[1] };
            counts.auth_payloads += usize::from(checker.check_auth(message, psk));
        }
        counts.child_sas += usize::from(checker.check_child(&messages, &keys.child_keys));
    }
}

#[test]
fn keys_and_auth_payloads_are_those_of_strongswan() {
    let Some(cases) = v2_cases() else { return };
    let mut counts = Counts::default();
    // RFC 8784 mixes another secret into SK_d and SK_p after IKE_SA_INIT.
    for case in cases.iter().filter(|case| name(case) != "v2-ppk") {
        check_case(case, &mut counts);
    }
    println!("{counts:?}");
    assert_eq!(counts, Counts { ike_sas: 41, auth_payloads: 74, child_sas: 36 });
}
