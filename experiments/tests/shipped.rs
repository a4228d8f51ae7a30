//! What comes with the program is right, says what it claims, and survives being written anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{
    self, CheckedScenario, Fault, FlowKind, Identity, Mode, StartAction, library,
};
use ipseclab_experiments::schema;
use ipseclab_experiments::sweep::{Metric, SweepPlan};
use ipseclab_node::Observe;
use ipseclab_output::NodeRow;
use ipseclab_sim::{SimDuration, SimTime};
use serde_json::Value;

fn load(name: &str) -> CheckedScenario {
    scenario::load(name, &[]).unwrap_or_else(|report| panic!("{report}"))
}

fn checked(text: &str) -> CheckedScenario {
    let document =
        Document::parse(&SourceText::new("again", text)).unwrap_or_else(|report| panic!("{report}"));
    scenario::check(&document, None).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_shipped_scenario_is_right_and_described() {
    for shipped in library::SCENARIOS {
        let scenario = load(shipped.name);
        assert_eq!(scenario.name, shipped.name);
        assert!(shipped.description().ends_with('.'), "{}", shipped.name);
        assert!(!scenario.connections.is_empty() && !scenario.traffic.is_empty(), "{}", shipped.name);
    }
}

#[test]
fn the_canonical_form_means_the_same_and_is_its_own_canonical_form() {
    for shipped in library::SCENARIOS {
        let first = load(shipped.name);
        let second = checked(&first.canonical);
        assert_eq!(first.canonical, second.canonical, "{}", shipped.name);
        assert_eq!(first.nodes, second.nodes);
        assert_eq!(first.connections, second.connections);
        assert_eq!(first.traffic, second.traffic);
        assert_eq!(first.faults, second.faults);
    }
}

#[test]
fn layout_and_comments_do_not_change_the_canonical_form() {
    let text = library::SCENARIOS[0].text;
    let stripped: Vec<_> = text.lines().map(|line| line.split(" #").next().unwrap()).collect();
    let spaced = stripped.join("\n\n").replace(" = ", "   =   ");
    assert_ne!(text, spaced);
    assert_eq!(checked(text).canonical, checked(&spaced).canonical);
}

#[test]
fn site_to_site_lives_through_all_five_steps() {
    let scenario = load("site-to-site");
    let child = &scenario.connections[0].children[0];
    assert_eq!((child.start_action, child.mode), (StartAction::Trap, Mode::Tunnel));
    let last_ping = scenario.traffic[0].stop;
    let idle = child.inactivity.expect("an end by inactivity");
    assert!(last_ping + idle < scenario.end(), "the end must be seen");
    assert_eq!(scenario.nodes[0].address.to_string(), "198.18.0.1");
    assert_eq!(scenario.connections[0].local_id, Identity::Address(scenario.nodes[0].address));
    assert_eq!(scenario.traffic[0].source.to_string(), "10.1.0.1");
    assert_eq!(scenario.traffic[0].kind, FlowKind::Ping);
    let retransmission = scenario.connections[0].retransmission;
    assert_eq!(retransmission.timeout, SimDuration::from_secs(4));
    assert_eq!((retransmission.base_thousandths, retransmission.tries), (1800, 5));
}

#[test]
fn the_nat_has_an_inside_and_the_node_is_known_by_it() {
    let scenario = load("site-to-site-nat");
    let nat = scenario.nodes[0].nat.expect("left is behind a NAT");
    assert_eq!(nat.inside.to_string(), "100.64.0.1");
    assert_eq!(scenario.connections[0].local_id, Identity::Address(nat.inside.into()));
    assert_eq!(scenario.nodes[1].nat, None);
}

#[test]
fn one_wildcard_connection_stands_for_eight_tunnels() {
    let scenario = load("hub-and-spoke");
    assert_eq!((scenario.pairs().len(), scenario.connections.len()), (8, 16));
    let hub = scenario.topology.node_by_name("hub").unwrap();
    let mut locals = scenario.connections.iter().filter(|connection| connection.is_local);
    assert!(locals.all(|connection| connection.peer == Some(hub)));
    assert_eq!(scenario.pairs()[2].label, "branch/spoke-3--hub");
    assert_eq!(scenario.connections[5].label, "branch/spoke-3--hub", "on both sides");
    let networks: Vec<_> = scenario.nodes.iter().map(|node| node.networks[0].to_string()).collect();
    assert_eq!(networks[..3], ["10.0.0.0/16", "10.128.0.0/24", "10.128.1.0/24"]);
    assert_eq!(scenario.nodes[hub.index()].cores, 2);
    let starts: Vec<_> = scenario.traffic[..8].iter().map(|flow| flow.start.as_nanos() / 1_000_000).collect();
    assert_eq!(starts, [0, 250, 500, 750, 1000, 1250, 1500, 1750]);
    // 428 octets at 256 kbit/s.
    assert_eq!(scenario.traffic[8].interval, SimDuration::from_nanos(428 * 8 * 1_000_000_000 / 256_000));
}

#[test]
fn abilene_has_eleven_sites_and_ten_tunnels_over_links_from_distances() {
    let scenario = load("abilene-sites");
    assert_eq!((scenario.topology.node_count(), scenario.pairs().len()), (11, 10));
    let delays: std::collections::BTreeSet<_> =
        scenario.topology.links().map(|(.., link)| link.delay_ns).collect();
    assert_eq!(delays.len(), scenario.topology.link_count(), "each link has its own length");
    assert!(scenario.topology.links().all(|(.., link)| link.rate_bps == Some(1_000_000_000)));
    assert!(scenario.topology.links().all(|(.., link)| link.loss_ppb == 100_000));
    let [Fault::LinkDown { link, at, until }] = scenario.faults[..] else { panic!("one fault") };
    assert_eq!(scenario.topology.link_name(link).as_deref(), Some("Kansas-City--Indianapolis"));
    assert_eq!((at, until), (SimTime::from_nanos(5_000_000_000), SimTime::from_nanos(8_000_000_000)));
}

#[test]
fn the_study_varies_distance_loss_and_key_exchange_with_thirty_replications() {
    for study in library::STUDIES {
        assert!(study.description().ends_with('.'), "{}", study.name);
    }
    let plan = SweepPlan::load("negotiation-latency", &[]).unwrap_or_else(|report| panic!("{report}"));
    assert!(plan.replications >= 30);
    let paths: Vec<_> = plan.axes.iter().map(|axis| axis.path.to_string()).collect();
    assert_eq!(paths, ["topology.link.delay", "topology.link.loss", "connections.office.proposals"]);
    assert!(plan.metrics.contains(&Metric::Latency));
    // A set-up that fails takes 165 s; the run must be longer.
    assert!(plan.scenario(0).unwrap().duration > SimDuration::from_secs(165));
}

fn story(name: &str, changes: &[&str]) -> RunResult {
    let changes: Vec<_> = changes.iter().map(|text| scenario::Override::parse(text).unwrap()).collect();
    let scenario = scenario::load(name, &changes).unwrap_or_else(|report| panic!("{report}"));
    run(&scenario, Observe::default()).unwrap()
}

/// Each set-up: its connection, whether it came up or why not, and its messages there and back.
fn set_ups(result: &RunResult) -> Vec<(&str, &str, u64, u64)> {
    let rows = result.negotiations.iter();
    rows.map(|row| {
        let outcome = Some(row.failure_reason.as_str()).filter(|reason| !reason.is_empty()).unwrap_or("up");
        (row.connection.as_str(), outcome, row.messages_sent, row.messages_received)
    })
    .collect()
}

/// Each end of an SA at a node: when in whole seconds, and why.
fn ends<'r>(result: &'r RunResult, node: &str) -> Vec<(u64, &'r str)> {
    let own = result.closures.iter().filter(|row| row.node == node);
    own.map(|row| (row.time_ns / 1_000_000_000, row.reason.as_str())).collect()
}

