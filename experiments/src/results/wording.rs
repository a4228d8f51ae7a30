//! What the steps of a node are called in ladders and explanations.
//!
//! A newcomer should learn IKE from these lines, so they say what happens and name the RFC's terms.

use std::net::IpAddr;

use ipseclab_crypto::Secret;
use ipseclab_ike::config::IkeVersion;
use ipseclab_ike::credential::ChainError;
use ipseclab_ike::eap::EapFailure;
use ipseclab_ike::wire::{AddressRange, TrafficSelector};
use ipseclab_ike::{
    ChildProtocol, ChildSaEstablished, CloseReason, CreateChildSubject, Event, FailureReason,
    IkeSaEstablished, IkeSaKeys, IsakmpSaKeys, Role, TrafficSelectors, VirtualAddress,
};
use ipseclab_ipsec::{ChildSaCounters, Selectors};
use ipseclab_net::protocol;
use ipseclab_node::Step;

use super::v1_wording;
use crate::scenario::hex;

/// The lines for a step; none for steps that the messages show already. Values of keys have a line each, to be copied.
pub(super) fn describe(step: &Step, secrets: bool) -> Vec<String> {
    match step {
        Step::Acquire { packet, .. } => vec![acquire(packet)],
        Step::IdleTimeout { spi_in } => {
            vec![format!("no packet for the idle time: closes the Child SA with inbound SPI {spi_in:08x}")]
        }
        Step::Carried { spi_in, carried } => vec![carried_line(*spi_in, *carried)],
        Step::Ike(event) => {
            let values = if secrets { key_values(event) } else { vec![] };
            describe_event(event).into_iter().chain(values).collect()
        }
    }
}

/// What the payloads of IKE messages are for, by the names that ladders use.
const GLOSSARY: [(&str, &str); 30] = [
    ("SA", "Security Association: the algorithms offered, or the ones chosen"),
    ("KE", "Key Exchange: a Diffie-Hellman public value"),
    ("No", "Nonce: fresh random octets, so that no two IKE SAs get the same keys"),
    (
        "N(NAT_DETECTION_SOURCE_IP)",
        "Notify: a hash of the sender's address and port; a mismatch reveals a NAT",
    ),
    ("N(NAT_DETECTION_DESTINATION_IP)", "Notify: the same for the receiver's address and port"),
    ("N(COOKIE)", "Notify: shows that the initiator receives at the address that it claims"),
    ("N(INVALID_KE_PAYLOAD)", "Notify: try again with this Diffie-Hellman group"),
    ("N(IKEV2_FRAGMENTATION_SUPPORTED)", "Notify: the sender understands messages in several pieces"),
    ("N(SIGNATURE_HASH_ALGORITHMS)", "Notify: the hashes that signatures may be over"),
    ("N(CHILDLESS_IKEV2_SUPPORTED)", "Notify: the IKE SA may come up without a Child SA"),
    ("N(MOBIKE_SUPPORTED)", "Notify: the sender can go on from another address"),
    ("N(INITIAL_CONTACT)", "Notify: the sender has no other IKE SA with this peer"),
    ("N(AUTHENTICATION_FAILED)", "Notify: the proof is not accepted; the reason stays secret"),
    ("N(NO_PROPOSAL_CHOSEN)", "Notify: no offer is acceptable"),
    ("N(TS_UNACCEPTABLE)", "Notify: no such traffic is to be protected"),
    ("N(TEMPORARY_FAILURE)", "Notify: try again later"),
    ("N(CHILD_SA_NOT_FOUND)", "Notify: there is no such Child SA to renew"),
    ("N(INTERNAL_ADDRESS_FAILURE)", "Notify: there is no virtual address to lend"),
    ("N(REKEY_SA)", "Notify: the Child SA that the new one is to take the place of"),
    ("N(USE_TRANSPORT_MODE)", "Notify: the Child SA is to protect packets without a tunnel"),
    ("SK", "Encrypted and authenticated: all payloads after it are inside"),
    ("IDi", "Identification: who the initiator is"),
    ("IDr", "Identification: who the responder is, or is wanted to be"),
    ("CERT", "Certificate: the sender's, or one that leads from it to an authority"),
    ("CERTREQ", "Certificate Request: the authorities that the sender trusts"),
    ("EAP", "Extensible Authentication Protocol: one step of proving a password"),
    ("CP", "Configuration: asks for or lends a virtual address, and name servers"),
    ("AUTH", "Authentication: proves the identity, and that nobody changed IKE_SA_INIT"),
    ("TSi", "Traffic Selector: which traffic of the initiator's side the Child SA carries"),
    ("TSr", "Traffic Selector: which traffic of the responder's side the Child SA carries"),
];
/// What a Delete is for; kept apart, as its name is one letter.
const DELETE: (&str, &str) = ("D", "Delete: ends the IKE SA, or the Child SAs whose SPIs it lists");

