//! What passes in the clear, what is dropped, and what waits.

use ipseclab_ike::Event;
use ipseclab_node::Step;

use super::support::{Kind, count, drops, offices, outcomes, run, silent_offices};

fn policy(node: &str, selectors: (&str, &str), mode: &str) -> String {
    let (local, remote) = selectors;
    format!(
        "[[policies]]\nnode = \"{node}\"\nlocal_ts = [\"{local}\"]\nremote_ts = [\"{remote}\"]\nmode = \"{mode}\"\n"
    )
}

#[test]
fn a_bypass_lets_traffic_pass_in_the_clear_and_asks_for_no_tunnel() {
    let both = policy("left", ("10.1.0.0/16[icmp]", "10.2.0.0/16[icmp]"), "pass")
        + &policy("right", ("10.2.0.0/16[icmp]", "10.1.0.0/16[icmp]"), "pass");
    let result = run(&offices(&[], &both));
    assert_eq!(result.flows[0].lost_packets, 0);
    assert_eq!(count(&result, "right", Kind::Plain), 20);
    assert!(result.negotiations.is_empty() && count(&result, "right", Kind::Esp) == 0);
}

#[test]
fn what_a_bypass_does_not_name_still_goes_through_the_tunnel() {
    let both = policy("left", ("10.1.0.0/16[udp]", "10.2.0.0/16[udp]"), "pass")
        + &policy("right", ("10.2.0.0/16[udp]", "10.1.0.0/16[udp]"), "pass");
    let udp = "[[traffic]]\nkind = \"udp\"\nfrom = \"left\"\nto = \"right\"\ninterval = \"1s\"\ncount = 5\n";
    let result = run(&offices(&[], &(both + udp)));
    assert_eq!((result.flows[0].lost_packets, result.flows[1].lost_packets), (0, 0));
    assert_eq!((count(&result, "right", Kind::Plain), count(&result, "right", Kind::Esp)), (5, 20));
}

#[test]
fn clear_packets_that_only_the_sender_allows_are_refused_at_the_other_end() {
    let left = policy("left", ("10.1.0.0/16", "10.2.0.0/16"), "pass");
    let result = run(&offices(&[], &left));
    assert_eq!(result.flows[0].received_packets, 0);
    assert_eq!(drops(&result, "right", "spd_unprotected"), 10);
}

#[test]
fn a_discard_drops_at_the_source_and_asks_for_no_tunnel() {
    let result = run(&offices(&[], &policy("left", ("10.1.0.0/16", "0.0.0.0/0"), "drop")));
    assert_eq!((result.flows[0].sent_packets, result.flows[0].received_packets), (10, 0));
    assert_eq!(drops(&result, "left", "spd_discard"), 10);
    assert!(result.negotiations.is_empty());
    assert_eq!(result.links.iter().map(|link| link.offered_packets).sum::<u64>(), 0);
}

#[test]
fn a_discard_of_the_receiver_holds_behind_the_tunnel_too() {
    let result = run(&offices(&[], &policy("right", ("10.2.0.0/16", "10.1.0.0/16"), "drop")));
    assert_eq!(result.flows[0].received_packets, 0);
    assert_eq!(drops(&result, "right", "spd_discard") + drops(&result, "right", "selector_mismatch"), 10);
}

#[test]
fn only_so_many_packets_wait_for_a_tunnel() {
    // 40 ms of negotiation at one packet a millisecond.
    let burst =
        "[[traffic]]\nkind = \"udp\"\nfrom = \"left\"\nto = \"right\"\ninterval = \"1ms\"\ncount = 100\n";
    let result = run(&silent_offices(&["limits.acquire_queue=3"], burst));
    let flow = &result.flows[0];
    assert_eq!(flow.lost_packets, drops(&result, "left", "acquire_queue_full"));
    // Those of the first 40.1 ms, less the three that wait.
    assert!((37..=39).contains(&flow.lost_packets), "{}", flow.lost_packets);
    assert_eq!(outcomes(&result), ["established"]);
    let patient = run(&silent_offices(&["limits.acquire_queue=64"], burst));
    assert_eq!(patient.flows[0].lost_packets, 0);
    let hasty = run(&silent_offices(&["limits.acquire_queue=0"], burst));
    assert_eq!(outcomes(&hasty), ["established"], "the first packet asks, and does not wait");
}

#[test]
fn transport_mode_protects_the_nodes_own_traffic_with_fewer_octets() {
    let traffic = |addresses: &str| {
        format!("[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\ncount = 5\n{addresses}")
    };
    let own = traffic("source = \"198.18.0.1\"\ndestination = \"198.18.0.2\"\n");
    let transport = run(&silent_offices(&["connections.office.children.lan.mode=transport"], &own));
    let tunnel = run(&silent_offices(&[], &traffic("")));
    assert_eq!((transport.flows[0].lost_packets, tunnel.flows[0].lost_packets), (0, 0));
    assert_eq!((count(&transport, "right", Kind::Esp), count(&transport, "right", Kind::Plain)), (10, 0));
    let octets = |result: &ipseclab_experiments::run::RunResult| result.links[0].offered_bytes;
    assert!(octets(&transport) < octets(&tunnel), "no second IP header");
}

#[test]
fn a_range_of_addresses_protects_what_is_in_it_and_nothing_else() {
    let from = |source: &str| {
        format!(
            "[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nsource = \"{source}\"\n\
             destination = \"10.2.0.7\"\ncount = 3\ninterval = \"100ms\"\n"
        )
    };
    let flows: String = ["10.1.0.4", "10.1.0.5", "10.1.0.9", "10.1.0.10"].map(from).concat();
    let v1 = ["connections.office.version=1", "connections.office.proposals=[\"aes128-sha1-modp1024\"]"];
    for version in [&[][..], &v1] {
        let range = "connections.office.children.lan={ local_ts = [\"10.1.0.5-10.1.0.9\"], \
                     remote_ts = [\"10.2.0.0-10.2.0.7\"] }";
        let result = run(&silent_offices(&[version, &[range]].concat(), &flows));
        assert_eq!(outcomes(&result), ["established"]);
        assert!(result.flows.iter().all(|flow| flow.lost_packets == 0), "{:?}", result.flows);
        // Two of the four addresses are within the range; the others pass in the clear.
        assert_eq!((count(&result, "right", Kind::Esp), count(&result, "right", Kind::Plain)), (12, 12));
    }
}

#[test]
fn ranges_that_overlap_are_narrowed_to_what_they_share() {
    let child = "connections.office.children.lan={ local_ts = [\"10.1.0.5-10.1.0.90\"], \
                 remote_policy = { remote_ts = [\"10.1.0.40-10.1.0.200\"] } }";
    let ping =
        "[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nsource = \"10.1.0.50\"\ncount = 3\n";
    let result = run(&silent_offices(&[child], ping));
    assert_eq!((outcomes(&result), result.flows[0].lost_packets), (vec!["established"], 0));
    let ranges: Vec<_> = result
        .observed
        .iter()
        .flat_map(|node| &node.records.steps)
        .filter_map(|step| match &step.step {
            Step::Ike(Event::ChildSaEstablished(child)) => {
                Some([&child.local_ts, &child.remote_ts].map(ToString::to_string))
            }
            _ => None,
        })
        .collect();
    assert!(ranges.iter().all(|pair| pair.iter().any(|ts| ts == "10.1.0.40-10.1.0.90")), "{ranges:?}");
    assert_eq!(ranges.len(), 2);
}
