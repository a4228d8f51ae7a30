//! Phase 1: encryption, hash, group, and how the two sides authenticate (RFC 2409 §5 and appendix A).

use ipseclab_crypto::{AesKey, Encryption, Integrity, KeyExchangeMethod, Prf};

use super::{Lives, group_number, life_attributes, parse_lives};
use crate::config::{Connection, LocalMethod, RemoteMethod, Xauth};
use crate::profile::V1Habits;
use crate::proposal::{ChosenIke, IkeProposal};
use crate::v2::Role;
use crate::wire::isakmp::{
    Attribute, AuthMethod, Doi, IsakmpTransform, Phase1Attribute, Phase1Encryption, Phase1Hash, Proposal,
    ProtocolId, SaPayload, Situation, Transform,
};

/// What phase 1 has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase1 {
    /// The algorithms; the number is the transform's, and integrity stands for the hash.
    pub(crate) chosen: ChosenIke,
    pub(crate) method: AuthMethod,
    pub(crate) lives: Lives,
}

/// How the two sides of `connection` authenticate when our role in phase 1 is `role`; `None` when no method of IKEv1
/// says that.
pub(crate) fn method_of(connection: &Connection, role: Role) -> Option<AuthMethod> {
    // With XAUTH the method names the side that is to log in (draft-ietf-ipsec-isakmp-xauth-06 §7.2).
    let client = match connection.v1.xauth {
        None => None,
        Some(Xauth::Client(_)) => Some(role),
        Some(Xauth::Server) => Some(role.other()),
    };
    match (&connection.local.method, &connection.remote.method, client) {
        (LocalMethod::Psk, RemoteMethod::Psk, None) => Some(AuthMethod::Psk),
        (LocalMethod::Psk, RemoteMethod::Psk, Some(Role::Initiator)) => Some(AuthMethod::XauthInitPsk),
        (LocalMethod::Psk, RemoteMethod::Psk, Some(Role::Responder)) => Some(AuthMethod::XauthRespPsk),
        (LocalMethod::Pubkey { .. }, RemoteMethod::Pubkey { .. }, None) => Some(AuthMethod::RsaSignature),
        (LocalMethod::Pubkey { .. }, RemoteMethod::Pubkey { .. }, Some(Role::Initiator)) => {
            Some(AuthMethod::XauthInitRsa)
        }
        (LocalMethod::Pubkey { .. }, RemoteMethod::Pubkey { .. }, Some(Role::Responder)) => {
            Some(AuthMethod::XauthRespRsa)
        }
        _ => None,
    }
}

/// Whether a method has the two sides show a shared secret, rather than sign.
pub(crate) const fn is_by_secret(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::Psk | AuthMethod::XauthInitPsk | AuthMethod::XauthRespPsk)
}

/// The lifetimes that phase 1 of `connection` announces.
fn phase1_lives(connection: &Connection) -> Lives {
    let renewal = connection.renewal;
    let soft = [renewal.rekey_time, renewal.reauth_time].into_iter().flatten().min();
    Lives {
        seconds: soft.map(|soft| soft.saturating_add(renewal.over_time).as_secs()),
        kilobytes: connection.v1.life_kilobytes.map(u64::from),
    }
}

/// The SA payload that offers what `connection` wants.
pub(crate) fn offer_phase1(connection: &Connection, habits: &V1Habits, method: AuthMethod) -> SaPayload {
    let lives = phase1_lives(connection);
    let wanted = connection.proposals.iter().filter_map(first_of);
    let transforms = wanted.zip(1_u8..).map(|(chosen, number)| {
        phase1_transform(&Phase1 { chosen: ChosenIke { number, ..chosen }, method, lives }, habits)
    });
    phase1_payload(transforms.collect())
}

/// The answer that makes `agreed` of an offer.
pub(crate) fn choice_phase1(agreed: &Phase1, habits: &V1Habits) -> SaPayload {
    phase1_payload(vec![phase1_transform(agreed, habits)])
}

