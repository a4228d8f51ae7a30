//! Hosts: endpoint, policies and traps of one node.

use core::net::IpAddr;

use ipseclab_ike::config::{
    Child, Childless as IkeChildless, CloseAction as IkeCloseAction, ConfiguredTs, Connection,
    DpdAction as IkeDpdAction, EndpointConfig, Fragmentation as IkeFragmentation, IkeVersion as Version,
    Lifetime, Limits, Mode as IkeMode, ModeConfig, Pool, PoolId, Reauthentication, Renewal, RetransmitPolicy,
    SignatureNaming, TsEntry, Unique as IkeUnique, V1, Volume,
};
use ipseclab_ike::credential::UnixTime;
use ipseclab_ike::wire::{AddressRange, TrafficSelector as IkeSelector};
use ipseclab_ike::{Identity, TrafficSelectors};
use ipseclab_ipsec::{
    DefaultAction, DontFragment, Fragmentation as IpsecFragmentation, PolicyId, Spd, SpdAction, SpdEntry,
    TrafficSelector as IpsecSelector, TrailerAlignment, WindowLen,
};
use ipseclab_net::ReassemblyConfig;
use ipseclab_node::{HostConfig, Observe, convert};
use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::credentials::{CredentialError, Issued};
use super::links::ip_net;
use super::{Connections, authentication};
use crate::scenario::{
    self, CheckedScenario, Childless, CloseAction, Df, DpdAction, Fragmentation, IkeVersion, IpFragmentation,
    Mode, Network, NodeSettings, PolicyMode, StartAction, TrafficSelector, Unique,
};

/// The host of a node, or `None` for one that only forwards.
pub(super) fn config(
    scenario: &CheckedScenario,
    connections: &Connections,
    settings: &NodeSettings,
    issued: &Issued,
    observe: Observe,
) -> Result<Option<HostConfig>, CredentialError> {
    let node = settings.node;
    if !settings.is_host {
        return Ok(None);
    }
    let indices = connections.at(node);
    let own: Vec<_> = indices.iter().map(|index| &scenario.connections[index.index()]).collect();
    let address = settings.nat.map_or(settings.address, |nat| nat.inside.into());
    let ike = EndpointConfig {
        limits: limits(settings),
        profile: (*settings.profile).clone(),
        credentials: issued.of(&own)?,
        pools: scenario.credentials.pools.iter().map(pool).collect(),
        epoch: UnixTime::from_secs(u64::try_from(scenario.start_unix).unwrap_or(0)),
        trace: observe.steps,
        ..EndpointConfig::new(
            address,
            own.iter().map(|written| connection(written, issued)).collect::<Result<_, _>>()?,
        )
    };
    let children =
        || policy_children(&own).map(|(_, connection, place)| (connection, &connection.children[place]));
    Ok(Some(HostConfig {
        networks: settings.networks.iter().copied().map(ip_net).collect(),
        spd: policies(scenario, &own, node, Network::host(address)),
        ike,
        acquire_queue: scenario.limits.acquire_queue,
        reassembly: ReassemblyConfig::default(),
        dont_fragment: match settings.df {
            Df::Set => DontFragment::Set,
            Df::Clear => DontFragment::Clear,
            Df::Copy => DontFragment::Copy,
        },
        fragmentation: match settings.ip_fragmentation {
            IpFragmentation::Before => IpsecFragmentation::Before,
            IpFragmentation::After => IpsecFragmentation::After,
        },
        trailer_alignment: match settings.esp_alignment {
            1 => TrailerAlignment::None,
            _ => TrailerAlignment::FourOctets,
        },
        rekeyed_delay: settings.limits.rekeyed_delay.unwrap_or(REKEYED_DELAY).to_duration(),
        mss_clamp: settings.mss_clamp,
        packet_sizes: scenario.outputs.packet_sizes,
        traps: children().map(|(connection, child)| traps(connection, child)).collect(),
        unauthenticated_esp: children().map(|(_, child)| child.unauthenticated_esp).collect(),
        replay_windows: children()
            .map(|(_, child)| WindowLen::new(child.replay_window).unwrap_or_default())
            .collect(),
        inactivity: children().map(|(_, child)| child.inactivity.map(SimDuration::to_duration)).collect(),
    }))
}

