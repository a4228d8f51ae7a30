//! Packet-hops per CPU second of whole nodes, with and without IPsec on the way.
//!
//! The workload: sender – R1 – R2 – R3 – receiver with 1000-octet UDP payloads, 100 µs links and 1 Gb/s access; one
//! pair with a packet every 10 µs and a 1 Gb/s core, or 100 pairs with a packet every 100 µs each, starts 1 µs apart,
//! and a 10 Gb/s core. A packet makes four hops, and none is dropped. With IPsec, R1 and R3 are gateways with an ESP
//! tunnel (AES-GCM, 128 bits) for each pair, and R2 is a router. Everything is a scenario like any other: real octets, real
//! encryption, policies, counters and books of every node.
//!
//! Beside it stand the same nodes without tunnels, and what the bare library needs to seal and open as many octets once.
//! Set-up is not counted.
//!
//! `cargo bench -p ipseclab-experiments --bench forwarding`

use std::fmt::Write as _;
use std::hint::black_box;

use ipseclab_experiments::scenario::{CheckedScenario, load};
use ipseclab_experiments::world::{FlowApps, World};
use ipseclab_node::Observe;
use ipseclab_sim::SimTime;
use ring::aead;

const HOPS: u64 = 4;
const BATCHES: usize = 5;
/// Enough that a batch takes some tenths of a second.
const PACKETS: u64 = 300_000;
/// Sealed octets of a packet: IP, UDP, 1000 octets, padding and trailer.
const SEALED_LEN: usize = 1_032;
/// When the tunnels are up.
const START_MS: u64 = 500;

/// One row of the workload.
#[derive(Clone, Copy)]
struct Plan {
    pairs: u64,
    interval_us: u64,
    core_gbps: u64,
}

const PLANS: [Plan; 2] =
    [Plan { pairs: 1, interval_us: 10, core_gbps: 1 }, Plan { pairs: 100, interval_us: 100, core_gbps: 10 }];

impl Plan {
    fn duration_ms(self) -> u64 {
        PACKETS / self.pairs * self.interval_us / 1_000
    }

    fn topology(self) -> String {
        let mut text = String::from("name = \"forwarding\"\n[defaults]\ndelay = \"100us\"\n");
        let mut node = |name: &str| writeln!(text, "[[nodes]]\nname = \"{name}\"").expect("text grows");
        ["r1", "r2", "r3"].into_iter().for_each(&mut node);
        for pair in 0..self.pairs {
            node(&format!("sender-{pair}"));
            node(&format!("receiver-{pair}"));
        }
        let mut link = |a: &str, b: &str, rate: u64| {
            writeln!(text, "[[links]]\na = \"{a}\"\nb = \"{b}\"\nrate = \"{rate}Gbps\"").expect("text grows");
        };
        link("r1", "r2", self.core_gbps);
        link("r2", "r3", self.core_gbps);
        for pair in 0..self.pairs {
            link(&format!("sender-{pair}"), "r1", 1);
            link("r3", &format!("receiver-{pair}"), 1);
        }
        text
    }

    fn scenario(self, topology: &str, ipsec: bool) -> String {
        let end = START_MS + self.duration_ms();
        let mut text = format!(
            "name = \"forwarding\"\nduration = \"{}ms\"\n[topology]\nfile = \"{topology}\"\n\
             [nodes.r1]\nnetworks = [\"10.1.0.0/16\"]\nlimits = {{ children = 128, queued_requests = 128 }}\n\
             [nodes.r3]\nnetworks = [\"10.2.0.0/16\"]\nlimits = {{ children = 128 }}\n\
             [nodes.\"*\"]\ncost_profile = \"free\"\n\
             [nodes.\"sender-*\"]\nbehind = \"r1\"\n[nodes.\"receiver-*\"]\nbehind = \"r3\"\n",
            end + 100
        );
        if ipsec {
            text += "[connections.pairs]\nlocal = \"r1\"\nremote = \"r3\"\nauth = { psk = \"benchmark\" }\n";
        }
        for pair in 0..self.pairs {
            if ipsec {
                let host = |net: u8| format!("10.{net}.0.{}/32", pair + 2);
                let child = format!(
                    "[connections.pairs.children.pair-{pair}]\nlocal_ts = [\"{}\"]\nremote_ts = [\"{}\"]\n\
                     esp_proposals = [\"aes128gcm16\"]\nstart_action = \"start\"",
                    host(1),
                    host(2)
                );
                writeln!(text, "{child}").expect("text grows");
            }
            let start = START_MS * 1_000 + pair;
            let traffic = format!(
                "[[traffic]]\nkind = \"udp\"\nfrom = \"sender-{pair}\"\nto = \"receiver-{pair}\"\n\
                 interval = \"{}us\"\nsize = \"1000B\"\nstart = \"{start}us\"\nstop = \"{}us\"",
                self.interval_us,
                start + self.duration_ms() * 1_000
            );
            writeln!(text, "{traffic}").expect("text grows");
        }
        text
    }

