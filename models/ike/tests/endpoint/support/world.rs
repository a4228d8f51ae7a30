//! Two endpoints whose network is an adversary: it says which message arrives next, and when a timer goes off.
//!
//! Time stands still while messages are under way, unless the adversary makes it jump to the next deadline. So what an
//! endpoint does depends on the order of its own inputs alone, and a state of the world is known by both orders: this is
//! what [`World::fingerprint`] is made of. Messages are named by their sender and their place among what it has sent.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use ipseclab_ike::config::{ChildId, EndpointConfig};
use ipseclab_ike::{Event, IkeSaId, Transmit};

use super::owner::Owner;
use super::{A, B, Counting, OFFICE, Peer, Side, config, tunnel};

/// The child that comes up with the IKE SA, the one that follows, and one that waits for a command.
pub(crate) const LAN: ChildId = ChildId { connection: OFFICE, place: 0 };
pub(crate) const DMZ: ChildId = ChildId { connection: OFFICE, place: 1 };
pub(crate) const LAB: ChildId = ChildId { connection: OFFICE, place: 2 };

/// The time between two signs of life that are asked for, where they are.
pub(crate) const DPD_DELAY: Duration = Duration::from_secs(100);

/// Something that an owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    RekeyChild,
    RekeyOtherChild,
    RekeyIke,
    CreateChild,
    DeleteChild,
    DeleteIke,
    Liveness,
    Reauthenticate,
}

impl Op {
    /// Whether something is meant to be gone for a while or for good.
    pub(crate) fn interrupts(self) -> bool {
        matches!(self, Self::DeleteChild | Self::DeleteIke | Self::Reauthenticate)
    }
}

/// What is to happen, to which endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) ops: Vec<(Side, Op)>,
    /// The streams of randomness: they decide whose nonce is the lowest.
    pub(crate) seeds: (u8, u8),
    pub(crate) configure: fn(&mut EndpointConfig),
}

/// A message: its sender, its place among what that has sent, and which copy it is.
pub(crate) type Name = (Side, usize, u8);

/// One step of the adversary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Choice {
    /// The owner asks for operation number so-and-so.
    Ask(usize),
    Deliver(Name),
    Lose(Name),
    /// It arrives, and a copy stays under way.
    Duplicate(Name),
    /// The clock jumps to the next deadline.
    Timer,
}

impl Choice {
    /// Whether a network without faults does this too.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self, Self::Lose(_) | Self::Duplicate(_) | Self::Timer)
    }
}

pub(crate) struct Half {
    pub(crate) peer: Peer,
    pub(crate) owner: Owner,
    sent: usize,
    history: u64,
    /// For each child the SPI that its packets went out under, with the number of messages that were sent before.
    packets: Vec<(usize, ChildId, u32)>,
}

/// Both sides and what is between them.
pub(crate) struct World {
    pub(crate) a: Half,
    pub(crate) b: Half,
    pub(crate) now: Duration,
    pub(crate) scene: Scene,
    under_way: BTreeMap<Name, Transmit>,
    asked: Vec<bool>,
    lost: u64,
    pub(crate) faults: usize,
    /// What happened, for people.
    pub(crate) story: Vec<String>,
    watching: bool,
    pub(crate) complaints: Vec<String>,
}

impl Half {
    fn new(side: Side, scene: &Scene) -> Self {
        let mut config = config(side);
        let networks = [("10.1.1", "10.2.1", "dmz"), ("10.1.2", "10.2.2", "lab")];
        for (a, b, name) in networks {
            let mut child = if side == Side::A { tunnel(a, b) } else { tunnel(b, a) };
            name.clone_into(&mut child.name);
            config.connections[0].children.push(child);
        }
        if scene.ops.contains(&(side, Op::Liveness)) {
            config.connections[0].dpd_delay = Some(DPD_DELAY);
        }
        (scene.configure)(&mut config);
        let seed = if side == Side::A { scene.seeds.0 } else { scene.seeds.1 };
        let peer = Peer::cheap(config, Counting::new(seed));
        Self { peer, owner: Owner::default(), sent: 0, history: 0, packets: vec![] }
    }

