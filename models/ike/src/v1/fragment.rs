//! Messages in pieces, as Cisco and Microsoft have them: the whole message, encrypted or not, is cut, and each piece
//! travels in the clear under the same header (payload 132).
//!
//! There is no RFC. As strongSwan has it, all pieces of a message have the same header but for its length and flags,
//! the fragment ID is 1, and a receiver keeps the pieces of one message at a time. Nothing is authenticated before the
//! message is whole, so pieces are bounded in number and size and a new message takes the place of an older one.

use std::collections::BTreeMap;

use crate::config::Limits;
use crate::event::DropReason;
use crate::wire::isakmp::{FragmentPayload, HEADER_LEN, Message, MessageHeader, MessageId, Payload};

/// As strongSwan sends it.
const FRAGMENT_ID: u16 = 1;
/// Pieces of one message, as the octet that numbers them allows.
const PIECES_MAX: usize = 255;

/// The datagrams of a message: one, or several where it is longer than `limit`.
pub(crate) fn split(header: &MessageHeader, bytes: Vec<u8>, limit: Option<usize>) -> Vec<Vec<u8>> {
    let room = match limit {
        Some(limit) if bytes.len() > limit => {
            limit.saturating_sub(HEADER_LEN + FragmentPayload::OVERHEAD).max(1)
        }
        _ => return vec![bytes],
    };
    let count = bytes.len().div_ceil(room);
    if count > PIECES_MAX {
        return vec![bytes];
    }
    let piece = |(number, data): (u8, &[u8])| {
        let last = usize::from(number) == count;
        let fragment = FragmentPayload::new(FRAGMENT_ID, number, last, data.to_vec());
        Message { header: *header, payloads: vec![Payload::Fragment(fragment)] }.encode()
    };
    (1_u8..).zip(bytes.chunks(room)).map(piece).collect()
}

/// The pieces of one message of a peer's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reassembler {
    of: Option<(MessageId, u16)>,
    pieces: BTreeMap<u8, Vec<u8>>,
    last: Option<u8>,
}

impl Reassembler {
    /// Takes a piece in; the message once it is whole.
    pub(crate) fn accept(&mut self, limits: &Limits, bytes: &[u8]) -> Result<Option<Vec<u8>>, DropReason> {
        let message = Message::decode(bytes).map_err(|_| DropReason::Malformed)?;
        let [Payload::Fragment(fragment)] = message.payloads.as_slice() else {
            return Err(DropReason::Malformed);
        };
        if fragment.number == 0 || u16::from(fragment.number) > limits.fragments {
            return Err(DropReason::Limit);
        }
        let of = (message.header.message_id, fragment.id);
        if self.of != Some(of) || self.contradicts(fragment) {
            *self = Self { of: Some(of), ..Self::default() };
        }
        if fragment.is_last() {
            self.last = Some(fragment.number);
        }
        self.pieces.insert(fragment.number, fragment.data.clone());
        if self.octets() > limits.fragmented_octets {
            *self = Self::default();
            return Err(DropReason::Limit);
        }
        Ok(self.whole())
    }

    /// Whether a piece belongs to another message than those that are here: senders number all messages alike.
    fn contradicts(&self, fragment: &FragmentPayload) -> bool {
        let differs = self.pieces.get(&fragment.number).is_some_and(|data| *data != fragment.data);
        differs || self.last.is_some_and(|last| fragment.number > last)
    }

    fn octets(&self) -> usize {
        self.pieces.values().map(Vec::len).sum()
    }

    fn whole(&mut self) -> Option<Vec<u8>> {
        let last = self.last?;
        if self.pieces.len() != usize::from(last) {
            return None;
        }
        let message = self.pieces.values().flatten().copied().collect();
        *self = Self::default();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::{Cookies, ExchangeType, Flags, Version};

    fn header() -> MessageHeader {
        MessageHeader {
            cookies: Cookies::default(),
            exchange: ExchangeType::IdentityProtection,
            flags: Flags::CLEAR,
            message_id: MessageId::ZERO,
            version: Version::V1_0,
        }
    }

    fn accept_all(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut reassembler = Reassembler::default();
        let whole = |piece: &Vec<u8>| reassembler.accept(&Limits::default(), piece).unwrap();
        pieces.iter().filter_map(whole).collect()
    }

    #[test]
    fn the_pieces_of_a_certificate_message_are_as_long_as_strongswans() {
        // v1-main-rsa: 1292 octets on port 4500 at a limit of 1280 for the IP datagram.
        let pieces = split(&header(), vec![7; 1292], Some(1280 - 20 - 8 - 4));
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1248, 116]);
    }

    #[test]
    fn pieces_in_any_order_and_twice_make_one_message() {
        let message: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let mut pieces = split(&header(), message.clone(), Some(1000));
        assert_eq!(accept_all(&pieces), std::slice::from_ref(&message));
        pieces.reverse();
        let doubled: Vec<_> = pieces.iter().flat_map(|piece| [piece.clone(), piece.clone()]).collect();
        assert_eq!(accept_all(&doubled[..doubled.len() - 1]), [message]);
    }

    #[test]
    fn a_new_message_takes_the_place_of_one_that_never_became_whole() {
        let (old, new) = (vec![1; 2000], vec![2; 2000]);
        let pieces = [split(&header(), old, Some(1000)).remove(0)].into_iter();
        let all: Vec<_> = pieces.chain(split(&header(), new.clone(), Some(1000))).collect();
        assert_eq!(accept_all(&all), [new]);
    }

    #[test]
    fn what_a_peer_can_make_us_keep_is_bounded() {
        let limits = Limits { fragmented_octets: 1500, ..Limits::default() };
        let pieces = split(&header(), vec![1; 4000], Some(1000));
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.accept(&limits, &pieces[0]), Ok(None));
        assert_eq!(reassembler.accept(&limits, &pieces[1]), Err(DropReason::Limit));
        assert_eq!(reassembler.octets(), 0);
        assert_eq!(reassembler.accept(&limits, &[0; 20]), Err(DropReason::Malformed));
    }
}
