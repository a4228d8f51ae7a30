//! Bad files and the exact words that answer them.
//!
//! Each case is the good scenario below with one change, so that the table shows nothing but the mistake; the answers
//! are `tests/bad_files/<name>.txt`, complete as a user sees them. `UPDATE_BAD_FILES=1` writes them anew; a change of
//! wording is then read in the diff.

use std::path::{Path, PathBuf};

use ipseclab_experiments::document::{Document, Report, SourceText};
use ipseclab_experiments::scenario::{Override, check};
use ipseclab_experiments::sweep::SweepPlan;
use proptest::prelude::*;

const GOOD: &str = r#"name = "good"
duration = "30s"

[topology]
kind = "pair"
link = { rate = "100Mbps", delay = "20ms", loss = 0.01 }

[nodes.left]
networks = ["10.1.0.0/16"]

[nodes.right]
networks = ["10.2.0.0/16"]

[connections.office]
local = "left"
remote = "right"
proposals = ["aes256gcm16-prfsha256-x25519"]
auth = { psk = "secret" }

[connections.office.children.lan]
local_ts = ["10.1.0.0/16"]
esp_proposals = ["aes128gcm16"]

[[traffic]]
kind = "ping"
from = "left"
to = "right"

[[faults]]
at = "10s"
kind = "link-down"
link = "left--right"
for = "1s"

[[actions]]
at = "20s"
action = "terminate"
connection = "office"
"#;

const GOOD_SWEEP: &str = r#"name = "good"
scenario = "site-to-site"
replications = 3

[vary]
"topology.link.delay" = ["5ms", "20ms"]
"topology.link.loss" = [0.0, 0.05]

[[plots]]
kind = "line"
x = "topology.link.loss"
y = "negotiation.latency.p50"
series = "topology.link.delay"
"#;

