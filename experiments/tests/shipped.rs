//! What comes with the program is right, says what it claims, and survives being written anew.

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::scenario::{
    self, CheckedScenario, Fault, FlowKind, Identity, Mode, StartAction, library,
};
use ipseclab_experiments::schema;
use ipseclab_experiments::sweep::{Metric, SweepPlan};
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
    assert_eq!(scenario.connections[0].local_id, Identity::Address(nat.inside));
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
