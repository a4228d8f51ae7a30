//! What the simulator puts on the wire, in the eyes of tshark.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::Path;
use std::process::Command;

use ipseclab_experiments::results::{self, Wanted};
use ipseclab_experiments::run::run;
use ipseclab_experiments::scenario::{Override, library, load};

fn tshark_is_here() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: tshark is not installed");
    }
    found
}

/// Runs a scenario with captures into `folder`/run.
fn capture(scenario: &str, settings: &[&str], folder: &Path) -> std::path::PathBuf {
    let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario = load(scenario, &changes).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let wanted = Wanted { capture: true, secrets: false };
    let result = run(&scenario, wanted.observe()).unwrap();
    let directory = results::prepare(&folder.join("run"), false).unwrap();
    results::write(directory, &scenario, &result, wanted).unwrap()
}

/// Runs the command that the how-to gives, with more arguments; returns its lines.
fn tshark(run: &Path, file: &Path, arguments: &[&str]) -> Vec<String> {
    let output = Command::new("tshark")
        .env("WIRESHARK_CONFIG_DIR", run.join("capture/wireshark"))
        .arg("-r")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", file.display());
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

fn captures(run: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(run.join("capture")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "pcapng")).collect();
    files.sort();
    files
}

/// The fields by which a packet is judged, in this order.
const FIELDS: [&str; 14] = [
    "frame.number",
    "_ws.malformed",
    "_ws.expert.severity",
    "ip.checksum.status",
    "udp.checksum.status",
    "esp.spi",
    "esp.icv_good",
    "isakmp.exchangetype",
    "isakmp.enc.decrypted",
    "isakmp.typepayload",
    "isakmp.version",
    "isakmp.flag_e",
    "ah.spi",
    "icmp.type",
];
/// tshark's severity of errors; warnings (such as a ping without an answer) lie below.
const SEVERITY_ERROR: u32 = 0x0080_0000;
const IKE_SA_INIT: &str = "34";
const IKE_AUTH: &str = "35";
const ENCRYPTED_FRAGMENT: &str = "53";
const IKE_V1: &str = "0x10";
/// A piece of an IKEv1 message; what the pieces hold is encrypted or not as a whole.
const V1_FRAGMENT: &str = "132";

/// Nothing is malformed, every checksum and ESP ICV is found correct, every protected IKE message decrypts; returns how
/// many ESP packets and protected IKE messages there are.
fn check_captures(run: &Path) -> (usize, usize) {
    let (mut esp, mut protected) = (0, 0);
    for file in captures(run) {
        let mut arguments =
            vec!["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"];
        arguments.extend(FIELDS.iter().flat_map(|field| ["-e", *field]));
        for line in tshark(run, &file, &arguments) {
            let columns: Vec<_> = line.split('\t').collect();
            let [
                _,
                malformed,
                severities,
                ip,
                udp,
                spi,
                icv_good,
                exchange,
                decrypted,
                payloads,
                version,
                is_encrypted,
                ah,
                icmp,
            ] = columns[..]
            else {
                panic!("{}: {line}", file.display());
            };
            let context = format!("{}: {line}", file.display());
            assert_eq!(malformed, "", "{context}");
            let worst = severities.split(',').filter_map(|text| text.parse().ok()).max().unwrap_or(0);
            assert!(worst < SEVERITY_ERROR, "{context}");
            // 1 is good, 0 bad, 2 unverified; a tunnel shows two IPv4 headers, and IPv6 has no such checksum.
            assert!(ip.is_empty() || ip.split(',').all(|status| status == "1"), "{context}");
            assert!(udp.is_empty() || udp.split(',').all(|status| status == "1"), "{context}");
            if !spi.is_empty() {
                // Inside AH, ESP may have no ICV of its own; that it decrypts is then all there is to see.
                assert!(icv_good == "1" || !ah.is_empty() && !icmp.is_empty(), "{context}");
                esp += 1;
            }
            if version == IKE_V1 {
                // What does not decrypt shows no payloads.
                assert!(!payloads.is_empty(), "{context}");
                protected += usize::from(is_encrypted == "1" && payloads != V1_FRAGMENT);
            } else if !exchange.is_empty() && exchange != IKE_SA_INIT {
                assert!(!decrypted.is_empty(), "{context}");
                // The Encrypted payload and what is in it; a fragment alone shows nothing (RFC 7383).
                let opened = payloads.contains(',') || payloads == ENCRYPTED_FRAGMENT;
                assert!(exchange != IKE_AUTH || opened, "a decrypted IKE_AUTH shows its payloads: {context}");
                protected += 1;
            }
        }
    }
    (esp, protected)
}

