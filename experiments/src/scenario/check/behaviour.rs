//! `profile` and `limits` of `[nodes.<pattern>]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ipseclab_ike::profile::Profile;
use ipseclab_sim::SimDuration;

use super::nodes::{Layer, path_of};
use super::{Checker, list};
use crate::document::{Finding, KeyPath, Location, SourceText};
use crate::profiles;
use crate::scenario::checked::NodeLimits;
use crate::scenario::file::NodeLimitsFile;
use crate::scenario::value::Duration;

impl Checker<'_> {
    /// The profile that each layer names.
    pub(super) fn profiles(&mut self, layers: &[Layer<'_>]) -> BTreeMap<usize, Arc<Profile>> {
        let named = layers.iter().enumerate().filter_map(|(position, layer)| {
            let name = layer.file.profile.as_deref()?;
            Some((position, self.profile(name, &path_of(layer).key("profile"))?))
        });
        named.collect()
    }

    fn profile(&mut self, name: &str, path: &KeyPath) -> Option<Arc<Profile>> {
        if Path::new(name).extension().is_some_and(|end| end == "toml") {
            let (file, text) = self.read_file(name, path)?;
            return self.vendor_profile(&file, &text, path).map(Arc::new);
        }
        if let Ok(shipped) = profiles::shipped(name) {
            return Some(Arc::new(shipped));
        }
        let names = || profiles::SHIPPED.iter().map(|shipped| shipped.name);
        let finding = Finding::new(format!("there is no profile `{name}`"))
            .suggest(name, names())
            .help(format!("shipped: {}", list(names())))
            .help("a file ends in .toml");
        self.blame(path, "neither shipped nor the name of a file", finding);
        None
    }

    /// The profile in a user's file; what is wrong with it is reported at its place there.
    fn vendor_profile(&mut self, file: &Path, text: &str, used: &KeyPath) -> Option<Profile> {
        let error = match profiles::parse(text) {
            Ok(profile) => return Some(profile),
            Err(error) => error,
        };
        let source = SourceText::new(file.display().to_string(), text);
        let span = error.span().unwrap_or(0..0);
        let scenario = self.document.locate(used);
        let finding = Finding::new("this is no vendor profile")
            .at(Location::new(&source, span), error.to_string())
            .help(format!("used by `{used}` of {}", scenario.source.name));
        self.report.push(finding);
        None
    }

    /// The limits that each layer sets.
    pub(super) fn node_limits(&mut self, layers: &[Layer<'_>]) -> BTreeMap<usize, NodeLimits> {
        let mut found = BTreeMap::new();
        for (position, layer) in layers.iter().enumerate() {
            let Some(file) = &layer.file.limits else { continue };
            self.check_limits(file, &path_of(layer).key("limits"));
            found.insert(position, node_limits(file));
        }
        found
    }

    fn check_limits(&mut self, file: &NodeLimitsFile, path: &KeyPath) {
        self.check_positive(file.half_open_timeout, &path.key("half_open_timeout"));
        self.check_positive(file.retry_interval, &path.key("retry_interval"));
        let interval = file.retry_interval.map_or(RETRY_INTERVAL, Duration::span);
        if file.retry_jitter.is_some_and(|jitter| jitter.span() > interval) {
            let finding = Finding::new(format!("`{path}.retry_jitter` is longer than `retry_interval`"));
            self.blame(&path.key("retry_jitter"), "more than there is to leave out", finding);
        }
    }
}

/// strongSwan's wait before a renewal is tried again.
const RETRY_INTERVAL: SimDuration = SimDuration::from_secs(15);

fn node_limits(file: &NodeLimitsFile) -> NodeLimits {
    NodeLimits {
        ike_sas: file.ike_sas,
        half_open: file.half_open,
        half_open_per_address: file.half_open_per_address,
        cookie_threshold: file.cookie_threshold,
        cookie_threshold_per_address: file.cookie_threshold_per_address,
        half_open_timeout: file.half_open_timeout.map(Duration::span),
        queued_requests: file.queued_requests,
        children: file.children,
        window: file.window,
        sa_init_retries: file.sa_init_retries,
        fragments: file.fragments,
        fragmented_octets: file.fragmented_octets,
        keep_alive: file.keep_alive.map(Duration::span),
        retry_interval: file.retry_interval.map(Duration::span),
        retry_jitter: file.retry_jitter.map(Duration::span),
        rekeyed_delay: file.delete_rekeyed_delay.map(Duration::span),
    }
}
