//! The IPsec datapath without I/O: policies, Security Associations and ESP (RFC 4301, RFC 4303, RFC 3948).
//!
//! An [`Engine`] sits between the protected and the unprotected side of one host or gateway. The owner hands it every
//! packet that crosses, with the time, and gets back what to send, deliver or drop; nothing in here reads a clock,
//! a socket or a random generator, and nothing knows what a simulator is.
//!
//! - Every packet that goes in comes out: sent, delivered, or discarded with a [`DiscardReason`]; packets that wait for
//!   a negotiation come out of [`Engine::poll_packet`] or [`Engine::poll_discard`].
//! - A packet carries a token `T` of the owner's, which comes out with it.
//! - Keys come from a key manager through [`Engine::install`]; this crate never negotiates.
//! - Model: IPv4 only; no AH, no extended sequence numbers, no traffic flow confidentiality, no fragmentation and no
//!   path MTU discovery; an arriving fragment of an ESP packet is discarded instead of reassembled.
//! - IKE to and from the local address bypasses the SPD without an entry of its own.

mod acquire;
mod discard;
mod engine;
mod esp;
mod inbound;
mod ip;
mod outbound;
mod replay;
mod sad;
mod selector;
mod spd;
mod spi;
#[cfg(test)]
mod testing;
pub mod udp_encap;
#[cfg(test)]
mod wireshark;

pub use discard::{DiscardCounters, DiscardReason};
pub use engine::{DontFragment, Engine, EngineConfig, Event};
pub use inbound::Inbound;
pub use outbound::Outbound;
pub use replay::ReplayWindow;
pub use sad::{ChildSaCounters, ChildSaHandle, InstallError, Mode, SaPair, SaParameters, Traffic};
pub use selector::{AddressRange, Direction, PortRange, SelectorError, Selectors, TrafficSelector};
pub use spd::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry};
pub use spi::{SeqNo, Spi};
pub use udp_encap::UdpEncap;
