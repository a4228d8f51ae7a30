//! Sweeps as users run them: the same bytes whatever the threads and the interruptions, and figures that are right.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::run::run;
use ipseclab_experiments::sweep::{
    Estimate, Progress, SweepError, SweepPlan, SweepReport, SweepSettings, default_folder, execute,
};
use ipseclab_node::Observe;
use statrs::distribution::{Binomial, DiscreteCDF as _};
use tempfile::TempDir;

/// Two by two combinations, three times each.
const SWEEP: &str = r#"name = "small"
scenario = "site-to-site"
replications = 3
metrics = ["negotiation.latency", "negotiation.retransmissions", "negotiation.success"]

[set]
duration = "270s"
"traffic.0.count" = 1
"traffic.0.stop" = "1s"

[vary]
"topology.link.loss" = [0.0, 0.3]
"connections.office.proposals" = [["aes128-sha256-x25519"], ["aes128-sha256-ecp256"]]

[[plots]]
kind = "line"
x = "topology.link.loss"
y = "negotiation.latency"
series = "connections.office.proposals"
"#;

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64, _: u64, _: u64) {}
    fn advance(&self) {}
}

fn plan(text: &str) -> SweepPlan {
    let document = Document::parse(&SourceText::new("sweep.toml", text)).expect("well-formed");
    SweepPlan::build(&document, Some(Path::new("")), &[]).unwrap_or_else(|report| panic!("{report}"))
}

fn sweep(text: &str, folder: &Path, jobs: usize) -> Result<SweepReport, SweepError> {
    let settings =
        SweepSettings { folder: Some(folder.to_path_buf()), replace: false, jobs: NonZeroUsize::new(jobs) };
    execute(&plan(text), &settings, &Silent)
}

/// Every file below a folder, by relative path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below").to_path_buf();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn check_same(one: &Path, two: &Path) {
    let (one, two) = (tree(one), tree(two));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(two[name] == *bytes, "{} differs", name.display());
    }
}

/// The rows of a table, by column name.
fn table(folder: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join(name)).expect("a table");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn one_thread_and_two_write_the_same_bytes() {
    let root = TempDir::new().unwrap();
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    let report = sweep(SWEEP, &one, 1).unwrap();
    assert_eq!((report.runs, report.kept, report.failed), (12, 0, 0));
    sweep(SWEEP, &two, 2).unwrap();
    check_same(&one, &two);
    let names: Vec<_> = tree(&one).into_keys().filter(|name| !name.starts_with("runs")).collect();
    let expected = [
        "aggregate.csv",
        "failures.csv",
        "manifest.json",
        "plots/01-mean-set-up-latency-by-topology-link.png",
        "plots/01-mean-set-up-latency-by-topology-link.svg",
        "runs.csv",
        "summary.json",
        "sweep.json",
    ];
    assert_eq!(names, expected.map(PathBuf::from));
}

#[test]
fn a_sweep_that_was_killed_ends_with_the_bytes_of_one_that_ran_through() {
    let root = TempDir::new().unwrap();
    let (whole, killed) = (root.path().join("whole"), root.path().join("killed"));
    sweep(SWEEP, &whole, 2).unwrap();
    sweep(SWEEP, &killed, 2).unwrap();
    let records: Vec<_> = tree(&killed).into_keys().filter(|name| name.starts_with("runs")).collect();
    assert_eq!(records.len(), 12);
    for name in &records[..6] {
        fs::remove_file(killed.join(name)).unwrap();
    }
    let torn = killed.join(&records[6]);
    let bytes = fs::read(&torn).unwrap();
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(killed.join("runs/.abc.jsonl.partial-1"), "{").unwrap();
    for name in ["manifest.json", "runs.csv", "summary.json"] {
        fs::remove_file(killed.join(name)).unwrap();
    }
    let report = sweep(SWEEP, &killed, 1).unwrap();
    assert_eq!((report.runs, report.kept), (12, 5));
    check_same(&whole, &killed);
}

#[test]
fn another_plot_over_the_same_runs_runs_nothing_again() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("out");
    sweep(SWEEP, &folder, 2).unwrap();
    let other = SWEEP.replace("kind = \"line\"", "kind = \"box\"\ntitle = \"Boxes\"");
    let report = sweep(&other, &folder, 2).unwrap();
    assert_eq!((report.kept, report.plots), (12, vec!["plots/01-boxes".to_owned()]));
    let plots: Vec<_> = tree(&folder.join("plots")).into_keys().collect();
    assert_eq!(plots, ["01-boxes.png", "01-boxes.svg"].map(PathBuf::from), "the old plot is gone");
}

