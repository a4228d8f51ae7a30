//! Renewals that nothing crosses: further Child SAs, fresh keys for Child and IKE SAs, lifetimes (RFC 7296 §1.3, §2.8).

use std::time::Duration;

use ipseclab_ike::config::{Child, ChildId, Connection, Lifetime, Reauthentication, Renewal};
use ipseclab_ike::proposal::{Esn, parse_ah_proposal, parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{ChildProtocol, ChildSaEstablished, CloseReason, Event, FailureReason, Outbound, Role};

use crate::support::{OFFICE, Pair, Peer, Side, net, tunnel};

const SECOND: ChildId = ChildId { connection: OFFICE, place: 1 };

/// A pair with a second child, up with its first.
fn pair(change: impl FnOnce(&mut Connection, &mut Connection)) -> Pair {
    let mut pair = Pair::with(|a, b| {
        a.children.push(second(tunnel("10.1.1", "10.2.1")));
        b.children.push(second(tunnel("10.2.1", "10.1.1")));
        change(a, b);
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    pair
}

fn second(mut child: Child) -> Child {
    "dmz".clone_into(&mut child.name);
    child
}

fn proposals(child: &mut Child, text: &str) {
    child.esp_proposals = vec![parse_esp_proposal(text).unwrap()];
}

/// What makes a child impossible, and how that is called.
type Refusal = (fn(&mut Child), FailureReason);

/// A renews its only Child SA.
fn rekey_child(pair: &mut Pair) {
    let (id, spis) = pair.a.established();
    pair.a.endpoint.rekey_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
}

fn payloads_from(pair: &Pair, first: usize) -> Vec<String> {
    pair.log[first..].iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect()
}

fn same_keys(a: &ChildSaEstablished, b: &ChildSaEstablished) -> bool {
    (&a.keys_in, &a.keys_out) == (&b.keys_out, &b.keys_in) && (a.spi_in, a.spi_out) == (b.spi_out, b.spi_in)
}

fn rekey_failures(peer: &Peer) -> Vec<FailureReason> {
    let reason = |event: &Event| match event {
        Event::RekeyFailed { reason, .. } => Some(*reason),
        _ => None,
    };
    peer.events.iter().filter_map(reason).collect()
}

#[test]
fn a_further_child_comes_in_one_exchange_without_a_key_exchange() {
    let mut pair = pair(|_, _| {});
    pair.a.endpoint.initiate_child(pair.now, SECOND).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.titles()[4..], ["CREATE_CHILD_SA 2 request", "CREATE_CHILD_SA 2 response"]);
    assert_eq!(payloads_from(&pair, 4), ["SK SA No TSi TSr"; 2]);
    assert_eq!(pair.live_children().len(), 2);
    assert!(same_keys(pair.a.children()[1], pair.b.children()[1]));
    assert_eq!(pair.a.children()[1].local_ts, net("10.1.1"));
}

#[test]
fn children_that_are_asked_for_during_the_set_up_follow_it() {
    let mut pair = Pair::with(|a, b| {
        a.children.push(second(tunnel("10.1.1", "10.2.1")));
        b.children.push(second(tunnel("10.2.1", "10.1.1")));
    });
    let first = ChildId { connection: OFFICE, place: 0 };
    for child in [first, SECOND, SECOND] {
        assert!(pair.a.endpoint.initiate_child(pair.now, child).is_some());
    }
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.titles()[4..], ["CREATE_CHILD_SA 2 request", "CREATE_CHILD_SA 2 response"]);
    assert_eq!(pair.live_children().len(), 2);
}

#[test]
fn children_wait_for_each_other_while_the_window_is_one() {
    let mut pair = pair(|_, _| {});
    let (id, spis) = pair.a.established();
    pair.a.endpoint.initiate_child(pair.now, SECOND).unwrap();
    pair.a.endpoint.rekey_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    assert_eq!(pair.log.len(), 5);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.log.len(), pair.live_children().len()), (10, 2));
}

#[test]
fn a_renewed_child_takes_the_old_ones_place_and_the_old_one_goes() {
    let mut pair = pair(|_, _| {});
    rekey_child(&mut pair);
    assert_eq!(payloads_from(&pair, 4), ["SK N(REKEY_SA) SA No TSi TSr", "SK SA No TSi TSr", "SK D", "SK D"]);
    let (old, new) = (pair.a.children()[0], pair.a.children()[1]);
    assert_eq!((new.replaces, new.outbound), (Some(old.spi_in), Outbound::Now));
    assert_ne!(old.keys_in, new.keys_in);
    assert!(same_keys(new, pair.b.children()[1]));
    assert_eq!(pair.b.children()[1].outbound, Outbound::Later);
    assert_eq!(pair.b.count(|event| matches!(event, Event::ChildSaReady { .. })), 1);
    for peer in [&pair.a, &pair.b] {
        let rekeyed =
            |event: &Event| matches!(event, Event::ChildSaClosed { reason: CloseReason::Rekeyed, .. });
        assert_eq!(peer.count(rekeyed), 1);
    }
}

