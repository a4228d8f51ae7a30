//! Phase 2: ESP, AH, or ESP inside AH, as proposals of one number (RFC 2407 §4.4, §4.5, RFC 2408 §4.2).

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod};

use super::{Lives, group_number, life_attributes, parse_lives};
use crate::config::{Child, Mode};
use crate::event::ChildProtocol;
use crate::profile::V1Habits;
use crate::proposal::{AhProposal, ChosenEsp, Esn, EspProposal};
use crate::wire::isakmp::{
    AhTransform, Attribute, AuthAlgorithm, Doi, EncapsulationMode, EspTransform, Phase2Attribute, Proposal,
    ProtocolId, SaPayload, Situation, Transform,
};

/// SPIs below are reserved (RFC 2406 §2.1).
const FIRST_SPI: u32 = 256;

/// The lifetimes that phase 2 announces for `child`.
fn phase2_lives(child: &Child) -> Lives {
    Lives {
        seconds: child.lifetime.life_time.map(|life| life.as_secs()),
        kilobytes: child.bytes.life.map(|octets| octets.div_ceil(1024)),
    }
}

/// What phase 2 has agreed on for one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) protocol: ChildProtocol,
    /// The algorithms and the peer's SPI; the number is the transform's. AH has `NULL` for encryption.
    pub(crate) chosen: ChosenEsp,
}

/// What phase 2 has agreed on: ESP, AH, or ESP inside AH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase2 {
    /// The number of the proposal.
    pub(crate) number: u8,
    /// ESP where there is one, else AH.
    pub(crate) main: Part,
    /// AH around ESP.
    pub(crate) around: Option<Part>,
    pub(crate) mode: EncapsulationMode,
    pub(crate) lives: Lives,
}

/// What makes a phase 2 offer, beside the child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase2Terms {
    pub(crate) mode: EncapsulationMode,
    /// Our SPI for ESP, or for AH where there is no ESP.
    pub(crate) spi_in: u32,
    /// Our SPI for AH around ESP.
    pub(crate) ah_spi_in: Option<u32>,
}

/// The protocols that `child` wants: the main one, and whether AH goes around it.
pub(crate) fn protocols_of(child: &Child) -> (ChildProtocol, bool) {
    match (child.esp_proposals.is_empty(), child.ah_proposals.is_empty()) {
        (true, false) => (ChildProtocol::Ah, false),
        (_, around) => (ChildProtocol::Esp, !around),
    }
}

/// The mode of a child on a path with or without a NAT (RFC 3947 §5.1).
pub(crate) const fn encapsulation(mode: Mode, nat: bool) -> EncapsulationMode {
    match (mode, nat) {
        (Mode::Tunnel, false) => EncapsulationMode::Tunnel,
        (Mode::Tunnel, true) => EncapsulationMode::UdpTunnel,
        (Mode::Transport, false) => EncapsulationMode::Transport,
        (Mode::Transport, true) => EncapsulationMode::UdpTransport,
    }
}

/// The group of phase 2 that `child` wants first: of all its proposals one, since there is one key exchange.
pub(crate) fn wanted_group(child: &Child) -> Option<KeyExchangeMethod> {
    let esp = child.esp_proposals.iter().map(|proposal| &proposal.key_exchange);
    let mut groups = esp.chain(child.ah_proposals.iter().map(|proposal| &proposal.key_exchange));
    groups.next()?.first().copied()
}

/// The SA payload that offers what `child` wants. AH stands in front of the ESP that it goes around.
pub(crate) fn offer_phase2(child: &Child, habits: &V1Habits, terms: &Phase2Terms) -> SaPayload {
    let lives = phase2_lives(child);
    let group = wanted_group(child);
    let proposal = |protocol: ChildProtocol, spi: u32, wanted: Vec<ChosenEsp>| Proposal {
        number: 1,
        protocol: protocol_id(protocol),
        spi: spi.to_be_bytes().to_vec(),
        transforms: (wanted.into_iter().zip(1_u8..))
            .map(|(chosen, number)| {
                let chosen = ChosenEsp { number, key_exchange: group, ..chosen };
                phase2_transform(Part { protocol, chosen }, terms.mode, lives, habits)
            })
            .collect(),
    };
    let esp: Vec<_> = child.esp_proposals.iter().filter_map(first_esp).collect();
    let ah: Vec<_> = child.ah_proposals.iter().filter_map(first_ah).collect();
    let (main, _) = protocols_of(child);
    let around = terms.ah_spi_in.map(|spi| proposal(ChildProtocol::Ah, spi, ah.clone()));
    let main = proposal(main, terms.spi_in, if main == ChildProtocol::Ah { ah } else { esp });
    SaPayload::new(around.into_iter().chain([main]).collect())
}

