//! Key derivation and the hashes of IKEv1 (RFC 2409 §5, §5.5, appendix B).
//!
//! All comes from `SKEYID`, which depends on how the peers authenticate: on the shared secret, or on the nonces under
//! a signature. [`IsakmpKeys`] has the rest, for the algorithms that phase 1 agreed on: the PRF is the HMAC of the
//! negotiated hash, for no other is ever negotiated (§4).

use ipseclab_crypto::{Crypto, Encryption, Hash, Prf, Secret};

use crate::event::DirectionKeys;
use crate::proposal::ChosenIke;
use crate::v1::weak_keys::is_weak;
use crate::v2::Role;
use crate::wire::isakmp::{Cookies, MessageId, ProtocolId};

/// The algorithms of phase 1 that keys depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// Encryption of messages: DES, 3DES or AES-CBC.
    pub(crate) encryption: Encryption,
    /// The HMAC of the negotiated hash.
    pub(crate) prf: Prf,
    /// The negotiated hash.
    pub(crate) hash: Hash,
}

impl Suite {
    /// The algorithms of a proposal; `None` where its PRF is not the HMAC of a hash.
    pub(crate) fn of(chosen: ChosenIke) -> Option<Self> {
        let (encryption, prf) = (chosen.encryption, chosen.prf);
        Some(Self { encryption, prf, hash: prf.hash()? })
    }
}

/// The public values of phase 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicValues<'a> {
    /// The initiator's public value, as its KE payload has it.
    pub(crate) public_i: &'a [u8],
    /// The responder's.
    pub(crate) public_r: &'a [u8],
}

/// `SKEYID` under a shared secret: `prf(secret, Ni_b | Nr_b)` (RFC 2409 §5.4).
pub(crate) fn skeyid_of_psk(crypto: &mut Crypto, prf: Prf, psk: &Secret, nonces: [&[u8]; 2]) -> Secret {
    crypto.prf(prf, psk.expose(), &nonces)
}

/// `SKEYID` under signatures: `prf(Ni_b | Nr_b, g^xy)` (RFC 2409 §5.1).
pub(crate) fn skeyid_of_signature(
    crypto: &mut Crypto,
    prf: Prf,
    shared_secret: &Secret,
    nonces: [&[u8]; 2],
) -> Secret {
    crypto.prf(prf, &nonces.concat(), &[shared_secret.expose()])
}

/// The keys of an ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct IsakmpKeys {
    pub(crate) suite: Suite,
    /// What all others come from.
    pub(crate) skeyid: Secret,
    /// For the keys of IPsec SAs.
    pub(crate) skeyid_d: Secret,
    /// For the hashes of messages after phase 1.
    pub(crate) skeyid_a: Secret,
    /// For the encryption of messages.
    pub(crate) skeyid_e: Secret,
    /// `Ka`: `SKEYID_e` in the length that the cipher wants.
    pub(crate) encryption_key: Secret,
}

impl IsakmpKeys {
    /// The keys that follow from `SKEYID` (RFC 2409 §5).
    pub(crate) fn derive(
        crypto: &mut Crypto,
        suite: Suite,
        skeyid: Secret,
        shared_secret: &Secret,
        cookies: Cookies,
    ) -> Self {
        let (g_xy, cookies) = (shared_secret.expose(), cookies.octets());
        let mut next = |before: &[u8], number: u8| {
            crypto.prf(suite.prf, skeyid.expose(), &[before, g_xy, &cookies, &[number]])
        };
        let skeyid_d = next(&[], 0);
        let skeyid_a = next(skeyid_d.expose(), 1);
        let skeyid_e = next(skeyid_a.expose(), 2);
        let encryption_key = encryption_key(crypto, suite, &skeyid_e);
        Self { suite, skeyid, skeyid_d, skeyid_a, skeyid_e, encryption_key }
    }

    /// `HASH_I` or `HASH_R`, which proves who sent it (RFC 2409 §5): over both public values and cookies, the
    /// signer's first, the initiator's SA payload and the signer's identity, both without generic header.
    pub(crate) fn auth_hash(
        &self,
        crypto: &mut Crypto,
        signer: Role,
        exchange: PublicValues<'_>,
        cookies: Cookies,
        (sa_i, id): (&[u8], &[u8]),
    ) -> Secret {
        let initiator = (exchange.public_i, cookies.initiator.octets());
        let responder = (exchange.public_r, cookies.responder.octets());
        let (own, other) = match signer {
            Role::Initiator => (initiator, responder),
            Role::Responder => (responder, initiator),
        };
        let parts = [own.0, other.0, &own.1, &other.1, sa_i, id];
        crypto.prf(self.suite.prf, self.skeyid.expose(), &parts)
    }