#[test]
fn every_shipped_scenario_decodes_and_decrypts_without_a_complaint() {
    if !tshark_is_here() {
        return;
    }
    // Each of its two nodes has another key, and Wireshark takes one for both.
    for shipped in library::SCENARIOS.iter().filter(|shipped| shipped.name != "ikev1-wrong-psk") {
        let folder = tempfile::tempdir().unwrap();
        let run = capture(shipped.name, &[], folder.path());
        let (esp, protected) = check_captures(&run);
        assert!(esp > 0 && protected > 0, "{}: {esp} ESP packets, {protected} IKE messages", shipped.name);
    }
}

#[test]
fn every_algorithm_that_tshark_knows_decrypts() {
    if !tshark_is_here() {
        return;
    }
    let suites = [
        ("aes128-sha1-modp1024", "aes128-sha1"),
        ("aes192-sha384-ecp384", "aes192-sha384"),
        ("aes256-sha512-modp1536", "aes256-sha512"),
        ("aes128gcm16-prfsha384-ecp256", "aes256gcm16"),
        ("aes128-sha256-modp3072", "null-sha256"),
        ("aes256gcm16-prfsha512-modp4096", "aes128-sha256"),
    ];
    for (ike, esp) in suites {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            format!("connections.office.proposals=[\"{ike}\"]"),
            format!("connections.office.children.lan.esp_proposals=[\"{esp}\"]"),
        ];
        let run = capture("site-to-site", &settings.each_ref().map(String::as_str), folder.path());
        let (esp_packets, protected) = check_captures(&run);
        assert!(esp_packets >= 100 && protected >= 6, "{ike} {esp}");
    }
}

/// Sets of algorithms of phase 1 and phase 2, in both modes; then XAUTH, PFS and renewals of the same two offices.
#[test]
fn main_aggressive_and_quick_mode_decrypt_and_the_esp_inside_does() {
    if !tshark_is_here() {
        return;
    }
    let suites = [
        ("des-md5-modp768", "des-md5"),
        ("3des-sha1-modp1024", "3des-sha1-modp1024"),
        ("aes128-sha1-modp1536", "aes128-sha1"),
        ("aes192-sha256-modp2048", "aes192-sha256-modp2048"),
        ("aes256-sha512-ecp384", "aes128gcm16"),
    ];
    for (place, (ike, esp)) in suites.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            "connections.office.version=1".to_owned(),
            format!("connections.office.aggressive={}", place % 2 == 1),
            format!("connections.office.proposals=[\"{ike}\"]"),
            format!("connections.office.children.lan.esp_proposals=[\"{esp}\"]"),
            "connections.office.auth={ psk = \"secret\", xauth_id = \"carol\", xauth_password = \"Ar3etTnp\" }".to_owned(),
        ];
        let run = capture("site-to-site", &settings.each_ref().map(String::as_str), folder.path());
        let (esp_packets, protected) = check_captures(&run);
        assert!(esp_packets >= 100 && protected >= 6, "{ike} {esp}: {esp_packets} and {protected}");
    }
}

#[test]
fn the_how_to_command_shows_the_pings_inside_esp() {
    if !tshark_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = capture("site-to-site", &[], folder.path());
    let lines = tshark(&run, &run.join("capture/left.pcapng"), &[]);
    let pings = lines.iter().filter(|line| line.contains("Echo (ping) request")).count();
    let replies = lines.iter().filter(|line| line.contains("Echo (ping) reply")).count();
    assert_eq!((pings, replies), (50, 50));
    assert_eq!(lines.iter().filter(|line| line.contains("IKE_AUTH")).count(), 2);
}

#[test]
fn renewed_sas_decrypt_like_first_ones() {
    if !tshark_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // By default a Child SA is renewed within the hour and an IKE SA within four.
    let settings = [
        "duration=\"5h\"",
        "traffic.0.interval=\"1min\"",
        "traffic.0.stop=\"5h\"",
        "connections.office.children.lan.inactivity=\"2min\"",
    ];
    let run = capture("site-to-site", &settings, folder.path());
    let (esp, protected) = check_captures(&run);
    let renewals = fs::read_to_string(run.join("renewals.csv")).unwrap();
    let done = |exchange: &str| {
        let wanted = format!(",{exchange},");
        renewals.lines().filter(|line| line.contains(&wanted) && line.contains(",done,")).count()
    };
    assert!(done("child") >= 4 && done("ike") >= 1, "{renewals}");
    // A ping and its answer pass two captures each.
    assert!(esp >= 4 * 299 && protected >= 40, "{esp} ESP packets, {protected} IKE messages");
}
