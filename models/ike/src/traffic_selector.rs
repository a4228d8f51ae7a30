//! Sets of traffic selectors and their narrowing (RFC 7296 §2.9).
//!
//! The responder answers with the part of the offer that its policy allows. An offer that begins with the selectors
//! of the packet that caused it keeps them: intersecting each pair and dropping what another selector already covers
//! leaves either the packet's selector or a wider one that includes it.

use core::fmt;
use core::net::Ipv4Addr;

use crate::wire::{AddressRange, TrafficSelector, TsPayload};

/// Most selectors of a payload: its count is one octet (RFC 7296 §3.13).
const SELECTORS_MAX: usize = 255;

/// A set of selectors, in order; the first 255 go on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSelectors(Vec<TrafficSelector>);

impl TrafficSelectors {
    /// The set of `selectors`, in this order.
    pub fn new(selectors: Vec<TrafficSelector>) -> Self {
        Self(selectors)
    }

    /// All traffic of the IPv4 addresses `start..=end`.
    pub fn ipv4_range(start: Ipv4Addr, end: Ipv4Addr) -> Self {
        Self(vec![any_protocol(start, end)])
    }

    /// The selectors, in order.
    pub fn as_slice(&self) -> &[TrafficSelector] {
        &self.0
    }

    /// Whether nothing matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This offer cut down to what `policy` allows; empty when they have nothing in common.
    ///
    /// Two full lists can have more in common than one payload holds: the rest is narrowed away, as §2.9 permits.
    #[must_use = "the offer itself stays as it is"]
    pub fn narrow_to(&self, policy: &Self) -> Self {
        let mut narrowed: Vec<TrafficSelector> = Vec::new();
        for offered in &self.0 {
            for allowed in &policy.0 {
                if let Some(common) = intersect(offered, allowed) {
                    narrowed.push(common);
                }
            }
        }
        narrowed = without_covered(narrowed);
        narrowed.truncate(SELECTORS_MAX);
        Self(narrowed)
    }

    /// Whether every selector lies inside one of `policy`'s: what an initiator asks of the answer to its offer.
    pub fn is_within(&self, policy: &Self) -> bool {
        self.0.iter().all(|inner| policy.0.iter().any(|outer| covers(outer, inner)))
    }

    /// Whether the first selector of `offer` lies inside one of these.
    pub(crate) fn allows_first_of(&self, offer: &Self) -> bool {
        offer.0.first().is_some_and(|first| self.0.iter().any(|outer| covers(outer, first)))
    }

    /// The offer for a packet: its own selector first, then the policy's (RFC 7296 §2.9).
    #[must_use = "the policy itself stays as it is"]
    pub fn preceded_by(&self, packet: TrafficSelector) -> Self {
        let mut selectors = vec![packet];
        selectors.extend_from_slice(&self.0);
        selectors.truncate(SELECTORS_MAX);
        Self(selectors)
    }

    /// The payload that carries this set.
    pub fn to_payload(&self) -> TsPayload {
        TsPayload { selectors: self.0.iter().take(SELECTORS_MAX).cloned().collect() }
    }
}

impl From<&TsPayload> for TrafficSelectors {
    fn from(payload: &TsPayload) -> Self {
        Self(payload.selectors.clone())
    }
}

impl fmt::Display for TrafficSelectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, selector) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            write_selector(f, selector)?;
        }
        Ok(())
    }
}

/// `10.1.0.0-10.1.0.255`, with `[protocol/ports]` where they are narrowed.
fn write_selector(f: &mut fmt::Formatter<'_>, selector: &TrafficSelector) -> fmt::Result {
    match &selector.addresses {
        AddressRange::V4 { start, end } if start == end => write!(f, "{start}")?,
        AddressRange::V4 { start, end } => write!(f, "{start}-{end}")?,
        AddressRange::V6 { start, end } if start == end => write!(f, "{start}")?,
        AddressRange::V6 { start, end } => write!(f, "{start}-{end}")?,
        AddressRange::Unknown { kind, .. } => write!(f, "type {kind}")?,
    }
    match (selector.protocol, selector.start_port, selector.end_port) {
        (0, 0, u16::MAX) => Ok(()),
        (protocol, 0, u16::MAX) => write!(f, "[{protocol}]"),
        (protocol, start, end) if start == end => write!(f, "[{protocol}/{start}]"),
        (protocol, start, end) => write!(f, "[{protocol}/{start}-{end}]"),
    }
}