/// The answer that makes `agreed` of an offer.
pub(crate) fn choice_phase2(agreed: &Phase2, habits: &V1Habits, terms: &Phase2Terms) -> SaPayload {
    let proposal = |part: Part, spi: u32| Proposal {
        number: agreed.number,
        protocol: protocol_id(part.protocol),
        spi: spi.to_be_bytes().to_vec(),
        transforms: vec![phase2_transform(part, terms.mode, agreed.lives, habits)],
    };
    let around = agreed.around.zip(terms.ah_spi_in).map(|(part, spi)| proposal(part, spi));
    SaPayload::new(around.into_iter().chain([proposal(agreed.main, terms.spi_in)]).collect())
}

const fn protocol_id(protocol: ChildProtocol) -> ProtocolId {
    match protocol {
        ChildProtocol::Esp => ProtocolId::Esp,
        ChildProtocol::Ah => ProtocolId::Ah,
    }
}

fn first_esp(proposal: &EspProposal) -> Option<ChosenEsp> {
    let encryption = *proposal.encryption.first()?;
    let integrity = proposal.integrity.first().copied();
    esp_number(encryption)?;
    if integrity.is_some_and(|integrity| auth_number(integrity).is_none()) {
        return None;
    }
    Some(unnumbered(encryption, integrity, proposal.esn.first()))
}

fn first_ah(proposal: &AhProposal) -> Option<ChosenEsp> {
    let integrity = *proposal.integrity.first()?;
    auth_number(integrity)?;
    Some(unnumbered(Encryption::Null, Some(integrity), proposal.esn.first()))
}

fn unnumbered(encryption: Encryption, integrity: Option<Integrity>, esn: Option<&Esn>) -> ChosenEsp {
    let esn = esn.copied().unwrap_or_default();
    ChosenEsp { number: 0, spi: [0; 4], encryption, integrity, key_exchange: None, esn }
}

fn phase2_transform(part: Part, mode: EncapsulationMode, lives: Lives, habits: &V1Habits) -> Transform {
    let ChosenEsp { number, encryption, integrity, key_exchange, esn, .. } = part.chosen;
    let short = |kind: Phase2Attribute, value: u16| (kind, Attribute::Short { kind: kind.code(), value });
    let mut attributes: Vec<(Phase2Attribute, Attribute)> = vec![];
    attributes.extend(encryption.key_length_attribute().map(|bits| short(Phase2Attribute::KeyLength, bits)));
    let auth = integrity.and_then(auth_number);
    attributes.extend(auth.map(|it| short(Phase2Attribute::AuthAlgorithm, it.code())));
    let group = key_exchange.and_then(group_number);
    attributes.extend(group.map(|it| short(Phase2Attribute::Group, it)));
    attributes.push(short(Phase2Attribute::EncapsulationMode, mode.code()));
    attributes.extend((esn == Esn::Yes).then(|| short(Phase2Attribute::ExtendedSequence, 1)));
    let (kind, duration) = (Phase2Attribute::LifeType, Phase2Attribute::LifeDuration.code());
    let lives = life_attributes(lives, kind.code(), duration);
    attributes.extend(lives.into_iter().map(|attribute| (kind, attribute)));
    let place = |kind: &Phase2Attribute| {
        let order = &habits.phase2_attributes;
        order.iter().position(|other| other == kind).unwrap_or(order.len())
    };
    attributes.sort_by_key(|(kind, _)| place(kind));
    let id = match part.protocol {
        ChildProtocol::Esp => esp_number(encryption).map_or(0, EspTransform::code),
        ChildProtocol::Ah => integrity.and_then(ah_number).map_or(0, AhTransform::code),
    };
    Transform { number, id, attributes: attributes.into_iter().map(|(_, attribute)| attribute).collect() }
}

/// Chooses from an offer what `child` wants in `mode`; `group` is that of the key exchange that came with it.
pub(crate) fn select_phase2(
    child: &Child,
    mode: EncapsulationMode,
    group: Option<usize>,
    offer: &SaPayload,
) -> Option<Phase2> {
    let bundles = phase2_offers(offer)?;
    bundles.iter().find_map(|bundle| bundle.choose(child, mode, group))
}