    /// HASH(1) of Quick Mode, Informational and Transaction exchanges: over all that follows the Hash payload
    /// (RFC 2409 §5.5, §5.7).
    pub(crate) fn hash_1(&self, crypto: &mut Crypto, id: MessageId, rest: &[u8]) -> Secret {
        self.message_hash(crypto, &[&id.octets(), rest])
    }

    /// HASH(2) of Quick Mode: the initiator's nonce too, which shows that the responder has received it.
    pub(crate) fn hash_2(&self, crypto: &mut Crypto, id: MessageId, nonce_i: &[u8], rest: &[u8]) -> Secret {
        self.message_hash(crypto, &[&id.octets(), nonce_i, rest])
    }

    /// HASH(3) of Quick Mode, which shows that the initiator is alive.
    pub(crate) fn hash_3(&self, crypto: &mut Crypto, id: MessageId, nonces: [&[u8]; 2]) -> Secret {
        self.message_hash(crypto, &[&[0], &id.octets(), nonces[0], nonces[1]])
    }

    fn message_hash(&self, crypto: &mut Crypto, parts: &[&[u8]]) -> Secret {
        crypto.prf(self.suite.prf, self.skeyid_a.expose(), parts)
    }

    /// KEYMAT of one IPsec SA: `prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b)`, stretched by feeding each
    /// block into the next (RFC 2409 §5.5). Each direction has its own, for the SPI is that of its receiver.
    pub(crate) fn keymat(&self, crypto: &mut Crypto, sources: KeymatSources<'_>, len: usize) -> Secret {
        let seed = [
            sources.shared_secret.map_or(&[][..], Secret::expose),
            &[sources.protocol.code()],
            &sources.spi,
            sources.nonces[0],
            sources.nonces[1],
        ];
        stretch(crypto, self.suite.prf, &self.skeyid_d, &seed, &seed, len)
    }

    /// The keys of one direction of an IPsec SA: encryption first (RFC 2407 §4.4).
    pub(crate) fn direction_keys(
        &self,
        crypto: &mut Crypto,
        sources: KeymatSources<'_>,
        (encryption_len, integrity_len): (usize, usize),
    ) -> DirectionKeys {
        let keymat = self.keymat(crypto, sources, encryption_len + integrity_len);
        let (encryption, integrity) = keymat.expose().split_at(encryption_len);
        DirectionKeys { encryption: Secret::new(encryption), integrity: Secret::new(integrity) }
    }
}

/// What KEYMAT of one IPsec SA is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeymatSources<'a> {
    /// The secret of the Quick Mode's own key exchange, with perfect forward secrecy.
    pub(crate) shared_secret: Option<&'a Secret>,
    /// ESP or AH.
    pub(crate) protocol: ProtocolId,
    /// The SPI that the SA's receiver chose.
    pub(crate) spi: [u8; 4],
    /// The nonces of Quick Mode, the initiator's first.
    pub(crate) nonces: [&'a [u8]; 2],
}

/// `K1 | K2 | …` with `K1 = prf(key, first)` and `Kn = prf(key, Kn-1 | later)`, cut to `len`.
fn stretch(
    crypto: &mut Crypto,
    prf: Prf,
    key: &Secret,
    first: &[&[u8]],
    later: &[&[u8]],
    len: usize,
) -> Secret {
    let mut block = crypto.prf(prf, key.expose(), first);
    let mut stream = block.expose().to_vec();
    while stream.len() < len {
        let parts = [&[block.expose()], later].concat();
        block = crypto.prf(prf, key.expose(), &parts);
        stream.extend_from_slice(block.expose());
    }
    stream.truncate(len);
    Secret::new(stream)
}

/// `Ka` (RFC 2409 appendix B): the first octets of `SKEYID_e`, or of what it stretches to where it is too short. DES
/// passes over weak keys, eight octets at a time.
fn encryption_key(crypto: &mut Crypto, suite: Suite, skeyid_e: &Secret) -> Secret {
    let wanted = suite.encryption.key_len();
    // One candidate more than there are weak keys cannot be needed.
    for skipped in 0..=DES_KEYS_TRIED {
        let stream = at_least(crypto, suite.prf, skeyid_e, wanted + skipped * DES_KEY_LEN);
        let key = &stream.expose()[skipped * DES_KEY_LEN..][..wanted];
        if suite.encryption != Encryption::Des || !is_weak(key) || skipped == DES_KEYS_TRIED {
            return Secret::new(key);
        }
    }
    unreachable!("the last candidate is taken")
}

/// Octets of a DES key.
const DES_KEY_LEN: usize = 8;
/// How many weak keys in a row are passed over; even one has a chance of 2^-52.
const DES_KEYS_TRIED: usize = 4;

fn at_least(crypto: &mut Crypto, prf: Prf, skeyid_e: &Secret, len: usize) -> Secret {
    if skeyid_e.len() >= len { skeyid_e.clone() } else { stretch(crypto, prf, skeyid_e, &[&[0]], &[], len) }
}

#[cfg(test)]
mod tests;
