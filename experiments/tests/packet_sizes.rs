//! What protection adds to packets, as a run measures and shows it, and as tshark reads it in the capture.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// Connection, protection, mode, algorithms and IP total length of a 100-octet ping between two Cisco routers.
const ROUTERS: [(&str, &str, &str, &str, u32); 6] = [
    ("ah-esp-transport", "AH around ESP", "transport", "sha1 around aes128", 164),
    ("ah-esp-tunnel", "AH around ESP", "tunnel", "sha1 around aes128", 180),
    ("ah-transport", "AH", "transport", "sha1", 124),
    ("ah-tunnel", "AH", "tunnel", "sha1", 144),
    ("esp-transport", "ESP", "transport", "aes128-sha1", 152),
    ("esp-tunnel", "ESP", "tunnel", "aes128-sha1", 168),
];

/// Requests of one ping, and their answers.
const PINGS: usize = 5;

/// Runs the command; what it says on standard output.
fn ipseclab(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("ipseclab").unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Rows of a CSV file, each by its columns.
fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_ping_of_100_octets_has_the_lengths_that_cisco_routers_send() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let shown = ipseclab(&["run", "ah-esp-modes", "--capture", "--out", run.to_str().unwrap()]);
    let table: Vec<_> = shown.lines().skip_while(|line| !line.starts_with("connection ")).skip(1).collect();
    for ((connection, protection, mode, algorithms, outside), line) in ROUTERS.into_iter().zip(table) {
        let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let (whole, added, packets) =
            (outside.to_string(), (outside - 100).to_string(), (2 * PINGS).to_string());
        assert_eq!(cells, [connection, protection, mode, algorithms, "100", &whole, &added, &packets]);
    }
    let written = rows(&run.join("packet_sizes.csv"));
    assert_eq!(written.len(), 2 * ROUTERS.len(), "both ends of each tunnel have measured");
    for (connection, _, _, _, outside) in ROUTERS {
        let own: Vec<_> = written.iter().filter(|row| row["connection"] == connection).collect();
        for row in &own {
            let [inner, outer, packets] =
                ["inner_bytes", "outer_bytes", "packets"].map(|key| row[key].as_str());
            assert_eq!([inner, outer, packets], ["100", &outside.to_string(), &PINGS.to_string()]);
        }
        assert_eq!(own.len(), 2);
    }
    check_capture(&run);
}

/// The hub's capture has the packets of all six.
fn check_capture(run: &Path) {
    let tshark = std::process::Command::new("tshark")
        .args(["-r", run.join("capture/hub.pcapng").to_str().unwrap(), "-Y", "ah or esp"])
        .args(["-T", "fields", "-e", "ip.len", "-e", "ip.proto", "-E", "occurrence=f"])
        .output();
    let Ok(output) = tshark else { return println!("skipped: tshark is not installed") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: BTreeMap<(u32, &str), usize> = BTreeMap::new();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        let (length, protocol) = line.split_once('\t').unwrap();
        *seen.entry((length.parse().unwrap(), protocol)).or_default() += 1;
    }
    let protocol = |protection: &str| if protection == "ESP" { "50" } else { "51" };
    let expected: BTreeMap<_, _> = ROUTERS
        .map(|(_, protection, _, _, outside)| ((outside, protocol(protection)), 2 * PINGS))
        .into_iter()
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_scenario_that_does_not_ask_for_lengths_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let shown = ipseclab(&["run", "site-to-site", "--out", run.to_str().unwrap()]);
    assert!(!shown.contains("octets of IP packets"), "{shown}");
    assert!(!run.join("packet_sizes.csv").exists());
    let again = folder.path().join("again");
    let settings = ["--set", "outputs.packet_sizes=true", "--set", "traffic.0.size=72B"];
    let shown =
        ipseclab(&[&["run", "site-to-site", "--out", again.to_str().unwrap()], &settings[..]].concat());
    // ESP with AES-GCM: 20 of IP, 8 of header, 8 of IV, padding to 4, 2 of trailer, 16 of ICV.
    let row = shown.lines().find(|line| line.contains("aes128gcm16")).unwrap();
    assert!(row.contains("  100 ") && row.contains("  156 "), "{shown}");
    let names: Vec<_> = fs::read_dir(&again).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "packet_sizes.csv"));
}
