//! NAT discovery (RFC 3947 §3.2).
//!
//! Each side sends hashes of the addresses and ports that it believes in, the receiver's first; the other side compares
//! them with those it sees.

use core::net::{IpAddr, SocketAddr};

use ipseclab_crypto::{Crypto, Hash};

use crate::datagram::Path;
use crate::v1::abilities::NatTraversal;
use crate::wire::isakmp::{Cookies, Message, NatDPayload, Payload};

/// What the hashes of the peer's message say.
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

/// The two payloads for a message on `path`. With `fake`, the sender's hash is of nothing, which makes the peer see a
/// NAT.
pub(crate) fn payloads(
    crypto: &mut Crypto,
    (hash, kind): (Hash, NatTraversal),
    cookies: Cookies,
    path: Path,
    fake: bool,
) -> [Payload; 2] {
    let receiver = address_hash(crypto, hash, cookies, path.remote);
    let sender = if fake {
        crypto.hash(hash, &[&cookies.octets()])
    } else {
        address_hash(crypto, hash, cookies, path.local)
    };
    [receiver, sender].map(NatDPayload::new).map(match kind {
        NatTraversal::Rfc => Payload::NatD,
        NatTraversal::Draft => Payload::NatDDraft,
    })
}

/// Compares the hashes in `message`, which came on `path`; `None` when there are not at least two.
pub(crate) fn detect(
    crypto: &mut Crypto,
    hash: Hash,
    cookies: Cookies,
    path: Path,
    message: &Message,
) -> Option<NatStatus> {
    let mut hashes = message.payloads.iter().filter_map(|payload| match payload {
        Payload::NatD(hash) | Payload::NatDDraft(hash) => Some(hash.as_bytes()),
        _ => None,
    });
    let (ours, first_of_theirs) = (hashes.next()?, hashes.next()?);
    let seen_local = address_hash(crypto, hash, cookies, path.local);
    let seen_remote = address_hash(crypto, hash, cookies, path.remote);
    // A multihomed sender may list several addresses: one match is enough.
    let remote = first_of_theirs != seen_remote && !hashes.any(|theirs| theirs == seen_remote);
    Some(NatStatus { local: ours != seen_local, remote, faked: false })
}

/// `HASH(CKY-I | CKY-R | address | port)`.
fn address_hash(crypto: &mut Crypto, hash: Hash, cookies: Cookies, address: SocketAddr) -> Vec<u8> {
    let (cookies, port) = (cookies.octets(), address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => crypto.hash(hash, &[&cookies, &ip.octets(), &port]),
        IpAddr::V6(ip) => crypto.hash(hash, &[&cookies, &ip.octets(), &port]),
    }
}
