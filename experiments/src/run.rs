//! One run: build the world, let time pass, and read the books.
//!
//! A run is a pure function of its scenario. What it found is a [`RunResult`]: the tables as rows, the records that
//! captures and ladders are drawn from, and the fingerprint that says whether two runs were the same.

use ipseclab_ike::config::ConnectionId;
use ipseclab_net::Framing;
use ipseclab_node::{ClosedSa, Node, Observe, Outcome, Records};
use ipseclab_output::table::ratio;
use ipseclab_output::{
    ClosureRow, DropRow, DropTimelineRow, FlowRow, LinkRow, NegotiationResult, NegotiationRow, NodeRow,
    PacketSizeRow, RefusalRow, RenewalRow, SaKind, TimelineRow,
};
use ipseclab_sim::{Fingerprint, ProcessId, SimDuration, SimTime, StopReason};

use crate::books::{self, Books};
use crate::results::{course, sizes};
use crate::scenario::{CheckedScenario, Flow, NodeSettings};
use crate::world::{BuildError, FlowApps, World, process};

/// What a run found.
#[derive(Debug)]
pub struct RunResult {
    /// Negotiations, by start time, then initiator.
    pub negotiations: Vec<NegotiationRow>,
    /// Renewals and exchanges for further Child SAs, by start time, then node.
    pub renewals: Vec<RenewalRow>,
    /// What happened when, by time, then in the order of nodes; NATs last.
    pub timeline: Vec<TimelineRow>,
    /// Drops over time, in the same order, then by reason.
    pub drops_timeline: Vec<DropTimelineRow>,
    /// Ends of SAs at each of their nodes, by time, then in the order of nodes.
    pub closures: Vec<ClosureRow>,
    /// Set-ups that their responders gave up, by time.
    pub refusals: Vec<RefusalRow>,
    /// Flows, as written.
    pub flows: Vec<FlowRow>,
    /// The books of flows, SAs and children.
    pub books: Books,
    /// Both directions of each link, in the order of the topology.
    pub links: Vec<LinkRow>,
    /// Nodes, then NATs.
    pub nodes: Vec<NodeRow>,
    /// Drops with a count above zero, by place and reason.
    pub drops: Vec<DropRow>,
    /// Lengths of packets under tunnels where the scenario wants them, by receiver.
    pub packet_sizes: Vec<PacketSizeRow>,
    /// Events that the kernel handled.
    pub events: u64,
    /// The fingerprint of the run.
    pub fingerprint: Fingerprint,
    /// The nodes with their fingerprints, addresses and records.
    pub observed: Vec<ObservedNode>,
}

/// A node after the run.
#[derive(Debug)]
pub struct ObservedNode {
    /// The name in results.
    pub name: String,
    /// "host", "router" or "nat".
    pub kind: &'static str,
    /// The node's address.
    pub address: std::net::IpAddr,
    /// The history of this node alone.
    pub fingerprint: Fingerprint,
    /// What it wrote down.
    pub records: Records,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The world cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The run did not end.
    #[error("the run reached its limit of {limit} events after {at} s of simulated time (limits.events)")]
    EventLimit {
        /// The limit.
        limit: u64,
        /// When it was reached.
        at: SimTime,
    },
    /// Packets appeared or vanished: a bug, and no figure of the run can be trusted.
    #[error(
        "the books of {place} do not balance, so a packet is unaccounted for; please report this scenario"
    )]
    Unbalanced {
        /// The node or link.
        place: String,
    },
}

/// Runs a scenario.
///
/// # Errors
/// When the world cannot be built, the event limit is reached, or the books do not balance.
///
/// # Panics
/// When the parts of a latency do not add up to it, or the books of a flow or an SA do not balance: a bug.
pub fn run(scenario: &CheckedScenario, observe: Observe) -> Result<RunResult, RunError> {
    let mut world = World::build(scenario, observe)?;
    let end = scenario.end();
    let report = world.simulation.run_until(end);
    if report.stopped == StopReason::EventLimit {
        return Err(RunError::EventLimit { limit: scenario.limits.events, at: report.end });
    }
    let count = u32::try_from(world.simulation.processes().len()).expect("process numbers have 32 bits");
    for id in (0..count).map(ProcessId::new) {
        world.simulation.process_mut(id).finish(end);
    }
    let reader = Reader { scenario, world: &world, end };
    let result = RunResult {
        negotiations: reader.negotiations(),
        renewals: reader.renewals(),
        timeline: reader.timeline(course::timeline_rows, |row| row.time_ns),
        drops_timeline: reader.timeline(course::drop_rows, |row| row.time_ns),
        closures: reader.closures(),
        refusals: reader.refusals(),
        books: books::close(scenario, &world, &reader.flow_names()),
        flows: reader.flows(),
        links: reader.links(),
        nodes: world.simulation.processes().map(node_row).collect(),
        drops: reader.drops(),
        packet_sizes: reader.packet_sizes(),
        events: report.events,
        fingerprint: world.simulation.fingerprint(),
        observed: reader.observed(),
    };
    balance(&result.links, world.simulation.processes())?;
    Ok(result)
}