/// What an answer makes of our offer for `child`; `None` when it is nothing that we have offered.
pub(crate) fn verify_phase2(child: &Child, mode: EncapsulationMode, answer: &SaPayload) -> Option<Phase2> {
    let [bundle] = &phase2_offers(answer)?[..] else { return None };
    let agreed = bundle.choose(child, mode, None)?;
    (agreed.main.chosen.key_exchange == wanted_group(child)).then_some(agreed)
}

/// Proposals of one number, which are wanted together (RFC 2408 §4.2).
struct Bundle<'a> {
    number: u8,
    esp: Option<&'a Proposal>,
    ah: Option<&'a Proposal>,
}

/// The bundles of an offer that can be understood; `None` when the payload is not for IPsec.
fn phase2_offers(payload: &SaPayload) -> Option<Vec<Bundle<'_>>> {
    if payload.doi != Doi::IPSEC || payload.situation != Situation::IDENTITY_ONLY {
        return None;
    }
    let chunks = payload.proposals.chunk_by(|a, b| a.number == b.number);
    Some(chunks.filter_map(Bundle::of).collect())
}

impl<'a> Bundle<'a> {
    fn of(proposals: &'a [Proposal]) -> Option<Self> {
        let mut bundle = Self { number: proposals.first()?.number, esp: None, ah: None };
        for proposal in proposals {
            let place = match proposal.protocol {
                ProtocolId::Esp => &mut bundle.esp,
                ProtocolId::Ah => &mut bundle.ah,
                _ => return None,
            };
            if place.replace(proposal).is_some() {
                return None;
            }
        }
        Some(bundle)
    }

    fn choose(&self, child: &Child, mode: EncapsulationMode, ke_len: Option<usize>) -> Option<Phase2> {
        let (main, around) = protocols_of(child);
        let (main, around) = match (main, around) {
            (ChildProtocol::Esp, false) if self.ah.is_none() => (self.esp_part(child, mode)?, None),
            (ChildProtocol::Ah, false) if self.esp.is_none() => (self.ah_part(child, mode)?, None),
            (ChildProtocol::Esp, true) => (self.esp_part(child, mode)?, Some(self.ah_part(child, mode)?)),
            _ => return None,
        };
        let group = main.0.chosen.key_exchange;
        // A key exchange comes if, and only if, its group was offered (RFC 2409 §5.5).
        if ke_len.is_some_and(|len| len != group.map_or(0, KeyExchangeMethod::public_len)) {
            return None;
        }
        if around.is_some_and(|(part, _)| part.chosen.key_exchange != group) {
            return None;
        }
        let around = around.map(|(part, _)| part);
        Some(Phase2 { number: self.number, main: main.0, around, mode, lives: main.1 })
    }

    fn esp_part(&self, child: &Child, mode: EncapsulationMode) -> Option<(Part, Lives)> {
        let offered = parts(self.esp?, ChildProtocol::Esp, mode);
        let fits = |own: &EspProposal, it: &ChosenEsp| {
            own.encryption.contains(&it.encryption)
                && contains(&own.integrity, it.integrity)
                && contains(&own.key_exchange, it.key_exchange)
                && own.esn.contains(&it.esn)
        };
        let mut own = child.esp_proposals.iter();
        own.find_map(|own| offered.iter().find(|(part, _)| fits(own, &part.chosen)).copied())
    }

    fn ah_part(&self, child: &Child, mode: EncapsulationMode) -> Option<(Part, Lives)> {
        let offered = parts(self.ah?, ChildProtocol::Ah, mode);
        let fits = |own: &AhProposal, it: &ChosenEsp| {
            contains(&own.integrity, it.integrity)
                && contains(&own.key_exchange, it.key_exchange)
                && own.esn.contains(&it.esn)
        };
        let mut own = child.ah_proposals.iter();
        own.find_map(|own| offered.iter().find(|(part, _)| fits(own, &part.chosen)).copied())
    }
}

/// Whether a list allows an algorithm, or its absence.
fn contains<T: PartialEq>(list: &[T], value: Option<T>) -> bool {
    value.map_or(list.is_empty(), |value| list.contains(&value))
}

/// The transforms of a proposal that are understood and have this mode.
fn parts(proposal: &Proposal, protocol: ChildProtocol, mode: EncapsulationMode) -> Vec<(Part, Lives)> {
    let spi = <[u8; 4]>::try_from(proposal.spi.as_slice()).ok();
    let Some(spi) = spi.filter(|spi| u32::from_be_bytes(*spi) >= FIRST_SPI) else { return vec![] };
    let parse = |transform: &Transform| parse_phase2(transform, protocol, spi, mode);
    proposal.transforms.iter().filter_map(parse).collect()
}

