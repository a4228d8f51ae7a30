//! Traffic selectors as configured: fixed ones, and swanctl's `dynamic` for an address that is known only later.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::traffic_selector::TrafficSelectors;
use crate::wire::{AddressRange, TrafficSelector};

/// The configured selectors of one side, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredTs(Vec<TsEntry>);

/// One configured selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TsEntry {
    /// These addresses.
    Fixed(TrafficSelector),
    /// `dynamic[protocol/ports]`: the side's virtual addresses, or its own where it has none.
    Dynamic {
        /// IP protocol, 0 for any.
        protocol: u8,
        /// First port, or ICMP type and code.
        start_port: u16,
        /// Last port, or ICMP type and code.
        end_port: u16,
    },
}

impl TsEntry {
    /// `dynamic` for all protocols and ports.
    pub const DYNAMIC: Self = Self::Dynamic { protocol: 0, start_port: 0, end_port: u16::MAX };
}

impl ConfiguredTs {
    /// These selectors, in this order.
    pub fn new(entries: Vec<TsEntry>) -> Self {
        Self(entries)
    }

    /// swanctl's `dynamic`.
    pub fn dynamic() -> Self {
        Self(vec![TsEntry::DYNAMIC])
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[TsEntry] {
        &self.0
    }

    /// The selectors with one for each of `hosts` in place of each `dynamic`. An unspecified address stands for all of
    /// its family, as a client writes them before it has a virtual address.
    pub fn resolve(&self, hosts: &[IpAddr]) -> TrafficSelectors {
        let mut selectors = Vec::with_capacity(self.0.len());
        for entry in &self.0 {
            match entry {
                TsEntry::Fixed(selector) => selectors.push(selector.clone()),
                TsEntry::Dynamic { protocol, start_port, end_port } => {
                    selectors.extend(hosts.iter().map(|host| TrafficSelector {
                        protocol: *protocol,
                        start_port: *start_port,
                        end_port: *end_port,
                        addresses: range_of(*host),
                    }));
                }
            }
        }
        TrafficSelectors::new(selectors)
    }
}

impl Default for ConfiguredTs {
    /// swanctl's: [`dynamic`](Self::dynamic).
    fn default() -> Self {
        Self::dynamic()
    }
}

impl From<TrafficSelectors> for ConfiguredTs {
    fn from(selectors: TrafficSelectors) -> Self {
        Self(selectors.as_slice().iter().cloned().map(TsEntry::Fixed).collect())
    }
}

fn range_of(host: IpAddr) -> AddressRange {
    match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
            AddressRange::V4 { start: Ipv4Addr::UNSPECIFIED, end: Ipv4Addr::BROADCAST }
        }
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            AddressRange::V6 { start: Ipv6Addr::UNSPECIFIED, end: Ipv6Addr::from_bits(u128::MAX) }
        }
        IpAddr::V4(host) => AddressRange::V4 { start: host, end: host },
        IpAddr::V6(host) => AddressRange::V6 { start: host, end: host },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(configured: &ConfiguredTs, hosts: &[&str], expected: &str) {
        let hosts: Vec<IpAddr> = hosts.iter().map(|host| host.parse().unwrap()).collect();
        assert_eq!(configured.resolve(&hosts).to_string(), expected);
    }

    #[test]
    fn dynamic_is_every_address_of_its_side() {
        check(&ConfiguredTs::default(), &["10.77.0.1", "2001:db8::1"], "10.77.0.1 2001:db8::1");
        check(&ConfiguredTs::dynamic(), &[], "");
    }

    #[test]
    fn before_there_is_an_address_dynamic_is_all_of_its_family() {
        let everything = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        check(
            &ConfiguredTs::dynamic(),
            &["0.0.0.0", "::"],
            &format!("0.0.0.0-255.255.255.255 ::-{everything}"),
        );
    }

    #[test]
    fn dynamic_keeps_its_place_protocol_and_ports() {
        let lan = TrafficSelectors::ipv4_range([10, 1, 0, 0].into(), [10, 1, 0, 255].into());
        let mut entries = ConfiguredTs::from(lan).entries().to_vec();
        entries.insert(0, TsEntry::Dynamic { protocol: 6, start_port: 80, end_port: 80 });
        check(&ConfiguredTs::new(entries), &["10.77.0.1"], "10.77.0.1[6/80] 10.1.0.0-10.1.0.255");
    }
}
