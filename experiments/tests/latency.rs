//! Set-up latency against arithmetic that the simulator has no part in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use ipseclab_experiments::run::run;
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_node::Observe;
use ipseclab_output::NegotiationRow;

/// What IPv4 and UDP headers add to an IKE message.
const IP_UDP: u64 = 20 + 8;

/// The sizes of the four messages, from RFC 7296 §3.1–§3.14: 32-octet nonces, IPv4 identities, one ESP proposal of
/// AES-GCM-16-128 without ESN, and one traffic selector on each side.
struct Sizes {
    sa_ike: u64,
    public_value: u64,
    /// SK generic header, IV, pad length octet and ICV around the inner payloads, padding included.
    protect: fn(u64) -> u64,
}

fn gcm(inner: u64) -> u64 {
    4 + 8 + inner + 1 + 16
}

fn cbc_sha256(inner: u64) -> u64 {
    4 + 16 + (inner + 1).div_ceil(16) * 16 + 16
}

impl Sizes {
    fn messages(&self) -> [u64; 4] {
        let notify = 8 + 20;
        // SIGNATURE_HASH_ALGORITHMS with four of them, and IKEV2_FRAGMENTATION_SUPPORTED; the responder also says
        // CHILDLESS_IKEV2_SUPPORTED (RFC 6023).
        let (hashes, flag) = (8 + 4 * 2, 8);
        let init = 28 + self.sa_ike + (8 + self.public_value) + (4 + 32) + 2 * notify + hashes + flag;
        let id = 8 + 4;
        let auth = 8 + 32;
        let sa_esp = 4 + (8 + 4) + 12 + 8;
        let ts = 8 + 16;
        // The request names the responder as well, and says INITIAL_CONTACT.
        let request = 2 * id + flag + auth + sa_esp + 2 * ts;
        let response = id + auth + sa_esp + 2 * ts;
        [init, init + flag, 28 + (self.protect)(request), 28 + (self.protect)(response)]
    }
}

/// Runs site-to-site at no cost; the negotiation begins by command, so that each side offers one selector.
fn negotiate(settings: &[&str]) -> NegotiationRow {
    let free = [
        "nodes.left.cost_profile=\"free\"",
        "nodes.right.cost_profile=\"free\"",
        "connections.office.children.lan.start_action=\"start\"",
        "topology.link.loss=0",
        "duration=\"200s\"",
    ];
    let changes: Vec<_> = free.iter().chain(settings).map(|text| Override::parse(text).unwrap()).collect();
    let scenario = load("site-to-site", &changes).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let mut result = run(&scenario, Observe::default()).unwrap();
    result.negotiations.remove(0)
}

fn check_latency(proposal: &str, sizes: &Sizes, rate_bps: u64, delay_ns: u64) {
    let row = negotiate(&[
        &format!("connections.office.proposals=[\"{proposal}\"]"),
        &format!("topology.link.rate=\"{rate_bps}bps\""),
        &format!("topology.link.delay=\"{delay_ns}ns\""),
    ]);
    let serialisation: u64 =
        sizes.messages().iter().map(|len| ((len + IP_UDP) * 8 * 1_000_000_000).div_ceil(rate_bps)).sum();
    assert_eq!(row.latency_ns, 4 * delay_ns + serialisation, "{proposal} at {rate_bps} bit/s, {delay_ns} ns");
    assert_eq!(row.propagation_ns, 4 * delay_ns);
    assert_eq!(row.serialisation_queueing_ns, serialisation);
    assert_eq!((row.cpu_ns, row.retransmission_wait_ns, row.retransmissions), (0, 0, 0));
}

#[test]
fn without_loss_and_cost_it_is_two_round_trips_and_serialisation_to_the_nanosecond() {
    // SA: generic header 4, proposal 8, ENCR with key length 12, then 8 for each further transform.
    let x25519 = Sizes { sa_ike: 4 + 8 + 12 + 8 + 8, public_value: 32, protect: gcm };
    let modp2048 = Sizes { sa_ike: 4 + 8 + 12 + 8 + 8 + 8, public_value: 256, protect: cbc_sha256 };
    for (rate_bps, delay_ns) in [(100_000_000, 20_000_000), (1_000_000, 1), (9_584_640_000, 24_137_569)] {
        check_latency("aes256gcm16-prfsha256-x25519", &x25519, rate_bps, delay_ns);
        check_latency("aes128-sha256-modp2048", &modp2048, rate_bps, delay_ns);
    }
}

#[test]
fn the_sizes_are_those_that_strongswan_sends() {
    // v2-psk-gcm256-ecp256: SA(40) KE(72) No(36), two NAT detections of 28 octets each, N(FRAG_SUP)(8), hashes (16).
    let ecp256 = Sizes { sa_ike: 40, public_value: 64, protect: gcm };
    assert_eq!(ecp256.messages()[0], 28 + 40 + 72 + 36 + 28 + 28 + 8 + 16);
}

/// What makes latency: losses, jitter that overtakes timers, other paths, costs.
const TROUBLES: [&[&str]; 4] = [
    &["topology.link.loss=0.3"],
    &["topology.link.jitter=\"500ms\"", "connections.office.retransmit_timeout=\"300ms\""],
    &["topology.link.loss=0.2", "topology.link.rate=\"64kbps\"", "topology.link.jitter=\"10ms\""],
    &["topology.link.loss=0.2", "nodes.left.nat.timeout=\"60s\""],
];

#[test]
fn the_parts_of_the_latency_sum_to_it_whatever_happens() {
    for trouble in TROUBLES {
        let mut retransmissions = 0;
        for seed in 1..=25 {
            let seed = format!("seed={seed}");
            let costs =
                ["nodes.left.cost_profile=\"reference\"", "nodes.right.cost_profile=\"reference\"", &seed];
            let row = negotiate(&[trouble, &costs].concat());
            let context = format!("{trouble:?} {seed}: {row:?}");
            assert_eq!(row.latency_parts_ns(), Some(row.latency_ns), "{context}");
            assert_eq!(row.ended_ns - row.started_ns, row.latency_ns, "{context}");
            // The other way round does not hold: a needless retransmission delays nothing.
            assert!(row.retransmission_wait_ns == 0 || row.retransmissions > 0, "{context}");
            assert!(row.propagation_ns > 0 && row.cpu_ns > 0, "{context}");
            retransmissions += row.retransmissions;
        }
        assert!(retransmissions > 0, "{trouble:?} costs something");
    }
}
