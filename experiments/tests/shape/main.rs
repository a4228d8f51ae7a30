//! The same configuration gives the same messages: every IKEv2 negotiation of the reference captures that lies within
//! what is built is run as a scenario with `profile = "strongswan"`, and its messages are compared with strongSwan's
//! in exchange, direction, port, Message ID, flags, payload types in order, and lengths.
//!
//! `IPSECLAB_CAPTURES=<folder>` adds the cases of another folder, whose differences are printed only;
//! `IPSECLAB_CASES=<part of a name>` runs a few.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod credentials;
mod daemon;
mod message;
mod script;
mod table;
mod v1;

use std::sync::Arc;

use etherparse::{SlicedPacket, TransportSlice};
use ipseclab_crypto::{Crypto, RealProvider};
use ipseclab_experiments::run::{ObservedNode, run};
use ipseclab_experiments::scenario::load;
use ipseclab_ike::Event;
use ipseclab_node::{CaptureDirection, Observe, Step};

use message::{Opener, Seen};
use table::Case;

/// Cases that need what is not built: EAP-TLS, postquantum keys, addresses that change.
const BEYOND: [(&str, &str); 4] = [
    ("v2-eap-tls", "EAP-TLS"),
    ("v2-ppk", "RFC 8784"),
    ("v2-mobike-p500", "an address of a node that changes"),
    ("v2-probes", "malformed requests: tests/endpoint/probes.rs of ipseclab-ike"),
];

/// Cases whose messages are not all equal, and why; CONFORMANCE.md has the same list.
const EXPLAINED: [(&str, &str); 3] = [
    ("v2-ecdsa256", "a DER signature is 70 to 72 octets long, as its random numbers have it"),
    ("v2-multi-child", "an announcement of addresses, since one of charon's own changed while the case ran"),
    ("v2-psk-ipv6", "the same"),
];

/// One case, run.
struct Outcome {
    equal: usize,
    differences: Vec<String>,
}

#[test]
fn messages_are_those_of_strongswan() {
    let Some(cases) = table::cases() else { return };
    let (mut equal, mut total, mut different) = (0, 0, Vec::new());
    let only = std::env::var("IPSECLAB_CASES").unwrap_or_default();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        if let Some((_, why)) = BEYOND.iter().find(|(name, _)| *name == case.name) {
            println!("{:34} beyond what is built: {why}", case.name);
            continue;
        }
        let outcome = compare(case);
        println!("{:34} {} of {}", case.name, outcome.equal, case.messages.len());
        for difference in &outcome.differences {
            println!("      {difference}");
        }
        if !outcome.differences.is_empty() && case.is_reference {
            different.push(case.name.clone());
        }
        equal += outcome.equal;
        total += case.messages.len();
    }
    println!("{equal} of {total} messages are equal");
    if !only.is_empty() {
        return;
    }
    assert_eq!(different, EXPLAINED.map(|(case, _)| case.to_owned()));
}

/// Which of two crossing requests wins is drawn with the nonces, so that of a few draws the nearest one counts.
fn compare(case: &Case) -> Outcome {
    let crosses = case.timeline.iter().any(|moment| moment.what.ends_with("at once"));
    let draws = if crosses { 1..=6 } else { 1..=1 };
    draws.map(|seed| compare_draw(case, seed)).min_by_key(|outcome| outcome.differences.len()).unwrap()
}

fn compare_draw(case: &Case, seed: u64) -> Outcome {
    let ours = match simulate(case, seed) {
        Ok(ours) => ours,
        Err(problem) => return Outcome { equal: 0, differences: vec![problem] },
    };
    let mut outcome = Outcome { equal: 0, differences: vec![] };
    // Who speaks first when both do is a matter of microseconds, so that each direction is compared for itself.
    for direction in ["a>b", "b>a"] {
        let theirs: Vec<_> = case.messages.iter().filter(|seen| seen.direction == direction).collect();
        let ours: Vec<_> = ours.iter().filter(|seen| seen.direction == direction).collect();
        let common = longest_common(&theirs, &ours, |theirs, ours| same(case, theirs, ours));
        outcome.equal += common.len();
        let lacks = |place: &usize| !common.iter().any(|pair| pair.0 == *place);
        let adds = |place: &usize| !common.iter().any(|pair| pair.1 == *place);
        let missing = (0..theirs.len())
            .filter(lacks)
            .map(|at| format!("{direction} only theirs: {}", describe(theirs[at])));
        let extra =
            (0..ours.len()).filter(adds).map(|at| format!("{direction} only ours:   {}", describe(ours[at])));
        outcome.differences.extend(missing.chain(extra));
    }
    outcome
}