    fn note(&mut self, input: impl Hash) {
        self.history = hash(&(self.history, input));
    }

    /// The current IKE SA: the one with most Child SAs, of several the youngest.
    fn current(&self) -> Option<IkeSaId> {
        let all = self.peer.endpoint.established();
        all.max_by_key(|(id, _, children)| (children.len(), *id)).map(|(id, ..)| id)
    }

    fn holder(&self, spi_in: u32) -> Option<IkeSaId> {
        self.peer.endpoint.established().find(|(_, _, spis)| spis.contains(&spi_in)).map(|(id, ..)| id)
    }

    /// A command that does not fit any more is refused, and that is all.
    fn ask(&mut self, now: Duration, op: Op) {
        let of = |child: ChildId| self.owner.spi_of(child).and_then(|spi| Some((self.holder(spi)?, spi)));
        let (lan, dmz, current) = (of(LAN), of(DMZ), self.current());
        let endpoint = &mut self.peer.endpoint;
        let _refused = match op {
            Op::RekeyChild => lan.map(|(ike, spi)| endpoint.rekey_child(now, ike, spi)),
            Op::RekeyOtherChild => dmz.map(|(ike, spi)| endpoint.rekey_child(now, ike, spi)),
            Op::DeleteChild => lan.map(|(ike, spi)| endpoint.close_child(now, ike, spi)),
            Op::RekeyIke => current.map(|ike| endpoint.rekey_ike(now, ike)),
            Op::DeleteIke => current.map(|ike| endpoint.terminate(now, ike)),
            Op::Reauthenticate => current.map(|ike| endpoint.reauthenticate(now, ike)),
            Op::CreateChild => {
                endpoint.initiate_child(now, LAB);
                None
            }
            Op::Liveness => {
                endpoint.handle_timeout(now);
                None
            }
        };
    }
}

impl World {
    /// The scene, with both children up and nothing under way.
    pub(crate) fn new(scene: &Scene) -> Self {
        let (a, b) = (Half::new(Side::A, scene), Half::new(Side::B, scene));
        let asked = vec![false; scene.ops.len()];
        let mut world = Self {
            a,
            b,
            now: Duration::ZERO,
            scene: scene.clone(),
            under_way: BTreeMap::new(),
            asked,
            lost: 0,
            faults: 0,
            story: vec![],
            watching: false,
            complaints: vec![],
        };
        for child in [LAN, DMZ] {
            world.a.peer.endpoint.initiate_child(Duration::ZERO, child).expect("the peer has an address");
            world.after();
            while world.deliver_next() {}
        }
        // Liveness checks that the scene asks for are due now, and no others for a while.
        if scene.ops.iter().any(|(_, op)| *op == Op::Liveness) {
            world.now = DPD_DELAY;
        }
        world.story.clear();
        world.watching = scene.ops.iter().all(|(_, op)| !op.interrupts());
        world.check_packets();
        world
    }

    pub(crate) fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    fn deliver_next(&mut self) -> bool {
        let next = self.under_way.keys().next().copied();
        next.is_some_and(|name| self.step(Choice::Deliver(name)))
    }

    /// What the adversary may do now, the ordinary things first. Faults only while there are fewer than `most`.
    pub(crate) fn choices(&self, most: usize) -> Vec<Choice> {
        let mut choices: Vec<_> = self.next_ops().map(Choice::Ask).collect();
        choices.extend(self.under_way.keys().map(|name| Choice::Deliver(*name)));
        if self.faults < most && !self.under_way.is_empty() {
            choices.extend(self.under_way.keys().map(|name| Choice::Lose(*name)));
            let first_copies = self.under_way.keys().filter(|(_, _, copy)| *copy == 0);
            choices.extend(first_copies.map(|name| Choice::Duplicate(*name)));
            choices.extend(self.deadline().map(|_| Choice::Timer));
        }
        choices
    }

