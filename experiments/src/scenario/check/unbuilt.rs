//! What can be written and checked, and what nothing runs yet.
//!
//! Each refusal stands alone, so that the one who builds the missing half takes it away here and nowhere else.

use super::Checker;
use crate::document::{Finding, KeyPath, Location};
use crate::scenario::checked::Connection;
use crate::scenario::defaults;
use crate::scenario::file::{ActionFile, ActionKind, ConnectionFile, FaultKind, StartAction};
use crate::scenario::swanctl::Section;

impl Checker<'_> {
    /// Refuses `what`, which stands at `place`.
    pub(super) fn refuse(&mut self, place: Location, what: impl Into<String>) {
        let finding = Finding::new(format!("{} is not built yet", what.into()));
        self.report.push(finding.at(place, "it can be written and checked, but not run"));
    }

    /// Keys of connections.
    pub(super) fn refuse_in_connection(&mut self, file: &ConnectionFile, path: &KeyPath) {
        for (key, is_given, what) in [
            ("vips", file.vips.is_some(), "asking for virtual addresses"),
            ("pools", file.pools.is_some(), "handing out virtual addresses"),
        ] {
            if is_given {
                let place = self.document.locate(&path.key(key));
                self.refuse(place, what);
            }
        }
        // A node can be told to bring up a connection with its first child, not one of several.
        for (name, child) in file.children.iter().skip(1) {
            if child.start_action.is_some_and(starts) {
                let place = self.document.locate(&path.key("children").key(name).key("start_action"));
                self.refuse(place, format!("starting `{name}`, which is not the first child,"));
            }
        }
        for (name, child) in &file.children {
            let path = path.key("children").key(name);
            let volumes = [
                ("rekey_bytes", child.rekey_bytes.is_some()),
                ("life_bytes", child.life_bytes.is_some()),
                ("rekey_packets", child.rekey_packets.is_some()),
                ("life_packets", child.life_packets.is_some()),
                (
                    "replay_window",
                    child.replay_window.is_some_and(|window| window != defaults::REPLAY_WINDOW),
                ),
            ];
            for (key, _) in volumes.into_iter().filter(|(_, is_given)| *is_given) {
                let place = self.document.locate(&path.key(key));
                self.refuse(place, format!("`{key}`"));
            }
        }
    }

    /// The same keys in a swanctl.conf.
    pub(super) fn refuse_in_conf_child(&mut self, section: &Section) {
        for key in ["rekey_bytes", "life_bytes", "rekey_packets", "life_packets"] {
            if let Some(entry) = section.entry(key) {
                self.refuse(entry.place.clone(), format!("`{key}`"));
            }
        }
        let window = section.entry("replay_window");
        if let Some(entry) = window.filter(|entry| entry.value != defaults::REPLAY_WINDOW.to_string()) {
            self.refuse(entry.place.clone(), "`replay_window`");
        }
    }

    /// The same children in a swanctl.conf.
    pub(super) fn refuse_starts(&mut self, connection: &Connection, place: &Location) {
        let mut further = connection.children.iter().skip(1);
        if let Some(child) = further.find(|child| starts(child.start_action)) {
            self.refuse(place.clone(), format!("starting `{}`, which is not the first child,", child.name));
        }
    }

    /// Kinds of faults.
    pub(super) fn refuse_faults(&mut self) {
        let file = self.file;
        for (index, fault) in file.faults.iter().enumerate() {
            let what = match fault.kind {
                FaultKind::LinkDown => continue,
                FaultKind::NodeCrash => "a node-crash",
                FaultKind::NatReboot => "a nat-reboot",
                FaultKind::Blackhole => "a blackhole",
                FaultKind::Flood => "a flood",
            };
            let place = self.document.locate(&KeyPath::root().key("faults").index(index).key("kind"));
            self.refuse(place, what);
        }
    }

    /// Kinds of commands, and commands about one of several children.
    pub(super) fn refuse_action(&mut self, action: &ActionFile, connections: &[Connection], path: &KeyPath) {
        let several =
            |connection: &Connection| connection.name == action.connection && connection.children.len() > 1;
        let of_one = connections.iter().any(several);
        let what = match action.action {
            ActionKind::Rekey => "the command \"rekey\"",
            ActionKind::Reauthenticate => "the command \"reauthenticate\"",
            ActionKind::Initiate if action.ike == Some(true) => {
                "the command \"initiate\" for an IKE SA alone"
            }
            ActionKind::Initiate if of_one => "the command \"initiate\" for several children",
            ActionKind::Terminate if of_one && action.child.is_some() => {
                "the command \"terminate\" for one of several children"
            }
            ActionKind::Initiate | ActionKind::Terminate => return,
        };
        let place = self.document.locate(&path.key("action"));
        self.refuse(place, what);
    }
}

/// Whether a child comes up with the run.
fn starts(action: StartAction) -> bool {
    matches!(action, StartAction::Start | StartAction::TrapStart)
}