/// All protocols and ports of `start..=end`.
fn any_protocol(start: Ipv4Addr, end: Ipv4Addr) -> TrafficSelector {
    TrafficSelector {
        protocol: 0,
        start_port: 0,
        end_port: u16::MAX,
        addresses: AddressRange::V4 { start, end },
    }
}

fn intersect(a: &TrafficSelector, b: &TrafficSelector) -> Option<TrafficSelector> {
    let protocol = common_protocol(a.protocol, b.protocol)?;
    let (start_port, end_port) = (a.start_port.max(b.start_port), a.end_port.min(b.end_port));
    // Port ranges that do not overlap have nothing in common; OPAQUE (65535..=0) meets only itself, and an
    // intersection that runs backwards for any other reason is empty.
    let opaque = |ts: &TrafficSelector| ts.start_port > ts.end_port;
    if start_port > end_port && !(opaque(a) && opaque(b)) {
        return None;
    }
    let addresses = common_addresses(&a.addresses, &b.addresses)?;
    Some(TrafficSelector { protocol, start_port, end_port, addresses })
}

/// 0 stands for every protocol (RFC 7296 §3.13.1).
fn common_protocol(a: u8, b: u8) -> Option<u8> {
    match (a, b) {
        (0, other) | (other, 0) => Some(other),
        (one, other) => (one == other).then_some(one),
    }
}

fn common_addresses(a: &AddressRange, b: &AddressRange) -> Option<AddressRange> {
    match (a, b) {
        (AddressRange::V4 { start: a1, end: a2 }, AddressRange::V4 { start: b1, end: b2 }) => {
            let (start, end) = (*a1.max(b1), *a2.min(b2));
            (start <= end).then_some(AddressRange::V4 { start, end })
        }
        (AddressRange::V6 { start: a1, end: a2 }, AddressRange::V6 { start: b1, end: b2 }) => {
            let (start, end) = (*a1.max(b1), *a2.min(b2));
            (start <= end).then_some(AddressRange::V6 { start, end })
        }
        // Two families share no address, and a selector of an unknown type is none of ours.
        (AddressRange::V4 { .. } | AddressRange::V6 { .. } | AddressRange::Unknown { .. }, _) => None,
    }
}

fn covers(outer: &TrafficSelector, inner: &TrafficSelector) -> bool {
    intersect(outer, inner).as_ref() == Some(inner)
}

