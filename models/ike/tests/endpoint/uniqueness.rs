//! Older IKE SAs of the same two identities: `INITIAL_CONTACT` and the four policies (RFC 7296 §2.4).

use std::time::Duration;

use ipseclab_ike::config::{Reauthentication, Unique};
use ipseclab_ike::{CloseReason, Event, FailureReason, IdentityPattern};

use super::support::{Counting, OFFICE, Pair, Peer, Side, config};

const SAYS_IT: &str = "N(INITIAL_CONTACT)";

/// A pair whose B has this policy; A has the same, or none.
fn pair(unique: Unique) -> Pair {
    Pair::with(|_, b| b.unique = unique).establish()
}

/// A forgets everything and begins anew.
fn restart(pair: &mut Pair, unique: Unique) {
    let mut config = config(Side::A);
    config.connections[0].unique = unique;
    pair.a = Peer::new(config, Counting::new(0x33));
    again(pair);
}

/// A sets another IKE SA up.
fn again(pair: &mut Pair) {
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(2));
}

/// Why B's IKE SAs have ended so far.
fn closed(pair: &Pair) -> Vec<CloseReason> {
    let reason = |event: &Event| match event {
        Event::IkeSaClosed { reason, .. } => Some(*reason),
        _ => None,
    };
    pair.b.events.iter().filter_map(reason).collect()
}

/// Whether each `IKE_AUTH` request of A says that it is the first contact.
fn contacts(pair: &Pair) -> Vec<bool> {
    let requests = pair.log.iter().map(|(_, transmit)| &transmit.message);
    let requests = requests.filter(|message| message.exchange.to_string() == "IKE_AUTH" && !message.response);
    requests.map(|message| message.payloads.iter().any(|payload| payload == SAYS_IT)).collect()
}

#[test]
fn a_client_that_has_lost_its_memory_replaces_its_old_ike_sa_silently() {
    for unique in [Unique::No, Unique::Replace, Unique::Keep] {
        let mut pair = pair(unique);
        restart(&mut pair, Unique::No);
        assert_eq!(contacts(&pair), [true, true]);
        assert_eq!(closed(&pair), [CloseReason::Replaced], "{unique:?}");
        let children =
            pair.b.count(|e| matches!(e, Event::ChildSaClosed { reason: CloseReason::Replaced, .. }));
        assert_eq!((children, pair.live_children().len()), (1, 1));
        assert_eq!(pair.log.len(), 8, "no message about it: {:?}", pair.titles());
    }
}

#[test]
fn never_means_that_nobody_is_replaced() {
    let mut pair = pair(Unique::Never);
    restart(&mut pair, Unique::No);
    assert_eq!((closed(&pair), pair.b.endpoint.established().count()), (vec![], 2));
}

#[test]
fn who_never_replaces_does_not_say_that_it_is_the_first_contact() {
    let mut pair = pair(Unique::No);
    restart(&mut pair, Unique::Never);
    assert_eq!(contacts(&pair), [true, false]);
    assert_eq!(pair.b.endpoint.established().count(), 2);
}

#[test]
fn the_notification_has_the_length_of_strongswans() {
    let silent = Pair::with(|a, _| a.unique = Unique::Never).establish();
    let says_it = pair(Unique::No);
    // N(INITIAL_CONTACT)(8) in v2-init-contact.
    assert_eq!(says_it.log[2].1.payload.len() - silent.log[2].1.payload.len(), 8);
}

#[test]
fn a_second_ike_sa_of_the_same_client_is_no_first_contact_and_may_stay() {
    let mut pair = pair(Unique::No);
    again(&mut pair);
    assert_eq!((contacts(&pair), closed(&pair)), (vec![true, false], vec![]));
    assert_eq!(pair.live_children().len(), 2);
}

#[test]
fn replace_leaves_the_older_one_to_its_client_for_ten_seconds_and_then_deletes_it() {
    let mut pair = pair(Unique::Replace);
    again(&mut pair);
    assert_eq!(pair.b.endpoint.established().count(), 2);
    pair.run_for(Duration::from_mins(1));
    assert_eq!(closed(&pair), [CloseReason::Replaced]);
    assert_eq!(pair.titles()[8..], ["INFORMATIONAL 0 request", "INFORMATIONAL 0 response"]);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn keep_refuses_the_newer_one() {
    let mut pair = pair(Unique::Keep);
    again(&mut pair);
    assert_eq!(pair.b.failures(), [FailureReason::Duplicate]);
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!((closed(&pair), pair.live_children().len()), (vec![], 1));
}

#[test]
fn an_ended_ike_sa_is_forgotten_as_a_contact() {
    let mut pair = pair(Unique::Keep);
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    again(&mut pair);
    assert_eq!((contacts(&pair), pair.live_children().len()), (vec![true, true], 1));
}

#[test]
fn a_renewed_ike_sa_counts_in_place_of_the_old_one() {
    let mut pair = pair(Unique::Keep);
    let (id, _) = pair.a.established();
    pair.a.endpoint.rekey_ike(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    again(&mut pair);
    assert_eq!(pair.b.failures(), [FailureReason::Duplicate]);
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    again(&mut pair);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn a_reauthentication_that_makes_before_it_breaks_is_no_first_contact() {
    let mut pair = Pair::with(|a, b| {
        a.renewal.reauthentication = Reauthentication::MakeBeforeBreak;
        b.unique = Unique::Replace;
    });
    pair = pair.establish();
    let (id, _) = pair.a.established();
    pair.a.endpoint.reauthenticate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(contacts(&pair), [true, false]);
    assert_eq!(closed(&pair), [CloseReason::Remote], "the client deletes it before our ten seconds are over");
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn nobody_is_told_of_a_first_contact_whom_the_initiator_cannot_name() {
    let pair = Pair::with(|a, _| a.remote.id = IdentityPattern::Any).establish();
    assert_eq!((contacts(&pair), pair.live_children().len()), (vec![false], 1));
}
