//! Vendor profiles as files: the shipped ones, and those that a user writes.
//!
//! A file is TOML with the keys of [`ProfileFile`]; its message lists are checked by
//! [`ipseclab_ike::profile`], so that what comes out cannot make an invalid message. Facts and their sources stand in the
//! files as comments.
//!
//! Who lowers a scenario starts from the profile's defaults and writes the user's keys over them:
//! `profile.limits_defaults(&mut limits)`, `profile.connection_defaults(&mut connection)` and
//! `profile.child_defaults(&mut child)`, each on a value that has just been made; then `config.profile = profile`.

mod v1;

use ipseclab_ike::config::{
    Childless, Fragmentation, Lifetime, Reauthentication, Renewal, RetransmitPolicy, Volume,
};
use ipseclab_ike::profile::{
    CookieLen, Defaults, Entry, MessageKind, Messages, NonceLen, Profile, ProfileError, Purpose, Slot,
    Thresholds, Timers, V1Habits,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::library::Shipped;
use crate::scenario::{Duration, EspProposal, Factor, IkeProposal, Size};
use crate::structure::suggestion;

/// The shipped vendor profiles by their names.
pub const SHIPPED: &[Shipped] = &[
    Shipped { name: "strongswan", text: include_str!("../data/profiles/strongswan.toml") },
    Shipped { name: "libreswan", text: include_str!("../data/profiles/libreswan.toml") },
    Shipped { name: "cisco-ios", text: include_str!("../data/profiles/cisco-ios.toml") },
];

/// A vendor profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileFileError {
    /// It is no TOML, or has other keys or values than a profile.
    #[error("{}", .0.message())]
    Structure(#[from] toml::de::Error),
    /// A list of payloads that makes no message.
    #[error("messages: {0}")]
    Messages(#[from] ProfileError),
    /// Something about IKEv1 that makes no message.
    #[error("v1.{0}")]
    V1(String),
    /// An ESP proposal without integrity.
    #[error("defaults.esp_proposals: {0:?} has no integrity algorithm")]
    Unprotected(String),
    /// A number outside its range.
    #[error("{key} is {value}, allowed is {allowed}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        value: u16,
        /// What it may be.
        allowed: &'static str,
    },
    /// No shipped profile has this name.
    #[error("there is no profile {name:?}{}", .nearest.as_ref().map_or(String::new(), |name| format!(", {name}")))]
    Unknown {
        /// The name.
        name: String,
        /// A shipped one that is spelt nearly the same.
        nearest: Option<String>,
    },
}

impl ProfileFileError {
    /// Where in the text the mistake stands, if that is known.
    pub fn span(&self) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Structure(error) => error.span(),
            _ => None,
        }
    }
}

/// How an implementation behaves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "ipseclab vendor profile")]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// The name that configurations use.
    name: String,
    /// The version that it describes.
    describes: String,
    timers: TimersFile,
    thresholds: ThresholdsFile,
    defaults: DefaultsFile,
    /// The order of payloads; messages without a list stay as they are built.
    #[serde(default)]
    messages: MessagesFile,
    /// Habits in `IKEv1`. Default: strongSwan's.
    v1: Option<v1::V1File>,
}

/// Waits and intervals.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimersFile {
    /// The first wait for an answer.
    retransmit_timeout: Duration,
    /// The growth of the wait from one try to the next.
    retransmit_base: Factor,
    /// Repetitions before giving up.
    retransmit_tries: u32,
    /// How long a half-open IKE SA waits for `IKE_AUTH`.
    half_open_timeout: Duration,
    /// Between two keepalives to a NAT's outside.
    keep_alive: Duration,
    /// The longest wait before what met a passing obstacle is tried again.
    retry_interval: Duration,
    /// At most this much of that wait is left out at random.
    retry_jitter: Duration,
    /// How long a responder waits before it tells that EAP has failed.
    eap_failure_delay: Duration,
    /// After this long without a sign of life one is asked for; never if absent.
    dpd_delay: Option<Duration>,
}

/// Numbers of half-open IKE SAs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    /// From this many on, first requests must bring a cookie.
    cookie: usize,
    /// The same for those of one address.
    cookie_per_address: usize,
    /// More than this many are not kept.
    half_open: usize,
    /// The same for those of one address.
    half_open_per_address: usize,
}

/// What connections are like unless configured.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DefaultsFile {
    /// IKE proposals in order of preference.
    ike_proposals: Vec<IkeProposal>,
    /// ESP proposals in order of preference.
    esp_proposals: Vec<EspProposal>,
    /// Whether RFC 4555 is announced.
    mobike: bool,
    /// Whether large messages travel in pieces.
    fragmentation: FragmentationFile,
    /// Octets of the largest IP datagram in one piece.
    fragment_size: u16,
    /// Whether an IKE SA may come up without a Child SA.
    childless: ChildlessFile,
    /// Whether certificates are asked for.
    send_certreq: bool,
    /// Octets of nonces, 32 to 256.
    nonce_length: u16,
    /// Octets of cookies, 1 to 64.
    cookie_length: u8,
    ike_lifetime: IkeLifetimeFile,
    child_lifetime: ChildLifetimeFile,
}

