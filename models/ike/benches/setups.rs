//! IKEv2 set-ups per second of CPU time, both sides in one thread, beside the raw key exchange in the same run.
//!
//! Run with `cargo bench -p ipseclab-ike --bench setups`. A set-up is `IKE_SA_INIT` and `IKE_AUTH` with a shared key and
//! one Child SA, from the command to the drained events of both sides. The raw figure is what these need at the very
//! least: two key generations and two agreements, by bare calls of the library for the curves, and for MODP by this
//! workspace's own groups. The table takes medians of batches that take turns, so that a slow phase of the machine hits
//! both; criterion's figures, from its own batches, are for comparing with earlier runs.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use cpu_time::ThreadTime;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use ipseclab_crypto::{Crypto, KeyExchangeMethod, RealProvider, Secret};

mod common;

use common::{branch, exchange, gateway, set_up};

const BRANCH: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// IKE SAs between one pair of endpoints before both make way for fresh ones.
const PER_PAIR: u64 = 64;
/// Batches behind each median of the table.
const BATCHES: usize = 15;
/// What two charons need for a set-up and a Delete, both together (`rates.csv` of the reference captures).
const STRONGSWAN: Duration = Duration::from_micros(3200);

/// A key exchange with the proposal that names it.
struct Case {
    method: KeyExchangeMethod,
    proposal: &'static str,
    /// Set-ups in a batch of the table: some 10 ms.
    batch: u64,
}

const CASES: [Case; 3] = [
    Case {
        method: KeyExchangeMethod::Curve25519,
        proposal: "aes128gcm16-prfsha256-x25519",
        batch: 2 * PER_PAIR,
    },
    Case { method: KeyExchangeMethod::Ecp256, proposal: "aes128gcm16-prfsha256-ecp256", batch: PER_PAIR },
    Case { method: KeyExchangeMethod::Modp2048, proposal: "aes128gcm16-prfsha256-modp2048", batch: 8 },
];

/// What becomes of an IKE SA that is up.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Stays,
    /// The initiator deletes it, and half a minute later the responder forgets it.
    Deleted,
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime(WallTime))
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for case in &CASES {
        measure(&mut criterion, case);
    }
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--bench") {
        print_table();
    }
}

fn measure(criterion: &mut Criterion<CpuTime>, case: &Case) {
    let mut group = criterion.benchmark_group(case.method.keyword());
    group.throughput(Throughput::Elements(1));
    group.bench_function("set-up", |bencher| bencher.iter_custom(|count| set_ups(case, count, End::Stays)));
    group.bench_function("set-up and delete", |bencher| {
        bencher.iter_custom(|count| set_ups(case, count, End::Deleted));
    });
    group.bench_function("raw key exchange", |bencher| bencher.iter_custom(|count| raw(case, count)));
    group.finish();
}

fn print_table() {
    println!(
        "\n{:<12} {:<18} {:>10} {:>12} {:>10} {:>7}",
        "", "", "µs each", "per CPU s", "raw, µs", "ratio"
    );
    for case in &CASES {
        for (label, end) in [("set-up", End::Stays), ("set-up and delete", End::Deleted)] {
            let batch = |_| (set_ups(case, case.batch, end), raw(case, case.batch));
            let (ours, raw): (Vec<_>, Vec<_>) = (0..BATCHES).map(batch).unzip();
            let [ours, raw] = [ours, raw].map(|batches| micros(median(batches), case.batch));
            let (name, rate, ratio) = (case.method.keyword(), 1e6 / ours, raw / ours);
            println!("{name:<12} {label:<18} {ours:>10.1} {rate:>12.0} {raw:>10.1} {ratio:>7.2}");
        }
    }
    let published = micros(STRONGSWAN, 1);
    let (name, label) = ("strongSwan", "set-up and delete");
    println!(
        "{name:<12} {label:<18} {published:>10.1} {:>12.0}  (published, another machine)",
        1e6 / published
    );
}

