//! The command as users meet it: what goes where, and exit codes.

use assert_cmd::Command;

fn ipseclab(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("ipseclab").expect("the binary is built with the tests");
    let output = command.args(arguments).env_remove("NO_COLOR").output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[test]
fn success_is_0_with_results_on_standard_output_alone() {
    let (code, out, err) = ipseclab(&["check", "site-to-site", "negotiation-latency"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "site-to-site: scenario with 2 nodes, 1 link, 1 connection, 1 flow\n\
         negotiation-latency: sweep with 90 combinations and 5400 runs\n"
    );
}

#[test]
fn an_error_in_a_file_is_1_with_a_plain_message_on_standard_error_alone() {
    let (code, out, err) = ipseclab(&["check", "site-to-site", "--set", "topology.link.delay=20"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(" --> --set:1:21\n") && err.contains("the unit is missing"), "{err}");
    assert!(!err.contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [&["chekc"][..], &["check"], &["schema", "scenery"], &["list", "--fast"], &[]] {
        let (code, out, err) = ipseclab(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("--help") || err.contains("Usage:"), "{err}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, _, err) = ipseclab(&["check", "nowhere/scenario.toml"]);
    assert_eq!(
        (code, err.as_str()),
        (1, "error: cannot read `nowhere/scenario.toml`: there is no such file\n\n1 error\n")
    );
    let (_, _, err) = ipseclab(&["check", "site-to-sight"]);
    assert!(err.contains("did you mean `site-to-site`?"), "{err}");
}

#[test]
fn every_bad_file_is_reported_and_the_good_ones_still_pass() {
    let (code, out, err) = ipseclab(&["check", "nowhere.toml", "hub-and-spoke", "elsewhere.toml"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("hub-and-spoke: scenario"), "{out}");
    assert!(
        err.contains("nowhere.toml") && err.contains("elsewhere.toml") && err.ends_with("2 errors\n"),
        "{err}"
    );
}

#[test]
fn list_names_everything_that_is_shipped() {
    let (_, out, _) = ipseclab(&["list"]);
    for name in [
        "site-to-site",
        "hub-and-spoke",
        "abilene-sites",
        "negotiation-latency",
        "abilene",
        "libreswan",
        "reference",
    ] {
        assert!(out.contains(&format!("  {name}  ")) || out.contains(&format!("  {name} ")), "{name}: {out}");
    }
    let (_, out, _) = ipseclab(&["list", "studies"]);
    assert!(!out.contains("site-to-site") && out.contains("negotiation-latency"), "{out}");
}

#[test]
fn what_is_listed_can_be_shown_and_is_right() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [("scenario", "rekey-storm"), ("study", "rekey-storm"), ("scenario", "ikev2-eap")] {
        let (code, out, _) = ipseclab(&["show", kind, name]);
        let file = folder.path().join(format!("{kind}.toml"));
        std::fs::write(&file, out).unwrap();
        let (checked, _, err) = ipseclab(&["check", file.to_str().unwrap()]);
        assert_eq!((code, checked), (0, 0), "{kind} {name}: {err}");
    }
    let (code, out, err) = ipseclab(&["show", "profile", "strongswam"]);
    assert!(out.is_empty() && err.contains("did you mean `strongswan`?"), "{err}");
    assert_eq!(code, 1);
}

#[test]
fn schemas_are_json() {
    for (kind, title) in [("scenario", "scenario"), ("sweep", "sweep"), ("profile", "vendor profile")] {
        let (code, out, _) = ipseclab(&["schema", kind]);
        assert_eq!(code, 0);
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(schema["title"], format!("ipseclab {title}"));
    }
}