/// Every packet that entered a link or node has left it, ended under a reason, or is known to be inside.
fn balance<'a>(links: &[LinkRow], mut nodes: impl Iterator<Item = &'a Node>) -> Result<(), RunError> {
    let link =
        links.iter().find(|link| link.offered_packets != link.delivered_packets + link.dropped_packets);
    let node = nodes.find(|node| node.is_balanced() == Some(false));
    match link.map(|link| link.link.clone()).or_else(|| node.map(|node| node.name().to_owned())) {
        Some(place) => Err(RunError::Unbalanced { place }),
        None => Ok(()),
    }
}

/// Reads the books of a world that has run.
struct Reader<'a> {
    scenario: &'a CheckedScenario,
    world: &'a World,
    end: SimTime,
}

impl Reader<'_> {
    fn negotiations(&self) -> Vec<NegotiationRow> {
        let mut rows = Vec::new();
        for settings in &self.scenario.nodes {
            let node = self.world.simulation.process(process(settings.node));
            let mut attempts = std::collections::BTreeMap::<_, u32>::new();
            let mut records: Vec<_> = node.records().negotiations.iter().collect();
            records.sort_by_key(|record| (record.started, record.ike_sa));
            for record in records {
                let attempt = attempts.entry(record.connection).or_default();
                *attempt += 1;
                let mut row = negotiation_row(record, *attempt);
                row.initiator.clone_from(&settings.name);
                (row.connection, row.responder) = self.names(settings, record.connection);
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| {
            (a.started_ns, &a.initiator, a.attempt).cmp(&(b.started_ns, &b.initiator, b.attempt))
        });
        rows
    }

    /// The label of a node's connection and the name of its peer there.
    fn names(&self, at: &NodeSettings, connection: ConnectionId) -> (String, String) {
        let index = self.world.connection_at(at.node, connection);
        let index = index.expect("an endpoint negotiates the connections that it was given");
        (self.scenario.connection_label(index), self.scenario.peer_name(index).to_owned())
    }

    fn closures(&self) -> Vec<ClosureRow> {
        let mut rows = Vec::new();
        for settings in &self.scenario.nodes {
            let node = self.world.simulation.process(process(settings.node));
            for record in &node.records().closures {
                let mut row = closure_row(record);
                row.node.clone_from(&settings.name);
                (row.connection, row.peer) = self.names(settings, record.closure.connection);
                rows.push(row);
            }
        }
        // Stable: what a node closed at one time stays in its order, Child SAs before their IKE SA.
        rows.sort_by_key(|row| row.time_ns);
        rows
    }

    fn refusals(&self) -> Vec<RefusalRow> {
        let mut rows = Vec::new();
        for settings in &self.scenario.nodes {
            let node = self.world.simulation.process(process(settings.node));
            for record in &node.records().refusals {
                let names = record.connection.map(|connection| self.names(settings, connection));
                let (connection, peer) = names.unwrap_or_default();
                rows.push(RefusalRow {
                    time_ns: record.time.as_nanos(),
                    node: settings.name.clone(),
                    peer,
                    connection,
                    reason: record.reason.as_str().to_owned(),
                });
            }
        }
        rows.sort_by_key(|row| row.time_ns);
        rows
    }

    fn renewals(&self) -> Vec<RenewalRow> {
        let mut rows = Vec::new();
        for settings in &self.scenario.nodes {
            let node = self.world.simulation.process(process(settings.node));
            for record in &node.records().renewals {
                let mut row = course::renewal_row(record);
                row.node.clone_from(&settings.name);
                (row.connection, row.peer) = self.names(settings, record.connection);
                let name = record.child.and_then(|child| node.child_name(child));
                name.unwrap_or_default().clone_into(&mut row.child);
                rows.push(row);
            }
        }
        // Stable: what a node began at one time stays in the order of its ends.
        rows.sort_by(|a, b| (a.started_ns, &a.node).cmp(&(b.started_ns, &b.node)));
        rows
    }

    /// Rows of all nodes' timelines, by time.
    fn timeline<R>(
        &self,
        rows_of: fn(&str, &ipseclab_node::Timeline) -> Vec<R>,
        time_of: fn(&R) -> u64,
    ) -> Vec<R> {
        let nodes = self.world.simulation.processes();
        let mut rows: Vec<_> =
            nodes.flat_map(|node| rows_of(node.name(), &node.records().timeline)).collect();
        rows.sort_by_key(time_of);
        rows
    }

    fn flows(&self) -> Vec<FlowRow> {
        self.scenario
            .traffic
            .iter()
            .zip(&self.world.flows)
            .map(|(flow, apps)| self.flow(flow, *apps))
            .collect()
    }

    fn flow_names(&self) -> Vec<String> {
        self.scenario.traffic.iter().map(|flow| self.flow_name(flow)).collect()
    }

    fn flow_name(&self, flow: &Flow) -> String {
        let names = (self.scenario.node_name(flow.from), self.scenario.node_name(flow.to));
        format!("{}:{}-{}", flow.entry, names.0, names.1)
    }

    fn flow(&self, flow: &Flow, apps: FlowApps) -> FlowRow {
        let app = |(at, id)| {
            let (app, times) =
                self.world.simulation.process(at).app(id).expect("a flow's applications exist");
            (app, times)
        };
        let (source, sent_at) = app(apps.source);
        let (sink, received_at) = apps.sink.map_or((source, sent_at), app);
        let nothing = ipseclab_net::FlowRecord::default();
        let record = source.record().unwrap_or(&nothing);
        let record = ipseclab_net::FlowRecord::join(record, sink.record().unwrap_or(record));
        let delay = record.delay;
        let segments = source.segments();
        let nanos = |time: Option<SimTime>| time.map(SimTime::as_nanos);
        let span = |span: Option<SimDuration>| span.map(SimDuration::as_nanos);
        let names = (self.scenario.node_name(flow.from), self.scenario.node_name(flow.to));
        let rates = FlowRates::of(&record, received_at.first_received.zip(received_at.last_received));
        FlowRow {
            flow: self.flow_name(flow),
            kind: flow.kind.as_str().to_owned(),
            source: names.0.to_owned(),
            destination: names.1.to_owned(),
            sent_packets: record.sent.packets,
            received_packets: record.received.packets,
            lost_packets: record.lost(),
            sent_bytes: record.sent.bytes,
            received_bytes: record.received.bytes,
            delay_min_ns: span(delay.min()),
            delay_mean_ns: span(delay.mean()),
            delay_max_ns: span(delay.max()),
            first_sent_ns: nanos(sent_at.first_sent),
            first_received_ns: nanos(received_at.first_received),
            last_received_ns: nanos(received_at.last_received),
            received_payload_bytes: record.received_payload,
            goodput_bps: goodput(&record, sent_at.first_sent.zip(received_at.last_received)),
            delay_p50_ns: span(record.delays.quantile(500_000)),
            delay_p90_ns: span(record.delays.quantile(900_000)),
            delay_p99_ns: span(record.delays.quantile(990_000)),
            delay_p999_ns: span(record.delays.quantile(999_000)),
            jitter_p50_ns: span(record.jitter.quantile(500_000)),
            jitter_p99_ns: span(record.jitter.quantile(990_000)),
            duplicate_packets: record.duplicates,
            reordered_packets: record.reordered,
            reordering_extent_max_packets: record.reordering.extent_max,
            gap_max_ns: span(Some(record.gap_max).filter(|gap| *gap > SimDuration::ZERO)),
            retransmitted_segments: segments.map(|(again, _)| again),
            segment_payload_max_bytes: segments.map(|(_, longest)| longest as u64),
            sent_layer_2_bytes: record.sent.frame_bytes,
            received_layer_2_bytes: record.received.frame_bytes,
            received_pps: rates.map(|rates| rates.pps),
            layer_3_bps: rates.map(|rates| rates.layer_3_bps),
            layer_2_bps: rates.map(|rates| rates.layer_2_bps),
            layer_1_bps: rates.map(|rates| rates.layer_1_bps),
        }
    }

    fn packet_sizes(&self) -> Vec<PacketSizeRow> {
        let mut rows = Vec::new();
        for settings in &self.scenario.nodes {
            let node = self.world.simulation.process(process(settings.node));
            for record in node.packet_sizes() {
                let mut row = sizes::packet_size_row(&record);
                row.node.clone_from(&settings.name);
                (row.connection, row.peer) = self.names(settings, record.protected.child.connection);
                node.child_name(record.protected.child).unwrap_or_default().clone_into(&mut row.child);
                rows.push(row);
            }
        }
        rows
    }

    fn links(&self) -> Vec<LinkRow> {
        let mut rows = Vec::new();
        for (index, a, b, _) in self.scenario.topology.links() {
            let name = self.scenario.topology.link_name(index).unwrap_or_default();
            let ends = [(a, b), (b, a)];
            for (wire, (from, to)) in self.world.wires[2 * index.index()..].iter().zip(ends) {
                let port = &self.world.simulation.process(wire.process).ports()[wire.port.index()];
                let counters = port.link.counters();
                let busy = port.link.busy_until(self.end);
                let per_second = |count: u64| per_second(count, self.end.as_nanos()).unwrap_or(0);
                rows.push(LinkRow {
                    link: name.clone(),
                    from: self.scenario.node_name(from).to_owned(),
                    to: self.scenario.node_name(to).to_owned(),
                    offered_packets: counters.offered_packets,
                    offered_bytes: counters.offered_bytes,
                    delivered_packets: counters.delivered_packets,
                    delivered_bytes: counters.delivered_bytes,
                    dropped_packets: counters.dropped_packets(),
                    busy_ns: busy.as_nanos(),
                    utilisation: ratio(busy.as_nanos(), self.end.as_nanos()),
                    queue_bytes_max: counters.queue_bytes_max,
                    delivered_layer_2_bytes: counters.delivered_layer_2_bytes,
                    delivered_layer_1_bytes: counters.delivered_layer_1_bytes,
                    delivered_pps: per_second(counters.delivered_packets),
                    layer_3_bps: per_second(counters.delivered_bytes * 8),
                    layer_2_bps: per_second(counters.delivered_layer_2_bytes * 8),
                    layer_1_bps: per_second(counters.delivered_layer_1_bytes * 8),
                    held_back_packets: counters.held_back_packets,
                });
            }
        }
        rows
    }

    fn drops(&self) -> Vec<DropRow> {
        let mut rows = Vec::new();
        let mut push = |place: String, reason: ipseclab_net::DropReason, packets: u64| {
            if packets > 0 {
                rows.push(DropRow { where_: place, reason: reason.as_str().to_owned(), packets });
            }
        };
        for node in self.world.simulation.processes() {
            for (reason, packets) in node.drops().iter() {
                push(node.name().to_owned(), reason, packets);
            }
        }
        for (index, a, b, _) in self.scenario.topology.links() {
            for (wire, (from, to)) in self.world.wires[2 * index.index()..].iter().zip([(a, b), (b, a)]) {
                let port = &self.world.simulation.process(wire.process).ports()[wire.port.index()];
                let place = format!("{} > {}", self.scenario.node_name(from), self.scenario.node_name(to));
                for (reason, packets) in port.link.counters().drops() {
                    push(place.clone(), reason, packets);
                }
            }
        }
        rows.sort();
        rows
    }

    fn observed(&self) -> Vec<ObservedNode> {
        let node = |(number, node): (u32, &Node)| ObservedNode {
            name: node.name().to_owned(),
            kind: node.kind(),
            address: node.address(),
            fingerprint: self.world.simulation.process_fingerprint(ProcessId::new(number)),
            records: node.records().clone(),
        };
        (0..).zip(self.world.simulation.processes()).map(node).collect()
    }
}

