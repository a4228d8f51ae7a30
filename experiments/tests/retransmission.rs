//! When unanswered requests are sent again, by vendor profile, against the published schedules.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use ipseclab_experiments::run::run;
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_node::{CaptureDirection, Observe};

/// Milliseconds at which the left gateway sends its first request while nothing ever arrives, and when it gives up.
fn schedule(profile: &str) -> (Vec<u64>, u64) {
    let profile = format!("nodes.left.profile=\"{profile}\"");
    let settings = [
        profile.as_str(),
        "nodes.left.cost_profile=\"free\"",
        "connections.office.children.lan.start_action=\"start\"",
        "topology.link.loss=1",
        "traffic.0.count=1",
        "duration=\"200s\"",
    ];
    let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario = load("site-to-site", &changes).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let result = run(&scenario, Observe { packets: true, steps: false }).unwrap();
    let left = result.observed.iter().find(|node| node.name == "left").unwrap();
    let sent = left.records.packets.iter().filter(|packet| packet.direction == CaptureDirection::Outbound);
    let times = sent.map(|packet| packet.time.as_nanos() / 1_000_000).collect();
    (times, result.negotiations[0].ended_ns / 1_000_000)
}

#[test]
fn strongswan_sends_at_the_published_times_and_gives_up_after_165_seconds() {
    // anchors.csv D01.
    let (sent, gave_up) = schedule("strongswan");
    assert_eq!(sent, [0, 4_000, 11_200, 24_160, 47_488, 89_478]);
    assert_eq!(gave_up, 165_061);
}

#[test]
fn libreswan_doubles_from_half_a_second() {
    // anchors.csv D02.
    let (sent, _) = schedule("libreswan");
    assert_eq!(sent[..7], [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
}
