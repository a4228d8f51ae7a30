//! A "generator" that gives out the caller's salt and nothing else.
//!
//! The PSS padding of the `rsa` crate asks for a generator; how much it draws is its own business. Handing out exactly
//! the salt and failing beyond makes a change of that business an error instead of another result.

use rsa::rand_core::{TryCryptoRng, TryRng};

/// The octets left.
pub(super) struct Salt<'a>(pub(super) &'a [u8]);

/// More was drawn than the salt has.
#[derive(Debug, thiserror::Error)]
#[error("the salt is used up")]
pub(super) struct UsedUp;

impl TryRng for Salt<'_> {
    type Error = UsedUp;

    fn try_next_u32(&mut self) -> Result<u32, UsedUp> {
        Err(UsedUp)
    }

    fn try_next_u64(&mut self) -> Result<u64, UsedUp> {
        Err(UsedUp)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), UsedUp> {
        let (now, later) = self.0.split_at_checked(out.len()).ok_or(UsedUp)?;
        out.copy_from_slice(now);
        self.0 = later;
        Ok(())
    }
}

impl TryCryptoRng for Salt<'_> {}
