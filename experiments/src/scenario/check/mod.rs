//! From a document to a [`CheckedScenario`]: everything wrong with a file, in one report.
//!
//! Two passes. The first compares the document with the schema ([`crate::structure`]): keys, types, units, proposals.
//! Only a document of the right shape goes through the second, which resolves names and looks at values together,
//! section by section; a section that cannot be resolved leaves a finding and the others are still looked at. Without
//! a topology there are no nodes to speak of, so a broken one ends the pass.

mod actions;
mod auth;
mod behaviour;
mod behind;
mod clash;
mod connections;
mod credentials;
mod faults;
mod feasible;
mod habit;
mod lifetimes;
mod nodes;
mod policies;
mod profile;
mod sides;
mod swanctl;
mod swanctl_auth;
mod swanctl_peers;
mod topology;
mod traffic;
mod unbuilt;
mod version;

pub use topology::read_topology;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ipseclab_sim::SimDuration;
use ipseclab_topologies::{NodeIndex, Topology};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::checked::{CheckedScenario, Connection, Credentials, Limits, Outputs};
use super::defaults;
use super::file::{CryptoKind, ScenarioFile};
use super::pattern::NodePattern;
use super::value::FORMATS;
use crate::document::{Document, Finding, KeyPath, Location, Report, list};
use crate::schema;
use crate::structure::Structure;

/// Largest file that a scenario may name, in octets; the topology importer has the same limit.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Checks a scenario; files that it names are looked for in `folder`, or nowhere when it was shipped.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(document: &Document, folder: Option<&Path>) -> Result<CheckedScenario, Report> {
    let structure = Structure::new(document, schema::scenario_inlined(), FORMATS).check();
    structure.into_result(())?;
    let file = read(document)?;
    let mut checker = Checker::new(document, &file, folder);
    let scenario = checker.scenario();
    let Checker { report, .. } = checker;
    match scenario {
        Some(scenario) => report.into_result(scenario),
        None => Err(report.sorted()),
    }
}

fn read(document: &Document) -> Result<ScenarioFile, Report> {
    let table = toml::Value::Table(document.root().clone());
    ScenarioFile::deserialize(table).map_err(|error| {
        let place = document.locate(&KeyPath::root());
        Report::of(Finding::new("this is no scenario").at(place, error.message()))
    })
}

/// The second pass over one scenario.
struct Checker<'a> {
    document: &'a Document,
    file: &'a ScenarioFile,
    folder: Option<&'a Path>,
    report: Report,
    /// Names and texts of the files that the scenario names.
    texts: Vec<(String, String)>,
    /// Whether the networks of all nodes are known; if not, nobody is blamed for being outside them.
    networks_known: bool,
    /// Authorities, certificates and pools, so far as they are known.
    credentials: Credentials,
    /// When the run begins, in Unix seconds.
    start_unix: i64,
}

/// The topology with what is asked of it again and again.
struct Ground {
    topology: Topology,
    /// The connected part that each node is in.
    parts: Vec<usize>,
}

impl<'a> Checker<'a> {
    fn new(document: &'a Document, file: &'a ScenarioFile, folder: Option<&'a Path>) -> Self {
        Self {
            document,
            file,
            folder,
            report: Report::default(),
            texts: Vec::new(),
            networks_known: true,
            credentials: Credentials::default(),
            start_unix: defaults::START_UNIX,
        }
    }

