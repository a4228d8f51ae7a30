//! What becomes of a datagram: which IKE SA gets it, and how first requests are judged.
//!
//! Whatever an outsider can cause here is bounded by [`Limits`](crate::config::Limits): first requests meet the limits
//! on half-open IKE SAs and the demand for a cookie before any key exchange is computed.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::config::{IkeVersion, NAT_T_PORT};
use crate::event::{DropReason, Event};
use crate::v2::Role;
use crate::v2::cookie::Claim;
use crate::v2::endpoint::Endpoint;
use crate::v2::exchange::sa_init::{self, Answer};
use crate::v2::ike_sa::{Head, IkeSa, Received, State, notify_data};
use crate::v2::window::{Path, Tail, transmits};
use crate::wire::{DecodeError, ExchangeType, Header, Message, NotifyPayload, NotifyType, Payload, Version};

impl Endpoint<'_> {
    /// Handles a UDP payload that arrived at `to` (port 500 or 4500) from `from`.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) {
        let path = Path { local: to, remote: from };
        if let Err(reason) = self.dispatch(now, path, payload) {
            self.shared.events.push_back(Event::Dropped(reason));
        }
        self.carry_out(now);
    }

    fn dispatch(&mut self, now: Duration, path: Path, payload: &[u8]) -> Result<(), DropReason> {
        let bytes = match path.local.port() {
            // A NAT keepalive has done its work by arriving (RFC 3948 §2.3).
            NAT_T_PORT if payload == [0xff] => return Ok(()),
            NAT_T_PORT => payload.strip_prefix(&[0; 4]).ok_or(DropReason::Malformed)?,
            _ => payload,
        };
        let header = Header::decode(bytes).map_err(|_| DropReason::Malformed)?;
        if header.major != Version::MAJOR {
            return self.refuse_version(now, path, &header);
        }
        let first = header.exchange == ExchangeType::IkeSaInit && !header.flags.response;
        if first {
            return self.handle_first_request(now, path, &header, bytes);
        }
        let spi = if header.flags.initiator { header.spi_r } else { header.spi_i };
        let Some(mut sa) = self.own.table.by_spi(spi).and_then(|id| self.own.table.take(id)) else {
            return self.refuse_unknown(now, path, &header);
        };
        let fits = sa.fits(&header);
        let outcome = if fits { sa.handle(&mut self.env(now), &header, bytes, path) } else { Ok(()) };
        self.own.table.insert(&self.shared.config, sa);
        if fits { outcome } else { self.refuse_unknown(now, path, &header) }
    }

    /// A message of an IKE SA that we do not have. A request may be told so, unprotected and not too often
    /// (RFC 7296 §1.5, §2.21.4); a response never, or two such ends would answer each other for ever.
    fn refuse_unknown(&mut self, now: Duration, path: Path, header: &Header) -> Result<(), DropReason> {
        let limit = self.shared.config.limits.answer_unknown_spi;
        if !header.flags.response && self.own.unknown_spi_answers.take(now, limit) {
            self.shared.counters.unknown_spi += 1;
            self.send_refusal(now, path, header, NotifyPayload::new(NotifyType::InvalidIkeSpi, vec![]));
        }
        Err(DropReason::UnknownSpi)
    }

    /// A request of a later major version is told the highest that we speak (RFC 7296 §2.5).
    fn refuse_version(&mut self, now: Duration, path: Path, request: &Header) -> Result<(), DropReason> {
        if request.flags.response || request.major < Version::MAJOR {
            return Err(DropReason::Malformed);
        }
        let notify = NotifyPayload::new(NotifyType::InvalidMajorVersion, vec![]);
        self.send_refusal(now, path, request, notify);
        Ok(())
    }

    fn handle_first_request(
        &mut self,
        now: Duration,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if !header.flags.initiator
            || !header.spi_r.is_zero()
            || header.spi_i.is_zero()
            || header.message_id.as_u32() != 0
        {
            return Err(DropReason::Unexpected);
        }
        if let Some(id) = self.own.table.by_request(path.remote, header.spi_i) {
            let again = self.own.table.repeated_first_response(id, bytes)?;
            self.shared.transmits.extend(transmits(Some(id), path, again));
            return Ok(());
        }
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.send_refusal(now, path, header, error_notification(&error));
                return Ok(());
            }
        };
        self.answer_first_request(now, path, header, &message, bytes)
    }

    fn answer_first_request(
        &mut self,
        now: Duration,
        path: Path,
        header: &Header,
        message: &Message,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if !self
            .shared
            .config
            .connections
            .iter()
            .any(|connection| connection.accepts(IkeVersion::V2, path.remote.ip()))
        {
            return Err(DropReason::NoConnection);
        }
        if let Some(cookie) = self.wants_cookie(now, path, message) {
            self.shared.counters.cookies += 1;
            self.send_refusal(now, path, header, NotifyPayload::new(NotifyType::Cookie, cookie));
            return Ok(());
        }
        if self.is_full(path.remote.ip()) {
            return Err(DropReason::Limit);
        }
        let mut env = self.env(now);
        let received = Received { path, tail: Tail::of(bytes) };
        let mut head = Head::new(env.new_id(), Role::Responder, received);
        (head.spi_i, head.spi_r) = (header.spi_i, env.draw_ike_spi());
        match sa_init::answer(&mut head, &mut env, message, bytes) {
            Answer::Accept(half_open, nat) => {
                head.nat = nat;
                self.own.table.insert(&self.shared.config, IkeSa { head, state: State::HalfOpen(half_open) });
            }
            Answer::Refuse(notify) => self.send_refusal(now, path, header, notify),
        }
        Ok(())
    }

    /// Whether no further half-open IKE SA of `address` is taken, with or without a cookie.
    fn is_full(&self, address: IpAddr) -> bool {
        let limits = self.shared.config.limits;
        let reached = |limit: usize, count: usize| limit != 0 && count >= limit;
        reached(limits.half_open, self.own.table.half_open())
            || reached(limits.half_open_per_address, self.own.table.half_open_of(address))
            || self.own.table.len() >= limits.ike_sas
    }

    /// The cookie that a first request must bring and does not (RFC 7296 §2.6). A wrong one is passed over while none
    /// is wanted: it may have been right for whoever had our address before. Without a nonce, which a cookie covers,
    /// the request is refused anyway.
    fn wants_cookie(&mut self, now: Duration, path: Path, message: &Message) -> Option<Vec<u8>> {
        let limits = self.shared.config.limits;
        let address = path.remote.ip();
        let reached = |limit: usize, count: usize| limit != 0 && count >= limit;
        let busy = reached(limits.cookie_threshold, self.own.table.awaited())
            || reached(limits.cookie_threshold_per_address, self.own.table.half_open_of(address));
        let nonce = message.payloads.iter().find_map(|payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.as_bytes()),
            _ => None,
        });
        let nonce = nonce.filter(|_| busy)?;
        let claim = Claim { nonce, address, spi: message.header.spi_i };
        let at = (now, limits.cookie_lifetime);
        let brought = notify_data(message, NotifyType::Cookie);
        if brought.is_some_and(|cookie| self.own.cookies.is_good(at, &mut self.shared.crypto, claim, cookie))
        {
            return None;
        }
        Some(self.own.cookies.bake(at, &mut self.shared.crypto, self.shared.random.as_mut(), claim))
    }

    fn send_refusal(&mut self, now: Duration, path: Path, request: &Header, notify: NotifyPayload) {
        let outgoing = sa_init::refusal(&self.env(now), request, notify);
        self.shared.transmits.extend(transmits(None, path, outgoing));
    }
}

/// The one place that turns malformed input into a notification (style A10).
pub(crate) fn error_notification(error: &DecodeError) -> NotifyPayload {
    match error {
        DecodeError::UnsupportedCriticalPayload { kind } => {
            NotifyPayload::new(NotifyType::UnsupportedCriticalPayload, vec![*kind])
        }
        DecodeError::UnsupportedVersion { .. } => NotifyPayload::new(NotifyType::InvalidMajorVersion, vec![]),
        DecodeError::Malformed { .. } => NotifyPayload::new(NotifyType::InvalidSyntax, vec![]),
    }
}
