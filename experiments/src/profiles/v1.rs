//! `[v1]` of a vendor profile: habits in `IKEv1`.

use ipseclab_ike::profile::v1::{
    IdPort, IpsecAttribute, LifeForm, V1, V1Entry, V1Message, V1Messages, V1NonceLen, V1ProfileError, V1Slot,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ProfileFileError;

/// Habits in `IKEv1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct V1File {
    /// Octets of nonces, 8 to 256.
    nonce_length: u16,
    /// The form of the lifetime of an ISAKMP SA.
    isakmp_life: LifeFormFile,
    /// The form of the lifetimes of AH and ESP SAs.
    ipsec_life: LifeFormFile,
    /// The order of attributes of AH and ESP transforms: mode, seconds, kilobytes, authentication, key-length, group.
    ipsec_attributes: Vec<String>,
    /// The port that identities of Main Mode name.
    id_port: IdPortFile,
    /// The order of payloads; messages without lists are strongSwan's.
    #[serde(default)]
    messages: V1MessagesFile,
}

/// The form of a number.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum LifeFormFile {
    /// Two octets where it fits.
    Shortest,
    /// With a length, four octets at least.
    Long,
}

/// The port of an identity.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum IdPortFile {
    /// Zero.
    None,
    /// 500, of UDP.
    Isakmp,
}

/// The order of payloads in phase 1, a list for each message.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct V1MessagesFile {
    /// Six lists.
    main_mode: Option<Vec<Vec<V1EntryFile>>>,
    /// Three lists.
    aggressive_mode: Option<Vec<Vec<V1EntryFile>>>,
}

/// A place in a message: `"SA"`, `"V(XAUTH)"`, or a vendor ID with its conditions.
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
    /// The place.
    slot: String,
    /// Only to peers that have sent this one.
    heard: Option<String>,
    /// Not to peers that have sent one of these.
    #[serde(default)]
    unheard: Vec<String>,
}

impl V1File {
    pub(super) fn get(&self) -> Result<V1, ProfileFileError> {
        let range =
            ProfileFileError::Range { key: "v1.nonce_length", value: self.nonce_length, allowed: "8 to 256" };
        let ipsec_attributes = IpsecAttribute::order(&self.ipsec_attributes);
        Ok(V1 {
            messages: self.messages.get()?,
            nonce_len: V1NonceLen::new(self.nonce_length).ok_or(range)?,
            isakmp_life: self.isakmp_life.get(),
            ipsec_life: self.ipsec_life.get(),
            ipsec_attributes: ipsec_attributes.ok_or_else(|| ProfileFileError::Attributes {
                allowed: IpsecAttribute::ALL.map(IpsecAttribute::name).join(", "),
            })?,
            id_port: match self.id_port {
                IdPortFile::None => IdPort::None,
                IdPortFile::Isakmp => IdPort::Isakmp,
            },
        })
    }
}

impl LifeFormFile {
    fn get(self) -> LifeForm {
        match self {
            Self::Shortest => LifeForm::Shortest,
            Self::Long => LifeForm::Long,
        }
    }
}

impl V1MessagesFile {
    fn get(&self) -> Result<V1Messages, V1ProfileError> {
        let mut messages = V1Messages::default();
        let modes: [(_, usize, _, fn(u8) -> V1Message); 2] = [
            ("v1.main_mode", 6, &self.main_mode, V1Message::Main),
            ("v1.aggressive_mode", 3, &self.aggressive_mode, V1Message::Aggressive),
        ];
        for (mode, count, lists, message) in modes {
            let Some(lists) = lists else { continue };
            if lists.len() != count {
                return Err(V1ProfileError::Count { mode, given: lists.len(), messages: count });
            }
            for (number, list) in (1..).zip(lists) {
                let message = message(number);
                let entries: Result<_, _> = list.iter().map(|entry| entry.get(message)).collect();
                messages.set(message, entries?)?;
            }
        }
        Ok(messages)
    }
}

impl V1EntryFile {
    fn get(&self, message: V1Message) -> Result<V1Entry, V1ProfileError> {
        let unknown = |text: &String| V1ProfileError::UnknownSlot { message, slot: text.clone() };
        let slot = |text: &String| V1Slot::parse(text).ok_or_else(|| unknown(text));
        let vendor = |text: &String| match slot(text)? {
            V1Slot::VendorId(octets) => Ok(octets),
            _ => Err(unknown(text)),
        };
        match self {
            Self::Plain(text) => slot(text).map(V1Entry::from),
            Self::Conditional(entry) => Ok(V1Entry {
                slot: slot(&entry.slot)?,
                heard: entry.heard.as_ref().map(vendor).transpose()?,
                unheard: entry.unheard.iter().map(vendor).collect::<Result<_, _>>()?,
            }),
        }
    }
}
