//! Writers for everything a run leaves behind: tables, captures, key tables, ladders, plots, manifest.
//!
//! The crate takes plain records and returns bytes; it knows no model, no kernel and no protocol core, so a record
//! is a struct of integers and strings that anybody can fill. Times arrive as `u64` nanoseconds of simulated
//! time. Every writer is a pure function of its input: no clock, no host name, no path of the machine, no unordered
//! map, and no floating-point function of the platform, so equal records give equal bytes everywhere.
//!
//! Only [`RunDirectory`] touches the file system.

pub mod books;
pub mod course;
pub mod directory;
mod font;
mod hex;
pub mod ladder;
pub mod manifest;
pub mod pcapng;
pub mod plot;
pub mod summary;
pub mod table;
pub mod time;
pub mod wireshark;

pub use books::{ChildRow, FlowBookRow, FlowLossRow, SaBookRow, SaLossRow};
pub use course::{DropTimelineRow, RenewalResult, RenewalRow, TimelineRow};
pub use directory::{OutputError, RunDirectory, sha256_hex, short_hash};
pub use ladder::{Ladder, LadderEvent, LadderEventKind, LadderText, Message, Participant, wrap_columns};
pub use manifest::{MANIFEST_FILE, Manifest, PROGRAM};
pub use pcapng::{Direction, PcapngError, PcapngWriter};
pub use plot::{Axis, Figure, Kind, Panel, PlotError, Point, Scale, Series};
pub use summary::{SummaryError, summary_json};
pub use table::{
    ClosureRow, DropRow, FlowRow, LinkRow, NegotiationResult, NegotiationRow, NodeRow, PacketSizeRow,
    RefusalRow, SaKind, TableError, write_csv, write_records,
};
pub use wireshark::{Encryption, EspKeyRow, IkeKeyRow, Integrity, IsakmpKeyRow, KeyTables};
