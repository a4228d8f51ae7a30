//! A connection that was written once, from the sides of its two nodes.
//!
//! The local side has the words as written, the remote side their mirror image, with the keys that begin with `remote_`
//! in their place. What begins something (`start`, `restart`) is the local side's alone, as two gateways that both begin
//! would only cross; `trap` is on both sides, where the other one can be reached.

use std::net::IpAddr;

use ipseclab_ike::proposal;
use ipseclab_sim::SimDuration;

use super::auth::{AuthOfPair, AuthOfSide};
use super::connections::{default_selectors, own_address};
use super::lifetimes::{LifetimeKeys, RenewalKeys, VolumeKeys};
use super::version::kilobytes;
use super::{Checker, habit};
use crate::document::KeyPath;
use crate::scenario::addresses::Addresses;
use crate::scenario::checked::{
    Child, Connection, Identity, NodeSettings, PeerIdentity, Retransmission, TrafficSelector, V1Settings,
    Xauth,
};
use crate::scenario::defaults;
use crate::scenario::file::{
    ChildFile, CloseAction, ConnectionFile, DpdAction, IkeVersion, Mode, StartAction,
};
use crate::scenario::selector::{Network, Selector, SelectorRange};
use crate::scenario::value::{Duration, EspProposal, Factor, IkeProposal, Size, VirtualAddress};

/// One side of a pair.
#[derive(Clone, Copy)]
struct Side<'a> {
    own: &'a NodeSettings,
    peer: &'a NodeSettings,
    is_local: bool,
}

/// Traffic of the side itself and of its peer.
type Traffic = (Vec<TrafficSelector>, Vec<TrafficSelector>);

impl Side<'_> {
    /// Nobody outside can send the first packet to a node behind a NAT.
    fn reaches_peer(self) -> bool {
        self.peer.nat.is_none()
    }

    /// The traffic of a tunnel in this side's eyes: in transport mode packets of a peer behind a NAT come from the NAT's
    /// address, and go there (RFC 7296 §2.23.1).
    fn as_seen(self, child: &ChildFile, (local_ts, mut remote_ts): Traffic) -> Traffic {
        if child.mode == Some(Mode::Transport) && self.peer.nat.is_some() {
            let inside = Addresses::host(own_address(self.peer));
            for selector in remote_ts.iter_mut().filter(|selector| selector.addresses == inside) {
                selector.addresses = Addresses::host(self.peer.address);
            }
        }
        (local_ts, remote_ts)
    }
}

impl Checker<'_> {
    /// The configurations of the nodes of `(local, remote)`, in this order.
    pub(super) fn two_sides(
        &mut self,
        name: &str,
        file: &ConnectionFile,
        auth: &AuthOfPair,
        (local, remote): (&NodeSettings, &NodeSettings),
    ) -> [Connection; 2] {
        let path = KeyPath::root().key("connections").key(name);
        self.check_ah_path(file, [local, remote], &path);
        for given in file.children.values() {
            self.check_beginning(given, local, remote, &path);
        }
        let near = Side { own: local, peer: remote, is_local: true };
        let far = Side { own: remote, peer: local, is_local: false };
        let (near_traffic, far_traffic): (Vec<_>, Vec<_>) = file
            .children
            .iter()
            .map(|(child, given)| {
                let path = path.key("children").key(child);
                let own = self.local_traffic(given, near, first_vip(file), &path);
                let other = self.remote_traffic(given, far, &own, &path);
                (near.as_seen(given, own), far.as_seen(given, other))
            })
            .unzip();
        let (mine, theirs) = (&file.proposals, &file.remote_proposals);
        [
            connection(name, file, &auth.local, near, mine.as_deref(), near_traffic),
            connection(name, file, &auth.remote, far, theirs.as_deref().or(mine.as_deref()), far_traffic),
        ]
    }

    /// What the local node is configured with.
    fn local_traffic(
        &mut self,
        file: &ChildFile,
        side: Side<'_>,
        vip: Option<IpAddr>,
        path: &KeyPath,
    ) -> Traffic {
        let mode = file.mode.unwrap_or(Mode::Tunnel);
        let local_ts = self.selectors(file.local_ts.as_deref(), side.own, mode, &path.key("local_ts"));
        let remote_ts = self.selectors(file.remote_ts.as_deref(), side.peer, mode, &path.key("remote_ts"));
        let own = match vip {
            Some(vip) => Some(virtual_traffic(file.local_ts.as_deref().unwrap_or_default(), local_ts, vip)),
            None => local_ts,
        };
        (
            own.unwrap_or_else(|| default_selectors(side.own, mode)),
            remote_ts.unwrap_or_else(|| default_selectors(side.peer, mode)),
        )
    }

    /// What the remote node is configured with: its own words where it has some, else the mirror image of `other`.
    fn remote_traffic(
        &mut self,
        file: &ChildFile,
        side: Side<'_>,
        other: &Traffic,
        path: &KeyPath,
    ) -> Traffic {
        let path = path.key("remote_policy");
        let mode = file.mode.unwrap_or(Mode::Tunnel);
        let policy = file.remote_policy.as_ref();
        let own = policy.and_then(|policy| policy.local_ts.as_deref());
        let peers = policy.and_then(|policy| policy.remote_ts.as_deref());
        let local_ts = self.selectors(own, side.own, mode, &path.key("local_ts"));
        let remote_ts = self.selectors(peers, side.peer, mode, &path.key("remote_ts"));
        (local_ts.unwrap_or_else(|| other.1.clone()), remote_ts.unwrap_or_else(|| other.0.clone()))
    }
}

