//! Several fragments into the packet that they were, within bounds.
//!
//! What a stranger can make a host keep is limited three ways: octets in all, packets under way, and time. When memory
//! runs out, the oldest packets under way are given up, so that a flood of fragments cannot hold the buffer for ever.
//! Fragments that overlap end their packet (RFC 5722 asks for it in IPv6; in IPv4 nothing honest overlaps with other
//! octets either, as RFC 1858 explains, so both are treated alike). An exact repetition of a fragment is let pass.

use std::collections::{BTreeMap, BTreeSet};

use ipseclab_sim::{SimDuration, SimTime};
use smoltcp::wire::Ipv4Packet;

use crate::address::IpAddr;
use crate::drop::DropReason;
use crate::ip::IpView;
use crate::ipv4::protocol;
use crate::ipv6::FragmentInfo;
use crate::owner::Owner;
use crate::packet::Packet;

/// What each fragment is charged for besides its octets, so that many small ones are no way around the limit.
const FRAGMENT_OVERHEAD: usize = 64;

/// Bounds of reassembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyConfig {
    /// Octets that all fragments together may take, with 64 for each fragment besides.
    pub octets_max: usize,
    /// Packets that may be under way at once.
    pub packets_max: usize,
    /// How long the first fragment to arrive waits for the others, in IPv4.
    pub timeout_v4: SimDuration,
    /// The same in IPv6 (RFC 8200 §4.5: 60 s).
    pub timeout_v6: SimDuration,
}

/// What reassembly has counted. Fragments in = fragments joined + dropped + held, at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReassemblyCounters {
    /// Fragments that arrived.
    pub fragments: u64,
    /// Packets that came out whole.
    pub packets: u64,
    /// Fragments that went into them.
    pub joined: u64,
    /// Fragments dropped, whatever the reason.
    pub dropped: u64,
}

/// What a fragment leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reassembled {
    /// The packet is whole.
    Whole {
        /// The packet, with trail, tag and owner of its last fragment.
        packet: Packet,
        /// Whose the other fragments were, which are part of it now. Nothing but the last one's, unless a stranger's came
        /// under the same identification.
        joined: Vec<Owner>,
    },
    /// It waits for the others.
    Waits,
    /// Fragments end here: this one, or those that waited with it.
    Dropped {
        /// Why.
        reason: DropReason,
        /// Whose they were.
        fragments: Vec<Owner>,
    },
}

/// Which packet a fragment belongs to (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    /// Part of the key in IPv4 alone.
    protocol: u8,
    identification: u32,
}

/// A packet of which something is there.
#[derive(Clone, Debug)]
struct Partial {
    deadline: SimTime,
    /// Fragments by offset.
    pieces: BTreeMap<usize, Vec<u8>>,
    /// Headers as in the first fragment, without the fragment header.
    headers: Option<Vec<u8>>,
    /// Length of the whole payload, known from the last fragment.
    payload_len: Option<usize>,
    received: usize,
    octets: usize,
    /// Whose the fragments are, in the order of their arrival.
    owners: Vec<Owner>,
    /// The first fragment as it came, for an error message to its sender.
    first: Option<Vec<u8>>,
}

/// The fragments that a host has received.
#[derive(Clone, Debug)]
pub struct Reassembler {
    config: ReassemblyConfig,
    partials: BTreeMap<Key, Partial>,
    /// Partials by deadline, for expiry and for giving up the oldest.
    deadlines: BTreeSet<(SimTime, Key)>,
    octets: usize,
    held: u64,
    counters: ReassemblyCounters,
}

impl Default for ReassemblyConfig {
    /// 4 MiB and 30 s for IPv4, as Linux has it; 60 s for IPv6, as RFC 8200 §4.5 has it; 1024 packets.
    fn default() -> Self {
        Self {
            octets_max: 4 << 20,
            packets_max: 1024,
            timeout_v4: SimDuration::from_secs(30),
            timeout_v6: SimDuration::from_secs(60),
        }
    }
}

impl Reassembler {
    /// With nothing in it.
    pub const fn new(config: ReassemblyConfig) -> Self {
        Self {
            config,
            partials: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            octets: 0,
            held: 0,
            counters: ReassemblyCounters { fragments: 0, packets: 0, joined: 0, dropped: 0 },
        }
    }

