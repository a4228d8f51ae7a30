//! Packets and paths of different sizes: fragments that arrive, path MTUs that are learned, segments that are clamped.
//!
//! A host believes what it is told about a path for ten minutes (RFC 1191 §6.3, RFC 8201 §5.4), and cuts what its
//! applications send to it, as an operating system does for sockets that ask for no more. TCP cuts its segments itself.

use core::net::IpAddr;

use ipseclab_net::{
    DropReason, IcmpError, IpView, Owner, Packet, Reassembled, Reassembler, build_icmp_error, clamp_mss,
    fragment, protocol,
};
use ipseclab_sim::{SimDuration, SimTime};

use super::{Host, Token};
use crate::job::{Output, Run};
use crate::path::Origin;

/// How long a path MTU is believed (RFC 1191 §6.3).
const PATH_MTU_LIFETIME: SimDuration = SimDuration::from_secs(600);
/// Paths that are remembered at most: whoever is told more forgets the one that ends first.
const PATHS_MAX: usize = 4096;
/// No path is believed to be smaller: what every link of IPv4 carries (RFC 791 §3.2), and of IPv6 (RFC 8200 §5).
const LEAST_MTU: [u32; 2] = [68, 1280];
/// Where DF is in an IPv4 header, with the other flags.
const FLAGS_AT: usize = 6;
const DONT_FRAGMENT: u8 = 0x40;

impl Host {
    /// A whole packet goes on; a fragment waits for the others.
    pub(crate) fn reassemble(&mut self, run: &mut Run<'_>, now: SimTime, packet: Packet) -> Option<Packet> {
        // Those of a packet for a node behind the host are joined there.
        let is_ours = |view: IpView<'_>| view.is_fragment() && self.owns(view.destination());
        if !IpView::parse(&packet.bytes).is_ok_and(is_ours) {
            return Some(packet);
        }
        let (outcome, given_up) = self.outer_fragments.push(now, &packet);
        drop_packets(run, DropReason::ReassemblyFull, &given_up);
        match outcome {
            Reassembled::Waits => None,
            Reassembled::Dropped { reason, fragments } => {
                drop_packets(run, reason, &fragments);
                None
            }
            Reassembled::Whole { packet, joined } => {
                for owner in joined {
                    run.push(Output::Joined(owner));
                }
                Some(packet)
            }
        }
    }

    /// Gives up packets whose fragments have not come in time, and tells their senders (RFC 792, RFC 4443 §3.3).
    pub(super) fn expire_fragments(&mut self, run: &mut Run<'_>, now: SimTime) {
        let own = self.address;
        let mut expire = |fragments: &mut Reassembler| {
            while let Some((lost, first)) = fragments.expire(now) {
                drop_packets(run, DropReason::ReassemblyTimeout, &lost);
                let message =
                    first.and_then(|first| build_icmp_error(own, IcmpError::ReassemblyTimeExceeded, &first));
                if let Some(message) = message {
                    run.push(Output::Answer(Packet::new(message, run.arrived)));
                }
            }
        };
        expire(&mut self.outer_fragments);
        expire(&mut self.inner_fragments);
    }

    /// Lowers what a connection announces that begins with this packet.
    pub(crate) fn clamp(&self, packet: &mut Packet) {
        if let Some(limit) = self.mss_clamp {
            clamp_mss(&mut packet.bytes, limit);
        }
    }

    /// A packet of ours, of which `about` is the beginning, was longer than the `mtu` of a link on its path.
    pub(crate) fn note_path_mtu(&mut self, now: SimTime, about: &[u8], mtu: u32) {
        let Some(destination) = quoted_destination(about) else { return };
        let least = LEAST_MTU[usize::from(destination.is_ipv6())];
        let mtu = mtu.max(least);
        let known = self.path_mtus.get(&destination).is_some_and(|(known, _)| *known <= mtu);
        if known {
            return;
        }
        if self.path_mtus.len() >= PATHS_MAX {
            let first = self.path_mtus.iter().min_by_key(|(address, (_, until))| (*until, **address));
            if let Some(first) = first.map(|(address, _)| *address) {
                self.path_mtus.remove(&first);
            }
        }
        self.path_mtus.insert(destination, (mtu, now + PATH_MTU_LIFETIME));
    }