/// The first virtual address that the local side asks for.
fn first_vip(file: &ConnectionFile) -> Option<IpAddr> {
    file.vips.as_deref().and_then(<[_]>::first).map(|vip| vip.get())
}

/// Traffic of a side that gets its address from its peer: `dynamic`, unless it names networks.
fn virtual_traffic(
    given: &[Selector],
    resolved: Option<Vec<TrafficSelector>>,
    vip: IpAddr,
) -> Vec<TrafficSelector> {
    let network = if vip.is_ipv6() { Network::ALL_V6 } else { Network::ALL };
    let all = TrafficSelector { addresses: network.into(), is_dynamic: true, protocol: None, ports: None };
    let Some(resolved) = resolved else { return vec![all] };
    let settled = given.iter().zip(resolved).map(|(written, selector)| match written.range {
        SelectorRange::Own => TrafficSelector { protocol: selector.protocol, ports: selector.ports, ..all },
        SelectorRange::Addresses(_) => selector,
    });
    settled.collect()
}

fn connection(
    name: &str,
    file: &ConnectionFile,
    auth: &AuthOfSide,
    side: Side<'_>,
    proposals: Option<&[IkeProposal]>,
    traffic: Vec<Traffic>,
) -> Connection {
    let identity = |given: &Option<Identity>, node: &NodeSettings| {
        given.clone().unwrap_or_else(|| Identity::Address(own_address(node)))
    };
    let remote_id = identity(&auth.remote_id, side.peer);
    let local_id = identity(&auth.local_id, side.own);
    let version = file.version.unwrap_or_default();
    let client = if side.is_local { &local_id } else { &remote_id };
    let children = file.children.iter().zip(traffic);
    let habits = &side.own.profile;
    Connection {
        name: name.to_owned(),
        label: String::new(),
        node: side.own.node,
        peer: Some(side.peer.node),
        is_local: side.is_local,
        // Whoever is behind a NAT shows up with an address and port that nobody knows beforehand.
        remote_address: side.reaches_peer().then_some(side.peer.address),
        proposals: proposals.map_or_else(|| habit::ike_proposals(habits, version), ike_proposals),
        version,
        v1: v1_settings(file, auth.xauth(client)),
        local_id,
        remote_auth: auth.asked_of(&remote_id),
        remote_id: PeerIdentity::Exactly(remote_id),
        local_auth: auth.shown.clone(),
        trust: auth.trust.clone(),
        send_certreq: file.send_certreq.unwrap_or(habits.defaults.send_certreq),
        send_cert: file.send_cert.unwrap_or_default(),
        signature_authentication: habits.defaults.signature_authentication,
        encap: file.encap.unwrap_or(false),
        mobike: file.mobike.unwrap_or(habits.defaults.mobike && version == IkeVersion::V2),
        fragmentation: file.fragmentation.unwrap_or_else(|| habit::fragmentation(habits)),
        fragment_size: fragment_size(file).unwrap_or_else(|| habit::fragment_size(habits)),
        childless: file.childless.unwrap_or_else(|| habit::childless(habits)),
        unique: file.unique.unwrap_or_default(),
        window: file.window.unwrap_or(1),
        retransmission: retransmission(file, habit::retransmission(habits)),
        keying_tries: file.keyingtries.unwrap_or(1),
        // swanctl: 0s turns it off, as does leaving it out.
        dpd_delay: file
            .dpd_delay
            .map_or_else(|| habit::dpd_delay(habits), |delay| Some(delay.span()))
            .filter(|delay| *delay > SimDuration::ZERO),
        renewal: RenewalKeys::of(file, side.is_local).settled(habits),
        vips: if side.is_local { addresses(file.vips.as_deref()) } else { Vec::new() },
        pools: if side.is_local { Vec::new() } else { auth.pools.clone() },
        children: children.map(|((name, file), traffic)| child(name, file, version, side, traffic)).collect(),
    }
}

