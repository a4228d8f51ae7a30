//! Claims about cutting and joining.

use ipseclab_sim::{SimDuration, SimTime};
use proptest::prelude::*;

use super::*;
use crate::checksum;
use crate::drop::DropReason;
use crate::ip::{IpHeader, IpView, build_ip};
use crate::ipv4::protocol;
use crate::owner::{FlowId, Owner};
use crate::packet::Packet;

const V4: [&str; 2] = ["192.0.2.1", "198.51.100.2"];
const V6: [&str; 2] = ["2001:db8::1", "2001:db8::2"];

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

fn packet([source, destination]: [&str; 2], len: usize) -> Vec<u8> {
    let header = IpHeader {
        dont_fragment: false,
        identification: 77,
        ..IpHeader::new(source.parse().unwrap(), destination.parse().unwrap(), protocol::UDP)
    };
    build_ip(&header, &(0..=u8::MAX).cycle().take(len).collect::<Vec<_>>())
}

fn reassembler() -> Reassembler {
    Reassembler::new(ReassemblyConfig::default())
}

fn push(reassembler: &mut Reassembler, seconds: u64, fragment: &[u8]) -> Reassembled {
    let (outcome, given_up) = reassembler.push(at(seconds), &Packet::new(fragment.to_vec(), at(seconds)));
    assert_eq!(given_up, []);
    outcome
}

/// Every fragment is counted once: as joined, as dropped, or as held.
fn check_books(reassembler: &Reassembler) {
    let counters = reassembler.counters();
    assert_eq!(counters.fragments, counters.joined + counters.dropped + reassembler.held());
}

fn check_round_trip(ends: [&str; 2], len: usize, mtu: usize, order: impl Fn(&mut Vec<Vec<u8>>)) {
    let whole = packet(ends, len);
    let mut fragments = fragment(&whole, mtu, 0xdead_beef).unwrap();
    assert!(fragments.iter().all(|one| one.len() <= mtu && IpView::parse(one).unwrap().is_fragment()));
    order(&mut fragments);
    let mut reassembler = reassembler();
    let last = fragments.pop().unwrap();
    for one in &fragments {
        assert_eq!(push(&mut reassembler, 0, one), Reassembled::Waits);
    }
    let Reassembled::Whole { packet, joined } = push(&mut reassembler, 0, &last) else {
        panic!("{ends:?} {len} {mtu}: not whole");
    };
    assert_eq!((packet.bytes, joined.len()), (whole, fragments.len()));
    assert_eq!((reassembler.held(), reassembler.octets()), (0, 0));
    check_books(&reassembler);
}

#[test]
fn fragments_in_any_order_make_the_packet_again() {
    for ends in [V4, V6] {
        check_round_trip(ends, 4000, 1500, |_| {});
        check_round_trip(ends, 4000, 1500, |fragments| fragments.reverse());
        check_round_trip(ends, 65_000, 1280, |fragments| fragments.rotate_left(7));
    }
}

#[test]
fn lengths_of_fragments_are_those_of_the_textbook() {
    // 4000 octets of payload over Ethernet: 1480 + 1480 + 1040 in IPv4, 1448 + 1448 + 1104 in IPv6.
    let lengths = |ends| -> Vec<usize> {
        fragment(&packet(ends, 4000), 1500, 1).unwrap().iter().map(Vec::len).collect()
    };
    assert_eq!(lengths(V4), [1500, 1500, 1060]);
    assert_eq!(lengths(V6), [1496, 1496, 1152]);
}

