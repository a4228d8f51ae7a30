//! Traffic selectors of transport mode behind a NAT (RFC 7296 §2.23.1).
//!
//! Each side offers the addresses that it believes in. The responder decides on those that it sees in their place, which are
//! those of the packets that it will send and receive, and names the initiator's own in its answer.

use core::net::IpAddr;

use crate::traffic_selector::TrafficSelectors;
use crate::v2::child_sa::{ChildParts, Selectors};
use crate::v2::ike_sa::Head;
use crate::wire::AddressRange;

/// The two addresses of a request, and what the responder sees of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    local: Moved,
    remote: Moved,
}

/// An address on both sides of the NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moved {
    offered: IpAddr,
    seen: IpAddr,
}

impl Translation {
    /// What lies between the two sides of a request for transport mode; `None` where no address differs, or where one side
    /// offers more than one address, which transport mode behind a NAT has no use for.
    pub(crate) fn of(head: &Head, parts: &ChildParts<'_>) -> Option<Self> {
        let (peers, own) = (only_address(parts.ts_i.as_ref()?)?, only_address(parts.ts_r.as_ref()?)?);
        let seen = |is_behind: bool, path: IpAddr, offered: IpAddr| Moved {
            offered,
            seen: if is_behind { path } else { offered },
        };
        let local = seen(head.nat.local, head.path.local.ip(), own);
        let remote = seen(head.nat.remote, head.path.remote.ip(), peers);
        (local.seen != own || remote.seen != peers).then_some(Self { local, remote })
    }

    /// The request as the responder sees it.
    pub(crate) fn apply<'a>(&self, parts: &ChildParts<'a>) -> ChildParts<'a> {
        let moved = |selectors: &Option<TrafficSelectors>, Moved { seen, .. }: Moved| {
            selectors.as_ref().map(|selectors| readdressed(selectors, seen))
        };
        ChildParts {
            sa: parts.sa,
            ts_i: moved(&parts.ts_i, self.remote),
            ts_r: moved(&parts.ts_r, self.local),
        }
    }

    /// What was agreed on, in the initiator's addresses.
    pub(crate) fn undo(&self, agreed: &Selectors) -> Selectors {
        Selectors {
            local: readdressed(&agreed.local, self.local.offered),
            remote: readdressed(&agreed.remote, self.remote.offered),
        }
    }
}

/// The one address that all selectors speak of.
fn only_address(selectors: &TrafficSelectors) -> Option<IpAddr> {
    let mut addresses = selectors.as_slice().iter().map(|selector| match &selector.addresses {
        AddressRange::V4 { start, end } if start == end => Some(IpAddr::from(*start)),
        AddressRange::V6 { start, end } if start == end => Some(IpAddr::from(*start)),
        AddressRange::V4 { .. } | AddressRange::V6 { .. } | AddressRange::Unknown { .. } => None,
    });
    let first = addresses.next()??;
    addresses.all(|address| address == Some(first)).then_some(first)
}

/// The same selectors of another address.
fn readdressed(selectors: &TrafficSelectors, address: IpAddr) -> TrafficSelectors {
    let addresses = match address {
        IpAddr::V4(address) => AddressRange::V4 { start: address, end: address },
        IpAddr::V6(address) => AddressRange::V6 { start: address, end: address },
    };
    let moved = selectors.as_slice().iter().cloned();
    TrafficSelectors::new(
        moved
            .map(|mut selector| {
                selector.addresses = addresses.clone();
                selector
            })
            .collect(),
    )
}