/// Whether large messages travel in pieces.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FragmentationFile {
    /// When the peer can.
    Yes,
    /// Understood and not sent.
    Accept,
    /// Never.
    No,
}

/// Whether an IKE SA may come up without a Child SA.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ChildlessFile {
    /// As a responder.
    Allow,
    /// As an initiator too, where the responder can.
    Prefer,
    /// Always.
    Force,
    /// Never.
    Never,
}

/// When IKE SAs are renewed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys of swanctl.conf")]
struct IkeLifetimeFile {
    /// Fresh keys after this long; never if absent.
    rekey_time: Option<Duration>,
    /// A fresh authentication after this long; never if absent.
    reauth_time: Option<Duration>,
    /// How long after that it is given up.
    over_time: Duration,
    /// Renewed at most this much earlier.
    rand_time: Duration,
}

/// When Child SAs are renewed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChildLifetimeFile {
    /// Fresh keys after this long; never if absent.
    rekey_time: Option<Duration>,
    /// The end; never if absent.
    life_time: Option<Duration>,
    /// Renewed at most this much earlier.
    rand_time: Duration,
    /// Fresh keys after this much data in one direction; never if absent.
    rekey_bytes: Option<Size>,
    /// The end after this much data; never if absent.
    life_bytes: Option<Size>,
}

/// The order of payloads by exchange.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MessagesFile {
    ike_sa_init: Option<ListsFile>,
    ike_auth: Option<ListsFile>,
    /// The messages of `IKE_AUTH` that EAP needs.
    ike_auth_eap: Option<ListsFile>,
    create_child_sa: Option<ListsFile>,
    rekey_ike_sa: Option<ListsFile>,
    informational: Option<ListsFile>,
}

/// The order of payloads in both directions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListsFile {
    request: Vec<EntryFile>,
    response: Vec<EntryFile>,
}

/// A place in a message: `"SA"`, `"N(COOKIE)"`, `"V(text)"`, or an announcement with its conditions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum EntryFile {
    /// A place.
    Plain(String),
    /// An announcement that is not always made.
    Conditional(ConditionalFile),
}

/// An announcement that is not always made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConditionalFile {
    /// The place.
    slot: String,
    /// Only beside this payload.
    with: Option<String>,
    /// Only where this payload is not.
    without: Option<String>,
    /// Only to peers whose `IKE_SA_INIT` had this notification.
    heard: Option<String>,
}

/// Reads a profile.
///
/// # Errors
/// When the text is no profile, or one of its lists makes no message.
pub fn parse(text: &str) -> Result<Profile, ProfileFileError> {
    let file: ProfileFile = toml::from_str(text)?;
    Ok(Profile {
        timers: file.timers.get(),
        thresholds: file.thresholds.get(),
        defaults: file.defaults.get()?,
        messages: file.messages.get()?,
        v1: file.v1.map_or_else(|| Ok(V1Habits::default()), |file| file.get())?,
        name: file.name,
        describes: file.describes,
    })
}

