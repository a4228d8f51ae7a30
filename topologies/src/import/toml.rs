//! Our own topology format, in TOML.
//!
//! ```toml
//! name = "two-cities"
//!
//! [defaults]                # of links; each key may be left out
//! rate = "10Gbps"           # else unlimited
//! mtu = 1500
//!
//! [[nodes]]
//! name = "Berlin"
//! latitude = 52.52          # degrees; both or none
//! longitude = 13.40
//!
//! [[nodes]]
//! name = "Hamburg"
//! role = "router"           # site (default), hub, spoke, router
//! latitude = 53.55
//! longitude = 9.99
//!
//! [[links]]
//! a = "Berlin"
//! b = "Hamburg"
//! loss = "0.1%"             # also delay, rate, jitter, reorder, mtu, queue, framing
//! ```
//!
//! The delay of a link is what the link states; else the time of light in fibre along the great circle when both
//! ends have coordinates; else the default; else an error, for a silent zero would falsify a study. The other
//! values are what the link states, else the default, else that of [`LinkSpec::default`].
//!
//! Every value keeps its place in the text, so that an error can point at it.

use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::geo::{self, Position};
use crate::graph::{GraphError, NodeIndex, NodeRole, NodeSpec, Topology};
use crate::import::{Problem, TopologyError, check_size};
use crate::link::{Framing, LinkError, LinkSpec, LinkValue, ReorderSpec};
use crate::name::{check_name, nearest};
use crate::units::{self, Quantity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    defaults: Values,
    nodes: Vec<Node>,
    #[serde(default)]
    links: Vec<Spanned<Link>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    name: Spanned<String>,
    #[serde(default)]
    role: NodeRole,
    latitude: Option<Spanned<f64>>,
    longitude: Option<Spanned<f64>>,
}

/// Values of links as written; whether they make sense is asked later, with the place at hand.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Values {
    delay: Option<Spanned<Value>>,
    rate: Option<Spanned<Value>>,
    jitter: Option<Spanned<Value>>,
    reorder: Option<Spanned<ReorderValues>>,
    loss: Option<Spanned<Value>>,
    mtu: Option<Spanned<Value>>,
    queue: Option<Spanned<Value>>,
    framing: Option<Spanned<Value>>,
}

/// How packets are held back, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReorderValues {
    probability: Spanned<Value>,
    delay: Spanned<Value>,
    #[serde(default)]
    distribution: ReorderDistribution,
}

#[derive(Clone, Copy, Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum ReorderDistribution {
    #[default]
    Constant,
    Exponential,
}

/// A link. The values are listed again instead of flattened, because flattening loses spans and unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    a: Spanned<String>,
    b: Spanned<String>,
    delay: Option<Spanned<Value>>,
    rate: Option<Spanned<Value>>,
    jitter: Option<Spanned<Value>>,
    reorder: Option<Spanned<ReorderValues>>,
    loss: Option<Spanned<Value>>,
    mtu: Option<Spanned<Value>>,
    queue: Option<Spanned<Value>>,
    framing: Option<Spanned<Value>>,
}

impl Link {
    fn into_parts(self) -> (Spanned<String>, Spanned<String>, Values) {
        let Self { a, b, delay, rate, jitter, reorder, loss, mtu, queue, framing } = self;
        (a, b, Values { delay, rate, jitter, reorder, loss, mtu, queue, framing })
    }
}

/// Reads a topology in our own format.
///
/// # Errors
/// The first mistake, with its place in the text.
pub fn from_toml(text: &str) -> Result<Topology, TopologyError> {
    check_size(text.len())?;
    let file: File = toml::from_str(text).map_err(|error| TopologyError {
        problem: Problem::Toml { message: error.message().to_owned() },
        span: error.span(),
    })?;
    let defaults = Defaults::read(&file.defaults)?;
    let mut topology = Topology::new(topology_name(file.name)?);
    for node in file.nodes {
        add_node(&mut topology, node)?;
    }
    for link in file.links {
        let span = link.span();
        add_link(&mut topology, link.into_inner(), span, &defaults)?;
    }
    Ok(topology)
}