/// Name of the case, what is replaced, and what replaces it; an empty pattern adds to the end.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("not-toml", "name = \"good\"", "name = good"),
    ("duplicate-key", "duration = \"30s\"", "duration = \"30s\"\nduration = \"40s\""),
    ("duplicate-table", "", "[nodes.left]\ncores = 2\n"),
    ("wrong-unit", "\"20ms\"", "\"20 lightyears\""),
    ("unit-missing", "\"20ms\"", "20"),
    ("too-fine", "\"20ms\"", "\"0.5ns\""),
    ("negative-loss", "loss = 0.01", "loss = -0.01"),
    ("loss-above-one", "loss = 0.01", "loss = 1.01"),
    ("loss-not-a-number", "loss = 0.01", "loss = nan"),
    ("zero-rate", "100Mbps", "0Mbps"),
    ("zero-queue", "loss = 0.01", "queue = \"0B\""),
    ("long-delay", "\"20ms\"", "\"2d\""),
    ("small-mtu", "loss = 0.01", "mtu = 67"),
    ("framing-of-no-kind", "loss = 0.01", "framing = \"atm\""),
    ("framing-without-unit", "loss = 0.01", "framing = \"38\""),
    ("behind-nobody", "[nodes.right]", "[nodes.right]\nbehind = \"lefty\""),
    ("behind-with-networks", "[nodes.right]", "[nodes.right]\nbehind = \"left\""),
    ("alignment-of-three", "[nodes.right]", "[nodes.right]\nesp_alignment = 3"),
    ("port-of-a-ping", "kind = \"ping\"", "kind = \"ping\"\nport = 7\nwindow = \"64KiB\""),
    ("port-of-ike", "kind = \"ping\"", "kind = \"tcp\"\nport = 4500"),
    (
        "port-of-two-flows",
        "[[faults]]",
        "[[traffic]]\nkind = \"tcp\"\nfrom = \"left\"\nto = \"right\"\n[[traffic]]\nkind = \"tcp\"\nport = 5002\n\
         from = \"left\"\nto = \"right\"\n[[faults]]",
    ),
    ("window-too-small", "kind = \"ping\"", "kind = \"tcp\"\nwindow = \"512B\""),
    ("reorder-without-delay", "loss = 0.01", "reorder = { probability = 0.01 }"),
    ("reorder-for-no-time", "loss = 0.01", "reorder = { probability = 0.01, delay = \"0s\" }"),
    ("reorder-above-one", "loss = 0.01", "reorder = { probability = 1.5, delay = \"1ms\" }"),
    (
        "reorder-distribution",
        "loss = 0.01",
        "reorder = { probability = 0.1, delay = \"1ms\", distribution = \"gaussian\" }",
    ),
    ("unknown-key", "rate =", "rte ="),
    ("unknown-section", "[[traffic]]", "[[trafic]]"),
    ("not-built-key", "auth =", "ppk_id = \"p\"\nauth ="),
    ("not-built-value", "duration =", "crypto = \"modelled\"\nduration ="),
    ("version-three", "local = \"left\"", "version = 3\nlocal = \"left\""),
    ("version-one-with-an-aead", "local = \"left\"", "version = 1\nlocal = \"left\""),
    (
        "version-one-with-words-of-two",
        "proposals = [\"aes256gcm16-prfsha256-x25519\"]",
        "version = 1\nproposals = [\"aes128-sha1-modp1024\"]\nmobike = true\nwindow = 2\nlife_bytes = \"100B\"",
    ),
    ("version-two-with-words-of-one", "auth =", "aggressive = true\npull = false\nauth ="),
    (
        "xauth-of-version-two",
        "{ psk = \"secret\" }",
        "{ psk = \"secret\", xauth_id = \"a\", xauth_password = \"b\" }",
    ),
    (
        "xauth-without-password",
        "proposals = [\"aes256gcm16-prfsha256-x25519\"]\nauth = { psk = \"secret\" }",
        "version = 1\nproposals = [\"aes128-sha1-modp1024\"]\nauth = { psk = \"secret\", xauth_id = \"carol\" }",
    ),
    (
        "eap-of-version-one",
        "proposals = [\"aes256gcm16-prfsha256-x25519\"]\nauth = { psk = \"secret\" }",
        "version = 1\nproposals = [\"aes128-sha1-modp1024\"]\nauth = { psk = \"secret\", local_auth = \"eap-md5\", eap_password = \"b\" }",
    ),
    ("xauth-as-a-method", "{ psk = \"secret\" }", "{ psk = \"secret\", local_auth = \"xauth\" }"),
    (
        "two-networks-in-version-one",
        "proposals = [\"aes256gcm16-prfsha256-x25519\"]\nauth = { psk = \"secret\" }\n\n[connections.office.children.lan]\nlocal_ts = [\"10.1.0.0/16\"]",
        "version = 1\nproposals = [\"aes128-sha1-modp1024\"]\nauth = { psk = \"secret\" }\n\n[connections.office.children.lan]\nlocal_ts = [\"10.1.0.0/24\", \"10.1.1.0/24\"]",
    ),
    ("esp-without-integrity", "\"aes128gcm16\"", "\"aes128\""),
    ("ah-proposal-typo", "esp_proposals = [\"aes128gcm16\"]", "ah_proposals = [\"aes128\"]"),
    ("psk-missing", "{ psk = \"secret\" }", "{}"),
    ("psk-empty", "\"secret\"", "\"\""),
    ("auth-missing", "auth = { psk = \"secret\" }\n", ""),
    ("proposal-typo", "prfsha256", "prfsha257"),
    ("proposal-without-key-exchange", "-x25519", ""),
    ("esp-proposal-typo", "aes128gcm16", "aes129gcm16"),
    ("remote-proposal-typo", "auth =", "remote_proposals = [\"aes256gcm16-prfsha257-x25519\"]\nauth ="),
    (
        "remote-esp-proposal-typo",
        "esp_proposals =",
        "remote_esp_proposals = [\"aes129gcm16\"]\nesp_proposals =",
    ),
    ("no-remote-proposals", "auth =", "remote_proposals = []\nauth ="),
    ("no-remote-esp-proposals", "esp_proposals =", "remote_esp_proposals = []\nesp_proposals ="),
    (
        "remote-selector-elsewhere",
        "esp_proposals =",
        "remote_policy = { local_ts = [\"10.2.0.0/24\", \"10.1.0.0/16\"] }\nesp_proposals =",
    ),
    (
        "remote-selector-of-nobody",
        "esp_proposals =",
        "remote_policy = { remote_ts = [\"10.9.0.0/16\"] }\nesp_proposals =",
    ),
    (
        "remote-selector-in-transport-mode",
        "local_ts = [\"10.1.0.0/16\"]",
        "mode = \"transport\"\nremote_policy = { local_ts = [\"10.2.0.0/16\"] }",
    ),
    ("remote-policy-key", "esp_proposals =", "remote_policy = { lokal_ts = [] }\nesp_proposals ="),
    ("no-proposals", "[\"aes256gcm16-prfsha256-x25519\"]", "[]"),
    ("duration-zero", "\"30s\"", "\"0s\""),
    ("warm-up-too-long", "duration =", "warm_up = \"30s\"\nduration ="),
    ("bad-name", "name = \"good\"", "name = \"../good\""),
    ("bad-topology-kind", "\"pair\"", "\"pear\""),
    ("no-topology-kind", "kind = \"pair\"\nlink", "link"),
    ("kind-and-file", "kind = \"pair\"", "kind = \"pair\"\nfile = \"abilene\""),
    ("zero-nodes", "kind = \"pair\"", "kind = \"hub-and-spoke\"\nspokes = 0"),
    ("a-billion-nodes", "kind = \"pair\"", "kind = \"hub-and-spoke\"\nspokes = 1000000000"),
    ("spokes-missing", "kind = \"pair\"", "kind = \"hub-and-spoke\""),
    ("spokes-of-a-pair", "kind = \"pair\"", "kind = \"pair\"\nspokes = 3"),
    ("delay-missing", "delay = \"20ms\", ", ""),
    ("unknown-topology", "kind = \"pair\"", "file = \"abilen\""),
    ("missing-topology-file", "kind = \"pair\"", "file = \"nowhere.graphml\""),
    ("bad-topology-file", "kind = \"pair\"", "file = \"bad.toml\""),
    ("missing-node-in-connection", "remote = \"right\"", "remote = \"rihgt\""),
    ("missing-node-in-traffic", "to = \"right\"", "to = \"rite\""),
    ("missing-node-in-nodes", "[nodes.right]", "[nodes.roght]"),
    ("missing-link-in-fault", "\"left--right\"", "\"left--rihgt\""),
    ("wildcard-without-match", "[nodes.left]", "[nodes.\"spoke-*\"]"),
    ("invalid-wildcard", "[nodes.left]", "[nodes.\"l**t\"]"),
    ("ambiguous-wildcards", "", "[nodes.\"l*\"]\ncores = 2\n[nodes.\"*t\"]\ncores = 4\n"),
    ("address-clash", "networks = [\"10.2.0.0/16\"]", "networks = [\"10.1.128.0/17\"]"),
    ("outer-address-clash", "[nodes.right]", "[nodes.right]\naddress = \"10.1.0.1\""),
    ("host-bits", "networks = [\"10.2.0.0/16\"]", "networks = [\"10.2.0.1/16\"]"),
    ("networks-and-pool", "[nodes.right]", "[nodes.right]\npool = { from = \"10.0.0.0/8\", prefix = 16 }"),
    ("pool-too-small", "networks = [\"10.2.0.0/16\"]", "pool = { from = \"10.2.0.0/24\", prefix = 16 }"),
    ("unknown-cost-profile", "[nodes.right]", "[nodes.right]\ncost_profile = \"referense\""),
    ("nat-without-timeout", "[nodes.left]", "[nodes.left]\nnat = { timeout = \"0s\" }"),
    ("selector-elsewhere", "local_ts = [\"10.1.0.0/16\"]", "local_ts = [\"10.9.0.0/16\"]"),
    ("selector-in-transport-mode", "esp_proposals =", "mode = \"transport\"\nesp_proposals ="),
    ("selector-range-backwards", "local_ts = [\"10.1.0.0/16\"]", "local_ts = [\"10.1.0.9-10.1.0.5\"]"),
    ("selector-malformed", "local_ts = [\"10.1.0.0/16\"]", "local_ts = [\"10.1.0.0/16[gre/5]\"]"),
    (
        "no-children",
        "[connections.office.children.lan]\nlocal_ts = [\"10.1.0.0/16\"]\nesp_proposals = [\"aes128gcm16\"]\n",
        "",
    ),
    ("authentication-header", "esp_proposals =", "ah_proposals = [\"sha256\"]\nesp_proposals ="),
    ("dpd-timeout-of-version-two", "auth =", "dpd_timeout = \"60s\"\nauth ="),
    ("fragment-size-too-small", "auth =", "fragment_size = \"500B\"\nauth ="),
    ("unique-typo", "auth =", "unique = \"kepe\"\nauth ="),
    ("rand-time-too-long", "auth =", "rekey_time = \"10s\"\nrand_time = \"11s\"\nauth ="),
    ("rand-time-above-all", "auth =", "rand_time = \"101%\"\nauth ="),
    ("life-time-too-short", "esp_proposals =", "rekey_time = \"10s\"\nlife_time = \"10s\"\nesp_proposals ="),
    ("replay-window", "esp_proposals =", "replay_window = 16\nesp_proposals ="),
    ("signature-too-weak", "psk = \"secret\"", "psk = \"secret\", local_auth = \"rsa-sha256-sha1\""),
    ("auth-method-typo", "psk = \"secret\"", "psk = \"secret\", local_auth = \"pubkey-sha265\""),
    ("certificate-missing", "psk = \"secret\"", "psk = \"secret\", local_auth = \"pubkey\""),
    (
        "certificate-unknown",
        "psk = \"secret\"",
        "psk = \"secret\", local_auth = \"rsa\", certs = [\"a.pem\"]",
    ),
    ("password-missing", "psk = \"secret\"", "psk = \"secret\", local_auth = \"eap-mschapv2\""),
    (
        "password-of-the-responder",
        "psk = \"secret\"",
        "psk = \"s\", remote_auth = \"eap-md5\", eap_password = \"p\"",
    ),
    ("pool-unknown", "auth =", "pools = [\"road\"]\nauth ="),
    ("pool-of-no-addresses", "", "[pools.road]\naddrs = \"10.77.0.9-10.77.0.1\"\n"),
    (
        "authorities-in-a-circle",
        "",
        "[authorities.a]\nsubject = \"CN=a\"\nkey = \"ed25519\"\nissuer = \"a\"\n",
    ),
    (
        "certificate-of-nobody",
        "",
        "[certificates.\"a.pem\"]\nauthority = \"lab\"\nsubject = \"CN=a\"\nkey = \"ed25519\"\n",
    ),
    ("subject-malformed", "", "[authorities.a]\nsubject = \"C=CH, lab\"\nkey = \"rsa-2048\"\n"),
    (
        "alternative-name-of-no-kind",
        "",
        "[authorities.a]\nsubject = \"CN=a\"\nkey = \"ed25519\"\n[certificates.\"b.pem\"]\nauthority = \"a\"\n\
         subject = \"CN=b\"\nkey = \"ed25519\"\nsan = [\"b.example\", \"CN=b\"]\n",
    ),
    ("authority-file-of-nothing", "psk = \"secret\"", "psk = \"secret\", cacerts = [\"nothing.pem\"]"),
    ("key-too-small", "", "[authorities.a]\nsubject = \"CN=a\"\nkey = \"rsa-1024\"\n"),
    ("valid-at-no-time", "", "[authorities.a]\nsubject = \"CN=a\"\nkey = \"ed25519\"\nnot_after = \"-2d\"\n"),
    (
        "revoked-by-another",
        "",
        "[authorities.a]\nsubject = \"CN=a\"\nkey = \"ed25519\"\nrevoked = [\"b.pem\"]\n",
    ),
    ("start-time-no-date", "duration =", "start_time = \"2026-02-30\"\nduration ="),
    ("start-time-relative", "duration =", "start_time = \"+1d\"\nduration ="),
    ("profile-typo", "[nodes.right]", "[nodes.right]\nprofile = \"strongswam\""),
    (
        "limits-jitter",
        "[nodes.right]",
        "[nodes.right]\nlimits = { retry_jitter = \"16s\", keep_alive = \"0s\" }",
    ),
    ("limits-key", "[nodes.right]", "[nodes.right]\nlimits = { cookie_treshold = 3 }"),
    ("fault-without-its-keys", "link = \"left--right\"\n", ""),
    ("fault-with-foreign-keys", "kind = \"link-down\"", "kind = \"nat-reboot\"\nnode = \"left\""),
    (
        "nat-reboot-without-nat",
        "kind = \"link-down\"\nlink = \"left--right\"\nfor = \"1s\"",
        "kind = \"nat-reboot\"\nnode = \"left\"",
    ),
    (
        "blackhole-for-ever",
        "kind = \"link-down\"\nlink = \"left--right\"\nfor = \"1s\"",
        "kind = \"blackhole\"\nnode = \"left\"",
    ),
    (
        "flood-of-itself",
        "kind = \"link-down\"\nlink = \"left--right\"",
        "kind = \"flood\"\nfrom = \"left\"\nto = \"left\"\nrate = 100",
    ),
    (
        "flood-from-somebody",
        "kind = \"link-down\"\nlink = \"left--right\"",
        "kind = \"flood\"\nfrom = \"left\"\nto = \"right\"\nrate = 100\nsources = \"10.0.0.0/8\"",
    ),
    ("action-on-both", "connection = \"office\"\n", "connection = \"office\"\nchild = \"lan\"\nike = true\n"),
    ("reauthenticated-child", "action = \"terminate\"", "child = \"lan\"\naction = \"reauthenticate\""),
    ("swanctl-missing", "[nodes.right]", "[nodes.right]\nswanctl = \"nowhere.conf\""),
    ("swanctl-of-many", "[nodes.right]", "[nodes.\"*\"]\nswanctl = \"right.swanctl.conf\"\n[nodes.right]"),
    ("swanctl-mistakes", "[nodes.right]", "[nodes.right]\nswanctl = \"mistakes.swanctl.conf\""),
    ("swanctl-words", "[nodes.right]", "[nodes.right]\nswanctl = \"words.swanctl.conf\""),
    ("swanctl-include", "[nodes.right]", "[nodes.right]\nswanctl = \"include.swanctl.conf\""),
    ("dpd-delay-without-unit", "auth =", "dpd_delay = 30\nauth ="),
    ("peer-behind-nat", "[nodes.right]", "[nodes.right]\nnat = {}"),
    (
        "both-behind-nats",
        "[nodes.right]\n",
        "[nodes.right]\nnat = {}\n[nodes.\"*\"]\nnat = {}\n[nodes.\"r*\"]\n",
    ),
    ("cost-profile-no-profile", "[nodes.right]", "[nodes.right]\ncost_profile = \"cost-no-profile.toml\""),
    ("vendor-profile-mistaken", "[nodes.right]", "[nodes.right]\nprofile = \"vendor-mistaken.toml\""),
    ("cost-profile-incomplete", "[nodes.right]", "[nodes.right]\ncost_profile = \"cost-incomplete.toml\""),
    ("cost-profile-unknown", "[nodes.right]", "[nodes.right]\ncost_profile = \"cost-unknown.toml\""),
    (
        "cost-profile-origin-of-nothing",
        "[nodes.right]",
        "[nodes.right]\ncost_profile = \"cost-origin-of-nothing.toml\"",
    ),
    (
        "cost-profile-out-of-range",
        "[nodes.right]",
        "[nodes.right]\ncost_profile = \"cost-out-of-range.toml\"",
    ),
    ("cost-profile-missing", "[nodes.right]", "[nodes.right]\ncost_profile = \"nowhere.toml\""),
    (
        "second-connection",
        "",
        "[connections.other]\nlocal = \"right\"\nremote = \"left\"\nauth.psk = \"x\"\nchildren.a = {}\n",
    ),
    ("self-connection", "remote = \"right\"", "remote = \"left\""),
    ("endless-retransmission", "auth =", "retransmit_tries = 32\nretransmit_base = 9\nauth ="),
    ("traffic-to-itself", "to = \"right\"", "to = \"left\""),
    ("traffic-from-elsewhere", "to = \"right\"", "to = \"right\"\nsource = \"10.2.0.1\""),
    ("traffic-after-the-end", "to = \"right\"", "to = \"right\"\nstart = \"30s\""),
    ("ping-with-rate", "to = \"right\"", "to = \"right\"\nrate = \"1Mbps\""),
    ("udp-without-rate", "kind = \"ping\"", "kind = \"udp\""),
    ("too-large-packet", "to = \"right\"", "to = \"right\"\nsize = \"64KiB\""),
    ("fault-after-the-end", "at = \"10s\"", "at = \"31s\""),
    ("fault-of-no-length", "for = \"1s\"", "for = \"0s\""),
    ("action-on-no-connection", "connection = \"office\"", "connection = \"offise\""),
    ("action-on-no-child", "connection = \"office\"", "connection = \"office\"\nchild = \"lam\""),
];

