//! The books of flows and SAs at the end of a run, over all nodes and links.
//!
//! What is inside nodes and on links is counted packet by packet, and not inferred from what is missing; what SAs sealed
//! and opened comes from the counters of the IPsec engines at both ends, and what was lost in between from the owners of
//! the packets. So each equation joins books that were kept apart, and one that does not hold stops the run: a packet
//! has appeared or vanished, and no figure could be trusted.
//!
//! The two ends of an SA are found by the SPIs of both directions together: two pairs with the same two are not to be
//! expected, and their books would be one.

use std::collections::BTreeMap;

use ipseclab_ike::config::ChildId;
use ipseclab_net::{DropReason, FlowId, Owner, SaId};
use ipseclab_node::{Losses, Node, NodeEvent, SaRecord};
use ipseclab_output::{ChildRow, FlowBookRow, FlowLossRow, SaBookRow, SaLossRow};
use ipseclab_sim::ProcessId;

use crate::scenario::{CheckedScenario, NodeSettings};
use crate::world::{World, process};

/// The reason of packets that were neither delivered nor dropped.
const IN_FLIGHT: &str = "in_flight";
/// The place of packets that no node has.
const LINKS: &str = "links";

/// All books of flows, SAs and children.
#[derive(Debug, Default)]
pub struct Books {
    /// Flows, as written.
    pub flows: Vec<FlowBookRow>,
    /// By flow, then by place and reason.
    pub flow_losses: Vec<FlowLossRow>,
    /// By sender, then in the order of the ends of its SAs.
    pub sas: Vec<SaBookRow>,
    /// By sender and SA, then by place and reason.
    pub sa_losses: Vec<SaLossRow>,
    /// By node, then in the order of its configuration.
    pub children: Vec<ChildRow>,
}

/// A place with what was lost there: by drop reason, or as in flight without one.
struct Place<'a> {
    name: String,
    node: Option<&'a Node>,
    losses: Vec<(Owner, Option<DropReason>, u64)>,
}

/// An SA with the books of both of its ends.
struct Sa<'a> {
    settings: &'a NodeSettings,
    record: &'a SaRecord,
    row: SaBookRow,
}

/// Closes the books of a world that has run. `flows` are the names of the flows, as written.
///
/// # Panics
/// When the books of a flow or of an SA do not balance: a bug.
pub(crate) fn close(scenario: &CheckedScenario, world: &World, flows: &[String]) -> Books {
    let places = places(scenario, world);
    let mut books = Books::default();
    close_flows(world, &places, flows, &mut books);
    let sas = close_sas(scenario, world, &places, &mut books);
    books.children = children(scenario, world, &places, &sas);
    books.flows.iter().for_each(check_flow);
    sas.list.iter().for_each(|sa| check_sa(&sa.row));
    books.sas = sas.list.into_iter().map(|sa| sa.row).collect();
    books
}

/// Every packet of a flow is accounted for.
fn check_flow(row: &FlowBookRow) {
    let (made, seen) = (
        row.sent_packets + row.cut_packets,
        row.delivered_packets + row.joined_packets + row.dropped_packets + row.in_flight_packets,
    );
    assert!(
        made == seen,
        "the books of flow {} do not balance: {} packets sent and {} cut off, {} delivered, {} joined, {} dropped and \
         {} in flight",
        row.flow,
        row.sent_packets,
        row.cut_packets,
        row.delivered_packets,
        row.joined_packets,
        row.dropped_packets,
        row.in_flight_packets
    );
}

/// Every packet under an SA is accounted for.
fn check_sa(row: &SaBookRow) {
    let (made, seen) = (
        row.sealed_packets + row.cut_packets,
        row.opened_packets + row.joined_packets + row.dropped_packets + row.in_flight_packets,
    );
    assert!(
        made == seen,
        "the books of SA {} from {} to {} do not balance: {} packets sealed and {} cut off, {} opened, {} joined, {} \
         dropped and {} in flight",
        row.spi,
        row.node,
        row.peer,
        row.sealed_packets,
        row.cut_packets,
        row.opened_packets,
        row.joined_packets,
        row.dropped_packets,
        row.in_flight_packets
    );
}

