//! The IKEv1 negotiations of the reference captures: exchange, whether there is a Message ID, flags, payload types and
//! lengths, from the same configuration.
//!
//! Two kinds of daemons stand behind them. Those with `kernel: libipsec` in their `case.txt` pretend a NAT, so that ESP goes into
//! UDP without one, which `encap = yes` asks for here.

use std::collections::BTreeMap;

use etherparse::{SlicedPacket, TransportSlice};
use ipseclab_experiments::run::{ObservedNode, run};
use ipseclab_experiments::scenario::load;
use ipseclab_ike::Exchange;
use ipseclab_node::{CaptureDirection, Departure, Observe};
use serde::Deserialize;

use crate::table::{Case, timeline};
use crate::{longest_common, script};

/// Octets of the ISAKMP header.
const HEADER: usize = 28;
/// The payload type of a piece of a message.
const FRAGMENT: u8 = 132;

/// Cases whose messages are not all equal, and why; CONFORMANCE.md of ipseclab-ike has the same list.
const EXPLAINED: [(&str, &str); 1] = [(
    "v1-dpd",
    "charon knows the last ESP packet to the second alone, so that its patience ended just before one more question",
)];

/// What is compared of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    direction: String,
    exchange: String,
    source_port: u16,
    has_message_id: bool,
    flags: u8,
    len: usize,
    payloads: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    dir: String,
    sport: u16,
    dport: u16,
    ike_len: usize,
    exchange: String,
    msgid: String,
    flags: String,
    payloads: String,
}

/// A case, and what its daemons sent.
struct V1Case {
    case: Case,
    seen: Vec<Seen>,
}

#[test]
fn ikev1_messages_are_those_of_strongswan() {
    let Some(cases) = cases() else { return };
    let (mut equal, mut total, mut different) = (0, 0, Vec::new());
    for case in &cases {
        let (same, differences) = compare(case);
        println!("{:40} {same} of {}", case.case.name, case.seen.len());
        for difference in &differences {
            println!("      {difference}");
        }
        if !differences.is_empty() {
            different.push(case.case.name.clone());
        }
        equal += same;
        total += case.seen.len();
    }
    println!("{equal} of {total} IKEv1 messages are equal");
    assert_eq!(different, EXPLAINED.map(|(case, _)| case.to_owned()));
}

fn cases() -> Option<Vec<V1Case>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/captures/strongswan");
    let Ok(entries) = std::fs::read_dir(root) else {
        println!("skipped: no reference captures beside the workspace");
        return None;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("v1-"));
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        let case = Case {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            nat: text("case.txt").contains("topology: nat"),
            timeline: timeline(&text("timeline.txt")),
            messages: vec![],
            path: path.clone(),
        };
        V1Case { case, seen: table(path) }
    };
    Some(paths.iter().map(case).collect())
}

fn table(path: &std::path::Path) -> Vec<Seen> {
    let mut reader = csv::Reader::from_path(path.join("messages.csv")).unwrap();
    let rows = reader.deserialize().map(|row: Result<Row, _>| row.unwrap());
    // Probes came from ports of their own.
    let rows = rows.filter(|row| ![row.sport, row.dport].iter().any(|port| (5_500..7_000).contains(port)));
    rows.map(|row| Seen {
        direction: row.dir,
        exchange: row.exchange,
        source_port: row.sport,
        has_message_id: row.msgid != "00000000",
        flags: u8::from_str_radix(&row.flags, 16).unwrap(),
        len: row.ike_len,
        payloads: labels(&row.payloads),
    })
    .collect()
}

/// `FRAG(88) { ID(61) … } frag id 1` is a piece; what the pieces hold together is compared by their lengths.
fn labels(text: &str) -> Vec<String> {
    let outer = text.split('{').next().unwrap_or_default();
    let label = |word: &str| word.strip_suffix(')')?.split_once('(').map(|(label, _)| label.to_owned());
    outer.split_whitespace().map_while(label).collect()
}

fn compare(case: &V1Case) -> (usize, Vec<String>) {
    let ours = match simulate(&case.case) {
        Ok(ours) => ours,
        Err(problem) => return (0, vec![problem]),
    };
    let (mut equal, mut differences) = (0, vec![]);
    for direction in ["a>b", "b>a"] {
        let theirs: Vec<_> = case.seen.iter().filter(|seen| seen.direction == direction).collect();
        let ours: Vec<_> = ours.iter().filter(|seen| seen.direction == direction).collect();
        let common = longest_common(&theirs, &ours, |theirs, ours| same(&case.case, theirs, ours));
        equal += common.len();
        let missing = (0..theirs.len()).filter(|at| common.iter().all(|pair| pair.0 != *at));
        let extra = (0..ours.len()).filter(|at| common.iter().all(|pair| pair.1 != *at));
        differences.extend(missing.map(|at| format!("{direction} only theirs: {}", describe(theirs[at]))));
        differences.extend(extra.map(|at| format!("{direction} only ours:   {}", describe(ours[at]))));
    }
    (equal, differences)
}

