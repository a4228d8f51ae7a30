//! When an IKE SA is renewed, reauthenticated, and ends at the latest (RFC 7296 §2.8, §2.8.3).
//!
//! Each side keeps times of its own; nothing of this is negotiated.

use core::time::Duration;

use crate::config::ConnectionId;
use crate::v2::ike_sa::Env;

/// When an IKE SA is renewed or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) rekey: Option<Duration>,
    pub(crate) reauth: Option<Duration>,
    pub(crate) end: Option<Duration>,
}

impl Schedule {
    /// The times of an IKE SA that begins now. A renewed one keeps the time of its reauthentication, since nobody has
    /// shown a secret in between.
    pub(crate) fn begin(env: &mut Env<'_>, connection: ConnectionId, reauth: Option<Duration>) -> Self {
        let renewal = env.config.connection(connection).renewal;
        let rekey = env.renewal_at(renewal.rekey_time, renewal.rand_time);
        let reauth = reauth.or_else(|| env.renewal_at(renewal.reauth_time, renewal.rand_time));
        let soft = [rekey, reauth].into_iter().flatten().min();
        Self { rekey, reauth, end: soft.map(|soft| soft.saturating_add(renewal.over_time)) }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        [self.rekey, self.reauth, self.end].into_iter().flatten().min()
    }
}
