//! Message sequence diagrams ("ladders"): who sends what, when, and what is inside.
//!
//! A ladder is a list of records in time order. [`LadderText`] draws it for a terminal of any width, and
//! [`svg::render`] draws it as a picture with slanted arrows. Both draw the same records, so what a reader
//! learns from one is in the other. The records are strings on purpose: what a payload is called is settled by those
//! who know the protocol.

pub mod svg;
mod text;
mod wrap;

pub use text::LadderText;
pub use wrap::wrap_columns;

/// One lifeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Name that events refer to.
    pub name: String,
    /// Second line of the heading, such as an address; may be empty.
    pub detail: String,
}

/// A diagram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Heading; may be empty.
    pub title: String,
    /// Lifelines from left to right. A node that only events name is added at the right.
    pub participants: Vec<Participant>,
    /// What happened; drawn in order of time, equal times in the order given.
    pub events: Vec<LadderEvent>,
}

/// Something that happened at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderEvent {
    /// When, in ns of simulated time; for a message, when it was sent.
    pub time_ns: u64,
    /// What.
    pub kind: LadderEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderEventKind {
    /// A message left one node for another.
    Message(Message),
    /// A remark at a node, such as `link down`.
    Note {
        /// Name of the node.
        node: String,
        /// The remark.
        text: String,
    },
    /// Work inside a node, such as `derives SKEYSEED`.
    LocalStep {
        /// Name of the node.
        node: String,
        /// The work.
        text: String,
    },
}

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// When the first bit left.
    pub sent_ns: u64,
    /// When it arrived; `None` if it was lost.
    pub received_ns: Option<u64>,
    /// What it is, such as `IKE_SA_INIT request`.
    pub title: String,
    /// Message ID, if it has one.
    pub message_id: Option<u32>,
    /// UDP payload octets.
    pub length: usize,
    /// What it holds, in order.
    pub payloads: Vec<String>,
}

impl LadderEvent {
    /// The event of a message, at the time at which it was sent.
    pub fn message(message: Message) -> Self {
        Self { time_ns: message.sent_ns, kind: LadderEventKind::Message(message) }
    }

    /// A remark at a node.
    pub fn note(time_ns: u64, node: &str, text: &str) -> Self {
        Self { time_ns, kind: LadderEventKind::Note { node: node.to_owned(), text: text.to_owned() } }
    }

    /// Work inside a node.
    pub fn local_step(time_ns: u64, node: &str, text: &str) -> Self {
        Self { time_ns, kind: LadderEventKind::LocalStep { node: node.to_owned(), text: text.to_owned() } }
    }
}

impl Message {
    /// Title, message ID and length in one line.
    fn headline(&self) -> String {
        let id = self.message_id.map(|id| format!(", ID {id}")).unwrap_or_default();
        format!("{}{id}, {} octets", self.title, self.length)
    }

    fn contents(&self) -> String {
        self.payloads.join(", ")
    }
}

impl Ladder {
    /// All lifelines: those given, then nodes that only events name, in order of appearance.
    fn lifelines(&self) -> Vec<Participant> {
        let mut found = self.participants.clone();
        for name in self.events.iter().flat_map(LadderEvent::nodes) {
            if !found.iter().any(|participant| participant.name == name) {
                found.push(Participant { name: name.to_owned(), detail: String::new() });
            }
        }
        found
    }

    /// Events in order of time; the sort is stable.
    fn in_order(&self) -> Vec<&LadderEvent> {
        let mut events: Vec<&LadderEvent> = self.events.iter().collect();
        events.sort_by_key(|event| event.time_ns);
        events
    }
}

impl LadderEvent {
    fn nodes(&self) -> Vec<&str> {
        match &self.kind {
            LadderEventKind::Message(message) => vec![&message.from, &message.to],
            LadderEventKind::Note { node, .. } | LadderEventKind::LocalStep { node, .. } => vec![node],
        }
    }
}

/// Place of a lifeline that [`Ladder::lifelines`] found; every node of every event is among them.
fn position(lifelines: &[Participant], name: &str) -> usize {
    lifelines.iter().position(|participant| participant.name == name).unwrap_or_default()
}
