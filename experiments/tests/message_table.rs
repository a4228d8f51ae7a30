//! `report.md` of a sweep: what is counted in its tables is listed message by message, and the sums are the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::scenario::library;
use ipseclab_experiments::sweep::{Progress, SweepPlan, SweepSettings, execute};
use tempfile::TempDir;

const SWEEP: &str = r#"name = "small"
description = "Two key exchanges."
scenario = "site-to-site"
metrics = ["negotiation.messages", "negotiation.octets"]
message_table = "connections.office.proposals"

[set]
duration = "15s"

[vary]
"topology.link.delay" = ["5ms", "20ms"]
"connections.office.proposals" = [["aes128-sha256-x25519"], ["aes128-sha256-modp2048"]]

[labels]
"connections.office.proposals" = { name = "key exchange", values = ["Curve25519", "MODP-2048"] }
"#;

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64, _: u64, _: u64) {}
    fn advance(&self) {}
}

fn run(plan: &SweepPlan, folder: &Path) -> String {
    let settings = SweepSettings { folder: Some(folder.to_path_buf()), replace: false, jobs: None };
    execute(plan, &settings, &Silent).unwrap();
    fs::read_to_string(folder.join("report.md")).unwrap()
}

/// Messages and octets of the row that begins with `name`, in the table of all kinds.
fn counted(report: &str, name: &str) -> (String, String) {
    let line = report.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    (cells[2].to_owned(), cells[3].to_owned())
}

/// Octets of the messages in the section `name`.
fn listed(report: &str, name: &str) -> Vec<u64> {
    let section = report.split("\n### ").find(|section| section.starts_with(name)).unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |") && !line.starts_with("| -"));
    rows.map(|row| row.split('|').nth(4).unwrap().trim().parse().unwrap()).collect()
}

#[test]
fn the_sums_of_the_report_are_the_counts_of_the_tables() {
    let document = Document::parse(&SourceText::new("sweep.toml", SWEEP)).unwrap();
    let plan = SweepPlan::build(&document, Some(Path::new("")), &[]).unwrap();
    let root = TempDir::new().unwrap();
    let report = run(&plan, root.path());
    let mut reader = csv::Reader::from_path(root.path().join("runs.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
    for (row, name) in rows.iter().zip(["Curve25519", "MODP-2048"]) {
        let whole = |metric: &str| row[metric].split('.').next().unwrap_or_default().to_owned();
        let of_table = (whole("negotiation.messages"), whole("negotiation.octets"));
        assert_eq!(counted(&report, name), of_table);
        let octets = listed(&report, name);
        assert_eq!((octets.len().to_string(), octets.iter().sum::<u64>().to_string()), of_table);
    }
    assert!(
        report.starts_with("# small\n\nTwo key exchanges.\n") && report.contains("IKE_AUTH response"),
        "{report}"
    );
}

#[test]
fn only_a_varied_key_can_be_listed_by_message() {
    let text =
        SWEEP.replace("\nmessage_table = \"connections.office.proposals\"", "\nmessage_table = \"seed\"");
    let document = Document::parse(&SourceText::new("sweep.toml", &text)).unwrap();
    let report = SweepPlan::build(&document, Some(Path::new("")), &[]).unwrap_err();
    assert!(report.render(false).contains("`seed` is not varied"), "{report}");
}

#[test]
fn the_study_of_both_versions_lists_nine_six_and_four_messages() {
    let study = library::STUDIES.iter().find(|study| study.name == "ikev1-vs-ikev2").unwrap();
    // One run of each combination is enough to look at.
    let text = study.text.replace("replications = 60", "replications = 1");
    let document = Document::parse(&SourceText::new("study.toml", &text)).unwrap();
    let plan = SweepPlan::build(&document, None, &[]).unwrap();
    let root = TempDir::new().unwrap();
    let report = run(&plan, root.path());
    let lengths = ["IKEv1 Main Mode", "IKEv1 Aggressive Mode", "IKEv2"].map(|name| listed(&report, name));
    assert_eq!(lengths.each_ref().map(Vec::len), [9, 6, 4], "{report}");
    assert!(report.contains("Quick Mode 3") && report.contains("offline"), "{report}");
}
