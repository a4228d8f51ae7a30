//! ICMP for both versions of IP (RFC 792, RFC 4443): echo, and the errors that nodes of the simulation send.
//!
//! The two protocols differ in numbers and in what their checksums cover, not in shape: a header of eight octets, and
//! then a payload or the beginning of the packet that the error is about. So one set of types serves both. A message of
//! another type is an error that names type and code, so that a node can count it.

use crate::address::IpAddr;
use crate::checksum;
use crate::error::PacketError;
use crate::ip::{IpHeader, IpView, build_ip, header_len};
use crate::ipv4::protocol;
use crate::ipv6::is_one_host;

/// Octets of a message before its payload.
pub(crate) const ICMP_HEADER_LEN: usize = 8;
/// The longest error message of ICMP for IPv4, IP header included (RFC 1812 §4.3.2.3).
const ERROR_V4_MAX: usize = 576;
/// The longest error message of ICMP for IPv6, IP header included: the least MTU (RFC 4443 §2.4 c).
const ERROR_V6_MAX: usize = 1280;

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoKind {
    /// Echo request, type 8, or 128 for IPv6.
    Request,
    /// Echo reply, type 0, or 129 for IPv6.
    Reply,
}

/// An echo message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Request or reply.
    pub kind: EchoKind,
    /// Identifier: which ping it belongs to.
    pub ident: u16,
    /// Sequence number within that ping.
    pub seq: u16,
    /// The octets that a reply repeats.
    pub payload: &'a [u8],
}

/// What an error message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// The packet does not fit the next link: "fragmentation needed" (RFC 792, RFC 1191 §4) or "packet too big"
    /// (RFC 4443 §3.2).
    TooBig {
        /// The longest packet that fits; 0 from a router that does not say.
        mtu: u32,
    },
    /// No hops left in transit.
    TimeExceeded,
    /// Fragments were missing when the time for reassembly ran out.
    ReassemblyTimeExceeded,
    /// No way leads there: "network unreachable", "no route to destination".
    NoRoute,
    /// Nobody listens at the port.
    PortUnreachable,
    /// A policy forbids it: "communication administratively prohibited" (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
    Prohibited,
}

/// A message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpMessage<'a> {
    /// A ping's.
    Echo(Echo<'a>),
    /// About a packet that the receiver, or somebody behind it, has sent.
    Error {
        /// What is wrong.
        error: IcmpError,
        /// The beginning of the packet that it is about.
        about: &'a [u8],
    },
}

impl EchoKind {
    const fn code_point(self, is_v6: bool) -> u8 {
        match (self, is_v6) {
            (Self::Request, false) => 8,
            (Self::Reply, false) => 0,
            (Self::Request, true) => 128,
            (Self::Reply, true) => 129,
        }
    }
}

impl IcmpError {
    const ALL: [Self; 6] = [
        Self::TooBig { mtu: 0 },
        Self::TimeExceeded,
        Self::ReassemblyTimeExceeded,
        Self::NoRoute,
        Self::PortUnreachable,
        Self::Prohibited,
    ];

    /// Type and code.
    #[expect(clippy::match_same_arms, reason = "one line for each message, as in the registries")]
    const fn code_point(self, is_v6: bool) -> (u8, u8) {
        match (self, is_v6) {
            (Self::TooBig { .. }, false) => (3, 4),
            (Self::TooBig { .. }, true) => (2, 0),
            (Self::TimeExceeded, false) => (11, 0),
            (Self::TimeExceeded, true) => (3, 0),
            (Self::ReassemblyTimeExceeded, false) => (11, 1),
            (Self::ReassemblyTimeExceeded, true) => (3, 1),
            (Self::NoRoute, false) => (3, 0),
            (Self::NoRoute, true) => (1, 0),
            (Self::PortUnreachable, false) => (3, 3),
            (Self::PortUnreachable, true) => (1, 4),
            (Self::Prohibited, false) => (3, 13),
            (Self::Prohibited, true) => (1, 1),
        }
    }

    /// The second half of the header: zero but for an MTU, which has 16 bits in IPv4.
    fn rest(self, is_v6: bool) -> [u8; 4] {
        match self {
            Self::TooBig { mtu } if is_v6 => mtu.to_be_bytes(),
            Self::TooBig { mtu } => u32::from(u16::try_from(mtu).unwrap_or(u16::MAX)).to_be_bytes(),
            _ => [0; 4],
        }
    }

