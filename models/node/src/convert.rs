//! Between the vocabularies of IKE, IPsec and the network: the one place that knows all three.

use core::net::IpAddr;
use core::time::Duration;

use ipseclab_crypto::{Authentication, Purpose, Secret};
use ipseclab_ike::config::{Child, Mode as IkeMode, Volume};
use ipseclab_ike::proposal::Esn;
use ipseclab_ike::wire::{AddressRange as IkeRange, TrafficSelector as IkeSelector};
use ipseclab_ike::{
    AhPair, ChildProtocol, ChildSaEstablished, DirectionKeys, Outbound, PathChange, TrafficSelectors,
};
use ipseclab_ipsec::{
    AddressRange, AhParameters, DiscardReason, EspParameters, Lifetime, Mode, OutboundUse, Path, PolicyId,
    PortRange, Protection, SaPair, SaParameters, Selectors, Spi, TrafficSelector, UdpEncap,
};
use ipseclab_net::DropReason;

use crate::random::Streams;

/// Negotiated selectors as the SAD wants them; those of unknown types match nothing.
pub fn ipsec_selectors(selectors: &TrafficSelectors) -> Vec<TrafficSelector> {
    selectors.as_slice().iter().filter_map(ipsec_selector).collect()
}

fn ipsec_selector(selector: &IkeSelector) -> Option<TrafficSelector> {
    let addresses = match selector.addresses {
        IkeRange::V4 { start, end } => AddressRange { start: start.into(), end: end.into() },
        IkeRange::V6 { start, end } => AddressRange { start: start.into(), end: end.into() },
        IkeRange::Unknown { .. } => return None,
    };
    let ports = PortRange { start: selector.start_port, end: selector.end_port };
    Some(TrafficSelector { protocol: selector.protocol, addresses, ports })
}

/// The selectors of a packet that goes out, as IKE offers them first: our side and the peer's (RFC 7296 §2.9).
pub(crate) fn packet_selectors(packet: &Selectors) -> (IkeSelector, IkeSelector) {
    let host = |address: IpAddr, port: Option<u16>| {
        let (start_port, end_port) = port.map_or((0, u16::MAX), |port| (port, port));
        let addresses = match address {
            IpAddr::V4(address) => IkeRange::V4 { start: address, end: address },
            IpAddr::V6(address) => IkeRange::V6 { start: address, end: address },
        };
        IkeSelector { protocol: packet.protocol, start_port, end_port, addresses }
    };
    (host(packet.source, packet.source_port), host(packet.destination, packet.destination_port))
}

/// What the SAD installs for a Child SA; `None` when an SPI is reserved.
pub(crate) fn sa_pair(
    child: &ChildSaEstablished,
    policy: PolicyId,
    idle_timeout: Option<Duration>,
    lifetime: Lifetime,
) -> Option<SaPair> {
    let (local, remote) = (child.local.ip(), child.remote.ip());
    let inbound = Direction {
        spi: Spi::new(child.spi_in)?,
        keys: &child.keys_in,
        ah: ah(child, |ah| (ah.spi_in, &ah.key_in))?,
        ends: (remote, local),
        ports: (child.remote.port(), child.local.port()),
    };
    let outbound = Direction {
        spi: Spi::new(child.spi_out)?,
        keys: &child.keys_out,
        ah: ah(child, |ah| (ah.spi_out, &ah.key_out))?,
        ends: (local, remote),
        ports: (child.local.port(), child.remote.port()),
    };
    Some(SaPair {
        local_ts: ipsec_selectors(&child.local_ts),
        remote_ts: ipsec_selectors(&child.remote_ts),
        idle_timeout,
        lifetime,
        ..SaPair::new(policy, inbound.parameters(child), outbound.parameters(child))
    })
}

/// AH around ESP in one direction, where both were agreed on: the outer `None` is for a reserved SPI.
#[expect(clippy::option_option, reason = "a bundle with a reserved SPI is not the same as no bundle")]
fn ah(child: &ChildSaEstablished, direction: fn(&AhPair) -> (u32, &Secret)) -> Option<Option<AhParameters>> {
    let Some(pair) = &child.ah else { return Some(None) };
    let (spi, key) = direction(pair);
    let algorithm = Authentication::Mac(pair.integrity);
    Some(Some(AhParameters { spi: Spi::new(spi)?, algorithm, key: key.clone() }))
}

/// What each direction of a Child SA may carry. The soft limits are drawn anew for each Child SA, so that the two
/// sides, and tunnels that came up together, are not renewed at once.
pub(crate) fn volumes(child: &Child, streams: &mut Streams) -> Lifetime {
    let mut soft = |volume: &Volume| {
        volume.rekey.map(|limit| limit.saturating_sub(streams.up_to(Purpose::Jitter, volume.rand)).max(1))
    };
    Lifetime {
        soft_octets: soft(&child.bytes),
        hard_octets: child.bytes.life,
        soft_packets: soft(&child.packets),
        hard_packets: child.packets.life,
    }
}