    /// Takes a fragment. Beside what becomes of it stands whose older fragments were given up to make room.
    pub fn push(&mut self, now: SimTime, packet: &Packet) -> (Reassembled, Vec<Owner>) {
        self.counters.fragments += 1;
        let Ok(view) = IpView::parse(&packet.bytes) else {
            return (self.refuse(DropReason::MalformedPacket, packet), vec![]);
        };
        let Some(info) = view.fragment() else {
            return (self.refuse(DropReason::MalformedPacket, packet), vec![]);
        };
        let key = Key::of(&view, info);
        let octets = view.payload_of_fragment().len() + FRAGMENT_OVERHEAD;
        let given_up = self.make_room(octets, &key);
        if self.octets + octets > self.config.octets_max {
            return (self.refuse(DropReason::ReassemblyFull, packet), given_up);
        }
        (self.insert(now, key, (&view, info), packet), given_up)
    }

    fn refuse(&mut self, reason: DropReason, packet: &Packet) -> Reassembled {
        self.counters.dropped += 1;
        Reassembled::Dropped { reason, fragments: vec![packet.owner] }
    }

    /// Gives up the oldest packets until there is room; returns whose fragments went.
    fn make_room(&mut self, octets: usize, key: &Key) -> Vec<Owner> {
        let mut given_up = vec![];
        let is_new = !self.partials.contains_key(key);
        while self.octets + octets > self.config.octets_max
            || (is_new && self.partials.len() >= self.config.packets_max)
        {
            let oldest = self.deadlines.iter().map(|(_, oldest)| *oldest).find(|oldest| oldest != key);
            let Some(oldest) = oldest else { break };
            given_up.extend(self.give_up(&oldest).map(|partial| partial.owners).into_iter().flatten());
        }
        given_up
    }

    /// Forgets a packet; its fragments are dropped.
    fn give_up(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.take(key)?;
        self.counters.dropped += partial.owners.len() as u64;
        Some(partial)
    }

    fn take(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.partials.remove(key)?;
        self.deadlines.remove(&(partial.deadline, *key));
        self.octets -= partial.octets;
        self.held -= partial.owners.len() as u64;
        Some(partial)
    }

    fn insert(
        &mut self,
        now: SimTime,
        key: Key,
        (view, info): (&IpView<'_>, FragmentInfo),
        packet: &Packet,
    ) -> Reassembled {
        let timeout = if key.source.is_ipv6() { self.config.timeout_v6 } else { self.config.timeout_v4 };
        let partial = self.partials.entry(key).or_insert_with(|| Partial::until(now + timeout));
        self.deadlines.insert((partial.deadline, key));
        let outcome = partial.add(view, info, packet.owner);
        match outcome {
            Added::Repeated => return self.refuse(DropReason::DuplicateFragment, packet),
            Added::Bad => {
                let mut fragments = self.give_up(&key).map(|partial| partial.owners).unwrap_or_default();
                fragments.push(packet.owner);
                self.counters.dropped += 1;
                return Reassembled::Dropped { reason: DropReason::MalformedFragment, fragments };
            }
            Added::Kept { octets } => {
                self.octets += octets;
                self.held += 1;
            }
        }
        if !partial.is_whole() {
            return Reassembled::Waits;
        }
        let mut whole = self.take(&key).expect("a packet that has just got a fragment is there");
        let mut owners = core::mem::take(&mut whole.owners);
        let Some(bytes) = whole.join() else {
            self.counters.dropped += owners.len() as u64;
            return Reassembled::Dropped { reason: DropReason::MalformedFragment, fragments: owners };
        };
        self.counters.joined += owners.len() as u64;
        self.counters.packets += 1;
        // The last one is this fragment's, which the whole packet goes on as.
        owners.pop();
        let Packet { trail, tag, owner, .. } = *packet;
        Reassembled::Whole { packet: Packet { bytes, trail, tag, owner }, joined: owners }
    }

    /// The next packet whose time has run out at `now`: whose fragments are dropped, and the first of them, if it had
    /// come, for a message to the sender (RFC 792, RFC 4443 §3.3).
    pub fn expire(&mut self, now: SimTime) -> Option<(Vec<Owner>, Option<Vec<u8>>)> {
        let (deadline, key) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.give_up(&key).map(|partial| (partial.owners, partial.first))
    }

    /// When the oldest packet under way runs out of time.
    pub fn next_timeout(&self) -> Option<SimTime> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Fragments that wait.
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// Whose they are.
    pub fn owners(&self) -> impl Iterator<Item = Owner> + '_ {
        self.partials.values().flat_map(|partial| partial.owners.iter().copied())
    }

    /// Octets that they take.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// What has been counted.
    pub const fn counters(&self) -> &ReassemblyCounters {
        &self.counters
    }

    /// Forgets everything, as a crash does; returns whose fragments went.
    pub fn clear(&mut self) -> Vec<Owner> {
        let held = self.owners().collect();
        self.counters.dropped += self.held;
        self.partials.clear();
        self.deadlines.clear();
        (self.octets, self.held) = (0, 0);
        held
    }
}

