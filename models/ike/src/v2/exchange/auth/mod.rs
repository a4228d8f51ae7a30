//! `IKE_AUTH` (RFC 7296 §1.2, §2.15, §2.16): identities, certificates, AUTH, EAP, and the first Child SA.
//!
//! ```text
//! initiator                                                                     responder
//! HDR, SK { IDi, [CERT…], [CERTREQ], [IDr], AUTH, child }  ──►
//!                                              ◄──  HDR, SK { IDr, [CERT…], AUTH, child }
//!            or  ◄──  HDR, SK { IDr, AUTH, N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN) }   IKE SA without Child SA
//!            or  ◄──  HDR, SK { N(AUTHENTICATION_FAILED) }
//!
//! with EAP:
//! HDR, SK { IDi, [CERTREQ], [IDr], child }  ──►
//!                                         ◄──  HDR, SK { IDr, CERT…, AUTH, EAP(request) }
//! HDR, SK { EAP(response) }  ──►               as often as the method wants
//!                                         ◄──  HDR, SK { EAP(request | success | failure) }
//! HDR, SK { AUTH }  ──►
//!                                         ◄──  HDR, SK { AUTH, child }
//!
//! child: [CP], [N(USE_TRANSPORT_MODE)], SA, TSi, TSr
//! ```
//!
//! [`initiator`] and [`responder`] are the two sides, the responder's [`rounds`] carry EAP, [`proof`] makes and checks
//! AUTH payloads, [`certificates`] has CERT and CERTREQ, and [`child`] has all that belongs to the first Child SA: what is
//! asked for and answered behind AUTH (configuration payloads go there too). Nothing is announced or installed before
//! the peer's last AUTH payload has been checked.

pub(crate) mod certificates;
mod child;
mod initiator;
mod proof;
mod responder;
mod rounds;

pub(crate) use initiator::{Sent, initiate};
pub(crate) use rounds::Rounds;

use crate::config::{ConnectionId, IkeVersion};
use crate::event::{Event, FailureReason, IkeSaEstablished};
use crate::identity::Identity;
use crate::v2::channel::Channel;
use crate::v2::child_sa::ChildParts;
use crate::v2::ike_sa::{Env, Head};
use crate::wire::{
    AuthPayload, CertPayload, CpPayload, EapPayload, IdPayload, Message, NotifyPayload, NotifyType, Payload,
};

/// The payloads of an `IKE_AUTH` message, by kind.
#[derive(Default)]
struct Parts<'a> {
    id_i: Option<&'a IdPayload>,
    id_r: Option<&'a IdPayload>,
    auth: Option<&'a AuthPayload>,
    cp: Option<&'a CpPayload>,
    eap: Option<&'a EapPayload>,
    certificates: Vec<&'a CertPayload>,
    child: ChildParts<'a>,
}

impl<'a> Parts<'a> {
    /// Sorts the payloads; `None` when one comes twice that may not.
    fn of(message: &'a Message) -> Option<Self> {
        let mut parts = Self::default();
        for payload in &message.payloads {
            let twice = match payload {
                Payload::IdI(id) => parts.id_i.replace(id).is_some(),
                Payload::IdR(id) => parts.id_r.replace(id).is_some(),
                Payload::Auth(auth) => parts.auth.replace(auth).is_some(),
                Payload::Eap(eap) => parts.eap.replace(eap).is_some(),
                Payload::Cert(cert) => {
                    parts.certificates.push(cert);
                    false
                }
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
        version: IkeVersion::V2,
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

/// The EAP payload of a packet that an EAP method of ours has made.
fn eap_payload(packet: &[u8]) -> Payload {
    Payload::Eap(EapPayload::new(packet).expect("our EAP packets are well-formed"))
}

/// What the peer is told of a failure: that authentication failed, or that its message breaks the protocol.
fn complaint(reason: FailureReason) -> Payload {
    let kind = match reason {
        FailureReason::InvalidSyntax | FailureReason::Childless => NotifyType::InvalidSyntax,
        _ => NotifyType::AuthenticationFailed,
    };
    Payload::Notify(NotifyPayload::new(kind, vec![]))
}