/// Nodes and their links, and what is on links.
fn places<'a>(scenario: &CheckedScenario, world: &'a World) -> Vec<Place<'a>> {
    let behind: BTreeMap<_, _> = world.nats.iter().map(|(node, nat)| (*nat, *node)).collect();
    // A link calls its end by the name of the node, also where a NAT is in front of it.
    let outer = |id: ProcessId| match behind.get(&id) {
        Some(node) => scenario.node_name(*node),
        None => world.simulation.process(id).name(),
    };
    let mut places = Vec::new();
    let count = u32::try_from(world.simulation.processes().len()).expect("process numbers have 32 bits");
    for id in (0..count).map(ProcessId::new) {
        let node = world.simulation.process(id);
        let mut losses = losses(node.owner_books().losses());
        losses.extend(in_flight(node.owners_held().into_iter()));
        places.push(Place { name: node.name().to_owned(), node: Some(node), losses });
        for (port, lost) in node.ports().iter().zip(node.link_losses()) {
            let ends = (outer(id), outer(port.to));
            let name =
                if ends.0 == ends.1 { node.name().to_owned() } else { format!("{} > {}", ends.0, ends.1) };
            places.push(Place { name, node: None, losses: self::losses(lost) });
        }
    }
    let on_links = world.simulation.pending().filter_map(|event| match event {
        NodeEvent::Arrive { packet, .. } => Some(packet.owner),
        _ => None,
    });
    places.push(Place { name: LINKS.to_owned(), node: None, losses: in_flight(on_links) });
    places
}

fn losses(losses: &Losses) -> Vec<(Owner, Option<DropReason>, u64)> {
    let of_flows =
        losses.of_flows().map(|(flow, reason, packets)| (Owner::of_flow(flow), Some(reason), packets));
    let of_sas = losses.of_sas().map(|(sa, reason, packets)| (Owner::NONE.sealed(sa), Some(reason), packets));
    of_flows.chain(of_sas).collect()
}

/// Each packet is in the books of its flow and in those of its SA.
fn in_flight(owners: impl Iterator<Item = Owner>) -> Vec<(Owner, Option<DropReason>, u64)> {
    let mut counts = BTreeMap::<Owner, u64>::new();
    for owner in owners {
        for owner in [Owner::of_flow(owner.flow), Owner::NONE.sealed(owner.sa)] {
            *counts.entry(owner).or_default() += 1;
        }
    }
    counts.into_iter().map(|(owner, packets)| (owner, None, packets)).collect()
}

fn close_flows(world: &World, places: &[Place<'_>], names: &[String], books: &mut Books) {
    books.flows =
        names.iter().map(|flow| FlowBookRow { flow: flow.clone(), ..FlowBookRow::default() }).collect();
    let place_of = |flow: FlowId| flow.place().expect("books are of flows");
    for (flow, packets) in world.simulation.processes().flat_map(|node| node.owner_books().flows()) {
        let row = &mut books.flows[place_of(flow)];
        row.sent_packets += packets.made;
        row.cut_packets += packets.cut;
        row.delivered_packets += packets.delivered;
        row.joined_packets += packets.joined;
    }
    let mut lost = Vec::new();
    for place in places {
        for (owner, reason, packets) in place.losses.iter().filter(|(owner, ..)| owner.flow != FlowId::NONE) {
            let at = place_of(owner.flow);
            let row = &mut books.flows[at];
            *(if reason.is_some() { &mut row.dropped_packets } else { &mut row.in_flight_packets }) +=
                packets;
            let reason = reason.map_or(IN_FLIGHT, DropReason::as_str).to_owned();
            lost.push((
                at,
                FlowLossRow { flow: row.flow.clone(), where_: place.name.clone(), reason, packets: *packets },
            ));
        }
    }
    lost.sort();
    books.flow_losses = lost.into_iter().map(|(_, row)| row).collect();
}

/// All SAs, by the name that packets have for them and by their SPIs.
struct Sas<'a> {
    list: Vec<Sa<'a>>,
    by_id: BTreeMap<SaId, usize>,
    /// By the SPI on packets out and in.
    by_spis: BTreeMap<(u32, u32), usize>,
}

fn close_sas<'a>(
    scenario: &'a CheckedScenario,
    world: &'a World,
    places: &[Place<'_>],
    books: &mut Books,
) -> Sas<'a> {
    let mut sas = Sas { list: vec![], by_id: BTreeMap::new(), by_spis: BTreeMap::new() };
    for settings in &scenario.nodes {
        let node = world.simulation.process(process(settings.node));
        for record in &node.records().sas {
            sas.add(scenario, world, settings, node, record);
        }
    }
    sas.open();
    for (id, packets) in world.simulation.processes().flat_map(|node| node.owner_books().sas()) {
        let place = sas.place(id);
        let row = &mut sas.list[place].row;
        row.cut_packets += packets.cut;
        row.joined_packets += packets.joined;
    }
    let mut lost = Vec::new();
    for place in places {
        for (owner, reason, packets) in place.losses.iter().filter(|(owner, ..)| owner.sa.is_some()) {
            let at = sas.place(owner.sa);
            let row = &mut sas.list[at].row;
            *(if reason.is_some() { &mut row.dropped_packets } else { &mut row.in_flight_packets }) +=
                packets;
            let reason = reason.map_or(IN_FLIGHT, DropReason::as_str);
            lost.push((at, place.name.as_str(), reason, *packets));
        }
    }
    lost.sort_unstable();
    let row = |(at, place, reason, packets): (usize, &str, &str, u64)| {
        let SaBookRow { node, peer, spi, .. } = sas.list[at].row.clone();
        SaLossRow { node, peer, spi, where_: place.to_owned(), reason: reason.to_owned(), packets }
    };
    books.sa_losses = lost.into_iter().map(row).collect();
    sas
}

