//! Every arrival order of one and of two disturbed messages.
//!
//! Set-up, a renewal of the Child SA, a renewal of phase 1: whatever the network does to one or two messages, both sides
//! agree on the live Child SAs at every stage, nobody fails, and nothing half-built remains.

use std::time::Duration;

use ipseclab_ike::Event;
use ipseclab_ike::config::{ConfiguredTs, Connection, EndpointConfig, Pool, PoolId, PoolRange, Xauth};
use ipseclab_ike::eap::EapIdentity;

use crate::old;
use crate::support::{Counting, Pair, Peer, Side, Verdict, certified, config};

/// Loss, doubling, overtaking by the next message, and arrival after the first repetition (4 s) and after the second
/// (11.2 s).
const VERDICTS: [Verdict; 5] = [
    Verdict::Lose,
    Verdict::Duplicate,
    Verdict::Delay(Duration::from_millis(25)),
    Verdict::Delay(Duration::from_millis(4_500)),
    Verdict::Delay(Duration::from_secs(12)),
];

/// What sets a life apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Main,
    Aggressive,
    /// With extended authentication and a virtual address.
    Client,
}

fn pair(kind: Kind) -> Pair {
    let (mut a, mut b) = (config(Side::A), config(Side::B));
    for config in [&mut a, &mut b] {
        old(&mut config.connections[0]);
        config.connections[0].v1.aggressive = kind == Kind::Aggressive;
    }
    if kind == Kind::Client {
        as_client(&mut a, &mut b);
    }
    Pair::of(Peer::cheap(a, Counting::new(0)), Peer::cheap(b, Counting::new(0x55)))
}

fn as_client(a: &mut EndpointConfig, b: &mut EndpointConfig) {
    for config in [&mut *a, &mut *b] {
        config.credentials.eap = certified::users(&[("carol", "Ar3etTnp")]);
    }
    let (client, server): (&mut Connection, &mut Connection) = (&mut a.connections[0], &mut b.connections[0]);
    client.v1.xauth = EapIdentity::new(b"carol").map(Xauth::Client);
    server.v1.xauth = Some(Xauth::Server);
    client.vips = vec![[0, 0, 0, 0].into()];
    client.children[0].local_ts = ConfiguredTs::dynamic();
    server.children[0].remote_ts = ConfiguredTs::dynamic();
    server.pools = vec![PoolId(0)];
    b.pools = vec![Pool::new("clients", PoolRange::network([10, 77, 0, 0].into(), 24).unwrap())];
}

/// Lives under `disturbances`, a verdict for each of some datagrams by their number on the wire; returns how many
/// datagrams were sent.
fn live(kind: Kind, disturbances: &[(usize, Verdict)]) -> usize {
    let script = disturbances.to_vec();
    let mut pair = pair(kind).script(move |number, _| {
        let verdict = script.iter().find(|(victim, _)| *victim == number);
        verdict.map_or(Verdict::Deliver, |(_, verdict)| *verdict)
    });
    pair.initiate();
    pair.run_for(Duration::from_mins(1));
    check(&pair, 1, (kind, disturbances));
    let now = pair.now;
    let (id, spis) = pair.a.established();
    pair.a.endpoint.rekey_child(now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    check(&pair, 2, (kind, disturbances));
    let now = pair.now;
    pair.b.endpoint.rekey_ike(now, pair.b.established().0).unwrap();
    pair.flush();
    // The old one is deleted when the initiator has long had the time to hear of the new one.
    pair.run_for(Duration::from_secs(250));
    check(&pair, 2, (kind, disturbances));
    pair.log.len()
}

fn check(pair: &Pair, children: usize, story: (Kind, &[(usize, Verdict)])) {
    let here = |peer: &Peer| peer.endpoint.established().map(|(_, _, spis)| spis.len()).sum::<usize>();
    let sent = || {
        pair.log
            .iter()
            .map(|(at, it)| format!("{at:?} {} {:?}", it.from, it.message.payloads))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (here(&pair.a), here(&pair.b)),
        (children, children),
        "{story:?}: {:#?} {:#?}",
        pair.titles(),
        sent()
    );
    assert_eq!(pair.live_children().len(), children, "{story:?}: {:?}", pair.titles());
    assert_eq!((pair.a.failures(), pair.b.failures()), (vec![], vec![]), "{story:?}");
    let counts = (pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count());
    assert_eq!(counts, (1, 1), "{story:?}: {:?}", pair.titles());
    for peer in [&pair.a, &pair.b] {
        let up = peer.count(|event| matches!(event, Event::IkeSaEstablished(_)));
        let gone = peer.count(|event| matches!(event, Event::IkeSaClosed { .. }));
        assert_eq!(up - gone, 1, "{story:?}");
        assert_eq!(peer.count(|event| matches!(event, Event::ChildSaClosed { .. })), 0, "{story:?}");
    }
}

#[test]
fn any_one_disturbed_message_is_survived() {
    for kind in [Kind::Main, Kind::Aggressive, Kind::Client] {
        let undisturbed = live(kind, &[]);
        for number in 0..undisturbed {
            for verdict in VERDICTS {
                live(kind, &[(number, verdict)]);
            }
        }
    }
}

#[test]
fn any_two_disturbed_messages_are_survived() {
    for kind in [Kind::Main, Kind::Aggressive] {
        let undisturbed = live(kind, &[]);
        for first in 0..undisturbed {
            for second in first + 1..(first + 6).min(undisturbed + 2) {
                for (one, two) in VERDICTS.into_iter().flat_map(|one| VERDICTS.map(|two| (one, two))) {
                    live(kind, &[(first, one), (second, two)]);
                }
            }
        }
    }
}