fn parse_phase2(
    transform: &Transform,
    protocol: ChildProtocol,
    spi: [u8; 4],
    wanted: EncapsulationMode,
) -> Option<(Part, Lives)> {
    let (mut bits, mut auth, mut group, mut mode, mut esn) = (None, None, None, None, Esn::No);
    for attribute in &transform.attributes {
        let short = attribute.number().and_then(|number| u16::try_from(number).ok());
        match Phase2Attribute::from_code(attribute.kind()) {
            Phase2Attribute::KeyLength => bits = short,
            Phase2Attribute::AuthAlgorithm => auth = short,
            Phase2Attribute::Group => group = Some(KeyExchangeMethod::from_transform(short?)?),
            Phase2Attribute::EncapsulationMode => mode = short,
            Phase2Attribute::ExtendedSequence if short == Some(1) => esn = Esn::Yes,
            Phase2Attribute::LifeType | Phase2Attribute::LifeDuration => {}
            _ => return None,
        }
    }
    if !is_mode(EncapsulationMode::from_code(mode?), wanted) {
        return None;
    }
    let integrity = match auth {
        Some(number) => Some(integrity_from(AuthAlgorithm::from_code(number))?),
        None => None,
    };
    let encryption = match protocol {
        ChildProtocol::Esp => esp_encryption(EspTransform::from_code(transform.id), bits)?,
        // RFC 2407 §4.4.3: the transform and the attribute name the same algorithm.
        ChildProtocol::Ah => {
            let same = integrity.and_then(ah_number) == Some(AhTransform::from_code(transform.id));
            same.then_some(Encryption::Null)?
        }
    };
    let lives =
        parse_lives(transform, Phase2Attribute::LifeType.code(), Phase2Attribute::LifeDuration.code())?;
    let chosen = ChosenEsp { number: transform.number, spi, encryption, integrity, key_exchange: group, esn };
    Some((Part { protocol, chosen }, lives))
}

/// Whether an offered mode is the wanted one, which the drafts before RFC 3947 number otherwise.
fn is_mode(offered: EncapsulationMode, wanted: EncapsulationMode) -> bool {
    offered == wanted
        || offered.is_udp() == wanted.is_udp()
            && offered.is_transport() == wanted.is_transport()
            && !matches!(offered, EncapsulationMode::Unknown(_))
}

fn esp_number(encryption: Encryption) -> Option<EspTransform> {
    Some(match encryption {
        Encryption::ChaCha20Poly1305 => return None,
        Encryption::AesGmac(_) => EspTransform::NullAuthAesGmac,
        // All others have the numbers that IKEv2 took over.
        other => EspTransform::from_code(u8::try_from(other.transform_id()).ok()?),
    })
}

fn esp_encryption(number: EspTransform, bits: Option<u16>) -> Option<Encryption> {
    let same = |encryption: &&Encryption| {
        esp_number(**encryption) == Some(number) && encryption.key_length_attribute() == bits
    };
    Encryption::ALL.iter().find(same).copied()
}

const fn auth_number(integrity: Integrity) -> Option<AuthAlgorithm> {
    match integrity {
        Integrity::HmacMd5_96 => Some(AuthAlgorithm::HmacMd5),
        Integrity::HmacSha1_96 => Some(AuthAlgorithm::HmacSha1),
        Integrity::AesXcbc96 => Some(AuthAlgorithm::AesXcbc),
        Integrity::HmacSha2_256_128 => Some(AuthAlgorithm::HmacSha2_256),
        Integrity::HmacSha2_384_192 => Some(AuthAlgorithm::HmacSha2_384),
        Integrity::HmacSha2_512_256 => Some(AuthAlgorithm::HmacSha2_512),
        Integrity::AesCmac96 => None,
    }
}

fn integrity_from(number: AuthAlgorithm) -> Option<Integrity> {
    Integrity::ALL.iter().copied().find(|integrity| auth_number(*integrity) == Some(number))
}

const fn ah_number(integrity: Integrity) -> Option<AhTransform> {
    match integrity {
        Integrity::HmacMd5_96 => Some(AhTransform::Md5),
        Integrity::HmacSha1_96 => Some(AhTransform::Sha1),
        Integrity::AesXcbc96 => Some(AhTransform::AesXcbc),
        Integrity::HmacSha2_256_128 => Some(AhTransform::Sha2_256),
        Integrity::HmacSha2_384_192 => Some(AhTransform::Sha2_384),
        Integrity::HmacSha2_512_256 => Some(AhTransform::Sha2_512),
        Integrity::AesCmac96 => None,
    }
}
