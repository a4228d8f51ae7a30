//! A topology as text for a terminal of 80 columns: a summary, its nodes, its links, the importer's notes.
//!
//! Delays are milliseconds with three decimals and distances whole kilometres, whatever their size, so that a
//! column can be compared by eye. Numbers that the topology does not have are a dash.

use crate::geo::{Position, distance_m};
use crate::graph::{NodeIndex, Topology};
use crate::route::shortest_paths;
use crate::units::{format_loss, format_rate};

/// Width of the text in columns.
const COLUMNS: usize = 80;
/// Most nodes for which the diameter is computed, since that takes time with their square.
const MAX_DIAMETER_NODES: usize = 5000;
const NODE_COLUMNS: usize = 40;
const LINK_COLUMNS: usize = 33;

/// Describes a topology; every line ends with a line feed and none is wider than 80 columns.
pub fn describe(topology: &Topology) -> String {
    let sections = [summary(topology), nodes(topology), links(topology), notes(topology)];
    let sections = sections.into_iter().filter(|lines| !lines.is_empty());
    let sections: Vec<String> = sections.map(|lines| lines.join("\n") + "\n").collect();
    sections.join("\n")
}

fn summary(topology: &Topology) -> Vec<String> {
    let parts = match topology.components().len() {
        0 | 1 => "connected".to_owned(),
        parts => format!("in {parts} parts"),
    };
    let (nodes, links) = (topology.node_count(), topology.link_count());
    let size = format!("{nodes} nodes, {links} links, {parts}");
    vec![
        cut(&topology.name, COLUMNS),
        size,
        format!("mean degree {}, diameter {}", mean_degree(nodes, links), diameter(topology)),
    ]
}

/// Two decimals, rounded to the nearest.
fn mean_degree(nodes: usize, links: usize) -> String {
    if nodes == 0 {
        return "-".to_owned();
    }
    let hundredths = (400 * links + nodes) / (2 * nodes);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn diameter(topology: &Topology) -> String {
    if topology.node_count() > MAX_DIAMETER_NODES {
        return format!("not computed for more than {MAX_DIAMETER_NODES} nodes");
    }
    shortest_paths(topology).map_or_else(
        |error| error.to_string(),
        |routes| {
            let diameter = routes.diameter();
            format!("{} ms, {} hops", milliseconds(diameter.delay_ns), diameter.hops)
        },
    )
}

fn nodes(topology: &Topology) -> Vec<String> {
    if topology.node_count() == 0 {
        return Vec::new();
    }
    let row = |name: &str, role: &str, latitude: &str, longitude: &str, links: &str| {
        format!("{} {role:<7}{latitude:>10}{longitude:>11}{links:>9}", pad(name, NODE_COLUMNS))
    };
    let mut lines = vec![row("node", "role", "latitude", "longitude", "links")];
    lines.extend(topology.nodes().map(|(index, node)| {
        let degrees = |angle: fn(Position) -> f64| {
            node.position.map_or_else(|| "-".to_owned(), |position| format!("{:.3}", angle(position)))
        };
        let (latitude, longitude) = (degrees(Position::latitude), degrees(Position::longitude));
        row(&node.name, node.role.name(), &latitude, &longitude, &topology.degree(index).to_string())
    }));
    lines
}

fn links(topology: &Topology) -> Vec<String> {
    if topology.link_count() == 0 {
        return Vec::new();
    }
    let row = |name: &str, delay: &str, distance: &str, rate: &str, loss: &str, mtu: &str| {
        format!("{}{delay:>11}{distance:>7}{rate:>13}{loss:>9}{mtu:>7}", pad(name, LINK_COLUMNS))
    };
    let mut lines = vec![row("link", "delay/ms", "km", "rate", "loss", "mtu")];
    lines.extend(topology.links().map(|(index, a, b, link)| {
        let name = topology.link_name(index).unwrap_or_default();
        let delay = milliseconds(link.delay_ns);
        let rate = link.rate_bps.map_or_else(|| "-".to_owned(), format_rate);
        let loss = format_loss(link.loss_ppb);
        row(
            &name,
            &delay,
            &kilometres(topology, a, b),
            &cut(&rate, 12),
            &cut(&loss, 8),
            &link.mtu.to_string(),
        )
    }));
    lines
}

fn kilometres(topology: &Topology, a: NodeIndex, b: NodeIndex) -> String {
    let position = |index| topology.node(index).and_then(|node| node.position);
    let ends = position(a).zip(position(b));
    ends.map_or_else(|| "-".to_owned(), |(a, b)| format!("{:.0}", libm::round(distance_m(a, b) / 1000.0)))
}

fn notes(topology: &Topology) -> Vec<String> {
    topology.notes().iter().flat_map(|note| wrap(&format!("note: {note}"))).collect()
}

/// Nanoseconds as milliseconds with three decimals, rounded to the nearest.
fn milliseconds(ns: u64) -> String {
    let us = ns / 1000 + u64::from(ns % 1000 >= 500);
    format!("{}.{:03}", us / 1000, us % 1000)
}

/// Model: every character takes one column, which is wrong for East Asian scripts.
fn pad(text: &str, columns: usize) -> String {
    format!("{:<columns$}", cut(text, columns))
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns - 1).chain(['…']).collect()
}

/// Breaks a text at blanks; what follows the first line is indented.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, " ".to_owned()));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&cut(word, COLUMNS - 2));
    }
    lines.push(line);
    lines
}