/// Mistakes that need several changes.
const COMBINED_CASES: &[(&str, &[(&str, &str)])] = &[
    ("traffic-without-networks", &[CHAIN, CHAIN_LINK, ("to = \"right\"", "to = \"router-1\"")]),
    (
        "nat-with-a-taken-name",
        &[("kind = \"pair\"", "file = \"twins.toml\""), ("[nodes.left]", "[nodes.left]\nnat = {}")],
    ),
    (
        "nat-on-two-links",
        &[CHAIN, CHAIN_LINK, ("[nodes.right]", "[nodes.router-1]\nnat = {}\n[nodes.right]")],
    ),
    (
        "policy-of-a-router",
        &[
            CHAIN,
            CHAIN_LINK,
            (
                "[[traffic]]",
                "[[policies]]\nnode = \"router-*\"\nlocal_ts = [\"0.0.0.0/0\"]\nremote_ts = [\"0.0.0.0/0\"]\n\
                 mode = \"drop\"\n[[traffic]]",
            ),
        ],
    ),
    (
        "too-many-packets",
        &[(
            "[[faults]]",
            "[[traffic]]\nkind = \"udp\"\nfrom = \"left\"\nto = \"right\"\nrate = \"100Gbps\"\nsize = \"32B\"\n[[faults]]",
        )],
    ),
    ("no-coordinates", &[("kind = \"pair\"", "file = \"somewhere.graphml\"")]),
    ("not-utf8", &[("kind = \"pair\"", "file = \"latin1.graphml\"")]),
    ("empty-graphml", &[("kind = \"pair\"", "file = \"empty.graphml\"")]),
    ("too-many-routers", &[("kind = \"pair\"", "kind = \"chain\"\nnodes = 5000"), CHAIN_LINK]),
    (
        "initiate-towards-a-nat",
        &[
            ("[nodes.right]", "[nodes.right]\nnat = {}"),
            ("esp_proposals =", "start_action = \"none\"\nesp_proposals ="),
            ("action = \"terminate\"", "action = \"initiate\""),
        ],
    ),
];

