//! What a reader of results should be warned of.

use std::collections::BTreeSet;

use ipseclab_ike::proposal::EspProposal;

use crate::scenario::{CheckedScenario, Child, Connection, IkeVersion, LocalAuth};

/// Warnings about a scenario, in the order of its connections, then of its nodes; none for most.
pub fn warnings(scenario: &CheckedScenario) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for connection in &scenario.connections {
        let exposed = connection.version == IkeVersion::V1
            && connection.v1.aggressive
            && matches!(connection.local_auth, LocalAuth::Psk(_));
        let text = format!(
            "{}: Aggressive Mode with a pre-shared key. Its second message shows a hash over the key to anybody who asks or \
             listens, and keys can be tried against it offline, unseen and as fast as hardware allows (RFC 2409 §5.4); use \
             Main Mode or IKEv2, or a long random key",
            connection.label
        );
        if exposed {
            warn_once(&mut found, text);
        }
    }
    for connection in &scenario.connections {
        let weak = weak_algorithms(connection);
        if !weak.is_empty() {
            let weak: Vec<_> = weak.into_iter().collect();
            warn_once(
                &mut found,
                format!(
                    "{}: {} offered. They are for old peers alone: RFC 8247 and RFC 8221 advise against them",
                    connection.label,
                    list_of_names(&weak)
                ),
            );
        }
        let bare = |child: &&Child| {
            let hides_alone = |proposal: &EspProposal| {
                proposal.integrity.is_empty() && !proposal.encryption.iter().all(|one| one.is_aead())
            };
            child.ah_proposals.is_empty() && child.esp_proposals.iter().any(hides_alone)
        };
        if let Some(child) = connection.children.iter().find(bare) {
            warn_once(
                &mut found,
                format!(
                    "{}: ESP of `{}` without integrity. Anybody on the way can change its packets unseen (RFC 8221 §4)",
                    connection.label, child.name
                ),
            );
        }
    }
    let unaligned = scenario.nodes.iter().filter(|node| node.is_host && node.esp_alignment == 1);
    let names: Vec<_> = unaligned.map(|node| node.name.as_str()).collect();
    if !names.is_empty() {
        found.push(format!(
            "{}: ESP without the alignment of its trailer (esp_alignment = 1). RFC 4303 §2.4 requires it, and no real device \
             leaves it out: lengths and rates are those of published calculations and not of a network",
            list_of_names(&names)
        ));
    }
    found
}

/// Both sides of a connection have the same.
fn warn_once(found: &mut Vec<String>, text: String) {
    if !found.contains(&text) {
        found.push(text);
    }
}

/// The keywords of algorithms that a connection offers and that are there for old peers.
fn weak_algorithms(connection: &Connection) -> BTreeSet<&'static str> {
    let children = || connection.children.iter();
    let esp = || children().flat_map(|child| &child.esp_proposals);
    let ah = children().flat_map(|child| &child.ah_proposals).flat_map(|proposal| &proposal.integrity);
    let ciphers = connection.proposals.iter().flat_map(|proposal| &proposal.encryption);
    let ciphers = ciphers.chain(esp().flat_map(|proposal| &proposal.encryption));
    let macs = connection.proposals.iter().flat_map(|proposal| &proposal.integrity);
    let macs = macs.chain(esp().flat_map(|proposal| &proposal.integrity)).chain(ah);
    let ciphers = ciphers.filter(|one| one.is_weak()).map(|one| one.keyword());
    ciphers.chain(macs.filter(|one| one.is_weak()).map(|one| one.keyword())).collect()
}

/// The names, or how many there are beside the first three.
fn list_of_names(names: &[&str]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} others", rest.len())
        }
        few => few.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Override, load};

    fn of(scenario: &str, settings: &[&str]) -> Vec<String> {
        let settings: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
        warnings(&load(scenario, &settings).unwrap())
    }

    #[test]
    fn weak_algorithms_and_esp_without_integrity_are_warned_of() {
        let child = "connections.office.children.lan";
        let weak = of("site-to-site", &[&format!("{child}.esp_proposals=[\"3des-md5\"]")]);
        assert_eq!(weak.len(), 1, "{weak:?}");
        assert!(weak[0].starts_with("office: 3des, md5 offered."), "{weak:?}");
        let bare = of(
            "site-to-site",
            &[&format!("{child}.esp_proposals=[\"aes128\"]"), &format!("{child}.unauthenticated_esp=true")],
        );
        assert_eq!(bare.len(), 1, "{bare:?}");
        assert!(bare[0].starts_with("office: ESP of `lan` without integrity"), "{bare:?}");
    }

    #[test]
    fn aggressive_mode_with_a_shared_key_is_warned_of_once() {
        let found = of("ikev1-aggressive-mode", &[]);
        assert_eq!(found.len(), 1, "both sides have the same connection");
        assert!(found[0].starts_with("office: Aggressive Mode") && found[0].contains("offline"), "{found:?}");
    }

    #[test]
    fn main_mode_and_ikev2_are_not() {
        assert!(of("ikev1-main-mode", &[]).is_empty());
        assert!(of("ikev1-aggressive-mode", &["connections.office.aggressive=false"]).is_empty());
        assert!(of("site-to-site", &[]).is_empty());
    }

    #[test]
    fn esp_without_alignment_is_warned_of_with_its_nodes() {
        let found = of("site-to-site", &["nodes.left.esp_alignment=1", "nodes.right.esp_alignment=4"]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("left: ESP without the alignment"), "{found:?}");
        let many = of("hub-and-spoke", &[r"nodes.spoke-*.esp_alignment=1"]);
        assert!(many[0].starts_with("spoke-1, spoke-2, spoke-3 and 5 others: "), "{many:?}");
    }
}