fn lost(result: &RunResult) -> u64 {
    result.flows.iter().map(|flow| flow.lost_packets).sum()
}

fn node<'r>(result: &'r RunResult, name: &str) -> &'r NodeRow {
    result.nodes.iter().find(|row| row.node == name).unwrap()
}

fn dropped(result: &RunResult, place: &str, reason: &str) -> u64 {
    let rows = result.drops.iter().filter(|row| row.where_ == place && row.reason == reason);
    rows.map(|row| row.packets).sum()
}

#[test]
fn a_revoked_certificate_is_refused_under_its_own_name_and_a_good_one_is_not() {
    let result = story("ikev2-certificates", &[]);
    // IKE_AUTH is in two pieces, and the refusal follows the answer.
    let outcomes: Vec<_> = set_ups(&result).into_iter().map(|(name, outcome, ..)| (name, outcome)).collect();
    assert_eq!(outcomes, [("second", "certificate_revoked"), ("first", "up")]);
    assert_eq!(result.flows[0].lost_packets, 0);
    assert_eq!(result.flows[1].received_packets, 0);
}

#[test]
fn eap_takes_four_round_trips_more_than_a_shared_key() {
    let result = story("ikev2-eap", &[]);
    assert_eq!(set_ups(&result), [("office", "up", 6, 6)]);
    assert_eq!(lost(&result), 0);
}