/// Makes a chain of the pair, and names its first link.
const CHAIN: (&str, &str) = ("kind = \"pair\"", "kind = \"chain\"\nnodes = 3");
const CHAIN_LINK: (&str, &str) = ("left--right", "left--router-1");

/// Texts of the good scenario and what stands in their place.
type Changes = &'static [(&'static str, &'static str)];

/// What `--set` makes of the good scenario after the changes.
const SET_CASES: &[(&str, Changes, &str)] = &[
    ("set-seed-too-large", &[], "seed=18446744073709551615"),
    ("set-seed-negative", &[], "seed=-1"),
    ("set-seed-of-words", &[], "seed=one"),
    ("set-events-too-many", &[], "limits.events=99999999999999999999"),
    (
        "set-proposal-typo",
        &[],
        "connections.office.proposals=[\"aes256gcm16-prfsha256-x25519\", \"aes256gcm16-prfsha257-x25519\"]",
    ),
    ("set-too-many-nodes", &[CHAIN, CHAIN_LINK], "topology.nodes=4099"),
    ("set-interval-too-short", &[], "traffic.0.interval=1ns"),
];

const SWEEP_CASES: &[Case] = &[
    ("sweep-unknown-scenario", "\"site-to-site\"", "\"site-to-sight\""),
    ("sweep-unknown-path", "\"topology.link.delay\" = [\"5ms\"", "\"topology.link.dealy\" = [\"5ms\""),
    ("sweep-bad-value", "[\"5ms\", ", "[\"5 ells\", "),
    ("sweep-no-values", "[0.0, 0.05]", "[]"),
    ("sweep-same-value-twice", "[0.0, 0.05]", "[0.05, 0.05]"),
    ("sweep-overlapping-paths", "[vary]", "[vary]\n\"topology.link\" = [{ delay = \"1ms\" }]"),
    ("sweep-of-seeds", "[vary]", "[vary]\nseed = [1, 2]"),
    (
        "sweep-too-many-runs",
        "replications = 3\n\n[vary]\n\"topology.link.delay\" = [\"5ms\", \"20ms\"]",
        "replications = 100000\n\n[vary]\n\"topology.link.delay\" = [\"1ms\", \"2ms\", \"3ms\", \"4ms\", \"5ms\", \"6ms\"]",
    ),
    ("sweep-no-replication", "replications = 3", "replications = 0"),
    ("sweep-unknown-metric", "negotiation.latency.p50", "negotiation.latency.p95"),
    ("sweep-unknown-axis", "x = \"topology.link.loss\"", "x = \"topology.link.mtu\""),
    ("sweep-mixing-plot", "series = \"topology.link.delay\"\n", ""),
    ("sweep-plot-without-y", "y = \"negotiation.latency.p50\"\n", ""),
    (
        "sweep-label-count",
        "[[plots]]",
        "[labels]\n\"topology.link.loss\" = { values = [\"none\"] }\n[[plots]]",
    ),
    (
        "sweep-label-of-nothing",
        "[[plots]]",
        "[labels]\n\"topology.link.mtu\" = { name = \"MTU\" }\n[[plots]]",
    ),
];

