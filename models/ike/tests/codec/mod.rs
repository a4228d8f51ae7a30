//! What holds of any bytes in front of the decoder, for the fuzz target and for its seeds on every test run.

use std::sync::Arc;

use ipseclab_crypto::{AesKey, Crypto, Encryption, RealProvider, Secret};
use ipseclab_ike::fragment::{self, Accepted, Draw, FragmentLimits, MessageLimit, Reassembler};
use ipseclab_ike::wire::{Message, Payload};

/// Checks that bytes are an error or a message, and that a message survives being encoded, and being cut into fragments
/// and put together.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let encoded = message.encode();
    assert_eq!(encoded.len(), bytes.len());
    assert_eq!(Message::decode(&encoded).as_ref(), Ok(&message));
    message.payloads.iter().for_each(read);
    if !matches!(message.payloads.last(), None | Some(Payload::Sk(_) | Payload::Skf(_))) {
        cut(message);
    }
}

/// Reads a notification in every way that there is; none may panic, and each fits one type at most.
fn read(payload: &Payload) {
    if let Payload::Notify(notify) = payload {
        let read = [
            notify.child_sa().is_some(),
            notify.as_cookie().is_some(),
            notify.window_size().is_some(),
            notify.hash_algorithms().is_some(),
            notify.as_additional_address().is_some(),
            notify.as_auth_lifetime().is_some(),
            notify.wanted_method().is_some(),
            notify.unsupported_payload().is_some(),
            notify.as_redirect().is_some(),
        ];
        assert!(read.into_iter().filter(|read| *read).count() <= 1);
    }
}

/// Cuts a message into the smallest fragments, and puts them together last first.
fn cut(message: Message) {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let encryption = Encryption::AesGcm16(AesKey::Bits128);
    let cipher = crypto.packet_cipher(encryption, &Secret::new([1; 20]), None);
    let mut fill = |draw: Draw, octets: &mut [u8]| match draw {
        Draw::Iv { fragment } => octets.copy_from_slice(&u64::from(fragment).to_be_bytes()),
        Draw::Padding => octets.fill(0),
    };
    let limit = MessageLimit::new(0);
    let sealed = fragment::seal(&message.header, &message.payloads, &cipher, &mut crypto, limit, &mut fill);
    if sealed.len() == 1 {
        return;
    }
    let limits = FragmentLimits { messages: 1, fragments: u16::MAX, octets: usize::MAX };
    let mut reassembler = Reassembler::new(limits);
    let last = sealed.iter().rev().map(|bytes| reassembler.accept(bytes, &cipher, &mut crypto)).last();
    assert_eq!(last, Some(Ok(Accepted::Complete(message))));
}
