//! What IKEv1 is called in ladders and explanations: messages by their numbers, and payloads that IKEv2 does not have.

use ipseclab_ike::V1Exchange;

/// What the payloads of IKEv1 are for, where they differ from those of IKEv2.
pub(super) const GLOSSARY: [(&str, &str); 11] = [
    ("E", "Encrypted: all payloads after it are inside; what proves them is HASH"),
    ("ID", "Identification: who the sender is, or in Quick Mode which traffic the SAs carry"),
    ("HASH", "Hash: proves the identity in phase 1, and in later messages that they are authentic"),
    ("SIG", "Signature: proves the identity with the key of a certificate"),
    ("NAT-D", "NAT Discovery: hashes of the receiver's and the sender's address; a mismatch reveals a NAT"),
    ("NAT-OA", "NAT Original Address: what an end had before the NAT, for checksums in transport mode"),
    ("N(R-U-THERE)", "Notify: asks for a sign of life (dead peer detection)"),
    ("N(R-U-THERE-ACK)", "Notify: the sign of life"),
    ("N(PAYLOAD_MALFORMED)", "Notify: a message makes no sense, such as one under another key"),
    ("N(INVALID_ID_INFORMATION)", "Notify: no such traffic is to be protected"),
    ("V", "Vendor ID: octets that stand for an extension, such as dead peer detection or NAT traversal"),
];

/// What a message is called: the exchange, and the message's number where the exchange has a fixed course.
pub(super) fn title(exchange: V1Exchange, from_responder: bool, payloads: &[String]) -> String {
    let has = |label: &str| payloads.iter().any(|payload| payload == label);
    let number = match (exchange, from_responder) {
        (V1Exchange::MainMode, responder) => {
            let first = if has("SA") {
                1
            } else if has("KE") {
                3
            } else {
                5
            };
            Some(first + u8::from(responder))
        }
        (V1Exchange::AggressiveMode | V1Exchange::QuickMode, true) => Some(2),
        (V1Exchange::AggressiveMode | V1Exchange::QuickMode, false) => Some(if has("SA") { 1 } else { 3 }),
        (V1Exchange::Informational | V1Exchange::Transaction, _) => None,
    };
    match number {
        Some(number) => format!("{exchange} {number}"),
        None => exchange.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exchange: V1Exchange, from_responder: bool, payloads: &str, expected: &str) {
        let payloads: Vec<_> = payloads.split(' ').map(str::to_owned).collect();
        assert_eq!(title(exchange, from_responder, &payloads), expected);
    }

    #[test]
    fn messages_of_a_fixed_course_are_numbered() {
        check(V1Exchange::MainMode, false, "SA V(DPD)", "Main Mode 1");
        check(V1Exchange::MainMode, true, "KE No NAT-D NAT-D", "Main Mode 4");
        check(V1Exchange::MainMode, false, "ID HASH", "Main Mode 5");
        check(V1Exchange::AggressiveMode, true, "SA KE No ID HASH", "Aggressive Mode 2");
        check(V1Exchange::AggressiveMode, false, "HASH NAT-D NAT-D", "Aggressive Mode 3");
        check(V1Exchange::QuickMode, false, "HASH SA No ID ID", "Quick Mode 1");
        check(V1Exchange::QuickMode, false, "HASH", "Quick Mode 3");
        check(V1Exchange::Informational, false, "HASH D", "Informational");
    }
}
