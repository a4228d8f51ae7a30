//! The thirteen malformed and odd requests of the capture v1-probes, thrown at a responder: what it answers beside what
//! strongSwan answered. Where the two differ, the expectation says so with both, and `CONFORMANCE.md` why.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ipseclab_ike::Identity;
use ipseclab_ike::config::{Connection, EndpointConfig};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::wire::isakmp::{Message, Payload};

use crate::old;
use crate::reference::{cases, frames, name};
use crate::support::{B, Counting, Peer, SECRET};

const SILENCE: &str = "silence";

/// The port of the first probe.
const FIRST_PORT: u16 = 6000;

/// Probes that we answer unlike strongSwan: number, strongSwan's answer, ours.
const DIFFERENT: [(usize, &str, &str); 1] = [(12, "36: N(NO_PROPOSAL_CHOSEN)", SILENCE)];

/// The responder of the capture.
fn victim() -> Peer {
    let ids = ["192.0.2.2", "192.0.2.1"].map(Identity::parse);
    let mut connection = Connection::new("net", ids[0].clone(), ids[1].clone());
    old(&mut connection);
    let mut config = EndpointConfig::new(B.into(), vec![connection]);
    config.credentials = Credentials::with_psk(ids, SECRET);
    config.limits.half_open_per_address = 0;
    Peer::new(config, Counting::new(1))
}

/// An answer as its length and payloads.
fn verdict(answer: Option<&[u8]>) -> String {
    let Some(answer) = answer else { return SILENCE.to_owned() };
    let len = answer.len();
    if let Ok(message) = Message::decode(answer) {
        let payloads: Vec<_> = message.payloads.iter().map(Payload::to_string).collect();
        return format!("{len}: {}", payloads.join(" "));
    }
    let message = ipseclab_ike::wire::Message::decode(answer).expect("one of the two versions");
    let payloads: Vec<_> = message.payloads.iter().map(ToString::to_string).collect();
    format!("{len}: {}", payloads.join(" "))
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
    let case = cases()?.into_iter().find(|case| name(case) == "v1-probes")?;
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
fn each_probe_gets_strongswans_answer_or_one_that_is_explained() {
    let Some(probes) = probes() else { return };
    assert_eq!(probes.len(), 13);
    let mut victim = victim();
    let mut wrong = Vec::new();
    for (number, probe) in probes.iter().enumerate() {
        let ours = victim.receive(Duration::ZERO, probe.from.unwrap(), 500, &probe.request);
        assert!(ours.len() <= 1, "probe {number}: one answer at most");
        let ours = verdict(ours.first().map(|sent| sent.payload.as_slice()));
        let theirs = verdict(probe.answer.as_deref());
        println!("{number:2}  strongSwan: {theirs:30} ours: {ours}");
        let expected = DIFFERENT.iter().find(|(other, ..)| *other == number);
        let expected =
            expected.map_or((theirs.as_str(), theirs.as_str()), |(_, theirs, ours)| (*theirs, *ours));
        if (theirs.as_str(), ours.as_str()) != expected {
            wrong.push((number, theirs, ours));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(victim.endpoint.ike_sa_count(), 5, "the accepted ones alone have left state");
}
