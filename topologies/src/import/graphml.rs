//! GraphML as the Internet Topology Zoo writes it (Knight et al., IEEE JSAC 29(9), 2011).
//!
//! What counts is the `attr.name` of a key (`label`, `Latitude`, `Longitude`, `LinkSpeedRaw`), since the
//! identifiers of keys differ from file to file. The rules where files leave a choice:
//!
//! - **Names** are the labels, cleaned of what no name may hold. Nodes that share a label get their identifier
//!   behind it (`Athens-73`), all of them, so that none passes for the only one. Nodes without a label, or with
//!   the Zoo's `None`, are called `node-144`.
//! - **Delays** are those of light in fibre along the great circle. A link that ends at a node without coordinates
//!   takes [`GraphmlOptions::default_delay_ns`]; without that, all such nodes are named in the error.
//! - **Rates** are those of the template, else `LinkSpeedRaw` (bit/s) of the edge, else unlimited. `LinkType`,
//!   `LinkLabel` and `LinkSpeed` are prose and are not read.
//! - **Parallel edges** stay, each a link of its own. **Self-loops** are dropped. In a directed graph an edge and
//!   the next one of the opposite direction make one duplex link.
//! - A network in several parts is allowed.
//!
//! Whatever was dropped, defaulted or renamed is in [`Topology::notes`]. Document type declarations are refused,
//! and with them every entity bomb. Left out: nested graphs, hyperedges and ports, which are refused.

use std::collections::BTreeMap;
use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use crate::geo::{Position, PositionError};
use crate::graph::{NodeIndex, NodeRole, NodeSpec, Topology};
use crate::import::toml::computed_delay;
use crate::import::{Problem, TopologyError, check_size};
use crate::link::LinkSpec;
use crate::name::name_from_label;
use crate::units::format_duration;

/// Most XML elements, attributes and texts in a file: the Zoo's largest has about 30 000.
const MAX_XML_NODES: u32 = 2_000_000;
/// Most keys in a file, since every element is held against all of them; the Zoo's files have about 40.
const MAX_KEYS: usize = 1000;
/// Longest identifier that is used in a name, in octets; for longer ones the position in the file serves.
const MAX_SUFFIX_BYTES: usize = 20;
/// How many names a note lists before it only counts.
const NAMES_IN_NOTE: usize = 12;

/// What a GraphML file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GraphmlOptions {
    /// Propagation delay of links that end at a node without coordinates, in nanoseconds.
    pub default_delay_ns: Option<u64>,
    /// All other values of the links; its `delay_ns` is not used. A rate here goes before that of the file.
    pub link: LinkSpec,
}

/// Reads a topology from GraphML.
///
/// # Errors
/// The first mistake with its place in the text, or all nodes whose coordinates are missing and needed.
pub fn from_graphml(text: &str, options: &GraphmlOptions) -> Result<Topology, TopologyError> {
    check_size(text.len())?;
    let parsing =
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_XML_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, parsing).map_err(|error| xml_error(text, &error))?;
    Import::new(&document)?.run(options)
}

/// Points at the row and column that the XML reader names.
fn xml_error(text: &str, error: &roxmltree::Error) -> TopologyError {
    let position = error.pos();
    let row = (position.row as usize).saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let line = text[line_start..].lines().next().unwrap_or_default();
    let column = (position.col as usize).saturating_sub(1);
    let start = line_start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    Problem::Xml { message: error.to_string() }.at(start..end)
}

fn refuse(reason: impl Into<String>, range: Range<usize>) -> TopologyError {
    Problem::Graphml { reason: reason.into() }.at(range)
}

/// The data values of one element, by the `attr.name` of their key.
type Data<'d> = BTreeMap<&'d str, (&'d str, Range<usize>)>;

/// The keys of the file: name and default by identifier.
type Keys<'d> = BTreeMap<&'d str, Key<'d>>;

struct Key<'d> {
    name: &'d str,
    domain: &'d str,
    default: Option<(&'d str, Range<usize>)>,
}

/// A node or edge with its values.
struct Element<'d> {
    xml: Node<'d, 'd>,
    data: Data<'d>,
}

