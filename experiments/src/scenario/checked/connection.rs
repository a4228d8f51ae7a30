//! What one node is configured with about a peer: a `connections.<name>` section of its swanctl.conf.

use std::net::IpAddr;

use ipseclab_ike::proposal::{AhProposal, EspProposal, IkeProposal};
use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::{CaTrust, TrafficSelector};
use crate::scenario::file::{
    Childless, CloseAction, DpdAction, Fragmentation, IkeVersion, Mode, SendCert, StartAction, Unique,
};
use crate::scenario::value::{EapMethod, SignatureChoice};

/// A number of [`super::CheckedScenario::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionIndex(pub(in crate::scenario) usize);

/// A tunnel of a connection: its place in [`Connection::children`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildIndex {
    /// The connection.
    pub connection: ConnectionIndex,
    /// The place among its children.
    pub place: usize,
}

/// One node's own configuration of an IKE connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "swanctl.conf has these switches, each on its own")]
pub struct Connection {
    /// The name in the file; many may share it.
    pub name: String,
    /// The name in results: that of the pair when several pairs share the name.
    pub label: String,
    /// The node that has this configuration.
    pub node: NodeIndex,
    /// The node at the other end; `None` when any may be.
    pub peer: Option<NodeIndex>,
    /// Whether the node is the one on whose side the connection was written, and which commands speak of by default.
    pub is_local: bool,
    /// The version of IKE.
    pub version: IkeVersion,
    /// What IKEv1 alone has a use for.
    pub v1: V1Settings,
    /// Where the peer is reached; `None` answers requests from anywhere and cannot initiate (swanctl's `%any`).
    pub remote_address: Option<IpAddr>,
    /// IKE proposals, best first; at least one.
    pub proposals: Vec<IkeProposal>,
    /// What the node shows as its identity.
    pub local_id: Identity,
    /// Which identities of the peer are taken.
    pub remote_id: PeerIdentity,
    /// How the node proves who it is.
    pub local_auth: LocalAuth,
    /// What the node asks of its peer.
    pub remote_auth: RemoteAuth,
    /// The authorities that the node trusts.
    pub trust: Vec<CaTrust>,
    /// Whether certificate requests are sent.
    pub send_certreq: bool,
    /// When certificates are sent.
    pub send_cert: SendCert,
    /// Whether ESP travels in UDP even without NAT.
    pub encap: bool,
    /// Whether signatures say by which algorithm they are (RFC 7427).
    pub signature_authentication: bool,
    /// Whether MOBIKE is announced.
    pub mobike: bool,
    /// Whether large messages travel in pieces.
    pub fragmentation: Fragmentation,
    /// The largest IP packet of a message in pieces.
    pub fragment_size: u16,
    /// Whether the IKE SA may come up without a Child SA.
    pub childless: Childless,
    /// What becomes of older IKE SAs with the same peer.
    pub unique: Unique,
    /// Requests that the peer may have under way at once; at least 1.
    pub window: u32,
    /// When requests are repeated.
    pub retransmission: Retransmission,
    /// How often setting up is tried; zero never gives up.
    pub keying_tries: u32,
    /// After this long without a sign of life, the node asks for one; above zero.
    pub dpd_delay: Option<SimDuration>,
    /// When the IKE SA is renewed.
    pub renewal: Renewal,
    /// Virtual addresses to ask for.
    pub vips: Vec<IpAddr>,
    /// Places in [`super::Credentials::pools`] to hand out from.
    pub pools: Vec<usize>,
    /// Tunnels; at least one, and the first is set up with the IKE SA.
    pub children: Vec<Child>,
}

/// Who a peer says it is (RFC 7296 §3.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Address(IpAddr),
    /// `ID_FQDN`.
    Fqdn(String),
    /// `ID_RFC822_ADDR`.
    Email(String),
    /// `ID_DER_ASN1_DN`, as text such as `C=CH, O=Lab, CN=a.example`.
    DistinguishedName(String),
    /// `ID_KEY_ID`.
    KeyId(Vec<u8>),
}

/// Which identities of a peer are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// Any at all (swanctl's `%any`).
    Any,
    /// This one.
    Exactly(Identity),
    /// Every name that fits, where `*` stands for any run of characters.
    Like(Identity),
}

/// How a node proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAuth {
    /// By a shared key.
    Psk(Vec<u8>),
    /// By a signature.
    PublicKey {
        /// Which one.
        choice: SignatureChoice,
        /// Places in [`super::Credentials::certificates`]; at least one.
        certificates: Vec<usize>,
    },
    /// By a password.
    Eap {
        /// The method.
        method: EapMethod,
        /// The name, where it is not the identity.
        name: Option<String>,
        /// The password.
        password: String,
    },
}

