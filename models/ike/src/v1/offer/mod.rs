//! SA payloads of IKEv1: what is offered, what is chosen, and whether an answer is one to our offer
//! (RFC 2408 §4.2, RFC 2409 §5 and appendix A, RFC 2407 §4.5).
//!
//! Both phases offer alternatives as transforms of one proposal. As with strongSwan, each configured proposal makes one
//! transform, of the first algorithm of each kind; a responder takes any algorithm of its own proposals, in their order.
//! Lifetimes are no reason to refuse: what was offered is repeated in the answer, and each side keeps the shorter one.
//! An attribute that is not known here makes its transform unacceptable (RFC 2408 §4.2).

mod phase1;
mod phase2;

use ipseclab_crypto::KeyExchangeMethod;

use crate::wire::isakmp::{Attribute, LifeType, Transform};
pub(crate) use phase1::{
    Phase1, choice_phase1, is_by_secret, method_of, offer_phase1, select_phase1, verify_phase1,
};
pub(crate) use phase2::{
    Part, Phase2, Phase2Terms, choice_phase2, encapsulation, offer_phase2, protocols_of, select_phase2,
    verify_phase2, wanted_group,
};

/// How long an SA may live, as one side says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lives {
    pub(crate) seconds: Option<u64>,
    pub(crate) kilobytes: Option<u64>,
}

/// Life types and durations, each pair side by side.
fn life_attributes(lives: Lives, kind: u16, duration: u16) -> Vec<Attribute> {
    let pair = |unit: LifeType, count: Option<u64>| {
        let count = u32::try_from(count?).unwrap_or(u32::MAX);
        Some([Attribute::Short { kind, value: unit.code() }, Attribute::of_number(duration, count)])
    };
    let pairs = [pair(LifeType::Seconds, lives.seconds), pair(LifeType::Kilobytes, lives.kilobytes)];
    pairs.into_iter().flatten().flatten().collect()
}

/// The lifetimes of a transform: each duration is of the type before it.
fn parse_lives(transform: &Transform, kind: u16, duration: u16) -> Option<Lives> {
    let mut lives = Lives::default();
    let mut unit = None;
    for attribute in &transform.attributes {
        if attribute.kind() == kind {
            unit = Some(LifeType::from_code(u16::try_from(attribute.number()?).ok()?));
        } else if attribute.kind() == duration {
            match unit.take()? {
                LifeType::Seconds => lives.seconds = attribute.number(),
                LifeType::Kilobytes => lives.kilobytes = attribute.number(),
                LifeType::Unknown(_) => return None,
            }
        }
    }
    Some(lives)
}

/// Groups beyond those of the field's registry are of IKEv2 alone (RFC 2409 §6, RFC 3526, RFC 5903, RFC 5114).
fn group_number(method: KeyExchangeMethod) -> Option<u16> {
    let is_of_v2 = matches!(method, KeyExchangeMethod::Curve25519 | KeyExchangeMethod::Curve448);
    (!is_of_v2).then(|| method.transform_id())
}
