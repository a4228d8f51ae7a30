//! Packets that are damaged, out of place or no packets at all, at every stage of a conversation.
//!
//! A lost packet needs no case: until it is repeated nobody moves, as IKE repeats it and EAP has no timers here.

use proptest::prelude::*;

use super::*;

/// Both sides after each number of packets of a good conversation.
pub(super) struct Stage {
    pub(super) peer: EapPeer,
    pub(super) server: EapAuthenticator,
    /// The packet that is due next.
    pub(super) due: Vec<u8>,
    due_to_peer: bool,
}

pub(super) fn stages(methods: &[EapMethod], context: &mut EapContext<'_>) -> Vec<Stage> {
    let (mut server, mut due) = EapAuthenticator::start(server_config(methods), context);
    let mut peer = EapPeer::new(peer_config("carol", "Ar3etTnp", &BOTH));
    let mut stages = Vec::new();
    for due_to_peer in [true, false].into_iter().cycle() {
        stages.push(Stage { peer: peer.clone(), server: server.clone(), due: due.clone(), due_to_peer });
        let next = if due_to_peer {
            let PeerStep::Respond(packet) = peer.handle(&due, context) else { return stages };
            packet
        } else {
            match server.handle(&due, context) {
                AuthenticatorStep::Request { packet, .. } | AuthenticatorStep::Success { packet, .. } => {
                    packet
                }
                step => panic!("{step:?}"),
            }
        };
        due = next;
    }
    stages
}

/// Delivers a packet to the side that is due, and everything that follows to the end.
///
/// Whatever happens, nobody goes on for ever, and no two sides succeed with different keys.
fn deliver(stage: &Stage, packet: &[u8], context: &mut EapContext<'_>) -> (PeerStep, AuthenticatorStep) {
    let (mut peer, mut server) = (stage.peer.clone(), stage.server.clone());
    let mut peer_step = PeerStep::Ignore(IgnoreReason::Malformed);
    let mut server_step = AuthenticatorStep::Ignore(IgnoreReason::Malformed);
    let (mut packet, mut to_peer) = (packet.to_vec(), stage.due_to_peer);
    for _ in 0..100 {
        let next = if to_peer {
            peer_step = peer.handle(&packet, context);
            let PeerStep::Respond(next) = &peer_step else { break };
            next
        } else {
            server_step = server.handle(&packet, context);
            match &server_step {
                AuthenticatorStep::Request { packet, .. }
                | AuthenticatorStep::Success { packet, .. }
                | AuthenticatorStep::Fail { packet, .. } => packet,
                AuthenticatorStep::Ignore(_) => break,
            }
        };
        (packet, to_peer) = (next.clone(), !to_peer);
    }
    assert!(
        !matches!(peer_step, PeerStep::Respond(_)) || matches!(server_step, AuthenticatorStep::Ignore(_))
    );
    if let (PeerStep::Success(key), AuthenticatorStep::Success { msk, .. }) = (&peer_step, &server_step) {
        assert_eq!(key, msk);
    }
    (peer_step, server_step)
}

#[test]
fn every_damaged_packet_leaves_a_defined_state() {
    let (mut tried, mut peer_ends, mut server_ends) = (0, [0; 3], [0; 3]);
    with_context(|context| {
        for stage in stages(&[EapMethod::Md5], context).into_iter().chain(stages(&BOTH, context)) {
            let flips = (0..stage.due.len() * 8).map(|bit| {
                let mut packet = stage.due.clone();
                packet[bit / 8] ^= 1 << (bit % 8);
                packet
            });
            let cuts = (0..stage.due.len()).map(|len| stage.due[..len].to_vec());
            for packet in flips.chain(cuts) {
                let (peer, server) = deliver(&stage, &packet, context);
                tried += 1;
                peer_ends[match peer {
                    PeerStep::Success(_) => 0,
                    PeerStep::Failure(_) => 1,
                    PeerStep::Respond(_) | PeerStep::Ignore(_) => 2,
                }] += 1;
                server_ends[match server {
                    AuthenticatorStep::Success { .. } => 0,
                    AuthenticatorStep::Fail { .. } => 1,
                    AuthenticatorStep::Request { .. } | AuthenticatorStep::Ignore(_) => 2,
                }] += 1;
            }
        }
    });
    println!("{tried} packets: peer {peer_ends:?}, authenticator {server_ends:?} (success, failure, open)");
    assert!(tried > 2000);
    assert!(peer_ends.iter().chain(&server_ends).all(|count| *count > 0));
}

#[test]
fn every_packet_out_of_place_leaves_a_defined_state() {
    with_context(|context| {
        let all: Vec<_> =
            stages(&[EapMethod::Md5], context).into_iter().chain(stages(&BOTH, context)).collect();
        let mut tried = 0;
        for (at, stage) in all.iter().enumerate() {
            // Not the packet that is due nor the one that answers it: all others are of the past, or too early.
            let others = all.iter().enumerate().filter(|(place, _)| ![at, at + 1].contains(place));
            for (_, other) in others {
                let early = stage.peer.clone().handle(&other.due, context);
                assert!(!matches!(early, PeerStep::Success(_)), "a success out of place");
                let early = stage.server.clone().handle(&other.due, context);
                assert!(!matches!(early, AuthenticatorStep::Success { .. }), "a response out of place");
                tried += 1;
            }
        }
        assert!(tried > 100);
    });
}

#[test]
fn a_success_before_its_time_is_ignored() {
    with_context(|context| {
        for mut stage in stages(&BOTH, context).into_iter().filter(|stage| !stage.due_to_peer) {
            let success = Packet::Success(Identifier(stage.due[1])).encode();
            let acknowledged = stage.due.len() == 6;
            let step = stage.peer.handle(&success, context);
            assert_eq!(matches!(step, PeerStep::Success(_)), acknowledged, "{step:?}");
            assert!(acknowledged || step == PeerStep::Ignore(IgnoreReason::EarlySuccess));
        }
    });
}

#[test]
fn a_failure_ends_every_stage_with_a_reason() {
    let reasons = with_context(|context| {
        let answered = stages(&BOTH, context).into_iter().filter(|stage| !stage.due_to_peer);
        let fail = |mut stage: Stage| {
            let wrong = Packet::Failure(Identifier(stage.due[1]).next()).encode();
            assert_eq!(stage.peer.handle(&wrong, context), PeerStep::Ignore(IgnoreReason::Identifier));
            stage.peer.handle(&Packet::Failure(Identifier(stage.due[1])).encode(), context)
        };
        answered.map(fail).collect::<Vec<_>>()
    });
    let expected = [EapFailure::UnknownIdentity, EapFailure::BadPassword, EapFailure::Denied];
    assert_eq!(reasons, expected.map(PeerStep::Failure));
}

proptest! {
    #[test]
    fn any_type_data_leaves_a_defined_state_and_is_no_proof(
        kind in any::<u8>(),
        data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        with_context(|context| {
            for (at, stage) in stages(&BOTH, context).into_iter().enumerate() {
                let identifier = Identifier(stage.due[1]);
                let body = Content::new(EapType::from_octet(kind), &data[..]);
                let packet =
                    if stage.due_to_peer { Packet::Request(identifier, body) } else { Packet::Response(identifier, body) };
                let (_, server) = deliver(&stage, &packet.encode(), context);
                // The fourth packet holds the peer's proof.
                assert!(at != 3 || !matches!(server, AuthenticatorStep::Success { .. }));
            }
        });
    }
}
