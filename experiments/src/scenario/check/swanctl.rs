//! `swanctl = "…"` of a node: its own connections, as a swanctl.conf says.
//!
//! Defaults are strongSwan's, which differ in places from those of `[connections]`: `start_action` is none, MOBIKE is
//! announced, and authentication is by public key. Selectors are taken as they stand; a gateway may well have tunnels for
//! networks that are not part of a scenario. `version = 0`, either version, stands for IKEv2.
//!
//! Model: `dynamic` stands for all addresses where virtual ones are handed out, or where the peer may be anywhere; the
//! negotiation narrows it.

use std::net::IpAddr;
use std::sync::Arc;

use ipseclab_ike::profile::Profile;
use ipseclab_ike::proposal;
use ipseclab_sim::SimDuration;

use super::connections::own_address;
use super::lifetimes::{
    Contradiction, LifetimeKeys, RenewalKeys, VolumeKeys, lifetime_contradiction, renewal_contradiction,
    volume_contradiction,
};
use super::swanctl_auth::ConfAuth;
use super::swanctl_peers::{peer_address, settle_peers};
use super::version::ike_fault;
use super::{Checker, Ground, habit};
use crate::document::{Finding, KeyPath, Location, SourceText};
use crate::scenario::addresses::Addresses;
use crate::scenario::checked::{Child, Connection, NodeSettings, Renewal, TrafficSelector, V1Settings};
use crate::scenario::defaults;
use crate::scenario::file::{
    Childless, CloseAction, DpdAction, Fragmentation, IkeVersion, Mode, SendCert, StartAction, Unique,
};
use crate::scenario::pattern::NodePattern;
use crate::scenario::selector::{Selector, SelectorRange};
use crate::scenario::swanctl::{self, Entry, Section};
use crate::scenario::value::{AhProposal, EspProposal, IkeProposal, Spread, TextValue, needs_ah};

/// A swanctl.conf while its connections are made: the file, and whose it is.
pub(super) struct Conf<'a> {
    pub(super) root: Section,
    pub(super) node: &'a NodeSettings,
    pub(super) nodes: &'a [NodeSettings],
    /// Places of its pools, by their names in the file.
    pub(super) pools: Vec<(String, usize)>,
}

