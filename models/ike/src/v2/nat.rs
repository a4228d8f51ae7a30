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
