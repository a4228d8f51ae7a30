//! A victim and a string of octets that says what to throw at it: what the fuzz target `endpoint` runs, and what the
//! tests run on its corpus.

use ipseclab_ike::wire::{Message, Payload};

use super::craft::Crafter;
use super::stage::{HALF_OPEN, Stage, Staged};

/// Plays an input to its end.
///
/// The first octet chooses the stage. Then come chunks: an octet that says how to throw, two octets of length, and
/// bytes. Chunks with an odd first octet are taken for a message without SK and sealed under the peer's keys.
///
/// # Panics
/// When somebody is let in without the secret, more than one datagram answers, or state is not bounded.
pub(crate) fn play(input: &[u8]) {
    let Some((&stage, mut rest)) = input.split_first() else { return };
    let mut staged = Staged::new(Stage::ALL[usize::from(stage) % Stage::ALL.len()]);
    let mut insider = staged.insider();
    let before = staged.counts().0;
    while let Some((&[how, high, low], after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (chunk, after) = after.split_at(len);
        rest = after;
        if staged.genuine.iter().any(|genuine| genuine == chunk) {
            continue;
        }
        let sealed = insider.as_mut().filter(|_| how % 2 == 1).and_then(|insider| sealed(insider, chunk));
        let sent = staged.throw(sealed.as_deref().unwrap_or(chunk));
        assert!(sent <= 1, "at most one answer or next request");
        let (established, all) = staged.counts();
        assert!(established <= with_renewals(before), "nobody is let in without the secret");
        assert!(all <= with_renewals(before).max(1) + HALF_OPEN, "state is bounded");
    }
    staged.wait();
    let (established, all) = staged.counts();
    assert_eq!(established, all, "nothing half-built remains");
}

/// How many IKE SAs there may be where `established` were: an insider can renew its own, once by a request and once by
/// the answer to ours, and has no keys of what comes out.
pub(crate) fn with_renewals(established: usize) -> usize {
    if established == 0 { 0 } else { established + 2 }
}

/// The message in `chunk` with its payloads inside SK; `None` when there is none to seal.
fn sealed(insider: &mut Crafter, chunk: &[u8]) -> Option<Vec<u8>> {
    let Message { header, payloads } = Message::decode(chunk).ok()?;
    if payloads.iter().any(|payload| matches!(payload, Payload::Sk(_))) {
        return None;
    }
    let id = header.message_id.as_u32();
    if header.flags.response {
        Some(insider.response(header.exchange, id, &payloads))
    } else {
        Some(insider.request(header.exchange, id, &payloads))
    }
}
