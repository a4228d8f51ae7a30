//! What EAP packets of type 26 carry (draft-kamath-pppext-eap-mschapv2 §2).
//!
//! Requests and responses share operation codes but not their forms, so that each direction has its own type. Texts
//! are octets: strongSwan ends its own with a zero octet. Changing passwords (code 7) is left out.

use super::super::EapFailure;
use super::derive::{CHALLENGE_LEN, Challenge, NtResponse, to_hex};

const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
/// Operation code, MS-CHAPv2-ID and MS-Length.
const HEADER_LEN: usize = 4;
/// Peer challenge, eight zeros, the response, flags.
const RESPONSE_LEN: usize = CHALLENGE_LEN + 8 + 24 + 1;
/// "Authentication failure" (RFC 2759 §6).
pub(super) const AUTHENTICATION_FAILURE: u32 = 691;

/// MS-CHAPv2-ID: what matches responses to challenges; not the identifier of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct MsChapId(pub(super) u8);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Challenge { id: MsChapId, challenge: Challenge, name: Vec<u8> },
    Success { id: MsChapId, text: Vec<u8> },
    Failure { id: MsChapId, text: Vec<u8> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    Answer { id: MsChapId, peer_challenge: Challenge, nt_response: NtResponse, name: Vec<u8> },
    Success,
    Failure,
}

impl Request {
    pub(super) fn decode(data: &[u8]) -> Result<Self, EapFailure> {
        let (code, id, body) = split(data)?;
        match code {
            CHALLENGE => {
                let (value, name) = sized_value(body, CHALLENGE_LEN)?;
                Ok(Self::Challenge { id, challenge: array(value)?, name: name.to_vec() })
            }
            SUCCESS => Ok(Self::Success { id, text: body.to_vec() }),
            FAILURE => Ok(Self::Failure { id, text: body.to_vec() }),
            _ => Err(EapFailure::ProtocolError),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Challenge { id, challenge, name } => join(CHALLENGE, *id, &[&[16], challenge, name]),
            Self::Success { id, text } => join(SUCCESS, *id, &[text]),
            Self::Failure { id, text } => join(FAILURE, *id, &[text]),
        }
    }
}

impl Response {
    pub(super) fn decode(data: &[u8]) -> Result<Self, EapFailure> {
        // The two acknowledgements have no header, but some peers are said to send one.
        match data.first() {
            Some(&SUCCESS) => return Ok(Self::Success),
            Some(&FAILURE) => return Ok(Self::Failure),
            _ => {}
        }
        let (RESPONSE, id, body) = split(data)? else { return Err(EapFailure::ProtocolError) };
        let (value, name) = sized_value(body, RESPONSE_LEN)?;
        // The reserved octets and the flags are "must be zero" and not looked at.
        let (peer_challenge, rest) = value.split_at(CHALLENGE_LEN);
        let (peer_challenge, nt_response) = (array(peer_challenge)?, array(&rest[8..32])?);
        Ok(Self::Answer { id, peer_challenge, nt_response, name: name.to_vec() })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Answer { id, peer_challenge, nt_response, name } => {
                join(RESPONSE, *id, &[&[49], peer_challenge, &[0; 8], nt_response, &[0], name])
            }
            Self::Success => vec![SUCCESS],
            Self::Failure => vec![FAILURE],
        }
    }
}

