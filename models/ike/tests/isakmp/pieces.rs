//! Messages with certificates in pieces, as in strongSwan's capture `v1-main-rsa`.

use std::time::Duration;

use ipseclab_crypto::KeyKind;
use ipseclab_ike::Transmit;
use ipseclab_ike::config::Fragmentation;
use ipseclab_ike::wire::isakmp::{ExchangeType, KnownVendorId, Message, MessageId, Payload};

use crate::configured;
use crate::support::certified::by_certificates;
use crate::support::{Pair, Verdict};

/// On port 4500, as behind a NAT.
fn pair(bits: usize, fragmentation: Fragmentation) -> Pair {
    configured(|a, b| {
        by_certificates(a, b, [KeyKind::Rsa { bits }; 2]);
        for config in [a, b] {
            config.connections[0].encap = true;
            config.connections[0].fragmentation = fragmentation;
        }
    })
}

/// Length, number and mark of each piece that was sent.
fn pieces(pair: &Pair) -> Vec<(usize, u8, bool)> {
    let piece = |transmit: &Transmit| {
        let marker = if transmit.from.port() == 4500 { 4 } else { 0 };
        let bytes = &transmit.payload[marker..];
        let message = Message::decode(bytes).ok()?;
        let [Payload::Fragment(piece)] = message.payloads.as_slice() else { return None };
        let header = message.header;
        let expected = (ExchangeType::IdentityProtection, MessageId::ZERO);
        assert_eq!((header.exchange, header.message_id), expected);
        Some((bytes.len(), piece.number, piece.is_last()))
    };
    pair.log.iter().filter_map(|(_, transmit)| piece(transmit)).collect()
}

fn set_up(pair: &mut Pair, span: Duration) {
    pair.initiate();
    pair.run_for(span);
    assert_eq!(pair.live_children().len(), 1, "{:?}", pair.titles());
}

#[test]
fn a_message_is_cut_where_strongswan_cuts_it() {
    let mut pair = pair(3072, Fragmentation::Above(1280));
    set_up(&mut pair, Duration::from_secs(20));
    let pieces = pieces(&pair);
    let marks: Vec<_> = pieces.iter().map(|(_, number, last)| (*number, *last)).collect();
    // The initiator's proof, which asks for a certificate too; 1248 octets and the headers in front make 1280.
    assert_eq!((marks, pieces[0].0), (vec![(1, false), (2, true)], 1248));
}

#[test]
fn who_wants_no_pieces_does_not_announce_them() {
    let announced = |fragmentation| {
        let mut pair = pair(2048, fragmentation);
        set_up(&mut pair, Duration::from_secs(20));
        let messages = pair.log.iter().filter_map(|(_, transmit)| Message::decode(&transmit.payload).ok());
        let known = messages.flat_map(|message| message.payloads).filter_map(|payload| match payload {
            Payload::VendorId(id) => id.known(),
            _ => None,
        });
        known.filter(|id| *id == KnownVendorId::Fragmentation).count()
    };
    assert_eq!((announced(Fragmentation::Off), announced(Fragmentation::Accept)), (0, 2));
}

#[test]
fn any_lost_piece_is_made_up_for() {
    let small = || pair(2048, Fragmentation::Above(576));
    let mut undisturbed = small();
    set_up(&mut undisturbed, Duration::from_secs(20));
    assert!(pieces(&undisturbed).iter().all(|(len, ..)| *len <= 544));
    assert!(pieces(&undisturbed).len() >= 4);
    for victim in 0..undisturbed.log.len() {
        let lose =
            move |number, _: &Transmit| if number == victim { Verdict::Lose } else { Verdict::Deliver };
        set_up(&mut small().script(lose), Duration::from_mins(1));
    }
}

#[test]
fn who_does_not_announce_it_gets_whole_messages() {
    let mut pair = pair(3072, Fragmentation::Off);
    set_up(&mut pair, Duration::from_secs(20));
    assert_eq!(pieces(&pair), []);
}