impl<'d> Element<'d> {
    /// The value of a key, if it is there and not blank.
    fn value(&self, name: &str) -> Option<(&'d str, Range<usize>)> {
        let (text, range) = self.data.get(name)?;
        let text = text.trim();
        (!text.is_empty()).then(|| (text, range.clone()))
    }

    fn required(&self, attribute: &str) -> Result<&'d str, TopologyError> {
        self.xml.attribute(attribute).ok_or_else(|| {
            refuse(format!("<{}> without {attribute}", self.xml.tag_name().name()), opening(self.xml))
        })
    }
}

/// An element's opening tag, roughly: pointing at all of a long element would help nobody.
fn opening(xml: Node<'_, '_>) -> Range<usize> {
    let range = xml.range();
    let text = &xml.document().input_text()[range.clone()];
    range.start..range.start + text.find('>').map_or(text.len(), |end| end + 1)
}

fn children<'d>(parent: Node<'d, 'd>, tag: &'static str) -> impl Iterator<Item = Node<'d, 'd>> {
    parent.children().filter(move |child| child.is_element() && child.tag_name().name() == tag)
}

fn text_of<'d>(xml: Node<'d, 'd>) -> (&'d str, Range<usize>) {
    (xml.text().unwrap_or_default(), xml.range())
}

/// An import under way.
struct Import<'d> {
    graph: Node<'d, 'd>,
    keys: Keys<'d>,
    topology: Topology,
    by_id: BTreeMap<&'d str, NodeIndex>,
}

impl<'d> Import<'d> {
    fn new(document: &'d Document<'d>) -> Result<Self, TopologyError> {
        let root = document.root_element();
        if root.tag_name().name() != "graphml" {
            return Err(refuse(format!("<{}> is not GraphML", root.tag_name().name()), opening(root)));
        }
        let graph = children(root, "graph").next();
        let graph = graph.ok_or_else(|| refuse("<graphml> without a <graph>", opening(root)))?;
        if let Some(second) = children(root, "graph").nth(1) {
            return Err(refuse("a second <graph> is not supported", opening(second)));
        }
        if let Some(key) = children(root, "key").nth(MAX_KEYS) {
            return Err(refuse(format!("more than {MAX_KEYS} keys are not supported"), opening(key)));
        }
        let keys = children(root, "key").filter_map(|key| {
            let default = children(key, "default").next().map(text_of);
            let domain = key.attribute("for").unwrap_or("all");
            Some((key.attribute("id")?, Key { name: key.attribute("attr.name")?, domain, default }))
        });
        let keys = keys.collect();
        Ok(Self { graph, keys, topology: Topology::new(""), by_id: BTreeMap::new() })
    }

    fn run(mut self, options: &GraphmlOptions) -> Result<Topology, TopologyError> {
        let graph = self.element(self.graph);
        let name = graph.value("Network").or_else(|| graph.value("label")).map(|(text, _)| text);
        self.topology.name = name.and_then(name_from_label).unwrap_or_else(|| "graphml".to_owned());
        self.refuse_unsupported()?;
        self.add_nodes()?;
        self.add_edges(options)?;
        self.note_components();
        Ok(self.topology)
    }

    fn refuse_unsupported(&self) -> Result<(), TopologyError> {
        if let Some(hyperedge) = children(self.graph, "hyperedge").next() {
            return Err(refuse("<hyperedge> is not supported", opening(hyperedge)));
        }
        let nested = children(self.graph, "node").find_map(|node| children(node, "graph").next());
        nested
            .map_or(Ok(()), |graph| Err(refuse("a <graph> inside a <node> is not supported", opening(graph))))
    }