impl Checker<'_> {
    /// The connections of every node that has a swanctl.conf.
    pub(super) fn swanctl_files(&mut self, ground: &Ground, nodes: &[NodeSettings]) -> Vec<Connection> {
        let file = self.file;
        let mut all = Vec::new();
        for (key, layer) in &file.nodes {
            let (Some(name), Ok(pattern)) = (&layer.swanctl, NodePattern::parse(key)) else { continue };
            let path = KeyPath::root().key("nodes").key(key).key("swanctl");
            if pattern.is_wild() {
                let finding = Finding::new(format!("`{path}` would be the configuration of several nodes"))
                    .help("give each node its own by its name, or write [connections]");
                self.blame(&path, "one file, many nodes", finding);
                continue;
            }
            let Some(node) = ground.topology.node_by_name(key) else { continue };
            let Some((full, text)) = self.read_file(name, &path) else { continue };
            let source = SourceText::new(full.display().to_string(), text);
            all.extend(self.swanctl_file(&source, &nodes[node.index()], nodes));
        }
        settle_peers(&mut all, nodes);
        self.check_conf_ah_paths(&all, nodes);
        all
    }

    fn swanctl_file(
        &mut self,
        source: &Arc<SourceText>,
        node: &NodeSettings,
        nodes: &[NodeSettings],
    ) -> Vec<Connection> {
        let root = match swanctl::parse(source) {
            Ok(root) => root,
            Err(report) => {
                self.report.append(report);
                return Vec::new();
            }
        };
        let words = swanctl::check(&root);
        let is_known = words.is_empty();
        self.report.append(words);
        let mut conf = Conf { root, node, nodes, pools: Vec::new() };
        self.pools_of(&mut conf);
        let connections = conf.root.inside("connections").iter();
        // What a file has that is not known could change the meaning of everything else.
        let made = connections.filter(|_| is_known).filter_map(|(name, place, section)| {
            self.check_name_at("name of a connection", name, place);
            self.conf_connection(&conf, name, place, section)
        });
        made.collect()
    }

    fn check_name_at(&mut self, what: &str, name: &str, place: &Location) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.len() > 64 || !name.chars().all(fits) {
            let finding = Finding::new(format!("`{}` cannot be the {what}", name.escape_debug()));
            let finding = finding.help("allowed: 1 to 64 letters, digits, `-` and `_`");
            self.report.push(finding.at(place.clone(), "not a plain name"));
        }
    }

    fn conf_connection(
        &mut self,
        conf: &Conf<'_>,
        name: &str,
        place: &Location,
        section: &Section,
    ) -> Option<Connection> {
        let before = self.report.findings().len();
        let version = self.conf_version(section);
        self.check_local_address(conf, section);
        let remote = self.remote_of(conf, section);
        // What is missing here has left a finding, so that the connection is given up at the end.
        let auth = self.conf_auth(conf, section, place, version).unwrap_or_else(ConfAuth::none);
        let vips = self.vips(section);
        let pools = self.pools_in(conf, section);
        let own = Some(own_address(conf.node)).filter(|_| vips.is_empty());
        let peer = peer_address(conf, remote).filter(|_| pools.is_empty());
        let about = (name, version);
        let children = self.conf_children(about, section, place, &conf.node.profile, (own, peer));
        let habits = Arc::clone(&conf.node.profile);
        let connection = Connection {
            name: name.to_owned(),
            label: String::new(),
            node: conf.node.node,
            peer: remote.node,
            is_local: true,
            remote_address: remote.address,
            proposals: self.conf_ike_proposals(section, version, &habits),
            version,
            v1: V1Settings { xauth: auth.xauth, ..self.conf_v1(section, version) },
            local_id: auth.local_id,
            remote_id: auth.remote_id,
            local_auth: auth.shown,
            remote_auth: auth.asked,
            trust: auth.trust,
            send_certreq: self
                .get(section, "send_certreq", swanctl::yes_or_no)
                .unwrap_or(habits.defaults.send_certreq),
            send_cert: self.chosen(section, "send_cert", &SEND_CERT),
            signature_authentication: habits.defaults.signature_authentication,
            encap: self.get(section, "encap", swanctl::yes_or_no).unwrap_or(false),
            mobike: self.get(section, "mobike", swanctl::yes_or_no).unwrap_or(true)
                && version == IkeVersion::V2,
            fragmentation: self
                .get(section, "fragmentation", |entry| swanctl::choice(entry, &FRAGMENTATION))
                .unwrap_or_else(|| habit::fragmentation(&habits)),
            fragment_size: habit::fragment_size(&habits),
            childless: self
                .get(section, "childless", |entry| swanctl::choice(entry, &CHILDLESS))
                .unwrap_or_else(|| habit::childless(&habits)),
            unique: self.chosen(section, "unique", &UNIQUE),
            window: 1,
            retransmission: habit::retransmission(&habits),
            keying_tries: self.bounded(section, "keyingtries", 1_000_000).unwrap_or(1),
            dpd_delay: self
                .get(section, "dpd_delay", swanctl::span)
                .filter(|delay| *delay > SimDuration::ZERO),
            renewal: self.conf_renewal(section, place, &habits),
            vips,
            pools,
            children,
        };
        (self.report.findings().len() == before).then_some(connection)
    }

    fn conf_renewal(&mut self, section: &Section, place: &Location, habits: &Profile) -> Renewal {
        let keys = RenewalKeys {
            rekey_time: self.get(section, "rekey_time", swanctl::span),
            reauth_time: self.get(section, "reauth_time", swanctl::span),
            over_time: self.get(section, "over_time", swanctl::span),
            rand_time: self.get(section, "rand_time", swanctl::span).map(Spread::Span),
            make_before_break: None,
        };
        let renewal = keys.settled(habits);
        self.conf_contradiction(renewal_contradiction(&renewal), section, place);
        renewal
    }

    fn conf_children(
        &mut self,
        (name, version): (&str, IkeVersion),
        section: &Section,
        place: &Location,
        habits: &Profile,
        dynamic: (Option<IpAddr>, Option<IpAddr>),
    ) -> Vec<Child> {
        let given = section.inside("children");
        if given.is_empty() {
            let finding = Finding::new(format!("`{name}` has no children"));
            self.report.push(finding.at(place.clone(), "nothing would ever flow"));
        }
        let child = |(name, place, section): &(String, Location, Section)| {
            self.check_name_at("name of a child", name, place);
            self.conf_child((name, version), section, place, habits, dynamic)
        };
        given.iter().map(child).collect()
    }

    fn conf_version(&mut self, section: &Section) -> IkeVersion {
        let version = section.entry("version").map(|entry| (entry, entry.value.as_str()));
        match version {
            None | Some((_, "0" | "2")) => IkeVersion::V2,
            Some((_, "1")) => IkeVersion::V1,
            Some((entry, _)) => {
                let finding = Finding::new("`version` must be 0, 1 or 2");
                self.report.push(finding.at(entry.place.clone(), "no version of IKE"));
                IkeVersion::V2
            }
        }
    }

    /// The words of IKEv1 alone, but for those of XAUTH.
    fn conf_v1(&mut self, section: &Section, version: IkeVersion) -> V1Settings {
        if version == IkeVersion::V2 {
            return V1Settings::default();
        }
        V1Settings {
            aggressive: self.get(section, "aggressive", swanctl::yes_or_no).unwrap_or(false),
            push: !self.get(section, "pull", swanctl::yes_or_no).unwrap_or(true),
            dpd_timeout: self
                .get(section, "dpd_timeout", swanctl::span)
                .filter(|timeout| *timeout > SimDuration::ZERO),
            ..V1Settings::default()
        }
    }

    /// The IKE proposals as written, or the vendor's.
    fn conf_ike_proposals(
        &mut self,
        section: &Section,
        version: IkeVersion,
        habits: &Profile,
    ) -> Vec<proposal::IkeProposal> {
        let own = habit::ike_proposals(habits, version);
        let given = self.proposals(section, "proposals", (&own, |one: &IkeProposal| one.parsed().clone()));
        let fault = given.iter().find_map(ike_fault).filter(|_| version == IkeVersion::V1);
        if let (Some(fault), Some(entry)) = (fault, section.entry("proposals")) {
            let finding = Finding::new("`proposals` has one that IKEv1 cannot negotiate");
            self.report.push(finding.at(entry.place.clone(), fault));
        }
        given
    }

    /// ESP and AH proposals of a child.
    fn conf_protocols(
        &mut self,
        section: &Section,
        version: IkeVersion,
        habits: &Profile,
    ) -> (Vec<proposal::EspProposal>, Vec<proposal::AhProposal>) {
        let ah = self.proposals(section, "ah_proposals", (&[], |one: &AhProposal| one.parsed().clone()));
        // AH alone is what a child without a word on ESP wants.
        let own = if ah.is_empty() { habit::esp_proposals(habits, version) } else { vec![] };
        let esp = self.proposals(section, "esp_proposals", (&own, |one: &EspProposal| one.parsed().clone()));
        let both = !esp.is_empty() && !ah.is_empty();
        if let (true, Some(entry), IkeVersion::V2) = (both, section.entry("ah_proposals"), version) {
            let finding = Finding::new("a tunnel asks for AH and ESP at once")
                .help("IKEv2 negotiates one of them for a Child SA; IKEv1 can do both: `version = 1`");
            self.report.push(finding.at(entry.place.clone(), "beside `esp_proposals`"));
        }
        let alone = esp.iter().any(needs_ah) && ah.is_empty();
        if let (true, Some(entry)) = (alone, section.entry("esp_proposals")) {
            let finding = Finding::new("`esp_proposals` has one without an integrity algorithm")
                .help("add one, such as sha256; IKEv1 can leave it to AH around ESP: ah_proposals = sha1");
            self.report.push(finding.at(entry.place.clone(), "neither integrity nor AH"));
        }
        (esp, ah)
    }

    /// A tunnel; `dynamic` holds what that word stands for on our side and on the peer's, all addresses when `None`.
    fn conf_child(
        &mut self,
        (name, version): (&str, IkeVersion),
        section: &Section,
        place: &Location,
        habits: &Profile,
        dynamic: (Option<IpAddr>, Option<IpAddr>),
    ) -> Child {
        let lifetime = LifetimeKeys {
            rekey_time: self.get(section, "rekey_time", swanctl::span),
            life_time: self.get(section, "life_time", swanctl::span),
            rand_time: self.get(section, "rand_time", swanctl::span).map(Spread::Span),
        };
        let lifetime = lifetime.settled(habits);
        self.refuse_in_conf_child(section);
        let bytes = self.volume(section, ["rekey_bytes", "life_bytes", "rand_bytes"]).settled_by(habits);
        let packets = self.volume(section, ["rekey_packets", "life_packets", "rand_packets"]).settled();
        self.conf_contradiction(lifetime_contradiction(&lifetime), section, place);
        self.conf_contradiction(volume_contradiction(&bytes, ["life_bytes", "rand_bytes"]), section, place);
        self.conf_contradiction(
            volume_contradiction(&packets, ["life_packets", "rand_packets"]),
            section,
            place,
        );
        let (esp_proposals, ah_proposals) = self.conf_protocols(section, version, habits);
        Child {
            name: name.to_owned(),
            local_ts: self.conf_selectors(section, "local_ts", dynamic.0),
            remote_ts: self.conf_selectors(section, "remote_ts", dynamic.1),
            esp_proposals,
            ah_proposals,
            mode: self.get(section, "mode", |entry| swanctl::choice(entry, &MODES)).unwrap_or(Mode::Tunnel),
            start_action: self
                .get(section, "start_action", |entry| swanctl::choice(entry, &START_ACTIONS))
                .unwrap_or(StartAction::None),
            dpd_action: self.chosen(section, "dpd_action", &DPD_ACTIONS),
            close_action: self.chosen(section, "close_action", &CLOSE_ACTIONS),
            inactivity: self
                .get(section, "inactivity", swanctl::span)
                .filter(|idle| *idle > SimDuration::ZERO),
            lifetime,
            bytes,
            packets,
            unauthenticated_esp: false,
            replay_window: self.bounded(section, "replay_window", 4096).unwrap_or(defaults::REPLAY_WINDOW),
        }
    }

    fn volume(&mut self, section: &Section, [rekey, life, rand]: [&str; 3]) -> VolumeKeys {
        VolumeKeys {
            rekey: self.get(section, rekey, swanctl::bytes),
            life: self.get(section, life, swanctl::bytes),
            rand: self.get(section, rand, swanctl::bytes),
        }
    }

    fn conf_contradiction(&mut self, found: Option<Contradiction>, section: &Section, place: &Location) {
        let Some((key, label)) = found else { return };
        let place = section.entry(key).map_or(place, |entry| &entry.place);
        let finding = Finding::new(format!("`{key}` does not go with the renewal"));
        self.report.push(finding.at(place.clone(), label).help("0 turns a limit off"));
    }

    /// Selectors of a list; `dynamic`, which is the default, is the given address or any.
    fn conf_selectors(&mut self, section: &Section, key: &str, own: Option<IpAddr>) -> Vec<TrafficSelector> {
        let resolved = |selector: Selector| TrafficSelector {
            addresses: match selector.range {
                SelectorRange::Addresses(addresses) => addresses,
                SelectorRange::Own => own.map_or(Addresses::ALL, Addresses::host),
            },
            is_dynamic: selector.range == SelectorRange::Own,
            protocol: selector.protocol,
            ports: selector.ports,
        };
        let Some(entry) = section.entry(key) else { return vec![resolved(Selector::own())] };
        let mut found = Vec::new();
        for item in swanctl::items(entry) {
            match self.parsed::<Selector>(entry, &item) {
                Some(selector) => found.push(resolved(selector)),
                None => return vec![resolved(Selector::own())],
            }
        }
        if found.is_empty() { vec![resolved(Selector::own())] } else { found }
    }

    /// The proposals of a list, where `default` stands for all of the vendor's own; those alone without a list.
    fn proposals<T: TextValue, P: Clone>(
        &mut self,
        section: &Section,
        key: &str,
        (own, of): (&[P], impl Fn(&T) -> P),
    ) -> Vec<P> {
        let Some(entry) = section.entry(key) else { return own.to_vec() };
        let mut all = Vec::new();
        for item in swanctl::items(entry) {
            if item.text == "default" {
                all.extend_from_slice(own);
            } else if let Some(parsed) = self.parsed::<T>(entry, &item) {
                all.push(of(&parsed));
            }
        }
        if all.is_empty() { own.to_vec() } else { all }
    }

    /// An element of a list as a text with a meaning.
    pub(super) fn parsed<T: TextValue>(&mut self, entry: &Entry, item: &swanctl::Item) -> Option<T> {
        match T::parse(&item.text) {
            Ok(value) => Some(value),
            Err(mistake) => {
                let span = mistake.span.unwrap_or(0..item.text.len());
                let place = entry.within(item.range.start + span.start..item.range.start + span.end);
                let finding = Finding::new(format!("`{}` must be {}", entry.key, T::EXPECTED));
                let finding = finding.at(place, mistake.message);
                self.report.push(mistake.help.into_iter().fold(finding, Finding::help));
                None
            }
        }
    }

    /// The value of a key, when it is there and right.
    fn get<T>(
        &mut self,
        section: &Section,
        key: &str,
        read: impl Fn(&Entry) -> Result<T, Box<Finding>>,
    ) -> Option<T> {
        match read(section.entry(key)?) {
            Ok(value) => Some(value),
            Err(finding) => {
                self.report.push(*finding);
                None
            }
        }
    }

    fn chosen<T: Copy + Default>(&mut self, section: &Section, key: &str, words: &[(&str, T)]) -> T {
        self.get(section, key, |entry| swanctl::choice(entry, words)).unwrap_or_default()
    }

    fn bounded(&mut self, section: &Section, key: &str, most: u32) -> Option<u32> {
        let number = self.get(section, key, |entry| swanctl::number(entry, 0, most.into()));
        number.and_then(|number| u32::try_from(number).ok())
    }
}