    /// The operations that are next in their own side's order.
    fn next_ops(&self) -> impl Iterator<Item = usize> {
        let open = |side: Side| {
            (0..self.asked.len()).find(move |place| !self.asked[*place] && self.scene.ops[*place].0 == side)
        };
        [open(Side::A), open(Side::B)].into_iter().flatten()
    }

    /// The fingerprint after `choice`, without taking it.
    pub(crate) fn fingerprint_after(&self, choice: Choice) -> u64 {
        let (mut a, mut b, mut lost) = (self.a.history, self.b.history, self.lost);
        let side = match choice {
            Choice::Ask(place) => Some(self.scene.ops[place].0),
            Choice::Deliver((from, ..)) | Choice::Duplicate((from, ..)) => Some(from.other()),
            Choice::Lose(_) | Choice::Timer => None,
        };
        match (choice, side) {
            (Choice::Lose(name), _) => lost ^= hash(&name),
            (_, Some(Side::A)) => a = hash(&(a, choice)),
            (_, Some(Side::B)) => b = hash(&(b, choice)),
            (_, None) => (a, b) = (hash(&(a, choice)), hash(&(b, choice))),
        }
        hash(&(a, b, lost))
    }

    /// Takes a step; false when it is not possible.
    pub(crate) fn step(&mut self, choice: Choice) -> bool {
        let possible = match choice {
            Choice::Ask(place) => self.next_ops().any(|next| next == place),
            Choice::Deliver(name) | Choice::Lose(name) | Choice::Duplicate(name) => {
                self.under_way.contains_key(&name)
            }
            Choice::Timer => self.deadline().is_some(),
        };
        if !possible {
            return false;
        }
        self.faults += usize::from(choice.is_fault());
        self.tell(choice);
        match choice {
            Choice::Ask(place) => {
                self.asked[place] = true;
                let ((side, op), now) = (self.scene.ops[place], self.now);
                self.half(side).note(choice);
                self.half(side).ask(now, op);
            }
            Choice::Lose(name) => {
                self.lost ^= hash(&name);
                self.under_way.remove(&name);
            }
            Choice::Deliver(name) => {
                let transmit = self.under_way.remove(&name).expect("it is possible");
                self.arrive(choice, name, &transmit);
            }
            Choice::Duplicate(name) => {
                let transmit = self.under_way.remove(&name).expect("it is possible");
                self.under_way.insert((name.0, name.1, name.2 + 1), transmit.clone());
                self.arrive(choice, name, &transmit);
            }
            Choice::Timer => {
                let now = self.deadline().expect("it is possible").max(self.now);
                self.now = now;
                for side in [Side::A, Side::B] {
                    self.half(side).note(choice);
                    self.half(side).peer.endpoint.handle_timeout(now);
                }
            }
        }
        self.after();
        true
    }

    fn arrive(&mut self, choice: Choice, (from, place, _): Name, transmit: &Transmit) {
        // Packets that were sent before the message do not arrive after it.
        let sender = self.half(from);
        let (earlier, later) = sender.packets.drain(..).partition::<Vec<_>, _>(|(sent, ..)| *sent <= place);
        sender.packets = later;
        for (_, child, spi) in earlier {
            self.check_arrival(from.other(), child, spi);
        }
        let now = self.now;
        let receiver = self.half(from.other());
        receiver.note(choice);
        receiver.peer.endpoint.handle_datagram(now, transmit.from, transmit.to, &transmit.payload);
    }

    fn deadline(&self) -> Option<Duration> {
        let timers = [&self.a, &self.b].map(|half| half.peer.endpoint.poll_timeout());
        timers.into_iter().flatten().min()
    }

    /// Collects what both sides send and tell.
    fn after(&mut self) {
        for side in [Side::A, Side::B] {
            let half = self.half(side);
            let transmits = half.peer.drain();
            let events: Vec<Event> = std::mem::take(&mut half.peer.events);
            for event in &events {
                half.owner.take(event);
            }
            let place = half.sent;
            half.sent += transmits.len();
            half.peer.events = events;
            self.tell_events(side);
            self.half(side).peer.events.clear();
            for (at, transmit) in (place..).zip(transmits) {
                self.story.push(format!("    {side:?} sends {at}: {}", title(&transmit)));
                self.under_way.insert((side, at, 0), transmit);
            }
        }
        self.check_packets();
    }

