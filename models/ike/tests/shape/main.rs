//! The shape of negotiations under the strongSwan profile: two endpoints with the configuration of a reference capture
//! exchange the same messages: exchange, direction, Message ID, flags, length, payloads in order with their lengths.
//!
//! The captures are not part of the repository; without them the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod cases;
mod loopback;
mod profile;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use cases::{CASES, Case, LATER};
use loopback::Loop;

/// Payloads that the endpoint does not build yet: a message may differ from the capture by these, and only by these.
const NOT_BUILT: [&str; 5] = [
    "N:INITIAL_CONTACT",
    "N:IKEV2_FRAGMENTATION_SUPPORTED",
    "N:CHILDLESS_IKEV2_SUPPORTED",
    "N:MOBIKE_SUPPORTED",
    "N:NO_ADDITIONAL_ADDRESSES",
];

/// What is compared of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// `a>b` or `b>a`.
    pub(crate) direction: String,
    pub(crate) exchange: String,
    pub(crate) message_id: u32,
    pub(crate) flags: u8,
    pub(crate) len: usize,
    /// The payloads with their lengths; those within SK where there is one.
    pub(crate) payloads: Vec<String>,
}

/// A row of `messages.csv`, the columns that are used here.
#[derive(Debug, Deserialize)]
struct Row {
    n: usize,
    dir: String,
    exchange: String,
    msgid: u32,
    flags: String,
    ike_len: usize,
    payloads: String,
}

impl Row {
    fn shape(&self) -> Shape {
        let inside = self.payloads.split_once("{ ").and_then(|(_, rest)| rest.split_once(" }"));
        let payloads = match inside {
            Some((inside, _)) => inside,
            None if self.payloads.starts_with("SK(") => "",
            None => &self.payloads,
        };
        Shape {
            direction: self.dir.clone(),
            exchange: self.exchange.clone(),
            message_id: self.msgid,
            flags: u8::from_str_radix(&self.flags, 16).unwrap(),
            len: self.ike_len,
            payloads: payloads.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Shape {
    /// The shape without what the endpoint does not build yet; a length that this changes says nothing any more.
    fn reduced(&self) -> Self {
        let built =
            |payload: &&String| !NOT_BUILT.iter().any(|name| payload.starts_with(&format!("{name}(")));
        let payloads: Vec<_> = self.payloads.iter().filter(built).cloned().collect();
        Self { len: 0, payloads, ..self.clone() }
    }
}

fn folder() -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/captures/strongswan");
    let folder = PathBuf::from(root);
    if !folder.is_dir() {
        println!("skipped: no reference captures beside the workspace");
        return None;
    }
    Some(folder)
}

/// The messages of a capture, without those that the case leaves out.
fn captured(folder: &std::path::Path, case: &Case) -> Vec<Shape> {
    let mut reader = csv::Reader::from_path(folder.join(case.name).join("messages.csv")).unwrap();
    let rows = reader.deserialize::<Row>().map(|row| row.unwrap());
    rows.filter(|row| !case.leave_out.contains(&row.n)).map(|row| row.shape()).collect()
}

/// Where requests cross, each side's own messages are in order, and the two orders are not compared.
fn by_direction(shapes: Vec<Shape>) -> Vec<Shape> {
    let (mut from_a, from_b): (Vec<_>, Vec<_>) =
        shapes.into_iter().partition(|shape| shape.direction == "a>b");
    from_a.extend(from_b);
    from_a
}

/// What became of the comparison of some messages.
#[derive(Default)]
struct Outcome {
    /// Messages that are the same altogether.
    same: usize,
    all: usize,
    /// Those that differ by more than what is not built.
    differences: Vec<String>,
}

fn compare(folder: &std::path::Path, case: &Case, outcome: &mut Outcome) {
    let (mut expected, mut made) = (captured(folder, case), Loop::run(case));
    if case.crossing {
        (expected, made) = (by_direction(expected), by_direction(made));
    }
    outcome.all += expected.len();
    if made.len() != expected.len() {
        outcome.differences.push(format!("{}: {} messages, not {}", case.name, made.len(), expected.len()));
    }
    for (made, expected) in made.iter().zip(&expected) {
        outcome.same += usize::from(made == expected);
        if made != expected && made.reduced() != expected.reduced() {
            outcome.differences.push(format!("{}:\n  {made:?} is not\n  {expected:?}", case.name));
        }
    }
}

#[test]
fn the_strongswan_profile_gives_the_messages_of_strongswan() {
    let Some(folder) = folder() else { return };
    let mut outcome = Outcome::default();
    for case in CASES {
        compare(&folder, case, &mut outcome);
    }
    let Outcome { same, all, differences } = outcome;
    println!("{same} of {all} messages are the same, the others but for {NOT_BUILT:?}");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(same > 0 && all >= 150, "{same} of {all}");
}

#[test]
fn every_case_of_the_captures_is_compared_or_has_a_reason() {
    let Some(folder) = folder() else { return };
    let mut known: BTreeMap<&str, &str> = LATER.iter().copied().collect();
    known.extend(CASES.iter().map(|case| (case.name, "compared")));
    assert_eq!(known.len(), LATER.len() + CASES.len(), "no case is in both lists");
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let present: Vec<_> = names.filter(|name| name.starts_with("v2-")).collect();
    let missing: Vec<_> = present.iter().filter(|name| !known.contains_key(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (name, reason) in LATER {
        println!("later: {name}: {reason}");
    }
}