fn topology_name(name: Spanned<String>) -> Result<String, TopologyError> {
    let (span, name) = (name.span(), name.into_inner());
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(reason) => Err(Problem::Name { name, reason }.at(span)),
    }
}

/// Values for links that state none; here a delay may be missing.
struct Defaults {
    link: LinkSpec,
    delay_ns: Option<u64>,
}

impl Defaults {
    fn read(values: &Values) -> Result<Self, TopologyError> {
        let mut link = LinkSpec::default();
        let delay_ns = values.apply(&mut link)?;
        Ok(Self { link, delay_ns })
    }
}

impl Values {
    /// Overwrites what is stated; answers the delay if that is.
    fn apply(&self, link: &mut LinkSpec) -> Result<Option<u64>, TopologyError> {
        let delay_ns =
            read(self.delay.as_ref(), |v| quantity("delay", v, Quantity::Duration, units::parse_duration))?;
        if let Some(rate) =
            read(self.rate.as_ref(), |v| quantity("rate", v, Quantity::Rate, units::parse_rate))?
        {
            link.rate_bps = Some(rate);
        }
        let jitter =
            read(self.jitter.as_ref(), |v| quantity("jitter", v, Quantity::Duration, units::parse_duration))?;
        link.jitter_ns = jitter.unwrap_or(link.jitter_ns);
        if let Some(reorder) = &self.reorder {
            link.reorder = Some(reorder.get_ref().read()?);
        }
        link.loss_ppb = read(self.loss.as_ref(), |v| loss("loss", v))?.unwrap_or(link.loss_ppb);
        link.mtu = read(self.mtu.as_ref(), mtu)?.unwrap_or(link.mtu);
        let queue = read(self.queue.as_ref(), |v| quantity("queue", v, Quantity::Size, units::parse_size))?;
        link.queue_bytes = queue.unwrap_or(link.queue_bytes);
        link.framing = read(self.framing.as_ref(), framing)?.unwrap_or(link.framing);
        link.delay_ns = delay_ns.unwrap_or(link.delay_ns);
        link.validate().map_err(|reason| self.out_of_range(reason))?;
        Ok(delay_ns)
    }

    /// Points at the value that is out of range.
    fn out_of_range(&self, reason: LinkError) -> TopologyError {
        let span = |value: &Option<Spanned<Value>>| value.as_ref().map(Spanned::span);
        let span = match reason.value() {
            LinkValue::Delay => span(&self.delay),
            LinkValue::Rate => span(&self.rate),
            LinkValue::Jitter => span(&self.jitter),
            LinkValue::Reorder => self.reorder.as_ref().map(Spanned::span),
            LinkValue::Loss => span(&self.loss),
            LinkValue::Mtu => span(&self.mtu),
            LinkValue::Queue => span(&self.queue),
        };
        TopologyError { problem: Problem::Link(reason), span }
    }
}

impl ReorderValues {
    fn read(&self) -> Result<ReorderSpec, TopologyError> {
        let at = |value: &Spanned<Value>, problem: Problem| problem.at(value.span());
        let delay = quantity("delay", self.delay.get_ref(), Quantity::Duration, units::parse_duration);
        Ok(ReorderSpec {
            probability_ppb: loss("probability", self.probability.get_ref())
                .map_err(|problem| at(&self.probability, problem))?,
            delay_ns: delay.map_err(|problem| at(&self.delay, problem))?,
            is_exponential: self.distribution == ReorderDistribution::Exponential,
        })
    }
}

/// Reads a value that may be missing, and puts its place into the error.
fn read<T>(
    value: Option<&Spanned<Value>>,
    parse: impl Fn(&Value) -> Result<T, Problem>,
) -> Result<Option<T>, TopologyError> {
    value.map(|value| parse(value.get_ref()).map_err(|problem| problem.at(value.span()))).transpose()
}

