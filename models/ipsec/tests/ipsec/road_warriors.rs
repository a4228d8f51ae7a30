//! Policies whose selectors are those of the pairs that are installed: one entry for all clients of a responder, and for
//! the virtual address of a client.

use core::net::Ipv4Addr;

use ipseclab_ipsec::{
    DefaultAction, Direction, DiscardReason, Inbound, Outbound, OutboundUse, PolicyId, Protection, SaPair,
    Selectors, Spd, SpdAction, SpdEntry, Spi, TrafficSelector,
};

use crate::support::{
    LEFT, LEFT_HOST, POLICY, RIGHT, RIGHT_HOST, Suite, TestEngine, delivered, engine, entry, mirrored, ping,
    seconds, sent,
};

const OTHER: PolicyId = PolicyId(2);
const INSTALLED: SpdAction = SpdAction::ProtectInstalled { policy: POLICY };

fn anything(name: &str, action: SpdAction) -> SpdEntry {
    entry(name, TrafficSelector::ANY, TrafficSelector::ANY, action)
}

/// The virtual address of a client.
fn client(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 3, 0, 0).to_bits() + number)
}

/// The pair for one client as the responder, the left end, has it.
fn pair(number: u32) -> SaPair {
    let mut pair = Suite::GCM_TUNNEL.pair(0x1000 + 2 * number);
    pair.local_ts = vec![TrafficSelector::network(LEFT_HOST, 16)];
    pair.remote_ts = vec![TrafficSelector::host(client(number))];
    pair
}

fn responder(entries: Vec<SpdEntry>) -> TestEngine {
    engine(LEFT, Spd::new(entries, DefaultAction::Discard))
}