/// The rates at which a flow arrived.
#[derive(Clone, Copy)]
struct FlowRates {
    pps: u64,
    layer_3_bps: u64,
    layer_2_bps: u64,
    layer_1_bps: u64,
}

impl FlowRates {
    /// From the first arrival to the last. What arrived first came in no time, so it is left out, with the mean length.
    fn of(record: &ipseclab_net::FlowRecord, times: Option<(SimTime, SimTime)>) -> Option<Self> {
        let (first, last) = times?;
        let (packets, nanos) = (record.received.packets, last.as_nanos().checked_sub(first.as_nanos())?);
        let of = |octets: u64| {
            let bits = u128::from(octets) * 8 * u128::from(packets.checked_sub(1)?);
            let rate = (bits * 1_000_000_000).checked_div(u128::from(packets) * u128::from(nanos))?;
            u64::try_from(rate).ok()
        };
        let frames = record.received.frame_bytes;
        Some(Self {
            pps: per_second(packets.checked_sub(1)?, nanos)?,
            layer_3_bps: of(record.received.bytes)?,
            layer_2_bps: of(frames)?,
            layer_1_bps: of(frames + packets * Framing::Ethernet.gap_len())?,
        })
    }
}

/// How many of something there were in a second, rounded down; `None` in no time.
fn per_second(count: u64, nanos: u64) -> Option<u64> {
    u64::try_from((u128::from(count) * 1_000_000_000).checked_div(nanos.into())?).ok()
}

