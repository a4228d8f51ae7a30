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
//! loss = "0.1%"             # also delay, rate, jitter, mtu, queue
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
use crate::link::{LinkError, LinkSpec, LinkValue};
use crate::name::nearest;
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
    loss: Option<Spanned<Value>>,
    mtu: Option<Spanned<Value>>,
    queue: Option<Spanned<Value>>,
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
    loss: Option<Spanned<Value>>,
    mtu: Option<Spanned<Value>>,
    queue: Option<Spanned<Value>>,
}

impl Link {
    fn into_parts(self) -> (Spanned<String>, Spanned<String>, Values) {
        let Self { a, b, delay, rate, jitter, loss, mtu, queue } = self;
        (a, b, Values { delay, rate, jitter, loss, mtu, queue })
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
    let mut topology = Topology::new(file.name.into_inner());
    for node in file.nodes {
        add_node(&mut topology, node)?;
    }
    for link in file.links {
        let span = link.span();
        add_link(&mut topology, link.into_inner(), span, &defaults)?;
    }
    Ok(topology)
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
        link.loss_ppb = read(self.loss.as_ref(), loss)?.unwrap_or(link.loss_ppb);
        link.mtu = read(self.mtu.as_ref(), mtu)?.unwrap_or(link.mtu);
        let queue = read(self.queue.as_ref(), |v| quantity("queue", v, Quantity::Size, units::parse_size))?;
        link.queue_bytes = queue.unwrap_or(link.queue_bytes);
        link.delay_ns = delay_ns.unwrap_or(link.delay_ns);
        link.validate().map_err(|reason| self.out_of_range(reason))?;
        Ok(delay_ns)
    }

    /// Points at the value that is out of range.
    fn out_of_range(&self, reason: LinkError) -> TopologyError {
        let value = match reason.value() {
            LinkValue::Delay => &self.delay,
            LinkValue::Rate => &self.rate,
            LinkValue::Jitter => &self.jitter,
            LinkValue::Loss => &self.loss,
            LinkValue::Mtu => &self.mtu,
            LinkValue::Queue => &self.queue,
        };
        TopologyError { problem: Problem::Link(reason), span: value.as_ref().map(Spanned::span) }
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
        other => Err(Problem::Type { key, found: other.type_str(), wanted: quantity.help() }),
    }
}

fn loss(value: &Value) -> Result<u32, Problem> {
    match value {
        Value::String(text) => Ok(units::parse_loss(text)?),
        Value::Float(number) => Ok(units::loss_from_number(*number)?),
        Value::Integer(number) => Ok(units::parse_loss(&number.to_string())?),
        other => Err(Problem::Type { key: "loss", found: other.type_str(), wanted: Quantity::Loss.help() }),
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
        other => Err(Problem::Type { key: "mtu", found: other.type_str(), wanted }),
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
