//! AH negotiated by IKEv2: alone, in both modes, with its life from the first packet to the Delete (RFC 4302, RFC 7296).

use ipseclab_experiments::run::RunResult;
use ipseclab_output::SaKind;

use super::support::{Kind, closures, count, offices, outcomes, run};

const SHA256: &str = "connections.office.children.lan={ ah_proposals = [\"sha256\"] }";

fn check_protected(result: &RunResult, why: &str) {
    assert!(outcomes(result).iter().all(|outcome| *outcome == "established"), "{why}");
    assert_eq!(result.flows[0].lost_packets, 0, "{why}");
    let sent = usize::try_from(result.flows[0].sent_packets).unwrap();
    assert_eq!(count(result, "right", Kind::Ah), 2 * sent, "{why}");
    let others = [Kind::Esp, Kind::Plain, Kind::Udp4500].map(|kind| count(result, "right", kind));
    assert_eq!(others, [0; 3], "{why}");
}

#[test]
fn ah_protects_what_a_tunnel_is_for_and_hides_nothing() {
    for child in ["{ ah_proposals = [\"sha256\"] }", "{ ah_proposals = [\"aesxcbc-sha1-esn\"] }"] {
        let result = run(&offices(&[&format!("connections.office.children.lan={child}")], ""));
        check_protected(&result, child);
    }
    let result = run(&offices(&[SHA256], ""));
    assert_eq!(result.negotiations[0].esp_proposal, "sha256");
    let right = result.observed.iter().find(|node| node.name == "right").unwrap();
    // The inner header follows the outer one and AH: 20, 12 and 16 octets of ICV.
    let inner = |bytes: &[u8]| bytes[9] == 51 && bytes[48 + 12..48 + 16] == [10, 1, 0, 1];
    assert_eq!(right.records.packets.iter().filter(|packet| inner(&packet.bytes)).count(), 10);
}

#[test]
fn ah_in_transport_mode_protects_the_nodes_own_traffic() {
    let own = "[connections.office.children.lan]\nah_proposals = [\"sha1\"]\nmode = \"transport\"\n";
    let traffic = "[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nsource = \"198.18.0.1\"\n\
                   destination = \"198.18.0.2\"\nstop = \"10s\"\n";
    let text = format!(
        "name = \"own\"\nduration = \"20s\"\n[topology]\nkind = \"pair\"\nlink = {{ delay = \"10ms\" }}\n\
         [connections.office]\nlocal = \"left\"\nremote = \"right\"\nauth = {{ psk = \"secret\" }}\n{own}{traffic}"
    );
    let result = run(&super::support::scenario(&text, &["outputs.packet_sizes=true"]));
    check_protected(&result, "transport");
    let lengths: Vec<_> = result.packet_sizes.iter().map(|row| (row.inner_bytes, row.outer_bytes)).collect();
    assert_eq!(lengths, [(84, 108); 2]);
}

#[test]
fn a_tunnel_under_ah_is_renewed_without_a_lost_packet_and_deleted_when_idle() {
    let result = run(&offices(
        &[
            "connections.office.children.lan={ ah_proposals = [\"sha256-x25519\"], rekey_time = \"3s\", life_time = \"4s\", \
             rand_time = \"0s\", inactivity = \"15s\" }",
            "traffic.0.interval=100ms",
        ],
        "",
    ));
    check_protected(&result, "renewed");
    let renewed =
        result.renewals.iter().filter(|row| row.exchange == "child" && row.failure_reason.is_empty());
    assert!(renewed.count() >= 3, "{:?}", result.renewals);
    let ends = closures(&result);
    assert!(ends.contains(&("left", SaKind::Child, "rekeyed", 3)), "{ends:?}");
    assert!(ends.iter().any(|end| (end.0, end.1, end.2) == ("right", SaKind::Child, "remote")), "{ends:?}");
}

#[test]
fn sides_with_other_algorithms_of_ah_have_nothing_in_common() {
    let other =
        "connections.office.children.lan={ ah_proposals = [\"sha256\"], remote_ah_proposals = [\"sha1\"] }";
    let result = run(&offices(&[other], ""));
    assert!(outcomes(&result).iter().all(|outcome| *outcome == "no_proposal_chosen"));
    assert_eq!((result.flows[0].received_packets, count(&result, "right", Kind::Ah)), (0, 0));
}

#[test]
fn esp_without_integrity_works_for_who_insists() {
    let child = "connections.office.children.lan";
    let settings =
        [format!("{child}.esp_proposals=[\"aes128\"]"), format!("{child}.unauthenticated_esp=true")];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let result = run(&offices(&settings, ""));
    assert_eq!((result.flows[0].sent_packets, result.flows[0].lost_packets), (10, 0));
    assert_eq!(result.negotiations[0].esp_proposal, "aes128");
}