/// The shipped profile `name`.
///
/// # Errors
/// When there is none, with the name that may have been meant.
pub fn shipped(name: &str) -> Result<Profile, ProfileFileError> {
    match SHIPPED.iter().find(|profile| profile.name == name) {
        Some(profile) => parse(profile.text),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> ProfileFileError {
    let names: Vec<_> = SHIPPED.iter().map(|profile| profile.name).collect();
    ProfileFileError::Unknown { name: name.to_owned(), nearest: suggestion(name, &names) }
}

fn span(duration: Duration) -> core::time::Duration {
    core::time::Duration::from_nanos(duration.span().as_nanos())
}

impl TimersFile {
    fn get(&self) -> Timers {
        let (timeout, base_permille) = (span(self.retransmit_timeout), self.retransmit_base.thousandths());
        Timers {
            retransmit: RetransmitPolicy { timeout, base_permille, tries: self.retransmit_tries },
            half_open_timeout: span(self.half_open_timeout),
            keep_alive: span(self.keep_alive),
            retry_interval: span(self.retry_interval),
            retry_jitter: span(self.retry_jitter),
            eap_failure_delay: span(self.eap_failure_delay),
            dpd_delay: self.dpd_delay.map(span),
        }
    }
}

impl ThresholdsFile {
    fn get(self) -> Thresholds {
        let Self { cookie, cookie_per_address, half_open, half_open_per_address } = self;
        Thresholds { cookie, cookie_per_address, half_open, half_open_per_address }
    }
}

impl DefaultsFile {
    fn get(&self) -> Result<Defaults, ProfileFileError> {
        let range = |key, value, allowed| ProfileFileError::Range { key, value, allowed };
        let (nonce, cookie) = (self.nonce_length, self.cookie_length);
        if let Some(bare) = self.esp_proposals.iter().find(|proposal| proposal.needs_ah()) {
            return Err(ProfileFileError::Unprotected(bare.text().to_owned()));
        }
        Ok(Defaults {
            ike_proposals: self.ike_proposals.iter().map(|proposal| proposal.parsed().clone()).collect(),
            esp_proposals: self.esp_proposals.iter().map(|proposal| proposal.parsed().clone()).collect(),
            renewal: self.ike_lifetime.get(),
            lifetime: self.child_lifetime.get(),
            bytes: self.child_lifetime.bytes(),
            mobike: self.mobike,
            fragmentation: self.fragmentation.get(self.fragment_size),
            childless: self.childless.get(),
            send_certreq: self.send_certreq,
            nonce_len: NonceLen::new(nonce).ok_or(range("defaults.nonce_length", nonce, "32 to 256"))?,
            cookie_len: CookieLen::new(cookie).ok_or(range(
                "defaults.cookie_length",
                cookie.into(),
                "1 to 64",
            ))?,
        })
    }
}

impl FragmentationFile {
    fn get(self, size: u16) -> Fragmentation {
        match self {
            Self::Yes => Fragmentation::Above(size),
            Self::Accept => Fragmentation::Accept,
            Self::No => Fragmentation::Off,
        }
    }
}

impl ChildlessFile {
    fn get(self) -> Childless {
        match self {
            Self::Allow => Childless::Allow,
            Self::Prefer => Childless::Prefer,
            Self::Force => Childless::Force,
            Self::Never => Childless::Never,
        }
    }
}

impl IkeLifetimeFile {
    fn get(self) -> Renewal {
        Renewal {
            rekey_time: self.rekey_time.map(span),
            reauth_time: self.reauth_time.map(span),
            over_time: span(self.over_time),
            rand_time: span(self.rand_time),
            reauthentication: Reauthentication::default(),
        }
    }
}

impl ChildLifetimeFile {
    fn get(self) -> Lifetime {
        let (rekey_time, life_time) = (self.rekey_time.map(span), self.life_time.map(span));
        Lifetime { rekey_time, life_time, rand_time: span(self.rand_time) }
    }

    fn bytes(self) -> Volume {
        Volume { rekey: self.rekey_bytes.map(Size::octets), life: self.life_bytes.map(Size::octets), rand: 0 }
    }
}

impl MessagesFile {
    fn get(&self) -> Result<Messages, ProfileError> {
        let mut messages = Messages::default();
        for purpose in Purpose::ALL {
            let Some(lists) = self.lists(purpose) else { continue };
            for (kind, list) in [(purpose.request(), &lists.request), (purpose.response(), &lists.response)] {
                let entries: Result<_, _> = list.iter().map(|entry| entry.get(kind)).collect();
                messages.set(kind, entries?)?;
            }
        }
        Ok(messages)
    }

    fn lists(&self, purpose: Purpose) -> Option<&ListsFile> {
        match purpose {
            Purpose::IkeSaInit => self.ike_sa_init.as_ref(),
            Purpose::IkeAuth => self.ike_auth.as_ref(),
            Purpose::IkeAuthEap => self.ike_auth_eap.as_ref(),
            Purpose::CreateChildSa => self.create_child_sa.as_ref(),
            Purpose::RekeyIkeSa => self.rekey_ike_sa.as_ref(),
            Purpose::Informational => self.informational.as_ref(),
        }
    }
}

impl EntryFile {
    fn get(&self, message: MessageKind) -> Result<Entry, ProfileError> {
        let slot = |text: &str| {
            Slot::parse(text).ok_or_else(|| ProfileError::UnknownSlot { message, slot: text.to_owned() })
        };
        let entry = match self {
            Self::Plain(text) => return slot(text).map(Entry::from),
            Self::Conditional(entry) => entry,
        };
        let optional = |text: &Option<String>| text.as_deref().map(slot).transpose();
        let heard = match &entry.heard {
            None => None,
            Some(text) => match slot(text)? {
                Slot::Notify(kind) => Some(kind),
                _ => return Err(ProfileError::UnknownSlot { message, slot: text.clone() }),
            },
        };
        let (with, without) = (optional(&entry.with)?, optional(&entry.without)?);
        Ok(Entry { slot: slot(&entry.slot)?, with, without, heard })
    }
}
