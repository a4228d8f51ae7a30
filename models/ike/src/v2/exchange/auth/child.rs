//! What `IKE_AUTH` says of the first Child SA, behind AUTH: `[CP] [N(USE_TRANSPORT_MODE)] SA TSi TSr` in both directions.
//!
//! With EAP the initiator says it in its first request and the responder in its last answer (RFC 7296 §2.16).

use crate::config::{Child, ChildId, Childless, Connection, ConnectionId};
use crate::event::FailureReason;
use crate::proposal::{self, ChildProposal};
use crate::v2::child_sa::{
    self, Agreed, ChildParts, ChildSa, KeySources, Start, Traffic, Wish, answer_payloads, install,
    transport_notify,
};
use crate::v2::configuration::Hosts;
use crate::v2::exchange::auth::Parts;
use crate::v2::exchange::sa_init::SaInit;
use crate::v2::ike_sa::{Env, Head, error_notify, failure_of};
use crate::wire::{Message, Payload};

/// The initiator's payloads for its first Child SA and the inbound SPI that it will have.
pub(super) fn request(env: &Env<'_>, first: Option<&(Wish, u32)>, hosts: &Hosts) -> Vec<Payload> {
    let Some((wish, spi)) = first else { return vec![] };
    let offered = wish.selectors(env.config, hosts);
    let child = env.config.child(wish.child);
    let mut payloads: Vec<_> = transport_notify(child.mode).into_iter().collect();
    payloads.push(child_sa::offer(&without_pfs(child), *spi));
    payloads.push(Payload::TsI(offered.local.to_payload()));
    payloads.push(Payload::TsR(offered.remote.to_payload()));
    payloads
}

/// Checks the Child SA part of the answer. `hosts` are those of the request and those that we have by now: of the whole
/// family that a client has offered, its virtual address is what remains.
pub(super) fn agree(
    env: &Env<'_>,
    (wish, spi_in): (&Wish, u32),
    (asked, now): (&Hosts, &Hosts),
    message: &Message,
    parts: &ChildParts<'_>,
) -> Result<Agreed, FailureReason> {
    let Some(sa) = parts.sa else {
        let refused = error_notify(&message.payloads).map(failure_of);
        return Err(refused.unwrap_or(FailureReason::InvalidSyntax));
    };
    let proposals = without_pfs(env.config.child(wish.child));
    let chosen = proposal::verify_answer_child(&proposals, sa).ok_or(FailureReason::NoProposalChosen)?;
    let offered = wish.selectors(env.config, asked);
    let mut agreed =
        child_sa::verify_answer(env.config, (wish.child, &offered), (spi_in, chosen), message, parts)?;
    if asked != now {
        let allowed = wish.selectors(env.config, now);
        agreed.ts = agreed.ts.narrow_to(&allowed).ok_or(FailureReason::TsUnacceptable)?;
    }
    Ok(agreed)
}

/// Whether the initiator asks for a Child SA.
pub(super) fn is_asked(parts: &Parts<'_>) -> bool {
    parts.child.sa.is_some() || parts.child.ts_i.is_some() || parts.child.ts_r.is_some()
}

/// Whether `connection` may come up with a Child SA, or without one, as the request wants it (RFC 6023).
pub(super) fn is_welcome(connection: &Connection, parts: &Parts<'_>) -> bool {
    match connection.childless {
        Childless::Allow | Childless::Prefer => true,
        Childless::Force => !is_asked(parts),
        Childless::Never => is_asked(parts),
    }
}

/// The Child SA that the initiator gets, or why not; `None` when it asks for none.
pub(super) fn agree_as_responder(
    env: &mut Env<'_>,
    connection: ConnectionId,
    (head, hosts): (&Head, &Hosts),
    (message, parts): (&Message, &Parts<'_>),
) -> Option<Result<Agreed, (Option<ChildId>, FailureReason)>> {
    is_asked(parts).then(|| {
        let offer = parts.child.sa.ok_or((None, FailureReason::InvalidSyntax))?;
        if parts.child.ts_i.is_none() || parts.child.ts_r.is_none() {
            return Err((None, FailureReason::InvalidSyntax));
        }
        let asked = (message, &parts.child);
        let traffic = child_sa::settle_traffic(env.config, (connection, None), (head, hosts), asked);
        let Traffic { child, mode, ts, named } = traffic.ok_or((None, FailureReason::TsUnacceptable))?;
        let chosen = proposal::select_child(&without_pfs(env.config.child(child)), offer)
            .ok_or((Some(child), FailureReason::NoProposalChosen))?;
        Ok(Agreed { child, chosen, mode, spi_in: env.draw_child_spi(), ts, named })
    })
}

/// The responder's payloads for the Child SA, or the error that refuses it.
pub(super) fn answer(agreed: Option<&Result<Agreed, (Option<ChildId>, FailureReason)>>) -> Vec<Payload> {
    match agreed {
        Some(Ok(agreed)) => {
            let (mut payloads, selectors) = answer_payloads(agreed);
            payloads.extend(selectors);
            payloads
        }
        Some(Err((_, reason))) => vec![Payload::Notify(child_sa::refusal(*reason))],
        None => vec![],
    }
}

/// Installs the Child SA that came with the IKE SA.
pub(super) fn install_first(head: &Head, env: &mut Env<'_>, init: &SaInit, agreed: Agreed) -> ChildSa {
    let sources =
        KeySources { side: head.role, nonce_i: &init.nonce_i, nonce_r: &init.nonce_r, shared_secret: None };
    install(head, env, &init.channel, agreed, sources, Start::FRESH)
}

/// `IKE_AUTH` carries no key exchange for its Child SA (RFC 7296 §1.2).
fn without_pfs(child: &Child) -> Vec<ChildProposal> {
    child.proposals().into_iter().map(ChildProposal::without_key_exchange).collect()
}
