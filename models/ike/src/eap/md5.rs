//! MD5-Challenge (RFC 3748 §5.4, RFC 1994): a challenge, and a digest of identifier, password and challenge.
//!
//! The authenticator proves nothing and there is no key, so it belongs under a responder with a certificate.

use ipseclab_crypto::{Hash, Purpose, Secret};

use super::packet::Identifier;
use super::secrets::Password;
use super::{EapContext, EapFailure};

/// Octets of our challenges, as strongSwan's; a peer answers others too (RFC 1994 §4.1).
const CHALLENGE_LEN: usize = 16;

/// The authenticator's side, after its request.
#[derive(Clone, Debug)]
pub(super) struct Challenger {
    identifier: Identifier,
    challenge: [u8; CHALLENGE_LEN],
}

impl Challenger {
    /// The method with the data of its request.
    pub(super) fn start(identifier: Identifier, context: &mut EapContext<'_>) -> (Self, Vec<u8>) {
        let mut challenge = [0; CHALLENGE_LEN];
        context.random.fill(Purpose::Eap, &mut challenge);
        (Self { identifier, challenge }, encode(&challenge))
    }

    /// Checks the data of the response.
    pub(super) fn check(
        &self,
        data: &[u8],
        password: Option<&Password>,
        context: &mut EapContext<'_>,
    ) -> Result<(), EapFailure> {
        let value = value(data)?;
        let password = password.ok_or(EapFailure::UnknownIdentity)?;
        let expected = digest(self.identifier, password, &self.challenge, context);
        if expected == Secret::new(value) { Ok(()) } else { Err(EapFailure::BadPassword) }
    }
}

/// The peer's side: the data of the response to a request's data.
pub(super) fn respond(
    identifier: Identifier,
    data: &[u8],
    password: &Password,
    context: &mut EapContext<'_>,
) -> Result<Vec<u8>, EapFailure> {
    let challenge = value(data)?;
    Ok(encode(digest(identifier, password, challenge, context).expose()))
}

fn digest(id: Identifier, password: &Password, challenge: &[u8], context: &mut EapContext<'_>) -> Secret {
    Secret::new(context.crypto.hash(Hash::Md5, &[&[id.0], password.utf8(), challenge]))
}

/// Value-Size and Value; strongSwan sends no Name.
fn encode(value: &[u8]) -> Vec<u8> {
    let size = u8::try_from(value.len()).expect("challenges and digests have 16 octets");
    [&[size], value].concat()
}

/// The value; a name may follow it and is not looked at, for the identity comes from elsewhere.
fn value(data: &[u8]) -> Result<&[u8], EapFailure> {
    let (size, rest) = data.split_first().ok_or(EapFailure::ProtocolError)?;
    let value = rest.get(..usize::from(*size)).ok_or(EapFailure::ProtocolError)?;
    if value.is_empty() { Err(EapFailure::ProtocolError) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_context;
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[test]
    fn the_response_is_the_digest_of_identifier_password_and_challenge() {
        // MD5 of "\x01message digest", split as identifier, password and challenge; computed with coreutils' md5sum.
        let response =
            with_context(|context| respond(Identifier(1), b"\x07 digest", &password("message"), context));
        let expected = 0x4c23_5d0e_101d_0890_3bf0_c0c7_cb0f_4873_u128.to_be_bytes();
        assert_eq!(response.unwrap(), [&[16], &expected[..]].concat());
    }

    #[test]
    fn only_the_same_password_passes() {
        with_context(|context| {
            let (challenger, request) = Challenger::start(Identifier(9), context);
            let response = respond(Identifier(9), &request, &password("a"), context).unwrap();
            assert_eq!(challenger.check(&response, Some(&password("a")), context), Ok(()));
            let wrong = challenger.check(&response, Some(&password("b")), context);
            assert_eq!(wrong, Err(EapFailure::BadPassword));
            assert_eq!(challenger.check(&response, None, context), Err(EapFailure::UnknownIdentity));
        });
    }

    #[test]
    fn a_name_behind_the_value_does_not_matter() {
        with_context(|context| {
            let (challenger, request) = Challenger::start(Identifier(9), context);
            let named = [&request[..], b"server"].concat();
            let mut response = respond(Identifier(9), &named, &password("a"), context).unwrap();
            response.extend_from_slice(b"carol");
            assert_eq!(challenger.check(&response, Some(&password("a")), context), Ok(()));
        });
    }

    #[test]
    fn values_that_are_empty_or_cut_are_errors() {
        for data in [&[][..], &[0], &[0, 1], &[2, 1]] {
            assert_eq!(value(data), Err(EapFailure::ProtocolError));
        }
    }
}