#[test]
fn a_child_under_ah_is_renewed_and_deleted_under_ah() {
    let mut pair = pair(|a, b| {
        for side in [a, b] {
            side.children[0].esp_proposals = vec![];
            side.children[0].ah_proposals = vec![parse_ah_proposal("sha256-x25519-esn").unwrap()];
        }
    });
    rekey_child(&mut pair);
    let expected = ["SK N(REKEY_SA) SA No KE TSi TSr", "SK SA No KE TSi TSr", "SK D", "SK D"];
    assert_eq!(payloads_from(&pair, 4), expected);
    let (old, new) = (pair.a.children()[0], pair.a.children()[1]);
    assert_eq!((new.replaces, new.protocol), (Some(old.spi_in), ChildProtocol::Ah));
    assert_eq!((old.algorithms().as_str(), new.algorithms().as_str()), ("sha256-esn", "sha256-x25519-esn"));
    assert_eq!((new.proposal.esn, new.keys_in.encryption.len()), (Esn::Yes, 0));
    assert_ne!(old.keys_in, new.keys_in);
    assert!(same_keys(new, pair.b.children()[1]));
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn a_group_in_the_esp_proposal_makes_a_renewal_exchange_keys() {
    let mut pair = pair(|a, b| {
        proposals(&mut a.children[0], "aes128gcm16-x25519");
        proposals(&mut b.children[0], "aes128gcm16-x25519");
    });
    rekey_child(&mut pair);
    assert_eq!(payloads_from(&pair, 4)[..2], ["SK N(REKEY_SA) SA No KE TSi TSr", "SK SA No KE TSi TSr"]);
    assert!(same_keys(pair.a.children()[1], pair.b.children()[1]));
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn another_group_costs_a_further_exchange_under_the_next_message_id() {
    let mut pair = pair(|a, b| {
        proposals(&mut a.children[0], "aes128gcm16-ecp256-x25519");
        proposals(&mut b.children[0], "aes128gcm16-x25519");
    });
    rekey_child(&mut pair);
    let expected = ["CREATE_CHILD_SA 2 request", "CREATE_CHILD_SA 2 response", "CREATE_CHILD_SA 3 request"];
    assert_eq!(pair.titles()[4..7], expected);
    assert_eq!(payloads_from(&pair, 4)[1], "SK N(INVALID_KE_PAYLOAD)");
    assert_eq!(pair.live_children().len(), 1);
    assert!(same_keys(pair.a.children()[1], pair.b.children()[1]));
}

#[test]
fn a_renewed_ike_sa_inherits_the_children_and_counts_from_zero() {
    for side in [Side::A, Side::B] {
        let mut pair = pair(|_, _| {});
        let (id, spis) = pair.peer(side).established();
        let now = pair.now;
        pair.peer(side).endpoint.rekey_ike(now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
        assert_eq!(payloads_from(&pair, 4), ["SK SA No KE", "SK SA No KE", "SK D", "SK"]);
        let (heir, inherited) = pair.peer(side).established();
        assert!(heir != id && inherited == spis);
        assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (1, 1));
        // Whoever began the new IKE SA is its initiator, whoever began the old one.
        let role = pair.peer(side).events.iter().rev().find_map(|event| match event {
            Event::IkeSaEstablished(sa) => Some(sa.role),
            _ => None,
        });
        assert_eq!(role, Some(Role::Initiator));
        rekey_child(&mut pair);
        let first = &pair.log[8].1;
        assert_eq!((first.message.message_id.as_u32(), pair.live_children().len()), (0, 1));
        assert_eq!(first.payload[19] & 0x08 != 0, side == Side::A, "the I flag is the initiator's");
    }
}

#[test]
fn a_renewed_ike_sa_may_take_another_group() {
    let mut pair = pair(|a, b| {
        a.proposals = vec![parse_ike_proposal("aes128-sha256-x25519-ecp256").unwrap()];
        b.proposals = vec![parse_ike_proposal("aes128-sha256-x25519-ecp256").unwrap()];
    });
    for _ in 0..2 {
        let (id, _) = pair.b.established();
        pair.b.endpoint.rekey_ike(pair.now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
    }
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.b.count(|event| matches!(event, Event::IkeSaRekeyed { .. })), 2);
}

#[test]
fn refused_children_leave_the_ike_sa_up() {
    let cases: [Refusal; 2] = [
        (|child| proposals(child, "aes256-sha512"), FailureReason::NoProposalChosen),
        (|child| child.remote_ts = net("10.9.9").into(), FailureReason::TsUnacceptable),
    ];
    for (change, reason) in cases {
        let mut pair = pair(|a, _| change(&mut a.children[1]));
        pair.a.endpoint.initiate_child(pair.now, SECOND).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(5));
        assert_eq!(pair.a.failures(), [reason]);
        assert_eq!((pair.log.len(), pair.live_children().len()), (6, 1));
    }
}

#[test]
fn a_full_ike_sa_takes_no_further_children() {
    let mut pair = Pair::configured(|a, b| {
        a.connections[0].children.push(second(tunnel("10.1.1", "10.2.1")));
        b.connections[0].children.push(second(tunnel("10.2.1", "10.1.1")));
        b.limits.children = 1;
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    pair.a.endpoint.initiate_child(pair.now, SECOND).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.a.failures(), [FailureReason::NoAdditionalSas]);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn a_busy_peer_is_asked_again_until_the_renewal_succeeds() {
    let mut pair = pair(|_, _| {});
    let (id_a, spis) = pair.a.established();
    let (id_b, _) = pair.b.established();
    let now = pair.now;
    pair.b.endpoint.rekey_ike(now, id_b).unwrap();
    pair.a.endpoint.rekey_child(now, id_a, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert!(rekey_failures(&pair.a).contains(&FailureReason::TemporaryFailure));
    assert_eq!(pair.a.children().len(), 2, "the child was renewed in the end");
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn soft_limits_renew_within_their_jitter_and_hard_limits_end() {
    let lifetime = |rekey: Option<u64>, life: u64, rand: u64| Lifetime {
        rekey_time: rekey.map(Duration::from_secs),
        life_time: Some(Duration::from_secs(life)),
        rand_time: Duration::from_secs(rand),
    };
    let mut pair = pair(|a, _| a.children[0].lifetime = lifetime(Some(100), 1_000, 20));
    pair.run_for(Duration::from_secs(110));
    let renewed = pair.log[4].0;
    assert!((Duration::from_secs(80)..=Duration::from_millis(100_040)).contains(&renewed), "{renewed:?}");
    assert_eq!(pair.live_children().len(), 1);
    let mut pair = self::pair(|a, _| a.children[0].lifetime = lifetime(None, 100, 0));
    pair.run_for(Duration::from_mins(2));
    assert!(pair.live_children().is_empty());
    let expired = |event: &Event| matches!(event, Event::ChildSaClosed { reason: CloseReason::Expired, .. });
    assert_eq!(pair.a.count(expired), 1);
}

#[test]
fn an_ike_sa_is_renewed_at_its_time_and_again_after_it() {
    let renewal = Renewal {
        rekey_time: Some(Duration::from_secs(100)),
        over_time: Duration::from_secs(10),
        ..Renewal::NEVER
    };
    let mut pair = pair(|a, _| a.renewal = renewal);
    pair.run_for(Duration::from_secs(350));
    assert_eq!(pair.a.count(|event| matches!(event, Event::IkeSaRekeyed { .. })), 3);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn a_fresh_authentication_makes_the_children_anew_in_either_order() {
    for order in [Reauthentication::BreakBeforeMake, Reauthentication::MakeBeforeBreak] {
        let mut pair = pair(|a, _| a.renewal.reauthentication = order);
        pair.a.endpoint.initiate_child(pair.now, SECOND).unwrap();
        pair.flush();
        pair.run_for(Duration::from_secs(1));
        let (id, _) = pair.a.established();
        pair.a.endpoint.reauthenticate(pair.now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(5));
        let (heir, _) = pair.a.established();
        assert_ne!(heir, id);
        assert_eq!((pair.live_children().len(), pair.a.endpoint.ike_sa_count()), (2, 1), "{order:?}");
        let place = |wanted: &str| pair.titles()[6..].iter().position(|title| title.starts_with(wanted));
        let broken_first = place("INFORMATIONAL") < place("IKE_SA_INIT");
        assert_eq!(broken_first, order == Reauthentication::BreakBeforeMake);
    }
}