/// Behind a NAT the port is whatever the NAT has drawn.
fn same(case: &Case, theirs: &Seen, ours: &Seen) -> bool {
    let port = if case.nat { theirs.source_port } else { ours.source_port };
    *theirs == Seen { source_port: port, ..ours.clone() }
}

fn describe(seen: &Seen) -> String {
    let Seen { exchange, flags, source_port, len, payloads, has_message_id, .. } = seen;
    let id = if *has_message_id { "with ID" } else { "without ID" };
    format!("{exchange} {id} {flags:02x} from {source_port}, {len}: {}", payloads.join(" "))
}

fn simulate(case: &Case) -> Result<Vec<Seen>, String> {
    let folder = tempfile::tempdir().unwrap();
    let pretends = std::fs::read_to_string(case.path.join("case.txt")).unwrap().contains("kernel: libipsec");
    for side in ['a', 'b'] {
        let conf = case.swanctl(side);
        let conf =
            if pretends { conf.replace("version = 1\n", "version = 1\n    encap = yes\n") } else { conf };
        std::fs::write(folder.path().join(format!("{side}.swanctl.conf")), conf).unwrap();
    }
    std::fs::write(folder.path().join("profile.toml"), script::profile(case)).unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, script::scenario(case)).unwrap();
    let scenario = load(file.to_str().unwrap(), &[]).map_err(|report| report.render(false))?;
    let result = run(&scenario, Observe { packets: true, steps: true }).map_err(|error| error.to_string())?;
    let node = |name: &str| result.observed.iter().find(|node| node.name == name).unwrap();
    let mut traces = BTreeMap::from([("a>b", departures(node("left"))), ("b>a", departures(node("right")))]);
    Ok(node("left")
        .records
        .packets
        .iter()
        .filter_map(|packet| {
            let direction = if packet.direction == CaptureDirection::Outbound { "a>b" } else { "b>a" };
            see(direction, &packet.bytes, traces.get_mut(direction)?)
        })
        .collect())
}

/// What a node's endpoint sent, in order.
fn departures(node: &ObservedNode) -> Vec<Departure> {
    node.records.messages.iter().filter_map(|message| message.departure.clone()).collect()
}

/// A message on the wire; its payloads come from its sender, as most of them are encrypted.
fn see(direction: &str, bytes: &[u8], traces: &mut Vec<Departure>) -> Option<Seen> {
    let sliced = SlicedPacket::from_ip(bytes).ok()?;
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else { return None };
    let ports = [udp.source_port(), udp.destination_port()];
    let message = if ports.contains(&500) { udp.payload() } else { udp.payload().strip_prefix(&[0; 4])? };
    let header: &[u8; HEADER] = message.first_chunk()?;
    let message_id = u32::from_be_bytes(*header[20..24].first_chunk()?);
    let is_it = |trace: &Departure| {
        let is_v1 = matches!(trace.info.exchange, Exchange::V1(_)) && !trace.info.keepalive;
        is_v1 && trace.info.message_id.as_u32() == message_id && trace.len == udp.payload().len()
    };
    let trace = traces.remove(traces.iter().position(is_it)?);
    Some(Seen {
        direction: direction.to_owned(),
        exchange: exchange(header[18]),
        source_port: udp.source_port(),
        has_message_id: message_id != 0,
        flags: header[19],
        len: message.len(),
        payloads: if header[16] == FRAGMENT { vec!["FRAG".to_owned()] } else { listed(&trace) },
    })
}

/// The payloads as the sender lists them, without the mark of encryption.
fn listed(trace: &Departure) -> Vec<String> {
    trace.info.payloads.iter().filter(|label| *label != "E").map(|label| plain(label)).collect()
}

fn exchange(number: u8) -> String {
    match number {
        2 => "ID_PROT".to_owned(),
        4 => "AGGRESSIVE".to_owned(),
        5 => "INFORMATIONAL_V1".to_owned(),
        6 => "TRANSACTION".to_owned(),
        32 => "QUICK_MODE".to_owned(),
        other => other.to_string(),
    }
}

/// The table writes notifications as `N:NAME`, and vendor IDs and attributes without what they hold.
fn plain(label: &str) -> String {
    match label.split_once('(') {
        Some(("N", rest)) => format!("N:{}", rest.trim_end_matches(')')),
        Some((label, _)) => label.to_owned(),
        None => label.to_owned(),
    }
}
