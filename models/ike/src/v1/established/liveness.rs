//! Dead peer detection (RFC 3706): one question every `dpd_delay` while the peer is silent, under one number until it is
//! answered, and the peer is given up `dpd_timeout` after the first of them. Traffic of the peer's answers, too.

use core::time::Duration;

use super::Established;
use crate::event::CloseReason;
use crate::v1::isakmp_sa::{Env, Head, State};
use crate::wire::isakmp::KnownVendorId;

/// Dead peer detection (RFC 3706).
#[derive(Clone, Copy, Debug)]
pub(super) struct Dpd {
    /// The number of our next question.
    pub(super) sequence: u32,
    /// Since when the peer owes an answer, and when it is asked again.
    pub(super) asked: Option<(Duration, Duration)>,
}

impl Established {
    pub(super) fn dpd_at(&self, head: &Head, config: &crate::config::EndpointConfig) -> Option<Duration> {
        let delay = config
            .connection(self.connection)
            .dpd_delay
            .filter(|_| head.abilities.has(KnownVendorId::Dpd))?;
        match self.dpd.asked {
            Some((since, next)) => Some(next.min(since.saturating_add(self.dpd_timeout(head, config)))),
            None => Some(self.heard.saturating_add(delay)),
        }
    }

    pub(super) fn dpd_timeout(&self, head: &Head, config: &crate::config::EndpointConfig) -> Duration {
        config.connection(self.connection).v1.dpd_timeout.unwrap_or_else(|| head.retransmit.total())
    }

    /// Asks the peer whether it is alive, or takes it for dead.
    pub(super) fn ask_for_life(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let timeout = self.dpd_timeout(head, env.config);
        let delay = env.config.connection(self.connection).dpd_delay.unwrap_or(timeout);
        let since = match self.dpd.asked {
            Some((since, _)) if since.saturating_add(timeout) <= env.now => {
                return self.give_up(head, env, CloseReason::PeerDead);
            }
            Some((since, _)) => since,
            None => env.now,
        };
        self.dpd.asked = Some((since, env.now.saturating_add(delay)));
        let sequence = self.dpd.sequence;
        self.send_dpd(head, env, sequence);
        State::Established(self)
    }

    /// The peer has answered one of our questions: the next one has another number (RFC 3706 §6.2).
    pub(crate) fn note_dpd_answer(&mut self, sequence: u32) {
        if sequence == self.dpd.sequence {
            self.dpd.sequence = self.dpd.sequence.wrapping_add(1);
        }
    }
}
