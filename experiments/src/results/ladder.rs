//! Ladders: who sent what to whom, and what happened in between.
//!
//! A departure and an arrival that carry the same tag are one message; a departure without an arrival was lost. Each
//! pair of peers has a story of its own, since a diagram of many pairs at once is for the wall, not for the terminal.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipseclab_ike::config::ConnectionId;
use ipseclab_ike::{Event, Exchange, IkeSaId, PathChange};
use ipseclab_node::{Departure, Step};
use ipseclab_output::{Ladder, LadderEvent, LadderEventKind, Message, Participant};
use ipseclab_sim::SimTime;
use ipseclab_topologies::NodeIndex;

use super::{v1_wording, wording};
use crate::run::{ObservedNode, RunResult};
use crate::scenario::{CheckedScenario, Pair};

/// Lifelines that `ladder.svg` has at most: more do not fit a page.
const WHOLE_NODES_MAX: usize = 12;
/// Events that one ladder has at most: a diagram is for reading.
const EVENTS_MAX: usize = 2_000;

/// The ladder of one pair of peers.
#[derive(Clone, Debug)]
pub struct Story {
    /// The connection's name.
    pub connection: String,
    /// Its messages and steps.
    pub ladder: Ladder,
}

/// An event with the pair that it belongs to, as node numbers in ascending order.
struct Placed {
    pair: (usize, usize),
    event: LadderEvent,
}

/// One ladder for each connection of the scenario on which anything happened.
pub fn stories(scenario: &CheckedScenario, result: &RunResult, secrets: bool) -> Vec<Story> {
    let mut by_pair = BTreeMap::<_, Vec<LadderEvent>>::new();
    for placed in collect(scenario, result, secrets) {
        by_pair.entry(placed.pair).or_default().push(placed.event);
    }
    let story = |pair: Pair<'_>| {
        let ends = (pair.local.index(), pair.remote.index());
        let events = by_pair.remove(&ordered(ends))?;
        let name = pair.label.to_owned();
        let participants = vec![participant(scenario, ends.0), participant(scenario, ends.1)];
        let title = format!("{}: {name}", scenario.name);
        Some(Story { connection: name, ladder: ladder(title, participants, events) })
    };
    scenario.pairs().into_iter().filter_map(story).collect()
}