fn quantity(
    key: &'static str,
    value: &Value,
    quantity: Quantity,
    parse: fn(&str) -> Result<u64, units::UnitError>,
) -> Result<u64, Problem> {
    match value {
        Value::String(text) => Ok(parse(text)?),
        other => Err(Problem::Type { key, found: kind(other), wanted: quantity.help() }),
    }
}

fn loss(key: &'static str, value: &Value) -> Result<u32, Problem> {
    match value {
        Value::String(text) => Ok(units::parse_loss(text)?),
        Value::Float(number) => Ok(units::loss_from_number(*number)?),
        Value::Integer(number) => Ok(units::parse_loss(&number.to_string())?),
        other => Err(Problem::Type { key, found: kind(other), wanted: Quantity::Loss.help() }),
    }
}

fn framing(value: &Value) -> Result<Framing, Problem> {
    match value {
        Value::String(text) => Ok(text.parse()?),
        other => Err(Problem::Type { key: "framing", found: kind(other), wanted: Framing::HELP }),
    }
}

/// The type of a value, as it reads in a sentence.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number with decimals",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}

fn mtu(value: &Value) -> Result<u32, Problem> {
    let wanted = "write a number of octets from 68 to 65535, for example 1500";
    match value {
        Value::Integer(number) => u32::try_from(*number).map_err(|_| Problem::Type {
            key: "mtu",
            found: if *number < 0 { "negative" } else { "so large" },
            wanted,
        }),
        other => Err(Problem::Type { key: "mtu", found: kind(other), wanted }),
    }
}

fn add_node(topology: &mut Topology, node: Node) -> Result<NodeIndex, TopologyError> {
    let position = position(&node)?;
    let (span, name) = (node.name.span(), node.name.into_inner());
    let added = topology.add_node(NodeSpec { name, role: node.role, position });
    added.map_err(|error| Problem::from(error).at(span))
}

fn position(node: &Node) -> Result<Option<Position>, TopologyError> {
    let half =
        |has, lacks, span| Problem::HalfPosition { node: node.name.get_ref().clone(), has, lacks }.at(span);
    match (&node.latitude, &node.longitude) {
        (None, None) => Ok(None),
        (Some(latitude), None) => Err(half("latitude", "longitude", latitude.span())),
        (None, Some(longitude)) => Err(half("longitude", "latitude", longitude.span())),
        (Some(latitude), Some(longitude)) => {
            let position = Position::new(*latitude.get_ref(), *longitude.get_ref());
            position.map(Some).map_err(|error| {
                let wrong =
                    if matches!(error, geo::PositionError::Latitude { .. }) { latitude } else { longitude };
                Problem::from(error).at(wrong.span())
            })
        }
    }
}

fn add_link(
    topology: &mut Topology,
    link: Link,
    span: Range<usize>,
    defaults: &Defaults,
) -> Result<(), TopologyError> {
    let (a_name, b_name, values) = link.into_parts();
    let (a, b) = (end(topology, &a_name)?, end(topology, &b_name)?);
    if a == b {
        return Err(Problem::Graph(GraphError::SelfLoop { name: b_name.get_ref().clone() }).at(b_name.span()));
    }
    let mut spec = defaults.link;
    if values.apply(&mut spec)?.is_none() {
        let delay_ns = computed_delay(topology, a, b).or(defaults.delay_ns);
        spec.delay_ns = delay_ns.ok_or_else(|| no_delay(topology, a, b).at(span.clone()))?;
    }
    topology.add_link(a, b, spec).map_err(|error| Problem::from(error).at(span))?;
    Ok(())
}

fn end(topology: &Topology, name: &Spanned<String>) -> Result<NodeIndex, TopologyError> {
    topology.node_by_name(name.get_ref()).ok_or_else(|| {
        let nearest = nearest(name.get_ref(), topology.names()).map(str::to_owned);
        Problem::UnknownNode { name: name.get_ref().clone(), nearest }.at(name.span())
    })
}

/// The delay along the great circle, when both ends have coordinates.
pub(super) fn computed_delay(topology: &Topology, a: NodeIndex, b: NodeIndex) -> Option<u64> {
    Some(geo::delay_ns(topology.node(a)?.position?, topology.node(b)?.position?))
}