    fn checked(self, ipsec: bool) -> CheckedScenario {
        let folder = tempfile::tempdir().expect("a folder for two files");
        let topology = folder.path().join("forwarding-topology.toml");
        std::fs::write(&topology, self.topology()).expect("the folder is ours");
        let path = folder.path().join("forwarding.toml");
        std::fs::write(&path, self.scenario("forwarding-topology.toml", ipsec)).expect("the folder is ours");
        load(path.to_str().expect("a plain name"), &[])
            .unwrap_or_else(|report| panic!("{}", report.render(false)))
    }
}

/// Nanoseconds of CPU that this thread has used, or of the wall clock where the system does not tell.
fn cpu_ns() -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(wall_ns)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine, not the simulation")]
fn wall_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Nanoseconds of CPU for a packet from its sender to its receiver.
fn simulate(scenario: &CheckedScenario) -> f64 {
    let mut world = World::build(scenario, Observe::default()).expect("the workload is possible");
    world.simulation.run_until(SimTime::from_nanos(START_MS * 1_000_000 - 1));
    let before = cpu_ns();
    world.simulation.run_until(scenario.end());
    let spent = cpu_ns() - before;
    for node in world.simulation.processes() {
        let drops: Vec<_> = node.drops().iter().filter(|(_, packets)| *packets > 0).collect();
        assert!(node.is_balanced() == Some(true) && drops.is_empty(), "{}: {drops:?}", node.name());
    }
    let received = |flow: &FlowApps| {
        let (node, app) = flow.sink.expect("a UDP flow has a sink");
        let (app, _) = world.simulation.process(node).app(app).expect("the sink is there");
        app.record().map_or(0, |record| record.received.packets)
    };
    let delivered: u64 = world.flows.iter().map(received).sum();
    assert_eq!(delivered, PACKETS, "the workload drops nothing");
    to_float(spent) / to_float(delivered)
}

/// Nanoseconds for sealing and opening as many octets once with the bare library.
fn bare_cipher() -> f64 {
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &[7; 16]).expect("16 octets");
    let key = aead::LessSafeKey::new(key);
    let mut buffer = vec![0x5a; SEALED_LEN];
    let before = cpu_ns();
    for _ in 0..PACKETS {
        let nonce = || aead::Nonce::assume_unique_for_key([3; 12]);
        let aad = aead::Aad::from([1_u8; 8]);
        let tag = key.seal_in_place_separate_tag(nonce(), aad, &mut buffer).expect("short enough");
        buffer.extend_from_slice(tag.as_ref());
        let len = key.open_in_place(nonce(), aad, &mut buffer).expect("just sealed").len();
        buffer.truncate(len);
        black_box(&mut buffer);
    }
    to_float(cpu_ns() - before) / to_float(PACKETS)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn to_float(number: u64) -> f64 {
    number as f64
}

/// The middle of the batches, and the best of them.
fn summary(mut spans: Vec<f64>) -> (f64, f64) {
    spans.sort_by(f64::total_cmp);
    (spans[spans.len() / 2], spans[0])
}

fn main() {
    println!("whole nodes, {PACKETS} packets of four hops, median (best) of {BATCHES} batches");
    println!(
        "{:>6} {:<14} {:>22} {:>34}",
        "pairs", "", "CPU ns a packet", "thousand packet-hops a CPU second"
    );
    for plan in PLANS {
        let (plain, ipsec) = (plan.checked(false), plan.checked(true));
        let [mut plains, mut secured, mut bare] = [const { Vec::new() }; 3];
        for _ in 0..BATCHES {
            plains.push(simulate(&plain));
            secured.push(simulate(&ipsec));
            bare.push(bare_cipher());
        }
        for (name, spans) in [("no IPsec", plains), ("ESP", secured)] {
            let (median, best) = summary(spans);
            let hops = |ns: f64| to_float(HOPS) * 1e6 / ns;
            println!(
                "{:>6} {name:<14} {median:>12.0} ({best:>7.0}) {:>24.0} ({:>7.0})",
                plan.pairs,
                hops(median),
                hops(best)
            );
        }
        let (median, best) = summary(bare);
        println!("{:>6} {:<14} {median:>12.0} ({best:>7.0})", "", "bare cipher");
    }
}