    fn read(kind: (u8, u8), rest: [u8; 4], is_v6: bool) -> Option<Self> {
        let error = Self::ALL.into_iter().find(|error| error.code_point(is_v6) == kind)?;
        Some(match error {
            // The upper half is unused in IPv4 (RFC 1191 §4).
            Self::TooBig { .. } if is_v6 => Self::TooBig { mtu: u32::from_be_bytes(rest) },
            Self::TooBig { .. } => Self::TooBig { mtu: u16::from_be_bytes([rest[2], rest[3]]).into() },
            other => other,
        })
    }
}

/// The IP packet of an echo message; `header` says from whom to whom, its protocol does not matter.
///
/// # Panics
/// As [`build_ip`].
pub fn build_echo(header: &IpHeader, kind: EchoKind, ident: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let (ident, seq) = (ident.to_be_bytes(), seq.to_be_bytes());
    let rest = [ident[0], ident[1], seq[0], seq[1]];
    build(header, (kind.code_point(header.source.is_ipv6()), 0), rest, payload)
}

/// The IP packet of an error message from `source` about the packet `about`, to whoever has sent that.
///
/// `None` where no error may be sent (RFC 1122 §3.2.2, RFC 4443 §2.4 e): about an error, about a later fragment, about
/// what did not go to one host or does not come from one, and about what is no IP packet of `source`'s family.
///
/// # Panics
/// As [`build_ip`].
pub fn build_icmp_error(source: IpAddr, error: IcmpError, about: &[u8]) -> Option<Vec<u8>> {
    let view = IpView::parse(about).ok()?;
    let is_v6 = source.is_ipv6();
    let is_later_fragment = view.fragment().is_some_and(|fragment| fragment.offset > 0);
    // Of multicast, "packet too big" alone is told (RFC 4443 §2.4 e.3).
    let to_one = is_one_host(view.destination()) || (is_v6 && matches!(error, IcmpError::TooBig { .. }));
    if view.source().is_ipv6() != is_v6
        || is_later_fragment
        || !to_one
        || !is_one_host(view.source())
        || is_error(&view)
    {
        return None;
    }
    let room = if is_v6 { ERROR_V6_MAX } else { ERROR_V4_MAX } - header_len(source) - ICMP_HEADER_LEN;
    let quoted = view.bytes().get(..room).unwrap_or(view.bytes());
    // An error is never cut on its way back: it is short enough for every link (RFC 8200 §5), or may be cut in IPv4.
    let header = IpHeader { dont_fragment: false, ..IpHeader::new(source, view.source(), 0) };
    Some(build(&header, error.code_point(is_v6), error.rest(is_v6), quoted))
}

fn build(header: &IpHeader, (kind, code): (u8, u8), rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let is_v6 = header.source.is_ipv6();
    let protocol = if is_v6 { protocol::ICMPV6 } else { protocol::ICMP };
    let mut message = Vec::with_capacity(ICMP_HEADER_LEN + payload.len());
    message.extend_from_slice(&[kind, code, 0, 0]);
    message.extend_from_slice(&rest);
    message.extend_from_slice(payload);
    let checksum = !covered_sum((header.source, header.destination), &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    build_ip(&IpHeader { protocol, ..*header }, &message)
}

/// The sum of what the checksum covers: in IPv6 a pseudo header, too (RFC 4443 §2.3).
fn covered_sum(ends: (IpAddr, IpAddr), message: &[u8]) -> u16 {
    if ends.0.is_ipv6() {
        checksum::transport_sum(ends, protocol::ICMPV6, message)
    } else {
        checksum::sum(message)
    }
}

/// Whether a packet carries an error message, or might; queries have type 8 and above in IPv4, 128 and above in IPv6.
fn is_error(view: &IpView<'_>) -> bool {
    let kind = view.payload().first().copied();
    match view.protocol() {
        protocol::ICMP => kind.is_none_or(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12)),
        protocol::ICMPV6 => kind.is_none_or(|kind| kind < 128),
        _ => false,
    }
}

