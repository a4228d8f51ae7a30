//! What a reader learns from the ladder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use ipseclab_experiments::results::{glossary, ladder_text};
use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{CheckedScenario, Override, load};
use ipseclab_node::Observe;

fn watched(settings: &[&str]) -> (CheckedScenario, RunResult) {
    let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario = load("site-to-site", &changes).unwrap();
    let result = run(&scenario, Observe { packets: false, steps: true }).unwrap();
    (scenario, result)
}

fn text(settings: &[&str], secrets: bool, width: usize) -> String {
    let (scenario, result) = watched(settings);
    ladder_text(&scenario, &result, secrets, width)
}

#[test]
fn it_tells_all_five_steps_of_a_tunnels_life() {
    let ladder = text(&[], false, 200);
    let steps = [
        "(acquire)",
        "IKE_SA_INIT request",
        "AUTH proves",
        "carried 50 packets out and 50 in",
        "IKE SA closed",
    ];
    let places: Vec<_> = steps.iter().map(|step| ladder.find(step).expect(step)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn it_names_keys_and_shows_their_values_on_request_only() {
    let hex_after = |text: &str, name: &str| {
        let value = text.split(name).nth(1)?.split_whitespace().next()?;
        (value.len() == 64 && value.chars().all(|digit| digit.is_ascii_hexdigit())).then_some(())
    };
    let (names, values) = (text(&[], false, 200), text(&[], true, 200));
    assert!(names.contains("SK_d") && !names.contains("SK_d ="));
    assert!(hex_after(&values, "SK_d = ").is_some() && hex_after(&values, "SKEYSEED = ").is_some());
}

#[test]
fn a_lost_message_and_its_repetition_are_both_there() {
    let ladder = text(&["topology.link.loss=0.3", "seed=3", "duration=\"200s\""], false, 200);
    assert!(ladder.contains("(retransmission)"), "{ladder}");
}

#[test]
fn lines_fit_the_width_that_was_asked_for() {
    for width in [60, 80, 131] {
        let ladder = text(&[], true, width);
        let longest = ladder.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} columns of {width}");
    }
}

#[test]
fn every_payload_of_a_set_up_is_in_the_glossary() {
    let (_, result) = watched(&[]);
    let explained: Vec<_> = glossary(&result).into_iter().map(|(name, _)| name).collect();
    let messages = result.observed.iter().flat_map(|node| &node.records.messages);
    for label in
        messages.filter_map(|message| message.departure.as_ref()).flat_map(|sent| &sent.info.payloads)
    {
        assert!(explained.contains(&label.as_str()), "{label}");
    }
}
