//! UDP encapsulation of ESP: port 4500 shared with IKE (RFC 3948 §2, RFC 7296 §2.23).
//!
//! A datagram on port 4500 is IKE when its first four octets are zero (no SPI is), a keepalive when it is the single
//! octet 0xff, and ESP otherwise. RFC 3948 §2.1 would rather see a zero UDP checksum over IPv4; strongSwan computes it,
//! and so do we, to agree with its captures. It is not checked on receipt: the ICV covers more.

/// UDP port of IKE and encapsulated ESP (RFC 3948 §2).
pub const NAT_TRAVERSAL_PORT: u16 = 4500;
/// UDP port of plain IKE (RFC 7296 §2).
pub const IKE_PORT: u16 = 500;
/// The four octets in front of IKE messages on port 4500 (RFC 3948 §2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// The payload of a NAT keepalive (RFC 3948 §2.3).
pub const NAT_KEEPALIVE: [u8; 1] = [0xff];

/// The ports of the UDP header around ESP, in the direction of the SA that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpEncap {
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver; a NAT's mapping when the receiver is behind one.
    pub destination_port: u16,
}

impl UdpEncap {
    /// The ports of the other direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { source_port: self.destination_port, destination_port: self.source_port }
    }
}

/// What the payload of a datagram on port 4500 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port4500<'a> {
    /// An IKE message, without the marker.
    Ike(&'a [u8]),
    /// An ESP packet, from its SPI on.
    Esp(&'a [u8]),
    /// A NAT keepalive.
    Keepalive,
    /// Fewer octets than a marker or an SPI has.
    Malformed,
}

impl<'a> Port4500<'a> {
    /// Tells IKE, ESP and keepalives apart by the first octets of a UDP payload.
    pub fn classify(payload: &'a [u8]) -> Self {
        match payload.split_first_chunk() {
            Some((&NON_ESP_MARKER, message)) => Self::Ike(message),
            Some(_) => Self::Esp(payload),
            None if payload == NAT_KEEPALIVE => Self::Keepalive,
            None => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_zero_octets_mean_ike() {
        assert_eq!(Port4500::classify(&[0, 0, 0, 0, 7]), Port4500::Ike(&[7]));
        assert_eq!(Port4500::classify(&[0, 0, 0, 0]), Port4500::Ike(&[]));
    }

    #[test]
    fn any_other_first_word_means_esp() {
        assert_eq!(Port4500::classify(&[0, 0, 1, 0]), Port4500::Esp(&[0, 0, 1, 0]));
        assert_eq!(Port4500::classify(&[0xff; 5]), Port4500::Esp(&[0xff; 5]));
    }

    #[test]
    fn a_keepalive_is_one_octet_of_ones() {
        assert_eq!(Port4500::classify(&[0xff]), Port4500::Keepalive);
        for short in [&[][..], &[0], &[0xff, 0xff], &[0, 0, 0]] {
            assert_eq!(Port4500::classify(short), Port4500::Malformed);
        }
    }
}
