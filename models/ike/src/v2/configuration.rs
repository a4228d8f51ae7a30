//! Configuration payloads in `IKE_AUTH` (RFC 7296 §2.19, §3.15): virtual addresses and what goes with them.
//!
//! ```text
//! initiator                                                                  responder
//! HDR, SK { IDi, AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr }  ──►
//!                ◄──  HDR, SK { IDr, AUTH, CP(CFG_REPLY), SAr2, TSi, TSr }
//!            or  ◄──  HDR, SK { IDr, AUTH, N(INTERNAL_ADDRESS_FAILURE | FAILED_CP_REQUIRED) }   no Child SA
//! ```
//!
//! As strongSwan does: the initiator asks for addresses only and takes what else comes; the responder gives all attributes
//! of its pools, asked for or not. `CFG_SET` and what comes outside `IKE_AUTH` are left out.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::ConnectionId;
use crate::event::{Event, FailureReason, VirtualAddress};
use crate::identity::Identity;
use crate::v2::address_pool::Client;
use crate::v2::ike_sa::{Env, Head};
use crate::v2::window::Path;
use crate::wire::{CfgAttribute, CfgType, CpPayload, Ipv6Prefix, Payload};

/// The prefix that goes with an IPv6 address, as strongSwan has it.
const IPV6_PREFIX_LEN: u8 = 64;

/// The virtual addresses of an IKE SA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// Those that the peer has lent to us.
    pub(crate) local: Vec<IpAddr>,
    /// Those that we have lent to the peer.
    pub(crate) remote: Vec<IpAddr>,
}

/// What `dynamic` stands for on each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    pub(crate) local: Vec<IpAddr>,
    pub(crate) remote: Vec<IpAddr>,
}

impl Addresses {
    /// The virtual addresses; a side without any has the one of the path.
    pub(crate) fn hosts(&self, path: Path) -> Hosts {
        let or_own = |lent: &[IpAddr], own: IpAddr| if lent.is_empty() { vec![own] } else { lent.to_vec() };
        Hosts { local: or_own(&self.local, path.local.ip()), remote: or_own(&self.remote, path.remote.ip()) }
    }
}

impl Hosts {
    /// The same while we wait for virtual addresses like `wanted`: any address of those families may become ours.
    pub(crate) fn awaiting(mut self, wanted: &[IpAddr]) -> Self {
        if !wanted.is_empty() {
            self.local = wanted.iter().map(|address| any_like(*address)).collect();
            self.local.sort_unstable();
            self.local.dedup();
        }
        self
    }
}

fn any_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The payload that asks for `wanted`; none where that is nothing.
pub(crate) fn request(wanted: &[IpAddr]) -> Option<Payload> {
    let attributes: Vec<_> = wanted.iter().map(|address| attribute(*address)).collect();
    (!attributes.is_empty()).then_some(Payload::Cp(CpPayload { kind: CfgType::Request, attributes }))
}

/// An address as an attribute; an unspecified one is empty.
fn attribute(address: IpAddr) -> CfgAttribute {
    let is_known = !address.is_unspecified();
    match address {
        IpAddr::V4(address) => CfgAttribute::Ip4Address(is_known.then_some(address)),
        IpAddr::V6(address) => {
            CfgAttribute::Ip6Address(Ipv6Prefix::new(address, IPV6_PREFIX_LEN).filter(|_| is_known))
        }
    }
}

/// The address in an attribute, unspecified where it is empty; `None` for other attributes.
fn address_in(attribute: &CfgAttribute) -> Option<IpAddr> {
    match attribute {
        CfgAttribute::Ip4Address(address) => Some(address.unwrap_or(Ipv4Addr::UNSPECIFIED).into()),
        CfgAttribute::Ip6Address(prefix) => {
            Some(prefix.map_or(Ipv6Addr::UNSPECIFIED, Ipv6Prefix::address).into())
        }
        _ => None,
    }
}

/// Takes the answer to our request for `wanted`, tells the owner, and returns our virtual addresses: of each family at
/// most as many as we asked for.
pub(crate) fn accept(
    head: &Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    wanted: &[IpAddr],
    reply: Option<&CpPayload>,
) -> Vec<IpAddr> {
    let Some(reply) = reply.filter(|reply| reply.kind == CfgType::Reply && !wanted.is_empty()) else {
        return vec![];
    };
    let mut open = wanted.to_vec();
    let mut addresses = Vec::new();
    for address in reply.attributes.iter().filter_map(address_in).filter(|address| !address.is_unspecified())
    {
        if let Some(place) = open.iter().position(|wanted| wanted.is_ipv4() == address.is_ipv4()) {
            open.swap_remove(place);
            addresses.push(address);
        }
    }
    announce(head, env, connection, &addresses, &reply.attributes);
    addresses
}

/// What a responder lends.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    pub(crate) payload: Option<Payload>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Why there is no address, and so no Child SA.
    pub(crate) refusal: Option<FailureReason>,
}

impl Lent {
    fn nothing(refusal: Option<FailureReason>) -> Self {
        Self { refusal, ..Self::default() }
    }
}

/// Answers the configuration request of the authenticated `peer`, and tells the owner what it has got.
pub(crate) fn lend(
    head: &Head,
    env: &mut Env<'_>,
    connection_id: ConnectionId,
    peer: &Identity,
    request: Option<&CpPayload>,
) -> Lent {
    let config = env.config;
    let pools = config.pools_of(config.connection(connection_id));
    let request = request.filter(|request| request.kind == CfgType::Request);
    let asked = request.into_iter().flat_map(|request| &request.attributes).filter_map(address_in);
    let asked: Vec<IpAddr> = asked.take(config.limits.virtual_addresses).collect();
    if asked.is_empty() {
        return Lent::nothing((!pools.is_empty()).then_some(FailureReason::CpRequired));
    }
    let client = Client { ike_sa: head.id, identity: peer, address: head.path.remote.ip() };
    let limit = config.limits.leases;
    let lent = asked.iter().filter_map(|wanted| env.pools.acquire(&pools, client, *wanted, limit));
    let addresses: Vec<IpAddr> = lent.collect();
    if addresses.is_empty() {
        return Lent::nothing(Some(FailureReason::AddressFailure));
    }
    let told = pools.iter().flat_map(|(_, pool)| &pool.attributes).map(|attribute| attribute.to_wire());
    let attributes: Vec<_> = addresses.iter().map(|address| attribute(*address)).chain(told).collect();
    announce(head, env, connection_id, &addresses, &attributes);
    let payload = Payload::Cp(CpPayload { kind: CfgType::Reply, attributes });
    Lent { payload: Some(payload), addresses, refusal: None }
}

/// Tells the owner.
fn announce(
    head: &Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    addresses: &[IpAddr],
    attributes: &[CfgAttribute],
) {
    let dns = attributes.iter().filter_map(|attribute| match attribute {
        CfgAttribute::Ip4Dns(server) => server.map(IpAddr::V4),
        CfgAttribute::Ip6Dns(server) => server.map(IpAddr::V6),
        _ => None,
    });
    let is_other = |attribute: &&CfgAttribute| {
        let kept = matches!(attribute, CfgAttribute::Ip4Dns(_) | CfgAttribute::Ip6Dns(_));
        address_in(attribute).is_none() && !kept
    };
    let event = VirtualAddress {
        ike_sa: head.id,
        connection,
        role: head.role,
        addresses: addresses.to_vec(),
        dns: dns.collect(),
        attributes: attributes.iter().filter(is_other).cloned().collect(),
    };
    env.events.push_back(Event::VirtualAddress(Box::new(event)));
}
