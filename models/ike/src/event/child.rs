//! What an endpoint tells its owner of a Child SA that came up: all that the SAD needs for both directions, of either
//! version of IKE and of either protocol.

use core::net::SocketAddr;

use ipseclab_crypto::{Integrity, Secret};

use super::{IkeSaId, Outbound};
use crate::config::{ChildId, ConnectionId, Mode};
use crate::proposal::{ChosenChild, ChosenEsp, Esn};
use crate::traffic_selector::TrafficSelectors;
use crate::v2::Role;
use crate::wire::ProtocolId;

/// A Child SA that came up: what the SAD needs for both directions.
#[derive(Clone, Debug)]
pub struct ChildSaEstablished {
    /// The IKE SA that it belongs to.
    pub ike_sa: IkeSaId,
    /// Its connection.
    pub connection: ConnectionId,
    /// Which child of the configuration it is.
    pub child: ChildId,
    /// Our inbound SPI of the Child SA that it replaces.
    pub replaces: Option<u32>,
    /// When packets may go out on it.
    pub outbound: Outbound,
    /// Our role in the exchange that made it.
    pub role: Role,
    /// What the SPIs, the proposal and the keys below are of.
    pub protocol: ChildProtocol,
    /// The SPI on packets that we receive.
    pub spi_in: u32,
    /// The SPI on packets that we send.
    pub spi_out: u32,
    /// What was chosen; of AH its integrity algorithm alone says something.
    pub proposal: ChosenEsp,
    /// Keys of packets that we receive.
    pub keys_in: DirectionKeys,
    /// Keys of packets that we send.
    pub keys_out: DirectionKeys,
    /// AH around ESP, where both were agreed on together (RFC 2407 §4.6.1.1, RFC 2408 §4.2).
    pub ah: Option<Box<AhPair>>,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Our side's traffic, narrowed.
    pub local_ts: TrafficSelectors,
    /// The peer's side's traffic, narrowed.
    pub remote_ts: TrafficSelectors,
    /// Whether ESP goes into UDP, between [`local`](Self::local) and [`remote`](Self::remote).
    pub udp_encap: bool,
    /// Our address and the port of UDP encapsulation.
    pub local: SocketAddr,
    /// The peer's address and the port of UDP encapsulation.
    pub remote: SocketAddr,
}

/// The protocol of a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChildProtocol {
    /// RFC 4303.
    Esp,
    /// RFC 4302.
    Ah,
}

impl ChildProtocol {
    /// What the messages of IKEv2 call it.
    pub(crate) const fn id(self) -> ProtocolId {
        match self {
            Self::Esp => ProtocolId::Esp,
            Self::Ah => ProtocolId::Ah,
        }
    }
}

impl ChildSaEstablished {
    /// `AH`, `ESP`, or `AH around ESP`.
    pub fn protocols(&self) -> &'static str {
        match (self.protocol, &self.ah) {
            (ChildProtocol::Ah, _) => "AH",
            (ChildProtocol::Esp, None) => "ESP",
            (ChildProtocol::Esp, Some(_)) => "AH around ESP",
        }
    }

    /// What was chosen, in swanctl's keywords: `aes128gcm16`, for AH `sha256`, and for a bundle `sha1 around aes128`.
    pub fn algorithms(&self) -> String {
        let main = ChosenChild { protocol: self.protocol, algorithms: self.proposal };
        match &self.ah {
            Some(ah) => format!("{} around {main}", ah.integrity.keyword()),
            None => main.to_string(),
        }
    }
}

/// The two AH SAs of a bundle: what they protect is ESP, which they do not outlive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhPair {
    /// The SPI on packets that we receive.
    pub spi_in: u32,
    /// The SPI on packets that we send.
    pub spi_out: u32,
    /// The algorithm.
    pub integrity: Integrity,
    /// Sequence number size.
    pub esn: Esn,
    /// Key of packets that we receive.
    pub key_in: Secret,
    /// Key of packets that we send.
    pub key_out: Secret,
}

/// The keys of one direction of a Child SA (RFC 7296 §2.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionKeys {
    /// Encryption key, with the salt of AEADs.
    pub encryption: Secret,
    /// Integrity key; empty with AEADs.
    pub integrity: Secret,
}