#[test]
fn a_wrong_password_is_refused() {
    let result = story("ikev2-eap", &["connections.office.auth.remote_eap_password=\"other\""]);
    assert!(
        set_ups(&result).iter().all(|(_, outcome, ..)| outcome.starts_with("eap_")),
        "{:?}",
        set_ups(&result)
    );
    assert_eq!(result.flows[0].received_packets, 0);
}

#[test]
fn renewals_come_in_time_and_lose_no_packet() {
    let result = story("ikev2-rekey", &[]);
    let exchanges: Vec<_> = result.renewals.iter().map(|row| row.exchange.as_str()).collect();
    assert_eq!(exchanges, ["child", "child", "ike", "child", "child"]);
    assert!(result.renewals.iter().all(|row| row.failure_reason.is_empty()));
    assert_eq!(lost(&result), 0);
    assert_eq!(dropped(&result, "right", "no_sa"), 0);
}

#[test]
fn of_two_renewals_that_cross_one_survives_at_both_sides() {
    let result = story("ikev2-rekey-collision", &[]);
    assert_eq!(lost(&result), 0);
    for name in ["left", "right"] {
        let row = node(&result, name);
        assert_eq!((row.ike_sas_established, row.ike_sas_closed), (3, 2), "{name}");
        assert_eq!((row.child_sas_established, row.child_sas_closed), (3, 2), "{name}");
        assert!(ends(&result, name).iter().all(|(time, _)| matches!(time, 10 | 20)), "{name}");
    }
    let reasons = |name| ends(&result, name).into_iter().map(|(_, reason)| reason).collect::<Vec<_>>();
    // Each redundant SA goes by the Delete of the side that made it; left only sees that of the Child SA.
    assert_eq!(reasons("left"), ["remote", "rekeyed", "redundant", "rekeyed"]);
    assert_eq!(reasons("right"), ["rekeyed", "redundant", "rekeyed", "redundant"]);
}

#[test]
fn cookies_cost_an_honest_office_a_round_trip_and_save_the_hub_its_work() {
    let guarded = story("ikev2-cookie-flood", &[]);
    assert_eq!(set_ups(&guarded), [("first", "up", 2, 2), ("second", "up", 3, 3)]);
    assert_eq!(lost(&guarded), 0);
    // Every forged request is answered, and with 30 exceptions by a cookie alone; none of them is kept.
    assert_eq!(dropped(&guarded, "hub", "no_route"), 20_000);
    assert_eq!(dropped(&guarded, "hub", "ike_rejected"), 0);
    let limits = "nodes.hub.limits.cookie_threshold";
    let open = story(
        "ikev2-cookie-flood",
        &[&format!("{limits}=1000000"), &format!("{limits}_per_address=1000000")],
    );
    assert!(dropped(&open, "hub", "ike_rejected") > 10_000, "what limits on half-open IKE SAs refuse");
    assert!(node(&open, "hub").cpu_busy_ns > 2 * node(&guarded, "hub").cpu_busy_ns);
}

