//! What holds of any bytes in front of the IKEv1 decoder, for the fuzz target and for its seeds on every test run.

use ipseclab_ike::wire::isakmp::{HEADER_LEN, Header, IdPayload, Message, Payload, payload_octets};

/// Checks that bytes are an error or a message, that a message survives being encoded, and that its payloads are found
/// again where they stand.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let encoded = message.encode();
    assert_eq!(encoded.len(), bytes.len());
    assert_eq!(Message::decode(&encoded).as_ref(), Ok(&message));
    let first = Header::decode(bytes).map(|header| header.next_payload);
    let octets = first.map(|first| payload_octets(first, &bytes[HEADER_LEN..]).collect::<Vec<_>>());
    let octets = octets.unwrap_or_default();
    assert_eq!(octets.len(), message.payloads.len());
    for (payload, (kind, octets)) in message.payloads.iter().zip(octets) {
        assert_eq!((payload.payload_type(), payload.encoded_len()), (kind, octets.len()));
        read(payload);
    }
}

/// Reads a payload in every way that there is; none may panic.
fn read(payload: &Payload) {
    match payload {
        Payload::Id(id) => {
            if let Some(traffic) = id.traffic() {
                let again = IdPayload::of_traffic(&traffic).and_then(|id| id.traffic());
                assert_eq!(again, Some(traffic));
            }
        }
        Payload::Notify(notify) => assert!(notify.dpd_sequence().is_none() || notify.data.len() == 4),
        Payload::Delete(delete) => assert!(delete.spis().all(|spi| !spi.is_empty())),
        Payload::VendorId(id) => assert!(id.known().is_none_or(|known| !known.octets().is_empty())),
        Payload::Sa(sa) => {
            let transforms = sa.proposals.iter().flat_map(|proposal| &proposal.transforms);
            let attributes = transforms.flat_map(|transform| &transform.attributes);
            assert!(attributes.into_iter().all(|attribute| attribute.kind() < 0x8000));
        }
        _ => {}
    }
}
