//! The computations of `MSCHAPv2` (RFC 2759 §8) and of its keys (RFC 3079 §3).

use ipseclab_crypto::{Crypto, Hash, Secret};

use super::super::Msk;
use super::super::identity::EapIdentity;
use super::super::secrets::Password;

/// Octets of each challenge.
pub(super) const CHALLENGE_LEN: usize = 16;
pub(super) type Challenge = [u8; CHALLENGE_LEN];
/// The peer's proof: three DES blocks.
pub(super) type NtResponse = [u8; 24];

/// RFC 2759 §8.7.
const SIGNING: &[u8] = b"Magic server to client signing constant";
const ITERATION: &[u8] = b"Pad to make it do more than one iteration";
/// RFC 3079 §3.4.
const MASTER: &[u8] = b"This is the MPPE Master Key";
const CLIENT_SENDS: &[u8] =
    b"On the client side, this is the send key; on the server side, it is the receive key.";
const SERVER_SENDS: &[u8] =
    b"On the client side, this is the receive key; on the server side, it is the send key.";
const PAD_BEFORE: [u8; 40] = [0; 40];
const PAD_AFTER: [u8; 40] = [0xf2; 40];
/// Octets of each of the two keys in an MSK, and of the MSK itself.
const SESSION_KEY_LEN: usize = 16;
const MSK_LEN: usize = 64;

/// Both challenges and the name that goes with them.
pub(super) struct Challenges<'a> {
    pub(super) authenticator: &'a Challenge,
    pub(super) peer: &'a Challenge,
    pub(super) user: &'a EapIdentity,
}

/// What one password makes of one pair of challenges.
#[derive(Clone, Debug)]
pub(in super::super) struct Proof {
    pub(super) nt_response: Secret,
    /// The authenticator's proof: 40 upper-case hexadecimal digits.
    pub(super) authenticator_response: String,
    pub(super) msk: Msk,
}

impl Proof {
    pub(super) fn new(crypto: &mut Crypto, password: &Password, challenges: &Challenges<'_>) -> Self {
        let hash = nt_hash(crypto, password);
        let challenge = challenge_hash(crypto, challenges);
        let nt_response = challenge_response(crypto, challenge, &hash);
        let hash_hash = crypto.hash(Hash::Md4, &[&hash]);
        let digest = crypto.hash(Hash::Sha1, &[&hash_hash, &nt_response, SIGNING]);
        let authenticator_response = to_hex(&crypto.hash(Hash::Sha1, &[&digest, &challenge, ITERATION]));
        let msk = msk(crypto, &hash_hash, &nt_response);
        Self { nt_response: Secret::new(nt_response), authenticator_response, msk }
    }

    /// The response as it goes onto the wire.
    pub(super) fn nt_response(&self) -> NtResponse {
        self.nt_response.expose().try_into().expect("three blocks of DES")
    }
}

fn nt_hash(crypto: &mut Crypto, password: &Password) -> Vec<u8> {
    crypto.hash(Hash::Md4, &[password.utf16()])
}

fn challenge_hash(crypto: &mut Crypto, challenges: &Challenges<'_>) -> [u8; 8] {
    let user = challenges.user.without_domain();
    let digest = crypto.hash(Hash::Sha1, &[challenges.peer, challenges.authenticator, user]);
    core::array::from_fn(|at| digest[at])
}

/// The challenge under three DES keys, cut from the hash and zeros behind it (RFC 2759 §8.5).
fn challenge_response(crypto: &mut Crypto, challenge: [u8; 8], hash: &[u8]) -> NtResponse {
    let mut padded = [0; 21];
    padded[..hash.len()].copy_from_slice(hash);
    let mut response = [0; 24];
    for (key, block) in padded.chunks_exact(7).zip(response.chunks_exact_mut(8)) {
        block.copy_from_slice(&crypto.des_encrypt_block(spread(key), challenge));
    }
    response
}

/// 56 bits as a DES key: seven to an octet, the lowest bit being parity that nobody checks.
fn spread(key: &[u8]) -> [u8; 8] {
    let bits = key.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    core::array::from_fn(|at| {
        let seven = bits >> (49 - 7 * at) & 0x7f;
        u8::try_from(seven << 1).expect("seven bits and parity")
    })
}

