//! Lengths of packets under tunnels: the rows, and the table that `run` shows of them.
//!
//! Each end of a tunnel has measured what it received. For people both directions are one row where they are alike.

use std::collections::{BTreeMap, BTreeSet};

use ipseclab_ike::config::Mode;
use ipseclab_node::SizeRecord;
use ipseclab_output::PacketSizeRow;

/// Rows that are shown; the file has them all.
const SHOWN_MAX: usize = 40;

/// The row of a record, but for the names in it.
pub(crate) fn packet_size_row(record: &SizeRecord<'_>) -> PacketSizeRow {
    let protected = record.protected;
    let mode = match protected.mode {
        Mode::Tunnel => "tunnel",
        Mode::Transport => "transport",
    };
    PacketSizeRow {
        protection: protected.protocols.to_owned(),
        mode: mode.to_owned(),
        algorithms: protected.algorithms.clone(),
        udp_encapsulated: protected.udp_encap,
        inner_bytes: record.inner_octets,
        outer_bytes: record.outer_octets,
        // Fragments that were put together before carry padding of none, so that what is outside is never less.
        overhead_bytes: record.outer_octets.saturating_sub(record.inner_octets),
        packets: record.packets,
        ..PacketSizeRow::default()
    }
}

/// The table as lines; empty when nothing was measured.
pub(crate) fn table(rows: &[PacketSizeRow]) -> Vec<String> {
    let merged = merged(rows);
    if merged.is_empty() {
        return vec![];
    }
    let titles = ["connection", "protection", "mode", "algorithms", "inside", "outside", "added", "packets"];
    let mut cells = vec![titles.map(str::to_owned)];
    cells.extend(merged.iter().take(SHOWN_MAX).cloned());
    let widths: Vec<_> = (0..titles.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut lines: Vec<_> = cells.iter().map(|row| line(row, &widths)).collect();
    if merged.len() > SHOWN_MAX {
        lines.push(format!("… and {} more rows: see packet_sizes.csv", merged.len() - SHOWN_MAX));
    }
    lines
}

/// Columns of words lean left, those of numbers right.
fn line(row: &[String; 8], widths: &[usize]) -> String {
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if column < 4 { format!("{text:width$}") } else { format!("{text:>width$}") }
    };
    row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")
}

/// The cells of each row, both directions together, in the order in which they first come.
fn merged(rows: &[PacketSizeRow]) -> Vec<[String; 8]> {
    let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        children.entry(&row.connection).or_default().insert(&row.child);
    }
    let mut merged: Vec<([String; 7], u64)> = Vec::new();
    for row in rows {
        let alone = children.get(row.connection.as_str()).is_some_and(|all| all.len() == 1);
        let name = if alone { row.connection.clone() } else { format!("{} {}", row.connection, row.child) };
        let in_udp = if row.udp_encapsulated { " in UDP" } else { "" };
        let cells = [
            name,
            format!("{}{in_udp}", row.protection),
            row.mode.clone(),
            row.algorithms.clone(),
            row.inner_bytes.to_string(),
            row.outer_bytes.to_string(),
            row.overhead_bytes.to_string(),
        ];
        match merged.iter_mut().find(|(known, _)| *known == cells) {
            Some((_, packets)) => *packets += row.packets,
            None => merged.push((cells, row.packets)),
        }
    }
    merged.sort_by(|(one, _), (other, _)| one[0].cmp(&other[0]));
    let with_count =
        |([a, b, c, d, e, f, g], packets): ([String; 7], u64)| [a, b, c, d, e, f, g, packets.to_string()];
    merged.into_iter().map(with_count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(connection: &str, child: &str, node: &str, outer_bytes: u32) -> PacketSizeRow {
        PacketSizeRow {
            connection: connection.into(),
            child: child.into(),
            node: node.into(),
            protection: "AH".into(),
            mode: "tunnel".into(),
            algorithms: "sha1".into(),
            inner_bytes: 100,
            outer_bytes,
            overhead_bytes: outer_bytes - 100,
            packets: 3,
            ..PacketSizeRow::default()
        }
    }

    #[test]
    fn both_directions_are_one_row_where_they_are_alike() {
        let rows = [row("b", "lan", "left", 144), row("a", "x", "left", 144), row("b", "lan", "right", 144)];
        let expected = [
            "connection  protection  mode    algorithms  inside  outside  added  packets",
            "a           AH          tunnel  sha1           100      144     44        3",
            "b           AH          tunnel  sha1           100      144     44        6",
        ];
        assert_eq!(table(&rows), expected);
        let unlike = [row("b", "lan", "left", 144), row("b", "lan", "right", 148)];
        assert_eq!(table(&unlike).len(), 3);
    }

    #[test]
    fn tunnels_of_one_connection_have_their_names_beside_it() {
        let rows = [row("b", "lan", "left", 144), row("b", "dmz", "left", 144)];
        assert!(table(&rows)[1].starts_with("b dmz ") && table(&rows)[2].starts_with("b lan "));
        assert!(table(&[]).is_empty());
    }

    #[test]
    fn long_tables_end_with_where_the_rest_is() {
        let rows: Vec<_> = (0..50).map(|n| row("b", "lan", "left", 144 + n)).collect();
        let lines = table(&rows);
        assert_eq!((lines.len(), lines[41].as_str()), (42, "… and 10 more rows: see packet_sizes.csv"));
    }
}
