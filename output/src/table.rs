//! Tidy CSV tables: one row per observation, units in the column names, columns in the order of the fields.
//!
//! The row types are the columns: serde names them, the `csv` crate quotes them, and nothing else lists them, so a
//! field cannot be forgotten in a header. A table without rows still has its header, taken from the default row.
//! Times are integers in nanoseconds; a value that does not exist (the latency of a failed negotiation) is an empty
//! cell and never a zero. [`write_records`] serves tables whose columns are known only at run time, such as sweeps.

use serde::Serialize;

/// Why a table could not be written; always a mistake of the caller, never of the data's values.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A row type holds something that has no place in one CSV row, such as a map.
    #[error("row cannot be written as CSV: {0}")]
    Shape(#[from] csv::Error),
    /// A record has another number of fields than the header.
    #[error("record {index} has {found} fields, the header has {expected}")]
    Ragged {
        /// Number of the record, from 0.
        index: usize,
        /// Fields in the header.
        expected: usize,
        /// Fields in the record.
        found: usize,
    },
    /// The header of a table without rows could not be found, because the default row wrote none.
    #[error("row type has no named columns")]
    Unnamed,
}

/// How a negotiation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NegotiationResult {
    /// The IKE SA and its first Child SA are up.
    Established,
    /// It ended without them; the row names the reason.
    #[default]
    Failed,
    /// The run ended first: how it would have ended is not known.
    Unfinished,
}

/// One negotiation, as its initiator saw it (`negotiations.csv`).
///
/// The four parts of the latency sum to it exactly: see [`NegotiationRow::latency_parts_ns`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NegotiationRow {
    /// Name of the connection.
    pub connection: String,
    /// Node that started.
    pub initiator: String,
    /// Node that answered.
    pub responder: String,
    /// Number of this try for the connection, from 1.
    pub attempt: u32,
    /// When the trigger arrived.
    pub started_ns: u64,
    /// When it was established or given up.
    pub ended_ns: u64,
    /// `ended_ns - started_ns`: until established, or until the failure was known.
    pub latency_ns: u64,
    /// Established or failed.
    pub result: NegotiationResult,
    /// Empty when established.
    pub failure_reason: String,
    /// IKE datagrams that the initiator sent, retransmissions included.
    pub messages_sent: u64,
    /// IKE datagrams that reached the initiator.
    pub messages_received: u64,
    /// UDP payload octets of `messages_sent`.
    pub bytes_sent: u64,
    /// UDP payload octets of `messages_received`.
    pub bytes_received: u64,
    /// Requests that the initiator sent again.
    pub retransmissions: u64,
    /// Share of the latency spent in flight.
    pub propagation_ns: u64,
    /// Share of the latency spent being serialised or waiting in a port queue.
    pub serialisation_queueing_ns: u64,
    /// Share of the latency spent waiting for a core or computing.
    pub cpu_ns: u64,
    /// Share of the latency spent until a retransmission timer fired.
    pub retransmission_wait_ns: u64,
    /// Initiator's SPI, 16 hex digits.
    pub ike_spi_i: String,
    /// Responder's SPI, 16 hex digits; zeros if it never answered.
    pub ike_spi_r: String,
    /// Chosen IKE proposal; empty if none was.
    pub ike_proposal: String,
    /// Chosen ESP proposal; empty if none was.
    pub esp_proposal: String,
    /// Whether a NAT was found on the path (RFC 7296 §2.23).
    pub nat_detected: bool,
}

impl NegotiationRow {
    /// Sum of the four parts of the latency, which equals `latency_ns`; `None` on overflow.
    pub fn latency_parts_ns(&self) -> Option<u64> {
        self.propagation_ns
            .checked_add(self.serialisation_queueing_ns)?
            .checked_add(self.cpu_ns)?
            .checked_add(self.retransmission_wait_ns)
    }
}