/// Payload received in bits per second, over the time from the first packet sent to the last received.
fn goodput(record: &ipseclab_net::FlowRecord, times: Option<(SimTime, SimTime)>) -> Option<u64> {
    let (first, last) = times?;
    let nanos = u128::from(last.as_nanos().checked_sub(first.as_nanos())?);
    let bits = u128::from(record.received_payload) * 8;
    u64::try_from((bits * 1_000_000_000).checked_div(nanos)?).ok()
}

fn negotiation_row(record: &ipseclab_node::NegotiationRecord, attempt: u32) -> NegotiationRow {
    let (result, failure_reason) = match record.outcome {
        Outcome::Established => (NegotiationResult::Established, ""),
        Outcome::Failed(reason) => (NegotiationResult::Failed, reason.as_str()),
        Outcome::NodeDown => (NegotiationResult::Failed, "node_down"),
        Outcome::Unfinished => (NegotiationResult::Unfinished, ""),
    };
    let agreed = &record.agreed;
    let spi_r = agreed.spi_r.unwrap_or(ipseclab_ike::wire::IkeSpi::ZERO);
    NegotiationRow {
        attempt,
        started_ns: record.started.as_nanos(),
        ended_ns: record.ended.as_nanos(),
        latency_ns: record.ended.since(record.started).as_nanos(),
        result,
        failure_reason: failure_reason.to_owned(),
        messages_sent: record.messages_sent.into(),
        messages_received: record.messages_received.into(),
        bytes_sent: record.bytes_sent,
        bytes_received: record.bytes_received,
        retransmissions: record.retransmissions.into(),
        propagation_ns: record.delays.propagation.as_nanos(),
        serialisation_queueing_ns: record.delays.serialisation_queueing.as_nanos(),
        cpu_ns: record.delays.cpu.as_nanos(),
        retransmission_wait_ns: record.delays.retransmission_wait.as_nanos(),
        ike_spi_i: record.spi_i.to_string(),
        ike_spi_r: spi_r.to_string(),
        ike_proposal: agreed.ike_proposal.clone().unwrap_or_default(),
        esp_proposal: agreed.esp_proposal.clone().unwrap_or_default(),
        nat_detected: agreed.nat_detected,
        ..NegotiationRow::default()
    }
}

