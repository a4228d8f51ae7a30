//! Calibration: what cryptography and packet handling cost on this machine, written as a cost profile.
//!
//! A `case` is one operation over one number of octets; `batch` times all cases in turns and takes medians, `line`
//! turns the medians of an operation into fixed cost and cost per octet, and `profile` puts the lines in their places.
//! What is timed is our own code: the real provider for cryptography, and the packet path of the models.
//!
//! The stopwatch comes in as an argument, so that the arithmetic is tested with a clock that is exact. Left out on
//! purpose: interrupts, system calls and copies between kernel and programs, which no code of ours has; who wants them
//! adds them to `[path]` in a copy of the file.

mod batch;
mod case;
mod cryptography;
mod date;
mod line;
mod machine;
mod path;
mod profile;
mod text;

use core::time::Duration;

use ipseclab_node::CostProfileFile;

pub use batch::Effort;
pub use date::{Date, DateError};
pub use machine::Origin;
pub use text::render;

/// Measures everything that a cost profile needs.
///
/// `stopwatch` gives the time since some moment in the past and never goes backwards. `progress` is told how many
/// of [`Effort::batches`] are done.
pub fn calibrate(
    name: &str,
    origin: &Origin,
    effort: Effort,
    stopwatch: &mut dyn FnMut() -> Duration,
    progress: &mut dyn FnMut(u32),
) -> CostProfileFile {
    let mut cases = cryptography::cases();
    cases.extend(path::cases());
    let figures = batch::measure(&mut cases, effort, stopwatch, progress);
    profile::assemble(name, &origin.to_string(), &cases, &figures)
}

#[cfg(test)]
mod tests {
    use ipseclab_node::CostProfile;

    use super::*;

    #[test]
    fn everything_that_a_profile_needs_is_measured() {
        let origin = Origin {
            machine: None,
            processor: "abacus".into(),
            date: "2026-11-20".parse().unwrap(),
            quick: true,
        };
        let effort = Effort::new(1, Duration::from_nanos(1));
        let mut now = Duration::ZERO;
        let mut batches = Vec::new();
        let mut stopwatch = || {
            now += Duration::from_micros(1);
            now
        };
        let file = calibrate("test", &origin, effort, &mut stopwatch, &mut |done| batches.push(done));
        assert_eq!(batches, [1]);
        assert_eq!(CostProfile::from_file(&file).unwrap().name(), "test");
        assert_eq!(file.origin, origin.to_string());
        // This clock ticks once a reading, so one operation takes one microsecond whatever its size.
        assert_eq!((file.prf["prfsha256"].fixed_ns, file.prf["prfsha256"].ns_per_byte), (1000.0, 0.0));
    }
}
