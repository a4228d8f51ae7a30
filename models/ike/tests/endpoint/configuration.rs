//! Virtual addresses: pools, configuration payloads, and the selectors that depend on them (RFC 7296 §2.19).

use std::net::IpAddr;
use std::time::Duration;

use ipseclab_ike::config::{
    ConfiguredTs, Connection, ConnectionId, EndpointConfig, Pool, PoolAttribute, PoolId, PoolRange,
    Reauthentication,
};
use ipseclab_ike::wire::NotifyType;
use ipseclab_ike::{Event, FailureReason, Identity, Role, VirtualAddress};

use super::support::{B, OFFICE, Pair, Peer, SECRET, Verdict};

const POOL: PoolId = PoolId(0);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A asks for an address and B lends from 10.77.0.0/`prefix_len`.
fn lend(a: &mut EndpointConfig, b: &mut EndpointConfig, prefix_len: u8) {
    let mut pool = Pool::new("p1", PoolRange::network(ip("10.77.0.0"), prefix_len).unwrap());
    pool.attributes.push(PoolAttribute::Dns(ip("10.10.2.53")));
    b.pools.push(pool);
    b.connections[0].pools.push(POOL);
    b.connections[0].children[0].remote_ts = ConfiguredTs::dynamic();
    a.connections[0].vips = vec![ip("0.0.0.0")];
    a.connections[0].children[0].local_ts = ConfiguredTs::dynamic();
}

fn roadwarrior() -> Pair {
    Pair::configured(|a, b| lend(a, b, 28))
}

fn agreed(peer: &Peer) -> Vec<&VirtualAddress> {
    let agreed = peer.events.iter().filter_map(|event| match event {
        Event::VirtualAddress(agreed) => Some(&**agreed),
        _ => None,
    });
    agreed.collect()
}

fn addresses(peer: &Peer) -> Vec<String> {
    let agreed = agreed(peer).into_iter();
    agreed.flat_map(|agreed| &agreed.addresses).map(ToString::to_string).collect()
}

/// The local selectors of A's Child SAs, one after another.
fn selectors(pair: &Pair) -> Vec<String> {
    pair.a.children().iter().map(|child| child.local_ts.to_string()).collect()
}

#[test]
fn a_client_gets_the_first_address_of_the_pool_and_its_name_server() {
    let pair = roadwarrior().establish();
    for (peer, role) in [(&pair.a, Role::Initiator), (&pair.b, Role::Responder)] {
        let agreed = agreed(peer);
        let [one] = agreed.as_slice() else { panic!("{agreed:?}") };
        assert_eq!((one.role, one.connection), (role, OFFICE));
        assert_eq!(
            (one.addresses.as_slice(), one.dns.as_slice()),
            (&[ip("10.77.0.1")][..], &[ip("10.10.2.53")][..])
        );
    }
    assert_eq!(selectors(&pair), ["10.77.0.1"]);
    assert_eq!(pair.b.children()[0].remote_ts, pair.a.children()[0].local_ts);
    assert_eq!(pair.b.endpoint.leases_in_use(POOL), 1);
}

/// Octets of the message with this number on the wire.
fn len(pair: &Pair, number: usize) -> usize {
    pair.log[number].1.payload.len()
}

/// Octets of the CP payloads of a capture, in order.
fn captured_cp() -> Option<Vec<usize>> {
    let file = "/../../../shared/reference/captures/strongswan/v2-vip/messages.csv";
    let Ok(table) = std::fs::read_to_string(format!("{}{file}", env!("CARGO_MANIFEST_DIR"))) else {
        println!("skipped: no reference captures beside the workspace");
        return None;
    };
    let behind = table.split(" CP(").skip(1);
    Some(behind.map(|rest| rest.split(')').next().unwrap().parse().unwrap()).collect())
}