/// The names among `labels` that the glossary explains, with what they mean.
pub(super) fn glossary<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<(&'static str, &'static str)> {
    let seen: std::collections::BTreeSet<_> = labels.collect();
    let all = GLOSSARY.into_iter().chain(v1_wording::GLOSSARY).chain([DELETE]);
    all.filter(|(name, _)| seen.contains(name)).collect()
}

fn acquire(packet: &Selectors) -> String {
    format!(
        "{} packet {} > {} matches a PROTECT policy without an SA: it waits, and the negotiation begins (acquire)",
        protocol_name(packet.protocol),
        packet.source,
        packet.destination
    )
}

fn protocol_name(number: u8) -> String {
    match number {
        protocol::ICMP => "ICMP".to_owned(),
        protocol::TCP => "TCP".to_owned(),
        protocol::UDP => "UDP".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn carried_line(spi_in: u32, carried: ChildSaCounters) -> String {
    let (out, back) = (carried.outbound, carried.inbound);
    let plural = if out.packets == 1 { "" } else { "s" };
    format!(
        "Child SA with inbound SPI {spi_in:08x} carried {} packet{plural} out and {} in ({} and {} octets)",
        out.packets, back.packets, out.octets, back.octets
    )
}

fn describe_event(event: &Event) -> Option<String> {
    Some(match event {
        Event::KeysDerived(keys) => keys_derived(keys),
        Event::IsakmpKeysDerived(keys) => isakmp_keys_derived(keys),
        Event::IkeSaEstablished(sa) => ike_sa_established(sa),
        Event::VirtualAddress(agreed) => virtual_address(agreed),
        Event::ChildSaEstablished(child) => child_sa_established(child),
        Event::ChildSaFailed { reason, .. } => {
            format!("no Child SA: {}; the IKE SA stays without one", failure(*reason))
        }
        Event::ChildSaClosed { spi_in, reason, .. } => {
            format!("Child SA with inbound SPI {spi_in:08x} closed: {}", close(*reason))
        }
        Event::IkeSaClosed { reason, .. } => format!("IKE SA closed: {}", close(*reason)),
        Event::NegotiationFailed { reason, .. } => format!("negotiation failed: {}", failure(*reason)),
        Event::ChildSaReady { spi_in, .. } => {
            format!("packets go out on the Child SA with inbound SPI {spi_in:08x} from now on")
        }
        Event::RekeyFailed { spi_in: Some(spi_in), reason, .. } => {
            format!("the Child SA with inbound SPI {spi_in:08x} is not renewed: {}", failure(*reason))
        }
        Event::RekeyFailed { spi_in: None, reason, .. } => {
            format!("the IKE SA is not renewed: {}", failure(*reason))
        }
        Event::IkeSaRekeyed { .. } => "the new IKE SA takes over the Child SAs of the old one".to_owned(),
        Event::PathChanged(change) => format!("the IKE SA and its Child SAs move to {}", change.remote),
        Event::TrapWanted { .. } => "the next packet sets the Child SA up again".to_owned(),
        Event::CreateChildSaBegan { subject, .. } => create_child_began(*subject),
        Event::Initiated { replaces: Some(_), .. } => {
            "sets up a new IKE SA with a fresh authentication, before the old one goes".to_owned()
        }
        Event::Initiated { replaces: None, .. } | Event::Dropped(_) => return None,
    })
}

fn create_child_began(subject: CreateChildSubject) -> String {
    match subject {
        CreateChildSubject::Child(_) => "asks for a further Child SA under this IKE SA".to_owned(),
        CreateChildSubject::RekeyChild(spi_in) => {
            format!("asks for fresh keys for the Child SA with inbound SPI {spi_in:08x} (rekeying)")
        }
        CreateChildSubject::RekeyIke => "asks for fresh keys for the IKE SA itself (rekeying)".to_owned(),
    }
}

fn virtual_address(agreed: &VirtualAddress) -> String {
    let list = |addresses: &[IpAddr]| {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        addresses.join(" ")
    };
    let whose = if agreed.role == Role::Initiator { "received" } else { "lent" };
    let addresses = list(&agreed.addresses);
    match agreed.dns.as_slice() {
        [] => format!("virtual address {whose}: {addresses}"),
        dns => format!("virtual address {whose}: {addresses}, name servers {}", list(dns)),
    }
}

/// The keys of an IKE SA that are not empty, by their names.
fn ike_keys(sa: &IkeSaKeys) -> Vec<(&'static str, &Secret)> {
    let keys = &sa.keys;
    let named = [
        ("SKEYSEED", &keys.skeyseed),
        ("SK_d", &keys.sk_d),
        ("SK_ai", &keys.sk_ai),
        ("SK_ar", &keys.sk_ar),
        ("SK_ei", &keys.sk_ei),
        ("SK_er", &keys.sk_er),
        ("SK_pi", &keys.sk_pi),
        ("SK_pr", &keys.sk_pr),
    ];
    named.into_iter().filter(|(_, key)| !key.is_empty()).collect()
}

/// The keys of an ISAKMP SA by their names.
fn isakmp_keys(sa: &IsakmpSaKeys) -> Vec<(&'static str, &Secret)> {
    vec![
        ("SKEYID", &sa.skeyid),
        ("SKEYID_d", &sa.skeyid_d),
        ("SKEYID_a", &sa.skeyid_a),
        ("SKEYID_e", &sa.skeyid_e),
        ("encryption key", &sa.encryption_key),
    ]
}

fn isakmp_keys_derived(sa: &IsakmpSaKeys) -> String {
    format!(
        "chose {}; {} secret and nonces give SKEYID, SKEYID_d, SKEYID_a, SKEYID_e",
        sa.proposal, sa.proposal.key_exchange
    )
}

/// The values of the keys that an event brings.
fn key_values(event: &Event) -> Vec<String> {
    let keys = match event {
        Event::KeysDerived(sa) => ike_keys(sa),
        Event::IsakmpKeysDerived(sa) => isakmp_keys(sa),
        Event::ChildSaEstablished(child) => child_keys(child),
        _ => vec![],
    };
    keys.into_iter().map(|(name, key)| format!("{name} = {}", hex(key.expose()))).collect()
}

fn child_keys(child: &ChildSaEstablished) -> Vec<(&'static str, &Secret)> {
    let [integrity_in, integrity_out] = match child.protocol {
        ChildProtocol::Esp => ["ESP integrity in", "ESP integrity out"],
        ChildProtocol::Ah => ["AH integrity in", "AH integrity out"],
    };
    let named = [
        ("ESP encryption in", &child.keys_in.encryption),
        (integrity_in, &child.keys_in.integrity),
        ("ESP encryption out", &child.keys_out.encryption),
        (integrity_out, &child.keys_out.integrity),
    ];
    let ah =
        child.ah.iter().flat_map(|ah| [("AH integrity in", &ah.key_in), ("AH integrity out", &ah.key_out)]);
    named.into_iter().chain(ah).filter(|(_, key)| !key.is_empty()).collect()
}

fn keys_derived(sa: &IkeSaKeys) -> String {
    let names: Vec<_> = ike_keys(sa).into_iter().map(|(name, _)| name).collect();
    format!(
        "chose {}; {} secret and nonces give {}; what follows is encrypted",
        sa.proposal,
        sa.proposal.key_exchange,
        names.join(", ")
    )
}

fn ike_sa_established(sa: &IkeSaEstablished) -> String {
    let who = match sa.role {
        Role::Initiator => "responder",
        Role::Responder => "initiator",
    };
    let nat = if sa.nat_detected { "; a NAT is on the path, so UDP port 4500 from here on" } else { "" };
    let (proof, kind) = match sa.version {
        IkeVersion::V1 => ("phase 1", "ISAKMP"),
        IkeVersion::V2 => ("AUTH", "IKE"),
    };
    format!("{proof} proves the {who} to be {}: {kind} SA {} / {} is up{nat}", sa.peer_id, sa.spi_i, sa.spi_r)
}

fn child_sa_established(child: &ChildSaEstablished) -> String {
    let mode = match child.mode {
        ipseclab_ike::config::Mode::Tunnel => "tunnel",
        ipseclab_ike::config::Mode::Transport => "transport",
    };
    let udp = if child.udp_encap { " in UDP" } else { "" };
    // Packets wait where the negotiation began.
    let then = if child.role == Role::Initiator { "; waiting packets go" } else { "" };
    format!(
        "Child SA is up: {}{udp}, {mode} mode, {}, {} === {}, SPI in {:08x}, out {:08x}{then}",
        child.protocols(),
        child.algorithms(),
        selectors(&child.local_ts),
        selectors(&child.remote_ts),
        child.spi_in,
        child.spi_out
    )
}

/// Selectors as swanctl writes them: networks by prefix, other ranges by both ends.
fn selectors(set: &TrafficSelectors) -> String {
    set.as_slice().iter().map(selector).collect::<Vec<_>>().join(" ")
}

fn selector(selector: &TrafficSelector) -> String {
    let (first, last) = (selector.start_port, selector.end_port);
    let ports = match (first, last) {
        (0, u16::MAX) => String::new(),
        (first, last) if first == last => format!("/{first}"),
        (first, last) => format!("/{first}-{last}"),
    };
    let addresses = addresses(&selector.addresses);
    match selector.protocol {
        0 if ports.is_empty() => addresses,
        0 => format!("{addresses}[any{ports}]"),
        protocol => format!("{addresses}[{}{ports}]", protocol_name(protocol).to_lowercase()),
    }
}

fn addresses(range: &AddressRange) -> String {
    match range {
        AddressRange::V4 { start, end } => match prefix_len(start.to_bits(), end.to_bits()) {
            Some(32) => start.to_string(),
            Some(len) => format!("{start}/{len}"),
            None => format!("{start}-{end}"),
        },
        AddressRange::V6 { start, end } => format!("{start}-{end}"),
        AddressRange::Unknown { kind, .. } => format!("type {kind}"),
    }
}

/// The prefix length of a range that is a network.
fn prefix_len(first: u32, last: u32) -> Option<u32> {
    let host_bits = first ^ last;
    let is_network = host_bits & host_bits.wrapping_add(1) == 0 && first & host_bits == 0;
    is_network.then(|| host_bits.leading_zeros())
}

fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::Timeout => "no answer to any transmission",
        FailureReason::NoProposalChosen => "the two sides share no proposal",
        FailureReason::InvalidKePayload => "the two sides share no key exchange group",
        FailureReason::AuthenticationFailed => "the peer does not accept our authentication",
        FailureReason::IdentityMismatch => "no connection is for these identities",
        FailureReason::AuthMethodMismatch => "the peer authenticates in another way than configured",
        FailureReason::WrongSecret => "the two sides have different secrets",
        FailureReason::NoSecret => "we have no secret for the two identities",
        FailureReason::NoCertificate => "we have no fitting certificate with its key",
        FailureReason::NoSignature => "our key fails to sign",
        FailureReason::NoSignatureScheme => "the two sides share no signature scheme",
        FailureReason::NoPeerCertificate => "the peer sent no certificate",
        FailureReason::MalformedCertificate => "the peer's certificate cannot be read",
        FailureReason::IdentityNotCertified => "the peer's certificate is not for its identity",
        FailureReason::Certificate(error) => certificate(error),
        FailureReason::UnsupportedSignature => "the peer's kind of signature is not supported",
        FailureReason::SignatureNotAllowed => "the peer's kind of signature is not allowed",
        FailureReason::BadSignature => "the peer's signature is wrong",
        FailureReason::Eap(failure) => eap(failure),
        FailureReason::TsUnacceptable => "the traffic selectors have nothing in common",
        FailureReason::InvalidSyntax => "a message breaks the protocol",
        FailureReason::PeerError => "the peer refuses",
        FailureReason::Terminated => "ended by command",
        FailureReason::TemporaryFailure => "the peer is busy with something that this would cross",
        FailureReason::ChildSaNotFound => "the peer does not know the Child SA",
        FailureReason::NoAdditionalSas => "no further Child SA is allowed",
        FailureReason::Duplicate => "the two sides have an IKE SA already",
        FailureReason::AddressFailure => "there is no virtual address to lend",
        FailureReason::CpRequired => "the responder wants to be asked for a virtual address",
        FailureReason::Childless => "the two sides disagree on setting up without a Child SA",
        FailureReason::Undecryptable => "the peer's proof does not decrypt or is wrong: the secrets differ",
        FailureReason::WrongMode => "the peer asks for another mode of phase 1 than is configured",
        FailureReason::XauthFailed => "extended authentication has failed",
    }
}

