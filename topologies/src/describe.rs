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
const LINK_COLUMNS: usize = 31;

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
        format!("{}{delay:>13}{distance:>7}{rate:>13}{loss:>9}{mtu:>7}", pad(name, LINK_COLUMNS))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generate::{chain, hub_and_spoke};
    use crate::graph::{NodeRole, NodeSpec};
    use crate::import::toml::from_toml;
    use crate::link::LinkSpec;
    use crate::shipped::shipped_text;

    fn check_width(text: &str) {
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn a_small_chain_reads_as_expected() {
        let link = LinkSpec {
            rate_bps: Some(100_000_000),
            loss_ppb: 10_000_000,
            ..LinkSpec::with_delay(20_000_000)
        };
        let expected = "\
chain-3
3 nodes, 2 links, connected
mean degree 1.33, diameter 40.000 ms, 2 hops

node                                     role     latitude  longitude    links
left                                     site            -          -        1
router-1                                 router          -          -        2
right                                    site            -          -        1

link                                delay/ms     km         rate     loss    mtu
left--router-1                        20.000      -      100Mbps       1%   1500
router-1--right                       20.000      -      100Mbps       1%   1500
";
        assert_eq!(describe(&chain(3, link).unwrap()), expected);
    }

    #[test]
    fn coordinates_become_distances() {
        let text = describe(&from_toml(shipped_text("abilene").unwrap()).unwrap());
        assert!(text.contains("11 nodes, 14 links, connected\nmean degree 2.55, "), "{text}");
        let line = text.lines().find(|line| line.starts_with("Chicago--New-York")).unwrap();
        let columns: Vec<&str> = line.split_whitespace().skip(1).collect();
        assert_eq!(columns, ["5.724", "1144", "9.58464Gbps", "0%", "9000"]);
        check_width(&text);
    }

    #[test]
    fn an_empty_topology_has_a_summary_alone() {
        let expected = "nothing\n0 nodes, 0 links, connected\nmean degree -, diameter 0.000 ms, 0 hops\n";
        assert_eq!(describe(&Topology::new("nothing")), expected);
    }

    #[test]
    fn parts_are_counted() {
        let mut topology = hub_and_spoke(2, LinkSpec::default()).unwrap();
        topology.add_node(NodeSpec::new("island", NodeRole::Site)).unwrap();
        assert!(describe(&topology).contains("4 nodes, 2 links, in 2 parts"));
    }

    #[test]
    fn long_notes_are_wrapped_and_keep_their_words() {
        let mut topology = Topology::new("noted");
        topology.add_note("word ".repeat(40));
        let text = describe(&topology);
        check_width(&text);
        assert_eq!(text.matches("word").count(), 40);
        assert!(text.contains("\n  word"), "{text}");
    }

    #[test]
    fn the_diameter_of_a_huge_topology_is_not_waited_for() {
        let topology = hub_and_spoke(MAX_DIAMETER_NODES as u64, LinkSpec::default()).unwrap();
        assert!(summary(&topology)[2].ends_with("diameter not computed for more than 5000 nodes"));
    }

    #[test]
    fn rounding_is_to_the_nearest() {
        assert_eq!(
            [499, 500, 1_499_999, 999_999_999].map(milliseconds),
            ["0.000", "0.001", "1.500", "1000.000"]
        );
        assert_eq!(mean_degree(3, 2), "1.33");
        assert_eq!(mean_degree(6, 7), "2.33");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_80_columns(
            name in "[a-zé]{1,100}",
            label in "[a-z]{1,45}é{0,25}",
            delay_ns in 0..=crate::link::MAX_DELAY_NS,
            rate: u64,
            loss_ppb in 0..=1_000_000_000_u32,
        ) {
            let mut topology = Topology::new(name);
            let nodes = ["x", "y"].map(|end| topology.add_node(NodeSpec::new(format!("{label}{end}"), NodeRole::Router)));
            let [a, b] = nodes.map(Result::unwrap);
            let link = LinkSpec { delay_ns, rate_bps: Some(rate.max(1)), loss_ppb, ..LinkSpec::default() };
            topology.add_link(a, b, link).unwrap();
            check_width(&describe(&topology));
        }
    }
}