#[test]
fn all_fragments_of_a_message_are_repeated_when_one_is_lost() {
    let result = story("ikev2-fragmentation", &[]);
    // IKE_SA_INIT, and twice three pieces of IKE_AUTH; of the answer's pieces one is lost.
    assert_eq!(set_ups(&result), [("office", "up", 7, 6)]);
    assert_eq!(result.negotiations[0].retransmissions, 3);
    let whole = story("ikev2-fragmentation", &["connections.office.fragmentation=\"no\""]);
    assert!(set_ups(&whole)[0].2 < 7);
}

#[test]
fn a_dead_peer_is_found_out_and_the_tunnel_set_up_again() {
    let result = story("ikev2-dead-peer", &[]);
    assert_eq!(ends(&result, "left"), [(48, "peer_dead"), (48, "peer_dead")]);
    assert_eq!(ends(&result, "right"), [(20, "node_down"), (20, "node_down")]);
    assert_eq!(set_ups(&result), [("office", "up", 2, 2), ("office", "up", 2, 2)]);
    assert!(result.flows[0].last_received_ns > Some(84_000_000_000));
}

#[test]
fn road_warriors_send_from_lent_addresses_and_survive_a_restart_of_their_nat() {
    let result = story("ikev2-remote-access", &[]);
    assert_eq!(result.negotiations.len(), 2);
    assert!(result.negotiations.iter().all(|row| row.nat_detected), "{:?}", result.negotiations);
    assert_eq!(dropped(&result, "spoke-1-nat", "nat_no_mapping"), 1);
    assert_eq!((result.flows[0].lost_packets, result.flows[1].lost_packets), (1, 0));
    assert!(result.flows[0].last_received_ns > Some(74_000_000_000));
    assert!(result.closures.is_empty());
}

fn property<'s>(schema: &'s Value, definition: &str, key: &str) -> &'s Value {
    &schema["$defs"][definition]["properties"][key]
}

#[test]
fn the_published_schema_describes_every_key_with_its_unit_and_no_null() {
    for schema in [schema::scenario(), schema::sweep()] {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        let text = schema.to_string();
        assert!(!text.contains("\"null\"") && !text.contains("[null") && !text.contains(",null]"), "{text}");
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{name}.{key} has no description");
            }
        }
    }
    let schema = schema::scenario();
    assert_eq!(property(&schema, "LinkFile", "delay")["$ref"], "#/$defs/Duration");
    let pattern = schema["$defs"]["Duration"]["pattern"].as_str().unwrap();
    assert!(pattern.contains("ms") && pattern.contains("min"));
    assert_eq!(schema["$defs"]["ConnectionFile"]["required"], serde_json::json!(["local", "remote", "auth"]));
    assert_eq!(property(&schema, "NodeFile", "cores")["minimum"], 1);
}

#[test]
fn the_schema_knows_every_key_of_the_shipped_files() {
    let (scenario, sweep) = (schema::scenario(), schema::sweep());
    let texts = library::SCENARIOS.iter().map(|shipped| (shipped, &scenario));
    for (shipped, schema) in texts.chain(library::STUDIES.iter().map(|shipped| (shipped, &sweep))) {
        let table: toml::Table = toml::from_str(shipped.text).unwrap();
        for key in table.keys() {
            assert!(schema["properties"][key].is_object(), "{}: {key}", shipped.name);
        }
        for key in schema["required"].as_array().unwrap() {
            assert!(table.contains_key(key.as_str().unwrap()), "{}: {key}", shipped.name);
        }
    }
}
