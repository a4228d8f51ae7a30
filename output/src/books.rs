//! The books of a run as tables: what became of the packets of each flow and of each SA, and how children fared.
//!
//! A row of a flow or SA balances: what it sent and what cutting made of it is what was delivered or opened, what joining
//! took away, what was dropped and what was in flight at the end. The tables of losses say where and why.

use serde::Serialize;

/// The packets of one flow (`flow_books.csv`); answers are the flow's too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FlowBookRow {
    /// Name of the flow.
    pub flow: String,
    /// Packets that its applications made.
    pub sent_packets: u64,
    /// Further pieces that packets were cut into.
    pub cut_packets: u64,
    /// Packets that its applications took.
    pub delivered_packets: u64,
    /// Pieces that became part of another one.
    pub joined_packets: u64,
    /// Packets and pieces that ended under a drop reason.
    pub dropped_packets: u64,
    /// Packets and pieces inside nodes and on links when the run ended.
    pub in_flight_packets: u64,
}

/// Packets of one flow that were not delivered, in one place and for one reason (`flow_losses.csv`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct FlowLossRow {
    /// Name of the flow.
    pub flow: String,
    /// A node, or a direction of a link.
    #[serde(rename = "where")]
    pub where_: String,
    /// A drop reason, or `in_flight`.
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// The packets under one outbound SA and its other end (`sa_books.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SaBookRow {
    /// The node that protects.
    pub node: String,
    /// The node that opens.
    pub peer: String,
    /// The connection.
    pub connection: String,
    /// The child.
    pub child: String,
    /// SPI on the packets, 8 hex digits.
    pub spi: String,
    /// When the sender installed it.
    pub installed_ns: u64,
    /// When the sender removed it; empty if it lived to the end of the run.
    pub removed_ns: Option<u64>,
    /// Packets that were protected.
    pub sealed_packets: u64,
    /// Further pieces that protected packets were cut into.
    pub cut_packets: u64,
    /// Packets that the other end accepted.
    pub opened_packets: u64,
    /// Pieces that became part of another one.
    pub joined_packets: u64,
    /// Packets and pieces that ended under a drop reason.
    pub dropped_packets: u64,
    /// Packets and pieces inside nodes and on links when the run ended.
    pub in_flight_packets: u64,
}

/// Packets under one SA that were not opened, in one place and for one reason (`sa_losses.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SaLossRow {
    /// The node that protects.
    pub node: String,
    /// The node that opens.
    pub peer: String,
    /// SPI on the packets, 8 hex digits.
    pub spi: String,
    /// A node, or a direction of a link.
    #[serde(rename = "where")]
    pub where_: String,
    /// A drop reason, or `in_flight`.
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// How a child of the configuration fared at one of its nodes (`children.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChildRow {
    /// The node.
    pub node: String,
    /// Its peer.
    pub peer: String,
    /// The connection.
    pub connection: String,
    /// The child.
    pub child: String,
    /// When the first Child SA was installed.
    pub first_installed_ns: u64,
    /// Child SAs that it had.
    pub child_sas: u64,
    /// How often it had none that could send, unless somebody had taken it down.
    pub outages: u64,
    /// For how long, in all.
    pub outage_ns: u64,
    /// The longest time.
    pub outage_max_ns: u64,
    /// Packets that arrived when their SA was not there.
    pub no_sa_packets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::write_csv;

    fn check_header<R: Serialize + Default>(expected: &str) {
        let table = String::from_utf8(write_csv::<R>(&[]).unwrap()).unwrap();
        assert_eq!(table.trim_end(), expected);
    }

    #[test]
    fn the_columns_of_books_are_stable() {
        check_header::<FlowBookRow>(
            "flow,sent_packets,cut_packets,delivered_packets,joined_packets,dropped_packets,in_flight_packets",
        );
        check_header::<FlowLossRow>("flow,where,reason,packets");
        check_header::<SaBookRow>(
            "node,peer,connection,child,spi,installed_ns,removed_ns,sealed_packets,cut_packets,opened_packets,\
             joined_packets,dropped_packets,in_flight_packets",
        );
        check_header::<SaLossRow>("node,peer,spi,where,reason,packets");
        check_header::<ChildRow>(
            "node,peer,connection,child,first_installed_ns,child_sas,outages,outage_ns,outage_max_ns,no_sa_packets",
        );
    }
}