    /// The packet, or its fragments where the path to its destination is known to be smaller.
    pub(super) fn fit_to_path(&mut self, run: &mut Run<'_>, now: SimTime, mut packet: Packet) -> Vec<Packet> {
        let Some(mtu) = self.path_mtu(now, &packet) else { return vec![packet] };
        if packet.bytes[0] >> 4 == 4 && packet.bytes[FLAGS_AT] & DONT_FRAGMENT != 0 {
            clear_dont_fragment(&mut packet.bytes);
        }
        self.next_fragment_id = self.next_fragment_id.wrapping_add(1);
        let Ok(pieces) = fragment(&packet.bytes, mtu, self.next_fragment_id) else { return vec![packet] };
        note_pieces(run, pieces.len(), packet.owner);
        let (trail, tag, owner) = (packet.trail, packet.tag, packet.owner);
        pieces.into_iter().map(|bytes| Packet { bytes, trail, tag, owner }).collect()
    }

    /// Sends a packet that is too long for its SA in pieces of at most so many octets, each of which is protected.
    pub(super) fn send_smaller(&mut self, run: &mut Run<'_>, whole: &Packet, octets: usize, origin: Origin) {
        self.next_fragment_id = self.next_fragment_id.wrapping_add(1);
        let pieces = fragment(&whole.bytes, octets, self.next_fragment_id).ok();
        let Some(pieces) = pieces.filter(|pieces| pieces.len() > 1) else {
            return run.push(Output::Drop(DropReason::PathMtu, whole.owner));
        };
        note_pieces(run, pieces.len(), whole.owner);
        let (trail, tag, owner) = (whole.trail, whole.tag, whole.owner);
        for bytes in pieces {
            self.send_one(run, Packet { bytes, trail, tag, owner }, origin);
        }
    }

    /// A packet of this host itself was too long for the link that it was to leave by: the engine, if it was one of a
    /// tunnel's, makes shorter ones from now on, as if a router had said so.
    pub(crate) fn learn_first_hop(&mut self, now: SimTime, about: &[u8], mtu: u32) {
        let message = build_icmp_error(self.address, IcmpError::TooBig { mtu }, about);
        if let Some(message) = message {
            let token = Token { trail: ipseclab_net::Trail::new(now), owner: Owner::NONE };
            let told = self.engine.inbound(now.to_duration(), message, token);
            // What the engine makes no use of has no other reader.
            drop(told);
        }
    }

    /// What the path of a packet carries, if that is known and too little; TCP sees to that itself.
    fn path_mtu(&self, now: SimTime, packet: &Packet) -> Option<usize> {
        if self.path_mtus.is_empty() {
            return None;
        }
        let view = IpView::parse(&packet.bytes).ok()?;
        let (mtu, until) = *self.path_mtus.get(&view.destination())?;
        let mtu = usize::try_from(mtu).ok()?;
        (now < until && packet.len() > mtu && view.protocol() != protocol::TCP).then_some(mtu)
    }

    /// Packets that wait for an SA or for fragments.
    pub(crate) fn packets_held(&self) -> usize {
        let fragments = self.outer_fragments.held() + self.inner_fragments.held();
        self.engine.packets_held() + usize::try_from(fragments).unwrap_or(usize::MAX)
    }

    /// Whose they are, one by one.
    pub(crate) fn owners_held(&self) -> Vec<Owner> {
        let waiting = self.engine.tokens_held().map(|token| token.owner);
        waiting.chain(self.outer_fragments.owners()).chain(self.inner_fragments.owners()).collect()
    }
}

fn drop_packets(run: &mut Run<'_>, reason: DropReason, owners: &[Owner]) {
    for owner in owners {
        run.push(Output::Drop(reason, *owner));
    }
}

/// A packet has become so many.
fn note_pieces(run: &mut Run<'_>, pieces: usize, owner: Owner) {
    if pieces > 1 {
        run.push(Output::Made(pieces as u64 - 1, owner));
    }
}

/// Where a packet goes, of which there is only the beginning.
fn quoted_destination(about: &[u8]) -> Option<IpAddr> {
    let address = |at: usize| about.get(at..);
    match about.first()? >> 4 {
        4 => address(16)?.first_chunk::<4>().map(|octets| (*octets).into()),
        6 => address(24)?.first_chunk::<16>().map(|octets| (*octets).into()),
        _ => None,
    }
}

/// Lets a packet of IPv4 be cut after all.
fn clear_dont_fragment(packet: &mut [u8]) {
    let Ok(IpView::V4(view)) = IpView::parse(packet) else { return };
    let (header, header_len) =
        (ipseclab_net::Ipv4Header { dont_fragment: false, ..view.header() }, view.header_len());
    // Our own packets have no options, so that the header can be written anew.
    if header_len == 20 {
        let whole = ipseclab_net::build_ipv4(&header, view.payload());
        packet[..header_len].copy_from_slice(&whole[..header_len]);
    }
}