/// The MSK: what the client sends with, what the server sends with, and zeros.
///
/// RFC 3079 makes the two keys; their order and the zeros are those of strongSwan and Windows in IKEv2, as the AUTH
/// payloads of the reference capture confirm.
fn msk(crypto: &mut Crypto, hash_hash: &[u8], nt_response: &NtResponse) -> Msk {
    let master = master_key(crypto, hash_hash, nt_response);
    let mut key = Vec::with_capacity(MSK_LEN);
    for direction in [CLIENT_SENDS, SERVER_SENDS] {
        key.extend_from_slice(&start_key(crypto, &master, direction));
    }
    key.resize(MSK_LEN, 0);
    Msk(Secret::new(key))
}

fn master_key(crypto: &mut Crypto, hash_hash: &[u8], nt_response: &NtResponse) -> Vec<u8> {
    first_key(crypto.hash(Hash::Sha1, &[hash_hash, nt_response, MASTER]))
}

fn start_key(crypto: &mut Crypto, master: &[u8], direction: &[u8]) -> Vec<u8> {
    first_key(crypto.hash(Hash::Sha1, &[master, &PAD_BEFORE, direction, &PAD_AFTER]))
}

fn first_key(mut digest: Vec<u8>) -> Vec<u8> {
    digest.truncate(SESSION_KEY_LEN);
    digest
}

/// Upper-case hexadecimal digits, as messages of `MSCHAPv2` carry them.
pub(super) fn to_hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::tests::with_context;
    use super::*;

    struct Vector(BTreeMap<String, String>);

    impl Vector {
        fn read() -> Self {
            Self(serde_json::from_str(include_str!("../../../tests/vectors/mschapv2.json")).unwrap())
        }

        fn octets(&self, name: &str) -> Vec<u8> {
            let hex = &self.0[name];
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }

        fn challenge(&self, name: &str) -> Challenge {
            self.octets(name).try_into().unwrap()
        }

        fn password(&self) -> Password {
            Password::new(&self.0["password"]).unwrap()
        }

        fn proof(&self, user: &str, crypto: &mut Crypto) -> Proof {
            let challenges = Challenges {
                authenticator: &self.challenge("authenticator_challenge"),
                peer: &self.challenge("peer_challenge"),
                user: &EapIdentity::new(user.as_bytes()).unwrap(),
            };
            Proof::new(crypto, &self.password(), &challenges)
        }
    }

    #[test]
    fn intermediate_values_are_those_of_rfc_2759() {
        let vector = Vector::read();
        with_context(|context| {
            let crypto = &mut *context.crypto;
            let hash = nt_hash(crypto, &vector.password());
            assert_eq!(hash, vector.octets("password_hash"));
            assert_eq!(crypto.hash(Hash::Md4, &[&hash]), vector.octets("password_hash_hash"));
            let challenges = Challenges {
                authenticator: &vector.challenge("authenticator_challenge"),
                peer: &vector.challenge("peer_challenge"),
                user: &EapIdentity::new(b"User").unwrap(),
            };
            assert_eq!(challenge_hash(crypto, &challenges)[..], vector.octets("challenge"));
        });
    }

    #[test]
    fn both_proofs_are_those_of_rfc_2759_with_and_without_a_domain() {
        let vector = Vector::read();
        for user in ["User", "BIGCO\\User"] {
            let proof = with_context(|context| vector.proof(user, context.crypto));
            assert_eq!(proof.nt_response()[..], vector.octets("nt_response"));
            assert_eq!(proof.authenticator_response, vector.0["authenticator_response"]);
        }
    }

    #[test]
    fn keys_are_those_of_rfc_3079() {
        let vector = Vector::read();
        with_context(|context| {
            let crypto = &mut *context.crypto;
            let nt_response = vector.octets("nt_response").try_into().unwrap();
            let master = master_key(crypto, &vector.octets("password_hash_hash"), &nt_response);
            assert_eq!(master, vector.octets("master_key"));
            assert_eq!(start_key(crypto, &master, SERVER_SENDS), vector.octets("server_send_key"));
            let msk = vector.proof("User", crypto).msk;
            assert_eq!(msk.as_secret().len(), 64);
            assert_eq!(msk.as_secret().expose()[16..32], vector.octets("server_send_key"));
            assert_eq!(msk.as_secret().expose()[32..], [0; 32]);
        });
    }

    #[test]
    fn a_key_is_spread_over_the_upper_seven_bits() {
        assert_eq!(spread(&[0xff; 7]), [0xfe; 8]);
        assert_eq!(spread(&[0x80, 0, 0, 0, 0, 0, 0x01]), [0x80, 0, 0, 0, 0, 0, 0, 0x02]);
        assert_eq!(spread(&[0x01, 0, 0, 0, 0, 0, 0]), [0, 0x80, 0, 0, 0, 0, 0, 0]);
    }
}
