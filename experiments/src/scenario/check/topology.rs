//! `[topology]`: which generator or file, with which links.

use std::path::Path;

use ipseclab_topologies::{
    self as topologies, GraphmlOptions, LinkSpec, LinkValue, NodeSpec, Problem, ReorderSpec, Topology,
    TopologyError,
};

use super::Checker;
use crate::document::{Finding, KeyPath, Location, Report, SourceText, list};
use crate::scenario::file::{LinkFile, ReorderDistribution, ReorderFile, TopologyKind};
use crate::scenario::value::{Duration, Framing, Loss, Size};

fn at() -> KeyPath {
    KeyPath::root().key("topology")
}

impl Checker<'_> {
    /// The topology, or findings that say why there is none.
    pub(super) fn topology(&mut self) -> Option<Topology> {
        let given = &self.file.topology;
        match (given.kind, given.file.as_deref()) {
            (Some(kind), None) => self.generated(kind),
            (None, Some(file)) => self.imported(file),
            (None, None) => {
                let finding = Finding::new("`topology` lacks `kind` or `file`")
                    .help("kind: `pair`, `chain` or `hub-and-spoke`")
                    .help("file: a shipped topology, or a path to a .toml or .graphml file");
                self.blame(&at(), "one of them belongs here", finding);
                None
            }
            (Some(_), Some(_)) => {
                let finding = Finding::new("`topology` has both `kind` and `file`");
                self.blame(&at().key("file"), "one of them is enough", finding);
                None
            }
        }
    }

    fn generated(&mut self, kind: TopologyKind) -> Option<Topology> {
        let given = &self.file.topology;
        let nodes = self.count(given.nodes, kind == TopologyKind::Chain, "nodes", "a chain");
        let spokes = self.count(given.spokes, kind == TopologyKind::HubAndSpoke, "spokes", "hub-and-spoke");
        if given.default_delay.is_some() {
            self.useless("default_delay", "GraphML files");
        }
        let link = self.link(LinkSpec::default());
        if given.link.delay.is_none() {
            let finding = Finding::new("`topology.link` lacks `delay`").help("such as delay = \"20ms\"");
            self.blame(&at().key("link"), "generated links have no other delay", finding);
            return None;
        }
        let link = link?;
        let built = match kind {
            TopologyKind::Pair => topologies::pair(link),
            TopologyKind::Chain => topologies::chain(nodes?.into(), link),
            TopologyKind::HubAndSpoke => topologies::hub_and_spoke(spokes?.into(), link),
        };
        self.or_blame(built, &at().key("kind"))
    }

    fn imported(&mut self, file: &str) -> Option<Topology> {
        self.count(self.file.topology.nodes, false, "nodes", "a chain");
        self.count(self.file.topology.spokes, false, "spokes", "hub-and-spoke");
        let is_graphml = has_extension(file, "graphml");
        if self.file.topology.default_delay.is_some() && !is_graphml {
            self.useless("default_delay", "GraphML files");
        }
        let default_delay = self.file.topology.default_delay;
        let hint = "give the links of these nodes a delay: default_delay = \"1ms\" under [topology]";
        match import(file, self.folder, default_delay, hint) {
            Ok(imported) => {
                self.texts.extend(imported.text.map(|text| (file.to_owned(), text)));
                self.relinked(&imported.topology)
            }
            Err(finding) if finding.location.is_none() => {
                let label = finding.label.clone();
                self.blame(&at().key("file"), label, finding);
                None
            }
            Err(finding) => {
                let used = self.document.locate(&at().key("file"));
                self.report.push(finding.help(format!("used as the topology of {}", used.source.name)));
                None
            }
        }
    }

    /// The same nodes with links whose values the scenario replaces.
    fn relinked(&mut self, read: &Topology) -> Option<Topology> {
        let mut topology = Topology::new(read.name.clone());
        for (_, node) in read.nodes() {
            self.or_blame(topology.add_node(NodeSpec::clone(node)), &at().key("file"))?;
        }
        for (_, a, b, spec) in read.links() {
            let spec = self.link(*spec)?;
            self.or_blame(topology.add_link(a, b, spec), &at().key("file"))?;
        }
        read.notes().iter().for_each(|note| topology.add_note(note.clone()));
        if topology.node_count() < 2 {
            let finding = Finding::new("a scenario needs at least two nodes");
            self.blame(&at().key("file"), format!("this has {}", topology.node_count()), finding);
            return None;
        }
        Some(topology)
    }

    /// A link with the scenario's values over those of `base`, if it can exist.
    fn link(&mut self, base: LinkSpec) -> Option<LinkSpec> {
        let spec = merge(&self.file.topology.link, base);
        match spec.validate() {
            Ok(()) => Some(spec),
            Err(error) => {
                let key = at().key("link").key(key_of(error.value()));
                let finding = Finding::new(format!("`{key}` is out of range"));
                self.blame(&key, error.to_string(), finding);
                None
            }
        }
    }

    /// A number that must be there exactly when it belongs to the generator.
    fn count(&mut self, given: Option<u32>, belongs: bool, key: &str, owner: &str) -> Option<u32> {
        match (belongs, given) {
            (true, None) => {
                let finding =
                    Finding::new(format!("`topology` lacks `{key}`")).help(format!("such as {key} = 8"));
                self.blame(&at(), format!("{owner} needs `{key}`"), finding);
            }
            (false, Some(_)) => self.useless(key, owner),
            (true, Some(_)) | (false, None) => {}
        }
        given.filter(|_| belongs)
    }

    fn useless(&mut self, key: &str, owner: &str) {
        let finding = Finding::new(format!("`topology.{key}` means nothing here"));
        let place = self.document.locate_key(&at().key(key));
        self.report.push(finding.at(place, format!("only for {owner}")));
    }

    fn or_blame<T>(&mut self, built: Result<T, impl std::error::Error>, path: &KeyPath) -> Option<T> {
        built.map_err(|error| self.blame(path, "", Finding::new(error.to_string()))).ok()
    }
}

