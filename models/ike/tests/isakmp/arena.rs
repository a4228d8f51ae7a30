//! A victim and a string of octets that says what to throw at it: what the fuzz target `isakmp_endpoint` runs, and what
//! the tests run on its corpus.

use ipseclab_ike::wire::isakmp::Message;

use crate::stage::{HALF_OPEN, Insider, Stage, Staged};

/// Most datagrams that one thrown message may cause: an answer, and what begins when the victim is let go on.
const ANSWERS: usize = 3;

/// Plays an input to its end.
///
/// The first octet chooses the stage. Then come chunks: an octet that says how to throw, two octets of length, and
/// bytes. Chunks with an odd first octet are taken for a message in the clear and encrypted under the keys of phase 1.
///
/// # Panics
/// When somebody is let in without the secret, a flood answers, or state is not bounded.
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
        assert!(sent <= ANSWERS, "{sent} datagrams answer one");
        let (established, all) = staged.counts();
        assert!(established <= before, "nobody is let in without the secret");
        assert!(all <= before.max(1) + HALF_OPEN, "state is bounded");
    }
    staged.wait();
    let (established, all) = staged.counts();
    assert_eq!(established, all, "nothing half-built remains");
}

/// The payloads of a message behind a hash that is right, encrypted; `None` when there is no message.
fn sealed(insider: &mut Insider, chunk: &[u8]) -> Option<Vec<u8>> {
    let Message { header, payloads } = Message::decode(chunk).ok()?;
    // Zero is the message ID of phase 1, which is over.
    let id = header.message_id.as_u32().max(1);
    Some(insider.begin(header.exchange, id, &payloads))
}