#[test]
fn configuration_payloads_are_as_long_as_strongswans() {
    let plain = Pair::configured(|a, b| {
        lend(a, b, 28);
        a.connections[0].vips.clear();
        b.connections[0].pools.clear();
    });
    let (plain, with) = (plain.establish(), roadwarrior().establish());
    let growth = [2, 3].map(|number| len(&with, number) - len(&plain, number));
    assert_eq!(growth, [12, 24], "an empty attribute in the request, two of four octets in the reply");
    if let Some(captured) = captured_cp() {
        assert_eq!(captured, growth);
    }
    let order = &with.log[2].1.message.payloads;
    let place = |name: &str| order.iter().position(|payload| payload.starts_with(name));
    assert!(place("AUTH") < place("CP") && place("CP") < place("SA"), "{order:?}");
}

#[test]
fn an_address_returns_to_the_pool_with_the_ike_sa_and_comes_back_to_its_client() {
    let mut pair = roadwarrior().establish();
    for _ in 0..2 {
        let (id, _) = pair.a.established();
        pair.a.endpoint.terminate(pair.now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
        assert_eq!(pair.b.endpoint.leases_in_use(POOL), 0);
        pair = pair.establish();
    }
    assert_eq!(addresses(&pair.b), ["10.77.0.1", "10.77.0.1", "10.77.0.1"]);
}

#[test]
fn lost_messages_do_not_cost_another_address() {
    for lost in [2, 3] {
        let script = move |number, _: &_| if number == lost { Verdict::Lose } else { Verdict::Deliver };
        let pair = roadwarrior().script(script).establish();
        assert_eq!(
            (addresses(&pair.a), addresses(&pair.b)),
            (vec!["10.77.0.1".into()], vec!["10.77.0.1".into()])
        );
        assert_eq!(pair.b.endpoint.leases_in_use(POOL), 1);
    }
}

/// A second client behind the same endpoint, with an identity of its own.
fn second_client(a: &mut EndpointConfig, b: &mut EndpointConfig) {
    let ids = ["c.example", "b.example"].map(Identity::parse);
    let twin = |of: &Connection, own: usize| Connection {
        local: Connection::new("x", ids[own].clone(), ids[1 - own].clone()).local,
        remote: Connection::new("x", ids[own].clone(), ids[1 - own].clone()).remote,
        ..of.clone()
    };
    a.connections.push(twin(&a.connections[0], 0));
    b.connections.push(twin(&b.connections[0], 1));
    a.credentials.add_psk(ids.clone(), SECRET);
    b.credentials.add_psk(ids.clone(), SECRET);
}

fn two_clients(prefix_len: u8) -> Pair {
    let mut pair = Pair::configured(|a, b| {
        lend(a, b, prefix_len);
        second_client(a, b);
    });
    for connection in [OFFICE, ConnectionId(1)] {
        pair.a.endpoint.initiate(pair.now, connection).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
    }
    pair
}

#[test]
fn two_clients_have_two_addresses() {
    let pair = two_clients(28);
    assert_eq!(addresses(&pair.a), ["10.77.0.1", "10.77.0.2"]);
    assert_eq!(selectors(&pair), ["10.77.0.1", "10.77.0.2"]);
}

#[test]
fn an_exhausted_pool_leaves_an_ike_sa_without_child_and_the_error_comes_last() {
    let pair = two_clients(32);
    assert_eq!(addresses(&pair.a), ["10.77.0.0"]);
    assert_eq!(pair.a.failures(), [FailureReason::AddressFailure]);
    assert_eq!(pair.b.failures(), [FailureReason::AddressFailure]);
    assert_eq!((pair.a.endpoint.established().count(), pair.live_children().len()), (2, 1));
    let payloads = &pair.log[7].1.message.payloads;
    let error = format!("N({})", NotifyType::InternalAddressFailure);
    assert_eq!(payloads.last(), Some(&error), "{payloads:?}");
}

#[test]
fn who_does_not_ask_where_addresses_are_lent_gets_no_child() {
    let pair = Pair::configured(|a, b| {
        lend(a, b, 28);
        a.connections[0].vips.clear();
    });
    let pair = pair.establish();
    assert_eq!(pair.a.failures(), [FailureReason::CpRequired]);
    assert_eq!(pair.b.endpoint.leases_in_use(POOL), 0);
    assert_eq!(pair.a.endpoint.established().count(), 1);
}

#[test]
fn who_asks_where_nothing_is_lent_gets_no_child() {
    let pair = Pair::configured(|a, _| a.connections[0].vips = vec![ip("0.0.0.0")]).establish();
    assert_eq!(pair.a.failures(), [FailureReason::AddressFailure]);
}

#[test]
fn both_families_can_be_lent_at_once() {
    let pair = Pair::configured(|a, b| {
        lend(a, b, 28);
        b.pools.push(Pool::new("p6", PoolRange::network(ip("2001:db8:77::"), 120).unwrap()));
        b.connections[0].pools.push(PoolId(1));
        b.pools[1].attributes.push(PoolAttribute::Dns(ip("2001:db8::53")));
        a.connections[0].vips.push(ip("::"));
        a.connections[0].children[0].remote_ts = ConfiguredTs::dynamic();
        b.connections[0].children[0].local_ts = ConfiguredTs::dynamic();
    });
    let pair = pair.establish();
    assert_eq!(addresses(&pair.a), ["10.77.0.1", "2001:db8:77::1"]);
    assert_eq!(agreed(&pair.a)[0].dns, [ip("10.10.2.53"), ip("2001:db8::53")]);
    assert_eq!(selectors(&pair), ["10.77.0.1 2001:db8:77::1"]);
    assert_eq!(pair.a.children()[0].remote_ts.to_string(), B.to_string());
}

#[test]
fn a_renewed_ike_sa_and_its_child_sas_keep_the_address() {
    let mut pair = roadwarrior().establish();
    let (id, _) = pair.a.established();
    pair.a.endpoint.rekey_ike(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    let (renewed, spis) = pair.a.established();
    assert_ne!(renewed, id);
    pair.a.endpoint.rekey_child(pair.now, renewed, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(selectors(&pair), ["10.77.0.1", "10.77.0.1"]);
    assert_eq!((addresses(&pair.b).len(), pair.b.endpoint.leases_in_use(POOL)), (1, 1));
    let (id, _) = pair.b.established();
    pair.b.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    assert_eq!(pair.live_children().len(), 1);
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.b.endpoint.leases_in_use(POOL), 0);
}

#[test]
fn a_reauthenticated_ike_sa_keeps_the_address_in_either_order() {
    for order in [Reauthentication::BreakBeforeMake, Reauthentication::MakeBeforeBreak] {
        let pair = Pair::configured(|a, b| {
            lend(a, b, 28);
            a.connections[0].renewal.reauthentication = order;
        });
        let mut pair = pair.establish();
        let (id, _) = pair.a.established();
        pair.a.endpoint.reauthenticate(pair.now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
        assert_eq!(addresses(&pair.b), ["10.77.0.1", "10.77.0.1"], "{order:?}");
        assert_eq!((pair.live_children().len(), pair.b.endpoint.leases_in_use(POOL)), (1, 1), "{order:?}");
    }
}

#[test]
fn without_virtual_addresses_dynamic_is_the_sides_own_address() {
    let pair = Pair::with(|a, b| {
        for connection in [a, b] {
            connection.children[0].local_ts = ConfiguredTs::dynamic();
            connection.children[0].remote_ts = ConfiguredTs::dynamic();
        }
    });
    let pair = pair.establish();
    let child = pair.a.children()[0];
    assert_eq!(
        (child.local_ts.to_string(), child.remote_ts.to_string()),
        ("192.0.2.1".into(), "192.0.2.2".into())
    );
    assert_eq!(pair.b.children()[0].remote_ts, child.local_ts);
}
