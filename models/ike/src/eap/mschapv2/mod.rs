//! `EAP-MSCHAPv2`: both sides prove that they know a password, and get a key (RFC 2759, RFC 3079).
//!
//! ```text
//! authenticator                                        peer
//!   Challenge(challenge, name)            ---->
//!                                         <----  Response(challenge, proof, name)
//!   Success("S=" proof " M=…")            ---->
//!                                         <----  Success
//!   EAP-Success                           ---->
//!
//!   Failure("E=691 R=1 C=" challenge)     ---->        after a wrong proof, while tries are left
//! ```
//!
//! Our peer has one password and so never tries again. What implementations do differently is in [`MsChapStyle`].

mod derive;
mod message;

use ipseclab_crypto::{Purpose, Secret};

use self::derive::{Challenge, Challenges, Proof};
use self::message::{AUTHENTICATION_FAILURE, MsChapId, Request, Response};
use super::identity::EapIdentity;
use super::packet::Identifier;
use super::secrets::{EapSecrets, Password};
use super::{EapContext, EapFailure, Msk};

/// What an implementation puts into `MSCHAPv2`'s free fields, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsChapStyle {
    /// The authenticator's name in its challenge; at most 255 octets are sent.
    pub server_name: Vec<u8>,
    /// What follows the proof in a success request, such as `M=hello`; at most 255 octets are sent.
    pub success_text: Vec<u8>,
    /// What follows the challenge in a failure request, such as ` V=3 M=wrong`; at most 255 octets are sent.
    pub failure_suffix: Vec<u8>,
    /// Authenticator: whether the last wrong proof is answered by a failure request with `R=0` before EAP-Failure.
    pub last_failure_request: bool,
    /// Peer: whether a failure request is acknowledged, rather than the conversation broken off.
    pub acknowledge_failure: bool,
}

impl Default for MsChapStyle {
    /// strongSwan 5.9.8's; the zero octet behind its success text is on the wire.
    fn default() -> Self {
        Self {
            server_name: b"strongSwan".to_vec(),
            success_text: b"M=Welcome2strongSwan\0".to_vec(),
            failure_suffix: Vec::new(),
            last_failure_request: false,
            acknowledge_failure: false,
        }
    }
}

/// The longest free field, so that every packet fits.
const FREE_FIELD_LEN_MAX: usize = 255;

fn bounded(field: &[u8]) -> &[u8] {
    &field[..field.len().min(FREE_FIELD_LEN_MAX)]
}

fn random_challenge(context: &mut EapContext<'_>) -> Challenge {
    let mut challenge = [0; derive::CHALLENGE_LEN];
    context.random.fill(Purpose::Eap, &mut challenge);
    challenge
}

/// The authenticator's side.
#[derive(Clone, Debug)]
pub(super) enum Challenger {
    /// A challenge is out.
    Challenged { id: MsChapId, challenge: Challenge },
    /// The peer has proved itself; our proof is out.
    Proved { user: EapIdentity, msk: Msk },
    /// The last failure request is out.
    Refused { reason: EapFailure },
}

/// What comes after a response.
pub(super) enum ChallengerStep {
    /// The data of the next request.
    Request(Challenger, Vec<u8>),
    /// The data of a failure request.
    Refusal(Challenger, Vec<u8>, EapFailure),
    Success(EapIdentity, Msk),
    Failure(EapFailure),
}

impl Challenger {
    /// The method with the data of its first request.
    pub(super) fn start(
        id: Identifier,
        style: &MsChapStyle,
        context: &mut EapContext<'_>,
    ) -> (Self, Vec<u8>) {
        let (id, challenge) = (MsChapId(id.0), random_challenge(context));
        let name = bounded(&style.server_name).to_vec();
        (Self::Challenged { id, challenge }, Request::Challenge { id, challenge, name }.encode())
    }

    /// Whether the peer may still refuse the method (RFC 3748 §5.3.1).
    pub(super) const fn is_fresh(&self) -> bool {
        matches!(self, Self::Challenged { .. })
    }

    /// Takes the data of a response; `last` says that no further try is left.
    pub(super) fn handle(
        self,
        data: &[u8],
        secrets: &EapSecrets,
        style: &MsChapStyle,
        last: bool,
        context: &mut EapContext<'_>,
    ) -> Result<ChallengerStep, EapFailure> {
        match (self, Response::decode(data)?) {
            (
                Self::Challenged { id, challenge },
                Response::Answer { id: answered, peer_challenge, nt_response, name },
            ) if answered == id => {
                match check(&challenge, &peer_challenge, &Secret::new(nt_response), &name, secrets, context) {
                    Ok((user, proof)) => {
                        let text = message::success_text(
                            &proof.authenticator_response,
                            bounded(&style.success_text),
                        );
                        let request = Request::Success { id, text }.encode();
                        Ok(ChallengerStep::Request(Self::Proved { user, msk: proof.msk }, request))
                    }
                    Err(reason) => Ok(refuse(id, reason, style, last, context)),
                }
            }
            (Self::Proved { user, msk }, Response::Success) => Ok(ChallengerStep::Success(user, msk)),
            (Self::Refused { reason }, Response::Failure) => Ok(ChallengerStep::Failure(reason)),
            _ => Err(EapFailure::ProtocolError),
        }
    }
}

