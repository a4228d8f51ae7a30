//! `[topology]`: which generator or file, with which links.

use ipseclab_topologies::{
    self as topologies, GraphmlOptions, LinkSpec, LinkValue, NodeSpec, Topology, TopologyError,
};

use super::{Checker, source_of};
use crate::document::{Document, Finding, KeyPath, Location, list};
use crate::scenario::file::{LinkFile, TopologyKind};
use crate::scenario::value::Duration;

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
        self.needs(kind == TopologyKind::Chain, given.nodes.is_some(), "nodes", "a chain");
        self.needs(kind == TopologyKind::HubAndSpoke, given.spokes.is_some(), "spokes", "hub-and-spoke");
        if given.default_delay.is_some() {
            self.useless("default_delay", "GraphML files");
        }
        let link = self.link(LinkSpec::default());
        if given.link.delay.is_none() {
            let finding = Finding::new("`topology.link` lacks `delay`").help("such as delay = \"20ms\"");
            self.blame(&at().key("link"), "generated links have no other delay", finding);
        }
        let link = link.filter(|_| self.report.is_empty())?;
        let built = match kind {
            TopologyKind::Pair => topologies::pair(link),
            TopologyKind::Chain => topologies::chain(given.nodes?.into(), link),
            TopologyKind::HubAndSpoke => topologies::hub_and_spoke(given.spokes?.into(), link),
        };
        self.or_blame(built, &at().key("kind"))
    }

    fn imported(&mut self, file: &str) -> Option<Topology> {
        self.needs(false, self.file.topology.nodes.is_some(), "nodes", "a chain");
        self.needs(false, self.file.topology.spokes.is_some(), "spokes", "hub-and-spoke");
        let is_graphml = has_extension(file, "graphml");
        if self.file.topology.default_delay.is_some() && !is_graphml {
            self.useless("default_delay", "GraphML files");
        }
        let (source, text) = match topologies::shipped_text(file) {
            Some(text) => (source_of(format!("shipped {file}").as_ref(), text), text.to_owned()),
            None if is_graphml || has_extension(file, "toml") => {
                let (path, text) = self.read_file(file, &at().key("file"))?;
                (source_of(&path, &text), text)
            }
            None => return self.unknown_file(file),
        };
        // The importer's own rate rule (template before file) holds for every key, by replacing them afterwards.
        let read = match is_graphml {
            true => {
                let default_delay_ns = self.file.topology.default_delay.map(|delay| delay.span().as_nanos());
                topologies::from_graphml(&text, &GraphmlOptions { default_delay_ns, link: LinkSpec::default() })
            }
            false => topologies::from_toml(&text),
        };
        match read {
            Ok(topology) => self.relinked(&topology),
            Err(error) => {
                let place = |span| Location::new(&source, span);
                self.report.push(import_finding(&error, place(error.span().unwrap_or(0..0)), self.document));
                None
            }
        }
    }

    fn unknown_file(&mut self, file: &str) -> Option<Topology> {
        let shipped = || topologies::shipped().iter().map(|(name, _)| *name);
        let finding = Finding::new(format!("there is no shipped topology `{file}`"))
            .suggest(file, shipped())
            .help(format!("shipped: {}", list(shipped())))
            .help("a file ends in .toml or .graphml");
        self.blame(&at().key("file"), "neither shipped nor the name of a file", finding);
        None
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

    fn needs(&mut self, belongs: bool, given: bool, key: &str, owner: &str) {
        match (belongs, given) {
            (true, false) => {
                let finding = Finding::new(format!("`topology` lacks `{key}`")).help(format!("such as {key} = 8"));
                self.blame(&at(), format!("{owner} needs `{key}`"), finding);
            }
            (false, true) => self.useless(key, owner),
            (true, true) | (false, false) => {}
        }
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

fn import_finding(error: &TopologyError, place: Location, document: &Document) -> Finding {
    let used = document.locate(&at().key("file"));
    let from = format!("used as the topology of {}", used.source.name);
    let finding = Finding::new(error.message()).at(place, "");
    error.help().into_iter().fold(finding, Finding::help).help(from)
}

fn merge(given: &LinkFile, base: LinkSpec) -> LinkSpec {
    let nanos = |duration: Duration| duration.span().as_nanos();
    LinkSpec {
        delay_ns: given.delay.map_or(base.delay_ns, nanos),
        rate_bps: given.rate.map_or(base.rate_bps, |rate| Some(rate.bits_per_second())),
        jitter_ns: given.jitter.map_or(base.jitter_ns, nanos),
        loss_ppb: given.loss.map_or(base.loss_ppb, |loss| loss.ppb()),
        mtu: given.mtu.unwrap_or(base.mtu),
        queue_bytes: given.queue.map_or(base.queue_bytes, |queue| queue.octets()),
    }
}

fn key_of(value: LinkValue) -> &'static str {
    match value {
        LinkValue::Delay => "delay",
        LinkValue::Rate => "rate",
        LinkValue::Jitter => "jitter",
        LinkValue::Loss => "loss",
        LinkValue::Mtu => "mtu",
        LinkValue::Queue => "queue",
    }
}

fn has_extension(file: &str, extension: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