fn micros(total: Duration, count: u64) -> f64 {
    let count = u32::try_from(count).expect("batches are short");
    (total / count).as_secs_f64() * 1e6
}

fn median(mut batches: Vec<Duration>) -> Duration {
    batches.sort_unstable();
    batches[batches.len() / 2]
}

/// The CPU time of `count` set-ups.
fn set_ups(case: &Case, count: u64, end: End) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let now = left.min(PER_PAIR);
        total += set_ups_of_pair(case, now, end);
        left -= now;
    }
    total
}

fn set_ups_of_pair(case: &Case, count: u64, end: End) -> Duration {
    let (mut branch, mut gateway) = (branch(case.proposal, BRANCH), gateway(case.proposal));
    let mut now = Duration::ZERO;
    let start = ThreadTime::now();
    for _ in 0..count {
        let id = set_up(&mut branch, &mut gateway, now);
        if end == End::Deleted {
            branch.terminate(now, id).expect("it is up");
            exchange(&mut branch, &mut gateway, now);
            now += Duration::from_secs(31);
            gateway.handle_timeout(now);
            for side in [&mut branch, &mut gateway] {
                while side.poll_event().is_some() {}
            }
        }
    }
    let elapsed = start.elapsed();
    let remaining = if end == End::Deleted { 0 } else { count };
    assert_eq!(gateway.ike_sa_count() as u64, remaining, "what was deleted is gone");
    elapsed
}

/// The CPU time of `count` key exchanges, both sides of each.
fn raw(case: &Case, count: u64) -> Duration {
    match case.method {
        KeyExchangeMethod::Curve25519 => timed(count, |round| raw_curve(&agreement::X25519, round)),
        KeyExchangeMethod::Ecp256 => timed(count, |round| raw_curve(&agreement::ECDH_P256, round)),
        method => timed(count, |round| raw_group(method, round)),
    }
}

fn timed<R>(count: u64, mut exchange: impl FnMut(u64) -> R) -> Duration {
    let start = ThreadTime::now();
    for round in 0..count {
        black_box(exchange(round));
    }
    start.elapsed()
}

/// A private key that is another one in every round and on either side.
fn drawn(len: usize, round: u64, side: u8) -> Vec<u8> {
    let mut octets = vec![0x5a; len];
    octets[1] = side;
    octets[2..10].copy_from_slice(&round.to_be_bytes());
    octets
}

fn raw_curve(algorithm: &'static Algorithm, round: u64) -> [u8; 2] {
    let [ours, theirs] = [1, 2].map(|side| {
        PrivateKey::from_private_key(algorithm, &drawn(32, round, side)).expect("the key is in range")
    });
    let publics = [&ours, &theirs].map(|key| key.compute_public_key().expect("a key has a public value"));
    [(&ours, &publics[1]), (&theirs, &publics[0])].map(|(key, peer)| {
        let peer = UnparsedPublicKey::new(algorithm, peer.as_ref());
        agreement::agree(key, peer, (), |secret| Ok(secret[0])).expect("the public value is valid")
    })
}

fn raw_group(method: KeyExchangeMethod, round: u64) -> [Secret; 2] {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let privates = [1, 2].map(|side| Secret::new(drawn(method.private_len(), round, side)));
    let publics = privates.each_ref().map(|private| crypto.public_value(method, private));
    [(&privates[0], &publics[1]), (&privates[1], &publics[0])].map(|(private, peer)| {
        crypto.shared_secret(method, private, peer).expect("the public value is valid")
    })
}

/// Criterion over the CPU time of this thread, printed like wall time.
struct CpuTime(WallTime);

impl Measurement for CpuTime {
    type Intermediate = ThreadTime;
    type Value = Duration;

    fn start(&self) -> ThreadTime {
        ThreadTime::now()
    }

    fn end(&self, start: ThreadTime) -> Duration {
        start.elapsed()
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        self.0.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}
