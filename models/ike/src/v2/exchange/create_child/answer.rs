//! The answer to a request for a Child SA (RFC 7296 §1.3.1, §1.3.3), and when it is a refusal (§2.25).

use ipseclab_crypto::{KeyExchangeMethod, Secret};

use crate::config::ChildId;
use crate::event::Outbound;
use crate::proposal;
use crate::v2::Role;
use crate::v2::child_sa::{
    self, Agreed, ChildSa, KeySources, Phase, Start, Traffic, answer_payloads, install,
};
use crate::v2::established::Established;
use crate::v2::exchange::create_child::{KeyPair, Parts, Rival, invalid_ke, nonce_payload, refuse};
use crate::v2::ike_sa::{Env, Head};
use crate::wire::{KePayload, Message, NotifyPayload, NotifyType, Payload};

/// Handles a request of the peer.
pub(crate) fn handle_request(sa: &mut Established, head: &mut Head, env: &mut Env<'_>, message: &Message) {
    match answer(sa, head, env, message) {
        Ok(Answer { payloads, agreed, nonce_i, nonce_r, secret, replaces }) => {
            head.send_protected_response(env, &mut sa.channel, &message.header, &payloads);
            let sources = KeySources {
                side: Role::Responder,
                nonce_i: &nonce_i,
                nonce_r: &nonce_r,
                shared_secret: secret.as_ref(),
            };
            let outbound = if replaces.is_some() { Outbound::Later } else { Outbound::Now };
            let child = install(head, env, &sa.channel, agreed, sources, Start { replaces, outbound });
            let (spi_in, lowest_nonce) = (child.spi_in, nonce_i.min(nonce_r));
            sa.children.push(child);
            if let Some(old) = replaces {
                sa.renewed_by_peer(old, Rival { spi_in, lowest_nonce });
            }
        }
        Err(refusal) => {
            let payloads = [Payload::Notify(refusal)];
            head.send_protected_response(env, &mut sa.channel, &message.header, &payloads);
        }
    }
}

impl Established {
    /// The peer has renewed the Child SA `old`. If our own renewal of it is under way, its answer will decide.
    fn renewed_by_peer(&mut self, old: u32, rival: Rival) {
        let successor = rival.spi_in;
        let crossing = self.rekeying_child(old).map(|sent| sent.rival = Some(rival)).is_some();
        if let Some(old) = self.child_mut(old) {
            old.successor = Some(successor);
            if !crossing {
                old.phase = Phase::Rekeyed;
            }
        }
    }
}

/// Our answer, and what the Child SA is made from.
struct Answer {
    payloads: Vec<Payload>,
    agreed: Agreed,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    secret: Option<Secret>,
    replaces: Option<u32>,
}

fn answer(
    sa: &mut Established,
    head: &Head,
    env: &mut Env<'_>,
    message: &Message,
) -> Result<Answer, NotifyPayload> {
    if sa.is_ending(head) || sa.is_replaced() || sa.rekeying().is_some() {
        return Err(refuse(NotifyType::TemporaryFailure));
    }
    let old = renewed_child(sa, message)?;
    if sa.children.len() >= env.config.limits.children {
        return Err(refuse(NotifyType::NoAdditionalSas));
    }
    let parts = Parts::of(message).ok_or_else(|| refuse(NotifyType::InvalidSyntax))?;
    let (Some(offer), Some(nonce)) = (parts.child.sa, parts.nonce) else {
        return Err(refuse(NotifyType::InvalidSyntax));
    };
    let wanted = (sa.connection, old.map(|(_, child)| child));
    let asked = (message, &parts.child);
    let traffic = child_sa::settle_traffic(env.config, wanted, (head, &sa.hosts(head)), asked);
    let Traffic { child, mode, ts, named } = traffic.ok_or_else(|| refuse(NotifyType::TsUnacceptable))?;
    let chosen = proposal::select_child(&env.config.child(child).proposals(), offer)
        .ok_or_else(|| refuse(NotifyType::NoProposalChosen))?;
    let (key, secret) = exchange_keys(env, chosen.algorithms.key_exchange, parts.ke)?;
    let spi_in = env.draw_child_spi();
    let agreed = Agreed { child, chosen, mode, spi_in, ts, named };
    let nonce_r = env.draw_nonce();
    let (mut payloads, selectors) = answer_payloads(&agreed);
    payloads.push(nonce_payload(&nonce_r));
    payloads.extend(key.as_ref().map(KeyPair::payload));
    payloads.extend(selectors);
    let nonce_i = nonce.as_bytes().to_vec();
    Ok(Answer { payloads, agreed, nonce_i, nonce_r, secret, replaces: old.map(|(spi_in, _)| spi_in) })
}

/// The Child SA that the request is to renew, with its child; `None` when it wants a further one.
fn renewed_child(sa: &Established, message: &Message) -> Result<Option<(u32, ChildId)>, NotifyPayload> {
    let Some(rekey) = rekey_of(message) else { return Ok(None) };
    let named =
        |child: &&ChildSa| rekey.protocol.is_some_and(|protocol| child.is_sent_with(protocol, &rekey.spi));
    let old = sa.children.iter().find(named);
    let Some(old) = old else {
        // The answer that brings it may have been overtaken.
        if sa.awaits_child() {
            return Err(refuse(NotifyType::TemporaryFailure));
        }
        // The notification names the SPI that was asked for (RFC 7296 §3.10.1).
        let data = NotifyPayload { kind: NotifyType::ChildSaNotFound, data: vec![], ..rekey.clone() };
        return Err(data);
    };
    match old.phase {
        Phase::Installed | Phase::Rekeying => Ok(Some((old.spi_in, old.child))),
        Phase::Deleting(_) | Phase::Rekeyed => Err(refuse(NotifyType::TemporaryFailure)),
    }
}

fn rekey_of(message: &Message) -> Option<&NotifyPayload> {
    message.payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind == NotifyType::RekeySa => Some(notify),
        _ => None,
    })
}

/// Our half of the key exchange that was chosen, and the shared secret.
fn exchange_keys(
    env: &mut Env<'_>,
    method: Option<KeyExchangeMethod>,
    peer: Option<&KePayload>,
) -> Result<(Option<KeyPair>, Option<Secret>), NotifyPayload> {
    let Some(method) = method else { return Ok((None, None)) };
    let Some(peer) = peer.filter(|peer| peer.method == method.transform_id()) else {
        return Err(invalid_ke(method));
    };
    let key = KeyPair::draw(env, method);
    let secret = key.agree(env, peer).ok_or_else(|| refuse(NotifyType::InvalidSyntax))?;
    Ok((Some(key), Some(secret)))
}