/// One flow of application traffic (`flows.csv`). Bytes are those of whole IP packets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FlowRow {
    /// Name of the flow.
    pub flow: String,
    /// Kind of traffic, such as `ping`.
    pub kind: String,
    /// Sending node.
    pub source: String,
    /// Receiving node.
    pub destination: String,
    /// Packets handed to the stack.
    pub sent_packets: u64,
    /// Packets that came out at the other end (for pings: answers that came back).
    pub received_packets: u64,
    /// Sent and not received when the run ended.
    pub lost_packets: u64,
    /// Octets of `sent_packets`.
    pub sent_bytes: u64,
    /// Octets of `received_packets`.
    pub received_bytes: u64,
    /// Shortest delay: round trip of a ping, one way of UDP; empty without one.
    pub delay_min_ns: Option<u64>,
    /// Mean delay, rounded down; empty without one.
    pub delay_mean_ns: Option<u64>,
    /// Longest delay; empty without one.
    pub delay_max_ns: Option<u64>,
    /// When the first packet was sent; empty if none was.
    pub first_sent_ns: Option<u64>,
    /// When the first packet was received; empty if none was.
    pub first_received_ns: Option<u64>,
    /// When the last packet was received; empty if none was.
    pub last_received_ns: Option<u64>,
    /// Octets of payload received, without headers and each counted once.
    pub received_payload_bytes: u64,
    /// These as bits per second, from the first packet sent to the last received; empty if none was.
    pub goodput_bps: Option<u64>,
    /// The delay that half of all packets do not exceed; percentiles are right to one part in a hundred.
    pub delay_p50_ns: Option<u64>,
    /// The delay that 90 % do not exceed.
    pub delay_p90_ns: Option<u64>,
    /// The delay that 99 % do not exceed.
    pub delay_p99_ns: Option<u64>,
    /// The delay that 99.9 % do not exceed.
    pub delay_p999_ns: Option<u64>,
    /// The difference between the delays of two packets in a row that half of all pairs do not exceed.
    pub jitter_p50_ns: Option<u64>,
    /// The difference that 99 % do not exceed.
    pub jitter_p99_ns: Option<u64>,
    /// Further arrivals of packets that were received before.
    pub duplicate_packets: u64,
    /// Packets that arrived after one that was sent later.
    pub reordered_packets: u64,
    /// The most packets that arrived between one and the first that was sent later (RFC 4737 §4.2).
    pub reordering_extent_max_packets: u64,
    /// The longest time between two arrivals; empty with fewer than two.
    pub gap_max_ns: Option<u64>,
    /// Segments of TCP that carried octets again; empty for other traffic.
    pub retransmitted_segments: Option<u64>,
    /// The longest payload of a segment of TCP; empty for other traffic.
    pub segment_payload_max_bytes: Option<u64>,
    /// Octets of the frames that an Ethernet has around `sent_packets`.
    pub sent_layer_2_bytes: u64,
    /// Octets of the frames that an Ethernet has around `received_packets`.
    pub received_layer_2_bytes: u64,
    /// Packets received per second, from the first received to the last; empty with fewer than two.
    pub received_pps: Option<u64>,
    /// Bits of their IP packets per second.
    pub layer_3_bps: Option<u64>,
    /// Bits per second of the frames that an Ethernet has around such packets.
    pub layer_2_bps: Option<u64>,
    /// Bits per second of these with preamble and gap.
    pub layer_1_bps: Option<u64>,
}

/// One direction of a link (`links.csv`). Bytes are octets on the link.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LinkRow {
    /// Name of the link.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Packets handed to the port.
    pub offered_packets: u64,
    /// Octets of `offered_packets`.
    pub offered_bytes: u64,
    /// Packets that reached the other end.
    pub delivered_packets: u64,
    /// Octets of `delivered_packets`.
    pub delivered_bytes: u64,
    /// Packets lost or refused.
    pub dropped_packets: u64,
    /// Time spent serialising.
    pub busy_ns: u64,
    /// Share of the run spent serialising, 0 to 1; see [`ratio`].
    #[serde(serialize_with = "six_decimals")]
    pub utilisation: f64,
    /// Fullest state of the port queue.
    pub queue_bytes_max: u64,
    /// Octets of `delivered_packets` with the link's framing.
    pub delivered_layer_2_bytes: u64,
    /// Octets for which `delivered_packets` took the wire.
    pub delivered_layer_1_bytes: u64,
    /// `delivered_packets` per second of the run.
    pub delivered_pps: u64,
    /// Bits of IP packets per second of the run.
    pub layer_3_bps: u64,
    /// Bits of frames per second of the run.
    pub layer_2_bps: u64,
    /// Bits of the wire per second of the run.
    pub layer_1_bps: u64,
    /// Of the packets delivered, those that were held back so that others overtook them.
    pub held_back_packets: u64,
}

