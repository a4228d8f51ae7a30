//! What a reader of results should be warned of.

use crate::scenario::{CheckedScenario, IkeVersion, LocalAuth};

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
        if exposed && !found.contains(&text) {
            found.push(text);
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