fn connection(written: &scenario::Connection, issued: &Issued) -> Result<Connection, CredentialError> {
    let (local, remote) = (authentication::local(written, issued), authentication::remote(written, issued)?);
    let id = identity(&written.local_id);
    Ok(Connection {
        local,
        remote: remote.clone(),
        version: version(written.version),
        v1: v1(&written.v1),
        send_cert: authentication::send_cert(written.send_cert),
        send_certreq: written.send_certreq,
        signatures: if written.signature_authentication {
            SignatureNaming::Named
        } else {
            SignatureNaming::PerKey
        },
        remote_address: written.remote_address,
        proposals: written.proposals.clone(),
        encap: written.encap,
        mobike: written.mobike,
        fragmentation: fragmentation(written),
        childless: childless(written.childless),
        unique: unique(written.unique),
        window: written.window,
        retransmit: RetransmitPolicy {
            timeout: written.retransmission.timeout.to_duration(),
            base_permille: written.retransmission.base_thousandths,
            tries: written.retransmission.tries,
        },
        keying_tries: written.keying_tries,
        dpd_delay: written.dpd_delay.map(SimDuration::to_duration),
        renewal: renewal(&written.renewal),
        vips: written.vips.clone(),
        pools: written.pools.iter().map(|place| pool_id(*place)).collect(),
        children: written.children.iter().map(child).collect(),
        ..Connection::new(&written.name, id, remote.id.clone())
    })
}

/// Every node knows all pools, so that a place in the scenario is one at each of them.
fn pool(written: &scenario::Pool) -> Pool {
    Pool { attributes: written.attributes.clone(), ..Pool::new(&written.name, written.addresses) }
}

fn pool_id(place: usize) -> PoolId {
    PoolId(u32::try_from(place).expect("a scenario has fewer than 2^32 pools"))
}

fn renewal(written: &scenario::Renewal) -> Renewal {
    Renewal {
        rekey_time: written.rekey_time.map(SimDuration::to_duration),
        reauth_time: written.reauth_time.map(SimDuration::to_duration),
        over_time: written.over_time.to_duration(),
        rand_time: written.rand_time.to_duration(),
        reauthentication: if written.make_before_break {
            Reauthentication::MakeBeforeBreak
        } else {
            Reauthentication::BreakBeforeMake
        },
    }
}

fn fragmentation(written: &scenario::Connection) -> IkeFragmentation {
    match written.fragmentation {
        Fragmentation::Yes | Fragmentation::Force => IkeFragmentation::Above(written.fragment_size),
        Fragmentation::Accept => IkeFragmentation::Accept,
        Fragmentation::No => IkeFragmentation::Off,
    }
}

fn version(written: IkeVersion) -> Version {
    match written {
        IkeVersion::V1 => Version::V1,
        IkeVersion::V2 => Version::V2,
    }
}

fn v1(written: &scenario::V1Settings) -> V1 {
    V1 {
        aggressive: written.aggressive,
        life_kilobytes: written.life_kilobytes,
        dpd_timeout: written.dpd_timeout.map(SimDuration::to_duration),
        xauth: written.xauth.as_ref().and_then(authentication::xauth),
        mode_config: if written.push { ModeConfig::Push } else { ModeConfig::Pull },
        ..V1::default()
    }
}

fn childless(written: Childless) -> IkeChildless {
    match written {
        Childless::Allow => IkeChildless::Allow,
        Childless::Prefer => IkeChildless::Prefer,
        Childless::Force => IkeChildless::Force,
        Childless::Never => IkeChildless::Never,
    }
}

fn unique(written: Unique) -> IkeUnique {
    match written {
        Unique::No => IkeUnique::No,
        Unique::Never => IkeUnique::Never,
        Unique::Keep => IkeUnique::Keep,
        Unique::Replace => IkeUnique::Replace,
    }
}