/// What a node asks of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteAuth {
    /// The shared key.
    Psk(Vec<u8>),
    /// A signature with a certificate of a trusted authority.
    PublicKey(SignatureChoice),
    /// A password of one of these users.
    Eap {
        /// The method.
        method: EapMethod,
        /// Whose password it is.
        user: EapUser,
        /// Names and passwords; at least one.
        users: Vec<Eap>,
    },
}

/// Where the name of an EAP peer comes from (swanctl's `eap_id` of a `remote` section).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EapUser {
    /// From an EAP-Identity request (`%any`).
    Asked,
    /// It is the IKE identity, and nobody asks.
    Ike,
    /// It is this one, and nobody asks.
    Named(String),
}

/// A user of EAP or XAUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eap {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// When requests are repeated: after `timeout`, then `timeout` × base, × base² ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// The first wait; above zero.
    pub timeout: SimDuration,
    /// The factor in thousandths, from 1000.
    pub base_thousandths: u32,
    /// How often a request is repeated.
    pub tries: u32,
}

/// When an IKE SA is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Fresh keys after this long; above zero.
    pub rekey_time: Option<SimDuration>,
    /// Fresh authentication after this long; above zero.
    pub reauth_time: Option<SimDuration>,
    /// How long after that the IKE SA is given up.
    pub over_time: SimDuration,
    /// At most so much earlier.
    pub rand_time: SimDuration,
    /// Whether the new IKE SA comes before the old one goes, when authenticating anew.
    pub make_before_break: bool,
}

/// What IKEv1 alone has a use for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct V1Settings {
    /// Aggressive Mode in place of Main Mode.
    pub aggressive: bool,
    /// Whether virtual addresses are sent unasked.
    pub push: bool,
    /// The volume of an ISAKMP SA, in units of 1024 octets; above zero.
    pub life_kilobytes: Option<u32>,
    /// After this long without a sign of life the peer counts as gone; above zero.
    pub dpd_timeout: Option<SimDuration>,
    /// The part in XAUTH.
    pub xauth: Option<Xauth>,
}

/// A part in XAUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Xauth {
    /// Shows a name and its password.
    Client(Eap),
    /// Asks for one of these.
    Server(Vec<Eap>),
}

/// A tunnel in one node's own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The name in the file.
    pub name: String,
    /// Traffic of the node itself; at least one selector.
    pub local_ts: Vec<TrafficSelector>,
    /// Traffic of its peer; at least one selector.
    pub remote_ts: Vec<TrafficSelector>,
    /// ESP proposals, best first; at least one, unless there is AH.
    pub esp_proposals: Vec<EspProposal>,
    /// AH proposals, best first; beside ESP proposals, they stand for bundles of both.
    pub ah_proposals: Vec<AhProposal>,
    /// Tunnel or transport mode.
    pub mode: Mode,
    /// What brings it up at this node.
    pub start_action: StartAction,
    /// What follows when the peer no longer answers.
    pub dpd_action: DpdAction,
    /// What follows when the peer takes it down.
    pub close_action: CloseAction,
    /// Idle time after which this node ends it; above zero.
    pub inactivity: Option<SimDuration>,
    /// When it gets fresh keys by time.
    pub lifetime: Lifetime,
    /// The same by octets.
    pub bytes: Volume,
    /// The same by packets.
    pub packets: Volume,
    /// Packets in the anti-replay window.
    pub replay_window: u32,
    /// Whether ESP may go without integrity, and without AH around it.
    pub unauthenticated_esp: bool,
}

/// When a Child SA gets fresh keys, and when it ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh keys after this long; above zero.
    pub rekey_time: Option<SimDuration>,
    /// The end; above `rekey_time`.
    pub life_time: Option<SimDuration>,
    /// Fresh keys at most so much earlier; at most `rekey_time`.
    pub rand_time: SimDuration,
}

/// The same by what it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Fresh keys after so much; above zero.
    pub rekey: Option<u64>,
    /// The end; above `rekey`.
    pub life: Option<u64>,
    /// Fresh keys at most so much earlier; at most `rekey`.
    pub rand: u64,
}

impl ConnectionIndex {
    /// The position in [`super::CheckedScenario::connections`].
    pub fn index(self) -> usize {
        self.0
    }
}
