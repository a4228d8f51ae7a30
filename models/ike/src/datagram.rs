//! Messages on their way to UDP: where they go, and in which datagrams.

use core::net::SocketAddr;

use crate::config::NAT_T_PORT;
use crate::event::{IkeSaId, MessageInfo, Transmit};

/// Where a message goes: our address and port, the peer's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// An encoded message with its description.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The message, or its fragments in order.
    pub(crate) datagrams: Vec<Vec<u8>>,
    pub(crate) info: MessageInfo,
}

impl Outgoing {
    /// A message in one datagram.
    pub(crate) fn whole(bytes: Vec<u8>, info: MessageInfo) -> Self {
        Self { datagrams: vec![bytes], info }
    }

    /// The message once more.
    pub(crate) fn again(&self) -> Self {
        let mut again = self.clone();
        again.info.repeated = true;
        again
    }
}

/// Wraps the datagrams of a message for its path: port 4500 takes the non-ESP marker (RFC 3948 §2.2).
pub(crate) fn transmits(
    ike_sa: Option<IkeSaId>,
    path: Path,
    message: Outgoing,
) -> impl Iterator<Item = Transmit> {
    let Outgoing { datagrams, info } = message;
    let total = u16::try_from(datagrams.len()).unwrap_or(u16::MAX);
    (1_u16..).zip(datagrams).map(move |(number, bytes)| {
        let payload =
            if path.local.port() == NAT_T_PORT { [&[0; 4], bytes.as_slice()].concat() } else { bytes };
        let mut message = info.clone();
        message.fragment = (total > 1).then_some((number, total));
        Transmit { from: path.local, to: path.remote, payload, ike_sa, message }
    })
}
