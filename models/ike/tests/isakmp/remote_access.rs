//! Extended authentication and virtual addresses.

use std::time::Duration;

use ipseclab_ike::config::{ConfiguredTs, ModeConfig, Pool, PoolAttribute, PoolId, PoolRange, Xauth};
use ipseclab_ike::eap::EapIdentity;
use ipseclab_ike::{Event, FailureReason};

use crate::support::{Pair, certified};
use crate::{check_messages, configured, messages};

fn carol() -> EapIdentity {
    EapIdentity::new(b"carol").unwrap()
}

/// A is carol and wants an address; B knows her by `password`.
fn remote_access(password: &str, mode: ModeConfig) -> Pair {
    configured(|a, b| {
        a.credentials.eap = certified::users(&[("carol", "Ar3etTnp")]);
        b.credentials.eap = certified::users(&[("carol", password)]);
        let (client, server) = (&mut a.connections[0], &mut b.connections[0]);
        client.v1.xauth = Some(Xauth::Client(carol()));
        server.v1.xauth = Some(Xauth::Server);
        client.vips = vec![[0, 0, 0, 0].into()];
        client.children[0].local_ts = ConfiguredTs::dynamic();
        server.children[0].remote_ts = ConfiguredTs::dynamic();
        server.pools = vec![PoolId(0)];
        (client.v1.mode_config, server.v1.mode_config) = (mode, mode);
        let range = PoolRange::network([10, 77, 0, 0].into(), 24).unwrap();
        let mut pool = Pool::new("clients", range);
        pool.attributes = vec![PoolAttribute::Dns([10, 10, 2, 53].into())];
        b.pools = vec![pool];
    })
}

#[test]
fn a_client_logs_in_gets_an_address_and_uses_it() {
    let mut pair = remote_access("Ar3etTnp", ModeConfig::Pull);
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    // v1-xauth-psk-modecfg from its seventh message on.
    let after_phase_1 = pair.log.split_off(6);
    pair.log = after_phase_1;
    check_messages(
        &pair,
        &[
            ("Transaction", 76, "E HASH CP"),
            ("Transaction", 92, "E HASH CP"),
            ("Transaction", 76, "E HASH CP"),
            ("Transaction", 76, "E HASH CP"),
            ("Transaction", 76, "E HASH CP"),
            ("Transaction", 92, "E HASH CP"),
            ("Quick Mode", 172, "E HASH SA No ID ID"),
            ("Quick Mode", 172, "E HASH SA No ID ID"),
            ("Quick Mode", 60, "E HASH"),
        ],
    );
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.a.children()[0].local_ts.to_string(), "10.77.0.1");
    assert_eq!(pair.b.children()[0].remote_ts.to_string(), "10.77.0.1");
    assert_eq!(pair.b.endpoint.leases_in_use(PoolId(0)), 1);
    let told = pair.a.events.iter().find_map(|event| match event {
        Event::VirtualAddress(agreed) => Some(agreed.clone()),
        _ => None,
    });
    let told = told.expect("A is told");
    assert_eq!((told.addresses, told.dns), (vec![[10, 77, 0, 1].into()], vec![[10, 10, 2, 53].into()]));
}

#[test]
fn a_server_may_push_the_address() {
    let mut pair = remote_access("Ar3etTnp", ModeConfig::Push);
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.live_children().len(), 1, "{:?}", messages(&pair));
    assert_eq!(pair.a.children()[0].local_ts.to_string(), "10.77.0.1");
}

#[test]
fn a_wrong_password_ends_it_on_both_sides() {
    let mut pair = remote_access("something else", ModeConfig::Pull);
    pair.initiate();
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.a.failures().last(), Some(&FailureReason::XauthFailed), "{:?}", messages(&pair));
    assert_eq!(pair.b.failures().last(), Some(&FailureReason::XauthFailed));
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
    assert_eq!(pair.a.count(|event| matches!(event, Event::IkeSaEstablished(_))), 0);
    assert_eq!(pair.b.endpoint.leases_in_use(PoolId(0)), 0);
}
