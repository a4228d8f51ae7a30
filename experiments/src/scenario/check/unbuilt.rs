//! What can be written and checked, and what nothing runs yet.
//!
//! Each refusal stands alone, so that the one who builds the missing half takes it away here and nowhere else.

use ipseclab_ipsec::WindowLen;

use super::Checker;
use crate::document::{Finding, KeyPath, Location};
use crate::scenario::file::ConnectionFile;
use crate::scenario::swanctl::Section;

impl Checker<'_> {
    /// Refuses `what`, which stands at `place`.
    pub(super) fn refuse(&mut self, place: Location, what: impl Into<String>) {
        let finding = Finding::new(format!("{} is not built yet", what.into()));
        self.report.push(finding.at(place, "it can be written and checked, but not run"));
    }

    /// Keys of connections.
    pub(super) fn refuse_in_connection(&mut self, file: &ConnectionFile, path: &KeyPath) {
        for (name, child) in &file.children {
            if child.replay_window.is_some_and(|window| WindowLen::new(window).is_none()) {
                let path = path.key("children").key(name).key("replay_window");
                let place = self.document.locate(&path);
                self.refuse(place, "a `replay_window` outside of 32 to 65536");
            }
        }
    }

    /// The same keys in a swanctl.conf.
    pub(super) fn refuse_in_conf_child(&mut self, section: &Section) {
        let window = section.entry("replay_window");
        let is_built = |text: &str| text.parse().ok().and_then(WindowLen::new).is_some();
        if let Some(entry) = window.filter(|entry| !is_built(&entry.value)) {
            self.refuse(entry.place.clone(), "a `replay_window` outside of 32 to 65536");
        }
    }
}
