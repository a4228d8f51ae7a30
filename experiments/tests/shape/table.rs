//! The reference captures: a case's message table, its timeline and its addresses.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::message::Seen;

/// One negotiation between two strongSwan daemons.
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// Whether a NAT stands in front of a.
    pub(crate) nat: bool,
    pub(crate) timeline: Vec<Moment>,
    pub(crate) messages: Vec<Seen>,
}

/// Something that was done in a case.
pub(crate) struct Moment {
    /// Since the start, in milliseconds.
    pub(crate) at_ms: u64,
    pub(crate) what: String,
}

#[derive(Deserialize)]
struct Row {
    dir: String,
    sport: u16,
    dport: u16,
    ike_len: usize,
    exchange: String,
    msgid: u32,
    flags: String,
    payloads: String,
}

/// The IKEv2 cases, or `None` with a message where they are not there.
pub(crate) fn cases() -> Option<Vec<Case>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/captures/strongswan");
    let Ok(entries) = std::fs::read_dir(root) else {
        println!("skipped: no reference captures beside the workspace");
        return None;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    let v2 = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("v2-");
    Some(paths.iter().filter(v2).map(|path| Case::read(path)).collect())
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            nat: text("case.txt").contains("topology: nat"),
            timeline: timeline(&text("timeline.txt")),
            messages: messages(path),
            path: path.to_owned(),
        }
    }

    /// The text of one side's `swanctl.conf`.
    pub(crate) fn swanctl(&self, side: char) -> String {
        std::fs::read_to_string(self.path.join(format!("{side}.swanctl.conf"))).unwrap()
    }
}

/// The lines that begin with a time in seconds; the others are what daemons printed.
pub(crate) fn timeline(text: &str) -> Vec<Moment> {
    let stamped = text.lines().filter_map(|line| {
        let (stamp, what) = line.split_once(' ')?;
        let stamp: f64 = stamp.parse().ok().filter(|_| !line.starts_with(' '))?;
        Some((stamp, what.to_owned()))
    });
    let stamped: Vec<_> = stamped.collect();
    let start = stamped.first().map_or(0.0, |(stamp, _)| *stamp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a case lasts some minutes")]
    let since = |stamp: f64| ((stamp - start) * 1000.0) as u64;
    stamped.into_iter().map(|(stamp, what)| Moment { at_ms: since(stamp), what }).collect()
}

fn messages(path: &Path) -> Vec<Seen> {
    let mut reader = csv::Reader::from_path(path.join("messages.csv")).unwrap();
    // Other tools than the daemons sent from ports of their own.
    let own = |row: &Row| ![row.sport, row.dport].iter().any(|port| (5_500..7_000).contains(port));
    let rows = reader.deserialize().map(|row: Result<Row, _>| row.unwrap()).filter(own);
    rows.map(|row| Seen {
        exchange: row.exchange,
        direction: row.dir,
        source_port: row.sport,
        message_id: row.msgid,
        flags: u8::from_str_radix(&row.flags, 16).unwrap(),
        len: row.ike_len,
        payloads: payloads(&row.payloads),
    })
    .collect()
}

/// `SK(148) { IDi(17) N:INITIAL_CONTACT(8) }` as its parts; what encloses them follows from the length of the message.
fn payloads(text: &str) -> Vec<(String, usize)> {
    let inner = match text.split_once('{') {
        Some((_, inner)) => inner.split('}').next().unwrap_or_default(),
        None if text.starts_with("SK") => "",
        None => text,
    };
    let part = |word: &str| {
        let (label, len) = word.strip_suffix(')')?.split_once('(')?;
        Some((label.to_owned(), len.parse().ok()?))
    };
    inner.split_whitespace().filter_map(part).collect()
}
