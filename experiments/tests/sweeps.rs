//! Sweep plans: order, seeds and identities of runs.

use std::collections::BTreeSet;
use std::path::Path;

use ipseclab_experiments::document::{Document, Report, SourceText};
use ipseclab_experiments::scenario::Override;
use ipseclab_experiments::sweep::{PlannedRun, Plot, SweepPlan, replication_seed};
use proptest::prelude::*;

const SWEEP: &str = r#"name = "order"
scenario = "site-to-site"
replications = 2

[vary]
"topology.link.loss" = [0.0, 0.05]
"connections.office.proposals" = [["aes128-sha256-x25519"], ["aes128-sha256-ecp256"]]
"topology.link.delay" = ["5ms", "20ms", "80ms"]
"#;

fn build(text: &str, overrides: &[&str]) -> Result<SweepPlan, Report> {
    let overrides: Vec<_> = overrides.iter().map(|text| Override::parse(text).expect("a setting")).collect();
    let document = Document::parse(&SourceText::new("sweep.toml", text))?;
    SweepPlan::build(&document, Some(Path::new("")), &overrides)
}

fn plan(text: &str) -> SweepPlan {
    build(text, &[]).unwrap_or_else(|report| panic!("{report}"))
}

fn ids(plan: &SweepPlan) -> Vec<String> {
    plan.runs().map(|run| run.id.to_string()).collect()
}

#[test]
fn combinations_come_in_written_order_with_the_last_key_fastest() {
    let plan = plan(SWEEP);
    assert_eq!((plan.point_count(), plan.run_count()), (12, 24));
    let choices: Vec<_> = (0..12).map(|point| plan.choice(point)).collect();
    assert_eq!(choices[..4], [vec![0, 0, 0], vec![0, 0, 1], vec![0, 0, 2], vec![0, 1, 0]]);
    assert_eq!(choices[11], [1, 1, 2]);
    let parameters = plan.parameters(4);
    let written: Vec<_> = parameters.iter().map(|(path, value)| format!("{path}={}", value.label)).collect();
    assert_eq!(
        written,
        [
            "topology.link.loss=0.0",
            "connections.office.proposals=aes128-sha256-ecp256",
            "topology.link.delay=20ms"
        ]
    );
}

#[test]
fn replications_of_a_combination_stand_together() {
    let runs: Vec<PlannedRun> = plan(SWEEP).runs().collect();
    let order: Vec<_> = runs.iter().map(|run| (run.index, run.point, run.replication)).collect();
    assert_eq!(order[..4], [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]);
    assert_eq!(runs.len(), 24);
    assert_eq!(plan(SWEEP).run(24), None);
}

#[test]
fn a_replication_has_the_same_seed_in_every_combination() {
    let plan = plan(SWEEP);
    for run in plan.runs() {
        assert_eq!(run.seed, replication_seed(plan.seed, run.replication));
    }
    let seeds: BTreeSet<_> = plan.runs().map(|run| run.seed).collect();
    assert_eq!(seeds.len(), 2);
}

#[test]
fn every_combination_has_its_values_in_the_scenario() {
    let plan = plan(SWEEP);
    let scenario = plan.scenario(11).unwrap();
    let (.., link) = scenario.topology.links().next().unwrap();
    assert_eq!((link.delay_ns, link.loss_ppb), (80_000_000, 50_000_000));
    assert_eq!(scenario.connections[0].proposals.len(), 1);
    assert_ne!(plan.scenario(0).unwrap().connections, scenario.connections);
}

#[test]
fn identities_are_all_different_and_stay_the_same() {
    let first = ids(&plan(SWEEP));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 24);
    assert_eq!(first, ids(&plan(SWEEP)));
    assert_eq!(first, ids(&plan(&format!("# a comment\n{SWEEP}"))));
}

#[test]
fn identities_do_not_depend_on_what_does_not_decide_a_run() {
    let first = ids(&plan(SWEEP));
    let renamed = SWEEP.replace("\"order\"", "\"other\"");
    assert_eq!(first, ids(&plan(&renamed)));
    let longer = ids(&plan(&SWEEP.replace("replications = 2", "replications = 3")));
    assert_eq!((&first[0], &first[1], &first[2]), (&longer[0], &longer[1], &longer[3]));
}

#[test]
fn identities_depend_on_everything_that_decides_a_run() {
    let first = ids(&plan(SWEEP));
    let changed = [
        SWEEP.replace("replications = 2", "replications = 2\nseed = 2"),
        SWEEP.replace("[vary]", "[set]\nduration = \"31s\"\n[vary]"),
        SWEEP.replace("0.05", "0.06").replace("[0.0,", "[0.01,"),
        SWEEP.replace("site-to-site", "site-to-site-nat"),
    ];
    for text in changed {
        let other = ids(&plan(&text));
        assert!(first.iter().zip(&other).all(|(a, b)| a != b), "{text}");
    }
}

