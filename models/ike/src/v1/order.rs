//! What an exchange of one ISAKMP SA asks of the endpoint: things that happen to other ISAKMP SAs, or to none yet.
//!
//! An exchange works on one ISAKMP SA that is out of the table. It leaves orders, and the endpoint carries them out when
//! that ISAKMP SA is back.

use std::sync::Arc;

use crate::config::ConnectionId;
use crate::datagram::Path;
use crate::event::{ChildProtocol, IkeSaId};
use crate::v1::child_sa::Wish;
use crate::v2::Peers;

/// A wish of an exchange.
#[derive(Debug)]
pub(crate) enum Order {
    /// A new ISAKMP SA is to be set up.
    Initiate(Plan),
    /// The first takes over what the others have, which then only wait to be deleted.
    Succeed(IkeSaId, Vec<IkeSaId>),
    /// The peer of this ISAKMP SA says that it is gone: it ends without a word.
    Forget(IkeSaId),
    /// The peer has deleted this ISAKMP SA, whose place another has taken.
    Retire(IkeSaId),
    /// The peer has deleted an SA that it receives with under this SPI, in an ISAKMP SA that does not have it.
    ForgetChild(Arc<Peers>, ChildProtocol, u32),
}

/// What a new ISAKMP SA is set up for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) connection: ConnectionId,
    pub(crate) wishes: Vec<Wish>,
    /// The ISAKMP SA that goes when this one is up.
    pub(crate) replaces: Option<IkeSaId>,
    /// The way that the one before it went, ports included; `None` begins on port 500.
    pub(crate) path: Option<Path>,
}

impl Plan {
    /// An ISAKMP SA with nothing before it.
    pub(crate) fn fresh(connection: ConnectionId, wishes: Vec<Wish>) -> Self {
        Self { connection, wishes, replaces: None, path: None }
    }
}