/// One node (`nodes.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NodeRow {
    /// Name of the node.
    pub node: String,
    /// Kind of node, such as `gateway` or `router`.
    pub kind: String,
    /// CPU cores.
    pub cores: u32,
    /// Core time used, summed over the cores.
    pub cpu_busy_ns: u64,
    /// Jobs that ran.
    pub jobs: u64,
    /// Most jobs waiting at once.
    pub queue_max: u64,
    /// Longest wait of a job for a core.
    pub wait_max_ns: u64,
    /// IKE SAs that came up here.
    pub ike_sas_established: u64,
    /// IKE SAs that ended here.
    pub ike_sas_closed: u64,
    /// Child SAs that came up here.
    pub child_sas_established: u64,
    /// Child SAs that ended here.
    pub child_sas_closed: u64,
    /// ESP packets received.
    pub esp_packets_in: u64,
    /// ESP packets sent.
    pub esp_packets_out: u64,
    /// Octets of the packets inside `esp_packets_in`, their own IP headers included.
    pub esp_bytes_in: u64,
    /// Octets of the packets inside `esp_packets_out`, their own IP headers included.
    pub esp_bytes_out: u64,
    /// Packets that this node dropped.
    pub dropped_packets: u64,
    /// Cores for packets alone.
    pub datapath_cores: u32,
    /// Time used of these, summed over the cores.
    pub datapath_busy_ns: u64,
    /// Packets that they took from their rings.
    pub datapath_packets: u64,
    /// Batches that they took them in.
    pub datapath_batches: u64,
    /// Most packets in one ring at once.
    pub ring_max_packets: u64,
    /// Longest wait of a packet in a ring.
    pub ring_wait_max_ns: u64,
}

/// Which kind of SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SaKind {
    /// An IKE SA.
    #[default]
    Ike,
    /// A Child SA: a pair of ESP SAs.
    Child,
}

/// The end of one SA at one of its two nodes (`closures.csv`); what lives when the run ends has no row.
///
/// What a Child SA carried is counted at this node; the cells are empty for an IKE SA.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ClosureRow {
    /// When.
    pub time_ns: u64,
    /// The node that this is about.
    pub node: String,
    /// The node at the other end.
    pub peer: String,
    /// Name of the connection.
    pub connection: String,
    /// What ended.
    pub sa: SaKind,
    /// `local` (this node ended it), `remote` (the peer did) or `peer_dead` (the peer no longer answers).
    pub reason: String,
    /// Packets received through it.
    pub esp_packets_in: Option<u64>,
    /// Packets sent through it.
    pub esp_packets_out: Option<u64>,
    /// Octets of the packets inside `esp_packets_in`, their own IP headers included.
    pub esp_bytes_in: Option<u64>,
    /// Octets of the packets inside `esp_packets_out`, their own IP headers included.
    pub esp_bytes_out: Option<u64>,
}

/// A set-up that its responder gave up, and what it knows about the reason (`refusals.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RefusalRow {
    /// When.
    pub time_ns: u64,
    /// The responder.
    pub node: String,
    /// The initiator; empty where no connection was chosen.
    pub peer: String,
    /// Name of the connection; empty where none was chosen.
    pub connection: String,
    /// Named reason.
    pub reason: String,
}

/// Packets of the same lengths under one tunnel, as one of its ends received them (`packet_sizes.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PacketSizeRow {
    /// Name of the connection.
    pub connection: String,
    /// Name of the tunnel in it.
    pub child: String,
    /// The node that received and measured.
    pub node: String,
    /// The node that sent.
    pub peer: String,
    /// `AH`, `ESP` or `AH around ESP`.
    pub protection: String,
    /// `tunnel` or `transport`.
    pub mode: String,
    /// Algorithms in swanctl's keywords.
    pub algorithms: String,
    /// Whether ESP came in UDP.
    pub udp_encapsulated: bool,
    /// Octets of the packet inside, its IP header included; in transport mode, of the packet without protection.
    pub inner_bytes: u32,
    /// Octets of the packet that arrived, its IP header included.
    pub outer_bytes: u32,
    /// What protection has added.
    pub overhead_bytes: u32,
    /// Packets of these lengths.
    pub packets: u64,
}

/// Packets dropped at one place for one reason (`drops.csv`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct DropRow {
    /// Node or link; the column is called `where`.
    #[serde(rename = "where")]
    pub where_: String,
    /// Named reason.
    pub reason: String,
    /// Packets.
    pub packets: u64,
}

