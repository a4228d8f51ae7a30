//! Both sides in a loop: every way to the end, and every limit on it.

use core::time::Duration;
use std::sync::Arc;

use ipseclab_crypto::{Operation, Purpose, RandomSource, RealProvider};

use super::packet::{Content, Identifier, Packet};
use super::*;

mod damage;

/// Octets that differ from draw to draw; what they are does not matter.
struct Lcg(u64);

impl RandomSource for Lcg {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Eap);
        for octet in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = self.0.to_be_bytes()[0];
        }
    }
}

pub(super) fn with_context<T>(work: impl FnOnce(&mut EapContext<'_>) -> T) -> T {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    work(&mut EapContext { crypto: &mut crypto, random: &mut Lcg(1) })
}

fn identity(name: &str) -> EapIdentity {
    EapIdentity::new(name.as_bytes()).unwrap()
}

fn peer_config(name: &str, password: &str, methods: &[EapMethod]) -> PeerConfig {
    let mut config = PeerConfig::new(identity(name), Password::new(password).unwrap());
    config.methods = methods.to_vec();
    config
}

fn server_config(methods: &[EapMethod]) -> AuthenticatorConfig {
    let secrets = EapSecrets::from_iter([(identity("carol"), Password::new("Ar3etTnp").unwrap())]);
    AuthenticatorConfig { methods: methods.to_vec(), ..AuthenticatorConfig::new(Arc::new(secrets)) }
}

/// How a conversation ended, on both sides.
#[derive(Debug, PartialEq)]
struct End {
    peer: PeerStep,
    server: AuthenticatorStep,
    /// Everything that was sent, requests at even places.
    packets: Vec<Vec<u8>>,
    held_back: Duration,
}

impl End {
    fn server_reason(&self) -> Option<EapFailure> {
        match &self.server {
            AuthenticatorStep::Fail { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// Runs both sides until one of them has nothing to send.
fn converse(peer: PeerConfig, server: AuthenticatorConfig) -> End {
    with_context(|context| {
        let (mut server, first) = EapAuthenticator::start(server, context);
        let mut peer = EapPeer::new(peer);
        let (mut packets, mut held_back) = (vec![first], Duration::ZERO);
        let mut step = AuthenticatorStep::Ignore(IgnoreReason::Malformed);
        loop {
            let answer = peer.handle(packets.last().unwrap(), context);
            let PeerStep::Respond(response) = &answer else {
                return End { peer: answer, server: step, packets, held_back };
            };
            packets.push(response.clone());
            step = server.handle(response, context);
            let (packet, after) = match &step {
                AuthenticatorStep::Request { packet, after }
                | AuthenticatorStep::Fail { packet, after, .. } => (packet.clone(), *after),
                AuthenticatorStep::Success { packet, .. } => (packet.clone(), Duration::ZERO),
                AuthenticatorStep::Ignore(reason) => panic!("{reason:?}"),
            };
            held_back += after;
            packets.push(packet);
        }
    })
}

const BOTH: [EapMethod; 2] = [EapMethod::MsChapV2, EapMethod::Md5];

#[test]
fn mschapv2_ends_with_one_key_on_both_sides() {
    let end = converse(peer_config("carol", "Ar3etTnp", &BOTH), server_config(&BOTH));
    let AuthenticatorStep::Success { msk, user, .. } = end.server else { panic!("{:?}", end.server) };
    assert!(msk.is_some());
    assert_eq!(end.peer, PeerStep::Success(msk));
    assert_eq!(user, identity("carol"));
    assert_eq!(end.held_back, Duration::ZERO);
}

#[test]
fn md5_ends_without_a_key() {
    let end = converse(peer_config("carol", "Ar3etTnp", &BOTH), server_config(&[EapMethod::Md5]));
    assert!(matches!(end.server, AuthenticatorStep::Success { msk: None, .. }));
    assert_eq!(end.peer, PeerStep::Success(None));
    let lengths: Vec<_> = end.packets.iter().map(Vec::len).collect();
    assert_eq!(lengths, [5, 10, 22, 22, 4]);
}

#[test]
fn a_nak_leads_to_the_method_that_both_sides_allow() {
    for (first, second) in [(EapMethod::Md5, EapMethod::MsChapV2), (EapMethod::MsChapV2, EapMethod::Md5)] {
        let end = converse(peer_config("carol", "Ar3etTnp", &[second]), server_config(&[first, second]));
        let expected = Content::new(EapType::Nak, [second.eap_type().octet()]);
        let Ok(Packet::Response(_, nak)) = Packet::decode(&end.packets[3]) else { panic!() };
        assert_eq!(nak, expected);
        assert!(matches!(end.peer, PeerStep::Success(_)), "{:?}", end.peer);
    }
}

#[test]
fn without_a_common_method_both_sides_say_so() {
    for allowed in [&[][..], &[EapMethod::Md5]] {
        let peer = peer_config("carol", "Ar3etTnp", allowed);
        let end = converse(peer, server_config(&[EapMethod::MsChapV2]));
        assert_eq!(end.server_reason(), Some(EapFailure::MethodRefused));
        assert_eq!(end.peer, PeerStep::Failure(EapFailure::MethodRefused));
        assert_eq!(end.held_back, Duration::ZERO);
    }
}

#[test]
fn a_given_identity_saves_the_question() {
    let given = IdentitySource::Given(identity("carol"));
    for methods in [[EapMethod::MsChapV2], [EapMethod::Md5]] {
        let server = AuthenticatorConfig { identity: given.clone(), ..server_config(&methods) };
        let end = converse(peer_config("carol", "Ar3etTnp", &BOTH), server);
        assert!(matches!(end.peer, PeerStep::Success(_)));
        let Ok(Packet::Request(_, content)) = Packet::decode(&end.packets[0]) else { panic!() };
        assert_eq!(content.kind, methods[0].eap_type());
    }
}

/// strongSwan's peer breaks off at the first failure request, which comes after two seconds.
#[test]
fn a_wrong_password_is_held_back_and_the_peer_breaks_off() {
    let end = converse(peer_config("carol", "guess", &BOTH), server_config(&BOTH));
    assert_eq!(end.peer, PeerStep::Failure(EapFailure::BadPassword));
    let AuthenticatorStep::Request { packet, after } = end.server else { panic!("{:?}", end.server) };
    assert_eq!(after, Duration::from_secs(2));
    assert_eq!(packet[9..21], *b"E=691 R=1 C=");
    assert_eq!(packet.len(), 9 + 12 + 32);
}

#[test]
fn a_wrong_password_is_acknowledged_where_the_style_says_so() {
    let style = MsChapStyle {
        failure_suffix: b" V=3 M=wrong".to_vec(),
        last_failure_request: true,
        acknowledge_failure: true,
        ..MsChapStyle::default()
    };
    let peer = PeerConfig { style: style.clone(), ..peer_config("carol", "guess", &BOTH) };
    let server = AuthenticatorConfig { style, retries: 0, ..server_config(&BOTH) };
    let end = converse(peer, server);
    assert_eq!(end.peer, PeerStep::Failure(EapFailure::BadPassword));
    assert_eq!(end.server_reason(), Some(EapFailure::BadPassword));
    let request = &end.packets[4];
    assert_eq!((&request[9..21], &request[53..]), (&b"E=691 R=0 C="[..], &b" V=3 M=wrong"[..]));
    assert_eq!(Packet::decode(&end.packets[6]), Ok(Packet::Failure(Identifier(request[1]))));
}

#[test]
fn unknown_names_are_refused_as_wrong_passwords_are() {
    for method in BOTH {
        let wrong = converse(peer_config("carol", "guess", &BOTH), server_config(&[method]));
        let unknown = converse(peer_config("mallo", "guess", &BOTH), server_config(&[method]));
        assert_eq!(unknown.peer, PeerStep::Failure(EapFailure::BadPassword));
        assert_eq!(wrong.peer, unknown.peer);
        let delay = if method == EapMethod::MsChapV2 { Duration::from_secs(2) } else { Duration::ZERO };
        assert_eq!((wrong.held_back, unknown.held_back), (delay, delay));
        let lengths = |end: &End| end.packets.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&wrong), lengths(&unknown));
    }
}

/// A peer that tries again: the pieces of our own, begun anew for every challenge.
#[test]
fn tries_end_with_the_last_retry_and_a_late_right_password_counts() {
    for right_at in [None, Some(0_u32), Some(1), Some(2)] {
        with_context(|context| {
            let (mut server, _) = EapAuthenticator::start(server_config(&BOTH), context);
            let name = Packet::Response(Identifier(0), Content::new(EapType::Identity, *b"carol"));
            let AuthenticatorStep::Request { packet, .. } = server.handle(&name.encode(), context) else {
                panic!()
            };
            let mut request = packet;
            for try_number in 0.. {
                let password = if right_at == Some(try_number) { "Ar3etTnp" } else { "guess" };
                let challenge = as_challenge(&request);
                let mut peer = EapPeer::new(peer_config("carol", password, &BOTH));
                let PeerStep::Respond(response) = peer.handle(&challenge, context) else { panic!() };
                match server.handle(&response, context) {
                    AuthenticatorStep::Request { packet, after } if after == Duration::ZERO => {
                        assert_eq!(right_at, Some(try_number));
                        assert!(matches!(peer.handle(&packet, context), PeerStep::Respond(_)));
                        return;
                    }
                    AuthenticatorStep::Request { packet, .. } => {
                        assert_eq!(server.last_refusal(), Some(EapFailure::BadPassword));
                        request = packet;
                    }
                    AuthenticatorStep::Fail { reason, .. } => {
                        assert_eq!((right_at, try_number, reason), (None, 2, EapFailure::BadPassword));
                        return;
                    }
                    step => panic!("{step:?}"),
                }
            }
        });
    }
}

/// The challenge that a failure request carries, as a challenge of its own with the next MS-CHAPv2-ID.
fn as_challenge(request: &[u8]) -> Vec<u8> {
    if request[5] == 1 {
        return request.to_vec();
    }
    let hex = core::str::from_utf8(&request[21..53]).unwrap();
    let challenge = u128::from_str_radix(hex, 16).unwrap().to_be_bytes();
    let data = [&[1, request[6].wrapping_add(1), 0, 22, 16][..], &challenge, b"x"].concat();
    Packet::Request(Identifier(request[1]), Content::new(EapType::MsChapV2, data)).encode()
}

#[test]
fn repeated_requests_get_the_same_answer_without_work_and_repeated_responses_none() {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let mut random = Lcg(1);
    let mut context = EapContext { crypto: &mut crypto, random: &mut random };
    let (mut server, mut request) = EapAuthenticator::start(server_config(&BOTH), &mut context);
    let mut peer = EapPeer::new(peer_config("carol", "Ar3etTnp", &BOTH));
    loop {
        let first = peer.handle(&request, &mut context);
        context.crypto.take_work();
        for _ in 0..100 {
            assert_eq!(peer.handle(&request, &mut context), first);
        }
        assert_eq!(context.crypto.take_work(), []);
        let PeerStep::Respond(response) = first else { panic!("{first:?}") };
        let step = server.handle(&response, &mut context);
        context.crypto.take_work();
        let again = server.handle(&response, &mut context);
        assert!(matches!(again, AuthenticatorStep::Ignore(_)), "{again:?}");
        match step {
            AuthenticatorStep::Request { packet, .. } => request = packet,
            AuthenticatorStep::Success { packet, .. } => {
                assert!(matches!(peer.handle(&packet, &mut context), PeerStep::Success(Some(_))));
                assert_eq!(peer.handle(&packet, &mut context), PeerStep::Ignore(IgnoreReason::Finished));
                return;
            }
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn a_proof_costs_three_blocks_of_des() {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let mut context = EapContext { crypto: &mut crypto, random: &mut Lcg(1) };
    let given = IdentitySource::Given(identity("carol"));
    let config = AuthenticatorConfig { identity: given, ..server_config(&BOTH) };
    let (_, request) = EapAuthenticator::start(config, &mut context);
    EapPeer::new(peer_config("carol", "x", &BOTH)).handle(&request, &mut context);
    let blocks = crypto.take_work().iter().filter(|work| work.operation == Operation::DesBlock).count();
    assert_eq!(blocks, 3);
}

#[test]
fn methods_do_not_change_in_their_middle() {
    with_context(|context| {
        for (kind, data) in [(EapType::Identity, &[][..]), (EapType::Md5Challenge, &[1, 1])] {
            let mut stage = damage::stages(&BOTH, context).swap_remove(3);
            let request = Packet::Request(Identifier(200), Content::new(kind, data)).encode();
            let step = stage.peer.handle(&request, context);
            assert_eq!(step, PeerStep::Failure(EapFailure::ProtocolError));
        }
        let mut stage = damage::stages(&BOTH, context).swap_remove(5);
        let nak = Packet::Response(Identifier(stage.due[1]), Content::new(EapType::Nak, [4])).encode();
        let step = stage.server.handle(&nak, context);
        assert!(
            matches!(step, AuthenticatorStep::Fail { reason: EapFailure::ProtocolError, .. }),
            "{step:?}"
        );
    });
}

#[test]
fn expanded_and_unknown_types_are_answered_with_a_nak() {
    with_context(|context| {
        for kind in [254, 13, 0] {
            let mut peer = EapPeer::new(peer_config("carol", "x", &BOTH));
            let PeerStep::Respond(answer) = peer.handle(&[1, 5, 0, 6, kind, 0], context) else { panic!() };
            assert_eq!(answer, [2, 5, 0, 7, 3, 26, 4]);
        }
    });
}

#[test]
fn notifications_are_acknowledged_until_there_are_too_many() {
    with_context(|context| {
        let mut peer = EapPeer::new(peer_config("carol", "x", &BOTH));
        for round in 0..ROUNDS_MAX_DEFAULT {
            let identifier = u8::try_from(round).unwrap();
            let step = peer.handle(&[1, identifier, 0, 6, 2, b'!'], context);
            assert_eq!(step, PeerStep::Respond(vec![2, identifier, 0, 5, 2]));
        }
        let step = peer.handle(&[1, 99, 0, 6, 2, b'!'], context);
        assert_eq!(step, PeerStep::Failure(EapFailure::TooManyRounds));
        assert_eq!(peer.handle(&[1, 0, 0, 5, 1], context), PeerStep::Ignore(IgnoreReason::Finished));
    });
}

#[test]
fn an_authenticator_gives_up_after_its_rounds() {
    for rounds_max in 0..3 {
        let server = AuthenticatorConfig { rounds_max, ..server_config(&BOTH) };
        let end = converse(peer_config("carol", "Ar3etTnp", &BOTH), server);
        assert_eq!(end.server_reason(), Some(EapFailure::TooManyRounds));
        assert!(matches!(end.peer, PeerStep::Failure(_)));
    }
}

#[test]
fn overlong_fields_of_a_style_are_cut() {
    let endless = vec![b'x'; 5000];
    let style = MsChapStyle {
        server_name: endless.clone(),
        success_text: endless.clone(),
        failure_suffix: endless,
        ..MsChapStyle::default()
    };
    for password in ["Ar3etTnp", "guess"] {
        let server = AuthenticatorConfig { style: style.clone(), ..server_config(&BOTH) };
        let end = converse(peer_config("carol", password, &BOTH), server);
        assert!(end.packets.iter().all(|packet| packet.len() <= packet::PACKET_LEN_MAX));
    }
}

#[test]
fn keywords_and_failures_have_their_words() {
    for method in BOTH {
        assert_eq!(EapMethod::from_keyword(method.keyword()), Some(method));
        assert_eq!(EapMethod::from_eap_type(method.eap_type()), Some(method));
    }
    assert_eq!(EapMethod::from_keyword("tls"), None);
    assert_eq!(EapFailure::BadPassword.to_string(), "bad_password");
}
