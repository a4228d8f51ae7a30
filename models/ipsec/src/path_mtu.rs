//! What fits through an SA: its path MTU, and what becomes of packets that are longer (RFC 4301 §8, RFC 1191, RFC 8201).
//!
//! The owner says what its own link takes ([`EngineConfig::path_mtu`](crate::EngineConfig)); routers on the way can say that
//! less passes, and are believed for a while, down to what every path of the version takes. A packet that would be longer
//! than that is treated before it is protected:
//!
//! | packet | before protection | after protection |
//! | --- | --- | --- |
//! | may be fragmented | comes back, to be sent again in fragments | goes out; its outer header may be fragmented |
//! | may not (DF, IPv6), and DF outside too | its sender is told | its sender is told |
//! | may not, but the outer header may | its sender is told | goes out; its outer header may be fragmented |
//!
//! An IPv6 packet of 1280 octets or less must pass, whatever has to be done to its outer header (RFC 2473 §7.1).
//! Fragmenting and reassembly themselves are the owner's, who has the IP layer.

use core::time::Duration;

use crate::header::{IpHeader, Version};

/// When packets that do not fit are fragmented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fragmentation {
    /// Before they are protected, so that the other end reassembles nothing before it decrypts.
    Before,
    /// Afterwards, as RFC 4301 §7 has it.
    #[default]
    After,
}

/// Octets that every path takes (RFC 791 §3.1 with RFC 1191 §3 in mind, RFC 8200 §5).
const fn least(version: Version) -> usize {
    match version {
        Version::V4 => 576,
        Version::V6 => 1280,
    }
}

/// What routers have said about an SA's path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathMtu {
    /// Octets, and when they were learnt.
    learnt: Option<(usize, Duration)>,
}

impl PathMtu {
    /// The greatest packet that passes at time `now`; `None` when nothing is known.
    pub(crate) fn octets(self, now: Duration, configured: Option<usize>, age: Duration) -> Option<usize> {
        let fresh = self.learnt.filter(|(_, since)| now.saturating_sub(*since) < age);
        match (fresh, configured) {
            (Some((learnt, _)), Some(configured)) => Some(learnt.min(configured)),
            (Some((learnt, _)), None) => Some(learnt),
            (None, configured) => configured,
        }
    }

    /// Takes what a router says about a packet of this version; gives the new value when it is one. What a router says of
    /// too little is raised to the least, and 0 means the least (RFC 1191 §5 guesses better, with a table of old links).
    pub(crate) fn learn(
        &mut self,
        now: Duration,
        said: usize,
        version: Version,
        current: Option<usize>,
    ) -> Option<usize> {
        let octets = said.max(least(version));
        if current.is_some_and(|current| current <= octets) {
            return None;
        }
        self.learnt = Some((octets, now));
        Some(octets)
    }
}

/// What becomes of a packet that is too long for its SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It goes out, and its outer header is fragmented by whoever must.
    Passes,
    /// It has to come again in fragments of so many octets.
    Fragment { octets: usize },
    /// Its sender has to send less than so many octets.
    Tell { octets: usize },
}

/// The verdict of the table above on a packet of which `fits` octets would pass.
pub(crate) fn verdict(
    header: &IpHeader,
    outer_dont_fragment: bool,
    fits: usize,
    fragmentation: Fragmentation,
) -> Excess {
    if header.version == Version::V6 && fits < least(Version::V6) {
        return if header.total_len <= least(Version::V6) {
            Excess::Passes
        } else {
            Excess::Tell { octets: least(Version::V6) }
        };
    }
    match (fragmentation, header.dont_fragment) {
        (Fragmentation::Before, false) => Excess::Fragment { octets: fits },
        (Fragmentation::Before, true) => Excess::Tell { octets: fits },
        (Fragmentation::After, true) if outer_dont_fragment => Excess::Tell { octets: fits },
        (Fragmentation::After, _) => Excess::Passes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_mins(10);

    #[test]
    fn what_was_learnt_is_forgotten_after_its_time() {
        let mut mtu = PathMtu::default();
        let now = Duration::from_secs(100);
        assert_eq!(mtu.learn(now, 1400, Version::V4, mtu.octets(now, Some(1500), AGE)), Some(1400));
        assert_eq!(mtu.octets(now + Duration::from_secs(599), Some(1500), AGE), Some(1400));
        assert_eq!(mtu.octets(now + AGE, Some(1500), AGE), Some(1500));
        assert_eq!(mtu.octets(now, Some(1300), AGE), Some(1300), "our own link may take less");
        assert_eq!(mtu.octets(now, None, AGE), Some(1400));
    }

    #[test]
    fn nobody_can_make_it_less_than_every_path_takes_or_more_than_it_is() {
        let mut mtu = PathMtu::default();
        let now = Duration::ZERO;
        assert_eq!(mtu.learn(now, 0, Version::V4, Some(1500)), Some(576));
        assert_eq!(mtu.learn(now, 0, Version::V6, Some(1500)), Some(1280));
        assert_eq!(mtu.learn(now, 9000, Version::V4, Some(1500)), None);
        assert_eq!(mtu.learn(now, 1500, Version::V4, Some(1500)), None);
    }
}
