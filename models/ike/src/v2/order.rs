//! What an exchange of one IKE SA asks of the endpoint: things that happen to other IKE SAs, or to none yet.
//!
//! An exchange works on one IKE SA that is out of the table. It leaves orders, and the endpoint carries them out when
//! that IKE SA is back.

use core::net::IpAddr;

use crate::config::ConnectionId;
use crate::event::IkeSaId;
use crate::v2::child_sa::{ChildSa, Wish};
use crate::v2::configuration::Addresses;
use crate::v2::ike_sa::IkeSa;
use crate::v2::request::Request;

/// A wish of an exchange.
#[derive(Debug)]
pub(crate) enum Order {
    /// This IKE SA has come out of a rekeying.
    Insert(Box<IkeSa>),
    /// This IKE SA takes over what another one had.
    Adopt(Estate),
    /// This IKE SA is to be deleted.
    Request(IkeSaId, Request),
    /// A new IKE SA is to be set up.
    Initiate(Plan),
    /// The peer of this IKE SA says that it is gone: it ends without a word.
    Forget(IkeSaId),
    /// The peer of this IKE SA has set up another one, from this address: it is deleted, soon or at once.
    Supersede(IkeSaId, IpAddr),
}

/// What a new IKE SA is set up for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) connection: ConnectionId,
    /// The Child SAs that it is for; none for an IKE SA without (RFC 6023), as long as the peer can do that.
    pub(crate) wishes: Vec<Wish>,
    /// The IKE SA that goes when this one is up.
    pub(crate) replaces: Option<IkeSaId>,
    /// The virtual addresses that the one before it had.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Plan {
    /// An IKE SA with nothing before it.
    pub(crate) fn fresh(connection: ConnectionId, wishes: Vec<Wish>) -> Self {
        Self { connection, wishes, replaces: None, addresses: vec![] }
    }
}

/// What an IKE SA leaves to the one that takes its place.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) heir: IkeSaId,
    pub(crate) children: Vec<ChildSa>,
    pub(crate) waiting: Vec<Request>,
    pub(crate) addresses: Addresses,
}
