//! What a peer can do beyond RFC 2408 and 2409, as its vendor IDs say (RFC 2408 §3.16).
//!
//! Each side announces what it has; whoever hears it may use it. Announcements of ours are data of the profile, and
//! what is not announced by us is not offered to us by a peer that plays by the rules.

use crate::config::{Connection, Fragmentation};
use crate::datagram::Path;
use crate::wire::isakmp::{KnownVendorId, Message, Payload, VendorIdPayload};

/// Vendor IDs that are kept of one peer. Ours: routers send about ten.
const VENDOR_IDS_MAX: usize = 32;
/// Octets of UDP header and non-ESP marker.
const UDP_LEN: usize = 8;
const MARKER_LEN: usize = 4;

/// What a peer can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// All vendor IDs that the peer has sent, in order.
    pub(crate) heard: Vec<VendorIdPayload>,
    /// How long an IP datagram may be before a message goes in pieces; `None` never cuts.
    limit: Option<u16>,
    /// The connection wants no pieces, so that we do not say that we know them.
    hides_fragmentation: bool,
}

impl Abilities {
    /// Notes the vendor IDs of a message in phase 1.
    pub(crate) fn hear(&mut self, message: &Message) {
        for payload in &message.payloads {
            if let Payload::VendorId(id) = payload
                && self.heard.len() < VENDOR_IDS_MAX
                && !self.heard.contains(id)
            {
                self.heard.push(id.clone());
            }
        }
    }

    /// Whether the peer has sent this vendor ID.
    pub(crate) fn has(&self, id: KnownVendorId) -> bool {
        self.heard.iter().any(|heard| heard.known() == Some(id))
    }

    /// Which NAT traversal the peer speaks: that of RFC 3947, or else that of the drafts; `None` when neither.
    pub(crate) fn nat_traversal(&self) -> Option<NatTraversal> {
        use KnownVendorId::{
            NatTraversal as Rfc, NatTraversalDraft02, NatTraversalDraft02Newline, NatTraversalDraft03,
        };
        let drafts = [NatTraversalDraft03, NatTraversalDraft02Newline, NatTraversalDraft02];
        if self.has(Rfc) {
            Some(NatTraversal::Rfc)
        } else {
            drafts.into_iter().any(|draft| self.has(draft)).then_some(NatTraversal::Draft)
        }
    }

    /// The connection is known: messages to a peer that can put pieces together are cut as it wants.
    pub(crate) fn settle(&mut self, connection: &Connection) {
        self.hides_fragmentation = connection.fragmentation == Fragmentation::Off;
        self.limit = match connection.fragmentation {
            Fragmentation::Above(octets) => Some(octets),
            Fragmentation::Off | Fragmentation::Accept => None,
        };
    }

    /// Whether we may say this of ourselves; no other payload is held back.
    pub(crate) fn admits(&self, payload: &Payload) -> bool {
        let Payload::VendorId(id) = payload else { return true };
        !(self.hides_fragmentation && id.known() == Some(KnownVendorId::Fragmentation))
    }

    /// The most octets of a message that is sent whole on `path`; `None` for any.
    pub(crate) fn fragment_limit(&self, path: Path) -> Option<usize> {
        let limit = usize::from(self.limit?);
        let ip = if path.remote.is_ipv4() { 20 } else { 40 };
        let marker = if path.local.port() == crate::config::NAT_T_PORT { MARKER_LEN } else { 0 };
        self.has(KnownVendorId::Fragmentation).then(|| limit.saturating_sub(ip + UDP_LEN + marker))
    }
}

/// Whose numbers NAT discovery uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NatTraversal {
    /// RFC 3947.
    Rfc,
    /// draft-ietf-ipsec-nat-t-ike-02 and -03.
    Draft,
}
