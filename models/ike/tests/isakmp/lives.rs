//! The life after set-up: renewal of both phases, Deletes, dead peers.

use std::time::Duration;

use ipseclab_ike::config::{DpdAction, Lifetime, Renewal};
use ipseclab_ike::{CloseReason, Event};

use crate::support::{Counting, LAN, OFFICE, Pair, Peer, Side, Verdict};
use crate::{check_messages, messages, pair};

const SECOND: Duration = Duration::from_secs(1);

fn up(mut pair: Pair) -> Pair {
    pair.initiate();
    pair.run_for(5 * SECOND);
    assert_eq!(pair.live_children().len(), 1);
    pair.log.clear();
    pair
}

fn closed(peer: &Peer) -> Vec<CloseReason> {
    let reason = |event: &Event| match event {
        Event::ChildSaClosed { reason, .. } => Some(*reason),
        _ => None,
    };
    peer.events.iter().filter_map(reason).collect()
}

#[test]
fn a_child_is_renewed_by_a_quick_mode_and_the_old_one_receives_until_its_end() {
    let mut pair = up(pair(|_, _| {}));
    let now = pair.now;
    let (id, spis) = pair.a.established();
    pair.a.endpoint.rekey_child(now, id, spis[0]).unwrap();
    assert!(pair.a.endpoint.rekey_child(now, id, spis[0]).is_err(), "it is being renewed");
    pair.flush();
    pair.run_for(5 * SECOND);
    check_messages(
        &pair,
        &[
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 60, "E HASH"),
        ],
    );
    assert_eq!(pair.live_children().len(), 2);
    for peer in [&pair.a, &pair.b] {
        let children = peer.children();
        assert_eq!(children[1].replaces, Some(children[0].spi_in));
    }
    assert!(pair.a.endpoint.rekey_child(now, id, spis[0]).is_err(), "it has been renewed");
    // The old one ends by its lifetime of 66 min, without a word.
    pair.run_for(Duration::from_mins(66));
    assert_eq!((closed(&pair.a)[0], closed(&pair.b)[0]), (CloseReason::Rekeyed, CloseReason::Rekeyed));
}

#[test]
fn children_are_renewed_in_time_for_ever() {
    let lifetime =
        Lifetime { rekey_time: Some(60 * SECOND), life_time: Some(66 * SECOND), rand_time: 6 * SECOND };
    let mut pair = up(pair(|a, b| {
        a.children[0].lifetime = lifetime;
        b.children[0].lifetime = lifetime;
    }));
    pair.run_for(3600 * SECOND);
    let made = pair.a.children().len();
    assert!((60..140).contains(&made), "{made} Child SAs in an hour");
    assert!((1..=3).contains(&pair.live_children().len()));
    assert!(closed(&pair.a).iter().all(|reason| *reason == CloseReason::Rekeyed));
    assert_eq!(pair.a.failures(), []);
}

#[test]
fn phase_1_is_renewed_by_a_new_one_that_takes_the_children_over() {
    let mut pair = up(pair(|_, _| {}));
    let now = pair.now;
    let (old, _) = pair.a.established();
    pair.a.endpoint.rekey_ike(now, old).unwrap();
    pair.flush();
    pair.run_for(5 * SECOND);
    let lens: Vec<_> = messages(&pair).iter().map(|(_, len, _)| *len).collect();
    // Without INITIAL_CONTACT (v1-nat-native).
    assert_eq!(lens, [180, 160, 244, 244, 76, 76]);
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.a.count(|event| matches!(event, Event::IkeSaRekeyed { .. })), 1);
    assert_eq!(pair.b.count(|event| matches!(event, Event::IkeSaRekeyed { .. })), 1);
    // Ten seconds later the old one is deleted, by both sides.
    pair.run_for(20 * SECOND);
    let (new, spis) = pair.a.established();
    assert!(new > old && spis.len() == 1);
    assert_eq!(pair.b.established().1.len(), 1);
    assert_eq!(closed(&pair.a), []);
}

#[test]
fn phase_1_is_renewed_in_time_for_ever() {
    let renewal = Renewal {
        rekey_time: Some(100 * SECOND),
        over_time: 10 * SECOND,
        rand_time: 10 * SECOND,
        ..Renewal::default()
    };
    let mut pair = up(pair(|a, b| {
        (a.renewal, b.renewal) = (renewal, renewal);
        (a.children[0].lifetime, b.children[0].lifetime) = (Lifetime::NEVER, Lifetime::NEVER);
    }));
    pair.run_for(3600 * SECOND);
    assert_eq!((closed(&pair.a), closed(&pair.b)), (vec![], vec![]));
    assert_eq!(pair.live_children().len(), 1);
    assert!((1..=3).contains(&pair.a.endpoint.ike_sa_count()), "{}", pair.a.endpoint.ike_sa_count());
    assert!(pair.a.count(|event| matches!(event, Event::IkeSaRekeyed { .. })) >= 30);
}