/// A share as a decimal of fixed form, so that a column never mixes `0.1` and `1e-6`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn six_decimals<S: serde::Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{share:.6}"))
}

/// The share `part / whole`, rounded to six decimals; 0 when `whole` is 0.
///
/// Integer arithmetic up to the last step makes it the same number on every machine.
pub fn ratio(part: u64, whole: u64) -> f64 {
    const MILLION: u128 = 1_000_000;
    if whole == 0 {
        return 0.0;
    }
    let millionths = (u128::from(part) * MILLION + u128::from(whole) / 2) / u128::from(whole);
    #[expect(clippy::cast_precision_loss, reason = "six decimals of a share fit an f64")]
    let decimal = millionths as f64 / 1e6;
    decimal
}

/// Writes `rows` as CSV with a header, which is there even without rows.
///
/// # Errors
/// [`TableError::Shape`] and [`TableError::Unnamed`] for a row type that is not a flat struct.
pub fn write_csv<T: Serialize + Default>(rows: &[T]) -> Result<Vec<u8>, TableError> {
    if rows.is_empty() {
        return header_line(&serialise(&[T::default()])?);
    }
    serialise(rows)
}

/// Writes `records` under `columns`, for tables whose columns are known only at run time.
///
/// # Errors
/// [`TableError::Ragged`] for a record of another length than the header.
pub fn write_records(columns: &[String], records: &[Vec<String>]) -> Result<Vec<u8>, TableError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for (index, record) in records.iter().enumerate() {
        if record.len() != columns.len() {
            return Err(TableError::Ragged { index, expected: columns.len(), found: record.len() });
        }
        writer.write_record(record)?;
    }
    finish(writer)
}

fn serialise<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, TableError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    finish(writer)
}

/// The first line of a table; a column name never holds a line break, being a Rust name.
fn header_line(table: &[u8]) -> Result<Vec<u8>, TableError> {
    let mut lines = table.split_inclusive(|&byte| byte == b'\n');
    let header = lines.next().ok_or(TableError::Unnamed)?;
    lines.next().ok_or(TableError::Unnamed)?;
    Ok(header.to_vec())
}

