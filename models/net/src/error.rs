//! What can be wrong with the octets of a packet, and the one place that turns it into a drop reason.

use crate::drop::DropReason;

/// Why octets are not the packet that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Fewer octets than the smallest header.
    #[error("{header} header needs {needed} octets, {available} are there")]
    Truncated {
        /// Which header.
        header: &'static str,
        /// Octets that it needs at least.
        needed: usize,
        /// Octets that are there.
        available: usize,
    },
    /// The version nibble is neither 4 nor 6, or not the one that was asked for.
    #[error("IP version {version} does not belong here")]
    Version {
        /// The version found.
        version: u8,
    },
    /// IPv4 header length or total length contradict each other or the octets.
    #[error("IPv4 header length {header_len} and total length {total_len} do not fit {available} octets")]
    Ipv4Length {
        /// Header length in octets.
        header_len: u8,
        /// Total length in octets.
        total_len: u16,
        /// Octets that are there.
        available: usize,
    },
    /// The payload length of IPv6 contradicts the octets.
    #[error("IPv6 payload length {payload_len} does not fit {available} octets")]
    Ipv6Length {
        /// Payload length in octets.
        payload_len: u16,
        /// Octets that are there.
        available: usize,
    },
    /// More extension headers than a packet may have here.
    #[error("more than {max} extension headers")]
    TooManyExtensions {
        /// The most that are walked through.
        max: usize,
    },
    /// The UDP length contradicts the IP payload.
    #[error("UDP length {udp_len} does not fit {available} octets")]
    UdpLength {
        /// UDP length field.
        udp_len: u16,
        /// Octets of the IP payload.
        available: usize,
    },
    /// A checksum does not verify.
    #[error("{header} checksum is wrong")]
    Checksum {
        /// Which header's.
        header: &'static str,
    },
    /// It is a fragment of a larger packet.
    #[error("it is a fragment at octet {offset}")]
    Fragment {
        /// Offset in octets.
        offset: u16,
    },
    /// It carries another protocol.
    #[error("protocol is {found}, not {expected}")]
    Protocol {
        /// The protocol number that was asked for.
        expected: u8,
        /// The protocol number found.
        found: u8,
    },
    /// It is an ICMP message of a type that nothing here makes use of.
    #[error("ICMP type {icmp_type} code {code} is neither echo nor a known error")]
    UnknownIcmp {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
    },
}

impl PacketError {
    /// The reason under which a packet with this fault is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::Checksum { .. } => DropReason::BadChecksum,
            Self::Fragment { .. } => DropReason::FragmentUnsupported,
            Self::Protocol { .. } | Self::UnknownIcmp { .. } => DropReason::NoListener,
            Self::Truncated { .. }
            | Self::Version { .. }
            | Self::Ipv4Length { .. }
            | Self::Ipv6Length { .. }
            | Self::TooManyExtensions { .. }
            | Self::UdpLength { .. } => DropReason::MalformedPacket,
        }
    }
}