fn certificate(error: ChainError) -> &'static str {
    match error {
        ChainError::NoTrustAnchor => "no trusted authority issued the peer's certificate",
        ChainError::Expired => "a certificate of the peer has expired",
        ChainError::NotYetValid => "a certificate of the peer is not yet valid",
        ChainError::Revoked => "a certificate of the peer is revoked",
        ChainError::RevocationUnknown => "nothing tells whether a certificate of the peer is revoked",
        ChainError::BadSignature => "a certificate of the peer is not signed by its issuer",
        ChainError::UnsupportedSignature => "a certificate of the peer is signed in an unsupported way",
        ChainError::NotACa => "a certificate of the peer was issued by no authority",
        ChainError::PathTooLong => "the peer's certificate path is too long",
        ChainError::KeyUsage => "a certificate of the peer is not for this use",
        ChainError::UnsupportedKey => "a certificate of the peer has an unsupported key",
        ChainError::UnsupportedExtension => "a certificate of the peer has an unsupported extension",
        ChainError::TooManySignatures => "the peer sent too many certificates to search",
    }
}

fn eap(failure: EapFailure) -> &'static str {
    match failure {
        EapFailure::BadPassword => "EAP: the two sides have different passwords",
        EapFailure::UnknownIdentity => "EAP: nobody has a password for the name",
        EapFailure::MethodRefused => "EAP: the two sides share no method",
        EapFailure::Denied => "EAP: the peer refuses",
        EapFailure::ProtocolError => "EAP: a packet does not fit the conversation",
        EapFailure::TooManyRounds => "EAP: the conversation is too long",
    }
}

