//! Lengths of protected packets beside those of the packets inside, as a host measures them where it takes the one out of
//! the other.
//!
//! They are what arrived and not what a formula says, so that headers, padding and fields of every form of protection can
//! be read off. A host keeps them where it is asked to: a stream of many lengths makes many rows.

use std::collections::BTreeMap;

use ipseclab_ike::config::{ChildId, Mode};
use ipseclab_ike::{ChildProtocol, ChildSaEstablished};

/// How the packets of a Child SA are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Which child of the configuration it is.
    pub child: ChildId,
    /// `AH`, `ESP` or `AH around ESP`.
    pub protocols: &'static str,
    /// Tunnel or transport.
    pub mode: Mode,
    /// In swanctl's keywords.
    pub algorithms: String,
    /// Whether ESP arrives in UDP.
    pub udp_encap: bool,
}

/// Packets of the same protection and lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRecord<'a> {
    /// How they were protected.
    pub protected: &'a Protected,
    /// Octets of the packet inside; in transport mode those of the packet as it was before, and is again.
    pub inner_octets: u32,
    /// Octets of the packet that arrived, its IP header included.
    pub outer_octets: u32,
    /// How many.
    pub packets: u64,
}

/// What a host has measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct PacketSizes {
    /// In the order in which their first Child SAs came up; renewals with the same algorithms change nothing.
    protections: Vec<Protected>,
    /// Where installed Child SAs stand in that list, by inbound SPI.
    by_spi: BTreeMap<u32, usize>,
    /// By place in that list, octets inside and octets outside.
    packets: BTreeMap<(usize, u32, u32), u64>,
}

impl PacketSizes {
    /// A Child SA is up.
    pub(crate) fn install(&mut self, sa: &ChildSaEstablished) {
        let protected = Protected {
            child: sa.child,
            protocols: sa.protocols(),
            mode: sa.mode,
            algorithms: sa.algorithms(),
            udp_encap: sa.udp_encap && sa.protocol == ChildProtocol::Esp && sa.ah.is_none(),
        };
        let known = self.protections.iter().position(|one| *one == protected);
        let place = known.unwrap_or_else(|| {
            self.protections.push(protected);
            self.protections.len() - 1
        });
        self.by_spi.insert(sa.spi_in, place);
    }

    /// A Child SA is gone.
    pub(crate) fn remove(&mut self, spi_in: u32) {
        self.by_spi.remove(&spi_in);
    }

    /// A packet of `outer` octets came under a Child SA, and one of `inner` octets was in it.
    pub(crate) fn add(&mut self, spi_in: u32, inner: usize, outer: usize) {
        let Some(place) = self.by_spi.get(&spi_in) else { return };
        let octets = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        *self.packets.entry((*place, octets(inner), octets(outer))).or_default() += 1;
    }

    /// What has been measured, by protection, then by the lengths inside and outside.
    pub(crate) fn records(&self) -> impl Iterator<Item = SizeRecord<'_>> {
        self.packets.iter().map(|((place, inner, outer), packets)| SizeRecord {
            protected: &self.protections[*place],
            inner_octets: *inner,
            outer_octets: *outer,
            packets: *packets,
        })
    }
}