/// The proof that the peer should have sent, if it has.
fn check(
    challenge: &Challenge,
    peer_challenge: &Challenge,
    nt_response: &Secret,
    name: &[u8],
    secrets: &EapSecrets,
    context: &mut EapContext<'_>,
) -> Result<(EapIdentity, Proof), EapFailure> {
    let user = EapIdentity::new(name).ok_or(EapFailure::UnknownIdentity)?;
    let password = secrets.password(&user).ok_or(EapFailure::UnknownIdentity)?;
    let challenges = Challenges { authenticator: challenge, peer: peer_challenge, user: &user };
    let proof = Proof::new(context.crypto, password, &challenges);
    if proof.nt_response == *nt_response { Ok((user, proof)) } else { Err(EapFailure::BadPassword) }
}

/// An unknown name is refused like a wrong password, so that names cannot be guessed.
fn refuse(
    id: MsChapId,
    reason: EapFailure,
    style: &MsChapStyle,
    last: bool,
    context: &mut EapContext<'_>,
) -> ChallengerStep {
    if last && !style.last_failure_request {
        return ChallengerStep::Failure(reason);
    }
    let challenge = random_challenge(context);
    let text = message::failure_text(!last, &challenge, bounded(&style.failure_suffix));
    let request = Request::Failure { id, text }.encode();
    let next = MsChapId(id.0.wrapping_add(1));
    let state =
        if last { Challenger::Refused { reason } } else { Challenger::Challenged { id: next, challenge } };
    ChallengerStep::Refusal(state, request, reason)
}

/// The peer's side, after its response.
#[derive(Clone, Debug)]
pub(super) enum Responder {
    /// Our proof is out.
    Answered { proof: Box<Proof> },
    /// The authenticator has proved itself.
    Confirmed { msk: Msk },
    /// The authenticator has refused us, and we have acknowledged it.
    Refused { reason: EapFailure },
}

impl Responder {
    /// Answers a challenge: the state and the data of the response.
    pub(super) fn start(
        data: &[u8],
        user: &EapIdentity,
        password: &Password,
        context: &mut EapContext<'_>,
    ) -> Result<(Self, Vec<u8>), EapFailure> {
        let Request::Challenge { id, challenge, .. } = Request::decode(data)? else {
            return Err(EapFailure::ProtocolError);
        };
        let peer_challenge = random_challenge(context);
        let challenges = Challenges { authenticator: &challenge, peer: &peer_challenge, user };
        let proof = Box::new(Proof::new(context.crypto, password, &challenges));
        let (nt_response, name) = (proof.nt_response(), user.as_bytes().to_vec());
        let response = Response::Answer { id, peer_challenge, nt_response, name };
        Ok((Self::Answered { proof }, response.encode()))
    }

    /// Takes the data of a further request: the state and the data of the response.
    pub(super) fn handle(self, data: &[u8], style: &MsChapStyle) -> Result<(Self, Vec<u8>), EapFailure> {
        match (self, Request::decode(data)?) {
            (Self::Answered { proof }, Request::Success { text, .. }) => {
                let shown = message::proof_of(&text).ok_or(EapFailure::ProtocolError)?;
                // Digits of either case: strongSwan reads both.
                if !shown.eq_ignore_ascii_case(proof.authenticator_response.as_bytes()) {
                    return Err(EapFailure::BadPassword);
                }
                Ok((Self::Confirmed { msk: proof.msk }, Response::Success.encode()))
            }
            (Self::Answered { .. }, Request::Failure { text, .. }) => {
                let reason = failure_of(&text)?;
                if !style.acknowledge_failure {
                    return Err(reason);
                }
                Ok((Self::Refused { reason }, Response::Failure.encode()))
            }
            _ => Err(EapFailure::ProtocolError),
        }
    }
}

fn failure_of(text: &[u8]) -> Result<EapFailure, EapFailure> {
    match message::error_of(text) {
        Some(AUTHENTICATION_FAILURE) => Ok(EapFailure::BadPassword),
        Some(_) => Ok(EapFailure::Denied),
        None => Err(EapFailure::ProtocolError),
    }
}