#[test]
fn another_seed_is_another_sweep_with_other_runs() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("out");
    let seeded = SWEEP.replace("replications = 3", "replications = 3\nseed = 2");
    sweep(SWEEP, &folder, 2).unwrap();
    assert!(matches!(sweep(&seeded, &folder, 2), Err(SweepError::Store(_))), "the folder is not free");
    assert_ne!(default_folder(&plan(SWEEP)), default_folder(&plan(&seeded)));
    let other = root.path().join("other");
    sweep(&seeded, &other, 2).unwrap();
    let column = |folder: &Path, name: &str| -> Vec<_> {
        table(folder, "runs.csv").into_iter().map(|mut row| row.remove(name).unwrap()).collect()
    };
    for name in ["seed", "fingerprint"] {
        let (one, two) = (column(&folder, name), column(&other, name));
        assert!(one.iter().zip(&two).all(|(one, two)| one != two), "{name}");
    }
    assert_ne!(column(&folder, "negotiation.latency_s"), column(&other, "negotiation.latency_s"));
}

#[test]
fn rows_hold_what_a_run_of_their_scenario_finds() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("out");
    sweep(SWEEP, &folder, 2).unwrap();
    let plan = plan(SWEEP);
    let rows = table(&folder, "runs.csv");
    assert_eq!(rows.len(), 12);
    for (planned, row) in plan.runs().zip(&rows) {
        let mut scenario = plan.scenario(planned.point).unwrap();
        scenario.seed = planned.seed;
        let result = run(&scenario, Observe::default()).unwrap();
        let [negotiation] = &result.negotiations[..] else { panic!("one negotiation") };
        let came_up = negotiation.failure_reason.is_empty();
        let (seconds, nanos) =
            (negotiation.latency_ns / 1_000_000_000, negotiation.latency_ns % 1_000_000_000);
        let latency = if came_up { format!("{seconds}.{nanos:09}") } else { String::new() };
        assert_eq!(row["negotiation.latency_s"], latency);
        assert_eq!(row["negotiation.retransmissions"], format!("{}.000000", negotiation.retransmissions));
        assert_eq!(row["fingerprint"], result.fingerprint.to_string());
        assert_eq!((&*row["seed"], &*row["result"]), (&*planned.seed.to_string(), "finished"));
        assert_eq!(row["replication"], planned.replication.to_string());
    }
    let varied = (&*rows[4]["topology.link.loss"], &*rows[4]["connections.office.proposals"]);
    assert_eq!(varied, ("0.0", "aes128-sha256-ecp256"));
    // Common random numbers: replication r has one seed everywhere, and so the same losses.
    assert!(rows.iter().zip(rows.iter().skip(3)).all(|(row, next)| row["seed"] == next["seed"]));
    let tries = |rows: &[BTreeMap<String, String>]| -> Vec<_> {
        rows.iter().map(|row| row["negotiation.retransmissions"].clone()).collect()
    };
    assert_eq!(tries(&rows[6..9]), tries(&rows[9..]));
}

#[test]
fn aggregates_are_figures_of_the_rows() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("out");
    // Half of all packets are lost, and two tries are too few for most.
    let text = SWEEP
        .replace("[0.0, 0.3]", "[0.5]")
        .replace("replications = 3", "replications = 20")
        .replace("[set]", "[set]\n\"connections.office.retransmit_tries\" = 2");
    sweep(&text, &folder, 2).unwrap();
    let rows = table(&folder, "runs.csv");
    let aggregates = table(&folder, "aggregate.csv");
    assert_eq!(aggregates.len(), 2 * 3);
    for aggregate in &aggregates {
        let suffix = if aggregate["unit"] == "s" { "_s" } else { "" };
        let column = format!("{}{suffix}", aggregate["metric"]);
        let values = rows.iter().filter(|row| row["point"] == aggregate["point"]).map(|row| &row[&column]);
        let values: Vec<f64> = values.filter_map(|text| text.parse().ok()).collect();
        let estimate = Estimate::of(&values).unwrap();
        let (low, high) = estimate.interval().unwrap();
        let expected = [
            ("mean", estimate.mean),
            ("ci95_low", low),
            ("ci95_high", high),
            ("standard_deviation", estimate.standard_deviation.unwrap()),
            ("p90", estimate.p90),
        ];
        for (name, expected) in expected {
            let found: f64 = aggregate[name].parse().unwrap();
            assert!((found - expected).abs() < 2e-6, "{name} of {column}: {found} instead of {expected}");
        }
        assert_eq!((&*aggregate["runs"], &*aggregate["n"]), ("20", &*values.len().to_string()));
        let missing: usize = aggregate["missing"].parse().unwrap();
        assert_eq!(missing + values.len(), 20);
        assert_eq!(aggregate["metric"] == "negotiation.latency", missing > 0, "only latency is missing");
    }
    let latency: f64 = aggregates[0]["n"].parse().unwrap();
    let success: f64 = aggregates[2]["mean"].parse().unwrap();
    assert!((success - latency / 20.0).abs() < 1e-6, "what has a latency is what succeeded");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["negotiations"], 40);
    assert!(
        summary["established"].as_u64().unwrap() + summary["failures"]["timeout"].as_u64().unwrap() == 40
    );
}

