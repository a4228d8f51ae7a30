//! The GraphML import on real files of the Internet Topology Zoo, which are not part of the repository.
//!
//! What the files hold is counted here by searching their text, so that the count owes nothing to the importer.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in tests, but not in the helpers of an integration test"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ipseclab_topologies::{
    GraphmlOptions, Problem, Topology, describe, from_graphml, from_toml, shipped_text, shortest_paths,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/topologies");

/// Name and text of every GraphML file, in order of the names; none when the folder is absent.
fn files() -> BTreeMap<String, String> {
    if !Path::new(FOLDER).is_dir() {
        println!("skipped: shared/reference/topologies is absent");
        return BTreeMap::new();
    }
    let paths = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "graphml"));
    let named = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.map(|path| (named(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn with_default_delay() -> GraphmlOptions {
    GraphmlOptions { default_delay_ns: Some(1_000_000), ..GraphmlOptions::default() }
}

fn import(text: &str) -> Topology {
    from_graphml(text, &with_default_delay()).unwrap()
}

#[test]
fn every_file_gives_as_many_nodes_and_links_as_its_text_has() {
    for (name, text) in files() {
        let topology = import(&text);
        assert_eq!(topology.node_count(), text.matches("<node ").count(), "{name}");
        assert_eq!(topology.link_count(), text.matches("<edge ").count(), "{name} has no self-loops");
    }
}

#[test]
fn the_known_files_have_their_known_sizes() {
    let known = [
        ("Abilene", 11, 14),
        ("AttMpls", 25, 57),
        ("Cogentco", 197, 245),
        ("Internet2", 20, 26),
        ("Kdl", 754, 899),
        ("Nsfnet", 13, 15),
    ];
    let files = files();
    for (name, nodes, links) in known {
        let Some(text) = files.get(name) else { continue };
        let topology = import(text);
        assert_eq!((topology.node_count(), topology.link_count()), (nodes, links), "{name}");
        assert!(topology.is_connected(), "{name}");
    }
}

#[test]
fn missing_coordinates_are_all_named_or_defaulted() {
    for (name, text) in files() {
        let nodes: Vec<&str> = text.split("<node ").skip(1).collect();
        let latitude = text.lines().find(|line| line.contains("attr.name=\"Latitude\""));
        let key = latitude.and_then(|line| line.split("id=\"").nth(1)?.split('"').next());
        let lacks = |node: &&&str| {
            let node = node.split("</node>").next().unwrap_or_default();
            key.is_none_or(|key| !node.contains(&format!("<data key=\"{key}\">")))
        };
        let missing = nodes.iter().filter(lacks).count();
        match from_graphml(&text, &GraphmlOptions::default()).map_err(|error| error.problem) {
            Ok(_) => assert_eq!(missing, 0, "{name}"),
            Err(Problem::NoCoordinates { nodes }) => assert_eq!(nodes.len(), missing, "{name}"),
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn delays_are_plausible_for_networks_on_the_ground() {
    for (name, text) in files() {
        for (index, _, _, link) in import(&text).links() {
            assert!(
                link.delay_ns < 60_000_000,
                "{name}, link {index:?}: {} ns is above 12 000 km",
                link.delay_ns
            );
        }
    }
}

#[test]
fn our_abilene_agrees_with_the_zoos() {
    let Some(mut text) = files().remove("Abilene") else { return };
    let ours = from_toml(shipped_text("abilene").unwrap()).unwrap();
    for (_, node) in ours.nodes() {
        // Our names have hyphens where the Zoo's have blanks.
        text = text.replace(&node.name.replace('-', " "), &node.name);
    }
    let zoo = import(&text);
    assert_eq!((zoo.node_count(), zoo.link_count()), (ours.node_count(), ours.link_count()));
    for (index, _, _, link) in ours.links() {
        let name = ours.link_name(index).unwrap();
        let theirs = zoo.link(zoo.link_by_name(&name).unwrap_or_else(|| panic!("no {name}"))).unwrap();
        let difference = link.delay_ns.abs_diff(theirs.delay_ns);
        assert!(
            difference * 100 <= theirs.delay_ns * 3,
            "{name}: {} and {} ns",
            link.delay_ns,
            theirs.delay_ns
        );
    }
}

#[test]
fn every_two_nodes_are_routed_over_real_links_within_reason() {
    for (name, text) in files() {
        let topology = import(&text);
        let routes = shortest_paths(&topology).unwrap();
        let diameter = Duration::from_nanos(routes.diameter().delay_ns);
        println!("{name}: {} nodes, diameter {diameter:?}", topology.node_count());
        assert!(diameter < Duration::from_millis(200), "{name}: {diameter:?}");
        let (first, _) = topology.nodes().next().unwrap();
        for (node, _) in topology.nodes() {
            let mut at = first;
            for (next, link) in routes.path(first, node).unwrap() {
                assert!(topology.links_between(at, next).contains(&link), "{name}");
                at = next;
            }
            assert_eq!(at, node, "{name}");
        }
    }
}

#[test]
fn every_description_fits_80_columns() {
    for (name, text) in files() {
        let widest = describe(&import(&text)).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{name}: {widest} columns");
    }
}
