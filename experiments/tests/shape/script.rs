//! A reference case as a scenario of ours: the same configuration files, the same commands at the same times.

use std::fmt::Write as _;

use crate::credentials;
use crate::table::{Case, Moment};

/// Large enough for messages in one piece; the daemons' hosts cut them into IP fragments, which are not modelled.
const MTU: u32 = 9000;

/// The scenario's text; its folder has the configuration files and profiles of both sides.
pub(crate) fn scenario(case: &Case, seed: u64) -> String {
    let end_ms = end_ms(case);
    let mut text = format!(
        "name = \"{}\"\nduration = \"{end_ms}ms\"\nseed = {seed}\n\n[topology]\nkind = \"pair\"\nlink = {{ delay = \"{}\", mtu = {MTU} }}\n",
        case.name,
        delay(case)
    );
    let outside = if case.has_nat() { case.fact("nat") } else { case.fact("a") };
    node(&mut text, "left", outside, 'a', "10.10.1.0/24");
    if case.has_nat() {
        writeln!(text, "nat = {{ inside = \"{}\", timeout = \"1h\" }}", case.fact("a")).unwrap();
    }
    node(&mut text, "right", case.fact("b"), 'b', "10.10.2.0/24");
    credentials::write(&mut text, case);
    for (place, moment) in case.timeline.iter().enumerate() {
        happen(&mut text, case, place, moment);
    }
    text
}

fn end_ms(case: &Case) -> u64 {
    case.timeline.last().map_or(0, |moment| moment.at_ms) + 500
}

/// The way between the nodes. The daemons of some cases held every packet back (`send_delay`), as their quickest answer shows.
fn delay(case: &Case) -> String {
    let mut quickest = f64::INFINITY;
    for (place, seen) in case.messages.iter().enumerate().filter(|(_, seen)| seen.is_request()) {
        let answer = case.messages[place..].iter().find(|later| {
            !later.is_request() && later.direction != seen.direction && later.message_id == seen.message_id
        });
        if let Some(answer) = answer.filter(|_| seen.direction == "a>b") {
            quickest = quickest.min(answer.seconds - seen.seconds);
        }
    }
    if quickest.is_finite() && quickest > 0.09 {
        // The capture is a's, whose own delay is over when its packet is seen.
        return format!("{:.0}ms", (quickest * 100.0).floor() * 10.0);
    }
    "100us".to_owned()
}

fn node(text: &mut String, name: &str, address: &str, side: char, network: &str) {
    write!(
        text,
        "\n[nodes.{name}]\naddress = \"{address}\"\nnetworks = [\"{network}\"]\nswanctl = \"{side}.swanctl.conf\"\n\
         profile = \"{side}.toml\"\ncost_profile = \"free\"\n"
    )
    .unwrap();
}

/// What happened, in our words. Listings, waits and results are no commands.
fn happen(text: &mut String, case: &Case, place: usize, moment: &Moment) {
    let at = moment.at_ms;
    let what = moment.what.as_str();
    // Its first line repeats the note, which may tell of anything.
    if what.starts_with("start case") {
        return;
    }
    if let Some((side, command)) = what.split_once(": swanctl ") {
        return order(text, case, at, side, command);
    }
    if what.starts_with("three half-open inits") {
        let lines = format!(
            "from = \"left\"\nto = \"right\"\nsources = \"{}/32\"\nrate = 3\nfor = \"600ms\"\n",
            case.fact("a")
        );
        fault(text, at, "flood", &lines);
    } else if let Some(both) = what.strip_prefix("a and b: ") {
        let (verb, kind) = both.split_once(' ').unwrap();
        let kind = kind.split(' ').next().unwrap();
        let (verb, reauth) = if verb == "reauth" { ("rekey", " --reauth") } else { (verb, "") };
        let verb = if verb == "delete" { "terminate" } else { verb };
        for side in ["a", "b"] {
            order(text, case, at, side, &format!("--{verb} --{kind} net{reauth}"));
        }
    } else if let Some(ping) = what.strip_prefix("ping ") {
        let (count, rest) = ping.split_once(" x ").unwrap();
        let octets = rest.split(' ').next().unwrap();
        write!(
            text,
            "\n[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nstart = \"{at}ms\"\ncount = {count}\n\
             size = \"{octets}B\"\ninterval = \"100ms\"\n"
        )
        .unwrap();
    } else if let Some((side, input)) = what.split_once(" drops ") {
        deafen(text, case, place, side, input);
    } else if let Some(side) = what.strip_suffix(" killed") {
        fault(text, at, "node-crash", &format!("node = \"{}\"\nfor = \"100ms\"\n", node_of(side)));
    } else if what.starts_with("conntrack flushed") {
        fault(text, at, "nat-reboot", "node = \"left\"\n");
    }
}

fn node_of(side: &str) -> &'static str {
    if side == "a" { "left" } else { "right" }
}

/// A side drops what it receives until it "receives again". Where only one port is meant, the first exchange on the
/// other one still comes through: it takes less than a millisecond after its command.
fn deafen(text: &mut String, case: &Case, place: usize, side: &str, input: &str) {
    let again = case.timeline[place..].iter().find(|later| later.what == format!("{side} receives again"));
    let end_us = again.map_or_else(|| end_ms(case), |later| later.at_ms) * 1000;
    let start_us = if input.contains("4500") {
        case.timeline[place + 1].at_ms * 1000 + 250
    } else {
        case.timeline[place].at_ms * 1000
    };
    let lasts = end_us.saturating_sub(start_us).max(1);
    write!(
        text,
        "\n[[faults]]\nat = \"{start_us}us\"\nkind = \"blackhole\"\nnode = \"{}\"\nfor = \"{lasts}us\"\n",
        node_of(side)
    )
    .unwrap();
}

fn order(text: &mut String, case: &Case, at: u64, side: &str, command: &str) {
    let word = |flag: &str| command.split(flag).nth(1).and_then(|rest| rest.split_whitespace().next());
    let action = match () {
        () if command.starts_with("--initiate") => "initiate",
        () if command.contains("--reauth") => "reauthenticate",
        () if command.starts_with("--rekey") => "rekey",
        () if command.starts_with("--terminate") => "terminate",
        () => return,
    };
    let child = word("--child ");
    let named = word("--ike ").map(str::to_owned);
    let connection = named.or_else(|| child.and_then(|child| connection_of(case, side, child)));
    write!(
        text,
        "\n[[actions]]\nat = \"{at}ms\"\naction = \"{action}\"\nnode = \"{}\"\nconnection = \"{}\"\n",
        node_of(side),
        connection.as_deref().unwrap_or("net")
    )
    .unwrap();
    match (child, action) {
        (Some(child), _) => writeln!(text, "child = \"{child}\"").unwrap(),
        (None, "initiate") => text.push_str("ike = true\n"),
        (None, _) => {}
    }
}

/// The connection that has a child of a name.
fn connection_of(case: &Case, side: &str, child: &str) -> Option<String> {
    let conf = case.swanctl(if side == "a" { 'a' } else { 'b' });
    let mut path: Vec<String> = Vec::new();
    for line in conf.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix('{') {
            path.push(name.trim().to_owned());
            if let [first, connection, children, last] = path.as_slice()
                && (first.as_str(), children.as_str(), last.as_str()) == ("connections", "children", child)
            {
                return Some(connection.clone());
            }
        } else if line == "}" {
            path.pop();
        }
    }
    None
}

fn fault(text: &mut String, at: u64, kind: &str, rest: &str) {
    write!(text, "\n[[faults]]\nat = \"{at}ms\"\nkind = \"{kind}\"\n{rest}").unwrap();
}