/// The places of a longest common subsequence in both lists.
fn longest_common<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let mut len = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            len[i][j] =
                if same(&a[i], &b[j]) { len[i + 1][j + 1] + 1 } else { len[i + 1][j].max(len[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if same(&a[i], &b[j]) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if len[i + 1][j] >= len[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Behind a NAT the port is whatever the NAT has drawn.
fn same(case: &Case, theirs: &Seen, ours: &Seen) -> bool {
    let mut ours = ours.clone();
    if case.has_nat() {
        ours.source_port = theirs.source_port;
    }
    theirs.equals(&ours)
}

fn describe(seen: &Seen) -> String {
    let payloads: Vec<_> = seen.payloads.iter().map(|(label, len)| format!("{label}({len})")).collect();
    let (id, flags, port, len) = (seen.message_id, seen.flags, seen.source_port, seen.len);
    format!("{} {id} {flags:02x} from {port}, {len}: {}", seen.exchange, payloads.join(" "))
}

/// Runs the case; what its first node sends and receives, in order.
fn simulate(case: &Case, seed: u64) -> Result<Vec<Seen>, String> {
    let folder = tempfile::tempdir().unwrap();
    for side in ['a', 'b'] {
        let text = daemon::swanctl(case, side);
        std::fs::write(folder.path().join(format!("{side}.swanctl.conf")), text).unwrap();
        std::fs::write(folder.path().join(format!("{side}.toml")), daemon::profile(case, side)).unwrap();
    }
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, script::scenario(case, seed)).unwrap();
    let scenario = load(file.to_str().unwrap(), &[]).map_err(|report| report.render(false))?;
    let result = run(&scenario, Observe { packets: true, steps: true }).map_err(|error| error.to_string())?;
    let left = result.observed.iter().find(|node| node.name == "left").unwrap();
    let right = result.observed.iter().find(|node| node.name == "right").unwrap();
    let keys: Vec<_> = [left, right].into_iter().flat_map(keys).collect();
    let mut opener = Opener::new(Crypto::new(Arc::new(RealProvider::new())), &keys);
    Ok(datagrams(left).filter_map(|(direction, port, bytes)| opener.see(direction, port, &bytes)).collect())
}

fn keys(node: &ObservedNode) -> impl Iterator<Item = ipseclab_ike::IkeSaKeys> {
    node.records.steps.iter().filter_map(|record| match &record.step {
        Step::Ike(Event::KeysDerived(keys)) => Some((**keys).clone()),
        _ => None,
    })
}

/// The IKE messages that a node's endpoint sent and received: direction, source port, octets without the non-ESP marker.
fn datagrams(node: &ObservedNode) -> impl Iterator<Item = (&'static str, u16, Vec<u8>)> {
    node.records.packets.iter().filter_map(|packet| {
        let sliced = SlicedPacket::from_ip(&packet.bytes).ok()?;
        let Some(TransportSlice::Udp(udp)) = &sliced.transport else { return None };
        let direction = if packet.direction == CaptureDirection::Outbound { "a>b" } else { "b>a" };
        let payload = udp.payload();
        let message = if udp.destination_port() == 500 || udp.source_port() == 500 {
            payload
        } else {
            payload.strip_prefix(&[0; 4])?
        };
        // A flood leaves from other ports.
        let own = if direction == "a>b" { udp.source_port() } else { udp.destination_port() };
        [500, 4500].contains(&own).then(|| (direction, udp.source_port(), message.to_vec()))
    })
}
