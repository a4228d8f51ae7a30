//! The cases of the packet path, each through the code that a simulated node runs.
//!
//! Model: a real host spends more on interrupts, system calls and copies; none of that is in our code, so none of it is
//! measured.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use ipseclab_crypto::{AesKey, Crypto, Encryption, Purpose, RandomSource, RealProvider};
use ipseclab_ike::TrafficSelectors;
use ipseclab_ike::proposal::{Esn, EspProposal};
use ipseclab_ike::wire::{
    AuthMethod, AuthPayload, CertPayload, ExchangeType, Flags, IdPayload, IdType, IkeSpi, Message,
    MessageHeader, MessageId, NotifyPayload, NotifyType, Payload, Version,
};
use ipseclab_ipsec::{
    DefaultAction, Engine, EngineConfig, Inbound, Mode, Outbound, PolicyId, Spd, SpdAction, SpdEntry,
    TrafficSelector,
};
use ipseclab_net::{Fib, IpNet, PortId, build_udp, forward, parse_udp};
use ipseclab_node::PolledRing;
use ipseclab_node::cost_profile::Step;

use super::case::{Case, Subject, repeated};
use super::cryptography::SIZES;

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// A port that no protocol of the host listens on, so that policies decide.
const PORT: u16 = 4000;
/// Octets of the IPv4 and UDP headers.
const HEADERS_LEN: usize = 28;
/// Octets of an IPv4 header without options, which is all that forwarding changes.
const IPV4_HEADER_LEN: usize = 20;
const TTL: u8 = 64;
/// Routes of the router: a site network each, and a default route.
const SITES: u8 = 64;

pub(super) fn cases() -> Vec<Case> {
    SIZES
        .into_iter()
        .flat_map(|size| [receive(size), send(size), forwarding(size), ike_message(size), batch(size)])
        .collect()
}

fn case<R>(step: Step, octets: usize, work: impl FnMut() -> R + 'static) -> Case {
    Case::new(Subject::Step(step), octets, work, None)
}

/// A packet of this many octets that `from` sends to `to`.
fn packet(from: Ipv4Addr, to: Ipv4Addr, octets: usize) -> Vec<u8> {
    let payload = vec![0; octets - HEADERS_LEN];
    build_udp(SocketAddr::new(from.into(), PORT), SocketAddr::new(to.into(), PORT), &payload, TTL, true, 1)
}

fn receive(size: usize) -> Case {
    let (mut engine, mut packet) = (engine(), packet(PEER, HOST, size));
    case(Step::Receive, size, move || {
        let arrived = engine.inbound(Duration::ZERO, core::mem::take(&mut packet), ());
        let (Inbound::Deliver { packet: same, .. } | Inbound::Discard { packet: same, .. }) = arrived;
        packet = same;
        parse_udp(&packet).map(|datagram| datagram.payload.len())
    })
}

fn send(size: usize) -> Case {
    let (mut engine, payload) = (engine(), vec![0; size - HEADERS_LEN]);
    let (from, to) = (SocketAddr::new(HOST.into(), PORT), SocketAddr::new(PEER.into(), PORT));
    case(Step::Send, size, move || {
        let packet = build_udp(from, to, &payload, TTL, true, 1);
        matches!(engine.outbound(Duration::ZERO, packet, ()), Outbound::Send { .. })
    })
}

/// The header is restored each time, for its TTL would run out.
fn forwarding(size: usize) -> Case {
    let (fib, original) = (fib(), packet(HOST, PEER, size));
    let header = original[..IPV4_HEADER_LEN].to_vec();
    let (mut packet, mut restored, same_header) = (original.clone(), original, header.clone());
    let overhead = repeated(move || {
        restored[..IPV4_HEADER_LEN].copy_from_slice(&same_header);
        core::hint::black_box(&mut restored).len()
    });
    let work = move || {
        packet[..IPV4_HEADER_LEN].copy_from_slice(&header);
        forward(core::hint::black_box(&mut packet), &fib)
    };
    Case::new(Subject::Step(Step::Forward), size, work, Some(overhead))
}

/// A batch of one packet: what is paid for it however many there are, and a little of what each packet costs besides.
fn batch(size: usize) -> Case {
    let (mut ring, mut packet) = (PolledRing::new(), packet(PEER, HOST, size));
    case(Step::Batch, size, move || {
        packet = ring.turn(core::mem::take(&mut packet)).unwrap_or_default();
        packet.len()
    })
}

/// Reading one message and writing one like it, which is what an exchange does for each that arrives.
fn ike_message(certificate_len: usize) -> Case {
    let bytes = ike_auth(certificate_len).encode();
    case(Step::IkeMessage, bytes.len(), move || Message::decode(&bytes).map(|message| message.encode()))
}

