//! `profile` and `limits` of `[nodes.<pattern>]`.

use std::collections::BTreeMap;
use std::path::Path;

use ipseclab_sim::SimDuration;

use super::Checker;
use super::nodes::{Layer, path_of};
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{NodeLimits, Profile};
use crate::scenario::file::NodeLimitsFile;
use crate::scenario::value::Duration;

/// The shipped profiles.
const SHIPPED: [&str; 2] = ["strongswan", "libreswan"];

impl Checker<'_> {
    /// The profile that each layer names.
    pub(super) fn profiles(&mut self, layers: &[Layer<'_>]) -> BTreeMap<usize, Profile> {
        let named = layers.iter().enumerate().filter_map(|(position, layer)| {
            let name = layer.file.profile.as_deref()?;
            Some((position, self.profile(name, &path_of(layer).key("profile"))?))
        });
        named.collect()
    }

    fn profile(&mut self, name: &str, path: &KeyPath) -> Option<Profile> {
        if let Some(shipped) = SHIPPED.iter().find(|shipped| **shipped == name) {
            return Some(Profile::Shipped(shipped));
        }
        if Path::new(name).extension().is_some_and(|end| end == "toml") {
            let (path, text) = self.read_file(name, path)?;
            return Some(Profile::File { path, text });
        }
        let finding = Finding::new(format!("there is no profile `{name}`"))
            .suggest(name, SHIPPED)
            .help("shipped: `strongswan` and `libreswan`")
            .help("a file ends in .toml");
        self.blame(path, "neither shipped nor the name of a file", finding);
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
        self.check_positive(file.keep_alive, &path.key("keep_alive"));
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
    }
}
