//! What implementations do in `IKEv1` where RFC 2407 to 2409 and RFC 3947 leave the choice.
//!
//! `IKEv1` fixes less than `IKEv2` does: vendor IDs stand for the notifications, and an attribute has a short and a long
//! form (RFC 2408 §3.3). So the lengths of messages tell implementations apart, and they follow from what is here.
//! Quick Mode, informational and transaction exchanges have no lists: RFC 2409 §5.5 fixes their beginnings, and all known
//! implementations keep one order for the rest.

mod messages;
mod slot;
mod vendor;

pub use messages::{V1Entry, V1Message, V1Messages, V1ProfileError};
pub use slot::V1Slot;
pub use vendor::VendorName;

/// How an implementation behaves in `IKEv1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1 {
    /// The order of payloads in phase 1, with the vendor IDs.
    pub messages: V1Messages,
    /// Octets of nonces.
    pub nonce_len: V1NonceLen,
    /// The form of the lifetime of an ISAKMP SA.
    pub isakmp_life: LifeForm,
    /// The form of the lifetimes of AH and ESP SAs.
    pub ipsec_life: LifeForm,
    /// The order of attributes of AH and ESP transforms.
    pub ipsec_attributes: [IpsecAttribute; 6],
    /// Whether the identities of Main Mode name UDP port 500, or no port at all (RFC 2407 §4.6.2).
    pub id_port: IdPort,
}

/// Octets of a nonce (RFC 2409 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1NonceLen(u16);

impl V1NonceLen {
    /// A length of 8 to 256 octets.
    pub const fn new(octets: u16) -> Option<Self> {
        if octets >= 8 && octets <= 256 { Some(Self(octets)) } else { None }
    }

    /// Octets.
    pub const fn octets(self) -> usize {
        self.0 as usize
    }
}

/// The form of an attribute that is a number (RFC 2408 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeForm {
    /// Type and value of two octets, where the number fits, and with a length otherwise.
    Shortest,
    /// Always with a length, of four octets at least.
    Long,
}

/// Attributes of an AH or ESP transform (RFC 2407 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpsecAttribute {
    /// Encapsulation Mode.
    Mode,
    /// SA Life Type and Duration in seconds.
    Seconds,
    /// SA Life Type and Duration in kilobytes.
    Kilobytes,
    /// Authentication Algorithm.
    Authentication,
    /// Key Length.
    KeyLength,
    /// Group Description.
    Group,
}

impl IpsecAttribute {
    /// All of them, in strongSwan's order.
    pub const ALL: [Self; 6] =
        [Self::KeyLength, Self::Authentication, Self::Group, Self::Mode, Self::Seconds, Self::Kilobytes];

    /// The name in profile files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Seconds => "seconds",
            Self::Kilobytes => "kilobytes",
            Self::Authentication => "authentication",
            Self::KeyLength => "key-length",
            Self::Group => "group",
        }
    }

    /// The order with these names; `None` when one is unknown, missing or repeated.
    pub fn order(names: &[String]) -> Option<[Self; 6]> {
        let named = |name: &String| Self::ALL.into_iter().find(|one| one.name() == name);
        let order: Vec<_> = names.iter().map(named).collect::<Option<_>>()?;
        let order: [Self; 6] = order.try_into().ok()?;
        Self::ALL.iter().all(|one| order.contains(one)).then_some(order)
    }
}

/// The port that an identity of phase 1 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdPort {
    /// Protocol and port are zero.
    None,
    /// UDP and 500 in Main Mode; zero in Aggressive Mode.
    Isakmp,
}

impl Default for V1 {
    /// strongSwan's habits, which are close to the RFCs' examples.
    fn default() -> Self {
        Self {
            messages: V1Messages::default(),
            nonce_len: V1NonceLen(32),
            isakmp_life: LifeForm::Shortest,
            ipsec_life: LifeForm::Shortest,
            ipsec_attributes: IpsecAttribute::ALL,
            id_port: IdPort::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_attributes_names_each_once() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = "mode seconds kilobytes authentication key-length group";
        assert_eq!(IpsecAttribute::order(&names(all)).map(|order| order[0]), Some(IpsecAttribute::Mode));
        for wrong in ["mode", "mode mode kilobytes authentication key-length group", &format!("{all} mode")] {
            assert_eq!(IpsecAttribute::order(&names(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn nonces_have_the_lengths_of_the_rfc() {
        assert_eq!([7, 8, 256, 257].map(|len| V1NonceLen::new(len).is_some()), [false, true, true, false]);
    }
}