fn phase1_payload(transforms: Vec<Transform>) -> SaPayload {
    SaPayload::new(vec![Proposal { number: 1, protocol: ProtocolId::Isakmp, spi: vec![], transforms }])
}

/// The first algorithm of each kind; `None` when IKEv1 has no number for one.
fn first_of(proposal: &IkeProposal) -> Option<ChosenIke> {
    let encryption = *proposal.encryption.first()?;
    let prf = *proposal.prf.first()?;
    let key_exchange = *proposal.key_exchange.first()?;
    encryption_number(encryption).and(hash_number(prf)).and(group_number(key_exchange))?;
    Some(ChosenIke { number: 1, encryption, integrity: integrity_of(prf), prf, key_exchange })
}

fn phase1_transform(agreed: &Phase1, habits: &V1Habits) -> Transform {
    let ChosenIke { number, encryption, prf, key_exchange, .. } = agreed.chosen;
    let short = |kind: Phase1Attribute, value: u16| (kind, Attribute::Short { kind: kind.code(), value });
    let mut attributes: Vec<(Phase1Attribute, Attribute)> = vec![];
    attributes.extend(encryption_number(encryption).map(|it| short(Phase1Attribute::Encryption, it.code())));
    attributes.extend(encryption.key_length_attribute().map(|bits| short(Phase1Attribute::KeyLength, bits)));
    attributes.extend(hash_number(prf).map(|it| short(Phase1Attribute::Hash, it.code())));
    attributes.extend(group_number(key_exchange).map(|it| short(Phase1Attribute::Group, it)));
    attributes.push(short(Phase1Attribute::AuthMethod, agreed.method.code()));
    let (kind, duration) = (Phase1Attribute::LifeType, Phase1Attribute::LifeDuration.code());
    let lives = life_attributes(agreed.lives, kind.code(), duration);
    attributes.extend(lives.into_iter().map(|attribute| (kind, attribute)));
    let place = |kind: &Phase1Attribute| {
        let order = &habits.phase1_attributes;
        order.iter().position(|other| other == kind).unwrap_or(order.len())
    };
    attributes.sort_by_key(|(kind, _)| place(kind));
    let attributes = attributes.into_iter().map(|(_, attribute)| attribute).collect();
    Transform { number, id: IsakmpTransform::KeyIke.code(), attributes }
}

/// Chooses from an offer what `connection` wants, in our role `role`.
pub(crate) fn select_phase1(connection: &Connection, role: Role, offer: &SaPayload) -> Option<Phase1> {
    let method = method_of(connection, role)?;
    let offered = phase1_offers(offer)?;
    let fits = |own: &IkeProposal, offered: &Phase1| {
        let ChosenIke { encryption, prf, key_exchange, .. } = offered.chosen;
        offered.method == method
            && own.encryption.contains(&encryption)
            && own.prf.contains(&prf)
            && own.key_exchange.contains(&key_exchange)
    };
    let mut wanted = connection.proposals.iter();
    wanted.find_map(|own| offered.iter().find(|offered| fits(own, offered))).copied()
}

/// What an answer makes of our offer; `None` when it is nothing that we have offered.
pub(crate) fn verify_phase1(
    connection: &Connection,
    method: AuthMethod,
    answer: &SaPayload,
) -> Option<Phase1> {
    let [agreed] = phase1_offers(answer)?[..] else { return None };
    let algorithms = |it: ChosenIke| (it.encryption, it.prf, it.key_exchange);
    let mut ours = connection.proposals.iter().filter_map(first_of);
    let known = ours.any(|own| algorithms(own) == algorithms(agreed.chosen));
    (known && agreed.method == method).then_some(agreed)
}

/// The transforms of phase 1 in an SA payload that are understood; `None` when it is not for IPsec.
fn phase1_offers(payload: &SaPayload) -> Option<Vec<Phase1>> {
    // strongSwan takes DOI 0 from peers that mean ISAKMP alone.
    let known = [Doi::ISAKMP, Doi::IPSEC].contains(&payload.doi);
    if !known || payload.situation != Situation::IDENTITY_ONLY {
        return None;
    }
    let proposals = payload.proposals.iter().filter(|proposal| proposal.protocol == ProtocolId::Isakmp);
    Some(proposals.flat_map(|proposal| &proposal.transforms).filter_map(parse_phase1).collect())
}

