//! A sans-IO IKE endpoint of both versions: bytes, a `now` and randomness in; datagrams, events and deadlines out.
//!
//! Nothing here knows a socket, a clock or a simulator. The owner hands in [`Endpoint::handle_datagram`] and
//! [`Endpoint::handle_timeout`], drains [`Endpoint::poll_transmit`] and [`Endpoint::poll_event`] after each, and
//! calls again at [`Endpoint::poll_timeout`]. Equal inputs and equal random octets give equal outputs. No input panics,
//! and what peers can make an endpoint keep is bounded by [`config::Limits`].
//!
//! `CONFORMANCE.md` says which requirements of RFC 7296 are met where; `examples/peer.rs` is an owner with real sockets.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
//! use ipseclab_ike::config::{Child, Connection, ConnectionId, EndpointConfig};
//! use ipseclab_ike::credential::Credentials;
//! use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
//! use ipseclab_ike::{Endpoint, Event, Identity, TrafficSelectors};
//!
//! /// Octets for an example. Real ones come from the owner's seeded streams.
//! struct Counter(u8);
//!
//! impl RandomSource for Counter {
//!     fn fill(&mut self, _: Purpose, out: &mut [u8]) {
//!         out.fill_with(|| {
//!             self.0 = self.0.wrapping_mul(5).wrapping_add(3);
//!             self.0
//!         });
//!     }
//! }
//!
//! fn endpoint(own: u8, peer: u8) -> Endpoint {
//!     let network = |n| TrafficSelectors::ipv4_range([10, n, 0, 0].into(), [10, n, 255, 255].into());
//!     let id = |n| Identity::parse(&format!("gw{n}.example"));
//!     let mut connection = Connection::new("office", id(own), id(peer));
//!     connection.remote_address = Some([192, 0, 2, peer].into());
//!     connection.proposals = vec![parse_ike_proposal("aes256gcm16-prfsha256-x25519").unwrap()];
//!     let mut child = Child::new("lan", network(own), network(peer));
//!     child.esp_proposals = vec![parse_esp_proposal("aes128gcm16").unwrap()];
//!     connection.children.push(child);
//!     let mut config = EndpointConfig::new([192, 0, 2, own].into(), vec![connection]);
//!     config.credentials = Credentials::with_psk([id(own), id(peer)], *b"correct horse battery staple");
//!     Endpoint::new(config, Crypto::new(Arc::new(RealProvider::new())), Box::new(Counter(own)))
//! }
//!
//! let (mut a, mut b) = (endpoint(1, 2), endpoint(2, 1));
//! let now = Duration::ZERO;
//! a.initiate(now, ConnectionId(0));
//! while let Some(datagram) = a.poll_transmit().or_else(|| b.poll_transmit()) {
//!     let receiver = if datagram.to.ip() == a.config().local_address { &mut a } else { &mut b };
//!     receiver.handle_datagram(now, datagram.from, datagram.to, &datagram.payload);
//! }
//! let mut events = std::iter::from_fn(|| b.poll_event());
//! assert!(events.any(|event| matches!(event, Event::ChildSaEstablished(_))));
//! ```

pub mod config;
pub mod credential;
mod datagram;
pub mod eap;
mod endpoint;
mod event;
mod identity;
pub mod profile;
pub mod proposal;
#[cfg(test)]
#[expect(dead_code, reason = "shared with tests/captures.rs, which uses the rest")]
#[path = "../tests/reference/mod.rs"]
mod reference;
mod traffic_selector;
mod v1;
mod v2;
pub mod wire;

pub use endpoint::{Acquired, Counters, Endpoint, UnknownSa};
pub use event::{
    AhPair, ChildProtocol, ChildSaEstablished, CloseReason, CreateChildSubject, DirectionKeys, DropReason,
    Event, Exchange, FailureReason, IkeSaEstablished, IkeSaId, IkeSaKeys, IsakmpSaKeys, MessageInfo,
    Outbound, PathChange, Transmit, VirtualAddress,
};
pub use identity::{Fit, Identity, IdentityPattern};
pub use traffic_selector::TrafficSelectors;
pub use v1::V1Exchange;
pub use v2::{IkeKeys, Role, fragment};