/// One ladder of everything, for the first nodes that take part.
pub(super) fn whole(scenario: &CheckedScenario, result: &RunResult, secrets: bool) -> Ladder {
    let placed = collect(scenario, result, secrets);
    let mut nodes: Vec<usize> = placed.iter().flat_map(|placed| [placed.pair.0, placed.pair.1]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let total = nodes.len();
    nodes.truncate(WHOLE_NODES_MAX);
    let shown = |placed: &Placed| nodes.contains(&placed.pair.0) && nodes.contains(&placed.pair.1);
    let events = placed.into_iter().filter(shown).map(|placed| placed.event).collect();
    let participants = nodes.iter().map(|node| participant(scenario, *node)).collect();
    let title = match total {
        total if total > nodes.len() => format!("{} (first {} of {total} nodes)", scenario.name, nodes.len()),
        _ => scenario.name.clone(),
    };
    ladder(title, participants, events)
}

fn ladder(mut title: String, participants: Vec<Participant>, mut events: Vec<LadderEvent>) -> Ladder {
    // What a node does at one time comes before the messages that leave it then.
    events.sort_by_key(|event| (event.time_ns, matches!(event.kind, LadderEventKind::Message(_))));
    if events.len() > EVENTS_MAX {
        title = format!("{title} (first {EVENTS_MAX} of {} events)", events.len());
        events.truncate(EVENTS_MAX);
    }
    Ladder { title, participants, events }
}

fn participant(scenario: &CheckedScenario, node: usize) -> Participant {
    let settings = &scenario.nodes[node];
    let detail = match settings.nat {
        Some(nat) => format!("{} behind NAT {}", nat.inside, settings.address),
        None => settings.address.to_string(),
    };
    Participant { name: settings.name.clone(), detail }
}

fn ordered((a, b): (usize, usize)) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// Every message and step, with its pair.
fn collect(scenario: &CheckedScenario, result: &RunResult, secrets: bool) -> Vec<Placed> {
    let arrivals = arrivals(result);
    let mut placed = Vec::new();
    for (number, node) in result.observed.iter().enumerate().take(scenario.nodes.len()) {
        for message in &node.records.messages {
            if let Some(departure) = &message.departure {
                let arrival = arrivals.get(&message.tag).copied();
                placed.extend(place_message(scenario, number, message.time, departure, arrival));
            }
        }
        place_steps(scenario, number, node, secrets, &mut placed);
    }
    placed
}

/// Where and when each tag arrived.
fn arrivals(result: &RunResult) -> BTreeMap<u64, (usize, SimTime)> {
    let mut arrivals = BTreeMap::new();
    for (number, node) in result.observed.iter().enumerate() {
        for message in node.records.messages.iter().filter(|message| message.departure.is_none()) {
            arrivals.insert(message.tag, (number, message.time));
        }
    }
    arrivals
}

fn place_message(
    scenario: &CheckedScenario,
    from: usize,
    sent: SimTime,
    departure: &Departure,
    arrival: Option<(usize, SimTime)>,
) -> Option<Placed> {
    let to = arrival.map(|(node, _)| node).or_else(|| node_at(scenario, departure.to.ip()))?;
    let info = &departure.info;
    let kind = if info.response { "response" } else { "request" };
    let again = if info.repeated { " (retransmission)" } else { "" };
    let piece = info.fragment.map_or_else(String::new, |(number, total)| format!(", {number} of {total}"));
    let title = if info.keepalive {
        "NAT keepalive".to_owned()
    } else {
        let name = match info.exchange {
            Exchange::V1(exchange) => v1_wording::title(exchange, info.response, &info.payloads),
            Exchange::V2(exchange) => format!("{exchange} {kind}"),
        };
        format!("{name}{piece}{again}")
    };
    let message = Message {
        from: scenario.nodes[from].name.clone(),
        to: scenario.nodes.get(to)?.name.clone(),
        sent_ns: sent.as_nanos(),
        received_ns: arrival.map(|(_, time)| time.as_nanos()),
        title,
        message_id: (!info.keepalive).then_some(info.message_id.as_u32()),
        length: departure.len,
        payloads: info.payloads.clone(),
    };
    Some(Placed { pair: ordered((from, to)), event: LadderEvent::message(message) })
}

fn node_at(scenario: &CheckedScenario, address: IpAddr) -> Option<usize> {
    scenario.nodes.iter().position(|settings| IpAddr::V4(settings.address) == address)
}

/// The steps of a node; an IKE SA belongs to the pair of the connection that its events name.
fn place_steps(
    scenario: &CheckedScenario,
    number: usize,
    node: &ObservedNode,
    secrets: bool,
    placed: &mut Vec<Placed>,
) {
    let peers = Peers::of(scenario, number, node);
    for record in &node.records.steps {
        let Some(peer) = peers.of_step(&record.step) else { continue };
        for text in wording::describe(&record.step, secrets) {
            let event = LadderEvent::local_step(record.time.as_nanos(), &node.name, &text);
            placed.push(Placed { pair: ordered((number, peer)), event });
        }
    }
}

/// Which peer each connection, IKE SA and Child SA of a node has.
struct Peers {
    of_connection: Vec<Option<usize>>,
    ike_sas: BTreeMap<IkeSaId, ConnectionId>,
    children: BTreeMap<u32, ConnectionId>,
}

impl Peers {
    fn of(scenario: &CheckedScenario, number: usize, node: &ObservedNode) -> Self {
        let own = scenario.connections.iter().filter(|connection| connection.node.index() == number);
        let of_connection = own.map(|connection| connection.peer.map(NodeIndex::index)).collect();
        let mut peers = Self { of_connection, ike_sas: BTreeMap::new(), children: BTreeMap::new() };
        for negotiation in &node.records.negotiations {
            peers.ike_sas.insert(negotiation.ike_sa, negotiation.connection);
        }
        for record in &node.records.steps {
            match &record.step {
                Step::Ike(Event::Initiated { ike_sa, connection, .. }) => {
                    peers.ike_sas.insert(*ike_sa, *connection);
                }
                Step::Ike(Event::IkeSaEstablished(sa)) => {
                    peers.ike_sas.insert(sa.ike_sa, sa.connection);
                }
                Step::Ike(Event::ChildSaEstablished(child)) => {
                    peers.children.insert(child.spi_in, child.connection);
                }
                Step::Ike(_) | Step::Acquire { .. } | Step::IdleTimeout { .. } | Step::Carried { .. } => {}
            }
        }
        peers
    }

    fn of_step(&self, step: &Step) -> Option<usize> {
        let connection = match step {
            Step::Acquire { connection, .. } => Some(connection),
            Step::IdleTimeout { spi_in } | Step::Carried { spi_in, .. } => self.children.get(spi_in),
            Step::Ike(event) => self.of_event(event),
        };
        self.of_connection.get(connection?.0 as usize).copied().flatten()
    }

    fn of_event<'a>(&'a self, event: &'a Event) -> Option<&'a ConnectionId> {
        match event {
            Event::KeysDerived(keys) => self.ike_sas.get(&keys.ike_sa),
            Event::IsakmpKeysDerived(keys) => self.ike_sas.get(&keys.ike_sa),
            Event::IkeSaEstablished(sa) => Some(&sa.connection),
            Event::ChildSaEstablished(child) => Some(&child.connection),
            Event::ChildSaFailed { connection, .. } | Event::Initiated { connection, .. } => Some(connection),
            Event::VirtualAddress(agreed) => Some(&agreed.connection),
            Event::TrapWanted { child } => Some(&child.connection),
            Event::ChildSaClosed { ike_sa, .. }
            | Event::CreateChildSaBegan { ike_sa, .. }
            | Event::ChildSaReady { ike_sa, .. }
            | Event::RekeyFailed { ike_sa, .. }
            | Event::IkeSaRekeyed { new: ike_sa, .. }
            | Event::PathChanged(PathChange { ike_sa, .. })
            | Event::IkeSaClosed { ike_sa, .. } => self.ike_sas.get(ike_sa),
            Event::NegotiationFailed { ike_sa, connection, .. } => {
                connection.as_ref().or_else(|| self.ike_sas.get(ike_sa))
            }
            Event::Dropped(_) => None,
        }
    }
}
