//! The IPsec datapath without I/O: policies, Security Associations, ESP and AH (RFC 4301, RFC 4302, RFC 4303, RFC 3948).
//!
//! An [`Engine`] sits between the protected and the unprotected side of one host or gateway. The owner hands it every
//! packet that crosses, with the time, and gets back what to send, deliver or drop; nothing in here reads a clock,
//! a socket or a random generator, and nothing knows what a simulator is.
//!
//! - Every packet that goes in comes out: sent, delivered, or discarded with a [`DiscardReason`]; packets that wait for
//!   a negotiation come out of [`Engine::poll_packet`] or [`Engine::poll_discard`].
//! - A packet carries a token `T` of the owner's, which comes out with it.
//! - A pair protects with ESP, with AH, or with AH around ESP ([`Protection`]), in tunnel or transport mode.
//! - Keys come from a key manager through [`Engine::install`]; this crate never negotiates.
//! - Several pairs may cover the same packets, as while a Child SA is rekeyed ([`OutboundUse`]); all of them receive.
//! - A policy may stand for the selectors of whatever pairs it has ([`SpdAction::ProtectInstalled`]), for road warriors.
//! - IPv4 and IPv6 inside and outside, in any combination.
//! - Packets that are too long for their SA's path come back to be fragmented, or make an ICMP message for their sender
//!   ([`Engine::poll_notice`]). Fragmenting and reassembly are the owner's: an arriving fragment of a protected packet is
//!   discarded.
//! - Model: no traffic flow confidentiality.
//! - Model: IKE to and from the local address bypasses the SPD without an entry of its own.
//!
//! ```
//! use core::time::Duration;
//! use std::sync::Arc;
//!
//! use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
//! use ipseclab_ipsec::{
//!     DefaultAction, Engine, EngineConfig, Event, Mode, Outbound, PolicyId, Spd, SpdAction, SpdEntry, TrafficSelector,
//! };
//!
//! struct Stream(u8);
//! impl RandomSource for Stream {
//!     fn fill(&mut self, _: Purpose, out: &mut [u8]) {
//!         out.fill(self.0);
//!         self.0 = self.0.wrapping_add(1);
//!     }
//! }
//!
//! let office = SpdEntry {
//!     name: String::from("office"),
//!     local: vec![TrafficSelector::network([10, 1, 0, 0], 16)],
//!     remote: vec![TrafficSelector::network([10, 2, 0, 0], 16)],
//!     action: SpdAction::Protect { policy: PolicyId(1), mode: Mode::Tunnel },
//! };
//! let config = EngineConfig::new(Spd::new(vec![office], DefaultAction::Discard), [192, 0, 2, 1]);
//! let mut engine = Engine::new(config, Crypto::new(Arc::new(RealProvider::new())), Box::new(Stream(0)));
//!
//! // A minimal packet from 10.1.0.1 to 10.2.0.1: no SA yet, so it waits and a negotiation is asked for.
//! let packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];
//! assert_eq!(engine.outbound(Duration::ZERO, packet, "token"), Outbound::Queued);
//! assert!(matches!(engine.poll_event(), Some(Event::Acquire { policy: PolicyId(1), .. })));
//! ```

mod acquire;
mod ah;
mod child;
mod decapsulate;
mod discard;
mod encapsulate;
mod engine;
#[cfg(test)]
mod esn;
mod esp;
mod event;
mod header;
mod inbound;
mod index;
mod ip;
mod mutable;
mod notice;
mod outbound;
mod path_mtu;
mod policy_index;
mod replay;
mod sa;
mod sad;
mod selector;
mod spd;
mod spi;
#[cfg(test)]
mod testing;
pub mod udp_encap;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wireshark;

pub use discard::{DiscardCounters, DiscardReason};
pub use engine::{DontFragment, Engine, EngineConfig};
pub use esp::TrailerAlignment;
pub use event::Event;
pub use inbound::Inbound;
pub use notice::Notice;
pub use outbound::Outbound;
pub use path_mtu::Fragmentation;
pub use replay::{ReplayWindow, WindowLen};
pub use sa::{
    AhParameters, ChildSaCounters, ChildSaHandle, EspParameters, InstallError, Lifetime, Mode, OutboundUse,
    Path, Protection, SaPair, SaParameters, Traffic,
};
pub use selector::{AddressRange, Direction, PortRange, SelectorError, Selectors, TrafficSelector};
pub use spd::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry};
pub use spi::{SeqNo, Spi};
pub use udp_encap::UdpEncap;
