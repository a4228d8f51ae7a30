//! What follows silence and Deletes: actions of children, fresh attempts, and keepalives to a NAT.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipseclab_ike::config::{CloseAction, DpdAction};
use ipseclab_ike::wire::Header;
use ipseclab_ike::{CloseReason, Event, FailureReason};

use crate::support::{LAN, Nat, Pair, Verdict};

fn traps(pair: &Pair) -> usize {
    pair.a.count(|event| matches!(event, Event::TrapWanted { child } if *child == LAN))
}

fn begun(pair: &Pair) -> usize {
    pair.log.iter().filter(|(_, sent)| sent.from.ip() == pair.a.address && is_first(&sent.payload)).count()
}

fn is_first(payload: &[u8]) -> bool {
    Header::decode(payload).is_ok_and(|header| header.spi_r.is_zero())
}

/// A's peer falls silent after the set-up; A asks every 2 s and gives up 165 s later.
fn silenced(action: DpdAction) -> Pair {
    let mut pair = Pair::with(|a, _| {
        (a.dpd_delay, a.children[0].dpd_action) = (Some(Duration::from_secs(2)), action);
    })
    .script(|number, _| if number < 4 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(172));
    let dead = |event: &Event| matches!(event, Event::IkeSaClosed { reason: CloseReason::PeerDead, .. });
    assert_eq!(pair.a.count(dead), 1);
    pair
}

#[test]
fn a_dead_peers_child_is_forgotten_trapped_or_begun_again() {
    let outcomes = [DpdAction::Clear, DpdAction::Trap, DpdAction::Restart].map(|action| {
        let pair = silenced(action);
        (traps(&pair), begun(&pair))
    });
    // A restart has sent its request twice by then: at once, and 4 s later.
    assert_eq!(outcomes, [(0, 1), (1, 1), (0, 3)]);
}

#[test]
fn a_restart_pauses_as_long_as_its_requests_wait() {
    let mut pair = silenced(DpdAction::Restart);
    pair.run_for(Duration::from_hours(1));
    assert_eq!(begun(&pair), 1 + 6, "one more attempt of six transmissions, then nothing");
    assert_eq!(pair.a.endpoint.ike_sa_count(), 0);
}

/// B deletes A's only Child SA and keeps the IKE SA.
fn deleted_by_peer(action: CloseAction) -> Pair {
    let mut pair = Pair::with(|a, _| a.children[0].close_action = action).establish();
    let (id, spis) = pair.b.established();
    pair.b.endpoint.close_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    pair
}

#[test]
fn a_child_that_the_peer_deletes_is_forgotten_trapped_or_begun_again() {
    let outcomes = [CloseAction::None, CloseAction::Trap, CloseAction::Start].map(|action| {
        let pair = deleted_by_peer(action);
        (traps(&pair), pair.live_children().len(), begun(&pair))
    });
    assert_eq!(outcomes, [(0, 0, 1), (1, 0, 1), (0, 1, 1)]);
}

#[test]
fn a_renewed_child_is_not_begun_again_when_the_old_one_goes() {
    let mut pair = Pair::with(|_, b| b.children[0].close_action = CloseAction::Start).establish();
    let (id, spis) = pair.a.established();
    pair.a.endpoint.rekey_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn an_ike_sa_that_the_peer_deletes_leaves_traps() {
    let mut pair = Pair::with(|a, _| a.children[0].close_action = CloseAction::Trap).establish();
    let (id, _) = pair.b.established();
    pair.b.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    assert_eq!((traps(&pair), begun(&pair)), (1, 1));
}

#[test]
fn an_unanswered_first_request_is_begun_anew_as_often_as_the_connection_says() {
    for tries in [1, 3] {
        let mut pair = Pair::with(|a, _| a.keying_tries = tries).script(|_, _| Verdict::Lose);
        pair.initiate();
        pair.run_for(Duration::from_hours(1));
        let spis: std::collections::BTreeSet<_> =
            pair.log.iter().map(|(_, sent)| sent.payload[..8].to_vec()).collect();
        assert_eq!((begun(&pair), spis.len()), (6 * tries as usize, tries as usize), "fresh SPIs each time");
        assert_eq!(pair.a.failures(), [FailureReason::Timeout], "told once, at the end");
    }
}

#[test]
fn keying_tries_of_zero_never_give_up() {
    let mut pair = Pair::with(|a, _| a.keying_tries = 0).script(|_, _| Verdict::Lose);
    pair.initiate();
    pair.run_for(Duration::from_hours(1));
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.a.failures().len()), (1, 0));
    // 3600 s in attempts of 165.06 s: 21 whole ones and the beginning of another.
    assert_eq!(begun(&pair), 21 * 6 + 6);
}

#[test]
fn an_attempt_after_a_lost_ike_auth_comes_up() {
    // The responder answers the first attempt's IKE_SA_INIT and nothing else of it.
    let mut pair = Pair::with(|a, _| a.keying_tries = 2)
        .script(|number, _| if (2..8).contains(&number) { Verdict::Lose } else { Verdict::Deliver });
    pair.initiate();
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.live_children().len(), 1);
}

/// A behind a NAT, established.
fn behind_nat() -> Pair {
    let mut pair = Pair::with(|_, b| b.remote_address = None);
    pair.nat = Some(Nat { address: Ipv4Addr::new(203, 0, 113, 9), port_offset: 20_000 });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    pair
}

#[test]
fn the_side_behind_the_nat_alone_sends_one_octet_when_nothing_else_went_out() {
    let mut pair = behind_nat();
    let set_up = pair.log.len();
    pair.run_for(Duration::from_mins(1));
    let sent = &pair.log[set_up..];
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|(_, sent)| sent.payload == [0xff] && sent.message.keepalive));
    assert!(sent.iter().all(|(_, sent)| (sent.from.port(), sent.to.port()) == (4500, 4500)));
    let counters = [&pair.a, &pair.b].map(|peer| peer.endpoint.counters().keepalives);
    assert_eq!(counters, [3, 0]);
    assert!(pair.b.drops().is_empty());
}

#[test]
fn esp_and_ike_put_the_keepalive_off() {
    let mut pair = behind_nat();
    let (id, _) = pair.a.established();
    let set_up = pair.log.len();
    for _ in 0..6 {
        pair.run_for(Duration::from_secs(15));
        pair.a.endpoint.note_sent(pair.now, id);
    }
    assert_eq!(pair.log.len(), set_up);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pair.log.len(), set_up + 1);
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(100));
    assert_eq!(pair.log.len(), set_up + 3, "none after the end");
}

#[test]
fn a_peer_without_nat_gets_no_keepalive() {
    let pair = Pair::new().establish();
    assert_eq!((pair.log.len(), pair.a.endpoint.counters().keepalives), (4, 0));
}

#[test]
fn whoever_is_lost_is_looked_for_on_port_500() {
    let mut pair = Pair::with(|a, b| {
        (a.mobike, b.mobike) = (true, true);
        (a.dpd_delay, a.children[0].dpd_action) = (Some(Duration::from_secs(2)), DpdAction::Restart);
    })
    .script(|number, _| if number < 4 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(172));
    let ports: Vec<_> =
        pair.log.iter().map(|(_, sent)| (sent.from.port(), is_first(&sent.payload))).collect();
    assert_eq!(ports[3], (4500, false));
    assert_eq!(ports.last(), Some(&(500, true)));
}