    fn scenario(&mut self) -> Option<CheckedScenario> {
        self.check_name("name", &self.file.name.clone(), &KeyPath::root().key("name"));
        let (duration, warm_up) = self.times();
        let ground = Ground::new(self.topology()?);
        self.check_routable(&ground);
        let before = self.report.findings().len();
        let (mut nodes, without_profile) = self.nodes(&ground);
        self.networks_known = self.report.findings().len() == before;
        self.credentials();
        let mut connections = self.connections(&ground, &nodes);
        connections.extend(self.swanctl_files(&ground, &nodes));
        self.check_single_networks(&connections);
        label(&mut connections, &ground);
        let policies = self.policies(&ground, &nodes);
        let traffic = self.traffic(&ground, &nodes, &connections, duration);
        self.check_amount(&traffic);
        let faults = self.faults(&ground, &nodes, duration);
        let actions = self.actions(&ground, &connections, &nodes, duration);
        nodes::settle_roles(&mut nodes, &without_profile, &connections, &traffic, &faults);
        self.check_policy_nodes(&ground, &nodes);
        Some(CheckedScenario {
            name: self.file.name.clone(),
            description: self.file.description.clone(),
            duration,
            warm_up,
            seed: self.file.seed.map_or(defaults::SEED, i64::unsigned_abs),
            crypto: self.file.crypto.unwrap_or(CryptoKind::Real),
            topology: ground.topology,
            nodes,
            connections,
            policies,
            traffic,
            faults,
            actions,
            credentials: std::mem::take(&mut self.credentials),
            start_unix: self.start_unix,
            outputs: Outputs { packet_sizes: self.file.outputs.packet_sizes.unwrap_or(false) },
            limits: self.limits(),
            canonical: self.canonical(),
        })
    }

    fn times(&mut self) -> (SimDuration, SimDuration) {
        let at = KeyPath::root().key("duration");
        let duration = self.file.duration.span();
        if duration == SimDuration::ZERO || duration > defaults::MAX_DURATION {
            let finding = Finding::new("`duration` must be above zero and at most 365d");
            self.blame(&at, "nothing can happen in it", finding);
        }
        let warm_up = self.file.warm_up.map_or(SimDuration::ZERO, super::value::Duration::span);
        if warm_up >= duration && warm_up > SimDuration::ZERO {
            let finding = Finding::new("`warm_up` must be shorter than `duration`");
            self.blame(&KeyPath::root().key("warm_up"), "leaves nothing to count", finding);
        }
        (duration, warm_up)
    }

    fn limits(&self) -> Limits {
        let given = &self.file.limits;
        let acquire_queue = given.acquire_queue.and_then(|packets| usize::try_from(packets).ok());
        Limits {
            acquire_queue: acquire_queue.unwrap_or(defaults::LIMITS.acquire_queue),
            events: given.events.unwrap_or(defaults::LIMITS.events),
        }
    }

    /// The document and a digest of each file that it names, so that equal texts mean equal runs.
    fn canonical(&self) -> String {
        use std::fmt::Write as _;
        let mut text = self.document.canonical();
        for (name, content) in &self.texts {
            let digest = Sha256::digest(content.as_bytes());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# file {name:?} sha256 {}", hex(&digest));
        }
        text
    }

    /// Adds `finding` with its place.
    fn blame(&mut self, path: &KeyPath, label: impl Into<String>, finding: Finding) {
        self.report.push(finding.at(self.document.locate(path), label));
    }

    /// Names become parts of file names and columns.
    fn check_name(&mut self, what: &str, name: &str, path: &KeyPath) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let place = self.document.locate_key(path);
            let place = if what == "name" { self.document.locate(path) } else { place };
            let message = format!("`{}` cannot be the {what}", name.escape_debug());
            self.report.push(
                Finding::new(message)
                    .at(place, "not a plain name")
                    .help("allowed: 1 to 64 letters, digits, `-` and `_`"),
            );
        }
    }

    /// The nodes that a pattern names; none is an error.
    fn resolve(&mut self, ground: &Ground, pattern: &NodePattern, path: &KeyPath) -> Vec<NodeIndex> {
        let place = self.document.locate(path);
        self.resolve_at(ground, pattern, place)
    }

    fn resolve_at(&mut self, ground: &Ground, pattern: &NodePattern, place: Location) -> Vec<NodeIndex> {
        let nodes = ground.matching(pattern);
        if nodes.is_empty() {
            let names = || ground.topology.nodes().map(|(_, node)| node.name.as_str());
            let (message, label) = if pattern.is_wild() {
                (format!("no node is called like `{}`", pattern.as_str()), "matches nothing")
            } else {
                (format!("there is no node `{}`", pattern.as_str()), "not in the topology")
            };
            let finding = Finding::new(message).at(place, label).suggest(pattern.as_str(), names());
            self.report.push(finding.help(format!("nodes: {}", list(names()))));
        }
        nodes
    }

    /// Reads a file beside the scenario.
    fn read_file(&mut self, name: &str, path: &KeyPath) -> Option<(PathBuf, String)> {
        match read_beside(self.folder, name) {
            Ok((full, text)) => {
                self.texts.push((name.to_owned(), text.clone()));
                Some((full, text))
            }
            Err(finding) => {
                let label = finding.label.clone();
                self.blame(path, label, finding);
                None
            }
        }
    }
}

