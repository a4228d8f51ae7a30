//! Windows wider than one request (RFC 7296 §2.3).

use std::time::Duration;

use ipseclab_ike::Role;
use ipseclab_ike::config::ChildId;
use ipseclab_ike::wire::ExchangeType;

use crate::support::craft::Crafter;
use crate::support::{A, OFFICE, Pair, Verdict, tunnel};

/// A pair with three children each, where A may send `own` requests at once and B takes `promised`.
fn pair(own: u32, promised: u32) -> Pair {
    Pair::configured(|a, b| {
        for (config, ends) in [(&mut *a, ["10.1", "10.2"]), (&mut *b, ["10.2", "10.1"])] {
            let connection = &mut config.connections[0];
            for place in 1..=4 {
                let [local, remote] = ends.map(|end| format!("{end}.{place}"));
                let mut child = tunnel(&local, &remote);
                child.name = format!("lan{place}");
                connection.children.push(child);
            }
        }
        a.limits.window = own;
        b.connections[0].window = promised;
    })
}

/// How many of A's requests for three more Child SAs go out at once.
fn burst(pair: &mut Pair) -> usize {
    let before = pair.log.len();
    for place in 1..=3 {
        pair.a.endpoint.initiate_child(pair.now, ChildId { connection: OFFICE, place }).unwrap();
    }
    pair.flush();
    pair.log.len() - before
}

#[test]
fn both_the_peers_promise_and_our_limit_bound_what_goes_out_at_once() {
    for (own, promised, expected) in [(1, 1, 1), (1, 3, 1), (3, 1, 1), (2, 3, 2), (3, 3, 3), (8, 2, 2)] {
        let mut pair = pair(own, promised).establish();
        assert_eq!(burst(&mut pair), expected, "limit {own}, promise {promised}");
        pair.run_for(Duration::from_secs(5));
        assert_eq!(pair.live_children().len(), 4);
    }
}

#[test]
fn a_window_of_one_is_not_announced() {
    for (promised, expected) in [(1, false), (2, true)] {
        let pair = pair(1, promised).establish();
        let announced = pair.log[3].1.message.payloads.contains(&"N(SET_WINDOW_SIZE)".to_owned());
        assert_eq!(announced, expected);
    }
}

#[test]
fn requests_that_overtake_each_other_are_all_answered() {
    let mut pair = pair(3, 3).script(|number, _| match number {
        4 => Verdict::Delay(Duration::from_millis(200)),
        5 => Verdict::Delay(Duration::from_millis(100)),
        _ => Verdict::Deliver,
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(burst(&mut pair), 3);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.live_children().len(), 4);
    assert!(pair.log.iter().all(|(_, sent)| !sent.message.repeated));
    assert!(pair.b.drops().is_empty());
}

#[test]
fn a_request_beyond_the_window_is_dropped() {
    let mut pair = pair(1, 2).establish();
    let mut a = Crafter::new(&pair.a, Role::Initiator);
    let ids = [2, 3, 4, 5];
    let answers = ids.map(|id| {
        let request = a.request(ExchangeType::Informational, id + 1, &[]);
        pair.b.receive(pair.now, (A, 500), 500, &request).len()
    });
    assert_eq!(answers, [1, 0, 0, 0], "3 is within 2..=3; 2 is not answered yet");
}

#[test]
fn a_renewed_ike_sa_keeps_its_window() {
    let mut pair = pair(3, 3).establish();
    let (old, _) = pair.a.established();
    pair.a.endpoint.rekey_ike(pair.now, old).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(5));
    assert_ne!(pair.a.established().0, old);
    assert_eq!(burst(&mut pair), 3);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.live_children().len(), 4);
}

#[test]
fn an_answer_of_another_exchange_completes_nothing() {
    let mut pair = Pair::new().establish();
    let (id, spis) = pair.a.established();
    pair.a.endpoint.close_child(pair.now, id, spis[0]).unwrap();
    pair.a.drain();
    let forged = Crafter::new(&pair.b, Role::Responder).response(ExchangeType::CreateChildSa, 2, &[]);
    pair.a.receive(pair.now, (crate::support::B, 500), 500, &forged);
    assert_eq!(pair.a.drops(), [ipseclab_ike::DropReason::MessageId]);
    assert_eq!(pair.a.established().1, spis, "the Delete is still under way");
}
