//! The shipped strongSwan profile's message lists, read from its file.

use ipseclab_ike::profile::{Entry, Messages, Profile, Purpose, Slot};
use toml::{Table, Value};

const FILE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments/data/profiles/strongswan.toml"));

fn slot(text: &str) -> Slot {
    Slot::parse(text).unwrap_or_else(|| unreachable!("{text} is a payload"))
}

fn entry(value: &Value) -> Entry {
    let Value::Table(table) = value else { return slot(value.as_str().unwrap()).into() };
    let condition = |key: &str| table.get(key).map(|text| slot(text.as_str().unwrap()));
    let heard = condition("heard").map(|slot| match slot {
        Slot::Notify(kind) => kind,
        other => unreachable!("{other} is announced by peers"),
    });
    let (with, without) = (condition("with"), condition("without"));
    Entry { slot: condition("slot").unwrap(), with, without, heard }
}

/// The profile with its lists, and our own defaults beside them.
pub(crate) fn strongswan() -> Profile {
    let file: Table = FILE.parse().unwrap();
    let mut messages = Messages::default();
    for purpose in Purpose::ALL {
        let lists = file["messages"][purpose.name()].as_table().unwrap();
        for (key, kind) in [("request", purpose.request()), ("response", purpose.response())] {
            let list = lists[key].as_array().unwrap().iter().map(entry).collect();
            messages.set(kind, list).unwrap();
        }
    }
    Profile { name: "strongswan".to_owned(), messages, ..Profile::default() }
}