fn close(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Local => "we deleted it",
        CloseReason::Remote => "the peer deleted it",
        CloseReason::PeerDead => "the peer no longer answers",
        CloseReason::Rekeyed => "another one has taken its place",
        CloseReason::Redundant => "two renewals crossed, and the other one stayed",
        CloseReason::Expired => "its lifetime is over",
        CloseReason::Replaced => "the peer has begun anew",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glossary_explains_what_occurs_and_no_more() {
        let names = |labels: &[&'static str]| -> Vec<_> {
            glossary(labels.iter().copied()).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&["TSi", "SA", "SA", "N(UNKNOWN)"]), ["SA", "TSi"]);
        assert!(names(&[]).is_empty());
    }

    fn check_addresses(start: [u8; 4], end: [u8; 4], expected: &str) {
        assert_eq!(addresses(&AddressRange::V4 { start: start.into(), end: end.into() }), expected);
    }

    #[test]
    fn ranges_that_are_networks_are_written_with_a_prefix_and_no_others() {
        check_addresses([10, 1, 0, 0], [10, 1, 255, 255], "10.1.0.0/16");
        check_addresses([0, 0, 0, 0], [255, 255, 255, 255], "0.0.0.0/0");
        check_addresses([10, 1, 0, 1], [10, 1, 0, 1], "10.1.0.1");
        check_addresses([10, 1, 0, 0], [10, 1, 0, 2], "10.1.0.0-10.1.0.2");
        check_addresses([10, 1, 0, 1], [10, 1, 0, 2], "10.1.0.1-10.1.0.2");
        check_addresses([10, 1, 0, 128], [10, 1, 1, 127], "10.1.0.128-10.1.1.127");
    }

    #[test]
    fn narrowed_selectors_name_protocol_and_ports() {
        let addresses = AddressRange::V4 { start: [10, 1, 0, 1].into(), end: [10, 1, 0, 1].into() };
        let with = |protocol, start_port, end_port| {
            selector(&TrafficSelector { protocol, start_port, end_port, addresses: addresses.clone() })
        };
        assert_eq!(with(0, 0, u16::MAX), "10.1.0.1");
        assert_eq!(with(17, 0, u16::MAX), "10.1.0.1[udp]");
        assert_eq!(with(17, 53, 53), "10.1.0.1[udp/53]");
        assert_eq!(with(0, 1, 9), "10.1.0.1[any/1-9]");
    }

    #[test]
    fn what_a_child_sa_carried_is_told_by_direction() {
        let mut carried = ChildSaCounters::default();
        (carried.outbound.packets, carried.outbound.octets, carried.inbound.packets) = (1, 84, 2);
        let line = carried_line(0xabc, carried);
        assert_eq!(
            line,
            "Child SA with inbound SPI 00000abc carried 1 packet out and 2 in (84 and 0 octets)"
        );
    }

    #[test]
    fn an_acquire_names_the_packet_and_the_term() {
        let packet = Selectors {
            source: [10, 1, 0, 1].into(),
            destination: [10, 2, 0, 1].into(),
            protocol: 1,
            source_port: Some(0x0800),
            destination_port: Some(0x0800),
        };
        let line = acquire(&packet);
        assert!(line.starts_with("ICMP packet 10.1.0.1 > 10.2.0.1") && line.ends_with("(acquire)"), "{line}");
    }
}
