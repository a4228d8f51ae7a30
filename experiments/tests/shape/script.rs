//! A reference case as a scenario of ours: the same configuration files, the same commands at the same times.

use std::fmt::Write as _;

use crate::table::{Case, Moment};

/// Certificates of the cases: their files are not in the folder, so that ours stand in for them.
const RSA: (&str, &str) = ("Lab rsa", "rsa-2048");
const ECDSA: (&str, &str) = ("Lab ecdsa", "ecdsa-p256");

/// What a case needs that its files do not say: settings of the daemon, from its note and its timings.
fn daemon(case: &Case) -> &'static [(&'static str, &'static str)] {
    match case.name.as_str() {
        "v2-frag" => &[("fragment_size = 1280", "fragment_size = 576")],
        "v2-dpd-dead" => &[
            ("retransmit_timeout = \"4s\"", "retransmit_timeout = \"1s\""),
            ("retransmit_tries = 5", "retransmit_tries = 3"),
        ],
        "v2-retransmit-auth-lossy" => &[("retransmit_timeout = \"4s\"", "retransmit_timeout = \"1s\"")],
        // Of three half-open IKE SAs from one address, the second one met a cookie.
        "v2-cookie" => &[("cookie_per_address = 3", "cookie_per_address = 1")],
        _ => &[],
    }
}

/// The profile of the case's daemons: the shipped one, with their settings.
pub(crate) fn profile(case: &Case) -> String {
    let shipped =
        ipseclab_experiments::profiles::SHIPPED.iter().find(|one| one.name == "strongswan").unwrap();
    daemon(case).iter().fold(shipped.text.to_owned(), |text, (usual, here)| {
        assert!(text.contains(usual), "{usual}");
        text.replace(usual, here)
    })
}

/// The scenario's text; `folder` has the configuration files.
pub(crate) fn scenario(case: &Case) -> String {
    let end_ms = case.timeline.last().map_or(0, |moment| moment.at_ms) + 3_000;
    let delay = if case.name.contains("collision") { "150ms" } else { "100us" };
    let mut text = format!(
        "name = \"{}\"\nduration = \"{end_ms}ms\"\n\n[topology]\nkind = \"pair\"\nlink = {{ delay = \"{delay}\" }}\n",
        case.name
    );
    let (left, right) = case.addresses();
    node(&mut text, "left", left, "a", "10.10.1.0/24");
    if case.nat {
        text.push_str("nat = { inside = \"192.168.77.2\", timeout = \"1h\" }\n");
    }
    node(&mut text, "right", right, "b", "10.10.2.0/24");
    let files = [case.swanctl('a'), case.swanctl('b')].concat();
    for (organisation, key) in [RSA, ECDSA] {
        if files.contains(organisation) {
            certificates(&mut text, organisation, key);
        }
    }
    for (place, moment) in case.timeline.iter().enumerate() {
        happen(&mut text, case, place, moment);
    }
    text
}

fn node(text: &mut String, name: &str, address: &str, file: &str, network: &str) {
    write!(
        text,
        "\n[nodes.{name}]\naddress = \"{address}\"\nnetworks = [\"{network}\"]\nswanctl = \"{file}.swanctl.conf\"\n\
         profile = \"profile.toml\"\ncost_profile = \"free\"\n"
    )
    .unwrap();
}

fn certificates(text: &mut String, organisation: &str, key: &str) {
    write!(text, "\n[authorities.lab]\nsubject = \"C=CH, O={organisation}, CN={organisation} CA\"\nkey = \"{key}\"\nnot_after = \"2060-01-01T00:00:00Z\"\n")
        .unwrap();
    for side in ["a", "b"] {
        write!(
            text,
            "\n[certificates.\"{side}.pem\"]\nauthority = \"lab\"\nkey = \"{key}\"\nnot_after = \"2056-11-11T14:42:05Z\"\n\
             subject = \"C=CH, O={organisation}, CN={side}.example\"\nsan = [\"{side}.example\"]\n"
        )
        .unwrap();
    }
}

/// What happened, in our words. Listings, waits and results are no commands.
fn happen(text: &mut String, case: &Case, place: usize, moment: &Moment) {
    let at = moment.at_ms;
    let what = moment.what.as_str();
    if let Some((side, command)) = what.split_once(": swanctl ") {
        let node = if side == "a" { "left" } else { "right" };
        return order(text, at, node, command);
    }
    if what.starts_with("three half-open inits") {
        write!(
            text,
            "\n[[faults]]\nat = \"{at}ms\"\nkind = \"flood\"\nfrom = \"left\"\nto = \"right\"\nsources = \"192.0.2.1/32\"\nrate = 3\nfor = \"600ms\"\n"
        )
        .unwrap();
    } else if what.starts_with("a and b: rekey child") {
        order(text, at, "left", "--rekey --child net");
        order(text, at, "right", "--rekey --child net");
    } else if let Some(ping) = what.strip_prefix("ping ") {
        let (count, rest) = ping.split_once(" x ").unwrap();
        let octets = rest.split(' ').next().unwrap();
        write!(
            text,
            "\n[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nstart = \"{at}ms\"\ncount = {count}\n\
             size = \"{octets}B\"\ninterval = \"100ms\"\n"
        )
        .unwrap();
    } else if what.contains("drops udp 4500") {
        // IKE_SA_INIT on port 500 still comes through: it takes less than a millisecond after the command.
        let begun = case.timeline[place + 1].at_ms;
        blackhole(text, "right", &format!("{}us", begun * 1000 + 250), "3200ms");
    } else if what.contains("drops all input") {
        let node = if what.starts_with('a') { "left" } else { "right" };
        let again = case.timeline[place..].iter().find(|later| later.what.contains("receives again"));
        let end = again.map_or_else(|| case.timeline.last().unwrap().at_ms + 3_000, |later| later.at_ms);
        blackhole(text, node, &format!("{at}ms"), &format!("{}ms", end - at));
    } else if what == "a killed" {
        fault(text, at, "node-crash", "node = \"left\"\nfor = \"100ms\"\n");
    } else if what.starts_with("conntrack flushed") {
        fault(text, at, "nat-reboot", "node = \"left\"\n");
    }
}

fn order(text: &mut String, at: u64, node: &str, command: &str) {
    let word = |flag: &str| command.split(flag).nth(1).and_then(|rest| rest.split_whitespace().next());
    let action = match () {
        () if command.starts_with("--initiate") => "initiate",
        () if command.contains("--reauth") => "reauthenticate",
        () if command.starts_with("--rekey") => "rekey",
        () if command.starts_with("--terminate") => "terminate",
        () => return,
    };
    write!(
        text,
        "\n[[actions]]\nat = \"{at}ms\"\naction = \"{action}\"\nnode = \"{node}\"\nconnection = \"net\"\n"
    )
    .unwrap();
    match (word("--child"), action) {
        (Some(child), _) => writeln!(text, "child = \"{child}\"").unwrap(),
        (None, "initiate") => text.push_str("ike = true\n"),
        (None, _) => {}
    }
}

fn blackhole(text: &mut String, node: &str, at: &str, lasts: &str) {
    write!(text, "\n[[faults]]\nat = \"{at}\"\nkind = \"blackhole\"\nnode = \"{node}\"\nfor = \"{lasts}\"\n")
        .unwrap();
}

fn fault(text: &mut String, at: u64, kind: &str, rest: &str) {
    write!(text, "\n[[faults]]\nat = \"{at}ms\"\nkind = \"{kind}\"\n{rest}").unwrap();
}