fn changed(good: &str, (name, from, to): Case) -> String {
    if from.is_empty() {
        return format!("{good}\n{to}");
    }
    assert!(good.contains(from), "{name}: the good file has no {from:?}");
    good.replacen(from, to, 1)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_files")
}

fn scenario_report(text: &str) -> Option<Report> {
    let document = Document::parse(&SourceText::new("scenario.toml", text));
    // Relative, so that no message holds a path of this machine.
    document.and_then(|document| check(&document, Some(Path::new("tests/bad_files")))).err()
}

fn sweep_report(text: &str) -> Option<Report> {
    let document = Document::parse(&SourceText::new("sweep.toml", text));
    document.and_then(|document| SweepPlan::build(&document, Some(Path::new("")), &[])).err()
}

/// Compares the answer to a case with the one on file; gives the difference.
fn compare(name: &str, report: Option<Report>) -> Option<String> {
    let Some(report) = report else { return Some(format!("{name}: nothing was found wrong\n")) };
    let rendered = report.render(false);
    let file = folder().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_BAD_FILES").is_some() {
        std::fs::write(&file, &rendered).expect("the folder is writable");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    (rendered != expected).then(|| format!("{name}: expected\n{expected}\nfound\n{rendered}\n"))
}

#[test]
fn the_good_files_are_good() {
    assert!(scenario_report(GOOD).is_none(), "{}", scenario_report(GOOD).unwrap());
    assert!(sweep_report(GOOD_SWEEP).is_none(), "{}", sweep_report(GOOD_SWEEP).unwrap());
}

