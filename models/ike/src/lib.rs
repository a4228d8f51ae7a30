//! A sans-IO IKEv2 endpoint: bytes, a `now` and randomness in; datagrams, events and deadlines out.
//!
//! Nothing here knows a socket, a clock or a simulator. The owner hands in [`Endpoint::handle_datagram`] and
//! [`Endpoint::handle_timeout`], drains [`Endpoint::poll_transmit`] and [`Endpoint::poll_event`] after each, and
//! calls again at [`Endpoint::poll_timeout`].

pub mod config;
mod event;
mod identity;
pub mod proposal;
mod traffic_selector;
mod v2;
pub mod wire;

pub use event::{
    ChildSaEstablished, CloseReason, DirectionKeys, DropReason, Event, FailureReason, IkeSaEstablished,
    IkeSaId, IkeSaKeys, MessageInfo, Transmit,
};
pub use identity::Identity;
pub use traffic_selector::TrafficSelectors;
pub use v2::{Acquired, Endpoint, IkeKeys, Role, UnknownSa};