/// Reads the message in an IP packet.
///
/// # Errors
/// When the packet is a fragment or carries another protocol than its version's ICMP, and when the message is too
/// short, its checksum is wrong, or its type is none that is known here.
pub fn parse_icmp<'a>(view: &IpView<'a>) -> Result<IcmpMessage<'a>, PacketError> {
    let (is_v6, ends) = (view.source().is_ipv6(), (view.source(), view.destination()));
    let message = view.payload_of(if is_v6 { protocol::ICMPV6 } else { protocol::ICMP })?;
    let available = message.len();
    let Some(([kind, code, _, _, rest @ ..], payload)) = message.split_first_chunk::<ICMP_HEADER_LEN>()
    else {
        return Err(PacketError::Truncated { header: "ICMP", needed: ICMP_HEADER_LEN, available });
    };
    if covered_sum(ends, message) != u16::MAX {
        return Err(PacketError::Checksum { header: "ICMP" });
    }
    if let Some(error) = IcmpError::read((*kind, *code), *rest, is_v6) {
        return Ok(IcmpMessage::Error { error, about: payload });
    }
    let is_kind = |echo: &EchoKind| echo.code_point(is_v6) == *kind && *code == 0;
    let echo = [EchoKind::Request, EchoKind::Reply].into_iter().find(is_kind);
    let echo = echo.ok_or(PacketError::UnknownIcmp { icmp_type: *kind, code: *code })?;
    let (ident, seq) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
    Ok(IcmpMessage::Echo(Echo { kind: echo, ident, seq, payload }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [&str; 2] = ["192.0.2.1", "198.51.100.2"];
    const V6: [&str; 2] = ["2001:db8::1", "2001:db8::2"];

    fn header([source, destination]: [&str; 2], protocol: u8) -> IpHeader {
        IpHeader::new(source.parse().unwrap(), destination.parse().unwrap(), protocol)
    }

    fn check_error_reaches_the_sender(ends: [&str; 2], longest: usize) {
        let big = build_ip(&header(ends, protocol::UDP), &[7; 1400]);
        let router = ends[1].parse().unwrap();
        for error in IcmpError::ALL {
            let error =
                if let IcmpError::TooBig { .. } = error { IcmpError::TooBig { mtu: 1300 } } else { error };
            let packet = build_icmp_error(router, error, &big).unwrap();
            let view = IpView::parse(&packet).unwrap();
            assert_eq!((view.destination().to_string().as_str(), packet.len()), (ends[0], longest));
            let about = &big[..longest - view.header_len() - 8];
            assert_eq!(parse_icmp(&view), Ok(IcmpMessage::Error { error, about }));
            assert_eq!(build_icmp_error(router, error, &packet), None, "no error about an error");
        }
    }

    #[test]
    fn an_error_names_the_packet_to_its_sender() {
        check_error_reaches_the_sender(V4, 576);
        check_error_reaches_the_sender(V6, 1280);
    }

    #[test]
    fn an_echo_round_trips_in_both_versions() {
        for ends in [V4, V6] {
            let packet = build_echo(&header(ends, 0), EchoKind::Reply, 7, 9, b"ping");
            let view = IpView::parse(&packet).unwrap();
            let echo = Echo { kind: EchoKind::Reply, ident: 7, seq: 9, payload: b"ping" };
            assert_eq!(parse_icmp(&view), Ok(IcmpMessage::Echo(echo)));
        }
    }

    #[test]
    fn an_echo_for_ipv6_is_what_etherparse_makes_of_it() {
        let packet = build_echo(&header(V6, 0), EchoKind::Request, 7, 9, b"ping");
        let mut theirs = Vec::new();
        let ends = V6.map(|address| address.parse::<crate::address::Ipv6Addr>().unwrap().octets());
        let builder = etherparse::PacketBuilder::ipv6(ends[0], ends[1], 64).icmpv6_echo_request(7, 9);
        builder.write(&mut theirs, b"ping").unwrap();
        assert_eq!(packet, theirs);
    }

    #[test]
    fn nobody_is_told_of_later_fragments_and_of_crowds() {
        let router = V4[1].parse().unwrap();
        let mut later = build_ip(&header(V4, protocol::UDP), &[7; 40]);
        later[7] = 1;
        later[10..12].fill(0);
        let sum = !checksum::sum(&later[..20]);
        later[10..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(build_icmp_error(router, IcmpError::NoRoute, &later), None);
        let crowd = build_ip(&header([V4[0], "224.0.0.9"], protocol::UDP), &[7; 40]);
        assert_eq!(build_icmp_error(router, IcmpError::TooBig { mtu: 1300 }, &crowd), None);
        let crowd = build_ip(&header([V6[0], "ff02::9"], protocol::UDP), &[7; 40]);
        assert_eq!(build_icmp_error(V6[1].parse().unwrap(), IcmpError::NoRoute, &crowd), None);
        assert!(build_icmp_error(V6[1].parse().unwrap(), IcmpError::TooBig { mtu: 1300 }, &crowd).is_some());
    }
}