/// What every set-up needs: `IKE_SA_INIT` and `IKE_AUTH`, request and response, all four on their first try.
#[test]
fn the_share_of_set_ups_without_retransmission_is_that_of_four_messages_that_come_through() {
    const RUNS: u32 = 1500;
    let root = TempDir::new().unwrap();
    let folder = root.path().join("out");
    let text = SWEEP
        .replace("replications = 3", &format!("replications = {RUNS}"))
        .replace("[0.0, 0.3]", "[0.05, 0.1, 0.2]")
        .replace(", [\"aes128-sha256-ecp256\"]", "")
        .replace("\"negotiation.latency\", ", "\"negotiation.first_try\", ");
    let text = text.split("[[plots]]").next().unwrap();
    sweep(text, &folder, 2).unwrap();
    let aggregates = table(&folder, "aggregate.csv");
    let first_tries = aggregates.iter().filter(|row| row["metric"] == "negotiation.first_try");
    let mut checked = 0;
    for (row, loss) in first_tries.zip([0.05_f64, 0.1, 0.2]) {
        let expected = Binomial::new((1.0 - loss).powi(4), RUNS.into()).unwrap();
        let mean: f64 = row["mean"].parse().unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, rounded")]
        let found = (mean * f64::from(RUNS)).round() as u64;
        let interval = expected.inverse_cdf(0.005)..=expected.inverse_cdf(0.995);
        assert!(interval.contains(&found), "{found} of {RUNS} at {loss}, expected {interval:?}");
        checked += 1;
    }
    assert_eq!(checked, 3);
}

fn ipseclab(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("ipseclab").expect("the binary is built with the tests");
    let output = command.args(arguments).current_dir(folder).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[test]
fn runs_that_fail_are_listed_and_everything_else_is_written() {
    let root = TempDir::new().unwrap();
    let text = SWEEP.replace("\"topology.link.loss\" = [0.0, 0.3]", "\"limits.events\" = [10, 1000000]");
    let text = text.replace("x = \"topology.link.loss\"", "x = \"limits.events\"");
    fs::write(root.path().join("s.toml"), text).unwrap();
    let (code, out, err) = ipseclab(root.path(), &["sweep", "s.toml", "--out", "out", "--jobs", "2"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("small: 12 runs of 4 combinations, 6 failed, in "), "{out}");
    assert_eq!(err, "error: 6 of 12 runs failed: see out/failures.csv; everything else is written\n");
    let failures = table(&root.path().join("out"), "failures.csv");
    assert_eq!(failures.len(), 6);
    assert!(
        failures.iter().all(|row| row["limits.events"] == "10" && row["reason"].contains("limits.events"))
    );
    let rows = table(&root.path().join("out"), "runs.csv");
    assert_eq!(rows.iter().filter(|row| row["result"] == "finished").count(), 6);
    assert!(rows.iter().all(|row| (row["result"] == "failed") == row["fingerprint"].is_empty()));
    // The failures are results like others: they are not made again, and still tell.
    let (code, out, _) = ipseclab(root.path(), &["sweep", "s.toml", "--out", "out"]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("small: 12 runs of 4 combinations, 12 of them there already, 6 failed, in "),
        "{out}"
    );
}

#[test]
fn the_default_folder_is_found_again_and_quiet_is_quiet() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("s.toml"), SWEEP).unwrap();
    let (code, out, err) = ipseclab(root.path(), &["sweep", "s.toml", "--quiet"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let folder = default_folder(&plan(SWEEP));
    assert!(root.path().join(&folder).join("manifest.json").is_file());
    let (code, out, err) = ipseclab(root.path(), &["sweep", "s.toml"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("12 of them there already") && out.contains(&folder.display().to_string()), "{out}");
    let (code, _, err) =
        ipseclab(root.path(), &["sweep", "s.toml", "--seed", "9", "--out", &folder.to_string_lossy()]);
    assert_eq!(code, 1);
    assert!(err.contains("holds another sweep") && err.contains("--force"), "{err}");
    let (code, out, _) = ipseclab(
        root.path(),
        &["sweep", "s.toml", "--seed", "9", "--force", "--out", &folder.to_string_lossy()],
    );
    assert_eq!(code, 0);
    assert!(!out.contains("there already"), "{out}");
}

#[test]
fn bad_sweeps_write_nothing() {
    let root = TempDir::new().unwrap();
    let cases = [
        SWEEP.replace("[0.0, 0.3]", "[0.0, -0.3]"),
        SWEEP.replace("[0.0, 0.3]", "[]"),
        SWEEP.replace("x25519", "x25518"),
        SWEEP.replace("topology.link.loss\" =", "topology.link.los\" ="),
        SWEEP.replace("negotiation.success", "negotiation.sucess"),
        SWEEP.replace("site-to-site", "nowhere.toml"),
        SWEEP.replace("replications = 3", "replications = 10000000000"),
        SWEEP.replace("[vary]", "[vary"),
        SWEEP.replace("kind = \"line\"", "kind = \"pie\""),
    ];
    for text in cases {
        fs::write(root.path().join("s.toml"), &text).unwrap();
        let (code, out, err) = ipseclab(root.path(), &["sweep", "s.toml"]);
        assert_eq!((code, out.as_str()), (1, ""), "{text}");
        assert!(err.starts_with("error: "), "{err}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{text}");
    }
}
