//! Exchange scripts: two endpoints in a loop (style T), each test one claim about RFC 7296.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipseclab_ike::config::{ConfiguredTs, LocalAuth, Mode};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::{AddressRange, TrafficSelector};
use ipseclab_ike::{Acquired, CloseReason, Event, FailureReason, Identity, TrafficSelectors};

use crate::support::{A, B, LAN, Nat, OFFICE, Pair, Side, Verdict, net};

const FOUR_MESSAGES: [&str; 4] =
    ["IKE_SA_INIT 0 request", "IKE_SA_INIT 0 response", "IKE_AUTH 1 request", "IKE_AUTH 1 response"];

#[test]
fn four_messages_set_up_one_child_sa_on_which_both_sides_agree() {
    let pair = Pair::new().establish();
    assert_eq!(pair.titles(), FOUR_MESSAGES);
    assert_eq!(pair.live_children().len(), 1);
    let (a, b) = (pair.a.children()[0], pair.b.children()[0]);
    assert_eq!((a.spi_in, a.spi_out), (b.spi_out, b.spi_in));
    assert_eq!((&a.keys_in, &a.keys_out), (&b.keys_out, &b.keys_in));
    assert_eq!((&a.local_ts, &a.remote_ts), (&b.remote_ts, &b.local_ts));
    assert_ne!(a.keys_in, a.keys_out);
    assert!(!a.udp_encap);
}

#[test]
fn payloads_come_in_the_order_of_the_captures() {
    // FACTS.md, IKEv2 messages; without the notifications of extensions that are not built.
    let pair = Pair::new().establish();
    let payloads: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect();
    let nat = "N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)";
    let init = format!("SA KE No {nat} N(IKEV2_FRAGMENTATION_SUPPORTED) N(SIGNATURE_HASH_ALGORITHMS)");
    let answer = format!("{init} N(CHILDLESS_IKEV2_SUPPORTED)");
    let auth = "SK IDi N(INITIAL_CONTACT) IDr AUTH SA TSi TSr";
    assert_eq!(payloads, [&init, &answer, auth, "SK IDr AUTH SA TSi TSr"]);
}

#[test]
fn ike_sa_init_has_the_size_of_the_captures_parts() {
    // v2-psk-gcm256-ecp256: 28 + SA(40) + KE(72) + No(36) + N(28) + N(28) + N(8) + N(16).
    let ecp = |c: &mut ipseclab_ike::config::Connection| {
        c.proposals = vec![parse_ike_proposal("aes256gcm16-prfsha256-ecp256").unwrap()];
    };
    let pair = Pair::with(|a, b| {
        ecp(a);
        ecp(b);
    })
    .establish();
    assert_eq!(pair.log[0].1.payload.len(), 28 + 40 + 72 + 36 + 28 + 28 + 8 + 16);
}

#[test]
fn the_first_proposal_that_both_know_is_chosen() {
    let pair = Pair::with(|a, b| {
        let offers = ["aes256-sha512-modp2048", "aes128-sha256-modp2048"];
        a.proposals = offers.map(|text| parse_ike_proposal(text).unwrap()).to_vec();
        b.proposals = vec![parse_ike_proposal("aes128-sha256-modp2048").unwrap()];
    })
    .establish();
    assert_eq!(pair.live_children().len(), 1);
    let chosen = pair.a.events.iter().find_map(|event| match event {
        Event::IkeSaEstablished(sa) => Some((sa.proposal.number, sa.proposal.encryption.keyword())),
        _ => None,
    });
    assert_eq!(chosen, Some((2, "aes128")));
}