fn closure_row(record: &ipseclab_node::ClosureRecord) -> ClosureRow {
    let closure = &record.closure;
    let (sa, carried) = match closure.sa {
        ClosedSa::Ike => (SaKind::Ike, None),
        ClosedSa::Child(carried) => (SaKind::Child, Some(carried)),
    };
    ClosureRow {
        time_ns: record.time.as_nanos(),
        sa,
        reason: closure.reason.as_str().to_owned(),
        esp_packets_in: carried.map(|carried| carried.inbound.packets),
        esp_packets_out: carried.map(|carried| carried.outbound.packets),
        esp_bytes_in: carried.map(|carried| carried.inbound.octets),
        esp_bytes_out: carried.map(|carried| carried.outbound.octets),
        ..ClosureRow::default()
    }
}

fn node_row(node: &Node) -> NodeRow {
    let (cpu, host) = (node.cpu_counters(), node.host_counters());
    let (datapath, batches) = node.datapath_counters().unwrap_or_default();
    NodeRow {
        node: node.name().to_owned(),
        kind: node.kind().to_owned(),
        cores: node.cores().into(),
        cpu_busy_ns: cpu.busy.as_nanos(),
        jobs: cpu.jobs,
        queue_max: cpu.queue_max as u64,
        wait_max_ns: cpu.wait_max.as_nanos(),
        ike_sas_established: host.ike_sas_established,
        ike_sas_closed: host.ike_sas_closed,
        child_sas_established: host.child_sas_established,
        child_sas_closed: host.child_sas_closed,
        esp_packets_in: host.esp.inbound.packets,
        esp_packets_out: host.esp.outbound.packets,
        esp_bytes_in: host.esp.inbound.octets,
        esp_bytes_out: host.esp.outbound.octets,
        dropped_packets: node.drops().total(),
        datapath_cores: node.datapath_cores().into(),
        datapath_busy_ns: datapath.busy.as_nanos(),
        datapath_packets: datapath.jobs,
        datapath_batches: batches,
        ring_max_packets: datapath.queue_max as u64,
        ring_wait_max_ns: datapath.wait_max.as_nanos(),
    }
}