/// A topology that was read, and the text of its file unless it was shipped.
struct Imported {
    topology: Topology,
    text: Option<String>,
}

/// Reads a topology: a shipped name, or a path to a .toml or .graphml file.
///
/// # Errors
/// Everything wrong with it.
pub fn read_topology(file: &str, default_delay: Option<Duration>) -> Result<Topology, Report> {
    let hint = "give the links of these nodes a delay: --default-delay 1ms";
    match import(file, Some(Path::new("")), default_delay, hint) {
        Ok(imported) => Ok(imported.topology),
        Err(finding) if finding.location.is_some() => Err(Report::of(finding)),
        // There is no text to put the label under.
        Err(finding) => {
            let message = format!("{}: {}", finding.message, finding.label);
            Err(Report::of(Finding { message, ..finding }))
        }
    }
}

/// Reads a topology; a finding without place is about the name and has a label for it.
///
/// `delay_hint` says how the caller would give a default delay.
fn import(
    file: &str,
    folder: Option<&Path>,
    default_delay: Option<Duration>,
    delay_hint: &str,
) -> Result<Imported, Finding> {
    if let Some(text) = topologies::shipped_text(file) {
        let topology = parse(file, text, None)
            .map_err(|error| finding(&error, &format!("shipped {file}"), text, delay_hint))?;
        return Ok(Imported { topology, text: None });
    }
    if !has_extension(file, "graphml") && !has_extension(file, "toml") {
        return Err(unknown_file(file));
    }
    let (path, text) = super::read_beside(folder, file)?;
    let name = path.display().to_string();
    let topology =
        parse(file, &text, default_delay).map_err(|error| finding(&error, &name, &text, delay_hint))?;
    Ok(Imported { topology, text: Some(text) })
}

fn parse(file: &str, text: &str, default_delay: Option<Duration>) -> Result<Topology, TopologyError> {
    if has_extension(file, "graphml") {
        // The values of links are replaced afterwards, as for any other file.
        let default_delay_ns = default_delay.map(|delay| delay.span().as_nanos());
        topologies::from_graphml(text, &GraphmlOptions { default_delay_ns, link: LinkSpec::default() })
    } else {
        topologies::from_toml(text)
    }
}

/// The error at its place in the text that is called `name`.
fn finding(error: &TopologyError, name: &str, text: &str, delay_hint: &str) -> Finding {
    let place = Location::new(&SourceText::new(name, text), error.span().unwrap_or(0..0));
    let (label, help) = match &error.problem {
        Problem::NoCoordinates { nodes } if nodes.len() > 1 => {
            ("the first of them", Some(delay_hint.to_owned()))
        }
        Problem::NoCoordinates { .. } => ("neither Latitude nor Longitude", Some(delay_hint.to_owned())),
        _ => ("", error.help()),
    };
    help.into_iter().fold(Finding::new(error.message()).at(place, label), Finding::help)
}

fn unknown_file(file: &str) -> Finding {
    let shipped = || topologies::shipped().iter().map(|(name, _)| *name);
    let finding = Finding::new(format!("there is no shipped topology `{}`", file.escape_debug()))
        .suggest(file, shipped())
        .help(format!("shipped: {}", list(shipped())));
    Finding { label: "a file would end in .toml or .graphml".to_owned(), ..finding }
}

fn merge(given: &LinkFile, base: LinkSpec) -> LinkSpec {
    let nanos = |duration: Duration| duration.span().as_nanos();
    LinkSpec {
        delay_ns: given.delay.map_or(base.delay_ns, nanos),
        rate_bps: given.rate.map_or(base.rate_bps, |rate| Some(rate.bits_per_second())),
        jitter_ns: given.jitter.map_or(base.jitter_ns, nanos),
        reorder: given.reorder.as_ref().map_or(base.reorder, |given| Some(reorder(given))),
        loss_ppb: given.loss.map_or(base.loss_ppb, Loss::ppb),
        mtu: given.mtu.unwrap_or(base.mtu),
        queue_bytes: given.queue.map_or(base.queue_bytes, Size::octets),
        framing: given.framing.map_or(base.framing, Framing::get),
    }
}

fn reorder(given: &ReorderFile) -> ReorderSpec {
    ReorderSpec {
        probability_ppb: given.probability.ppb(),
        delay_ns: given.delay.span().as_nanos(),
        is_exponential: given.distribution == Some(ReorderDistribution::Exponential),
    }
}

fn key_of(value: LinkValue) -> &'static str {
    match value {
        LinkValue::Delay => "delay",
        LinkValue::Rate => "rate",
        LinkValue::Jitter => "jitter",
        LinkValue::Reorder => "reorder",
        LinkValue::Loss => "loss",
        LinkValue::Mtu => "mtu",
        LinkValue::Queue => "queue",
    }
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