#[test]
fn another_group_costs_one_more_round_trip_under_the_same_spi() {
    let pair = Pair::with(|a, b| {
        a.proposals = vec![parse_ike_proposal("aes128-sha256-ecp384-modp2048").unwrap()];
        b.proposals = vec![parse_ike_proposal("aes128-sha256-modp2048").unwrap()];
    })
    .establish();
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.log.len(), 6);
    // FACTS.md: INVALID_KE_PAYLOAD answers have 38 octets.
    assert_eq!(pair.log[1].1.payload.len(), 38);
    assert_eq!(pair.log[1].1.message.payloads, ["N(INVALID_KE_PAYLOAD)"]);
    assert_eq!(pair.log[0].1.payload[..8], pair.log[2].1.payload[..8]);
}

#[test]
fn no_common_proposal_is_refused_in_36_octets_without_state() {
    let pair = Pair::with(|a, _| {
        a.proposals = vec![parse_ike_proposal("aes128-sha1-modp1024").unwrap()];
    })
    .establish();
    assert_eq!(pair.a.failures(), [FailureReason::NoProposalChosen]);
    assert_eq!((pair.log.len(), pair.log[1].1.payload.len()), (2, 36));
    assert_eq!(pair.log[1].1.payload[8..16], [0; 8]);
    assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
}

#[test]
fn a_wrong_key_is_an_authentication_failure_on_both_sides() {
    let pair = Pair::configured(|a, _| a.credentials = Credentials::with_psk([], *b"wrong")).establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(pair.b.failures(), [FailureReason::WrongSecret]);
    assert_eq!(pair.log[3].1.message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn an_unknown_identity_is_an_authentication_failure() {
    let pair = Pair::with(|a, _| a.local = LocalAuth::psk(Identity::parse("mallory.example"))).establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(pair.b.failures(), [FailureReason::IdentityMismatch]);
}

#[test]
fn the_lost_refusal_is_repeated() {
    let pair = Pair::configured(|a, _| a.credentials = Credentials::with_psk([], *b"wrong"))
        .script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver })
        .establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
}

#[test]
fn foreign_traffic_is_refused_and_the_ike_sa_stays() {
    let pair = Pair::with(|a, _| a.children[0].remote_ts = net("10.9.0").into()).establish();
    assert_eq!(pair.a.failures(), [FailureReason::TsUnacceptable]);
    assert_eq!(pair.log[3].1.message.payloads, ["SK", "IDr", "AUTH", "N(TS_UNACCEPTABLE)"]);
    assert_eq!((pair.a.endpoint.established().count(), pair.b.endpoint.established().count()), (1, 1));
    assert!(pair.live_children().is_empty());
}

#[test]
fn a_child_without_common_proposal_is_refused_and_the_ike_sa_stays() {
    let pair =
        Pair::with(|a, _| a.children[0].esp_proposals = vec![parse_esp_proposal("aes256-sha512").unwrap()])
            .establish();
    assert_eq!(pair.a.failures(), [FailureReason::NoProposalChosen]);
    assert_eq!(pair.a.endpoint.established().count(), 1);
}

#[test]
fn the_responder_narrows_to_its_policy() {
    let wide = TrafficSelectors::ipv4_range(Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(10, 255, 255, 255));
    let pair = Pair::with(|a, _| a.children[0].remote_ts = wide.into()).establish();
    assert_eq!(pair.a.children()[0].remote_ts, net("10.2.0"));
    assert_eq!(pair.b.children()[0].local_ts, net("10.2.0"));
}

#[test]
fn an_acquire_names_the_packet_first_and_gets_the_network() {
    let mut pair = Pair::new();
    let echo = |address: [u8; 4], port: u16| TrafficSelector {
        protocol: 1,
        start_port: port,
        end_port: port,
        addresses: AddressRange::V4 { start: address.into(), end: address.into() },
    };
    let (local, remote) = (echo([10, 1, 0, 1], 2048), echo([10, 2, 0, 1], 2048));
    let first = pair.a.endpoint.acquire(pair.now, LAN, local.clone(), remote.clone());
    let second = pair.a.endpoint.acquire(pair.now, LAN, local, remote);
    let Acquired::Started(id) = first else { unreachable!("{first:?}") };
    assert_eq!(second, Acquired::InProgress(id));
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.children()[0].remote_ts, net("10.2.0"));
    assert_eq!(pair.log.len(), 4);
}