#[test]
fn this_run_has_this_identity_in_version_0_1_0() {
    // Results on disk are found again by identity: a change here makes every finished run unfinished.
    let folder = tempfile::tempdir().unwrap();
    let scenario = "name = \"pin\"\nduration = \"1s\"\n[topology]\nkind = \"pair\"\nlink.delay = \"1ms\"\n";
    std::fs::write(folder.path().join("pin.toml"), scenario).unwrap();
    let text = "name = \"pin\"\nscenario = \"pin.toml\"\n[vary]\n\"nodes.left.cores\" = [1, 2]\n";
    let document = Document::parse(&SourceText::new("sweep.toml", text)).unwrap();
    let plan = SweepPlan::build(&document, Some(folder.path()), &[]).unwrap();
    let id = plan.run(1).unwrap().id;
    assert_eq!(id.to_string(), "ef7298e0346b98b7f821f5dd034a99278c45a3ae09d870e728626479b5aa4f1c");
    assert!(id.to_string().starts_with(&id.short()));
}

#[test]
fn the_command_line_changes_the_scenario_of_a_sweep() {
    let plan = build(SWEEP, &["topology.link.rate=1Gbps"]).unwrap();
    let scenario = plan.scenario(0).unwrap();
    assert_eq!(scenario.topology.links().next().unwrap().3.rate_bps, Some(1_000_000_000));
    assert!(build(SWEEP, &["topology.link.rat=1Gbps"]).is_err());
}

#[test]
fn a_scenario_beside_the_sweep_is_found_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = ipseclab_experiments::scenario::library::SCENARIOS[0].text.replace("20ms", "33ms");
    std::fs::write(folder.path().join("mine.toml"), scenario).unwrap();
    let text = "name = \"s\"\nscenario = \"mine.toml\"\n[vary]\n\"nodes.left.cores\" = [1, 2]\n";
    let document = Document::parse(&SourceText::new("sweep.toml", text)).unwrap();
    let plan = SweepPlan::build(&document, Some(folder.path()), &[]).unwrap();
    assert_eq!(plan.scenario(1).unwrap().nodes[0].cores, 2);
    assert_eq!(plan.scenario(1).unwrap().topology.links().next().unwrap().3.delay_ns, 33_000_000);
}

#[test]
fn a_file_that_the_scenario_names_is_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let topology = |delay: &str| {
        let text = format!(
            "name = \"t\"\n[[nodes]]\nname = \"left\"\n[[nodes]]\nname = \"right\"\n[[links]]\na = \"left\"\nb = \"right\"\ndelay = \"{delay}\"\n"
        );
        std::fs::write(folder.path().join("t.toml"), text).unwrap();
    };
    let scenario = ipseclab_experiments::scenario::library::SCENARIOS[0].text;
    let scenario = scenario.replace("kind = \"pair\"", "file = \"t.toml\"").replace(", delay = \"20ms\"", "");
    std::fs::write(folder.path().join("mine.toml"), scenario).unwrap();
    let text = "name = \"s\"\nscenario = \"mine.toml\"\n[vary]\n\"nodes.left.cores\" = [1]\n";
    let document = Document::parse(&SourceText::new("sweep.toml", text)).unwrap();
    let build =
        || SweepPlan::build(&document, Some(folder.path()), &[]).unwrap_or_else(|report| panic!("{report}"));
    topology("1ms");
    let before = ids(&build());
    assert_eq!(before, ids(&build()));
    topology("2ms");
    assert_ne!(before, ids(&build()));
}

#[test]
fn plots_know_their_axes_by_number() {
    let text = format!(
        "{SWEEP}\n[[plots]]\nkind = \"heatmap\"\nx = \"topology.link.delay\"\ny = \"topology.link.loss\"\n\
         value = \"negotiation.latency.p90\"\nfacet = \"connections.office.proposals\"\n"
    );
    let plan = plan(&text);
    let [Plot::Heatmap { x, y, value, facet, .. }] = &plan.plots[..] else { panic!("one heatmap") };
    assert_eq!((*x, *y, *facet), (2, 0, Some(1)));
    assert_eq!(value.to_string(), "negotiation.latency.p90");
    assert!(plan.metrics.contains(&value.metric), "what is drawn is measured");
}

proptest! {
    #[test]
    fn neighbouring_base_seeds_share_no_seed(base in any::<u64>(), a in 0_u32..1000, b in 0_u32..1000) {
        prop_assert_ne!(replication_seed(base, a), replication_seed(base.wrapping_add(1), b));
        prop_assert_eq!(replication_seed(base, a) == replication_seed(base, b), a == b);
        prop_assert!(i64::try_from(replication_seed(base, a)).is_ok(), "fits a TOML integer");
    }
}