fn v1_settings(file: &ConnectionFile, xauth: Option<Xauth>) -> V1Settings {
    V1Settings {
        aggressive: file.aggressive.unwrap_or(false),
        push: !file.pull.unwrap_or(true),
        life_kilobytes: file.life_bytes.and_then(kilobytes),
        dpd_timeout: file.dpd_timeout.map(Duration::span),
        xauth,
    }
}

fn child(
    name: &str,
    file: &ChildFile,
    version: IkeVersion,
    side: Side<'_>,
    (local_ts, remote_ts): Traffic,
) -> Child {
    let own = file.esp_proposals.as_deref();
    let given = if side.is_local { own } else { file.remote_esp_proposals.as_deref().or(own) };
    let ah = file.ah_proposals.as_deref();
    let ah = if side.is_local { ah } else { file.remote_ah_proposals.as_deref().or(ah) };
    let usual = || if ah.is_some() { vec![] } else { habit::esp_proposals(&side.own.profile, version) };
    Child {
        name: name.to_owned(),
        local_ts,
        remote_ts,
        esp_proposals: given.map_or_else(usual, esp_proposals),
        ah_proposals: ah.into_iter().flatten().map(|one| one.parsed().clone()).collect(),
        mode: file.mode.unwrap_or(Mode::Tunnel),
        start_action: start_action(file.start_action.unwrap_or(StartAction::Trap), side),
        dpd_action: dpd_action(file.dpd_action.unwrap_or_default(), side),
        close_action: close_action(file.close_action.unwrap_or_default(), side),
        // The side that set the tunnel up takes it down; two timers would only cross.
        inactivity: file.inactivity.filter(|_| side.is_local).map(Duration::span),
        lifetime: LifetimeKeys::of(file, side.is_local).settled(&side.own.profile),
        bytes: VolumeKeys::octets(file).settled_by(&side.own.profile),
        packets: VolumeKeys::packets(file).settled(),
        unauthenticated_esp: file.unauthenticated_esp.unwrap_or(false),
        replay_window: file.replay_window.unwrap_or(defaults::REPLAY_WINDOW),
    }
}

fn start_action(written: StartAction, side: Side<'_>) -> StartAction {
    match written {
        StartAction::Start if !side.is_local => StartAction::None,
        StartAction::TrapStart if !side.is_local => start_action(StartAction::Trap, side),
        StartAction::Trap if !side.reaches_peer() => StartAction::None,
        other => other,
    }
}

fn dpd_action(written: DpdAction, side: Side<'_>) -> DpdAction {
    match written {
        DpdAction::Restart if !side.is_local => DpdAction::Clear,
        DpdAction::Trap | DpdAction::Restart if !side.reaches_peer() => DpdAction::Clear,
        other => other,
    }
}

fn close_action(written: CloseAction, side: Side<'_>) -> CloseAction {
    match written {
        CloseAction::Start if !side.is_local => CloseAction::None,
        CloseAction::Trap | CloseAction::Start if !side.reaches_peer() => CloseAction::None,
        other => other,
    }
}

fn fragment_size(file: &ConnectionFile) -> Option<u16> {
    file.fragment_size.and_then(|size| u16::try_from(Size::octets(size)).ok())
}

fn addresses(given: Option<&[VirtualAddress]>) -> Vec<IpAddr> {
    given.into_iter().flatten().map(|address| address.get()).collect()
}

pub(super) fn retransmission(file: &ConnectionFile, default: Retransmission) -> Retransmission {
    Retransmission {
        timeout: file.retransmit_timeout.map_or(default.timeout, Duration::span),
        base_thousandths: file.retransmit_base.map_or(default.base_thousandths, Factor::thousandths),
        tries: file.retransmit_tries.unwrap_or(default.tries),
    }
}

fn ike_proposals(given: &[IkeProposal]) -> Vec<proposal::IkeProposal> {
    given.iter().map(|one| one.parsed().clone()).collect()
}

fn esp_proposals(given: &[EspProposal]) -> Vec<proposal::EspProposal> {
    given.iter().map(|one| one.parsed().clone()).collect()
}