#[test]
fn transport_mode_needs_both_sides() {
    use Mode::{Transport, Tunnel};
    let modes = |a: Mode, b: Mode| {
        let pair = Pair::with(|ca, cb| {
            ca.children[0].mode = a;
            cb.children[0].mode = b;
        })
        .establish();
        (pair.a.children()[0].mode, pair.b.children()[0].mode)
    };
    assert_eq!(modes(Transport, Transport), (Transport, Transport));
    assert_eq!(modes(Transport, Tunnel), (Tunnel, Tunnel));
    assert_eq!(modes(Tunnel, Transport), (Tunnel, Tunnel));
}

#[test]
fn a_nat_moves_both_sides_to_port_4500_and_esp_into_udp() {
    let outside = Ipv4Addr::new(203, 0, 113, 9);
    let mut pair = Pair::with(|_, b| b.remote_address = None);
    pair.nat = Some(Nat { address: outside, port_offset: 20_000 });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let ports: Vec<_> =
        pair.log.iter().map(|(_, transmit)| (transmit.from.port(), transmit.to.port())).collect();
    assert_eq!(ports, [(500, 500), (500, 20_500), (4500, 4500), (4500, 24_500)]);
    let (a, b) = (pair.a.children()[0], pair.b.children()[0]);
    assert!(a.udp_encap && b.udp_encap);
    assert_eq!(a.remote, (B, 4500).into());
    assert_eq!(b.remote, (outside, 24_500).into());
}

#[test]
fn encap_behaves_like_a_nat_without_one() {
    let pair = Pair::with(|a, _| a.encap = true).establish();
    assert!(pair.a.children()[0].udp_encap && pair.b.children()[0].udp_encap);
    assert_eq!(pair.log[2].1.to.port(), 4500);
}

#[test]
fn a_deleted_ike_sa_is_gone_on_both_sides() {
    let mut pair = Pair::new().establish();
    let (id, _, _) = pair.a.endpoint.established().next().unwrap();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.titles()[4..], ["INFORMATIONAL 2 request", "INFORMATIONAL 2 response"]);
    assert_eq!(pair.log[4].1.message.payloads, ["SK", "D"]);
    assert_eq!(pair.log[5].1.message.payloads, ["SK"]);
    // FACTS.md and v2-psk-gcm256-ecp256: 65 and 57 octets with AES-GCM.
    assert_eq!((pair.log[4].1.payload.len(), pair.log[5].1.payload.len()), (65, 57));
    for (peer, reason) in [(&pair.a, CloseReason::Local), (&pair.b, CloseReason::Remote)] {
        assert_eq!(peer.endpoint.ike_sa_count(), 0);
        assert_eq!(peer.count(|e| matches!(e, Event::ChildSaClosed { reason: r, .. } if *r == reason)), 1);
        assert_eq!(peer.count(|e| matches!(e, Event::IkeSaClosed { reason: r, .. } if *r == reason)), 1);
    }
}

#[test]
fn a_deleted_last_child_takes_its_ike_sa_with_it() {
    let mut pair = Pair::new().establish();
    let (id, _, spis) = pair.a.endpoint.established().next().unwrap();
    pair.a.endpoint.close_idle_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    let payloads: Vec<_> =
        pair.log[4..].iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect();
    assert_eq!(payloads, ["SK D", "SK D", "SK D", "SK"]);
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn deletes_that_cross_end_in_nothing_on_both_sides() {
    let mut pair = Pair::new().establish();
    for side in [Side::A, Side::B] {
        let now = pair.now;
        let endpoint = &mut pair.peer(side).endpoint;
        let (id, _, spis) = endpoint.established().next().unwrap();
        endpoint.close_idle_child(now, id, spis[0]).unwrap();
    }
    pair.flush();
    pair.run_for(Duration::from_secs(200));
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.count(|e| matches!(e, Event::ChildSaClosed { .. })), 1);
        assert_eq!(peer.count(|e| matches!(e, Event::IkeSaClosed { .. })), 1);
    }
}