impl Key {
    fn of(view: &IpView<'_>, info: FragmentInfo) -> Self {
        let protocol = if view.source().is_ipv6() { 0 } else { view.protocol() };
        Self {
            source: view.source(),
            destination: view.destination(),
            protocol,
            identification: info.identification,
        }
    }
}

/// What became of a fragment in its packet.
enum Added {
    Kept {
        octets: usize,
    },
    /// It is there already.
    Repeated,
    /// It contradicts the others, or itself.
    Bad,
}

impl Partial {
    const fn until(deadline: SimTime) -> Self {
        Self {
            deadline,
            pieces: BTreeMap::new(),
            headers: None,
            payload_len: None,
            received: 0,
            octets: 0,
            owners: vec![],
            first: None,
        }
    }

    fn add(&mut self, view: &IpView<'_>, info: FragmentInfo, owner: Owner) -> Added {
        let (payload, start) = (view.payload_of_fragment(), usize::from(info.offset));
        let end = start + payload.len();
        // All but the last are whole units, and none reaches beyond what a packet can hold.
        if payload.is_empty() || (info.more && payload.len() % 8 != 0) || end > usize::from(u16::MAX) {
            return Added::Bad;
        }
        if self.pieces.get(&start).is_some_and(|piece| piece == payload) {
            return Added::Repeated;
        }
        if self.overlaps(start, end) || !self.fits_length(end, info.more) {
            return Added::Bad;
        }
        if start == 0 {
            self.headers = Some(view.headers_of_fragment());
            self.first = Some(view.bytes().to_vec());
        }
        self.pieces.insert(start, payload.to_vec());
        self.received += payload.len();
        self.owners.push(owner);
        let octets = payload.len() + FRAGMENT_OVERHEAD;
        self.octets += octets;
        Added::Kept { octets }
    }

    fn overlaps(&self, start: usize, end: usize) -> bool {
        let before = self.pieces.range(..end).next_back();
        before.is_some_and(|(place, piece)| place + piece.len() > start)
    }

    /// Whether a fragment that ends here agrees with where the packet ends.
    fn fits_length(&mut self, end: usize, more: bool) -> bool {
        let highest = self.pieces.last_key_value().map_or(0, |(place, piece)| place + piece.len());
        match self.payload_len {
            Some(len) => end <= len && (more || end == len),
            None if more => true,
            None => {
                self.payload_len = Some(end);
                highest <= end
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.headers.is_some() && self.payload_len == Some(self.received)
    }

    /// The packet; `None` when it would be longer than a packet can be.
    fn join(self) -> Option<Vec<u8>> {
        let mut packet = self.headers?;
        self.pieces.values().for_each(|piece| packet.extend_from_slice(piece));
        if packet[0] >> 4 == 6 {
            let len = u16::try_from(packet.len() - crate::ipv6::HEADER_LEN).ok()?;
            packet[4..6].copy_from_slice(&len.to_be_bytes());
        } else {
            let len = u16::try_from(packet.len()).ok()?;
            let mut wire = Ipv4Packet::new_unchecked(&mut packet[..]);
            wire.set_total_len(len);
            wire.set_more_frags(false);
            wire.set_frag_offset(0);
            wire.fill_checksum();
        }
        Some(packet)
    }
}

impl<'a> IpView<'a> {
    /// What a fragment brings of the fragmentable part.
    fn payload_of_fragment(&self) -> &'a [u8] {
        match self {
            Self::V4(view) => view.payload(),
            Self::V6(view) => {
                let start = view
                    .fragment_header()
                    .map_or(view.header_len(), |at| at + crate::ipv6::FRAGMENT_HEADER_LEN);
                &view.bytes()[start..]
            }
        }
    }

    /// The headers in front of the fragmentable part, as they are in a whole packet but for its length.
    fn headers_of_fragment(&self) -> Vec<u8> {
        let (Self::V6(view), Some(at)) = (self, self.fragment_header_at()) else {
            return self.bytes()[..self.header_len()].to_vec();
        };
        let mut headers = view.bytes()[..at].to_vec();
        let next = view.bytes()[at];
        // The header in front of the fragment header announces what that one announced.
        headers[previous_next_header(view.bytes(), at)] = next;
        headers
    }

    fn fragment_header_at(&self) -> Option<usize> {
        match self {
            Self::V4(_) => None,
            Self::V6(view) => view.fragment_header(),
        }
    }
}

/// Where the Next Header field is that announces the header at `at`.
fn previous_next_header(packet: &[u8], at: usize) -> usize {
    let (mut field, mut start) = (6, crate::ipv6::HEADER_LEN);
    while start < at && packet[field] != protocol::IPV6_FRAGMENT {
        field = start;
        start += 8 + 8 * usize::from(packet[start + 1]);
    }
    field
}