#[test]
fn every_mistake_in_a_scenario_gets_its_answer() {
    let differences = CASES.iter().filter_map(|case| compare(case.0, scenario_report(&changed(GOOD, *case))));
    let differences: Vec<_> = differences.collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn every_combined_mistake_gets_its_answer() {
    let answers = COMBINED_CASES.iter().map(|(name, changes)| {
        let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| changed(&text, (name, from, to)));
        (name, scenario_report(&text))
    });
    let differences: Vec<_> = answers.filter_map(|(name, report)| compare(name, report)).collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn every_mistake_in_a_setting_gets_its_answer_where_the_setting_stands() {
    for (name, changes, setting) in SET_CASES {
        let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| changed(&text, (name, from, to)));
        let mut document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
        Override::parse(setting).unwrap().apply(&mut document).unwrap();
        let report = check(&document, None).unwrap_err();
        assert_eq!(report.findings()[0].location.as_ref().unwrap().source.name, "--set", "{report}");
        assert_eq!(compare(name, Some(report)), None);
    }
}

#[test]
fn the_longest_chain_and_the_most_packets_are_accepted() {
    let fine: [Changes; 3] = [
        &[("kind = \"pair\"", "kind = \"chain\"\nnodes = 4098"), CHAIN_LINK],
        &[("to = \"right\"", "to = \"right\"\ninterval = \"30ns\"")],
        &[("to = \"right\"", "to = \"right\"\ninterval = \"1ns\"\ncount = 1000000000")],
    ];
    for changes in fine {
        let text =
            changes.iter().fold(GOOD.to_owned(), |text, (from, to)| changed(&text, ("fine", from, to)));
        let report = scenario_report(&text);
        assert!(report.is_none(), "{}", report.unwrap());
    }
}

