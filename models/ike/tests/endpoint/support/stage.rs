//! Endpoints brought to each stage of an IKE SA's life, with somebody who throws things at them.

use std::time::Duration;

use ipseclab_ike::Role;
use ipseclab_ike::credential::Credentials;

use super::craft::Crafter;
use super::{A, B, OFFICE, Pair, Peer, Side, Verdict};

/// How many half-open IKE SAs the victim may have.
pub(crate) const HALF_OPEN: usize = 3;

/// What the victim is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// B has seen nothing yet.
    Listening,
    /// A awaits the answer in `IKE_SA_INIT`.
    SaInitSent,
    /// B awaits `IKE_AUTH`.
    HalfOpen,
    /// A awaits the answer in `IKE_AUTH`.
    AuthSent,
    /// A has begun an established IKE SA.
    Initiator,
    /// B has answered to an established IKE SA.
    Responder,
    /// A awaits the answer to its renewal of the Child SA.
    RekeyingChild,
    /// A awaits the answer to its renewal of the IKE SA.
    RekeyingIke,
    /// A has answered B's renewal of the Child SA and awaits the answer to its own.
    ChildCollision,
    /// A has answered B's renewal of the IKE SA and awaits the answer to its own.
    IkeCollision,
    /// A awaits the answer to the Delete of an established IKE SA.
    Deleting,
    /// B repeats that it has refused A.
    Refused,
    /// B repeats that it has let an IKE SA be deleted.
    Lingering,
}

impl Stage {
    pub(crate) const ALL: [Self; 13] = [
        Self::Listening,
        Self::SaInitSent,
        Self::HalfOpen,
        Self::AuthSent,
        Self::Initiator,
        Self::Responder,
        Self::Deleting,
        Self::Refused,
        Self::Lingering,
        Self::RekeyingChild,
        Self::RekeyingIke,
        Self::ChildCollision,
        Self::IkeCollision,
    ];

    fn victim(self) -> Side {
        match self {
            Self::SaInitSent
            | Self::AuthSent
            | Self::Initiator
            | Self::Deleting
            | Self::RekeyingChild
            | Self::RekeyingIke
            | Self::ChildCollision
            | Self::IkeCollision => Side::A,
            Self::Listening | Self::HalfOpen | Self::Responder | Self::Refused | Self::Lingering => Side::B,
        }
    }

    /// How many messages the network delivers before the victim stands there.
    fn delivered(self) -> usize {
        match self {
            Self::Listening | Self::SaInitSent => 0,
            Self::HalfOpen => 2,
            Self::AuthSent => 3,
            Self::Initiator
            | Self::Responder
            | Self::Deleting
            | Self::Refused
            | Self::RekeyingChild
            | Self::RekeyingIke => 4,
            // B's request is the first on the wire, and nothing else arrives.
            Self::ChildCollision | Self::IkeCollision => 5,
            Self::Lingering => 6,
        }
    }

    /// Whether the victim has authenticated its peer and still believes in it.
    pub(crate) fn is_established(self) -> bool {
        matches!(
            self,
            Self::Initiator | Self::Responder | Self::Deleting | Self::RekeyingChild | Self::ChildCollision
        ) || self.renews_ike()
    }

    /// How many IKE SAs the victim has authenticated its peer for: in a collision there are an old and a new one.
    pub(crate) fn established(self) -> usize {
        usize::from(self.is_established()) + usize::from(self == Self::IkeCollision)
    }

    /// Whether the IKE SA is being renewed.
    fn renews_ike(self) -> bool {
        matches!(self, Self::RekeyingIke | Self::IkeCollision)
    }

    /// Whether the Child SA is being renewed.
    fn renews_child(self) -> bool {
        matches!(self, Self::RekeyingChild | Self::ChildCollision)
    }

    fn collides(self) -> bool {
        matches!(self, Self::ChildCollision | Self::IkeCollision)
    }
}

/// A victim at its stage.
pub(crate) struct Staged {
    pub(crate) stage: Stage,
    pair: Pair,
    /// Every message that was sent until now.
    pub(crate) genuine: Vec<Vec<u8>>,
}

impl Staged {
    pub(crate) fn new(stage: Stage) -> Self {
        let delivered = stage.delivered();
        let mut pair = Pair::configured(|a, b| {
            a.limits.half_open = HALF_OPEN;
            b.limits.half_open = HALF_OPEN;
            if stage == Stage::Refused {
                a.credentials = Credentials::with_psk([], *b"wrong");
            }
        })
        .script(move |number, _| if number < delivered { Verdict::Deliver } else { Verdict::Lose });
        if stage != Stage::Listening {
            pair.initiate();
            pair.run_for(Duration::from_secs(1));
        }
        if matches!(stage, Stage::Deleting | Stage::Lingering) {
            let (id, _) = pair.a.established();
            pair.a.endpoint.terminate(pair.now, id).expect("it is established");
            pair.flush();
            pair.run_for(Duration::from_secs(1));
        }
        if stage.renews_ike() || stage.renews_child() {
            let sides: &[Side] = if stage.collides() { &[Side::B, Side::A] } else { &[Side::A] };
            for side in sides {
                let now = pair.now;
                let peer = pair.peer(*side);
                let (id, spis) = peer.established();
                let asked = if stage.renews_ike() {
                    peer.endpoint.rekey_ike(now, id)
                } else {
                    peer.endpoint.rekey_child(now, id, spis[0])
                };
                asked.expect("it is established");
                pair.flush();
            }
            pair.run_for(Duration::from_secs(1));
        }
        let mut genuine: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.payload.clone()).collect();
        if stage == Stage::Listening {
            // What A would send: something to start from.
            let mut other = Pair::new();
            other.a.endpoint.initiate(other.now, OFFICE).expect("the connection has a peer address");
            genuine.extend(other.a.drain().into_iter().map(|transmit| transmit.payload));
        }
        Self { stage, pair, genuine }
    }

    pub(crate) fn victim(&mut self) -> &mut Peer {
        self.pair.peer(self.stage.victim())
    }

    /// Delivers `bytes` to the victim as if from its peer; returns how many datagrams it sends.
    pub(crate) fn throw(&mut self, bytes: &[u8]) -> usize {
        let from = if self.stage.victim() == Side::A { B } else { A };
        let now = self.pair.now;
        self.victim().receive(now, (from, 500), 500, bytes).len()
    }

    /// Somebody who has the peer's keys of the IKE SA, but not the shared secret; `None` before there are keys.
    pub(crate) fn insider(&mut self) -> Option<Crafter> {
        // The last keys are those of the IKE SA that B has begun when renewals collide.
        let answered = self.stage.victim() == Side::A && self.stage != Stage::IkeCollision;
        let role = if answered { Role::Responder } else { Role::Initiator };
        let early = matches!(self.stage, Stage::Listening | Stage::SaInitSent);
        (!early).then(|| Crafter::new(self.victim(), role))
    }

    /// The victim's IKE SAs that are established, and all.
    pub(crate) fn counts(&mut self) -> (usize, usize) {
        let endpoint = &self.victim().endpoint;
        (endpoint.established().count(), endpoint.ike_sa_count())
    }

    /// Lets all timers of the victim run out.
    pub(crate) fn wait(&mut self) {
        for _ in 0..100 {
            let Some(next) = self.victim().endpoint.poll_timeout() else { return };
            self.pair.now = self.pair.now.max(next);
            let now = self.pair.now;
            self.victim().endpoint.handle_timeout(now);
            self.victim().drain();
        }
        unreachable!("{:?}: timers never end", self.stage);
    }
}