/// Reads a file in a folder; the finding has a label and no place.
fn read_beside(folder: Option<&Path>, name: &str) -> Result<(PathBuf, String), Finding> {
    let Some(folder) = folder else {
        let finding = Finding::new(format!("a shipped scenario cannot use the file `{name}`"));
        let finding = finding.help("save the scenario to a file and run that");
        return Err(Finding { label: "not shipped".to_owned(), ..finding });
    };
    let full = folder.join(name);
    match read_bounded(&full) {
        Ok(text) => Ok((full, text)),
        Err(label) => Err(Finding { label, ..Finding::new(format!("cannot read `{}`", full.display())) }),
    }
}

impl Ground {
    fn new(topology: Topology) -> Self {
        let mut parts = vec![0; topology.node_count()];
        for (part, nodes) in topology.components().iter().enumerate() {
            for node in nodes {
                parts[node.index()] = part;
            }
        }
        Self { topology, parts }
    }

    fn matching(&self, pattern: &NodePattern) -> Vec<NodeIndex> {
        if !pattern.is_wild() {
            return self.topology.node_by_name(pattern.as_str()).into_iter().collect();
        }
        let named = self.topology.nodes().filter(|(_, node)| pattern.matches(&node.name));
        named.map(|(index, _)| index).collect()
    }

    fn connected(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.parts[a.index()] == self.parts[b.index()]
    }

    fn name(&self, node: NodeIndex) -> &str {
        self.topology.node(node).map_or("?", |node| node.name.as_str())
    }
}

/// Labels connections: by their name, or by name and nodes where the name stands for several pairs.
fn label(connections: &mut [Connection], ground: &Ground) {
    let mut pairs: BTreeMap<&str, BTreeSet<(NodeIndex, NodeIndex)>> = BTreeMap::new();
    for connection in connections.iter() {
        let (node, peer) = (connection.node, connection.peer.unwrap_or(connection.node));
        pairs.entry(&connection.name).or_default().insert((node.min(peer), node.max(peer)));
    }
    let many = pairs.iter().filter(|(_, pairs)| pairs.len() > 1);
    let many: BTreeSet<String> = many.map(|(name, _)| (*name).to_owned()).collect();
    for connection in connections {
        let (node, peer) =
            (ground.name(connection.node), connection.peer.map_or("any", |peer| ground.name(peer)));
        let (local, remote) = if connection.is_local { (node, peer) } else { (peer, node) };
        connection.label = if many.contains(&connection.name) {
            format!("{}/{local}--{remote}", connection.name)
        } else {
            connection.name.clone()
        };
    }
}

/// Reads a text file of a bounded size.
///
/// # Errors
/// Why not, in a few words.
pub fn read_bounded(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| reason(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("larger than 16 MiB".to_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 text at octet {}", error.utf8_error().valid_up_to()))
}

/// The reason without the number of the operating system, which differs between them.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "this is a folder".to_owned(),
        kind => kind.to_string(),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
