//! The 39 malformed and odd requests of the capture v2-probes, thrown at a responder: each gets what RFC 7296 asks for.
//!
//! Where strongSwan answers otherwise the expectation says so with both; CONFORMANCE.md, "Probes", has the reasons.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ipseclab_ike::Identity;
use ipseclab_ike::config::{Connection, EndpointConfig};
use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_ike::wire::{Message, Payload};

use crate::reference::{cases, frames, name};
use crate::support::{B, Counting, Peer};

/// What strongSwan's answers and ours are called.
const ACCEPT: &str = "accepted";
const SILENCE: &str = "silence";

/// The port of the first probe.
const FIRST_PORT: u16 = 6000;

/// Probes that we answer unlike strongSwan: number, strongSwan's answer, ours.
const DIFFERENT: [(usize, &str, &str); 5] = [
    (9, ACCEPT, "INVALID_SYNTAX"),
    (10, ACCEPT, "INVALID_SYNTAX"),
    (19, "NO_PROPOSAL_CHOSEN", "INVALID_SYNTAX"),
    (20, "NO_PROPOSAL_CHOSEN", "INVALID_SYNTAX"),
    (21, "NO_PROPOSAL_CHOSEN", "INVALID_SYNTAX"),
];

/// A responder that takes what the probes offer, without limits on half-open IKE SAs.
fn victim() -> Peer {
    let mut connection = Connection::new("net", Identity::parse("b.example"), Identity::parse("a.example"));
    connection.proposals = vec![parse_ike_proposal("aes128-sha256-modp2048").unwrap()];
    let mut config = EndpointConfig::new(B.into(), vec![connection]);
    (config.limits.cookie_threshold, config.limits.cookie_threshold_per_address) = (0, 0);
    config.limits.half_open_per_address = 0;
    Peer::new(config, Counting::new(1))
}

fn verdict(answer: Option<&[u8]>) -> String {
    let Some(answer) = answer else { return SILENCE.to_owned() };
    let message = Message::decode(answer).unwrap();
    assert!(message.header.flags.response);
    match message.payloads.as_slice() {
        [Payload::Notify(notify)] => notify.kind.to_string(),
        _ => ACCEPT.to_owned(),
    }
}

/// A request with strongSwan's answer.
#[derive(Default)]
struct Probe {
    from: Option<SocketAddr>,
    request: Vec<u8>,
    answer: Option<Vec<u8>>,
}

/// The probes in their order: number n came from port 6000 + n.
fn probes() -> Option<Vec<Probe>> {
    let case = cases()?.into_iter().find(|case| name(case) == "v2-probes")?;
    let mut probes: BTreeMap<u16, Probe> = BTreeMap::new();
    for frame in frames(&case) {
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(TransportSlice::Udp(udp)) = packet.transport else { continue };
        let Some(NetSlice::Ipv4(ip)) = packet.net else { continue };
        let payload = udp.payload().to_vec();
        let (to, from) = (udp.destination_port(), udp.source_port());
        if from >= FIRST_PORT && to == 500 {
            let probe = probes.entry(from).or_default();
            (probe.from, probe.request) = (Some((ip.header().source_addr(), from).into()), payload);
        } else if to >= FIRST_PORT {
            probes.entry(to).or_default().answer = Some(payload);
        }
    }
    Some(probes.into_values().collect())
}

#[test]
fn each_probe_gets_what_the_rfc_asks_for() {
    let Some(probes) = probes() else { return };
    assert_eq!(probes.len(), 39);
    let mut victim = victim();
    for (number, probe) in probes.iter().enumerate() {
        let ours = victim.receive(Duration::ZERO, probe.from.unwrap(), 500, &probe.request);
        assert!(ours.len() <= 1, "probe {number}: one answer at most");
        let ours = ours.first().map(|sent| sent.payload.as_slice());
        let theirs = probe.answer.as_deref();
        println!("{number:2}  strongSwan: {:28} ours: {}", verdict(theirs), verdict(ours));
        let difference = DIFFERENT.iter().find(|(other, ..)| *other == number);
        match difference {
            Some((_, strongswan, own)) => {
                assert_eq!(
                    (verdict(theirs).as_str(), verdict(ours).as_str()),
                    (*strongswan, *own),
                    "probe {number}"
                );
            }
            None => assert_eq!(verdict(ours), verdict(theirs), "probe {number}"),
        }
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && verdict(Some(ours)) != ACCEPT
            && difference.is_none()
        {
            // strongSwan has drawn its SPI by then in some cases; we have not.
            assert_eq!(ours[..8], theirs[..8], "probe {number}: a refusal has strongSwan's octets");
            assert_eq!(ours[16..], theirs[16..], "probe {number}: a refusal has strongSwan's octets");
        }
    }
    assert_eq!(victim.endpoint.ike_sa_count(), 9, "the accepted ones alone have left state");
}
