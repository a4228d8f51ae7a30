//! A case: one operation over one number of octets, ready to be repeated.
//!
//! Some operations cannot be repeated alone: a packet must be restored before it can be opened again, and CBC comes
//! with a MAC. Such a case carries its overhead, which is timed in turns with it and taken off.

use core::hint::black_box;

use ipseclab_crypto::Operation;
use ipseclab_node::cost_profile::Step;

/// Does something a number of times.
pub(super) type Repeated = Box<dyn FnMut(u32)>;

/// What a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Cryptography.
    Operation(Operation),
    /// The packet path.
    Step(Step),
}

/// One operation over one number of octets.
pub(super) struct Case {
    pub(super) subject: Subject,
    /// Octets as the work meter, or the node, counts them for this operation.
    pub(super) octets: usize,
    pub(super) work: Repeated,
    /// What `work` does besides.
    pub(super) overhead: Option<Repeated>,
}

impl Case {
    pub(super) fn new<R>(
        subject: Subject,
        octets: usize,
        work: impl FnMut() -> R + 'static,
        overhead: Option<Repeated>,
    ) -> Self {
        Self { subject, octets, work: repeated(work), overhead }
    }
}

/// `operation` in a loop whose results count as used.
pub(super) fn repeated<R>(mut operation: impl FnMut() -> R + 'static) -> Repeated {
    Box::new(move |rounds| {
        for _ in 0..rounds {
            black_box(operation());
        }
    })
}