impl<'a> Sas<'a> {
    fn add(
        &mut self,
        scenario: &CheckedScenario,
        world: &World,
        settings: &'a NodeSettings,
        node: &Node,
        record: &'a SaRecord,
    ) {
        let place = *self.by_spis.entry((record.spi_out, record.spi_in)).or_insert(self.list.len());
        self.by_id.insert(record.outbound, place);
        if place == self.list.len() {
            let (connection, peer) = names(scenario, world, settings, record.child);
            let row = SaBookRow {
                node: settings.name.clone(),
                peer,
                connection,
                child: node.child_name(record.child).unwrap_or_default().to_owned(),
                spi: format!("{:08x}", record.spi_out),
                installed_ns: record.installed.as_nanos(),
                removed_ns: record.removed.map(ipseclab_sim::SimTime::as_nanos),
                ..SaBookRow::default()
            };
            self.list.push(Sa { settings, record, row });
        }
        self.list[place].row.sealed_packets += record.carried.outbound.packets;
    }

    /// Books what each end has opened with the other end's SA.
    fn open(&mut self) {
        let opened: Vec<_> = self.list.iter().map(|sa| (sa.record.spi_in, sa.record.spi_out)).collect();
        for (place, ends) in opened.into_iter().enumerate() {
            let packets = self.list[place].record.carried.inbound.packets;
            if let Some(other) = self.by_spis.get(&ends) {
                self.list[*other].row.opened_packets += packets;
            }
        }
    }

    fn place(&self, id: SaId) -> usize {
        *self.by_id.get(&id).unwrap_or_else(|| panic!("packets are under an unknown SA: {id}"))
    }

    /// The SA of `node` whose other end is this one.
    fn mirror(&self, id: SaId, node: &str) -> Option<&Sa<'a>> {
        let record = self.list[*self.by_id.get(&id)?].record;
        let other = &self.list[*self.by_spis.get(&(record.spi_in, record.spi_out))?];
        (other.row.node == node).then_some(other)
    }
}

/// The label of a node's connection, and the name of its peer there.
fn names(scenario: &CheckedScenario, world: &World, at: &NodeSettings, child: ChildId) -> (String, String) {
    let index = world.connection_at(at.node, child.connection);
    let index = index.expect("an endpoint negotiates the connections that it was given");
    (scenario.connection_label(index), scenario.peer_name(index).to_owned())
}

fn children(scenario: &CheckedScenario, world: &World, places: &[Place<'_>], sas: &Sas<'_>) -> Vec<ChildRow> {
    let mut too_late = BTreeMap::<(ipseclab_topologies::NodeIndex, ChildId), u64>::new();
    for place in places.iter().filter(|place| place.node.is_some()) {
        for (owner, reason, packets) in &place.losses {
            if *reason == Some(DropReason::NoSa)
                && let Some(ours) = sas.mirror(owner.sa, &place.name)
            {
                *too_late.entry((ours.settings.node, ours.record.child)).or_default() += packets;
            }
        }
    }
    let mut rows = Vec::new();
    for settings in &scenario.nodes {
        let node = world.simulation.process(process(settings.node));
        for record in &node.records().children {
            let (connection, peer) = names(scenario, world, settings, record.child);
            rows.push(ChildRow {
                node: settings.name.clone(),
                peer,
                connection,
                child: node.child_name(record.child).unwrap_or_default().to_owned(),
                first_installed_ns: record.first_installed.as_nanos(),
                child_sas: record.child_sas,
                outages: record.outages,
                outage_ns: record.outage.as_nanos(),
                outage_max_ns: record.outage_max.as_nanos(),
                no_sa_packets: too_late.get(&(settings.node, record.child)).copied().unwrap_or_default(),
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_packet_that_nobody_has_stops_the_run_and_names_its_flow() {
        let row = FlowBookRow {
            flow: "0:left-right".into(),
            sent_packets: 3,
            delivered_packets: 2,
            ..FlowBookRow::default()
        };
        let message = *catch_unwind(|| check_flow(&row)).unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("flow 0:left-right") && message.contains("3 packets sent"), "{message}");
        check_flow(&FlowBookRow { in_flight_packets: 1, ..row });
    }

    #[test]
    fn a_packet_that_came_from_nowhere_stops_the_run_and_names_its_sa() {
        let row = SaBookRow { spi: "c0ffee00".into(), opened_packets: 1, ..SaBookRow::default() };
        let message = *catch_unwind(|| check_sa(&row)).unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("SA c0ffee00") && message.contains("1 opened"), "{message}");
        check_sa(&SaBookRow { sealed_packets: 2, joined_packets: 1, ..row });
    }
}