#[test]
fn what_forbids_it_or_has_no_room_is_not_cut() {
    let mut df = packet(V4, 4000);
    df[6] |= 0x40;
    df[10..12].fill(0);
    let sum = !checksum::sum(&df[..20]);
    df[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(fragment(&df, 1500, 0), Err(FragmentError::DontFragment));
    assert_eq!(fragment(&packet(V4, 100), 27, 0), Err(FragmentError::NoRoom { mtu: 27, headers: 20 }));
    let first = fragment(&packet(V6, 4000), 1500, 1).unwrap().remove(0);
    assert_eq!(fragment(&first, 1280, 2), Err(FragmentError::DontFragment));
    assert_eq!(fragment(&packet(V4, 100), 120, 0), Ok(vec![packet(V4, 100)]));
}

#[test]
fn a_fragment_of_ipv4_may_be_cut_again() {
    let whole = packet(V4, 4000);
    let fragments: Vec<_> = fragment(&whole, 1500, 0).unwrap();
    let smaller: Vec<_> = fragments.iter().flat_map(|one| fragment(one, 576, 0).unwrap()).collect();
    let mut reassembler = reassembler();
    let outcomes: Vec<_> = smaller.iter().map(|one| push(&mut reassembler, 0, one)).collect();
    let Some(Reassembled::Whole { packet, .. }) = outcomes.last() else { panic!("not whole") };
    assert_eq!(packet.bytes, whole);
}

#[test]
fn options_that_ask_for_it_are_in_every_fragment() {
    // A security option (130, copied) of 4 octets and a record route (7, not copied) of 7, with an end.
    let mut options = vec![130, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];
    let whole = packet(V4, 200);
    let mut bytes = [&whole[..20], &options, &whole[20..]].concat();
    bytes[0] = 0x48;
    let len = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes[10..12].fill(0);
    let sum = !checksum::sum(&bytes[..32]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    let fragments = fragment(&bytes, 128, 0).unwrap();
    assert_eq!(fragments[0][20..32], options);
    options.truncate(4);
    assert!(fragments[1..].iter().all(|one| one[0] == 0x46 && one[20..24] == options));
    let mut reassembler = reassembler();
    let outcomes: Vec<_> = fragments.iter().map(|one| push(&mut reassembler, 0, one)).collect();
    let Some(Reassembled::Whole { packet, .. }) = outcomes.last() else { panic!("not whole") };
    assert_eq!(packet.bytes, bytes);
}

#[test]
fn a_repeated_fragment_is_dropped_and_an_overlapping_one_ends_its_packet() {
    for ends in [V4, V6] {
        let fragments = fragment(&packet(ends, 4000), 1500, 1).unwrap();
        let mut reassembler = reassembler();
        push(&mut reassembler, 0, &fragments[0]);
        let repeated =
            Reassembled::Dropped { reason: DropReason::DuplicateFragment, fragments: vec![Owner::NONE] };
        assert_eq!(push(&mut reassembler, 0, &fragments[0]), repeated);
        // The same packet cut in another way overlaps.
        let other = fragment(&packet(ends, 4000), 1000, 1).unwrap();
        let fragments = vec![Owner::NONE; 2];
        let overlapping = Reassembled::Dropped { reason: DropReason::MalformedFragment, fragments };
        assert_eq!(push(&mut reassembler, 0, &other[1]), overlapping);
        assert_eq!(reassembler.held(), 0);
        check_books(&reassembler);
    }
}

#[test]
fn what_stays_incomplete_is_dropped_when_its_time_is_over() {
    for (ends, timeout) in [(V4, 30), (V6, 60)] {
        let fragments = fragment(&packet(ends, 4000), 1500, 1).unwrap();
        let mut reassembler = reassembler();
        push(&mut reassembler, 5, &fragments[0]);
        push(&mut reassembler, 20, &fragments[2]);
        assert_eq!(reassembler.next_timeout(), Some(at(5 + timeout)));
        assert_eq!(reassembler.expire(at(4 + timeout)), None);
        assert_eq!(
            reassembler.expire(at(5 + timeout)),
            Some((vec![Owner::NONE; 2], Some(fragments[0].clone())))
        );
        assert_eq!((reassembler.next_timeout(), reassembler.octets()), (None, 0));
        assert_eq!(push(&mut reassembler, 70, &fragments[1]), Reassembled::Waits, "too late");
        check_books(&reassembler);
    }
}

#[test]
fn memory_is_bounded_and_the_oldest_goes_first() {
    let config = ReassemblyConfig { octets_max: 10_000, packets_max: 4, ..ReassemblyConfig::default() };
    let mut reassembler = Reassembler::new(config);
    let mut lost = 0;
    for identification in 0..100 {
        let first = fragment(&packet(V6, 4000), 1500, identification).unwrap().remove(0);
        let (outcome, given_up) = reassembler.push(at(1), &Packet::new(first, at(1)));
        assert_eq!(outcome, Reassembled::Waits);
        lost += given_up.len();
        assert!(reassembler.octets() <= 10_000 && reassembler.held() <= 4);
    }
    assert_eq!((reassembler.held(), lost), (4, 96));
    check_books(&reassembler);
}

#[test]
fn every_fragment_keeps_its_owner_whatever_becomes_of_it() {
    let owner = |place| Owner::of_flow(FlowId::at(place));
    let fragments = fragment(&packet(V4, 4000), 1500, 1).unwrap();
    let of = |place: usize, one: usize| Packet {
        owner: owner(place),
        ..Packet::new(fragments[one].clone(), at(0))
    };
    let mut reassembler = reassembler();
    // The middle one is another flow's under the same identification, as with 16 bits it can be.
    reassembler.push(at(0), &of(1, 0));
    reassembler.push(at(0), &of(2, 1));
    assert_eq!(reassembler.owners().collect::<Vec<_>>(), [owner(1), owner(2)]);
    let (outcome, _) = reassembler.push(at(0), &of(1, 2));
    let Reassembled::Whole { packet, joined } = outcome else { panic!("not whole") };
    assert_eq!((packet.owner, joined), (owner(1), vec![owner(1), owner(2)]));
    reassembler.push(at(0), &of(3, 0));
    assert_eq!(reassembler.clear(), [owner(3)]);
    check_books(&reassembler);
}

proptest! {
    #[test]
    fn any_cut_joins_again(len in 1_usize..3000, mtu in 68_usize..1500, turn in 0_usize..40) {
        for ends in [V4, V6] {
            if len + IpView::parse(&packet(ends, len)).unwrap().header_len() > mtu {
                check_round_trip(ends, len, mtu, |fragments| {
                    let turn = turn % fragments.len();
                    fragments.rotate_left(turn);
                });
            }
        }
    }

    #[test]
    fn hostile_fragments_never_panic_and_stay_within_bounds(
        pieces in prop::collection::vec((0_u16..200, any::<bool>(), 0_usize..300, 0_u32..3), 1..60),
        is_v6: bool,
    ) {
        let config = ReassemblyConfig { octets_max: 2000, packets_max: 2, ..ReassemblyConfig::default() };
        let mut reassembler = Reassembler::new(config);
        for (offset, more, len, identification) in pieces {
            let one = crafted(is_v6, offset * 8, more, len, identification);
            reassembler.push(at(0), &Packet::new(one, at(0)));
            check_books(&reassembler);
            prop_assert!(reassembler.octets() <= 2000);
        }
    }
}

/// A fragment with whatever in its fields.
fn crafted(is_v6: bool, offset: u16, more: bool, len: usize, identification: u32) -> Vec<u8> {
    let mut bytes = packet(if is_v6 { V6 } else { V4 }, len + if is_v6 { 8 } else { 0 });
    if is_v6 {
        bytes[6] = protocol::IPV6_FRAGMENT;
        let [high, low] = (offset | u16::from(more)).to_be_bytes();
        bytes[40..44].copy_from_slice(&[protocol::UDP, 0, high, low]);
        bytes[44..48].copy_from_slice(&identification.to_be_bytes());
    } else {
        let [high, low] = ((offset / 8) | u16::from(more) << 13).to_be_bytes();
        bytes[4..8].copy_from_slice(&[0, identification.to_be_bytes()[3], high, low]);
        bytes[10..12].fill(0);
        let sum = !checksum::sum(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

#[test]
fn extension_headers_that_the_first_fragment_cannot_hold_are_not_cut() {
    // Destination options of 600 octets, all padding, and as much behind them.
    let mut options = vec![protocol::UDP, 74];
    options.extend([1, 250]);
    options.resize(2 + 2 + 250, 0);
    options.extend([1, 250]);
    options.resize(options.len() + 250, 0);
    options.extend([1, 90]);
    options.resize(600, 0);
    let header = IpHeader::new(V6[0].parse().unwrap(), V6[1].parse().unwrap(), protocol::UDP);
    let mut packet = build_ip(&header, &[options, vec![7; 600]].concat());
    packet[6] = 60;
    assert_eq!(IpView::parse(&packet).unwrap().header_len(), 640);
    assert_eq!(fragment(&packet, 640, 1), Err(FragmentError::NoRoom { mtu: 640, headers: 40 + 8 + 600 }));
    let pieces = fragment(&packet, 648, 1).unwrap();
    assert!(pieces.len() == 2 && pieces.iter().all(|piece| IpView::parse(piece).is_ok()));
}
