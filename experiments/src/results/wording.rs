//! What the steps of a node are called in ladders and explanations.
//!
//! A newcomer should learn IKE from these lines, so they say what happens and name the RFC's terms.

use ipseclab_crypto::Secret;
use ipseclab_ike::{
    ChildSaEstablished, CloseReason, Event, FailureReason, IkeSaEstablished, IkeSaKeys, Role,
};
use ipseclab_ipsec::Selectors;
use ipseclab_node::Step;

/// The line for a step, or `None` for steps that the messages show already.
pub(super) fn describe(step: &Step, secrets: bool) -> Option<String> {
    Some(match step {
        Step::Acquire { packet, .. } => acquire(packet),
        Step::IdleTimeout { spi_in } => {
            format!("no packet for the idle time: closes the Child SA with inbound SPI {spi_in:08x}")
        }
        Step::Ike(event) => return describe_event(event, secrets),
    })
}

fn acquire(packet: &Selectors) -> String {
    let what = match packet.protocol {
        1 => "ICMP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        other => format!("protocol {other}"),
    };
    format!(
        "{what} packet {} > {} matches a PROTECT policy without an SA: it waits, and the negotiation begins (acquire)",
        packet.source, packet.destination
    )
}

fn describe_event(event: &Event, secrets: bool) -> Option<String> {
    Some(match event {
        Event::KeysDerived(keys) => keys_derived(keys, secrets),
        Event::IkeSaEstablished(sa) => ike_sa_established(sa),
        Event::ChildSaEstablished(child) => child_sa_established(child, secrets),
        Event::ChildSaFailed { reason, .. } => {
            format!("no Child SA: {}; the IKE SA stays without one", failure(*reason))
        }
        Event::ChildSaClosed { spi_in, reason, .. } => {
            format!("Child SA with inbound SPI {spi_in:08x} closed: {}", close(*reason))
        }
        Event::IkeSaClosed { reason, .. } => format!("IKE SA closed: {}", close(*reason)),
        Event::NegotiationFailed { reason, .. } => format!("negotiation failed: {}", failure(*reason)),
        Event::Dropped(_) => return None,
    })
}

fn keys_derived(sa: &IkeSaKeys, secrets: bool) -> String {
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
    let present = named.iter().filter(|(_, key)| !key.is_empty());
    let listed: Vec<_> = present.map(|(name, key)| name_key(name, key, secrets)).collect();
    format!(
        "chose {}; {} secret and nonces give {}; what follows is encrypted",
        sa.proposal,
        sa.proposal.key_exchange,
        listed.join(", ")
    )
}

fn ike_sa_established(sa: &IkeSaEstablished) -> String {
    let who = match sa.role {
        Role::Initiator => "responder",
        Role::Responder => "initiator",
    };
    let nat = if sa.nat_detected { "; a NAT is on the path, so UDP port 4500 from here on" } else { "" };
    format!("AUTH proves the {who} to be {}: IKE SA {} / {} is up{nat}", sa.peer_id, sa.spi_i, sa.spi_r)
}

fn child_sa_established(child: &ChildSaEstablished, secrets: bool) -> String {
    let mode = match child.mode {
        ipseclab_ike::config::Mode::Tunnel => "tunnel",
        ipseclab_ike::config::Mode::Transport => "transport",
    };
    let udp = if child.udp_encap { " in UDP" } else { "" };
    let mut line = format!(
        "Child SA is up: ESP{udp}, {mode} mode, {}, {} === {}, SPI in {:08x}, out {:08x}; waiting packets go",
        child.proposal, child.local_ts, child.remote_ts, child.spi_in, child.spi_out
    );
    if secrets {
        let keys = [
            ("ESP encryption in", &child.keys_in.encryption),
            ("ESP integrity in", &child.keys_in.integrity),
            ("ESP encryption out", &child.keys_out.encryption),
            ("ESP integrity out", &child.keys_out.integrity),
        ];
        for (name, key) in keys.iter().filter(|(_, key)| !key.is_empty()) {
            line.push_str("; ");
            line.push_str(&name_key(name, key, true));
        }
    }
    line
}

fn name_key(name: &str, key: &Secret, secrets: bool) -> String {
    if secrets { format!("{name} = {}", hex(key.expose())) } else { name.to_owned() }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn failure(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::Timeout => "no answer to any transmission",
        FailureReason::NoProposalChosen => "the two sides share no proposal",
        FailureReason::InvalidKePayload => "the two sides share no key exchange group",
        FailureReason::AuthenticationFailed => "identity or AUTH is not accepted",
        FailureReason::TsUnacceptable => "the traffic selectors have nothing in common",
        FailureReason::InvalidSyntax => "a message breaks the protocol",
        FailureReason::PeerError => "the peer refuses",
        FailureReason::Terminated => "ended by command",
    }
}

fn close(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Local => "we deleted it",
        CloseReason::Remote => "the peer deleted it",
        CloseReason::PeerDead => "the peer no longer answers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_values_appear_on_request_only() {
        let key = Secret::new([0xab, 0xcd]);
        assert_eq!(name_key("SK_d", &key, false), "SK_d");
        assert_eq!(name_key("SK_d", &key, true), "SK_d = abcd");
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
