//! NAT detection (RFC 7296 §2.23).
//!
//! Each side sends hashes of the addresses and ports that it believes in; the other side compares them with those it
//! sees. A source hash that differs means that the sender is behind a NAT, a destination hash that differs that the
//! receiver is.

use core::net::{IpAddr, SocketAddr};

use ipseclab_crypto::{Crypto, Hash};

use crate::wire::{IkeSpi, Message, NotifyPayload, NotifyType, Payload};

/// What the two hashes of the peer's message say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NatStatus {
    /// A NAT translates our own address.
    pub(crate) local: bool,
    /// A NAT translates the peer's address.
    pub(crate) remote: bool,
    /// We made the peer believe in a NAT (swanctl's `encap`).
    pub(crate) faked: bool,
}

impl NatStatus {
    /// Whether either side is behind a NAT or thinks so, which moves IKE to port 4500 and puts ESP into UDP.
    pub(crate) fn detected(self) -> bool {
        self.local || self.remote || self.faked
    }
}

/// The two notifications for a message from `source` to `destination`. With `fake`, the source hash is of nothing,
/// which makes the peer see a NAT (swanctl's `encap`).
pub(crate) fn notifies(
    crypto: &mut Crypto,
    spis: (IkeSpi, IkeSpi),
    source: SocketAddr,
    destination: SocketAddr,
    fake: bool,
) -> [Payload; 2] {
    let source_hash = if fake {
        crypto.hash(Hash::Sha1, &[&spis.0.as_u64().to_be_bytes()])
    } else {
        address_hash(crypto, spis, source)
    };
    let destination_hash = address_hash(crypto, spis, destination);
    [
        Payload::Notify(NotifyPayload::new(NotifyType::NatDetectionSourceIp, source_hash)),
        Payload::Notify(NotifyPayload::new(NotifyType::NatDetectionDestinationIp, destination_hash)),
    ]
}

/// Compares the hashes in `message` with the addresses that it was seen with, or `None` when the peer sent none: it
/// does not support NAT traversal, and a NAT that we `faked` impresses nobody.
pub(crate) fn detect(
    crypto: &mut Crypto,
    message: &Message,
    spis: (IkeSpi, IkeSpi),
    source: SocketAddr,
    destination: SocketAddr,
    faked: bool,
) -> Option<NatStatus> {
    let hashes = |kind| {
        message.payloads.iter().filter_map(move |payload| match payload {
            Payload::Notify(notify) if notify.kind == kind => Some(&notify.data),
            _ => None,
        })
    };
    let mut sources = hashes(NotifyType::NatDetectionSourceIp).peekable();
    let mut destinations = hashes(NotifyType::NatDetectionDestinationIp).peekable();
    sources.peek()?;
    destinations.peek()?;
    let seen_source = address_hash(crypto, spis, source);
    let seen_destination = address_hash(crypto, spis, destination);
    // A multihomed sender may list several source hashes: one match is enough.
    let remote = !sources.any(|hash| *hash == seen_source);
    let local = !destinations.any(|hash| *hash == seen_destination);
    Some(NatStatus { local, remote, faked })
}

/// `SHA-1(SPIi | SPIr | address | port)`.
fn address_hash(crypto: &mut Crypto, spis: (IkeSpi, IkeSpi), address: SocketAddr) -> Vec<u8> {
    let spi_i = spis.0.as_u64().to_be_bytes();
    let spi_r = spis.1.as_u64().to_be_bytes();
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => crypto.hash(Hash::Sha1, &[&spi_i, &spi_r, &ip.octets(), &port]),
        IpAddr::V6(ip) => crypto.hash(Hash::Sha1, &[&spi_i, &spi_r, &ip.octets(), &port]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::RealProvider;

    use super::*;
    use crate::wire::{ExchangeType, Flags, MessageHeader, MessageId, Version};

    const SPIS: (IkeSpi, IkeSpi) = (IkeSpi::new(1), IkeSpi::new(2));

    fn at(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    fn message(payloads: Vec<Payload>) -> Message {
        let header = MessageHeader {
            spi_i: SPIS.0,
            spi_r: SPIS.1,
            exchange: ExchangeType::IkeSaInit,
            flags: Flags::request(true),
            message_id: MessageId::new(0),
            version: Version::V2_0,
        };
        Message { header, payloads }
    }

    /// What a peer that believes in `believed` (source, destination) tells us who see `seen`.
    fn status(
        believed: (SocketAddr, SocketAddr),
        seen: (SocketAddr, SocketAddr),
        fake: bool,
    ) -> (bool, bool, bool) {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let payloads = notifies(&mut crypto, SPIS, believed.0, believed.1, fake).to_vec();
        let status = detect(&mut crypto, &message(payloads), SPIS, seen.0, seen.1, false);
        let status = status.expect("both notifications are there");
        (status.local, status.remote, status.detected())
    }

    #[test]
    fn the_hash_that_differs_says_who_is_behind_a_nat() {
        let straight = (at(1, 500), at(2, 500));
        assert_eq!(status(straight, straight, false), (false, false, false));
        assert_eq!(status(straight, (at(9, 500), at(2, 500)), false), (false, true, true));
        assert_eq!(status(straight, (at(1, 1024), at(2, 500)), false), (false, true, true));
        assert_eq!(status(straight, (at(1, 500), at(7, 500)), false), (true, false, true));
        assert_eq!(status(straight, (at(9, 500), at(7, 500)), false), (true, true, true));
    }

    #[test]
    fn a_faked_source_looks_like_a_nat_to_the_peer() {
        let straight = (at(1, 500), at(2, 500));
        assert_eq!(status(straight, straight, true), (false, true, true));
    }

    #[test]
    fn one_of_several_source_hashes_is_enough() {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let mut payloads = notifies(&mut crypto, SPIS, at(8, 500), at(2, 500), false).to_vec();
        payloads.extend(notifies(&mut crypto, SPIS, at(1, 500), at(2, 500), false));
        let status = detect(&mut crypto, &message(payloads), SPIS, at(1, 500), at(2, 500), false);
        assert_eq!(status, Some(NatStatus::default()));
    }

    #[test]
    fn without_both_notifications_nothing_is_known() {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let [source, destination] = notifies(&mut crypto, SPIS, at(1, 500), at(2, 500), false);
        for payloads in [vec![], vec![source], vec![destination]] {
            assert_eq!(detect(&mut crypto, &message(payloads), SPIS, at(1, 500), at(2, 500), true), None);
        }
    }
}
