//! What an exchange of one IKE SA asks of the endpoint: things that happen to other IKE SAs, or to none yet.
//!
//! An exchange works on one IKE SA that is out of the table. It leaves orders, and the endpoint carries them out when
//! that IKE SA is back.

use crate::config::ConnectionId;
use crate::event::IkeSaId;
use crate::v2::child_sa::{ChildSa, Wish};
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
    /// A new IKE SA is to be set up for these children; when it is up, the one that it replaces goes.
    Initiate { connection: ConnectionId, wishes: Vec<Wish>, replaces: Option<IkeSaId> },
}

/// What an IKE SA leaves to the one that takes its place.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) heir: IkeSaId,
    pub(crate) children: Vec<ChildSa>,
    pub(crate) waiting: Vec<Request>,
}
