//! `[v1]` of a vendor profile: habits in IKEv1.
//!
//! Vendor IDs have names here, as the octets of most are hashes: `"V(XAUTH)"`. Others are written as octets or text,
//! `"V(0x439b59f8)"`.

use std::collections::BTreeMap;

use ipseclab_ike::profile::{Slot, V1Habits, V1Message, V1NonceLen, V1Place, V1Slot};
use ipseclab_ike::wire::isakmp::{KnownVendorId, PayloadType, Phase2Attribute};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ProfileFileError;

/// Places of one list at most; a message may have 64 payloads.
const MAX_PLACES: usize = 32;

/// Habits in IKEv1.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct V1File {
    /// Octets of nonces, 8 to 256.
    nonce_length: u16,
    /// Whether identities of Main Mode name UDP port 500, or no port.
    id_names_port: bool,
    /// The order of attributes of AH and ESP transforms: mode, life, authentication, key-length, group,
    /// extended-sequence. Default: strongSwan's.
    ipsec_attributes: Option<Vec<String>>,
    /// The order of payloads and the vendor IDs; messages without lists are strongSwan's.
    #[serde(default)]
    messages: V1MessagesFile,
}

/// The order of payloads, a list for each message.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct V1MessagesFile {
    /// Six lists.
    main_mode: Option<Vec<Vec<V1EntryFile>>>,
    /// Three lists.
    aggressive_mode: Option<Vec<Vec<V1EntryFile>>>,
}

/// A place in a message: `"SA"`, `"V(XAUTH)"`, or a vendor ID with its condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum V1EntryFile {
    /// A place.
    Plain(String),
    /// A vendor ID that is not always sent.
    Conditional(V1ConditionalFile),
}

/// A vendor ID that is not always sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct V1ConditionalFile {
    /// The vendor ID.
    slot: String,
    /// Only to peers that have sent the same one.
    if_heard: bool,
}

/// Vendor IDs by name.
const VENDORS: [(&str, KnownVendorId); 8] = [
    ("XAUTH", KnownVendorId::Xauth),
    ("DPD", KnownVendorId::Dpd),
    ("FRAGMENTATION", KnownVendorId::Fragmentation),
    ("CISCO-UNITY", KnownVendorId::CiscoUnity),
    ("NAT-T-RFC3947", KnownVendorId::NatTraversal),
    ("NAT-T-draft-03", KnownVendorId::NatTraversalDraft03),
    ("NAT-T-draft-02n", KnownVendorId::NatTraversalDraft02Newline),
    ("NAT-T-draft-02", KnownVendorId::NatTraversalDraft02),
];

/// Payloads that have a place of their own.
const PAYLOADS: [PayloadType; 9] = [
    PayloadType::Sa,
    PayloadType::KeyExchange,
    PayloadType::Nonce,
    PayloadType::Id,
    PayloadType::Certificate,
    PayloadType::CertificateRequest,
    PayloadType::Hash,
    PayloadType::Signature,
    PayloadType::NatD,
];

/// The only notification of phase 1 messages.
const INITIAL_CONTACT: &str = "N(INITIAL_CONTACT)";

const ATTRIBUTES: [(&str, Phase2Attribute); 6] = [
    ("mode", Phase2Attribute::EncapsulationMode),
    ("life", Phase2Attribute::LifeType),
    ("authentication", Phase2Attribute::AuthAlgorithm),
    ("key-length", Phase2Attribute::KeyLength),
    ("group", Phase2Attribute::Group),
    ("extended-sequence", Phase2Attribute::ExtendedSequence),
];

const MAIN_MODE: [V1Message; 6] = [
    V1Message::MainOffer,
    V1Message::MainChoice,
    V1Message::MainKeyI,
    V1Message::MainKeyR,
    V1Message::MainProofI,
    V1Message::MainProofR,
];
const AGGRESSIVE_MODE: [V1Message; 3] =
    [V1Message::AggressiveOffer, V1Message::AggressiveChoice, V1Message::AggressiveProof];

impl V1File {
    pub(super) fn get(&self) -> Result<V1Habits, ProfileFileError> {
        let usual = V1Habits::default();
        let range =
            ProfileFileError::Range { key: "v1.nonce_length", value: self.nonce_length, allowed: "8 to 256" };
        let attributes = self.ipsec_attributes.as_deref().map(attributes).transpose()?;
        let mut messages = usual.messages.clone();
        messages.extend(self.messages.get()?);
        Ok(V1Habits {
            messages,
            phase2_attributes: attributes.unwrap_or(usual.phase2_attributes),
            nonce_len: V1NonceLen::new(self.nonce_length).ok_or(range)?,
            id_names_port: self.id_names_port,
            phase1_attributes: usual.phase1_attributes,
        })
    }
}