struct Direction<'a> {
    spi: Spi,
    keys: &'a DirectionKeys,
    /// AH around it, where it is the ESP of a bundle.
    ah: Option<AhParameters>,
    ends: (IpAddr, IpAddr),
    ports: (u16, u16),
}

impl Direction<'_> {
    fn parameters(&self, child: &ChildSaEstablished) -> SaParameters {
        let encap = UdpEncap { source_port: self.ports.0, destination_port: self.ports.1 };
        let protection = self.protection(child);
        // AH covers the addresses that a NAT would change, and RFC 3948 has no place for it.
        let in_udp = child.udp_encap && protection.ah().is_none();
        SaParameters {
            protection,
            esn: child.proposal.esn == Esn::Yes,
            mode: ipsec_mode(child.mode),
            source: self.ends.0,
            destination: self.ends.1,
            udp_encap: in_udp.then_some(encap),
        }
    }

    fn protection(&self, child: &ChildSaEstablished) -> Protection {
        let integrity = child.proposal.integrity;
        if let (ChildProtocol::Ah, Some(integrity)) = (child.protocol, integrity) {
            let algorithm = Authentication::Mac(integrity);
            return Protection::Ah(AhParameters {
                spi: self.spi,
                algorithm,
                key: self.keys.integrity.clone(),
            });
        }
        let esp = EspParameters {
            spi: self.spi,
            encryption: child.proposal.encryption,
            encryption_key: self.keys.encryption.clone(),
            integrity: integrity.map(|algorithm| (algorithm, self.keys.integrity.clone())),
        };
        match self.ah.clone() {
            Some(ah) => Protection::AhEsp { ah, esp },
            None => Protection::Esp(esp),
        }
    }
}

/// When packets may go out on a new pair.
pub(crate) fn outbound_use(outbound: Outbound) -> OutboundUse {
    match outbound {
        Outbound::Now => OutboundUse::Now,
        Outbound::Later => OutboundUse::WhenTold,
    }
}

/// Where a pair goes from now on.
pub(crate) fn path(change: &PathChange) -> Path {
    let (local, remote) = (change.local.ip(), change.remote.ip());
    let encap = UdpEncap { source_port: change.local.port(), destination_port: change.remote.port() };
    Path { local, remote, udp_encap: change.udp_encap.then_some(encap) }
}

/// The SPD's word for a mode.
pub fn ipsec_mode(mode: IkeMode) -> Mode {
    match mode {
        IkeMode::Tunnel => Mode::Tunnel,
        IkeMode::Transport => Mode::Transport,
    }
}

/// The reason in the one table of drops.
pub(crate) fn drop_reason(reason: DiscardReason) -> DropReason {
    match reason {
        DiscardReason::NoPolicy => DropReason::SpdNoPolicy,
        DiscardReason::PolicyDiscard => DropReason::SpdDiscard,
        DiscardReason::AcquireQueueFull => DropReason::AcquireQueueFull,
        DiscardReason::NegotiationFailed => DropReason::NegotiationFailed,
        DiscardReason::OutsideSelectors | DiscardReason::InboundPolicy => DropReason::SelectorMismatch,
        DiscardReason::UnknownSpi => DropReason::NoSa,
        DiscardReason::Replay => DropReason::Replay,
        DiscardReason::Integrity => DropReason::Integrity,
        DiscardReason::Malformed | DiscardReason::Padding => DropReason::EspMalformed,
        DiscardReason::Unprotected => DropReason::SpdUnprotected,
        DiscardReason::SeqExhausted | DiscardReason::LifetimeExceeded => DropReason::SequenceExhausted,
        DiscardReason::Fragment => DropReason::FragmentUnsupported,
        DiscardReason::TooBig => DropReason::EncapsulatedTooLong,
        DiscardReason::PathMtu => DropReason::PathMtu,
        DiscardReason::PathMtuNotice => DropReason::PathMtuNotice,
        DiscardReason::CongestionMark => DropReason::CongestionMark,
        DiscardReason::Dummy => DropReason::EspDummy,
        DiscardReason::NatKeepalive => DropReason::NatKeepalive,
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::{ProcessId, RunSeed};

    use super::*;

    #[test]
    fn soft_limits_are_spread_and_hard_ones_are_not() {
        let mut child = Child::new("lan", TrafficSelectors::new(vec![]), TrafficSelectors::new(vec![]));
        child.bytes = Volume { rekey: Some(1000), life: Some(1200), rand: 100 };
        child.packets = Volume { rekey: Some(3), life: None, rand: u64::MAX };
        let mut streams = Streams::new(RunSeed::new(1), ProcessId::new(0), "host", 0);
        let drawn: Vec<_> = (0..50).map(|_| volumes(&child, &mut streams)).collect();
        assert!(drawn.iter().all(|one| (900..=1000).contains(&one.soft_octets.unwrap())));
        assert!(drawn.iter().any(|one| one.soft_octets != drawn[0].soft_octets));
        assert!(drawn.iter().all(|one| (one.hard_octets, one.hard_packets) == (Some(1200), None)));
        assert!(drawn.iter().all(|one| one.soft_packets >= Some(1)), "an SA carries at least one packet");
    }
}