    fn tell(&mut self, choice: Choice) {
        let name = match choice {
            Choice::Deliver(name) | Choice::Lose(name) | Choice::Duplicate(name) => Some(name),
            _ => None,
        };
        let what = name.map(|name| title(&self.under_way[&name])).unwrap_or_default();
        let op = if let Choice::Ask(place) = choice { format!("{:?}", self.scene.ops[place]) } else { what };
        self.story.push(format!("{choice:?}: {op}"));
    }

    fn tell_events(&mut self, side: Side) {
        let lines: Vec<_> = self.half(side).peer.events.iter().map(|event| brief(side, event)).collect();
        self.story.extend(lines);
    }

    /// At every moment each side has a Child SA to send on for each child, and its packets are understood, at once or
    /// after everything that they may be late for.
    fn check_packets(&mut self) {
        if !self.watching {
            return;
        }
        for side in [Side::A, Side::B] {
            for child in [LAN, DMZ] {
                let half = self.half(side);
                let Some(spi) = half.owner.in_use(child).map(|sa| sa.spi_out) else {
                    self.complaints.push(format!("{side:?} has no Child SA for {child:?}"));
                    continue;
                };
                if half.packets.last().is_none_or(|last| *last != (half.sent, child, spi)) {
                    let sent = half.sent;
                    half.packets.push((sent, child, spi));
                }
                self.check_arrival(side.other(), child, spi);
            }
        }
    }

    fn check_arrival(&mut self, at: Side, child: ChildId, spi: u32) {
        if !self.half(at).owner.children.contains_key(&spi) {
            let known = if self.half(at).owner.known.contains(&spi) { "no more" } else { "not yet" };
            self.complaints
                .push(format!("a packet of {child:?} arrives at {at:?} under {spi:x}, which it has {known}"));
        }
    }

    /// Nothing more goes wrong: everything that is still wanted is asked for, everything arrives, and all timers run out.
    pub(crate) fn settle(&mut self) {
        let end = self.now + Duration::from_mins(10);
        for _ in 0..2000 {
            let op = self.next_ops().next();
            let message = self.under_way.keys().next().copied();
            let next = op.map(Choice::Ask).or(message.map(Choice::Deliver));
            let timer = self.deadline().filter(|at| *at <= end).map(|_| Choice::Timer);
            let Some(choice) = next.or(timer) else { return };
            self.step(choice);
        }
        self.complaints.push("it never ends".to_owned());
    }
}

impl Side {
    pub(crate) fn other(self) -> Self {
        if self == Self::A { Self::B } else { Self::A }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn title(transmit: &Transmit) -> String {
    let info = &transmit.message;
    let kind = if info.response { "response" } else { "request" };
    let from = if transmit.from.ip() == A { "A" } else { "B" };
    debug_assert!(transmit.from.ip() == A || transmit.from.ip() == B);
    let ike_sa = transmit.ike_sa.map(|id| id.to_string()).unwrap_or_default();
    let (exchange, id, payloads) = (info.exchange, info.message_id, info.payloads.join(" "));
    format!("{from}{ike_sa} {exchange} {id} {kind} {payloads}")
}

fn brief(side: Side, event: &Event) -> String {
    let text = match event {
        Event::ChildSaEstablished(sa) => format!(
            "ChildSaEstablished {} in {:x} out {:x} {:?} replaces {:x?}",
            sa.ike_sa, sa.spi_in, sa.spi_out, sa.outbound, sa.replaces
        ),
        Event::ChildSaClosed { ike_sa, spi_in, reason } => {
            format!("ChildSaClosed {ike_sa} {spi_in:x} {reason:?}")
        }
        Event::IkeSaEstablished(sa) => format!("IkeSaEstablished {} {:?}", sa.ike_sa, sa.role),
        Event::KeysDerived(keys) => format!("KeysDerived {}", keys.ike_sa),
        other => format!("{other:?}"),
    };
    format!("    {side:?} tells {text}")
}
