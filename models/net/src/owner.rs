//! Whose a packet is: the flow that made it, and the SA that protects it.
//!
//! Books per flow and per SA need to know of a packet that ends somewhere on its way whose it was. The octets do not tell:
//! ESP hides the flow, a NAT changes the ports, a later fragment has no SPI. So it stands beside the octets, in three words
//! that are copied with the packet, and no model may read it to decide what happens to one.
//!
//! Fragments are counted as packets of their own. Cutting a packet into n pieces makes n − 1 further packets of its owner,
//! joining them takes n − 1 away again: made + cut = delivered + joined + dropped + in flight, at any moment.

use core::fmt;

/// A flow, by a number of the owner's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u32);

/// The outbound SA of one host, the other end of which is an inbound SA of its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaId {
    host: u32,
    number: u32,
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The flow whose application made it, or made what it answers.
    pub flow: FlowId,
    /// The SA that protects it at present.
    pub sa: SaId,
}

impl FlowId {
    /// No flow: IKE messages, error messages, floods.
    pub const NONE: Self = Self(0);

    /// The flow in this place of a list.
    ///
    /// # Panics
    /// At the 2³²th place.
    pub fn at(place: usize) -> Self {
        Self(u32::try_from(place + 1).expect("there are fewer than 2^32 - 1 flows"))
    }

    /// Its place in the list; `None` for no flow.
    pub fn place(self) -> Option<usize> {
        usize::try_from(self.0.checked_sub(1)?).ok()
    }
}

impl SaId {
    /// No SA: the packet is in the clear.
    pub const NONE: Self = Self { host: 0, number: 0 };

    /// The SA with this number, from 1 on, of the host with this number.
    pub const fn new(host: u32, number: u32) -> Self {
        Self { host, number }
    }

    /// The number of the host that protects packets with it.
    pub const fn host(self) -> u32 {
        self.host
    }

    /// Its number there; 0 for no SA.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Whether it is one.
    pub const fn is_some(self) -> bool {
        self.number != 0
    }
}

impl Owner {
    /// Nobody's.
    pub const NONE: Self = Self { flow: FlowId::NONE, sa: SaId::NONE };

    /// Of a flow, in the clear.
    pub const fn of_flow(flow: FlowId) -> Self {
        Self { flow, sa: SaId::NONE }
    }

    /// The same packet without protection.
    #[must_use]
    pub const fn opened(self) -> Self {
        Self { sa: SaId::NONE, ..self }
    }

    /// The same packet under an SA.
    #[must_use]
    pub const fn sealed(self, sa: SaId) -> Self {
        Self { sa, ..self }
    }
}

impl fmt::Display for SaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outbound SA {} of host {}", self.number, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_numbers_of_flows_match_and_none_has_no_place() {
        assert_eq!(
            [FlowId::NONE.place(), FlowId::at(0).place(), FlowId::at(7).place()],
            [None, Some(0), Some(7)]
        );
    }

    #[test]
    fn an_owner_takes_twelve_octets_and_protection_goes_on_and_off() {
        assert_eq!(size_of::<Owner>(), 12);
        let (plain, sa) = (Owner::of_flow(FlowId::at(3)), SaId::new(0, 1));
        assert!(sa.is_some() && !SaId::NONE.is_some() && plain.sealed(sa).sa == sa);
        assert_eq!(plain.sealed(sa).opened(), plain);
    }
}
