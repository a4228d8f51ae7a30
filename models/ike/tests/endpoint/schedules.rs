//! Every arrival order of one and of two disturbed messages, and of Deletes that cross (style T).
//!
//! Each schedule runs a life: set-up, liveness check, an end. Whatever the network did, both sides must agree on the
//! live SAs at every stage, nobody may fail, and nothing may remain: no IKE SA, no timer.

use std::time::Duration;

use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_ike::{CloseReason, Event};

use crate::support::{Pair, Side, Verdict};

/// Loss, doubling, overtaking by the next message, and arrival after the first repetition (4 s) and after the second
/// (11.2 s).
const VERDICTS: [Verdict; 5] = [
    Verdict::Lose,
    Verdict::Duplicate,
    Verdict::Delay(Duration::from_millis(25)),
    Verdict::Delay(Duration::from_millis(4_500)),
    Verdict::Delay(Duration::from_secs(12)),
];

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A deletes the Child SA, and with the last one the IKE SA.
    Child,
    /// A deletes the IKE SA.
    Ike,
    /// Both delete the Child SA at the same instant.
    BothChild,
    /// Both delete the IKE SA at the same instant.
    BothIke,
    /// A deletes the Child SA while B deletes the IKE SA.
    Mixed,
}

const ENDS: [End; 5] = [End::Child, End::Ike, End::BothChild, End::BothIke, End::Mixed];

impl End {
    /// Who gives the command to delete the Child SA, and who for the IKE SA.
    fn commands(self) -> &'static [(Side, bool)] {
        match self {
            Self::Child => &[(Side::A, true)],
            Self::Ike => &[(Side::A, false)],
            Self::BothChild => &[(Side::A, true), (Side::B, true)],
            Self::BothIke => &[(Side::A, false), (Side::B, false)],
            Self::Mixed => &[(Side::A, true), (Side::B, false)],
        }
    }
}

/// A life: how many messages it has undisturbed, and what sets it apart.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// B wants another group than A's first, so `IKE_SA_INIT` takes two rounds.
    retry: bool,
    /// A asks for a sign of life before the end.
    liveness: bool,
    end: End,
}

impl Life {
    fn pair(self) -> Pair {
        Pair::cheap(|a, b| {
            if self.retry {
                a.proposals = vec![parse_ike_proposal("aes128-sha256-ecp256-x25519").unwrap()];
                b.proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
            }
            a.dpd_delay = self.liveness.then_some(Duration::from_secs(30));
        })
    }

    /// Lives under `disturbances`, a verdict for each of some datagrams by their number on the wire; returns how many
    /// datagrams were sent.
    fn check(self, disturbances: &[(usize, Verdict)]) -> usize {
        let script = disturbances.to_vec();
        let mut pair = self.pair().script(move |number, _| {
            let verdict = script.iter().find(|(victim, _)| *victim == number);
            verdict.map_or(Verdict::Deliver, |(_, verdict)| *verdict)
        });
        pair.initiate();
        // 27 s are enough for every disturbed set-up, and fall short of the first liveness check.
        pair.run_for(Duration::from_secs(27));
        self.check_established(&pair, disturbances);
        if self.liveness {
            pair.run_for(Duration::from_secs(32));
            self.check_established(&pair, disturbances);
        }
        for (side, child) in self.end.commands() {
            let now = pair.now;
            let peer = pair.peer(*side);
            let (id, spis) = peer.established();
            let outcome = match child {
                true => peer.endpoint.close_idle_child(now, id, spis[0]),
                false => peer.endpoint.terminate(now, id),
            };
            outcome.unwrap();
        }
        pair.flush();
        pair.run_for(Duration::from_mins(5));
        self.check_gone(&pair, disturbances);
        pair.log.len()
    }

    fn check_established(self, pair: &Pair, disturbances: &[(usize, Verdict)]) {
        let context = format!("{self:?} {disturbances:?}: {:?}", pair.titles());
        assert_eq!(pair.live_children().len(), 1, "{context}");
        assert_eq!(pair.a.endpoint.ike_sa_count(), 1, "{context}");
        for peer in [&pair.a, &pair.b] {
            assert_eq!(peer.endpoint.established().count(), 1, "{context}");
            assert_eq!(peer.children().len(), 1, "{context}");
        }
    }

    fn check_gone(self, pair: &Pair, disturbances: &[(usize, Verdict)]) {
        let context = format!("{self:?} {disturbances:?}: {:?}", pair.titles());
        for peer in [&pair.a, &pair.b] {
            assert_eq!(peer.endpoint.ike_sa_count(), 0, "{context}");
            assert_eq!(peer.endpoint.poll_timeout(), None, "{context}");
            assert_eq!(peer.count(|event| matches!(event, Event::ChildSaClosed { .. })), 1, "{context}");
            assert_eq!(peer.count(|event| matches!(event, Event::IkeSaClosed { .. })), 1, "{context}");
            let dead =
                |event: &Event| matches!(event, Event::IkeSaClosed { reason: CloseReason::PeerDead, .. });
            assert_eq!(peer.count(dead), 0, "{context}");
        }
        // A stray copy of a first request may have opened an IKE SA at B that timed out; A must not have failed.
        assert!(pair.a.failures().is_empty(), "{context}");
    }
}

fn lives() -> impl Iterator<Item = Life> {
    let set_ups = [(false, false), (true, false), (false, true)];
    set_ups.into_iter().flat_map(|(retry, liveness)| ENDS.map(|end| Life { retry, liveness, end }))
}

#[test]
fn one_disturbed_message_changes_nothing_in_the_end() {
    let mut schedules = 0;
    for life in lives() {
        let undisturbed = life.check(&[]);
        for victim in 0..undisturbed {
            for verdict in VERDICTS {
                life.check(&[(victim, verdict)]);
                schedules += 1;
            }
        }
    }
    println!("{schedules} schedules");
    assert!(schedules > 600);
}

#[test]
fn two_disturbed_messages_change_nothing_in_the_end() {
    let mut schedules = 0;
    for life in lives() {
        // Two more than undisturbed: repetitions can be hit as well.
        let victims = life.check(&[]) + 2;
        for first in 0..victims {
            for second in first + 1..victims {
                for one in VERDICTS {
                    for other in VERDICTS {
                        life.check(&[(first, one), (second, other)]);
                        schedules += 1;
                    }
                }
            }
        }
    }
    println!("{schedules} schedules");
    assert!(schedules > 10_000);
}
