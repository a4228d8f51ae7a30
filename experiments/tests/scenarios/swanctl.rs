//! Connections of swanctl.conf files, and several tunnels in one connection.

use std::path::Path;

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::scenario::{
    CheckedScenario, CloseAction, DpdAction, Fragmentation, StartAction, Unique, check,
};
use ipseclab_sim::SimDuration;

use super::support::{Kind, count, offices, outcomes, run, silent_offices};

const WAN: &str = "[connections.office.children.wan]\nremote_ts = [\"198.18.0.2\"]\n";

#[test]
fn each_tunnel_of_a_connection_comes_up_by_its_own_traffic() {
    let ping = "[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\ndestination = \"198.18.0.2\"\nstart = \"20s\"\nstop = \"25s\"\n";
    let result = run(&offices(&[], &format!("{WAN}{ping}")));
    let established: Vec<_> = result.nodes.iter().map(|node| node.child_sas_established).collect();
    assert_eq!(established, [2, 2], "one IKE SA with two tunnels");
    assert_eq!(result.nodes.iter().map(|node| node.ike_sas_established).collect::<Vec<_>>(), [1, 1]);
    assert!(result.flows.iter().all(|flow| flow.lost_packets == 0), "{:?}", result.flows);
}

#[test]
fn keys_are_renewed_when_the_file_says_so() {
    let child = "connections.office.children.lan";
    let settings =
        [format!("{child}.rekey_time=20s"), format!("{child}.rand_time=0s"), "duration=50s".to_owned()];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let result = run(&offices(&settings, ""));
    let rekeyed = |reason: &str| result.closures.iter().filter(|row| row.reason == reason).count();
    assert!(rekeyed("rekeyed") >= 2, "both sides let go of the old one: {:?}", result.closures);
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!(result.flows[0].lost_packets, 0);
}

#[test]
fn what_begins_is_the_local_sides_and_what_waits_is_on_both() {
    let child = "connections.office.children.lan";
    let begin = [".start_action=trap|start", ".dpd_action=restart", ".close_action=start"];
    let begin: Vec<_> = begin.iter().map(|setting| format!("{child}{setting}")).collect();
    let scenario = silent_offices(&begin.iter().map(String::as_str).collect::<Vec<_>>(), "");
    let child = |side: usize| &scenario.connections[side].children[0];
    assert_eq!((child(0).start_action, child(1).start_action), (StartAction::TrapStart, StartAction::Trap));
    assert_eq!((child(0).dpd_action, child(1).dpd_action), (DpdAction::Restart, DpdAction::Clear));
    assert_eq!((child(0).close_action, child(1).close_action), (CloseAction::Start, CloseAction::None));
    let behind =
        silent_offices(&["nodes.left.nat={}", "connections.office.children.lan.dpd_action=trap"], "");
    let actions: Vec<_> = behind.connections.iter().map(|side| side.children[0].dpd_action).collect();
    assert_eq!(actions, [DpdAction::Trap, DpdAction::Clear], "nobody finds a node behind its NAT");
}

#[test]
fn both_sides_have_the_settings_of_a_connection() {
    let settings = [
        "connections.office.unique=replace",
        "connections.office.fragmentation=accept",
        "connections.office.reauth_time=100min",
        "connections.office.rand_time=50%",
        "connections.office.window=4",
        "connections.office.keyingtries=0",
    ];
    let scenario = silent_offices(&settings, "");
    for side in &scenario.connections {
        assert_eq!((side.unique, side.fragmentation), (Unique::Replace, Fragmentation::Accept));
        assert_eq!((side.window, side.keying_tries), (4, 0));
        assert_eq!((side.renewal.rekey_time, side.renewal.rand_time), (None, SimDuration::from_secs(3000)));
    }
}

/// The file of gateway number `own`, whose peer is number `peer`.
fn conf(own: u8, peer: u8, start_action: &str) -> String {
    format!(
        "connections {{\n  net {{\n    remote_addrs = 198.18.0.{peer}\n    mobike = no\n    dpd_timeout = 60s\n\
         local {{\n auth = psk\n id = gw{own}.example\n }}\n remote {{\n auth = psk\n id = gw{peer}.example\n }}\n\
         children {{\n lan {{\n local_ts = 10.{own}.0.0/16\n remote_ts = 10.{peer}.0.0/16\n\
         start_action = {start_action}\n }}\n }}\n  }}\n}}\nsecrets {{\n  ike-1 {{\n secret = secret\n }}\n}}\n"
    )
}

fn gateways(folder: &Path) -> CheckedScenario {
    std::fs::write(folder.join("left.conf"), conf(1, 2, "trap")).unwrap();
    std::fs::write(folder.join("right.conf"), conf(2, 1, "none")).unwrap();
    let text = "name = \"gateways\"\nduration = \"20s\"\n[topology]\nkind = \"pair\"\nlink = { delay = \"1ms\" }\n\
                [nodes.\"*\"]\ncost_profile = \"free\"\n\
                [nodes.left]\nnetworks = [\"10.1.0.0/16\"]\nswanctl = \"left.conf\"\n\
                [nodes.right]\nnetworks = [\"10.2.0.0/16\"]\nswanctl = \"right.conf\"\n\
                [[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nstop = \"5s\"\n\
                [[actions]]\nat = \"10s\"\naction = \"terminate\"\nconnection = \"net\"\nnode = \"right\"\n";
    let document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
    check(&document, Some(folder)).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn two_gateways_with_their_own_files_talk_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&gateways(folder.path()));
    assert_eq!(outcomes(&result), ["established"]);
    let row = &result.negotiations[0];
    assert_eq!(
        (row.connection.as_str(), row.initiator.as_str(), row.responder.as_str()),
        ("net", "left", "right")
    );
    assert_eq!((result.flows[0].sent_packets, result.flows[0].lost_packets), (5, 0));
    assert_eq!(count(&result, "right", Kind::Plain), 0);
    assert_eq!(result.closures.len(), 4, "ended by the command: {:?}", result.closures);
}

