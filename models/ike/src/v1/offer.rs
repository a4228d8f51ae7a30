//! SA payloads of IKEv1: what is offered, what is chosen, and whether an answer is one to our offer
//! (RFC 2408 §4.2, RFC 2409 §5 and appendix A, RFC 2407 §4.5).
//!
//! Both phases offer alternatives as transforms of one proposal. As with strongSwan, each configured proposal makes one
//! transform, of the first algorithm of each kind; a responder takes any algorithm of its own proposals, in their order.
//! Lifetimes are no reason to refuse: what was offered is repeated in the answer, and each side keeps the shorter one.
//! An attribute that is not known here makes its transform unacceptable (RFC 2408 §4.2).

use ipseclab_crypto::{AesKey, Encryption, Integrity, KeyExchangeMethod, Prf};

use crate::config::{Child, Connection, LocalMethod, Mode, RemoteMethod, Xauth};
use crate::event::ChildProtocol;
use crate::profile::V1Habits;
use crate::proposal::{AhProposal, ChosenEsp, ChosenIke, Esn, EspProposal, IkeProposal};
use crate::v2::Role;
use crate::wire::isakmp::{
    AhTransform, Attribute, AuthAlgorithm, AuthMethod, Doi, EncapsulationMode, EspTransform, IsakmpTransform,
    LifeType, Phase1Attribute, Phase1Encryption, Phase1Hash, Phase2Attribute, Proposal, ProtocolId,
    SaPayload, Situation, Transform,
};

/// SPIs below are reserved (RFC 2406 §2.1).
const FIRST_SPI: u32 = 256;

/// How long an SA may live, as one side says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lives {
    pub(crate) seconds: Option<u64>,
    pub(crate) kilobytes: Option<u64>,
}

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

/// The lifetimes that phase 2 announces for `child`.
fn phase2_lives(child: &Child) -> Lives {
    Lives {
        seconds: child.lifetime.life_time.map(|life| life.as_secs()),
        kilobytes: child.bytes.life.map(|octets| octets.div_ceil(1024)),
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

/// Life types and durations, each pair side by side.
fn life_attributes(lives: Lives, kind: u16, duration: u16) -> Vec<Attribute> {
    let pair = |unit: LifeType, count: Option<u64>| {
        let count = u32::try_from(count?).unwrap_or(u32::MAX);
        Some([Attribute::Short { kind, value: unit.code() }, Attribute::of_number(duration, count)])
    };
    let pairs = [pair(LifeType::Seconds, lives.seconds), pair(LifeType::Kilobytes, lives.kilobytes)];
    pairs.into_iter().flatten().flatten().collect()
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

// --- phase 2 ---

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
