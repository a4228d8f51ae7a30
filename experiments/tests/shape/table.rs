//! The reference captures: a case's message table, its timeline and its addresses.
//!
//! Further cases, from a folder of the same form, are read beside them: `IPSECLAB_CAPTURES=<folder>`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::message::Seen;

/// One negotiation between two strongSwan daemons.
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// Whether it is one of the reference, whose differences are known.
    pub(crate) is_reference: bool,
    /// Facts from `case.txt`, in its own words and order.
    facts: Vec<(String, String)>,
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
    t_rel: f64,
    dir: String,
    sport: u16,
    dport: u16,
    ip_len: usize,
    ike_len: usize,
    exchange: String,
    msgid: u32,
    flags: String,
    payloads: String,
    retransmit_of: Option<u32>,
}

/// The IKEv2 cases, or `None` with a message where there are none.
pub(crate) fn cases() -> Option<Vec<Case>> {
    let read = |case: Case| Case { messages: messages(&case.path), ..case };
    Some(opened("v2-")?.into_iter().map(read).collect())
}

/// The cases whose names begin so, without their messages, or `None` with a message where there are none.
pub(crate) fn opened(prefix: &str) -> Option<Vec<Case>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/captures/strongswan");
    let mut cases = open_folder(Path::new(root), prefix, true);
    if let Some(folder) = std::env::var_os("IPSECLAB_CAPTURES") {
        cases.extend(open_folder(Path::new(&folder), prefix, false));
    }
    if cases.is_empty() {
        println!("skipped: no reference captures beside the workspace");
        return None;
    }
    Some(cases)
}

fn open_folder(root: &Path, prefix: &str, is_reference: bool) -> Vec<Case> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    let named = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(prefix);
    paths.iter().filter(named).map(|path| Case::open(path, is_reference)).collect()
}

impl Case {
    fn open(path: &Path, is_reference: bool) -> Self {
        let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        let fact = |line: &str| {
            line.split_once(':').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        };
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            is_reference,
            facts: text("case.txt").lines().filter_map(fact).collect(),
            timeline: timeline(&text("timeline.txt")),
            messages: Vec::new(),
            path: path.to_owned(),
        }
    }

    /// A line of `case.txt`; empty where it has none of that name.
    pub(crate) fn fact(&self, key: &str) -> &str {
        self.facts.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }

    /// Whether a NAT stands in front of a.
    pub(crate) fn has_nat(&self) -> bool {
        self.fact("topology") == "nat"
    }

    /// Whether the daemons kept ESP in user space, which makes them feign a NAT.
    pub(crate) fn feigns_nat(&self) -> bool {
        self.fact("kernel") == "libipsec"
    }

    /// The text of one side's `swanctl.conf`.
    pub(crate) fn swanctl(&self, side: char) -> String {
        std::fs::read_to_string(self.path.join(format!("{side}.swanctl.conf"))).unwrap()
    }
}

/// The lines that begin with a time in seconds; the others are what daemons printed.
fn timeline(text: &str) -> Vec<Moment> {
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
        seconds: row.t_rel,
        is_repetition: row.retransmit_of.is_some(),
        packet_len: row.ip_len,
        is_fragment: row.payloads.starts_with("SKF"),
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