#[test]
fn what_is_like_a_mistake_and_none_is_accepted() {
    let fine = [
        // The side behind the NAT may begin, whatever its behaviour.
        (
            "[nodes.left]",
            "[nodes.left]\nnat = { mapping = \"endpoint-independent\", filtering = \"address-dependent\" }",
        ),
        // swanctl turns liveness checks off by 0s.
        ("auth =", "dpd_delay = \"0s\"\nauth ="),
        ("aes128gcm16\"]", "aes128gcm16-x25519-noesn\"]"),
        // The two sides may disagree in everything; that is for the run to show.
        ("auth =", "remote_proposals = [\"aes128-sha256-modp2048\"]\nauth ="),
        ("esp_proposals =", "remote_esp_proposals = [\"aes256-sha512\"]\nesp_proposals ="),
        (
            "esp_proposals =",
            "remote_policy = { local_ts = [\"10.2.7.0/24[udp/53]\"], remote_ts = [\"dynamic\"] }\nesp_proposals =",
        ),
        ("esp_proposals =", "remote_ts = [\"10.2.0.0/24\", \"10.2.1.0/24\"]\nesp_proposals ="),
    ];
    for (from, to) in fine {
        let report = scenario_report(&changed(GOOD, ("fine", from, to)));
        assert!(report.is_none(), "{to}: {}", report.unwrap());
    }
}