/// An engine with a policy that the packets here do not match, and one that lets them pass.
fn engine() -> Engine<()> {
    let network = |third| vec![TrafficSelector::network(Ipv4Addr::new(10, third, 0, 0), 16)];
    let tunnel = SpdEntry {
        name: "tunnel".to_owned(),
        local: network(1),
        remote: network(2),
        action: SpdAction::Protect { policy: PolicyId(0), mode: Mode::Tunnel },
    };
    let (local, remote) = (vec![TrafficSelector::ANY], vec![TrafficSelector::ANY]);
    let rest = SpdEntry { name: "rest".to_owned(), local, remote, action: SpdAction::Bypass };
    let config = EngineConfig::new(Spd::new(vec![tunnel, rest], DefaultAction::Discard), HOST);
    Engine::new(config, Crypto::new(Arc::new(RealProvider::new())), Box::new(Zeros))
}

/// Random octets that no packet here needs.
struct Zeros;

impl RandomSource for Zeros {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        out.fill(0);
    }
}

fn fib() -> Fib {
    let site = |third| IpNet::new(Ipv4Addr::new(10, 1, third, 0), 24);
    let sites = (0..SITES).filter_map(|third| Some((site(third)?, PortId::new(third.into()))));
    let default = (IpNet::ALL_V4, PortId::new(SITES.into()));
    sites.chain([default]).collect()
}

/// What is inside an `IKE_AUTH` request as strongSwan sends it, with a certificate to make it longer.
fn ike_auth(certificate_len: usize) -> Message {
    let header = MessageHeader {
        spi_i: IkeSpi::new(1),
        spi_r: IkeSpi::new(2),
        exchange: ExchangeType::IkeAuth,
        flags: Flags::request(true),
        message_id: MessageId::new(1),
        version: Version::V2_0,
    };
    let id = |name: &str| IdPayload::new(IdType::Fqdn, name);
    let notify = |kind| Payload::Notify(NotifyPayload::new(kind, Vec::new()));
    let selectors = |second| {
        let ends = (Ipv4Addr::new(10, second, 0, 0), Ipv4Addr::new(10, second, 255, 255));
        TrafficSelectors::ipv4_range(ends.0, ends.1).to_payload()
    };
    let proposal = EspProposal {
        encryption: vec![Encryption::AesGcm16(AesKey::Bits128)],
        integrity: Vec::new(),
        key_exchange: Vec::new(),
        esn: vec![Esn::No],
    };
    let certificate = vec![0x30; certificate_len];
    let payloads = vec![
        Payload::IdI(id("left.example")),
        Payload::Cert(CertPayload::x509(certificate)),
        notify(NotifyType::InitialContact),
        Payload::IdR(id("right.example")),
        Payload::Auth(AuthPayload { method: AuthMethod::SharedKeyMic, data: vec![0x5a; 32] }),
        Payload::Sa(EspProposal::offer(&[proposal], &[1, 2, 3, 4])),
        Payload::TsI(selectors(1)),
        Payload::TsR(selectors(2)),
        notify(NotifyType::EapOnlyAuthentication),
    ];
    Message { header, payloads }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_case_of_every_size() {
        let cases = cases();
        for step in Step::ALL.into_iter().chain([Step::Batch]) {
            let sizes: Vec<_> = cases
                .iter()
                .filter(|case| case.subject == Subject::Step(step))
                .map(|case| case.octets)
                .collect();
            assert_eq!(sizes.len(), SIZES.len(), "{step:?}");
            // Messages are a little longer than the certificates in them.
            assert!(step == Step::IkeMessage || sizes == SIZES, "{sizes:?}");
        }
    }

    #[test]
    fn what_is_measured_is_the_way_of_packets_that_pass() {
        let mut engine = engine();
        let arrived = engine.inbound(Duration::ZERO, packet(PEER, HOST, 64), ());
        assert_eq!(arrived, Inbound::Deliver { packet: packet(PEER, HOST, 64), token: (), spi: None });
        let left = engine.outbound(Duration::ZERO, packet(HOST, PEER, 64), ());
        assert_eq!(left, Outbound::Send { packet: packet(HOST, PEER, 64), token: (), sa: None, pair: None });
        assert_eq!(forward(&mut packet(HOST, PEER, 64), &fib()), Ok(PortId::new(SITES.into())));
        assert_eq!(fib().len(), usize::from(SITES) + 1);
    }

    #[test]
    fn packets_survive_their_repetition() {
        for mut case in cases() {
            // More often than a TTL lasts.
            (case.work)(200);
        }
    }

    #[test]
    fn the_message_is_one_that_decodes() {
        let message = ike_auth(300);
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}