const SEND_CERT: [(&str, SendCert); 3] =
    [("ifasked", SendCert::IfAsked), ("always", SendCert::Always), ("never", SendCert::Never)];
const FRAGMENTATION: [(&str, Fragmentation); 4] = [
    ("yes", Fragmentation::Yes),
    ("accept", Fragmentation::Accept),
    ("force", Fragmentation::Force),
    ("no", Fragmentation::No),
];
const CHILDLESS: [(&str, Childless); 4] = [
    ("allow", Childless::Allow),
    ("prefer", Childless::Prefer),
    ("force", Childless::Force),
    ("never", Childless::Never),
];
const UNIQUE: [(&str, Unique); 4] =
    [("no", Unique::No), ("never", Unique::Never), ("keep", Unique::Keep), ("replace", Unique::Replace)];
const MODES: [(&str, Mode); 2] = [("tunnel", Mode::Tunnel), ("transport", Mode::Transport)];
const START_ACTIONS: [(&str, StartAction); 5] = [
    ("none", StartAction::None),
    ("trap", StartAction::Trap),
    ("start", StartAction::Start),
    ("trap|start", StartAction::TrapStart),
    ("start|trap", StartAction::TrapStart),
];
const DPD_ACTIONS: [(&str, DpdAction); 5] = [
    ("clear", DpdAction::Clear),
    ("none", DpdAction::Clear),
    ("trap", DpdAction::Trap),
    ("restart", DpdAction::Restart),
    ("start", DpdAction::Restart),
];
const CLOSE_ACTIONS: [(&str, CloseAction); 3] =
    [("none", CloseAction::None), ("trap", CloseAction::Trap), ("start", CloseAction::Start)];