#[test]
fn a_silent_peer_is_asked_and_answers_in_57_octets() {
    let mut pair = Pair::with(|a, _| a.dpd_delay = Some(Duration::from_secs(30)));
    pair.initiate();
    pair.run_for(Duration::from_secs(40));
    assert_eq!(pair.titles()[4..], ["INFORMATIONAL 2 request", "INFORMATIONAL 2 response"]);
    assert_eq!((pair.log[4].1.payload.len(), pair.log[5].1.payload.len()), (57, 57));
    // Both messages of IKE_AUTH have arrived 40 ms after the start.
    assert_eq!(pair.log[4].0, Duration::from_millis(30_040));
}

#[test]
fn esp_packets_count_as_signs_of_life() {
    let mut pair = Pair::with(|a, _| a.dpd_delay = Some(Duration::from_secs(30)));
    pair.initiate();
    pair.run_for(Duration::from_secs(20));
    let (id, _, _) = pair.a.endpoint.established().next().unwrap();
    pair.a.endpoint.note_alive(pair.now, id);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pair.log.len(), 4);
    pair.run_for(Duration::from_secs(15));
    assert_eq!(pair.log.len(), 6);
}

#[test]
fn a_dead_peer_is_given_up_after_all_retransmissions() {
    let mut pair = Pair::with(|a, _| a.dpd_delay = Some(Duration::from_secs(30)))
        .script(|number, _| if number < 4 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(195));
    assert_eq!(pair.log.len(), 4 + 6);
    assert_eq!(pair.a.endpoint.established().count(), 1);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.count(|e| matches!(e, Event::IkeSaClosed { reason: CloseReason::PeerDead, .. })), 1);
    assert_eq!(pair.a.endpoint.ike_sa_count(), 0);
}

#[test]
fn an_absent_peer_fails_the_negotiation_after_165_seconds() {
    let mut pair = Pair::new().script(|_, _| Verdict::Lose);
    pair.initiate();
    pair.run_for(Duration::from_millis(165_060));
    assert!(pair.a.failures().is_empty());
    pair.run_for(Duration::from_millis(2));
    assert_eq!(pair.a.failures(), [FailureReason::Timeout]);
    let times: Vec<_> = pair.log.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [0, 4_000, 11_200, 24_160, 47_488, 89_478]);
}

#[test]
fn unauthenticated_state_is_forgotten_after_its_time() {
    let mut pair = Pair::new().script(|number, _| if number < 2 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(29));
    assert_eq!(pair.b.endpoint.ike_sa_count(), 1);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
}

/// Runs set-up and deletion with `verdict` for datagram `victim`; both sides must agree at every stage.
fn check_survival(victim: usize, verdict: Verdict) {
    let script = move |number: usize, _: &ipseclab_ike::Transmit| {
        if number == victim { verdict } else { Verdict::Deliver }
    };
    let mut pair = Pair::new().script(script).establish();
    let context = format!("datagram {victim}: {verdict:?}: {:?}", pair.titles());
    assert_eq!(pair.live_children().len(), 1, "{context}");
    let (id, _, spis) = pair.a.endpoint.established().next().unwrap();
    pair.a.endpoint.close_idle_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(400));
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0), "{context}");
    assert!(pair.a.failures().is_empty() && pair.b.failures().is_empty(), "{context}");
}

#[test]
fn any_one_datagram_may_be_lost_duplicated_or_late() {
    let late = Verdict::Delay(Duration::from_secs(5));
    let reordered = Verdict::Delay(Duration::from_millis(25));
    for victim in 0..8 {
        for verdict in [Verdict::Lose, Verdict::Duplicate, late, reordered] {
            check_survival(victim, verdict);
        }
    }
}