    fn element(&self, xml: Node<'d, 'd>) -> Element<'d> {
        let tag = xml.tag_name().name();
        let serves = |key: &&Key<'d>| key.domain == "all" || key.domain == tag;
        let mut data: Data<'d> = BTreeMap::new();
        for key in self.keys.values().filter(serves) {
            if let Some(default) = &key.default {
                data.insert(key.name, default.clone());
            }
        }
        for child in children(xml, "data") {
            if let Some(key) = child.attribute("key").and_then(|id| self.keys.get(id)) {
                data.insert(key.name, text_of(child));
            }
        }
        Element { xml, data }
    }

    fn elements(&self, tag: &'static str) -> Vec<Element<'d>> {
        children(self.graph, tag).map(|xml| self.element(xml)).collect()
    }

    fn add_nodes(&mut self) -> Result<(), TopologyError> {
        let elements = self.elements("node");
        let labels: Vec<Option<String>> = elements.iter().map(label).collect();
        let mut shared: BTreeMap<&str, u32> = BTreeMap::new();
        for label in labels.iter().flatten() {
            *shared.entry(label).or_default() += 1;
        }
        for (number, (element, label)) in elements.iter().zip(&labels).enumerate() {
            let id = element.required("id")?;
            if self.by_id.contains_key(id) {
                return Err(refuse(format!("a second <node> with id `{id}`"), opening(element.xml)));
            }
            let unique = label.as_ref().filter(|label| shared.get(label.as_str()) == Some(&1));
            let name = self.free_name(label.as_deref(), unique.is_some(), id, number);
            let position = position(element, &name)?;
            let added = self.topology.add_node(NodeSpec { name, role: NodeRole::default(), position });
            let index = added.map_err(|error| Problem::from(error).at(opening(element.xml)))?;
            self.by_id.insert(id, index);
        }
        let repeated = shared.values().filter(|&&count| count > 1).count();
        if repeated > 0 {
            self.topology.add_note(format!(
                "labels that several nodes share: {repeated}; the identifier stands behind them"
            ));
        }
        Ok(())
    }

    /// The first name in a fixed sequence of candidates that no node has yet.
    fn free_name(&self, label: Option<&str>, unique: bool, id: &str, number: usize) -> String {
        let suffix = name_from_label(id).filter(|id| id.len() <= MAX_SUFFIX_BYTES);
        let suffix = suffix.unwrap_or_else(|| number.to_string());
        let label = label.unwrap_or("node");
        let plain = unique.then(|| label.to_owned());
        let further = (0_usize..).map(|attempt| format!("{label}-{suffix}-{}", number + attempt));
        let mut candidates = plain.into_iter().chain([format!("{label}-{suffix}")]).chain(further);
        let free = candidates.find(|name| self.topology.node_by_name(name).is_none());
        free.unwrap_or_else(|| format!("node-{number}"))
    }

    fn add_edges(&mut self, options: &GraphmlOptions) -> Result<(), TopologyError> {
        let edges = self.duplex_edges()?;
        self.check_coordinates(&edges, options)?;
        let mut defaulted = 0_usize;
        let mut unread_speeds = 0_usize;
        for (element, a, b) in edges {
            let mut spec = options.link;
            if spec.rate_bps.is_none() {
                let speed = element.value("LinkSpeedRaw").map(|(text, _)| bits_per_second(text));
                spec.rate_bps = speed.flatten();
                unread_speeds += usize::from(speed == Some(None));
            }
            let computed = computed_delay(&self.topology, a, b);
            defaulted += usize::from(computed.is_none());
            spec.delay_ns = computed.or(options.default_delay_ns).unwrap_or_default();
            let added = self.topology.add_link(a, b, spec);
            added.map_err(|error| Problem::from(error).at(opening(element.xml)))?;
        }
        if let (true, Some(delay_ns)) = (defaulted > 0, options.default_delay_ns) {
            let delay = format_duration(delay_ns);
            self.topology.add_note(format!(
                "links without coordinates that have the default delay of {delay}: {defaulted}"
            ));
        }
        if unread_speeds > 0 {
            self.topology
                .add_note(format!("edges whose LinkSpeedRaw is no rate and was not used: {unread_speeds}"));
        }
        Ok(())
    }

    /// The edges with their ends, without self-loops, and with opposite directions joined.
    fn duplex_edges(&mut self) -> Result<Vec<(Element<'d>, NodeIndex, NodeIndex)>, TopologyError> {
        let directed_graph = self.graph.attribute("edgedefault") == Some("directed");
        let mut waiting: BTreeMap<(NodeIndex, NodeIndex), u32> = BTreeMap::new();
        let mut edges = Vec::new();
        let (mut loops, mut joined) = (Vec::new(), 0_usize);
        for element in self.elements("edge") {
            let (a, b) = (self.end(&element, "source")?, self.end(&element, "target")?);
            let directed = element.xml.attribute("directed").map_or(directed_graph, |value| value == "true");
            if a == b {
                loops.push(self.name(a));
            } else if let (true, Some(count @ 1..)) = (directed, waiting.get_mut(&(b, a))) {
                *count -= 1;
                joined += 1;
            } else {
                *waiting.entry((a, b)).or_default() += u32::from(directed);
                edges.push((element, a, b));
            }
        }
        if !loops.is_empty() {
            let text = format!("{} dropped: {}", count(loops.len(), "self-loop"), some_of(&loops));
            self.topology.add_note(text);
        }
        if joined > 0 {
            self.topology.add_note(format!("opposite directed edges that became one duplex link: {joined}"));
        }
        Ok(edges)
    }

    fn end(&self, element: &Element<'d>, attribute: &'static str) -> Result<NodeIndex, TopologyError> {
        let id = element.required(attribute)?;
        let unknown = || Problem::UnknownNode { name: id.to_owned(), nearest: None }.at(opening(element.xml));
        self.by_id.get(id).copied().ok_or_else(unknown)
    }

    /// Without a default delay, every node at the end of a link needs coordinates.
    fn check_coordinates(
        &mut self,
        edges: &[(Element<'d>, NodeIndex, NodeIndex)],
        options: &GraphmlOptions,
    ) -> Result<(), TopologyError> {
        let mut ends: Vec<NodeIndex> = edges.iter().flat_map(|&(_, a, b)| [a, b]).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.retain(|&end| self.topology.node(end).is_some_and(|node| node.position.is_none()));
        let Some(first) = ends.first().copied() else { return Ok(()) };
        let nodes: Vec<String> = ends.into_iter().map(|end| self.name(end)).collect();
        if options.default_delay_ns.is_none() {
            // Nodes have the order of their elements.
            let xml = children(self.graph, "node").nth(first.index()).unwrap_or(self.graph);
            return Err(Problem::NoCoordinates { nodes }.at(opening(xml)));
        }
        self.topology.add_note(format!(
            "{} without coordinates: {}",
            count(nodes.len(), "node"),
            some_of(&nodes)
        ));
        Ok(())
    }

    fn note_components(&mut self) {
        let components = self.topology.components();
        if components.len() > 1 {
            let largest = components.iter().map(Vec::len).max().unwrap_or_default();
            let text = format!(
                "not connected: {} parts, the largest of {}",
                components.len(),
                count(largest, "node")
            );
            self.topology.add_note(text);
        }
    }

    fn name(&self, index: NodeIndex) -> String {
        self.topology.node(index).map(|node| node.name.clone()).unwrap_or_default()
    }
}

/// A usable label. The Zoo's tool writes `None` for nodes that it made up to split a line.
fn label(element: &Element<'_>) -> Option<String> {
    element.value("label").filter(|&(text, _)| text != "None").and_then(|(text, _)| name_from_label(text))
}

fn position(element: &Element<'_>, node: &str) -> Result<Option<Position>, TopologyError> {
    let half = |has, lacks, at| Problem::HalfPosition { node: node.to_owned(), has, lacks }.at(at);
    match (element.value("Latitude"), element.value("Longitude")) {
        (None, None) => Ok(None),
        (Some((_, at)), None) => Err(half("latitude", "longitude", at)),
        (None, Some((_, at))) => Err(half("longitude", "latitude", at)),
        (Some((latitude, latitude_at)), Some((longitude, longitude_at))) => {
            let position = Position::new(degrees(latitude), degrees(longitude));
            position.map(Some).map_err(|error| match error {
                PositionError::Latitude { .. } => Problem::from(error).at(latitude_at),
                PositionError::Longitude { .. } => Problem::from(error).at(longitude_at),
            })
        }
    }
}

/// What is no number becomes NaN, which is no point on the Earth either, and is refused as such.
fn degrees(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// A rate such as `10000000000.0`, in whole bits per second.
fn bits_per_second(text: &str) -> Option<u64> {
    let whole =
        text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0')).map_or(text, |(w, _)| w);
    whole.parse().ok().filter(|&bps| bps > 0)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn some_of(names: &[String]) -> String {
    let listed = names[..names.len().min(NAMES_IN_NOTE)].join(", ");
    let rest = names.len().saturating_sub(NAMES_IN_NOTE);
    if rest > 0 { format!("{listed} and {rest} more") } else { listed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file with the Zoo's keys under identifiers of its own, a graph with these attributes, and this content.
    fn file_with(attributes: &str, content: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="Network" attr.type="string" for="graph" id="k0" />
  <key attr.name="label" attr.type="string" for="node" id="k1" />
  <key attr.name="Latitude" attr.type="double" for="node" id="k2" />
  <key attr.name="Longitude" attr.type="double" for="node" id="k3" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="k4" />
  <graph {attributes}><data key="k0">Test net</data>
{content}
  </graph>
</graphml>"#
        )
    }

    fn file(content: &str) -> String {
        file_with("edgedefault=\"undirected\"", content)
    }

    fn node(id: &str, label: &str, coordinates: Option<(f64, f64)>) -> String {
        let coordinates = coordinates.map_or_else(String::new, |(latitude, longitude)| {
            format!("<data key=\"k2\">{latitude}</data><data key=\"k3\">{longitude}</data>")
        });
        format!("<node id=\"{id}\"><data key=\"k1\">{label}</data>{coordinates}</node>\n")
    }

    fn edge(a: &str, b: &str) -> String {
        format!("<edge source=\"{a}\" target=\"{b}\" />\n")
    }

    /// Nodes 0 to 2 called A, B, C on the equator, one degree apart.
    fn three() -> String {
        ["A", "B", "C"]
            .iter()
            .enumerate()
            .map(|(i, name)| node(&i.to_string(), name, Some((0.0, [0.0, 1.0, 2.0][i]))))
            .collect()
    }

    fn import(text: &str) -> Result<Topology, TopologyError> {
        from_graphml(text, &GraphmlOptions::default())
    }

    fn names(topology: &Topology) -> Vec<&str> {
        topology.nodes().map(|(_, node)| node.name.as_str()).collect()
    }

    fn link_names(topology: &Topology) -> Vec<String> {
        topology.links().filter_map(|(index, ..)| topology.link_name(index)).collect()
    }

    /// The message contains this and the place begins with that.
    fn check_error(text: &str, message: &str, place: &str) {
        let error = import(text).unwrap_err();
        assert!(error.message().contains(message), "{}", error.message());
        let found = error.span().map(|span| &text[span]).unwrap_or_default();
        assert!(found.starts_with(place), "{found:?} instead of {place:?}");
    }

    #[test]
    fn labels_coordinates_and_edges_are_read() {
        let topology = import(&file(&(three() + &edge("0", "1") + &edge("2", "1")))).unwrap();
        assert_eq!(topology.name, "Test net");
        assert_eq!(names(&topology), ["A", "B", "C"]);
        assert_eq!(link_names(&topology), ["A--B", "C--B"]);
        // One degree of the equator is 111 195 m.
        assert!(
            topology.links().all(|(_, _, _, link)| link.delay_ns == 556_360),
            "{:?}",
            topology.links().next()
        );
        assert_eq!(topology.notes(), [""; 0]);
    }

    #[test]
    fn shared_labels_get_their_identifiers() {
        let at = Some((1.0, 1.0));
        let nodes = [node("7", "Athens", at), node("8", "Sparta", at), node("n/9", "Athens", at)].concat();
        let topology = import(&file(&nodes)).unwrap();
        assert_eq!(names(&topology), ["Athens-7", "Sparta", "Athens-n-9"]);
        assert_eq!(
            topology.notes()[0],
            "labels that several nodes share: 1; the identifier stands behind them"
        );
    }

    #[test]
    fn nodes_without_a_usable_label_are_called_by_their_identifier() {
        let nodes = [node("3", "None", None), node("4", "", None), "<node id=\"5\" />".to_owned()].concat();
        assert_eq!(names(&import(&file(&nodes)).unwrap()), ["node-3", "node-4", "node-5"]);
    }

    #[test]
    fn names_stay_unique_when_a_label_looks_like_a_suffixed_one() {
        let nodes = [node("1", "A-2", None), node("2", "A", None), node("3", "A", None)].concat();
        assert_eq!(names(&import(&file(&nodes)).unwrap()), ["A-2", "A-2-1", "A-3"]);
    }

    #[test]
    fn labels_that_no_name_may_hold_are_cleaned() {
        let nodes = node("1", " Frankfurt/Main  *1--2 ", None);
        assert_eq!(names(&import(&file(&nodes)).unwrap()), ["Frankfurt-Main -1-2"]);
    }

    #[test]
    fn all_missing_coordinates_are_named_unless_a_default_is_given() {
        let nodes = three() + &node("8", "X", None) + &node("9", "Y", None) + &node("10", "unlinked", None);
        let text = file(&(nodes + &edge("0", "8") + &edge("9", "8") + &edge("0", "1")));
        let error = import(&text).unwrap_err();
        assert_eq!(error.message(), "no coordinates, hence no delays, for 2 nodes: X, Y");
        assert_eq!(text[error.span().unwrap()], *"<node id=\"8\">");
        assert!(error.help().unwrap().contains("default delay"));

        let options = GraphmlOptions { default_delay_ns: Some(3_000_000), ..GraphmlOptions::default() };
        let topology = from_graphml(&text, &options).unwrap();
        let delays: Vec<u64> = topology.links().map(|(_, _, _, link)| link.delay_ns).collect();
        assert_eq!(delays, [3_000_000, 3_000_000, 556_360]);
        let expected = [
            "2 nodes without coordinates: X, Y",
            "links without coordinates that have the default delay of 3ms: 2",
        ];
        assert_eq!(topology.notes()[..2], expected);
    }

    #[test]
    fn the_rate_is_that_of_the_template_then_that_of_the_file() {
        let fast =
            |speed: &str| format!("<edge source=\"0\" target=\"1\"><data key=\"k4\">{speed}</data></edge>\n");
        let text = file(&(three() + &fast("10000000000.0") + &fast("fast") + &edge("1", "2")));
        let rates = |options| {
            let topology = from_graphml(&text, &options).unwrap();
            topology.links().map(|(_, _, _, link)| link.rate_bps).collect::<Vec<_>>()
        };
        assert_eq!(rates(GraphmlOptions::default()), [Some(10_000_000_000), None, None]);
        let link = LinkSpec { rate_bps: Some(5), mtu: 9000, ..LinkSpec::default() };
        assert_eq!(rates(GraphmlOptions { link, default_delay_ns: None }), [Some(5); 3]);
        assert_eq!(
            import(&text).unwrap().notes(),
            ["edges whose LinkSpeedRaw is no rate and was not used: 1"]
        );
    }

    #[test]
    fn parallel_edges_stay_and_self_loops_go() {
        let edges = [edge("0", "1"), edge("1", "1"), edge("1", "0"), edge("1", "2")].concat();
        let topology = import(&file(&(three() + &edges))).unwrap();
        assert_eq!(link_names(&topology), ["A--B", "B--A#2", "B--C"]);
        assert_eq!(topology.notes(), ["1 self-loop dropped: B"]);
    }

    #[test]
    fn opposite_directed_edges_become_one_link() {
        let edges = [edge("0", "1"), edge("1", "0"), edge("1", "2"), edge("0", "1")].concat();
        let topology = import(&file_with("edgedefault=\"directed\"", &(three() + &edges))).unwrap();
        assert_eq!(link_names(&topology), ["A--B", "B--C", "A--B#2"]);
        assert_eq!(topology.notes(), ["opposite directed edges that became one duplex link: 1"]);
    }

    #[test]
    fn a_network_in_parts_is_allowed_and_noted() {
        let topology = import(&file(&(three() + &edge("0", "1")))).unwrap();
        assert!(!topology.is_connected());
        assert_eq!(topology.notes(), ["not connected: 2 parts, the largest of 2 nodes"]);
    }

    #[test]
    fn the_default_of_a_key_counts_where_a_value_is_missing() {
        let text = file(&(three() + &edge("0", "1")));
        let key = "for=\"edge\" id=\"k4\" />";
        let text = text.replace(key, "for=\"edge\" id=\"k4\"><default>64000</default></key>");
        assert_eq!(import(&text).unwrap().links().next().unwrap().3.rate_bps, Some(64_000));
    }

    #[test]
    fn broken_xml_is_pointed_at() {
        check_error("<graphml>\n  <graph>\n  </grph>\n</graphml>", "", "<");
        check_error("", "", "");
        check_error("no xml", "", "n");
        for text in ["", " \n", "no xml"] {
            let help = import(text).unwrap_err().help();
            assert_eq!(help.as_deref(), Some("GraphML begins with <graphml>"), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_graphml_is_pointed_at() {
        check_error("<html/>", "<html> is not GraphML", "<html/>");
        check_error("<graphml></graphml>", "without a <graph>", "<graphml>");
        check_error("<graphml><graph/><graph id='2'/></graphml>", "a second <graph>", "<graph id='2'/>");
        check_error(&file("<hyperedge/>"), "<hyperedge> is not supported", "<hyperedge/>");
        check_error(&file("<node id='1'><graph/></node>"), "inside a <node>", "<graph/>");
    }

    #[test]
    fn broken_nodes_and_edges_are_pointed_at() {
        check_error(&file("<node/>"), "<node> without id", "<node/>");
        check_error(&file("<node id='1'/><node id='1' />"), "a second <node> with id `1`", "<node id='1' />");
        check_error(&file(&(three() + "<edge source='0'/>")), "<edge> without target", "<edge source='0'/>");
        check_error(&file(&(three() + &edge("0", "77"))), "there is no node `77`", "<edge source=\"0\"");
        check_error(&file(&node("1", "N", Some((95.0, 0.0)))), "latitude of 95", "<data key=\"k2\">95");
        let half = "<node id='1'><data key='k2'>5</data></node>";
        check_error(&file(half), "`node-1` has latitude without longitude", "<data key='k2'>");
        let word = "<node id='1'><data key='k2'>5</data><data key='k3'>east</data></node>";
        check_error(&file(word), "longitude of NaN", "<data key='k3'>east");
    }

    #[test]
    fn entity_bombs_are_refused_unopened() {
        let bomb = "<!DOCTYPE b [<!ENTITY a \"xxxxxxxxxx\"><!ENTITY b \"&a;&a;&a;\">]><graphml>&b;</graphml>";
        check_error(bomb, "DTD", "");
    }

    #[test]
    fn thousands_of_keys_are_refused() {
        let keys = "<key id='a' attr.name='b'/>".repeat(MAX_KEYS);
        assert!(import(&format!("<graphml>{keys}<graph/></graphml>")).is_ok());
        let text = format!("<graphml>{keys}<key id='last'/><graph/></graphml>");
        check_error(&text, "more than 1000 keys", "<key id='last'/>");
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let depth = 200_000;
        let text = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(import(&text).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", inside in "[<>/a-z \"'=&;]{0,60}") {
            let _ = import(&text);
            let _ = import(&file(&inside));
        }

        #[test]
        fn no_cut_or_change_of_a_good_file_panics_or_points_outside(
            at in 0_usize..2000,
            replacement in "[-a-z0-9<>/\"&;é]{0,3}",
            cut: bool,
        ) {
            let good = file(&(three() + &edge("0", "1") + &node("8", "None", None) + &edge("2", "8")));
            let at = at % good.len();
            let tail = if cut { "" } else { &good[at + 1..] };
            let text = format!("{}{replacement}{tail}", &good[..at]);
            if let Err(error) = import(&text) {
                prop_assert!(error.span().is_none_or(|span| text.get(span).is_some()), "{:?}", error);
            }
        }

        #[test]
        fn names_are_unique_whatever_labels_and_identifiers(labels in prop::collection::vec("[AB1-]{0,3}", 0..12)) {
            let nodes: String = labels.iter().enumerate().map(|(id, label)| node(&id.to_string(), label, None)).collect();
            let topology = import(&file(&nodes)).unwrap();
            prop_assert_eq!(topology.node_count(), labels.len());
        }
    }
}