fn child(written: &scenario::Child) -> Child {
    let (local_ts, remote_ts) = (configured(&written.local_ts), configured(&written.remote_ts));
    Child {
        esp_proposals: written.esp_proposals.clone(),
        ah_proposals: written.ah_proposals.clone(),
        mode: mode(written.mode),
        lifetime: Lifetime {
            rekey_time: written.lifetime.rekey_time.map(SimDuration::to_duration),
            life_time: written.lifetime.life_time.map(SimDuration::to_duration),
            rand_time: written.lifetime.rand_time.to_duration(),
        },
        bytes: volume(written.bytes),
        packets: volume(written.packets),
        dpd_action: match written.dpd_action {
            DpdAction::Clear => IkeDpdAction::Clear,
            DpdAction::Trap => IkeDpdAction::Trap,
            DpdAction::Restart => IkeDpdAction::Restart,
        },
        close_action: match written.close_action {
            CloseAction::None => IkeCloseAction::None,
            CloseAction::Trap => IkeCloseAction::Trap,
            CloseAction::Start => IkeCloseAction::Start,
        },
        ..Child::new(&written.name, local_ts, remote_ts)
    }
}

fn volume(written: scenario::Volume) -> Volume {
    Volume { rekey: written.rekey, life: written.life, rand: written.rand }
}

/// charon's `delete_rekeyed_delay`.
const REKEYED_DELAY: SimDuration = SimDuration::from_secs(5);

/// The core's limits, with those that the scenario sets in their place.
fn limits(settings: &NodeSettings) -> Limits {
    let (written, mut default) = (&settings.limits, Limits::default());
    settings.profile.limits_defaults(&mut default);
    let count = |given: Option<u32>, default: usize| {
        given.map_or(default, |given| usize::try_from(given).unwrap_or(usize::MAX))
    };
    let time = |given: Option<SimDuration>, default| given.map_or(default, SimDuration::to_duration);
    Limits {
        ike_sas: count(written.ike_sas, default.ike_sas),
        half_open: count(written.half_open, default.half_open),
        half_open_per_address: count(written.half_open_per_address, default.half_open_per_address),
        cookie_threshold: count(written.cookie_threshold, default.cookie_threshold),
        cookie_threshold_per_address: count(
            written.cookie_threshold_per_address,
            default.cookie_threshold_per_address,
        ),
        half_open_timeout: time(written.half_open_timeout, default.half_open_timeout),
        queued_requests: count(written.queued_requests, default.queued_requests),
        children: count(written.children, default.children),
        window: written.window.unwrap_or(default.window),
        sa_init_retries: written.sa_init_retries.unwrap_or(default.sa_init_retries),
        fragments: written.fragments.and_then(|most| u16::try_from(most).ok()).unwrap_or(default.fragments),
        fragmented_octets: count(written.fragmented_octets, default.fragmented_octets),
        keep_alive: time(written.keep_alive, default.keep_alive),
        retry_interval: time(written.retry_interval, default.retry_interval),
        retry_jitter: time(written.retry_jitter, default.retry_jitter),
        ..default
    }
}

fn mode(mode: Mode) -> IkeMode {
    match mode {
        Mode::Tunnel => IkeMode::Tunnel,
        Mode::Transport => IkeMode::Transport,
    }
}

/// Whether the first packet that matches starts a negotiation; a node that does not know where its peer is cannot.
fn traps(connection: &scenario::Connection, child: &scenario::Child) -> bool {
    let traps = matches!(child.start_action, StartAction::Trap | StartAction::TrapStart);
    traps && connection.remote_address.is_some()
}

/// Every child of a node's connections with its number: policies are numbered over all children of all connections, in
/// the order of the connections and of the children in each.
pub(crate) fn policy_children<'a>(
    connections: &'a [&'a scenario::Connection],
) -> impl Iterator<Item = (PolicyId, &'a scenario::Connection, usize)> {
    let children = connections
        .iter()
        .flat_map(|connection| (0..connection.children.len()).map(move |place| (*connection, place)));
    (0..).zip(children).map(|(number, (connection, place))| (PolicyId(number), connection, place))
}