#[test]
fn the_text_of_a_file_is_part_of_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let canonical = gateways(folder.path()).canonical;
    assert_eq!(canonical, gateways(folder.path()).canonical);
    let digests: Vec<_> = canonical.lines().filter(|line| line.starts_with("# file")).collect();
    assert!(digests[0].contains("left.conf") && digests[1].contains("right.conf"), "{digests:?}");
    assert_ne!(digests[0].rsplit(' ').next(), digests[1].rsplit(' ').next(), "two texts, two digests");
}

/// A gateway's file with one tunnel whose lines are `child`; whose peer `remote` may be anywhere.
fn simple_conf(own: u8, peer: u8, remote: &str, child: &str) -> String {
    format!(
        "connections {{\n net {{\n remote_addrs = {remote}\n local {{\n auth = psk\n id = gw{own}.example\n }}\n\
         remote {{\n auth = psk\n id = gw{peer}.example\n }}\n children {{\n all {{\n{child}\n }}\n }}\n }}\n}}\n\
         secrets {{\n ike-1 {{\n secret = secret\n }}\n}}\n"
    )
}

/// Two nodes with files of their own, `left` and `right` as the keys of the nodes, and pings and UDP between them.
fn simple(files: [String; 2], left: &str, right: &str) -> Result<CheckedScenario, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in ["left.conf", "right.conf"].into_iter().zip(files) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let flows = [("ping", "left", "right", 0), ("udp", "left", "right", 0), ("udp", "right", "left", 1)];
    let flow = |(kind, from, to, start): (&str, &str, &str, u8)| {
        format!(
            "[[traffic]]\nkind = \"{kind}\"\nfrom = \"{from}\"\nto = \"{to}\"\ninterval = \"1s\"\n\
             start = \"{start}s\"\nstop = \"5s\"\n"
        )
    };
    let text = format!(
        "name = \"files\"\nduration = \"10s\"\n[topology]\nkind = \"pair\"\nlink = {{ delay = \"1ms\" }}\n\
         [nodes.left]\n{left}\nswanctl = \"left.conf\"\n[nodes.right]\n{right}\nswanctl = \"right.conf\"\n{}",
        flows.map(flow).concat()
    );
    let document = Document::parse(&SourceText::new("scenario.toml", &text)).unwrap();
    check(&document, Some(folder.path())).map_err(|report| report.render(false))
}

#[test]
fn files_with_ah_proposals_set_up_ah() {
    let networks = ["networks = [\"10.1.0.0/16\"]", "networks = [\"10.2.0.0/16\"]"];
    let child = |own: u8, peer: u8, action: &str| {
        format!(
            " local_ts = 10.{own}.0.0/16\n remote_ts = 10.{peer}.0.0/16\n ah_proposals = sha256-esn, sha1\n\
             start_action = {action}"
        )
    };
    let files = || {
        let [left, right] = [child(1, 2, "trap"), child(2, 1, "none")];
        [simple_conf(1, 2, "198.18.0.2", &left), simple_conf(2, 1, "198.18.0.1", &right)]
    };
    let result = run(&simple(files(), networks[0], networks[1]).unwrap());
    assert_eq!(result.negotiations[0].esp_proposal, "sha256-esn");
    assert!(result.flows.iter().all(|flow| flow.lost_packets == 0), "{:?}", result.flows);
    let kinds = [Kind::Ah, Kind::Esp, Kind::Plain].map(|kind| count(&result, "right", kind));
    assert_eq!(kinds, [19, 0, 0]);
    let behind = simple(files(), &format!("{}\nnat = {{}}", networks[0]), networks[1]).unwrap_err();
    assert!(behind.contains("the tunnel `all` has AH, which cannot pass a NAT"), "{behind}");
    let both = simple(
        files().map(|file| file.replace("ah_proposals", "esp_proposals = aes128gcm16\n ah_proposals")),
        "",
        "",
    );
    assert!(both.unwrap_err().contains("a tunnel asks for AH and ESP at once"));
}

#[test]
fn files_with_transport_mode_work_through_a_nat() {
    let mode =
        |action: &str| format!(" mode = transport\n esp_proposals = aes128gcm16\n start_action = {action}");
    let files = [simple_conf(1, 2, "203.0.113.2", &mode("trap")), simple_conf(2, 1, "%any", &mode("none"))];
    let left = "address = \"203.0.113.1\"\nnat = { inside = \"192.168.7.2\" }";
    let result = run(&simple(files, left, "address = \"203.0.113.2\"").unwrap());
    assert_eq!(outcomes(&result), ["established"]);
    assert!(result.flows.iter().all(|flow| flow.lost_packets == 0), "{:?}", result.flows);
    assert_eq!([Kind::Esp, Kind::Plain].map(|kind| count(&result, "right", kind)), [0, 0]);
}
