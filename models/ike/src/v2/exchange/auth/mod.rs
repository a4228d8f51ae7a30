//! `IKE_AUTH` with shared keys (RFC 7296 §1.2, §2.15): identities, AUTH, and the first Child SA.
//!
//! ```text
//! initiator                                                                     responder
//! HDR, SK { IDi, IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAi2, TSi, TSr }  ──►
//!                ◄──  HDR, SK { IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAr2, TSi, TSr }
//!            or  ◄──  HDR, SK { IDr, AUTH, N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN) }   IKE SA without Child SA
//!            or  ◄──  HDR, SK { N(AUTHENTICATION_FAILED) }
//! ```
//!
//! [`initiator`] and [`responder`] are the two sides, [`proof`] makes and checks AUTH payloads, and [`child`] has all that
//! belongs to the first Child SA: what is asked for and answered behind AUTH (configuration payloads go there too).

mod child;
mod initiator;
mod proof;
mod responder;

pub(crate) use initiator::{Sent, initiate};

use crate::config::ConnectionId;
use crate::event::{Event, IkeSaEstablished};
use crate::identity::Identity;
use crate::v2::channel::Channel;
use crate::v2::child_sa::ChildParts;
use crate::v2::ike_sa::{Env, Head};
use crate::wire::{AuthPayload, CpPayload, IdPayload, Message, Payload};

/// The payloads of an `IKE_AUTH` message, by kind.
#[derive(Default)]
struct Parts<'a> {
    id_i: Option<&'a IdPayload>,
    id_r: Option<&'a IdPayload>,
    auth: Option<&'a AuthPayload>,
    cp: Option<&'a CpPayload>,
    child: ChildParts<'a>,
}

impl<'a> Parts<'a> {
    /// Sorts the payloads; `None` when one comes twice.
    fn of(message: &'a Message) -> Option<Self> {
        let mut parts = Self::default();
        for payload in &message.payloads {
            let twice = match payload {
                Payload::IdI(id) => parts.id_i.replace(id).is_some(),
                Payload::IdR(id) => parts.id_r.replace(id).is_some(),
                Payload::Auth(auth) => parts.auth.replace(auth).is_some(),
                Payload::Cp(cp) => parts.cp.replace(cp).is_some(),
                Payload::Sa(sa) => parts.child.sa.replace(sa).is_some(),
                Payload::TsI(ts) => parts.child.ts_i.replace(ts.into()).is_some(),
                Payload::TsR(ts) => parts.child.ts_r.replace(ts.into()).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(parts)
    }
}

fn announce(head: &Head, env: &mut Env<'_>, connection: ConnectionId, channel: &Channel, peer_id: Identity) {
    env.events.push_back(Event::IkeSaEstablished(Box::new(IkeSaEstablished {
        ike_sa: head.id,
        connection,
        replaces: None,
        role: head.role,
        spi_i: head.spi_i,
        spi_r: head.spi_r,
        proposal: channel.chosen,
        peer_id,
        local: head.path.local,
        remote: head.path.remote,
        nat_detected: head.nat.detected(),
    })));
}
