//! Links that fail, fill up, are too narrow, or vary.

use ipseclab_experiments::run::RunError;

use super::support::{MILLISECOND, drops, offices, outcomes, run, run_error, silent_offices};

const BOTH_FREE: &str = "nodes.*.cost_profile=free";

fn udp(rest: &str) -> String {
    format!("[[traffic]]\nkind = \"udp\"\nfrom = \"left\"\nto = \"right\"\n{rest}\n")
}

#[test]
fn a_link_that_is_down_loses_exactly_what_was_sent_meanwhile() {
    let fault = "[[faults]]\nat = \"2500ms\"\nkind = \"link-down\"\nlink = \"left--right\"\nfor = \"3s\"\n";
    let result = run(&offices(&[], fault));
    assert_eq!(outcomes(&result), ["established"]);
    // The pings at 3, 4 and 5 s.
    assert_eq!((result.flows[0].lost_packets, result.flows[0].received_packets), (3, 7));
    assert_eq!(drops(&result, "left > right", "link_down"), 3);
    assert_eq!(result.drops.len(), 1, "{:?}", result.drops);
    assert!(result.closures.is_empty());
}

#[test]
fn a_packet_on_the_wire_is_lost_when_the_link_goes_down() {
    // The ping at 3 s is on its way for 10 ms.
    let fault =
        "[[faults]]\nat = \"3005ms\"\nkind = \"link-down\"\nlink = \"left--right\"\nfor = \"100ms\"\n";
    let result = run(&offices(&[], fault));
    assert_eq!(result.flows[0].lost_packets, 1);
}

#[test]
fn a_slow_link_fills_its_queue_and_drops_the_tail() {
    // 1 Mbit/s offered to 256 kbit/s.
    let settings = [
        "topology.link.rate=256kbps",
        "topology.link.queue=4kB",
        "connections.office.children.lan.start_action=start",
    ];
    let result = run(&silent_offices(
        &settings,
        &udp("rate = \"1Mbps\"\nsize = \"400B\"\nstart = \"2s\"\nstop = \"12s\""),
    ));
    let link = result.links.iter().find(|link| link.from == "left").unwrap();
    assert!(link.queue_bytes_max <= 4_000 && link.queue_bytes_max > 3_000, "{link:?}");
    assert_eq!(link.offered_packets, link.delivered_packets + link.dropped_packets);
    assert_eq!(drops(&result, "left > right", "queue_full"), result.flows[0].lost_packets);
    let share = result.flows[0].received_packets * 100 / result.flows[0].sent_packets;
    // A quarter of the rate, less what ESP adds to 428 octets.
    assert!((20..=26).contains(&share), "{share} %");
    // The queue holds 4000 octets: 125 ms.
    let delay = result.flows[0].delay_max_ns.unwrap() / MILLISECOND;
    assert!((120..=160).contains(&delay), "{delay} ms");
    assert_eq!(drops(&result, "right > left", "queue_full"), 0);
}

#[test]
fn a_packet_that_fits_only_without_esp_goes_in_pieces_once_its_gateway_knows() {
    let traffic = udp("size = \"1400B\"\ncount = 3\ninterval = \"1s\"")
        + &udp("size = \"1450B\"\ncount = 4\ninterval = \"1s\"");
    let result = run(&silent_offices(&[], &traffic));
    assert_eq!((result.flows[0].received_packets, result.flows[1].received_packets), (3, 3));
    assert_eq!(drops(&result, "left > right", "mtu_exceeded"), 1);
    // In the clear they would have fitted.
    let clear =
        silent_offices(&["connections.office.children.lan.start_action=none"], &(traffic + &pass_all()));
    assert_eq!(run(&clear).flows[1].received_packets, 4);
}

fn pass_all() -> String {
    "[[policies]]\nnode = \"*\"\nlocal_ts = [\"0.0.0.0/0\"]\nremote_ts = [\"0.0.0.0/0\"]\nmode = \"pass\"\n"
        .to_owned()
}

#[test]
fn jitter_spreads_delays_within_its_bound_and_without_it_they_are_equal() {
    let spread = |setting: &str| {
        let result =
            run(&offices(&[BOTH_FREE, setting, "traffic.0.start=1s", "traffic.0.interval=50ms"], START_ALL));
        assert_eq!(result.flows[0].lost_packets, 0);
        (result.flows[0].delay_min_ns.unwrap(), result.flows[0].delay_max_ns.unwrap())
    };
    let (shortest, longest) = spread("topology.link.jitter=0ms");
    assert_eq!(shortest, longest);
    let (least, most) = spread("topology.link.jitter=5ms");
    assert!(least >= shortest && most <= longest + 10 * MILLISECOND, "{least} {most}");
    assert!(most - least > 5 * MILLISECOND, "180 round trips of two draws each");
}

/// Brings the tunnel up before the traffic.
const START_ALL: &str = "[[actions]]\nat = \"0s\"\naction = \"initiate\"\nconnection = \"office\"\n";

#[test]
fn loss_is_repaired_by_retransmission_and_its_wait_is_booked() {
    let result = run(&offices(&["topology.link.loss=0.5", "seed=3", "duration=400s"], ""));
    let row = &result.negotiations[0];
    assert!(row.retransmissions > 0 && row.retransmission_wait_ns > 0, "{row:?}");
    assert!(drops(&result, "left > right", "loss") + drops(&result, "right > left", "loss") > 0);
}

#[test]
fn a_run_without_end_is_stopped_with_the_key_that_stops_it() {
    let error = run_error(&offices(&["limits.events=20"], ""));
    assert!(matches!(error, RunError::EventLimit { limit: 20, .. }), "{error}");
    assert!(
        error.to_string().contains("20 events") && error.to_string().contains("limits.events"),
        "{error}"
    );
}