fn outbound_spi(engine: &mut TestEngine, to: Ipv4Addr) -> Result<u32, DiscardReason> {
    match engine.outbound(seconds(0), ping(LEFT_HOST, to, 8), 0) {
        Outbound::Send { sa, .. } => Ok(sa.map_or(0, Spi::value)),
        Outbound::Discard { reason, .. } => Err(reason),
        other @ (Outbound::Queued | Outbound::Fragment { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn the_policy_of_a_client_comes_and_goes_with_its_pair() {
    let mut gateway = responder(vec![anything("clients", INSTALLED)]);
    assert_eq!(outbound_spi(&mut gateway, client(1)), Err(DiscardReason::NoPolicy));
    gateway.install(seconds(0), pair(1), OutboundUse::Now).unwrap();
    gateway.install(seconds(0), pair(2), OutboundUse::Now).unwrap();
    assert_eq!(outbound_spi(&mut gateway, client(1)), Ok(0x1003));
    assert_eq!(outbound_spi(&mut gateway, client(2)), Ok(0x1005));
    assert_eq!(outbound_spi(&mut gateway, client(3)), Err(DiscardReason::NoPolicy));
    gateway.remove(Spi::new(0x1002).unwrap()).unwrap();
    assert_eq!(outbound_spi(&mut gateway, client(1)), Err(DiscardReason::NoPolicy));
    assert_eq!(outbound_spi(&mut gateway, client(2)), Ok(0x1005));
    assert_eq!(gateway.poll_event(), None, "nothing is negotiated for clients that are not there");
}

#[test]
fn a_clients_packets_in_the_clear_are_refused_while_its_pair_is_there() {
    let mut gateway = responder(vec![anything("clients", INSTALLED), anything("rest", SpdAction::Bypass)]);
    let reason =
        |gateway: &mut TestEngine| match gateway.inbound(seconds(0), ping(client(1), LEFT_HOST, 8), 0) {
            Inbound::Deliver { .. } => None,
            Inbound::Discard { reason, .. } => Some(reason),
        };
    assert_eq!(reason(&mut gateway), None);
    gateway.install(seconds(0), pair(1), OutboundUse::Now).unwrap();
    assert_eq!(reason(&mut gateway), Some(DiscardReason::Unprotected));
    gateway.remove(Spi::new(0x1002).unwrap()).unwrap();
    assert_eq!(reason(&mut gateway), None);
}

#[test]
fn entries_keep_their_order_of_precedence() {
    let to_client = |number| Selectors::parse(&ping(LEFT_HOST, client(number), 8)).unwrap();
    let forbidden =
        entry("forbidden", TrafficSelector::ANY, TrafficSelector::host(client(1)), SpdAction::Discard);
    let second = anything("second", SpdAction::ProtectInstalled { policy: OTHER });
    let mut gateway = responder(vec![forbidden, anything("first", INSTALLED), second]);
    for number in 1..=3 {
        let policy = if number == 3 { OTHER } else { POLICY };
        gateway.install(seconds(0), SaPair { policy, ..pair(number) }, OutboundUse::Now).unwrap();
    }
    let mut action = |number| gateway.lookup(Direction::Outbound, &to_client(number));
    assert_eq!(action(1), Some(SpdAction::Discard));
    assert_eq!(action(2), Some(INSTALLED));
    assert_eq!(action(3).and_then(SpdAction::policy), Some(OTHER));
    assert_eq!(action(4), None);
}

#[test]
fn an_entrys_own_selectors_bound_those_of_its_pairs() {
    let clients = TrafficSelector::network(client(0), 24);
    let mut gateway = responder(vec![entry("clients", TrafficSelector::ANY, clients, INSTALLED)]);
    gateway.install(seconds(0), pair(1), OutboundUse::Now).unwrap();
    gateway.install(seconds(0), pair(300), OutboundUse::Now).unwrap();
    assert_eq!(outbound_spi(&mut gateway, client(1)), Ok(0x1003));
    assert_eq!(outbound_spi(&mut gateway, client(300)), Err(DiscardReason::NoPolicy));
}

#[test]
fn a_client_uses_the_address_that_it_was_given() {
    let mut road_warrior = engine(RIGHT, Spd::new(vec![anything("home", INSTALLED)], DefaultAction::Bypass));
    let mut gateway = responder(vec![anything("clients", INSTALLED)]);
    let from = |address| ping(address, LEFT_HOST, 8);
    assert!(matches!(road_warrior.outbound(seconds(0), from(client(7)), 0), Outbound::Send { sa: None, .. }));
    gateway.install(seconds(0), pair(7), OutboundUse::Now).unwrap();
    road_warrior.install(seconds(0), mirrored(&pair(7)), OutboundUse::Now).unwrap();
    let wire = sent(road_warrior.outbound(seconds(0), from(client(7)), 0));
    assert_eq!(delivered(gateway.inbound(seconds(0), wire, 0)), from(client(7)));
    // Its other addresses are not the tunnel's.
    let outcome = road_warrior.outbound(seconds(0), from(RIGHT_HOST), 0);
    assert!(matches!(outcome, Outbound::Send { sa: None, .. }));
}

#[test]
fn each_of_ten_thousand_clients_has_its_own_pair_and_rekeys_it() {
    const CLIENTS: u32 = 10_000;
    let mut gateway = responder(vec![anything("clients", INSTALLED)]);
    for number in 0..CLIENTS {
        gateway.install(seconds(0), pair(number), OutboundUse::Now).unwrap();
    }
    for number in (0..CLIENTS).step_by(7) {
        assert_eq!(outbound_spi(&mut gateway, client(number)), Ok(0x1001 + 2 * number));
    }
    for number in (0..CLIENTS).step_by(11) {
        let mut fresh = pair(number);
        for (sa, spi) in [(&mut fresh.inbound, 0x10_0000), (&mut fresh.outbound, 0x10_0001)] {
            let Protection::Esp(esp) = &mut sa.protection else { panic!("the suite has ESP") };
            esp.spi = Spi::new(spi + 2 * number).unwrap();
        }
        gateway.install(seconds(1), fresh, OutboundUse::Now).unwrap();
        gateway.remove(Spi::new(0x1000 + 2 * number).unwrap()).unwrap();
        assert_eq!(outbound_spi(&mut gateway, client(number)), Ok(0x10_0001 + 2 * number));
    }
    assert_eq!(outbound_spi(&mut gateway, client(CLIENTS)), Err(DiscardReason::NoPolicy));
}
