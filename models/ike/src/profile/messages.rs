//! The order of payloads, by message.
//!
//! An exchange decides what a message says; a list decides in which order, and adds announcements that nobody acts on.
//! A payload without a place stays behind the listed one that it followed; before any listed one, it stays in front.
//! Payloads of one place keep their own order, which certificates need (RFC 7296 §3.6). A message of nothing but error
//! notifications stays as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::ProfileError;
use super::kind::{MessageKind, Purpose};
use super::slot::Slot;
use crate::wire::{Message, MessageHeader, NotifyType, Payload, PayloadType};

/// Places of one list. The wire allows 128 payloads, and our own must fit beside those that are added.
const MAX_PLACES: usize = 48;

/// A place of a list, and when an announcement takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place.
    pub slot: Slot,
    /// Announced only beside this payload.
    pub with: Option<Slot>,
    /// Announced only where this payload is not.
    pub without: Option<Slot>,
    /// Announced only to peers whose `IKE_SA_INIT` had this notification.
    pub heard: Option<NotifyType>,
}

/// The lists of a profile; messages without one stay as the exchange builds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages(BTreeMap<MessageKind, Vec<Entry>>);

impl From<Slot> for Entry {
    /// A place without conditions.
    fn from(slot: Slot) -> Self {
        Self { slot, with: None, without: None, heard: None }
    }
}

impl Entry {
    /// The payload to add to a message of `payloads`, if it is to be added.
    fn announcement(&self, payloads: &[Payload], heard: &[NotifyType]) -> Option<Payload> {
        let added = self.slot.announcement()?;
        let present = |slot: &Slot| payloads.iter().any(|payload| slot.takes(payload));
        let due = self.with.as_ref().is_none_or(present)
            && !self.without.as_ref().is_some_and(present)
            && self.heard.is_none_or(|kind| heard.contains(&kind))
            && !present(&self.slot);
        due.then_some(added)
    }

    fn is_conditional(&self) -> bool {
        self.with.is_some() || self.without.is_some() || self.heard.is_some()
    }
}

impl Messages {
    /// Gives messages of `kind` this list.
    ///
    /// # Errors
    /// When the list could not arrange such a message.
    pub fn set(&mut self, kind: MessageKind, list: Vec<Entry>) -> Result<(), ProfileError> {
        check(kind, &list)?;
        self.0.insert(kind, list);
        Ok(())
    }

    /// The list of messages of `kind`, in order.
    pub fn list(&self, kind: MessageKind) -> &[Entry] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The payloads of a message in the order of its list, with its announcements. `heard` is what the peer announced.
    pub(crate) fn arrange<'a>(
        &self,
        header: &MessageHeader,
        payloads: &'a [Payload],
        heard: &[NotifyType],
    ) -> Cow<'a, [Payload]> {
        let list = MessageKind::of(header, payloads).and_then(|kind| self.0.get(&kind));
        match list {
            Some(list) if !is_refusal(payloads) => Cow::Owned(arranged(list, payloads, heard)),
            _ => Cow::Borrowed(payloads),
        }
    }
}

/// What a peer announced in its `IKE_SA_INIT` message, in the order of the message.
pub(crate) fn heard(message: &Message) -> Vec<NotifyType> {
    let kind = |payload: &Payload| match payload {
        Payload::Notify(notify) => Some(notify.kind),
        _ => None,
    };
    message.payloads.iter().filter_map(kind).collect()
}

fn is_refusal(payloads: &[Payload]) -> bool {
    !payloads.is_empty() && payloads.iter().all(|payload| Slot::Error.takes(payload))
}

fn arranged(list: &[Entry], payloads: &[Payload], heard: &[NotifyType]) -> Vec<Payload> {
    let mut here = None;
    let mut placed: Vec<(Option<usize>, Payload)> = Vec::with_capacity(payloads.len() + list.len());
    for payload in payloads {
        here = place(list, payload).or(here);
        placed.push((here, payload.clone()));
    }
    let added = |(place, entry): (usize, &Entry)| Some((Some(place), entry.announcement(payloads, heard)?));
    placed.extend(list.iter().enumerate().filter_map(added));
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, payload)| payload).collect()
}

/// The payload's own place, or for errors the common one.
fn place(list: &[Entry], payload: &Payload) -> Option<usize> {
    let own = list.iter().position(|entry| entry.slot != Slot::Error && entry.slot.takes(payload));
    own.or_else(|| list.iter().position(|entry| entry.slot.takes(payload)))
}

fn check(message: MessageKind, list: &[Entry]) -> Result<(), ProfileError> {
    if list.len() > MAX_PLACES {
        return Err(ProfileError::TooLong { message, places: list.len(), limit: MAX_PLACES });
    }
    for (place, entry) in list.iter().enumerate() {
        let slot = || entry.slot.to_string();
        if !message.carries(&entry.slot) {
            return Err(ProfileError::Foreign { message, slot: slot() });
        }
        if list[..place].iter().any(|earlier| earlier.slot == entry.slot) {
            return Err(ProfileError::Duplicate { message, slot: slot() });
        }
        if entry.is_conditional() && entry.slot.announcement().is_none() {
            return Err(ProfileError::Condition { message, slot: slot() });
        }
    }
    check_cookie(message, list)?;
    let listed = |kind: PayloadType| list.iter().any(|entry| entry.slot == Slot::Payload(kind));
    match message.required().iter().find(|kind| !listed(**kind)) {
        Some(kind) => Err(ProfileError::Missing { message, slot: kind.to_string() }),
        None => Ok(()),
    }
}

fn check_cookie(message: MessageKind, list: &[Entry]) -> Result<(), ProfileError> {
    let cookie = |entry: &Entry| entry.slot == Slot::Notify(NotifyType::Cookie);
    let misplaced = list.iter().position(cookie).is_some_and(|place| place > 0);
    if misplaced && message.purpose == Purpose::IkeSaInit {
        return Err(ProfileError::CookieNotFirst { message });
    }
    Ok(())
}