#[test]
fn a_lost_response_is_repeated_byte_for_byte() {
    let pair = Pair::new()
        .script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver })
        .establish();
    assert_eq!(pair.titles()[4..], ["IKE_AUTH 1 request again", "IKE_AUTH 1 response again"]);
    assert_eq!(pair.log[2].1.payload, pair.log[4].1.payload);
    assert_eq!(pair.log[3].1.payload, pair.log[5].1.payload);
    assert_eq!(pair.b.children().len(), 1);
}

#[test]
fn every_flipped_bit_of_a_protected_message_leaves_the_sas_alone() {
    let mut pair = Pair::with(|a, _| a.dpd_delay = Some(Duration::from_secs(30)));
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let (id, _, _) = pair.a.endpoint.established().next().unwrap();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    let request = pair.a.endpoint.poll_transmit().unwrap();
    for bit in 0..request.payload.len() * 8 {
        let mut forged = request.payload.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        pair.b.endpoint.handle_datagram(pair.now, (A, 500).into(), (B, 500).into(), &forged);
    }
    assert_eq!(pair.b.endpoint.established().count(), 1);
    pair.b.endpoint.handle_datagram(pair.now, (A, 500).into(), (B, 500).into(), &request.payload);
    assert_eq!(pair.b.endpoint.established().count(), 0);
}

#[test]
fn every_cut_of_a_first_request_is_answered_or_dropped_and_leaves_no_state() {
    let mut pair = Pair::new();
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let request = pair.a.endpoint.poll_transmit().unwrap();
    for len in 0..request.payload.len() {
        let cut = &request.payload[..len];
        pair.b.endpoint.handle_datagram(pair.now, (A, 500).into(), (B, 500).into(), cut);
    }
    assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
}

#[test]
fn a_later_major_version_is_told_ours() {
    let mut pair = Pair::new();
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let mut request = pair.a.endpoint.poll_transmit().unwrap().payload;
    request[17] = 0x30;
    pair.b.endpoint.handle_datagram(pair.now, (A, 500).into(), (B, 500).into(), &request);
    let answer = pair.b.endpoint.poll_transmit().unwrap();
    assert_eq!(answer.message.payloads, ["N(INVALID_MAJOR_VERSION)"]);
    assert_eq!(answer.payload[17], 0x20);
}

#[test]
fn a_child_that_is_up_is_not_begun_again() {
    let mut pair = Pair::new().establish();
    let up = pair.a.established().0;
    assert_eq!(pair.a.endpoint.initiate_child(pair.now, LAN), Some(up));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.log.len(), pair.live_children().len()), (4, 1));
}

#[test]
fn transport_mode_behind_a_nat_is_for_the_addresses_that_each_side_sees() {
    let outside = Ipv4Addr::new(203, 0, 113, 9);
    for mode in [Mode::Transport, Mode::Tunnel] {
        let mut pair = Pair::with(|a, b| {
            b.remote_address = None;
            for child in [&mut a.children[0], &mut b.children[0]] {
                (child.local_ts, child.remote_ts) = (ConfiguredTs::dynamic(), ConfiguredTs::dynamic());
            }
            (a.children[0].mode, b.children[0].mode) = (Mode::Transport, mode);
        });
        pair.nat = Some(Nat { address: outside, port_offset: 20_000 });
        pair.initiate();
        pair.run_for(Duration::from_secs(1));
        if mode == Mode::Tunnel {
            // The inside address is none that B has traffic for.
            assert!(pair.b.children().is_empty());
            continue;
        }
        let (a, b) = (pair.a.children()[0], pair.b.children()[0]);
        let text = |ts: &TrafficSelectors| ts.to_string();
        assert_eq!((text(&a.local_ts), text(&a.remote_ts)), (A.to_string(), B.to_string()));
        assert_eq!((text(&b.local_ts), text(&b.remote_ts)), (B.to_string(), outside.to_string()));
        assert_eq!((a.mode, b.mode), (Mode::Transport, Mode::Transport));
    }
}
