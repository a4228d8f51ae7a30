//! Child SAs: what an ISAKMP SA remembers of each, and how the traffic of one is named in Quick Mode.
//!
//! An ID payload is one address, network or range with one protocol and at most one port; a Child SA of IKEv1 has just
//! one for each side. Nothing is narrowed: a responder takes what lies within its policy or refuses (RFC 2409 §5.5).

use core::net::IpAddr;
use core::time::Duration;

use crate::config::{Child, ChildId, Mode};
use crate::event::{AhPair, ChildProtocol, ChildSaEstablished, DirectionKeys, Event, Outbound};
use crate::traffic_selector::TrafficSelectors;
use crate::v1::isakmp_sa::{Env, Head};
use crate::v1::keys::{IsakmpKeys, KeymatSources};
use crate::v1::offer::{Part, Phase2, Phase2Terms};
use crate::v2::{Hosts, Role};
use crate::wire::isakmp::{IdPayload, ProtocolId};
use crate::wire::{AddressRange, TrafficSelector};

/// A Child SA of an ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChildSa {
    pub(crate) protocol: ChildProtocol,
    /// The SPI on packets that we receive.
    pub(crate) spi_in: u32,
    /// The SPI on packets that we send.
    pub(crate) spi_out: u32,
    /// The two SPIs of AH around ESP, where there is one.
    pub(crate) ah: Option<(u32, u32)>,
    /// The child that it was made from.
    pub(crate) child: ChildId,
    pub(crate) traffic: Traffic,
    pub(crate) phase: Phase,
    /// When to renew it.
    pub(crate) rekey_at: Option<Duration>,
    /// When it ends, renewed or not.
    pub(crate) expires_at: Option<Duration>,
}

/// Where a Child SA is in its life. There is no end of its own to agree on: a Delete needs no answer.
///
/// ```text
/// Installed ──our renewal──► Rekeying ──done──► Rekeyed ──its lifetime, or a Delete──► gone
///     │                          └────refused────► Installed
///     └──the peer's renewal──► Rekeyed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In use.
    Installed,
    /// We are renewing it, or wait to.
    Rekeying,
    /// Another has taken its place. It still receives.
    Rekeyed,
}

/// A Child SA that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) child: ChildId,
    /// Our inbound SPI of the Child SA that it renews.
    pub(crate) rekeys: Option<u32>,
}

impl Wish {
    pub(crate) const fn fresh(child: ChildId) -> Self {
        Self { child, rekeys: None }
    }
}

/// The traffic of a Child SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) local: TrafficSelector,
    pub(crate) remote: TrafficSelector,
}

impl Traffic {
    /// What we ask for: the first selector of each side, where `dynamic` stands for `hosts`.
    pub(crate) fn wanted(child: &Child, hosts: &Hosts) -> Option<Self> {
        let first = |selectors: TrafficSelectors| selectors.as_slice().first().cloned();
        let local = first(child.local_ts.resolve(&hosts.local))?;
        let remote = first(child.remote_ts.resolve(&hosts.remote))?;
        Some(Self { local, remote })
    }

    /// The ID payloads, the initiator's side first; `None` when no identity says that.
    pub(crate) fn ids(&self, role: Role) -> Option<[IdPayload; 2]> {
        let (local, remote) = (IdPayload::of_traffic(&self.local)?, IdPayload::of_traffic(&self.remote)?);
        Some(match role {
            Role::Initiator => [local, remote],
            Role::Responder => [remote, local],
        })
    }

    /// What ID payloads say to us in our role; without any, the traffic between the two hosts (RFC 2409 §5.5).
    pub(crate) fn of_ids(ids: Option<[&IdPayload; 2]>, role: Role, hosts: [IpAddr; 2]) -> Option<Self> {
        let (local, remote) = match ids {
            None => (host(hosts[0]), host(hosts[1])),
            Some([initiator, responder]) => {
                let (initiator, responder) = (initiator.traffic()?, responder.traffic()?);
                match role {
                    Role::Initiator => (initiator, responder),
                    Role::Responder => (responder, initiator),
                }
            }
        };
        Some(Self { local, remote })
    }

    /// In transport mode behind a NAT each side knows the other by another address than that side itself: what is
    /// between the hosts is between the addresses that we see (RFC 3947 §5.2).
    pub(crate) fn seen_from_here(mut self, child: &Child, head: &Head) -> Self {
        if child.mode == Mode::Transport && head.nat.detected() {
            self.local.addresses = host(head.path.local.ip()).addresses;
            self.remote.addresses = host(head.path.remote.ip()).addresses;
        }
        self
    }

    /// Whether all of it is allowed by `child`, and whether it is just that.
    pub(crate) fn fit(&self, child: &Child, hosts: &Hosts) -> Option<bool> {
        let (local, remote) = (child.local_ts.resolve(&hosts.local), child.remote_ts.resolve(&hosts.remote));
        let one = |selector: &TrafficSelector| TrafficSelectors::new(vec![selector.clone()]);
        let (own, peers) = (one(&self.local), one(&self.remote));
        let within = own.is_within(&local) && peers.is_within(&remote);
        within.then(|| local.as_slice().contains(&self.local) && remote.as_slice().contains(&self.remote))
    }
}

fn host(address: IpAddr) -> TrafficSelector {
    let addresses = match address {
        IpAddr::V4(address) => AddressRange::V4 { start: address, end: address },
        IpAddr::V6(address) => AddressRange::V6 { start: address, end: address },
    };
    TrafficSelector { protocol: 0, start_port: 0, end_port: u16::MAX, addresses }
}

