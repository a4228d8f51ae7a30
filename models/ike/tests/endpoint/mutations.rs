//! Real messages, changed: bits flipped, cut short, spliced. Whatever arrives at whatever stage, nothing panics, nobody
//! is let in, nobody who is in is thrown out, and state stays bounded.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use ipseclab_ike::wire::{DeletePayload, ExchangeType, Message, NotifyType, Payload};

use crate::support::arena;
use crate::support::craft::notify;
use crate::support::stage::{HALF_OPEN, Stage, Staged};
use crate::support::{Pair, net};

/// One change to a message.
#[derive(Clone, Debug)]
enum Change {
    /// Flips a bit of an octet.
    Flip(Index, u8),
    /// Sets an octet.
    Set(Index, u8),
    /// Drops everything behind a place.
    Cut(Index),
    /// Goes on from a place with another message from a place on.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (at(), any::<u8>()).prop_map(|(at, octet)| Change::Set(at, octet)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at(), at()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

/// A message to start from, its changes, and whether the length field is mended afterwards.
type Throw = (Index, Vec<Change>, bool);

fn throws() -> impl Strategy<Value = Vec<Throw>> {
    vec((any::<Index>(), vec(change(), 1..4), any::<bool>()), 1..40)
}

fn changed(pool: &[Vec<u8>], (base, changes, mend): &Throw) -> Vec<u8> {
    let mut bytes = base.get(pool).clone();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Flip(at, bit) => *at.get_mut(&mut bytes) ^= 1 << bit,
            Change::Set(at, octet) => *at.get_mut(&mut bytes) = *octet,
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Splice(at, other, from) => {
                let other = other.get(pool);
                bytes.truncate(at.index(bytes.len()));
                bytes.extend_from_slice(&other[from.index(other.len())..]);
            }
        }
    }
    if let (true, Ok(len)) = (*mend, u32::try_from(bytes.len()))
        && let Some(field) = bytes.get_mut(24..28)
    {
        field.copy_from_slice(&len.to_be_bytes());
    }
    bytes
}

/// Runs `check` on the same `cases` inputs every time.
fn run<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        check(value);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn changed_messages_let_nobody_in_and_throw_nobody_out() {
    for stage in Stage::ALL {
        run(60, &throws(), |throws| {
            let mut staged = Staged::new(stage);
            let established = stage.established();
            for throw in &throws {
                let bytes = changed(&staged.genuine, throw);
                if staged.genuine.contains(&bytes) {
                    continue;
                }
                assert!(staged.throw(&bytes) <= 1, "at most one answer");
                let (now_established, all) = staged.counts();
                assert_eq!(now_established, established, "{stage:?}");
                // Its own IKE SA, and those that somebody has begun.
                assert!(all <= 1 + HALF_OPEN, "{stage:?}: {all} IKE SAs");
            }
            // An IKE SA without timers stays, and so does the one whose Delete nobody answers until it is given up.
            staged.wait();
            let left = usize::from(matches!(stage, Stage::Initiator | Stage::Responder));
            assert_eq!(staged.counts(), (left, left), "{stage:?}");
        });
    }
}

fn with_ike_spi(payload: &Payload) -> Option<Payload> {
    let Payload::Sa(sa) = payload else { return None };
    let mut sa = sa.clone();
    for proposal in &mut sa.proposals {
        proposal.spi = vec![7; 8];
    }
    Some(Payload::Sa(sa))
}

