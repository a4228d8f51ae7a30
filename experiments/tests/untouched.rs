//! Bad files leave the disk as it was: an answer on standard error, exit code 1, and not one new file or folder.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

const SCENARIO: &str = r#"name = "good"
duration = "5s"

[topology]
file = "net.toml"

[nodes.a]
networks = ["10.1.0.0/16"]

[nodes.b]
networks = ["10.2.0.0/16"]

[connections.office]
local = "a"
remote = "b"
proposals = ["aes256gcm16-prfsha256-x25519"]
auth = { psk = "secret" }

[connections.office.children.lan]

[[traffic]]
kind = "ping"
from = "a"
to = "b"
"#;

const TOPOLOGY: &str = r#"name = "net"

[defaults]
rate = "10Mbps"

[[nodes]]
name = "a"

[[nodes]]
name = "b"

[[nodes]]
name = "c"

[[links]]
a = "a"
b = "b"
delay = "10ms"
loss = 0.01
"#;

const SWEEP: &str = r#"name = "good"
scenario = "scenario.toml"
replications = 2

[vary]
"nodes.a.cores" = [1, 2]

[[plots]]
kind = "line"
x = "nodes.a.cores"
y = "negotiation.latency.p50"
"#;

/// What is replaced, what replaces it, and what the answer must say.
type Mistake = (&'static str, &'static str, &'static str);

const SCENARIO_MISTAKES: &[Mistake] = &[
    ("\"5s\"", "\"5 parsecs\"", "is no such unit"),
    ("duration", "duratoin", "did you mean `duration`?"),
    ("remote = \"b\"", "remote = \"d\"", "there is no node `d`"),
    ("10.2.0.0/16", "10.1.0.0/24", "overlaps"),
    ("remote = \"b\"", "remote = \"c\"", "`a` cannot reach `c`"),
    ("x25519", "x25591", "is not allowed in an IKE proposal"),
    ("file = \"net.toml\"", "kind = \"hub-and-spoke\"\nspokes = 0\nlink = { delay = \"1ms\" }", "spokes"),
    (
        "file = \"net.toml\"",
        "kind = \"hub-and-spoke\"\nspokes = 1000000000\nlink = { delay = \"1ms\" }",
        "spokes",
    ),
    ("file = \"net.toml\"", "file = \"net.toml\"\nlink = { loss = -0.1 }", "loss"),
    ("name = \"good\"", "name = \"good", "this is not valid TOML"),
    ("\"net.toml\"", "\"missing.toml\"", "there is no such file"),
    ("[nodes.b]", "[nodes.b]\nswanctl = \"b.conf\"", "there is no such file"),
    ("[nodes.b]", "[nodes.b]\nswanctl = \"net.toml\"", "this is no swanctl.conf"),
    ("psk = \"secret\"", "psk = \"secret\", cacerts = [\"ca.pem\"]", "`authorities` has no `ca.pem`"),
    ("auth =", "rekey_time = \"0.5ns\"\nauth =", "`connections.office.rekey_time`"),
];

const TOPOLOGY_MISTAKES: &[Mistake] = &[
    ("\"10ms\"", "\"10\"", "the unit is missing"),
    ("delay", "dealy", "unknown field `dealy`"),
    ("b = \"b\"", "b = \"d\"", "there is no node `d`"),
    ("b = \"b\"", "b = \"a\"", "cannot join `a` to itself"),
    ("name = \"c\"", "name = \"b\"", "there is a node `b` already"),
    ("loss = 0.01", "loss = -0.01", "it is negative"),
    ("rate = \"10Mbps\"", "rate = \"0bps\"", "carries nothing"),
];

const SWEEP_MISTAKES: &[Mistake] = &[
    ("replications = 2", "replications = 0", "replications"),
    ("replications = 2", "replications = 1000000000", "replications"),
    ("[1, 2]", "[1, 0]", "`nodes.a.cores`"),
    ("nodes.a.cores\" =", "nodes.a.corse\" =", "did you mean `cores`?"),
    ("\"scenario.toml\"", "\"missing.toml\"", "there is no such file"),
    ("negotiation.latency.p50", "negotiation.latency.p51", "p51"),
];

/// A folder with the three files, one of them with a mistake.
fn folder_with(file: &str, (from, to, _): Mistake) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("scenario.toml", SCENARIO), ("net.toml", TOPOLOGY), ("sweep.toml", SWEEP)] {
        let text = if name == file {
            assert!(text.contains(from), "{file} has no {from:?}");
            text.replacen(from, to, 1)
        } else {
            text.to_owned()
        };
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Every file and folder, hidden ones included.
fn listing(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn ipseclab(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("ipseclab").expect("the binary is built with the tests");
    let output = command.args(arguments).current_dir(folder).output().expect("the binary starts");
    let text = String::from_utf8(output.stderr).expect("messages are UTF-8");
    (output.status.code().expect("no signal"), text)
}

/// The command fails with `expected` in its answer and changes nothing.
fn check_refused(folder: &Path, arguments: &[&str], expected: &str) {
    let before = listing(folder);
    let (code, answer) = ipseclab(folder, arguments);
    assert_eq!(code, 1, "{arguments:?}: {answer}");
    assert!(answer.starts_with("error: ") && answer.contains(expected), "{arguments:?}: {answer}");
    assert!(!answer.contains("panicked"), "{answer}");
    assert_eq!(listing(folder), before, "{arguments:?}");
}

fn check_mistakes(file: &str, mistakes: &[Mistake], commands: &[&[&str]]) {
    for mistake in mistakes {
        let folder = folder_with(file, *mistake);
        for arguments in commands {
            check_refused(folder.path(), arguments, mistake.2);
        }
    }
}

#[test]
fn a_bad_scenario_writes_nothing() {
    let commands: &[&[&str]] = &[
        &["check", "scenario.toml"],
        &["run", "scenario.toml"],
        &["run", "scenario.toml", "--out", "deep/er/out", "--capture"],
        &["explain", "scenario.toml"],
        &["check", "sweep.toml"],
    ];
    check_mistakes("scenario.toml", SCENARIO_MISTAKES, commands);
}

#[test]
fn a_bad_topology_writes_nothing() {
    let commands: &[&[&str]] = &[
        &["check", "scenario.toml"],
        &["run", "scenario.toml", "--out", "deep/er/out"],
        &["topology", "show", "net.toml"],
    ];
    check_mistakes("net.toml", TOPOLOGY_MISTAKES, commands);
}

#[test]
fn a_bad_sweep_writes_nothing() {
    check_mistakes("sweep.toml", SWEEP_MISTAKES, &[&["check", "sweep.toml"]]);
}

#[test]
fn a_run_that_fails_on_its_way_leaves_nothing() {
    let folder = folder_with("scenario.toml", ("good", "good", ""));
    let limit = ["--set", "limits.events=20"];
    for target in [&["--out", "deep/er/out"][..], &[]] {
        check_refused(
            folder.path(),
            &[&["run", "scenario.toml"], &limit[..], target].concat(),
            "limits.events",
        );
    }
}

#[test]
fn results_of_another_run_stay_unless_they_may_be_replaced() {
    let folder = folder_with("scenario.toml", ("good", "good", ""));
    let run = ["run", "scenario.toml", "--out", "results", "--quiet"];
    assert_eq!(ipseclab(folder.path(), &run), (0, String::new()));
    check_refused(folder.path(), &run, "use --force");
    check_refused(
        folder.path(),
        &[&run[..], &["--force", "--set", "limits.events=20"]].concat(),
        "limits.events",
    );
    assert_eq!(ipseclab(folder.path(), &[&run[..], &["--force"]].concat()), (0, String::new()));
}

#[test]
fn wrong_usage_writes_nothing() {
    let folder = folder_with("scenario.toml", ("good", "good", ""));
    let before = listing(folder.path());
    for arguments in
        [&["run"][..], &["run", "scenario.toml", "--out"], &["run", "scenario.toml", "--seed", "-1"]]
    {
        assert_eq!(ipseclab(folder.path(), arguments).0, 2, "{arguments:?}");
    }
    assert_eq!(listing(folder.path()), before);
}
