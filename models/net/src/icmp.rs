//! ICMP echo (RFC 792): build and read messages, without the IPv4 header around them.
//!
//! Only echo is modelled. A message of another type is an error that names type and code, so that a node can count
//! it; ICMP errors ("fragmentation needed" and the like) are left for the work on path MTU.

use smoltcp::wire::{Icmpv4Message, Icmpv4Packet};

use crate::checksum;
use crate::error::PacketError;

/// Octets of an echo message before its payload.
pub(crate) const ECHO_HEADER_LEN: usize = 8;

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoKind {
    /// Echo request, type 8.
    Request,
    /// Echo reply, type 0.
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

/// The ICMP message of an echo request.
pub fn build_echo_request(ident: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    build(Icmpv4Message::EchoRequest, ident, seq, payload)
}

/// The ICMP message of an echo reply.
pub fn build_echo_reply(ident: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    build(Icmpv4Message::EchoReply, ident, seq, payload)
}

fn build(kind: Icmpv4Message, ident: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(ECHO_HEADER_LEN + payload.len());
    message.resize(ECHO_HEADER_LEN, 0);
    message.extend_from_slice(payload);
    let mut icmp = Icmpv4Packet::new_unchecked(&mut message);
    icmp.set_msg_type(kind);
    icmp.set_msg_code(0);
    icmp.set_echo_ident(ident);
    icmp.set_echo_seq_no(seq);
    icmp.fill_checksum();
    message
}

/// Reads the ICMP message that an IPv4 packet carries (its payload, not the packet).
///
/// # Errors
/// When it is too short, its checksum is wrong, or it is no echo.
pub fn parse_icmp(message: &[u8]) -> Result<Echo<'_>, PacketError> {
    let available = message.len();
    if available < ECHO_HEADER_LEN {
        return Err(PacketError::Truncated { header: "ICMP", needed: ECHO_HEADER_LEN, available });
    }
    if !checksum::verifies(message) {
        return Err(PacketError::Checksum { header: "ICMP" });
    }
    let icmp = Icmpv4Packet::new_unchecked(message);
    let kind = echo_kind(&icmp)?;
    Ok(Echo { kind, ident: icmp.echo_ident(), seq: icmp.echo_seq_no(), payload: &message[ECHO_HEADER_LEN..] })
}

fn echo_kind(icmp: &Icmpv4Packet<&[u8]>) -> Result<EchoKind, PacketError> {
    match (icmp.msg_type(), icmp.msg_code()) {
        (Icmpv4Message::EchoRequest, 0) => Ok(EchoKind::Request),
        (Icmpv4Message::EchoReply, 0) => Ok(EchoKind::Reply),
        (other, code) => Err(PacketError::NotEcho { icmp_type: other.into(), code }),
    }
}

impl Echo<'_> {
    /// The message that answers a request: same identifier, sequence number and payload (RFC 792).
    pub fn reply(&self) -> Vec<u8> {
        build_echo_reply(self.ident, self.seq, self.payload)
    }
}