/// What an insider may put into a message: payloads of every kind, right and wrong.
fn inner_pool() -> Vec<Payload> {
    let pair = Pair::new().establish();
    let outer =
        pair.log[..2].iter().flat_map(|(_, transmit)| Message::decode(&transmit.payload).unwrap().payloads);
    let child = pair.a.children()[0];
    let [own, peer] = crate::support::ids();
    let mut pool: Vec<_> = outer.collect();
    // With an SPI, the offer and the choice of IKE_SA_INIT renew the IKE SA.
    let renewing: Vec<_> = pool.iter().filter_map(with_ike_spi).collect();
    pool.extend(renewing);
    let answer = child.proposal.to_wire(1, &child.spi_in.to_be_bytes());
    pool.extend([
        Payload::Sa(ipseclab_ike::wire::SaPayload { proposals: vec![answer] }),
        Payload::IdI(own.to_payload()),
        Payload::IdR(own.to_payload()),
        Payload::IdI(peer.to_payload()),
        Payload::IdR(peer.to_payload()),
        Payload::TsI(net("10.1.0").to_payload()),
        Payload::TsR(net("10.2.0").to_payload()),
        Payload::Auth(ipseclab_ike::wire::AuthPayload {
            method: ipseclab_ike::wire::AuthMethod::SharedKeyMic,
            data: vec![7; 32],
        }),
        Payload::Delete(DeletePayload::esp(vec![child.spi_out.to_be_bytes(), child.spi_in.to_be_bytes()])),
        Payload::Delete(DeletePayload::ike_sa()),
        notify(NotifyType::UseTransportMode),
        notify(NotifyType::InitialContact),
        notify(NotifyType::InvalidSpi),
        notify(NotifyType::TsUnacceptable),
        notify(NotifyType::AuthenticationFailed),
        notify(NotifyType::RekeySa),
    ]);
    pool
}

const EXCHANGES: [ExchangeType; 5] = [
    ExchangeType::IkeSaInit,
    ExchangeType::IkeAuth,
    ExchangeType::CreateChildSa,
    ExchangeType::Informational,
    ExchangeType::Unknown(99),
];

#[test]
fn payloads_in_any_order_under_the_right_keys_let_nobody_in_without_the_secret() {
    let pool = inner_pool();
    let message = (any::<Index>(), 0..5_u32, any::<bool>(), vec(any::<Index>(), 0..10));
    for stage in Stage::ALL {
        run(60, &vec(message.clone(), 1..12), |messages| {
            let mut staged = Staged::new(stage);
            let Some(mut insider) = staged.insider() else { return };
            let before = staged.counts().0;
            for (exchange, id, response, payloads) in &messages {
                let exchange = *exchange.get(&EXCHANGES);
                let payloads: Vec<_> = payloads.iter().map(|index| index.get(&pool).clone()).collect();
                let bytes = if *response {
                    insider.response(exchange, *id, &payloads)
                } else {
                    insider.request(exchange, *id, &payloads)
                };
                assert!(staged.throw(&bytes) <= 1, "{stage:?}: at most one answer or next request");
                let (established, all) = staged.counts();
                let most = arena::with_renewals(before);
                assert!(established <= most && all <= most.max(1) + HALF_OPEN, "{stage:?}");
            }
            staged.wait();
            assert_eq!(staged.counts().0, staged.counts().1, "{stage:?}: nothing half-built remains");
        });
    }
}

#[test]
fn an_insider_may_renew_its_ike_sa_and_no_more() {
    let pair = Pair::new().establish();
    let first = Message::decode(&pair.log[0].1.payload).unwrap().payloads;
    let mut payloads: Vec<_> = first.iter().filter_map(with_ike_spi).collect();
    payloads.extend(first.into_iter().filter(|one| matches!(one, Payload::Nonce(_) | Payload::Ke(_))));
    for stage in [Stage::Initiator, Stage::Responder, Stage::RekeyingIke] {
        let mut staged = Staged::new(stage);
        let mut insider = staged.insider().unwrap();
        let next = if stage == Stage::Responder { 2 } else { 0 };
        for id in next..next + 2 {
            let bytes = insider.request(ExchangeType::CreateChildSa, id, &payloads);
            assert_eq!(staged.throw(&bytes), 1, "{stage:?}");
            assert_eq!(staged.counts(), (2, 2), "{stage:?}: the second request is too late");
        }
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_plays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/endpoint");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        arena::play(&std::fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played >= 13, "{played} files");
}
