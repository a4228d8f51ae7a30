//! Original address of the sender or the receiver, for checksums in transport mode behind a NAT (RFC 3947 §5.2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::id::IdType;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault};

/// A NAT original address payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOaPayload {
    /// The address as it is on the sender's side of the NAT.
    pub address: IpAddr,
}

impl NatOaPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u8("ID type")?;
        let _reserved = reader.bytes(3, "reserved octets")?;
        let address = match IdType::from_code(kind) {
            IdType::Ipv4 => IpAddr::V4(Ipv4Addr::from(reader.array::<4>("address")?)),
            IdType::Ipv6 => IpAddr::V6(Ipv6Addr::from(reader.array::<16>("address")?)),
            _ => {
                let value = usize::from(kind);
                return Err(reader.fault(Fault::Value { field: "ID type", value, allowed: "1 or 5" }));
            }
        };
        Ok(Self { address })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let kind = if self.address.is_ipv4() { IdType::Ipv4 } else { IdType::Ipv6 };
        writer.u8(kind.code());
        writer.bytes(&[0; 3]);
        match self.address {
            IpAddr::V4(address) => writer.bytes(&address.octets()),
            IpAddr::V6(address) => writer.bytes(&address.octets()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn the_type_says_which_address_it_is() {
        let payload = NatOaPayload { address: [192, 0, 2, 1].into() };
        check_bytes(&Payload::NatOa(payload), &[1, 0, 0, 0, 192, 0, 2, 1]);
        check_bytes(&Payload::NatOaDraft(payload), &[1, 0, 0, 0, 192, 0, 2, 1]);
    }

    #[test]
    fn only_addresses_of_their_length_are_addresses() {
        let kind = PayloadType::NatOa;
        check_error(kind, &[2, 0, 0, 0, 1, 2, 3, 4], "ID type is 2, 1 or 5 is right");
        check_error(kind, &[1, 0, 0, 0, 1, 2, 3], "address needs 4 bytes, 3 remain");
        check_error(kind, &[1, 0, 0, 0, 1, 2, 3, 4, 5], "1 bytes are left over after its last field");
    }

    proptest! {
        #[test]
        fn any_address_survives(address: IpAddr) {
            check_round_trip(&Payload::NatOa(NatOaPayload { address }));
        }
    }
}