/// The entries of a tunnel. Where an address is known only when it is up, what it covers is up to its Child SAs; the
/// first packet that would set it up can only come from the node's own address.
fn protect(policy: PolicyId, connection: &scenario::Connection, place: usize, own: Network) -> Vec<SpdEntry> {
    let child = &connection.children[place];
    let entry = |local: &[TrafficSelector], action| SpdEntry {
        name: format!("{}/{}", connection.name, child.name),
        local: ipsec_selectors(local),
        remote: ipsec_selectors(&child.remote_ts),
        action,
    };
    let negotiated = SpdAction::Protect { policy, mode: convert::ipsec_mode(mode(child.mode)) };
    if ![&child.local_ts, &child.remote_ts].into_iter().flatten().any(is_open) {
        return vec![entry(&child.local_ts, negotiated)];
    }
    let installed = entry(&child.local_ts, SpdAction::ProtectInstalled { policy });
    let known = |selector: &TrafficSelector| {
        let addresses = if is_open(selector) { own.into() } else { selector.addresses };
        TrafficSelector { addresses, ..*selector }
    };
    let trap = || entry(&child.local_ts.iter().map(known).collect::<Vec<_>>(), negotiated);
    let can_trap = traps(connection, child) && !child.remote_ts.iter().any(is_open);
    core::iter::once(installed).chain(can_trap.then(trap)).collect()
}

/// Whether the addresses of a selector are known only when its tunnel is up.
fn is_open(selector: &TrafficSelector) -> bool {
    selector.is_dynamic && selector.addresses.is_everything()
}

/// Written bypasses and discards first, then the tunnels, those of addresses that come and go before the others; what
/// matches nothing passes, as with strongSwan.
fn policies(
    scenario: &CheckedScenario,
    connections: &[&scenario::Connection],
    node: NodeIndex,
    own: Network,
) -> Spd {
    let written = scenario.policies.iter().filter(|policy| policy.node == node);
    let mut entries: Vec<_> = written
        .map(|policy| SpdEntry {
            name: "policy".to_owned(),
            local: ipsec_selectors(&policy.local_ts),
            remote: ipsec_selectors(&policy.remote_ts),
            action: match policy.mode {
                PolicyMode::Pass => SpdAction::Bypass,
                PolicyMode::Drop => SpdAction::Discard,
            },
        })
        .collect();
    let tunnels = policy_children(connections);
    let tunnels = tunnels.flat_map(|(id, connection, place)| protect(id, connection, place, own));
    let is_installed = |entry: &SpdEntry| matches!(entry.action, SpdAction::ProtectInstalled { .. });
    let (installed, negotiated): (Vec<_>, Vec<_>) = tunnels.partition(is_installed);
    entries.extend(installed.into_iter().chain(negotiated));
    Spd::new(entries, DefaultAction::Bypass)
}

pub(super) fn identity(identity: &scenario::Identity) -> Identity {
    match identity {
        scenario::Identity::Address(address) => Identity::Address(*address),
        scenario::Identity::Fqdn(name) => Identity::Fqdn(name.clone()),
        scenario::Identity::Email(address) => Identity::Email(address.clone()),
        scenario::Identity::KeyId(octets) => Identity::KeyId(octets.clone()),
        scenario::Identity::DistinguishedName(name) => Identity::parse(&format!("asn1dn:{name}")),
    }
}

fn configured(selectors: &[TrafficSelector]) -> ConfiguredTs {
    let entry = |selector: &TrafficSelector| {
        let fixed = ike_selector(selector);
        if selector.is_dynamic {
            let IkeSelector { protocol, start_port, end_port, .. } = fixed;
            TsEntry::Dynamic { protocol, start_port, end_port }
        } else {
            TsEntry::Fixed(fixed)
        }
    };
    ConfiguredTs::new(selectors.iter().map(entry).collect())
}

fn ike_selectors(selectors: &[TrafficSelector]) -> TrafficSelectors {
    TrafficSelectors::new(selectors.iter().map(ike_selector).collect())
}

fn ike_selector(selector: &TrafficSelector) -> IkeSelector {
    let (start_port, end_port) = selector.ports.unwrap_or((0, u16::MAX));
    let addresses = match (selector.addresses.first(), selector.addresses.last()) {
        (IpAddr::V4(start), IpAddr::V4(end)) => AddressRange::V4 { start, end },
        (IpAddr::V6(start), IpAddr::V6(end)) => AddressRange::V6 { start, end },
        (first, last) => unreachable!("a range goes from {first} to {last}"),
    };
    IkeSelector { protocol: selector.protocol.unwrap_or(0), start_port, end_port, addresses }
}

fn ipsec_selectors(selectors: &[TrafficSelector]) -> Vec<IpsecSelector> {
    convert::ipsec_selectors(&ike_selectors(selectors))
}