#[test]
fn deletes_need_no_answer() {
    let mut pair = up(pair(|_, _| {}));
    let now = pair.now;
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(now, id).unwrap();
    pair.flush();
    assert_eq!(pair.a.endpoint.ike_sa_count(), 0);
    pair.run_for(SECOND);
    check_messages(&pair, &[("Informational", 76, "E HASH D"), ("Informational", 92, "E HASH D")]);
    assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
    assert_eq!((closed(&pair.a), closed(&pair.b)), (vec![CloseReason::Local], vec![CloseReason::Remote]));
}

#[test]
fn a_child_is_deleted_alone_and_can_be_set_up_again() {
    for side in [Side::A, Side::B] {
        let mut pair = up(pair(|_, _| {}));
        let now = pair.now;
        let (id, spis) = pair.peer(side).established();
        pair.peer(side).endpoint.close_child(now, id, spis[0]).unwrap();
        pair.flush();
        pair.run_for(SECOND);
        assert!(pair.live_children().is_empty());
        let now = pair.now;
        pair.a.endpoint.initiate_child(now, LAN).unwrap();
        pair.flush();
        pair.run_for(SECOND);
        assert_eq!(pair.live_children().len(), 1);
    }
}

#[test]
fn a_peer_that_is_alive_says_so_and_a_dead_one_is_given_up() {
    let mut pair = up(pair(|a, _| {
        a.dpd_delay = Some(2 * SECOND);
        a.v1.dpd_timeout = Some(7 * SECOND);
        a.children[0].dpd_action = DpdAction::Restart;
    }));
    pair.log.clear();
    pair.run_for(5 * SECOND);
    let all = messages(&pair);
    assert_eq!(all[0], ("Informational".to_owned(), 92, "E HASH N(R-U-THERE)".to_owned()));
    assert_eq!(all[1], ("Informational".to_owned(), 92, "E HASH N(R-U-THERE-ACK)".to_owned()));
    pair.log.clear();
    let mut pair = pair.script(|_, _| Verdict::Lose);
    pair.run_for(12 * SECOND);
    let asked = messages(&pair).iter().filter(|(.., payloads)| payloads.contains("R-U-THERE")).count();
    assert!((4..=5).contains(&asked), "{asked}");
    assert_eq!(closed(&pair.a), [CloseReason::PeerDead]);
    assert_eq!(messages(&pair).last().unwrap().0, "Main Mode", "it is set up again");
}

#[test]
fn a_peer_that_begins_anew_ends_what_was() {
    let mut pair = up(pair(|_, _| {}));
    // A has forgotten everything.
    let config = pair.a.endpoint.config().clone();
    pair.a = Peer::new(config, Counting::new(7));
    pair.initiate();
    pair.run_for(5 * SECOND);
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(closed(&pair.b), [CloseReason::Replaced]);
    assert_eq!(pair.b.endpoint.ike_sa_count(), 1);
}

#[test]
fn both_sides_may_begin_at_once() {
    let mut pair = pair(|_, _| {});
    pair.a.endpoint.initiate(Duration::ZERO, OFFICE).unwrap();
    pair.b.endpoint.initiate(Duration::ZERO, OFFICE).unwrap();
    pair.flush();
    pair.run_for(60 * SECOND);
    assert_eq!(pair.live_children().len(), 2);
    assert_eq!((pair.a.failures(), pair.b.failures()), (vec![], vec![]));
}

#[test]
fn renewals_that_cross_leave_a_child_that_both_have() {
    let mut pair = up(pair(|_, _| {}));
    let now = pair.now;
    for side in [Side::A, Side::B] {
        let (id, spis) = pair.peer(side).established();
        pair.peer(side).endpoint.rekey_child(now, id, spis[0]).unwrap();
    }
    pair.flush();
    pair.run_for(30 * SECOND);
    assert_eq!(pair.live_children().len(), 3);
    let now = pair.now;
    for side in [Side::A, Side::B] {
        let (id, _) = pair.peer(side).established();
        pair.peer(side).endpoint.rekey_ike(now, id).unwrap();
    }
    pair.flush();
    pair.run_for(60 * SECOND);
    assert_eq!((pair.a.failures(), pair.b.failures()), (vec![], vec![]));
    let (a, b) = (pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count());
    assert_eq!(a, b);
    assert_eq!(pair.live_children().len(), 3);
}
