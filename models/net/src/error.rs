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
    /// The version nibble is not 4.
    #[error("IP version is {version}, not 4")]
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
    /// The UDP length contradicts the IPv4 payload.
    #[error("UDP length {udp_len} does not fit {available} octets")]
    UdpLength {
        /// UDP length field.
        udp_len: u16,
        /// Octets of the IPv4 payload.
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
    /// It is an ICMP message other than echo.
    #[error("ICMP type {icmp_type} code {code} is no echo")]
    NotEcho {
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
            Self::Protocol { .. } | Self::NotEcho { .. } => DropReason::NoListener,
            Self::Truncated { .. }
            | Self::Version { .. }
            | Self::Ipv4Length { .. }
            | Self::UdpLength { .. } => DropReason::MalformedPacket,
        }
    }
}