fn split(data: &[u8]) -> Result<(u8, MsChapId, &[u8]), EapFailure> {
    let [code, id, high, low, body @ ..] = data else { return Err(EapFailure::ProtocolError) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == data.len() { Ok((*code, MsChapId(*id), body)) } else { Err(EapFailure::ProtocolError) }
}

fn sized_value(body: &[u8], len: usize) -> Result<(&[u8], &[u8]), EapFailure> {
    let (size, rest) = body.split_first().ok_or(EapFailure::ProtocolError)?;
    if usize::from(*size) != len {
        return Err(EapFailure::ProtocolError);
    }
    rest.split_at_checked(len).ok_or(EapFailure::ProtocolError)
}

fn array<const N: usize>(octets: &[u8]) -> Result<[u8; N], EapFailure> {
    octets.try_into().map_err(|_| EapFailure::ProtocolError)
}

fn join(code: u8, MsChapId(id): MsChapId, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u16::try_from(HEADER_LEN + body.len()).expect("names and texts are bounded");
    let [high, low] = length.to_be_bytes();
    [&[code, id, high, low], &body[..]].concat()
}

/// `S=` and the proof, then `text`.
pub(super) fn success_text(proof: &str, text: &[u8]) -> Vec<u8> {
    [b"S=", proof.as_bytes(), b" ", text].concat()
}

/// The forty digits behind `S=`; `None` when there are none.
pub(super) fn proof_of(text: &[u8]) -> Option<&[u8]> {
    let proof = text.strip_prefix(b"S=")?.get(..40)?;
    let ended = matches!(text.get(42), None | Some(b' ' | 0));
    ended.then_some(proof)
}

/// `E=691`, whether another try is welcome, the challenge for it, then `suffix`.
pub(super) fn failure_text(retry: bool, challenge: &Challenge, suffix: &[u8]) -> Vec<u8> {
    let text = format!("E={AUTHENTICATION_FAILURE} R={} C={}", u8::from(retry), to_hex(challenge));
    [text.as_bytes(), suffix].concat()
}

/// The number behind `E=`; `None` when there is none that fits.
pub(super) fn error_of(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"E=")?.split(|octet| *octet == b' ').next()?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> [Request; 3] {
        let (id, text) = (MsChapId(6), b"text".to_vec());
        [
            Request::Challenge { id, challenge: [7; 16], name: b"strongSwan".to_vec() },
            Request::Success { id, text: text.clone() },
            Request::Failure { id, text },
        ]
    }

    fn response() -> Response {
        Response::Answer {
            id: MsChapId(6),
            peer_challenge: [1; 16],
            nt_response: [2; 24],
            name: b"carol".to_vec(),
        }
    }

    #[test]
    fn messages_survive_the_wire() {
        for request in requests() {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        for response in [response(), Response::Success, Response::Failure] {
            assert_eq!(Response::decode(&response.encode()), Ok(response));
        }
    }

    #[test]
    fn every_prefix_is_an_error_or_an_acknowledgement() {
        for octets in requests().map(|request| request.encode()) {
            for len in 0..octets.len() {
                assert_eq!(Request::decode(&octets[..len]), Err(EapFailure::ProtocolError));
            }
        }
        let octets = response().encode();
        for len in 0..octets.len() {
            assert_eq!(Response::decode(&octets[..len]), Err(EapFailure::ProtocolError));
        }
    }

    #[test]
    fn other_codes_and_sizes_are_errors() {
        let mut wrong_size = requests()[0].encode();
        wrong_size[4] = 15;
        for data in [&[7, 1, 0, 4][..], &[2, 1, 0, 4], &[0], &wrong_size] {
            assert_eq!(Request::decode(data), Err(EapFailure::ProtocolError));
        }
        let mut wrong_size = response().encode();
        wrong_size[4] = 50;
        for data in [&[7, 1, 0, 4][..], &[1, 1, 0, 4], &[], &wrong_size] {
            assert_eq!(Response::decode(data), Err(EapFailure::ProtocolError));
        }
    }

    #[test]
    fn the_proof_has_forty_digits_and_an_end() {
        let digits = "0123456789ABCDEF0123456789ABCDEF01234567";
        assert_eq!(proof_of(&success_text(digits, b"M=hello")), Some(digits.as_bytes()));
        for (text, expected) in [
            (format!("S={digits}"), true),
            (format!("S={digits}F"), false),
            ("S=01".into(), false),
            ("M=".into(), false),
        ] {
            assert_eq!(proof_of(text.as_bytes()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn failures_name_their_error() {
        let text = failure_text(true, &[0xab; 16], b" V=3 M=no");
        let expected = format!("E=691 R=1 C={} V=3 M=no", "AB".repeat(16));
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        assert_eq!(error_of(&text), Some(691));
        for text in [&b""[..], b"E=", b"E=x R=0", b"R=0 E=691", b"E=99999999999"] {
            assert_eq!(error_of(text), None);
        }
    }
}