#[test]
fn every_mistake_in_a_sweep_gets_its_answer() {
    let differences =
        SWEEP_CASES.iter().filter_map(|case| compare(case.0, sweep_report(&changed(GOOD_SWEEP, *case))));
    let differences: Vec<_> = differences.collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn every_answer_on_file_belongs_to_a_case() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = CASES.iter().chain(SWEEP_CASES).any(|case| case.0 == name);
        let known = known || SET_CASES.iter().any(|case| case.0 == name);
        let known = known || COMBINED_CASES.iter().any(|case| case.0 == name);
        assert!(
            known
                || path
                    .extension()
                    .is_some_and(|end| ["toml", "graphml", "conf", "pem"].iter().any(|known| end == *known)),
            "{name} is left over"
        );
    }
}

#[test]
fn every_finding_has_a_place() {
    for case in CASES {
        let report = scenario_report(&changed(GOOD, *case)).unwrap();
        for finding in report.findings() {
            let location = finding.location.as_ref().unwrap_or_else(|| panic!("{}: {report}", case.0));
            assert!(
                !finding.message.is_empty() && location.span.end <= location.source.text.len(),
                "{}",
                case.0
            );
        }
    }
}

#[test]
fn mistakes_of_one_pass_are_reported_together() {
    let three = GOOD.replace("\"30s\"", "\"30\"").replace("100Mbps", "fast").replace("psk =", "psq =");
    let report = scenario_report(&three).unwrap();
    // That `psk` is missing comes with the second pass.
    assert_eq!(report.findings().len(), 3, "{report}");
    let three = GOOD
        .replace("remote = \"right\"", "remote = \"r\"")
        .replace("link = \"left--right\"", "link = \"x\"")
        .replace("name = \"good\"", "name = \"no good\"");
    assert_eq!(scenario_report(&three).unwrap().findings().len(), 3);
}

#[test]
fn a_peer_in_another_part_of_the_network_is_unreachable() {
    let text = GOOD.replace("kind = \"pair\"", "file = \"parts.toml\"");
    let report = scenario_report(&text).unwrap();
    let messages: Vec<_> = report.findings().iter().map(|finding| finding.message.as_str()).collect();
    assert!(messages.contains(&"`left` cannot reach `right`"), "{report}");
}

#[test]
fn a_pattern_over_very_many_nodes_gives_a_short_report() {
    let text = GOOD
        .replace("kind = \"pair\"", "kind = \"hub-and-spoke\"\nspokes = 20000")
        .replace("[nodes.left]", "[nodes.\"spoke-*\"]")
        .replace("[nodes.right]", "[nodes.hub]");
    let rendered = scenario_report(&text).unwrap().render(false);
    assert!(rendered.contains("more that are not shown"), "{}", rendered.len());
    assert!(rendered.len() < 100_000);
}

/// A mutation of a text: cut, repeat or overwrite a stretch of it.
fn mutate(text: &str, start: usize, len: usize, replacement: &str) -> String {
    let start = text.floor_char_boundary(start % (text.len() + 1));
    let end = text.ceil_char_boundary((start + len).min(text.len()));
    format!("{}{replacement}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_scenario_panics(
        start in 0_usize..2000,
        len in 0_usize..40,
        replacement in prop_oneof![
            Just(String::new()),
            "[a-z0-9\"=.\\[\\]{}*# \n-]{0,12}",
            "\\PC{0,6}",
            Just("99999999999999999999".to_owned()),
            Just("-1".to_owned()),
            Just("\"*\"".to_owned()),
            Just("nan".to_owned()),
            Just("1979-05-27".to_owned()),
        ],
    ) {
        if let Some(report) = scenario_report(&mutate(GOOD, start, len, &replacement)) {
            prop_assert!(!report.is_empty());
            prop_assert!(report.render(true).contains("error"));
        }
    }

    #[test]
    fn no_mutation_of_a_sweep_panics(start in 0_usize..600, len in 0_usize..30, replacement in "[a-z0-9\"=.\\[\\]{}, \n-]{0,10}") {
        if let Some(report) = sweep_report(&mutate(GOOD_SWEEP, start, len, &replacement)) {
            prop_assert!(!report.render(false).is_empty());
        }
    }
}
