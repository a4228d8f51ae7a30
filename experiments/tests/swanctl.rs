//! swanctl.conf files: those of the captured negotiations, as strongSwan read them, and mistakes in one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipseclab_experiments::document::{Document, Report, SourceText};
use ipseclab_experiments::scenario::{
    Action, CheckedScenario, Childless, Identity, LocalAuth, Mode, PeerIdentity, StartAction, Unique, check,
};
use ipseclab_ike::proposal;

/// Two gateways at the addresses of the captures; their certificates are made for the run.
const GATEWAYS: &str = r#"
name = "gateways"
duration = "30s"

[topology]
kind = "pair"
link = { delay = "1ms" }

[nodes.left]
address = "192.0.2.1"
networks = ["10.10.1.0/24"]
swanctl = "a.swanctl.conf"

[nodes.right]
address = "192.0.2.2"
networks = ["10.10.2.0/24"]
swanctl = "b.swanctl.conf"

[authorities.lab]
subject = "C=CH, O=Lab rsa, CN=lab CA"
key = "rsa-2048"

[certificates."a.pem"]
authority = "lab"
subject = "C=CH, O=Lab rsa, CN=a.example"
key = "rsa-2048"

[certificates."b.pem"]
authority = "lab"
subject = "C=CH, O=Lab rsa, CN=b.example"
key = "rsa-2048"

[[actions]]
at = "1s"
action = "initiate"
connection = "net"
"#;

fn scenario(text: &str, folder: &Path) -> Result<CheckedScenario, Report> {
    let document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
    check(&document, Some(folder))
}

/// A captured case; where the initiator's address is a private one, a NAT stands in front of it.
fn captured(folder: &Path) -> Result<CheckedScenario, Report> {
    let behind_nat = std::fs::read_to_string(folder.join("a.swanctl.conf")).unwrap().contains("192.168.77.2");
    let nat = "[nodes.left]\nnat = { inside = \"192.168.77.2\" }";
    let text = if behind_nat { GATEWAYS.replace("[nodes.left]", nat) } else { GATEWAYS.to_owned() };
    scenario(&text, folder)
}

/// Why a case does not run: words of its report that the table below knows.
fn refusal(case: &str, report: &Report) -> &'static str {
    const REASONS: [(&str, &str); 9] = [
        ("`ah_proposals` is not built yet", "AH"),
        ("ppk", "post-quantum pre-shared keys"),
        ("`eap-tls` is not built yet", "EAP-TLS"),
        ("IPv6", "IPv6 between gateways"),
        ("extended sequence numbers", "extended sequence numbers"),
        ("vips", "virtual addresses"),
        ("pools", "virtual addresses"),
        ("authentication by \"eap-mschapv2\"", "EAP-MSCHAPv2"),
        ("authentication by \"pubkey\"", "certificates"),
    ];
    let text = report.render(false);
    let reason = REASONS.iter().find(|(words, _)| text.contains(words));
    reason.unwrap_or_else(|| panic!("{case}: {text}")).1
}

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/captures/strongswan");
    folder.is_dir().then_some(folder)
}

#[test]
fn the_captured_configurations_are_read_or_refused_for_a_named_reason() {
    let Some(folder) = captures() else { return println!("skipped: no reference captures") };
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("v2-"));
    cases.sort();
    assert_eq!(cases.len(), 42);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &cases {
        let case = path.file_name().unwrap().to_str().unwrap();
        let outcome = match captured(path) {
            Ok(scenario) => {
                assert_eq!((scenario.connections.len(), scenario.actions.len()), (2, 1), "{case}");
                "runs"
            }
            Err(report) => {
                assert!(!report.render(false).contains("this is no swanctl.conf"), "{case}: {report}");
                refusal(case, &report)
            }
        };
        println!("{case:34} {outcome}");
        *counts.entry(outcome).or_default() += 1;
    }
    let expected = BTreeMap::from([]);
    assert_eq!(counts, expected);
}