fn attributes(names: &[String]) -> Result<Vec<Phase2Attribute>, ProfileFileError> {
    let known = |name: &String| ATTRIBUTES.iter().find(|(known, _)| known == name).map(|(_, one)| *one);
    let order: Option<Vec<_>> = names.iter().map(known).collect();
    let complete = |order: &Vec<Phase2Attribute>| {
        order.len() == ATTRIBUTES.len() && ATTRIBUTES.iter().all(|(_, one)| order.contains(one))
    };
    order.filter(complete).ok_or_else(|| {
        ProfileFileError::V1(format!(
            "ipsec_attributes must name each of {} once",
            ATTRIBUTES.map(|(name, _)| name).join(", ")
        ))
    })
}

impl V1MessagesFile {
    fn get(&self) -> Result<BTreeMap<V1Message, Vec<V1Place>>, ProfileFileError> {
        let modes: [(_, &[V1Message], _); 2] = [
            ("main_mode", &MAIN_MODE, &self.main_mode),
            ("aggressive_mode", &AGGRESSIVE_MODE, &self.aggressive_mode),
        ];
        let mut found = BTreeMap::new();
        for (mode, messages, lists) in modes {
            let Some(lists) = lists else { continue };
            let (given, needed) = (lists.len(), messages.len());
            if given != needed {
                let text = format!("messages.{mode} has {given} lists, and the mode has {needed} messages");
                return Err(ProfileFileError::V1(text));
            }
            for (number, (message, list)) in (1..).zip(messages.iter().zip(lists)) {
                let places = places(list).map_err(|reason| {
                    ProfileFileError::V1(format!("messages.{mode}, message {number}: {reason}"))
                })?;
                found.insert(*message, places);
            }
        }
        Ok(found)
    }
}

fn places(list: &[V1EntryFile]) -> Result<Vec<V1Place>, String> {
    if list.len() > MAX_PLACES {
        return Err(format!("{} places, at most {MAX_PLACES} are allowed", list.len()));
    }
    let places: Vec<V1Place> = list.iter().map(V1EntryFile::place).collect::<Result<_, _>>()?;
    for (at, place) in places.iter().enumerate() {
        if places[..at].iter().any(|earlier| earlier.slot == place.slot) {
            return Err(format!("{} is listed twice", list[at].name()));
        }
    }
    let is_sa = |place: &V1Place| place.slot == V1Slot::Payload(PayloadType::Sa);
    if places.iter().skip(1).any(is_sa) {
        // RFC 2409 §5.
        return Err("SA must be the first payload".to_owned());
    }
    Ok(places)
}

impl V1EntryFile {
    fn name(&self) -> &str {
        match self {
            Self::Plain(name) => name,
            Self::Conditional(entry) => &entry.slot,
        }
    }

    fn place(&self) -> Result<V1Place, String> {
        let name = self.name();
        let slot = slot(name).ok_or_else(|| format!("no payload is called {name:?}"))?;
        match self {
            Self::Plain(_) => Ok(V1Place { slot, if_heard: false }),
            Self::Conditional(_) if matches!(slot, V1Slot::Payload(_)) => {
                Err(format!("{name} is no vendor ID, so it takes no condition"))
            }
            Self::Conditional(entry) => Ok(V1Place { slot, if_heard: entry.if_heard }),
        }
    }
}

fn slot(name: &str) -> Option<V1Slot> {
    if name == INITIAL_CONTACT {
        return Some(V1Slot::Payload(PayloadType::Notify));
    }
    let inner = name.strip_prefix("V(").and_then(|rest| rest.strip_suffix(')'));
    let known = VENDORS.iter().find(|(known, _)| Some(*known) == inner);
    if let Some((_, vendor)) = known {
        return Some(V1Slot::VendorId(vendor.octets().to_vec()));
    }
    match Slot::parse(name) {
        Some(Slot::VendorId(octets)) => Some(V1Slot::VendorId(octets)),
        _ => PAYLOADS.into_iter().find(|kind| kind.to_string() == name).map(V1Slot::Payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(list: &str) -> String {
        let list: BTreeMap<String, Vec<V1EntryFile>> = toml::from_str(&format!("list = {list}")).unwrap();
        places(&list["list"]).unwrap_err()
    }

    #[test]
    fn vendor_ids_have_names_octets_or_texts() {
        let octets = |name: &str| match slot(name) {
            Some(V1Slot::VendorId(octets)) => octets,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(octets("V(XAUTH)"), KnownVendorId::Xauth.octets());
        assert_eq!(octets("V(0x0102)"), [1, 2]);
        assert_eq!(octets("V(text)"), b"text");
        assert_eq!(slot(INITIAL_CONTACT), Some(V1Slot::Payload(PayloadType::Notify)));
        assert!(slot("TSi").is_none() && slot("V()").is_none());
    }

    #[test]
    fn lists_that_make_no_message_are_refused_with_the_place_at_fault() {
        assert_eq!(refusal("[\"V(XAUTH)\", \"SA\"]"), "SA must be the first payload");
        assert_eq!(refusal("[\"SA\", \"V(DPD)\", \"V(DPD)\"]"), "V(DPD) is listed twice");
        assert_eq!(refusal("[\"AUTH\"]"), "no payload is called \"AUTH\"");
        let conditional = refusal("[{ slot = \"SA\", if_heard = true }]");
        assert_eq!(conditional, "SA is no vendor ID, so it takes no condition");
    }
}