fn parse_phase1(transform: &Transform) -> Option<Phase1> {
    let (mut encryption, mut bits, mut hash, mut group, mut method) = (None, None, None, None, None);
    for attribute in &transform.attributes {
        let number = attribute.number();
        let short = number.and_then(|number| u16::try_from(number).ok());
        match Phase1Attribute::from_code(attribute.kind()) {
            Phase1Attribute::Encryption => encryption = short,
            Phase1Attribute::KeyLength => bits = short,
            Phase1Attribute::Hash => hash = short,
            Phase1Attribute::Group => group = short,
            Phase1Attribute::AuthMethod => method = short,
            Phase1Attribute::LifeType | Phase1Attribute::LifeDuration => {}
            _ => return None,
        }
    }
    let encryption = encryption_of(Phase1Encryption::from_code(encryption?), bits)?;
    let prf = prf_of(Phase1Hash::from_code(hash?))?;
    let key_exchange =
        KeyExchangeMethod::from_transform(group?).filter(|method| group_number(*method).is_some())?;
    let lives =
        parse_lives(transform, Phase1Attribute::LifeType.code(), Phase1Attribute::LifeDuration.code())?;
    if IsakmpTransform::from_code(transform.id) != IsakmpTransform::KeyIke {
        return None;
    }
    let chosen =
        ChosenIke { number: transform.number, encryption, integrity: integrity_of(prf), prf, key_exchange };
    Some(Phase1 { chosen, method: AuthMethod::from_code(method?), lives })
}

const fn encryption_number(encryption: Encryption) -> Option<Phase1Encryption> {
    match encryption {
        Encryption::Des => Some(Phase1Encryption::Des),
        Encryption::TripleDes => Some(Phase1Encryption::TripleDes),
        Encryption::AesCbc(_) => Some(Phase1Encryption::AesCbc),
        _ => None,
    }
}

fn encryption_of(number: Phase1Encryption, bits: Option<u16>) -> Option<Encryption> {
    match (number, bits) {
        (Phase1Encryption::Des, None) => Some(Encryption::Des),
        (Phase1Encryption::TripleDes, None) => Some(Encryption::TripleDes),
        // RFC 3602 §5.1: the key length must be there; 128 is what those mean who leave it out.
        (Phase1Encryption::AesCbc, bits) => AesKey::from_bits(bits.unwrap_or(128)).map(Encryption::AesCbc),
        _ => None,
    }
}

const fn hash_number(prf: Prf) -> Option<Phase1Hash> {
    match prf {
        Prf::HmacMd5 => Some(Phase1Hash::Md5),
        Prf::HmacSha1 => Some(Phase1Hash::Sha1),
        Prf::HmacSha2_256 => Some(Phase1Hash::Sha2_256),
        Prf::HmacSha2_384 => Some(Phase1Hash::Sha2_384),
        Prf::HmacSha2_512 => Some(Phase1Hash::Sha2_512),
        Prf::AesXcbc | Prf::AesCmac => None,
    }
}

const fn prf_of(hash: Phase1Hash) -> Option<Prf> {
    match hash {
        Phase1Hash::Md5 => Some(Prf::HmacMd5),
        Phase1Hash::Sha1 => Some(Prf::HmacSha1),
        Phase1Hash::Sha2_256 => Some(Prf::HmacSha2_256),
        Phase1Hash::Sha2_384 => Some(Prf::HmacSha2_384),
        Phase1Hash::Sha2_512 => Some(Prf::HmacSha2_512),
        Phase1Hash::Tiger | Phase1Hash::Unknown(_) => None,
    }
}

/// The integrity algorithm that stands for a hash in proposals.
fn integrity_of(prf: Prf) -> Option<Integrity> {
    Integrity::ALL.iter().copied().find(|integrity| integrity.prf() == prf)
}