fn no_delay(topology: &Topology, a: NodeIndex, b: NodeIndex) -> Problem {
    let ends = [a, b].map(|end| topology.node(end));
    let [a, b] = ends.map(|end| end.map(|node| node.name.clone()).unwrap_or_default());
    let missing = ends.into_iter().flatten().filter(|node| node.position.is_none());
    Problem::NoDelay { a, b, missing: missing.map(|node| node.name.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO_CITIES: &str = r#"
name = "two-cities"

[defaults]
rate = "10Gbps"
mtu = 9000

[[nodes]]
name = "Berlin"
latitude = 52.52
longitude = 13.40

[[nodes]]
name = "Hamburg"
role = "router"
latitude = 53.55
longitude = 10

[[nodes]]
name = "Moon"

[[links]]
a = "Berlin"
b = "Hamburg"
loss = "0.1%"

[[links]]
a = "Hamburg"
b = "Moon"
delay = "1.28s"
rate = "1Mbps"
jitter = "5ms"
reorder = { probability = "2%", delay = "2ms", distribution = "exponential" }
loss = 0.01
mtu = 1500
queue = "64KiB"
framing = "ethernet"
"#;

    /// Two nodes without coordinates, and this behind them.
    fn with_nodes(rest: &str) -> String {
        format!("name = \"t\"\n[[nodes]]\nname = \"left\"\n[[nodes]]\nname = \"right\"\n{rest}")
    }

    /// Two nodes and a link with this line.
    fn with_link(line: &str) -> String {
        with_nodes(&format!("[[links]]\na = \"left\"\nb = \"right\"\n{line}\n"))
    }

    /// The message contains this, the place is this text, and the help contains that.
    fn check_error(text: &str, message: &str, place: &str, help: &str) {
        let error = from_toml(text).unwrap_err();
        assert!(error.message().contains(message), "{}", error.message());
        assert_eq!(error.span().map(|span| &text[span]), Some(place), "{}", error.message());
        assert!(error.help().unwrap_or_default().contains(help), "{:?}", error.help());
    }

    #[test]
    fn what_is_stated_is_read() {
        let topology = from_toml(TWO_CITIES).unwrap();
        assert_eq!((topology.name.as_str(), topology.node_count()), ("two-cities", 3));
        let hamburg = topology.node(topology.node_by_name("Hamburg").unwrap()).unwrap();
        assert_eq!(hamburg.role, NodeRole::Router);
        assert_eq!(hamburg.position, Some(Position::new(53.55, 10.0).unwrap()));
        let expected = LinkSpec {
            delay_ns: 1_280_000_000,
            rate_bps: Some(1_000_000),
            jitter_ns: 5_000_000,
            reorder: Some(ReorderSpec {
                probability_ppb: 20_000_000,
                delay_ns: 2_000_000,
                is_exponential: true,
            }),
            loss_ppb: 10_000_000,
            mtu: 1500,
            queue_bytes: 65_536,
            framing: Framing::Ethernet,
        };
        assert_eq!(topology.link(topology.link_by_name("Moon--Hamburg").unwrap()), Some(&expected));
    }

    #[test]
    fn what_is_not_stated_comes_from_coordinates_and_defaults() {
        let topology = from_toml(TWO_CITIES).unwrap();
        let link = topology.link(topology.link_by_name("Berlin--Hamburg").unwrap()).unwrap();
        assert!((1_200_000..1_300_000).contains(&link.delay_ns), "255 km take {} ns", link.delay_ns);
        let delay_ns = link.delay_ns;
        let stated = LinkSpec {
            rate_bps: Some(10_000_000_000),
            loss_ppb: 1_000_000,
            mtu: 9000,
            ..LinkSpec::with_delay(delay_ns)
        };
        assert_eq!(*link, stated);
    }

    #[test]
    fn coordinates_go_before_the_default_delay_and_the_link_before_both() {
        let text = TWO_CITIES.replace("[defaults]", "[defaults]\ndelay = \"9ms\"");
        let delay = |text: &str, name| {
            let topology = from_toml(text).unwrap();
            topology.link(topology.link_by_name(name).unwrap()).unwrap().delay_ns
        };
        assert_eq!(delay(&text, "Berlin--Hamburg"), delay(TWO_CITIES, "Berlin--Hamburg"));
        assert_eq!(delay(&text, "Hamburg--Moon"), 1_280_000_000);
        assert_eq!(delay(&text.replace("delay = \"1.28s\"", ""), "Hamburg--Moon"), 9_000_000);
    }

    #[test]
    fn parallel_links_stay_apart() {
        let link = "[[links]]\na = \"left\"\nb = \"right\"\ndelay = \"1ms\"\n";
        let topology = from_toml(&with_nodes(&link.repeat(2))).unwrap();
        assert_eq!(topology.link_count(), 2);
        assert!(topology.link_by_name("right--left#2").is_some());
    }

    #[test]
    fn unknown_keys_are_refused_and_the_allowed_ones_listed() {
        check_error(
            &with_link("dely = \"1ms\""),
            "unknown field `dely`, expected one of `a`, `b`, `delay`",
            "dely",
            "",
        );
        check_error(
            "name = \"t\"\nnodes = []\nsize = 3",
            "expected one of `name`, `defaults`, `nodes`",
            "size",
            "",
        );
        check_error(
            "name = \"t\"\n[defaults]\nlag = 1\n[[nodes]]\nname=\"a\"",
            "`delay`, `rate`, `jitter`",
            "lag",
            "",
        );
    }

    #[test]
    fn an_unknown_role_is_refused_and_the_allowed_ones_listed() {
        let text = "name = \"t\"\n[[nodes]]\nname = \"a\"\nrole = \"boss\"";
        check_error(text, "expected one of `site`, `hub`, `spoke`, `router`", "\"boss\"", "");
    }

    #[test]
    fn broken_toml_is_pointed_at() {
        let error = from_toml("name = \"t\"\nnodes = [").unwrap_err();
        assert!(matches!(error.problem, Problem::Toml { .. }));
        assert!(error.span().is_some());
    }

    #[test]
    fn a_unit_that_does_not_exist_is_pointed_at() {
        check_error(
            &with_link("delay = \"20 parsecs\""),
            "`parsecs` is no such unit",
            "\"20 parsecs\"",
            "ns, us, ms",
        );
        check_error(&with_link("rate = \"1GB\""), "`1GB` is not a rate", "\"1GB\"", "Gbps");
        check_error(&with_link("queue = \"10\""), "the unit is missing", "\"10\"", "KiB");
        check_error(&with_link("jitter = \"-1ms\""), "it is negative", "\"-1ms\"", "ms");
        check_error(&with_link("framing = \"atm\""), "`atm` is no framing", "\"atm\"", "ethernet");
    }

    #[test]
    fn numbers_without_units_are_refused_where_units_belong() {
        check_error(&with_link("delay = 20"), "delay cannot be an integer", "20", "for example \"20ms\"");
        check_error(&with_link("loss = true"), "loss cannot be true or false", "true", "from 0 to 1");
        check_error(&with_link("mtu = \"1500B\""), "mtu cannot be a text", "\"1500B\"", "68 to 65535");
        check_error(&with_link("framing = 38"), "framing cannot be an integer", "38", "ethernet");
    }

    #[test]
    fn values_out_of_range_are_pointed_at() {
        check_error(&with_link("loss = -0.1"), "it is negative", "-0.1", "from 0 to 1");
        check_error(&with_link("loss = 1.5"), "it is too large", "1.5", "from 0 to 1");
        check_error(&with_link("loss = 2"), "it is too large", "2", "from 0 to 1");
        let reorder = |inside: &str| with_link(&format!("reorder = {{ {inside} }}"));
        check_error(&reorder("probability = 2, delay = \"1ms\""), "it is too large", "2", "from 0 to 1");
        check_error(
            &reorder("probability = 0.1, delay = \"0s\""),
            "not between 1ns and",
            "{ probability = 0.1, delay = \"0s\" }",
            "",
        );
        check_error(&reorder("probability = 0.1, delay = 3"), "delay cannot be an integer", "3", "20ms");
        check_error(&with_link("mtu = 20"), "mtu of 20 is not between 68 and 65535", "20", "");
        check_error(&with_link("mtu = -5"), "mtu cannot be negative", "-5", "68 to 65535");
        check_error(&with_link("delay = \"2d\""), "above the limit of 1d", "\"2d\"", "");
        check_error(&with_link("rate = \"0bps\""), "carries nothing", "\"0bps\"", "");
        check_error(&with_nodes("[defaults]\nqueue = \"0B\""), "holds nothing", "\"0B\"", "");
    }

    #[test]
    fn a_mistyped_end_is_pointed_at_and_the_nearest_name_suggested() {
        let text = with_nodes("[[links]]\na = \"left\"\nb = \"rihgt\"\ndelay = \"1ms\"");
        check_error(&text, "there is no node `rihgt`", "\"rihgt\"", "did you mean `right`?");
        let text = with_nodes("[[links]]\na = \"Timbuktu\"\nb = \"right\"\ndelay = \"1ms\"");
        check_error(&text, "there is no node `Timbuktu`", "\"Timbuktu\"", "is the name of a node");
    }

    #[test]
    fn a_second_node_of_one_name_is_pointed_at() {
        let text = with_nodes("[[nodes]]\nname = 'left'");
        check_error(&text, "there is a node `left` already", "'left'", "a name of its own");
    }

    #[test]
    fn a_name_that_cannot_be_is_pointed_at() {
        check_error(
            "name = \"a/b\"\nnodes = []",
            "`a/b` cannot be a topology: '/' cannot occur",
            "\"a/b\"",
            "reserved",
        );
        check_error(&with_nodes("[[nodes]]\nname = \"a*\""), "'*' cannot occur", "\"a*\"", "reserved");
    }

    #[test]
    fn a_link_to_itself_is_pointed_at() {
        let text = with_nodes("[[links]]\na = \"left\"\nb = 'left'\ndelay = \"1ms\"");
        check_error(&text, "cannot join `left` to itself", "'left'", "");
    }

    #[test]
    fn a_link_without_any_delay_names_the_ends_without_coordinates() {
        let error = from_toml(&with_link("")).unwrap_err();
        let expected =
            "link left--right has no delay, and none follows without coordinates of left and right";
        assert_eq!(error.message(), expected);
        assert!(error.span().is_some());
        assert!(error.help().unwrap().starts_with("add a delay to the link"));
    }

    #[test]
    fn half_a_position_and_points_off_the_globe_are_pointed_at() {
        let node = |keys: &str| format!("name = \"t\"\n[[nodes]]\nname = \"a\"\n{keys}");
        check_error(&node("latitude = 1.5"), "`a` has latitude without longitude", "1.5", "add longitude");
        check_error(&node("longitude = 2"), "`a` has longitude without latitude", "2", "add latitude");
        check_error(&node("latitude = 91.0\nlongitude = 0"), "latitude of 91", "91.0", "");
        check_error(&node("latitude = 1\nlongitude = nan"), "longitude of NaN", "nan", "");
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        for open in ["[", "{ a = "] {
            assert!(from_toml(&format!("name = {}", open.repeat(100_000))).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = from_toml(&text);
        }

        #[test]
        fn no_cut_or_change_of_a_good_file_panics_or_points_outside(
            at in 0..TWO_CITIES.len(),
            replacement in "[-a-z0-9\"\\[\\]=.%\n]{0,3}",
            cut: bool,
        ) {
            let tail = if cut { "" } else { &TWO_CITIES[at + 1..] };
            let text = format!("{}{replacement}{tail}", &TWO_CITIES[..at]);
            if let Err(error) = from_toml(&text) {
                prop_assert!(error.span().is_none_or(|span| text.get(span).is_some()), "{:?}", error);
                prop_assert!(!error.message().is_empty());
            }
        }
    }
}
