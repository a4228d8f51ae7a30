//! What can be written and checked, and what nothing runs yet.
//!
//! Each refusal stands alone, so that the one who builds the missing half takes it away here and nowhere else.

use super::Checker;
use crate::document::{Finding, KeyPath, Location};
use crate::scenario::file::{ActionFile, ActionKind, ConnectionFile, FaultKind};
use crate::scenario::value::AuthMethod;

impl Checker<'_> {
    /// Refuses `what`, which stands at `place`.
    pub(super) fn refuse(&mut self, place: Location, what: impl Into<String>) {
        let finding = Finding::new(format!("{} is not built yet", what.into()));
        self.report.push(finding.at(place, "it can be written and checked, but not run"));
    }

    /// Keys of connections.
    pub(super) fn refuse_in_connection(&mut self, file: &ConnectionFile, path: &KeyPath) {
        for (key, method) in [("local_auth", &file.auth.local_auth), ("remote_auth", &file.auth.remote_auth)]
        {
            if let Some(method) = method.as_ref().filter(|method| **method != AuthMethod::Psk) {
                let place = self.document.locate(&path.key("auth").key(key));
                self.refuse(place, format!("authentication by \"{}\"", method.word()));
            }
        }
        for (key, is_given) in [("vips", file.vips.is_some()), ("pools", file.pools.is_some())] {
            if is_given {
                let place = self.document.locate(&path.key(key));
                self.refuse(place, format!("`{key}`: virtual addresses"));
            }
        }
        if file.children.len() > 1 {
            let children = path.key("children");
            let second = self.document.keys_as_written(&children).into_iter().nth(1).unwrap_or_default();
            let place = self.document.locate_key(&children.key(second));
            self.refuse(place, "a second child of a connection");
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

    /// Kinds of commands.
    pub(super) fn refuse_action(&mut self, action: &ActionFile, path: &KeyPath) {
        let what = match action.action {
            ActionKind::Initiate | ActionKind::Terminate => return,
            ActionKind::Rekey => "the command \"rekey\"",
            ActionKind::Reauthenticate => "the command \"reauthenticate\"",
        };
        let place = self.document.locate(&path.key("action"));
        self.refuse(place, what);
    }

    /// Keys of nodes.
    pub(super) fn refuse_profiles(&mut self) {
        let file = self.file;
        for (name, node) in &file.nodes {
            if node.profile.is_some() {
                let place = self.document.locate(&KeyPath::root().key("nodes").key(name).key("profile"));
                self.refuse(place, "`profile`");
            }
        }
    }
}