/// Drops each selector that another one covers; of equal ones the first stays.
fn without_covered(selectors: Vec<TrafficSelector>) -> Vec<TrafficSelector> {
    let needed = |place: usize, selector: &TrafficSelector| {
        !selectors.iter().enumerate().any(|(other_place, other)| {
            other_place != place
                && covers(other, selector)
                && (!covers(selector, other) || other_place < place)
        })
    };
    let keep: Vec<bool> =
        selectors.iter().enumerate().map(|(place, selector)| needed(place, selector)).collect();
    selectors.into_iter().zip(keep).filter_map(|(selector, keep)| keep.then_some(selector)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ts(protocol: u8, ports: (u16, u16), from: [u8; 4], to: [u8; 4]) -> TrafficSelector {
        let addresses = AddressRange::V4 { start: from.into(), end: to.into() };
        TrafficSelector { protocol, start_port: ports.0, end_port: ports.1, addresses }
    }

    fn net(third: u8) -> TrafficSelector {
        ts(0, (0, 65535), [10, 1, third, 0], [10, 1, third, 255])
    }

    fn check_narrowing(offer: &[TrafficSelector], policy: &[TrafficSelector], expected: &[TrafficSelector]) {
        let offer = TrafficSelectors::new(offer.to_vec());
        let policy = TrafficSelectors::new(policy.to_vec());
        let narrowed = offer.narrow_to(&policy);
        assert_eq!(narrowed.as_slice(), expected);
        assert!(narrowed.is_within(&policy) && narrowed.is_within(&offer));
    }

    #[test]
    fn equal_sets_stay_as_they_are() {
        check_narrowing(&[net(0)], &[net(0)], &[net(0)]);
    }

    #[test]
    fn a_wide_offer_is_cut_to_the_policy() {
        let wide = ts(0, (0, 65535), [10, 0, 0, 0], [10, 255, 255, 255]);
        check_narrowing(&[wide], &[net(1), net(2)], &[net(1), net(2)]);
    }

    #[test]
    fn a_narrow_offer_is_kept_by_a_wide_policy() {
        let wide = ts(0, (0, 65535), [10, 0, 0, 0], [10, 255, 255, 255]);
        check_narrowing(&[net(1)], &[wide], &[net(1)]);
    }

    #[test]
    fn the_packets_own_selector_is_absorbed_by_the_network_that_holds_it() {
        // v2-trap-acquire: the request names an echo request and the network, the answer only the network.
        let packet = ts(1, (2048, 2048), [10, 1, 0, 7], [10, 1, 0, 7]);
        check_narrowing(&[packet, net(0)], &[net(0)], &[net(0)]);
    }

    #[test]
    fn the_packets_own_selector_survives_where_the_policy_allows_no_more() {
        let packet = ts(17, (53, 53), [10, 1, 0, 7], [10, 1, 0, 7]);
        let dns = ts(17, (53, 53), [10, 1, 0, 0], [10, 1, 0, 255]);
        check_narrowing(&[packet, net(0)], core::slice::from_ref(&dns), core::slice::from_ref(&dns));
    }

    #[test]
    fn disjoint_addresses_protocols_or_ports_leave_nothing() {
        check_narrowing(&[net(1)], &[net(2)], &[]);
        let udp = ts(17, (0, 65535), [10, 1, 0, 0], [10, 1, 0, 255]);
        let tcp = ts(6, (0, 65535), [10, 1, 0, 0], [10, 1, 0, 255]);
        check_narrowing(core::slice::from_ref(&udp), &[tcp], &[]);
        let low = ts(17, (0, 1023), [10, 1, 0, 0], [10, 1, 0, 255]);
        let high = ts(17, (1024, 65535), [10, 1, 0, 0], [10, 1, 0, 255]);
        check_narrowing(&[low], &[high], &[]);
    }

    #[test]
    fn what_no_payload_could_hold_is_narrowed_away() {
        let offer = (1..=255).map(|protocol| ts(protocol, (0, 65535), [10, 0, 0, 0], [10, 255, 255, 255]));
        let offer = TrafficSelectors::new(offer.collect());
        let policy = TrafficSelectors::new(vec![net(1), net(2)]);
        let narrowed = offer.narrow_to(&policy);
        assert_eq!(narrowed.as_slice().len(), 255);
        assert!(narrowed.is_within(&policy) && narrowed.is_within(&offer));
        assert_eq!(offer.preceded_by(net(1)).as_slice().len(), 255);
    }

    #[test]
    fn twins_are_answered_once() {
        check_narrowing(&[net(1), net(1)], &[net(1)], &[net(1)]);
    }

    #[test]
    fn an_answer_wider_than_the_offer_is_not_within_it() {
        let offer = TrafficSelectors::new(vec![net(1)]);
        let answer = TrafficSelectors::new(vec![ts(0, (0, 65535), [10, 0, 0, 0], [10, 255, 255, 255])]);
        assert!(!answer.is_within(&offer));
        assert!(offer.is_within(&answer));
    }
}