fn finish(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, TableError> {
    writer.into_inner().map_err(|error| TableError::Shape(csv::Error::from(error.into_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: Serialize + Default>(rows: &[T]) -> String {
        String::from_utf8(write_csv(rows).unwrap()).unwrap()
    }

    fn check_header<T: Serialize + Default + Clone>(expected: &str) {
        assert_eq!(text::<T>(&[]), format!("{expected}\n"));
        assert!(text(&[T::default(), T::default()]).starts_with(&format!("{expected}\n")));
        assert_eq!(text(&[T::default(), T::default()]).lines().count(), 3);
    }

    #[test]
    fn the_columns_of_negotiations_are_stable() {
        check_header::<NegotiationRow>(
            "connection,initiator,responder,attempt,started_ns,ended_ns,latency_ns,result,failure_reason,\
             messages_sent,messages_received,bytes_sent,bytes_received,retransmissions,\
             propagation_ns,serialisation_queueing_ns,cpu_ns,retransmission_wait_ns,ike_spi_i,ike_spi_r,\
             ike_proposal,esp_proposal,nat_detected",
        );
    }

    #[test]
    fn the_columns_of_flows_are_stable() {
        check_header::<FlowRow>(
            "flow,kind,source,destination,sent_packets,received_packets,lost_packets,sent_bytes,\
             received_bytes,delay_min_ns,delay_mean_ns,delay_max_ns,first_sent_ns,first_received_ns,last_received_ns,\
             received_payload_bytes,goodput_bps,delay_p50_ns,delay_p90_ns,delay_p99_ns,delay_p999_ns,\
             jitter_p50_ns,jitter_p99_ns,duplicate_packets,reordered_packets,reordering_extent_max_packets,\
             gap_max_ns,retransmitted_segments,segment_payload_max_bytes,sent_layer_2_bytes,\
             received_layer_2_bytes,received_pps,layer_3_bps,layer_2_bps,layer_1_bps",
        );
    }

    #[test]
    fn the_columns_of_links_are_stable() {
        check_header::<LinkRow>(
            "link,from,to,offered_packets,offered_bytes,delivered_packets,delivered_bytes,dropped_packets,busy_ns,\
             utilisation,queue_bytes_max,delivered_layer_2_bytes,delivered_layer_1_bytes,delivered_pps,layer_3_bps,\
             layer_2_bps,layer_1_bps,held_back_packets",
        );
    }

    #[test]
    fn the_columns_of_nodes_are_stable() {
        check_header::<NodeRow>(
            "node,kind,cores,cpu_busy_ns,jobs,queue_max,wait_max_ns,ike_sas_established,ike_sas_closed,\
             child_sas_established,child_sas_closed,esp_packets_in,esp_packets_out,esp_bytes_in,esp_bytes_out,\
             dropped_packets,datapath_cores,datapath_busy_ns,datapath_packets,datapath_batches,ring_max_packets,\
             ring_wait_max_ns",
        );
    }

    #[test]
    fn the_columns_of_closures_are_stable() {
        check_header::<ClosureRow>(
            "time_ns,node,peer,connection,sa,reason,esp_packets_in,esp_packets_out,esp_bytes_in,esp_bytes_out",
        );
    }

    #[test]
    fn only_a_child_sa_carries_packets() {
        let ike = ClosureRow { node: "a".into(), reason: "remote".into(), ..ClosureRow::default() };
        let child = ClosureRow { sa: SaKind::Child, esp_packets_in: Some(0), ..ike.clone() };
        assert_eq!(
            text(&[ike, child]).lines().skip(1).collect::<Vec<_>>(),
            ["0,a,,,ike,remote,,,,", "0,a,,,child,remote,0,,,"]
        );
    }

    #[test]
    fn the_columns_of_packet_sizes_are_stable() {
        check_header::<PacketSizeRow>(
            "connection,child,node,peer,protection,mode,algorithms,udp_encapsulated,inner_bytes,outer_bytes,\
             overhead_bytes,packets",
        );
    }

    #[test]
    fn the_columns_of_refusals_are_stable() {
        check_header::<RefusalRow>("time_ns,node,peer,connection,reason");
    }

    #[test]
    fn the_columns_of_drops_are_stable() {
        check_header::<DropRow>("where,reason,packets");
    }

    #[test]
    fn a_failed_negotiation_has_the_time_to_its_failure_and_a_reason() {
        let row = NegotiationRow {
            connection: "office, \"main\"".into(),
            ended_ns: u64::MAX,
            latency_ns: u64::MAX,
            failure_reason: "no proposal chosen".into(),
            ..NegotiationRow::default()
        };
        let expected = "\"office, \"\"main\"\"\",,,0,0,18446744073709551615,18446744073709551615,failed,no proposal chosen,\
                        0,0,0,0,0,0,0,0,0,,,,,false";
        assert_eq!(text(&[row]).lines().nth(1), Some(expected));
    }

    #[test]
    fn the_parts_of_the_latency_are_summed_without_wrapping() {
        let mut row = NegotiationRow { propagation_ns: 40, cpu_ns: 2, ..NegotiationRow::default() };
        assert_eq!(row.latency_parts_ns(), Some(42));
        row.retransmission_wait_ns = u64::MAX;
        assert_eq!(row.latency_parts_ns(), None);
    }

    #[test]
    fn a_share_has_six_decimals_and_no_division_by_zero() {
        let shares = [ratio(1, 3), ratio(2, 3), ratio(5, 5), ratio(7, 0), ratio(u64::MAX, u64::MAX)];
        assert_eq!(shares.map(|share| share.to_string()), ["0.333333", "0.666667", "1", "0", "1"]);
    }

    #[test]
    fn a_record_of_another_length_is_named() {
        let columns = ["a".to_owned(), "b".to_owned()];
        let good = vec!["1".to_owned(), "x,y".to_owned()];
        assert_eq!(write_records(&columns, std::slice::from_ref(&good)).unwrap(), b"a,b\n1,\"x,y\"\n");
        assert_eq!(write_records(&columns, &[]).unwrap(), b"a,b\n");
        let error = write_records(&columns, &[good, vec!["1".to_owned()]]).unwrap_err();
        assert_eq!(error.to_string(), "record 1 has 1 fields, the header has 2");
    }

    #[test]
    fn a_row_without_named_columns_is_refused() {
        assert!(matches!(write_csv::<u64>(&[]), Err(TableError::Unnamed)));
    }
}
