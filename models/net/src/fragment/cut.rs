//! One packet into several.

use smoltcp::wire::Ipv4Packet;

use crate::error::PacketError;
use crate::ip::IpView;
use crate::ipv4::{HEADER_LEN as IPV4_HEADER_LEN, Ipv4View, protocol};
use crate::ipv6::{self, FRAGMENT_HEADER_LEN, FragmentInfo, Ipv6View};

/// Fragments begin at multiples of this many octets (RFC 791 §3.1, RFC 8200 §4.5).
const UNIT: usize = 8;
/// The bit of an option's type that says whether every fragment has it (RFC 791 §3.1).
const COPIED: u8 = 0x80;
/// The option that ends the list, and the one that fills it; both are one octet long.
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Why a packet cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Its DF flag is set.
    #[error("the packet must not be fragmented")]
    DontFragment,
    /// Not even one unit of payload fits beside the headers.
    #[error("nothing fits into {mtu} octets beside {headers} octets of headers")]
    NoRoom {
        /// The longest packet that may come out.
        mtu: usize,
        /// Octets of the headers of each fragment.
        headers: usize,
    },
    /// It is no packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

/// Cuts a packet into fragments of at most `mtu` octets; one that fits is returned as it is.
///
/// `identification` tells the fragments of an IPv6 packet from those of others; an IPv4 packet has its own. A fragment of
/// IPv4 may be cut again. The caller decides whether a packet of IPv6 may be cut at all: only its sender may.
///
/// # Errors
/// When the packet forbids it, nothing would fit, or it is no packet.
pub fn fragment(packet: &[u8], mtu: usize, identification: u32) -> Result<Vec<Vec<u8>>, FragmentError> {
    match IpView::parse(packet)? {
        view if view.bytes().len() <= mtu => Ok(vec![view.bytes().to_vec()]),
        IpView::V4(view) => fragment_v4(&view, mtu),
        IpView::V6(view) => fragment_v6(&view, mtu, identification),
    }
}

/// The payload in pieces of at most `room` octets, each with its offset and whether more follows.
fn pieces(payload: &[u8], room: usize) -> impl Iterator<Item = (usize, bool, &[u8])> {
    let size = room / UNIT * UNIT;
    let count = payload.len().div_ceil(size);
    payload.chunks(size).enumerate().map(move |(place, piece)| (place * size, place + 1 < count, piece))
}

fn fragment_v4(view: &Ipv4View<'_>, mtu: usize) -> Result<Vec<Vec<u8>>, FragmentError> {
    if view.header().dont_fragment {
        return Err(FragmentError::DontFragment);
    }
    let header_len = view.header_len();
    let room = mtu.checked_sub(header_len).filter(|room| *room >= UNIT);
    let room = room.ok_or(FragmentError::NoRoom { mtu, headers: header_len })?;
    let whole = view.fragment().unwrap_or(FragmentInfo { offset: 0, more: false, identification: 0 });
    let first = &view.bytes()[..header_len];
    let later = header_of_later_fragments(first);
    let piece = |(offset, more, piece): (usize, bool, &[u8])| {
        let offset = u16::try_from(usize::from(whole.offset) + offset).expect("within the total length");
        let header = if offset == 0 { first } else { later.as_slice() };
        let mut fragment = [header, piece].concat();
        let len = u16::try_from(fragment.len()).expect("no longer than the whole");
        let header_len = u8::try_from(header.len()).expect("an IPv4 header has at most 60 octets");
        let mut wire = Ipv4Packet::new_unchecked(&mut fragment);
        wire.set_header_len(header_len);
        wire.set_total_len(len);
        wire.set_more_frags(more || whole.more);
        wire.set_frag_offset(offset);
        wire.fill_checksum();
        fragment
    };
    Ok(pieces(view.payload(), room).map(piece).collect())
}

/// The header without the options that belong into the first fragment alone.
fn header_of_later_fragments(header: &[u8]) -> Vec<u8> {
    let (fixed, mut options) = header.split_at(IPV4_HEADER_LEN);
    let mut kept = fixed.to_vec();
    while let Some(&kind) = options.first() {
        let len = match kind {
            END_OF_OPTIONS => break,
            NO_OPERATION => 1,
            _ => options.get(1).copied().map_or(options.len(), usize::from),
        };
        // An option of a wrong length makes the rest unreadable; it goes into the first fragment and no other.
        let Some((option, rest)) = options.split_at_checked(len).filter(|_| len > 0) else { break };
        if kind & COPIED != 0 {
            kept.extend_from_slice(option);
        }
        options = rest;
    }
    kept.resize(kept.len().next_multiple_of(4), END_OF_OPTIONS);
    kept
}

fn fragment_v6(view: &Ipv6View<'_>, mtu: usize, identification: u32) -> Result<Vec<Vec<u8>>, FragmentError> {
    // A packet that is one of several already is not its sender's to cut again.
    if view.fragment().is_some() {
        return Err(FragmentError::DontFragment);
    }
    let (kept, next) = unfragmentable(view);
    let headers = kept.len() + FRAGMENT_HEADER_LEN;
    let room = mtu.checked_sub(headers).filter(|room| *room >= UNIT);
    // The first fragment has all extension headers (RFC 7112 §5), or nobody could read it.
    let chain = view.header_len() - kept.len();
    let room = room.filter(|room| room / UNIT * UNIT >= chain);
    let room = room.ok_or(FragmentError::NoRoom { mtu, headers: headers + chain })?;
    let piece = |(offset, more, piece): (usize, bool, &[u8])| {
        let offset = u16::try_from(offset).expect("within the payload length");
        let [high, low] = (offset | u16::from(more)).to_be_bytes();
        let [a, b, c, d] = identification.to_be_bytes();
        let mut fragment = [kept.as_slice(), &[next, 0, high, low, a, b, c, d], piece].concat();
        let payload_len = u16::try_from(fragment.len() - ipv6::HEADER_LEN).expect("no longer than the whole");
        fragment[4..6].copy_from_slice(&payload_len.to_be_bytes());
        fragment
    };
    Ok(pieces(&view.bytes()[kept.len()..], room).map(piece).collect())
}

/// The headers that each fragment has, with the fragment header announced in the last of them, and what follows it.
///
/// Model: all extension headers of a packet go into the fragmentable part, as none that our nodes send is for routers.
fn unfragmentable(view: &Ipv6View<'_>) -> (Vec<u8>, u8) {
    let mut kept = view.bytes()[..ipv6::HEADER_LEN].to_vec();
    let next = core::mem::replace(&mut kept[6], protocol::IPV6_FRAGMENT);
    (kept, next)
}
