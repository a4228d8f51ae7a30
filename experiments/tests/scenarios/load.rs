//! Many set-ups at once: what waiting for a core does, and where it is booked.

use ipseclab_experiments::run::RunResult;

use super::support::{offices, outcomes, run, scenario};

const BRANCHES: &str = r#"
name = "branches"
duration = "20s"

[topology]
kind = "hub-and-spoke"
spokes = 24
link = { rate = "1Gbps", delay = "5ms" }

[nodes.hub]
networks = ["10.0.0.0/16"]

[nodes."spoke-*"]
pool = { from = "10.128.0.0/9", prefix = 24 }
cost_profile = "free"

[connections.branch]
local = "spoke-*"
remote = "hub"
proposals = ["aes128-sha256-modp3072"]
auth = { psk = "secret" }

[connections.branch.children.lan]
esp_proposals = ["aes128-sha256"]
start_action = "start"
"#;

fn with_cores(cores: u32) -> RunResult {
    let result = run(&scenario(BRANCHES, &[&format!("nodes.hub.cores={cores}")]));
    assert_eq!(outcomes(&result), ["established"; 24]);
    assert_eq!(result.nodes[0].child_sas_established, 24);
    result
}

#[test]
fn set_ups_that_come_together_wait_for_a_core_and_four_cores_make_them_wait_less() {
    let (one, four) = (with_cores(1), with_cores(4));
    let longest = |result: &RunResult| result.negotiations.iter().map(|row| row.latency_ns).max().unwrap();
    let cpu = |result: &RunResult| result.negotiations.iter().map(|row| row.cpu_ns).sum::<u64>();
    let hub = |result: &RunResult| result.nodes[0].clone();
    assert!(longest(&four) * 2 < longest(&one), "{} {}", longest(&four), longest(&one));
    assert!(cpu(&four) * 2 < cpu(&one), "{} {}", cpu(&four), cpu(&one));
    assert!(hub(&four).wait_max_ns < hub(&one).wait_max_ns);
    // The work itself is the same, however many do it.
    assert_eq!(hub(&one).cpu_busy_ns, hub(&four).cpu_busy_ns);
    // The last is done when all the work of the hub is.
    assert!(longest(&one) > hub(&one).cpu_busy_ns && longest(&four) > hub(&four).cpu_busy_ns / 4);
}

#[test]
fn where_everything_is_free_nobody_waits_for_a_core() {
    let result = run(&scenario(BRANCHES, &["nodes.hub.cost_profile=free"]));
    assert!(result.negotiations.iter().all(|row| row.cpu_ns == 0));
    assert!(result.nodes.iter().all(|node| node.cpu_busy_ns == 0 && node.wait_max_ns == 0));
    let latencies: std::collections::BTreeSet<_> =
        result.negotiations.iter().map(|row| row.latency_ns - row.serialisation_queueing_ns).collect();
    assert_eq!(latencies.into_iter().collect::<Vec<_>>(), [20_000_000], "two round trips");
}

#[test]
fn nodes_that_only_forward_are_free_unless_a_profile_is_named() {
    let chain = [
        "topology.kind=chain",
        "topology.nodes=3",
        "nodes={ left = { networks = [\"10.1.0.0/16\"] }, right = { networks = [\"10.2.0.0/16\"] } }",
    ];
    let router = |settings: &[&str]| {
        let result = run(&offices(&[&chain[..], settings].concat(), ""));
        assert_eq!(result.flows[0].lost_packets, 0);
        let of = |name: &str| result.nodes.iter().find(|node| node.node == name).unwrap().clone();
        assert!(of("left").cpu_busy_ns > 0, "hosts have the reference profile by default");
        (of("router-1").kind, of("router-1").cpu_busy_ns)
    };
    assert_eq!(router(&[]), ("router".to_owned(), 0));
    let (kind, busy) = router(&["nodes.router-1.cost_profile=reference"]);
    assert!(kind == "router" && busy > 0);
}