/// A Child SA as agreed, before its keys.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) wish: Wish,
    pub(crate) phase2: Phase2,
    pub(crate) terms: Phase2Terms,
    pub(crate) traffic: Traffic,
}

/// What the keys of a Child SA come from, besides the ISAKMP SA's `SKEYID_d`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// Our part in the exchange.
    pub(crate) side: Role,
    pub(crate) nonces: [&'a [u8]; 2],
    /// The exchange's own key exchange (PFS).
    pub(crate) shared_secret: Option<&'a ipseclab_crypto::Secret>,
}

impl Agreed {
    /// Derives the keys, tells the owner, and returns what the ISAKMP SA remembers.
    pub(crate) fn install(
        self,
        head: &Head,
        env: &mut Env<'_>,
        keys: &IsakmpKeys,
        sources: Sources<'_>,
    ) -> ChildSa {
        let Self { wish, phase2, terms, traffic } = self;
        let (main, around) = (phase2.main, phase2.around.zip(terms.ah_spi_in));
        let (keys_in, keys_out) = direction_keys(env, keys, main, terms.spi_in, sources);
        let ah = around.map(|(part, spi_in)| {
            let (keys_in, keys_out) = direction_keys(env, keys, part, spi_in, sources);
            ah_pair(part, spi_in, keys_in, keys_out)
        });
        let config = env.config.child(wish.child);
        let lifetime = config.lifetime;
        let mode = config.mode;
        let spi_out = u32::from_be_bytes(main.chosen.spi);
        let child = ChildSa {
            protocol: main.protocol,
            spi_in: terms.spi_in,
            spi_out,
            ah: ah.as_ref().map(|ah| (ah.spi_in, ah.spi_out)),
            child: wish.child,
            traffic: traffic.clone(),
            phase: Phase::Installed,
            rekey_at: env.renewal_at(lifetime.rekey_time, lifetime.rand_time),
            expires_at: lifetime.life_time.map(|life| env.now.saturating_add(life)),
        }
        .within(env.now, phase2.lives.seconds);
        env.events.push_back(Event::ChildSaEstablished(Box::new(ChildSaEstablished {
            ike_sa: head.id,
            connection: wish.child.connection,
            child: wish.child,
            replaces: wish.rekeys,
            outbound: Outbound::Now,
            role: sources.side,
            protocol: main.protocol,
            spi_in: terms.spi_in,
            spi_out,
            proposal: main.chosen,
            keys_in,
            keys_out,
            ah: ah.map(Box::new),
            mode,
            local_ts: TrafficSelectors::new(vec![traffic.local]),
            remote_ts: TrafficSelectors::new(vec![traffic.remote]),
            udp_encap: head.nat.detected(),
            local: head.path.local,
            remote: head.path.remote,
        })));
        child
    }
}

fn ah_pair(part: Part, spi_in: u32, keys_in: DirectionKeys, keys_out: DirectionKeys) -> AhPair {
    AhPair {
        spi_in,
        spi_out: u32::from_be_bytes(part.chosen.spi),
        integrity: part.chosen.integrity.expect("AH is agreed on by its integrity algorithm"),
        esn: part.chosen.esn,
        key_in: keys_in.integrity,
        key_out: keys_out.integrity,
    }
}

/// The keys of the SAs that we receive and send with: each is made for the SPI of its receiver.
fn direction_keys(
    env: &mut Env<'_>,
    keys: &IsakmpKeys,
    part: Part,
    spi_in: u32,
    sources: Sources<'_>,
) -> (DirectionKeys, DirectionKeys) {
    let protocol = match part.protocol {
        ChildProtocol::Esp => ProtocolId::Esp,
        ChildProtocol::Ah => ProtocolId::Ah,
    };
    let encryption_len = part.chosen.encryption.key_material_len();
    let integrity_len = part.chosen.integrity.map_or(0, ipseclab_crypto::Integrity::key_len);
    let mut of_spi = |spi: [u8; 4]| {
        let Sources { shared_secret, nonces, .. } = sources;
        let sources = KeymatSources { shared_secret, protocol, spi, nonces };
        keys.direction_keys(env.crypto, sources, (encryption_len, integrity_len))
    };
    (of_spi(spi_in.to_be_bytes()), of_spi(part.chosen.spi))
}

impl ChildSa {
    /// The same with the lifetime that was agreed on, where that is shorter than ours: it is renewed before.
    fn within(mut self, now: Duration, seconds: Option<u64>) -> Self {
        let Some(life) = seconds.map(Duration::from_secs) else { return self };
        let end = now.saturating_add(life);
        if self.expires_at.is_none_or(|ours| end < ours) {
            self.expires_at = Some(end);
            let latest = now.saturating_add(life / 10 * 9);
            self.rekey_at = self.rekey_at.map(|at| at.min(latest));
        }
        self
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let rekey = self.rekey_at.filter(|_| self.phase == Phase::Installed);
        [rekey, self.expires_at].into_iter().flatten().min()
    }

    /// Whether the peer receives with this SPI under this protocol.
    pub(crate) fn is_sent_with(&self, protocol: ChildProtocol, spi: u32) -> bool {
        let around = self.ah.is_some_and(|(_, out)| protocol == ChildProtocol::Ah && out == spi);
        around || protocol == self.protocol && self.spi_out == spi
    }

    /// The protocols and SPIs that we receive with.
    pub(crate) fn inbound(&self) -> impl Iterator<Item = (ProtocolId, u32)> {
        let main = match self.protocol {
            ChildProtocol::Esp => ProtocolId::Esp,
            ChildProtocol::Ah => ProtocolId::Ah,
        };
        std::iter::once((main, self.spi_in)).chain(self.ah.map(|(spi, _)| (ProtocolId::Ah, spi)))
    }
}
