//! Cost profiles: what cryptography and packet handling cost in CPU time (design §5).
//!
//! A profile is data with a stated origin, a TOML file of `fixed_ns` and `ns_per_byte` for each operation and
//! algorithm, and for the packet path. Simulated time is charged from it and never measured. Decimals are turned into
//! whole picoseconds at this one place, so that charging is integer arithmetic.

use std::collections::BTreeMap;

use ipseclab_crypto::{Encryption, Hash, Integrity, KeyClass, KeyExchangeMethod, Operation, Prf, Work};
use ipseclab_sim::SimDuration;
use serde::{Deserialize, Serialize};

/// The cost of one operation: a fixed part and a part for each octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    fixed_ps: u64,
    per_octet_ps: u64,
}

/// What a job has cost so far.
///
/// Times are whole nanoseconds, and rounding up each of the many small costs of a packet is a per cent of it. A job of the cores
/// that do everything takes the sum of its rounded costs; batches of datapath cores are rounded once, so that a saturated
/// core moves what its profile says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    rounded: SimDuration,
    picos: u64,
}

/// A complete cost profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostProfile {
    name: String,
    operations: BTreeMap<Operation, Cost>,
    path: BTreeMap<Step, Cost>,
}

/// The steps of the packet path that cost time besides cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Receiving a packet for this host, up to the protocol.
    Receive,
    /// Sending a packet of this host, from the protocol on.
    Send,
    /// Forwarding a packet of others.
    Forward,
    /// Handling one IKE message or timer, besides its cryptography.
    IkeMessage,
    /// Polling a ring and taking a batch of packets from it, whatever their number; only datapath cores do that. A
    /// profile may leave it out.
    Batch,
}

/// The file: every algorithm by its swanctl keyword.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostProfileFile {
    /// The profile's name.
    pub name: String,
    /// Where the numbers come from, and when, as far as `origins` does not say more.
    pub origin: String,
    /// Where some of them come from in particular.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<CostOrigin>,
    /// PRF calls, by `prfsha1`, `prfsha256`, ….
    #[serde(default)]
    pub prf: BTreeMap<String, CostEntry>,
    /// Digests, by `md4`, `md5`, `sha1`, `sha256`, `sha384`, `sha512`.
    #[serde(default)]
    pub hash: BTreeMap<String, CostEntry>,
    /// Single cipher blocks, their key included: `des`.
    #[serde(default)]
    pub block: BTreeMap<String, CostEntry>,
    /// Public values, by `modp2048`, `x25519`, ….
    #[serde(default)]
    pub key_generation: BTreeMap<String, CostEntry>,
    /// Shared secrets, by `modp2048`, `x25519`, ….
    #[serde(default)]
    pub key_agreement: BTreeMap<String, CostEntry>,
    /// Encryption, by `aes128gcm16`, ….
    #[serde(default)]
    pub encrypt: BTreeMap<String, CostEntry>,
    /// Decryption, by `aes128gcm16`, ….
    #[serde(default)]
    pub decrypt: BTreeMap<String, CostEntry>,
    /// ICVs, by `sha256`, ….
    #[serde(default)]
    pub integrity: BTreeMap<String, CostEntry>,
    /// Signatures made, by `rsa2048`, `ecdsa256`, `ed25519`, ….
    #[serde(default)]
    pub sign: BTreeMap<String, CostEntry>,
    /// Signatures checked, by the same words.
    #[serde(default)]
    pub verify: BTreeMap<String, CostEntry>,
    /// The packet path: `receive`, `send`, `forward`, `ike_message`, and `batch`, which may be left out.
    #[serde(default)]
    pub path: BTreeMap<String, CostEntry>,
}

/// Where some lines of the file come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostOrigin {
    /// How and when they were found.
    pub text: String,
    /// What it is about: sections such as `prf`, and lines such as `hash.md5`, which come before their section's.
    pub of: Vec<String>,
}

/// One line of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostEntry {
    /// Nanoseconds for each operation.
    pub fixed_ns: f64,
    /// Nanoseconds for each octet.
    #[serde(default)]
    pub ns_per_byte: f64,
}

/// Why a cost profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostProfileError {
    /// The text is not a profile.
    #[error("{message}")]
    Syntax {
        /// What the TOML reader says.
        message: String,
        /// Where, in octets of the text.
        span: Option<core::ops::Range<usize>>,
    },
    /// An entry is missing.
    #[error("section [{section}] has no entry `{keyword}`")]
    Missing {
        /// The section.
        section: &'static str,
        /// The algorithm or step.
        keyword: String,
    },
    /// A section names something that does not exist.
    #[error("section [{section}] names `{keyword}`, which does not exist; it has: {allowed}")]
    Unknown {
        /// The section.
        section: &'static str,
        /// The algorithm or step.
        keyword: String,
        /// What exists, separated by commas.
        allowed: String,
    },
    /// `origins` is about something that is not there.
    #[error("`origins` speaks of `{of}`, which is neither a section nor a line such as `hash.md5`")]
    UnknownOrigin {
        /// What it says.
        of: String,
    },
    /// `origins` has two texts for the same.
    #[error("`origins` speaks of `{of}` twice")]
    TwoOrigins {
        /// What it is about.
        of: String,
    },
    /// A number is negative, not finite or beyond an hour.
    #[error("[{section}] `{keyword}`: costs must lie between 0 and 3.6e12 ns")]
    Range {
        /// The section.
        section: &'static str,
        /// The algorithm or step.
        keyword: String,
    },
}

/// One hour: nothing that a CPU does to a packet or message takes longer.
const COST_MAX_NS: f64 = 3.6e12;
const PS_PER_NS: f64 = 1000.0;

impl Cost {
    fn over(self, octets: usize) -> u64 {
        self.fixed_ps.saturating_add(self.per_octet_ps.saturating_mul(octets as u64))
    }
}

impl CostProfile {
    /// The profile in which everything is free.
    pub fn free() -> Self {
        Self { name: "free".to_owned(), operations: BTreeMap::new(), path: BTreeMap::new() }
    }

    /// Reads a profile file.
    ///
    /// # Errors
    /// When the text is not TOML of this form, an algorithm or step is missing or unknown, or a number is out of range.
    pub fn parse(text: &str) -> Result<Self, CostProfileError> {
        let file: CostProfileFile = toml::from_str(text).map_err(|error| CostProfileError::Syntax {
            message: error.message().to_owned(),
            span: error.span(),
        })?;
        Self::from_file(&file)
    }

    /// Checks a profile file.
    ///
    /// # Errors
    /// When an algorithm or step is missing or unknown, a number is out of range, or an origin is of nothing.
    pub fn from_file(file: &CostProfileFile) -> Result<Self, CostProfileError> {
        check_origins(file)?;
        let mut operations = BTreeMap::new();
        for (section, entries, known) in sections(file) {
            read_section(section, entries, &known, &mut operations)?;
        }
        let mut path = BTreeMap::new();
        let steps = Step::ALL.map(|step| (step.as_str().to_owned(), step));
        let batch = (Step::Batch.as_str().to_owned(), Step::Batch);
        let with_batch = [&steps[..], core::slice::from_ref(&batch)].concat();
        let known = if file.path.contains_key(&batch.0) { &with_batch[..] } else { &steps[..] };
        read_section("path", &file.path, known, &mut path)?;
        Ok(Self { name: file.name.clone(), operations, path })
    }

    /// The profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CPU time for `work`, rounded up to a whole nanosecond.
    pub fn crypto(&self, work: &[Work]) -> SimDuration {
        self.charge_crypto(work).rounded
    }

    /// The same, exact as well.
    pub(crate) fn charge_crypto(&self, work: &[Work]) -> Charge {
        let cost_of =
            |work: &Work| self.operations.get(&work.operation).map_or(0, |cost| cost.over(work.octets));
        Charge::of(work.iter().map(cost_of).fold(0, u64::saturating_add))
    }

    /// The CPU time for one step of the packet path over `octets` octets, rounded up to a whole nanosecond.
    pub fn step(&self, step: Step, octets: usize) -> SimDuration {
        self.charge_step(step, octets).rounded
    }

    /// The same, exact as well.
    pub(crate) fn charge_step(&self, step: Step, octets: usize) -> Charge {
        Charge::of(self.path.get(&step).map_or(0, |cost| cost.over(octets)))
    }
}

impl Charge {
    fn of(picos: u64) -> Self {
        Self { rounded: nanos(picos), picos }
    }

    /// The sum of costs that were rounded up one by one.
    pub(crate) const fn rounded(self) -> SimDuration {
        self.rounded
    }

    /// The sum of exact costs, rounded up.
    pub(crate) fn at_once(self) -> SimDuration {
        nanos(self.picos)
    }
}

impl core::ops::AddAssign for Charge {
    fn add_assign(&mut self, other: Self) {
        self.rounded += other.rounded;
        self.picos = self.picos.saturating_add(other.picos);
    }
}

fn nanos(picos: u64) -> SimDuration {
    SimDuration::from_nanos(picos.div_ceil(1000))
}

type Section<'a> = (&'static str, &'a BTreeMap<String, CostEntry>, Vec<(String, Operation)>);

/// The sections of cryptography with what each must name.
fn sections(file: &CostProfileFile) -> [Section<'_>; 10] {
    let groups = |make: fn(KeyExchangeMethod) -> Operation| -> Vec<(String, Operation)> {
        KeyExchangeMethod::ALL.iter().map(|method| (method.keyword().to_owned(), make(*method))).collect()
    };
    let ciphers = |make: fn(Encryption) -> Operation| -> Vec<(String, Operation)> {
        Encryption::ALL.iter().map(|cipher| (cipher.keyword().to_owned(), make(*cipher))).collect()
    };
    let keys = |make: fn(KeyClass) -> Operation| -> Vec<(String, Operation)> {
        KeyClass::ALL.iter().map(|class| (class.keyword().to_owned(), make(*class))).collect()
    };
    let prfs = Prf::ALL.iter().map(|prf| (prf.keyword().to_owned(), Operation::Prf(*prf)));
    let hashes = Hash::ALL.iter().map(|hash| (hash_keyword(*hash).to_owned(), Operation::Hash(*hash)));
    let macs = Integrity::ALL.iter().map(|mac| (mac.keyword().to_owned(), Operation::Integrity(*mac)));
    [
        ("prf", &file.prf, prfs.collect()),
        ("hash", &file.hash, hashes.collect()),
        ("block", &file.block, vec![(DES_KEYWORD.to_owned(), Operation::DesBlock)]),
        ("key_generation", &file.key_generation, groups(Operation::KeyGeneration)),
        ("key_agreement", &file.key_agreement, groups(Operation::KeyAgreement)),
        ("encrypt", &file.encrypt, ciphers(Operation::Encrypt)),
        ("decrypt", &file.decrypt, ciphers(Operation::Decrypt)),
        ("integrity", &file.integrity, macs.collect()),
        ("sign", &file.sign, keys(Operation::Sign)),
        ("verify", &file.verify, keys(Operation::Verify)),
    ]
}

fn check_origins(file: &CostProfileFile) -> Result<(), CostProfileError> {
    let mut lines: Vec<(&str, &BTreeMap<String, CostEntry>)> =
        sections(file).into_iter().map(|(section, entries, _)| (section, entries)).collect();
    lines.push(("path", &file.path));
    let exists = |of: &str| match of.split_once('.') {
        None => lines.iter().any(|(section, _)| *section == of),
        Some((section, keyword)) => {
            lines.iter().any(|(name, entries)| *name == section && entries.contains_key(keyword))
        }
    };
    let mut seen = Vec::new();
    for of in file.origins.iter().flat_map(|origin| &origin.of) {
        if !exists(of) {
            return Err(CostProfileError::UnknownOrigin { of: of.clone() });
        }
        if seen.contains(&of) {
            return Err(CostProfileError::TwoOrigins { of: of.clone() });
        }
        seen.push(of);
    }
    Ok(())
}

impl CostProfileFile {
    /// Where the figures of a line come from: what `origins` says of the line, else of its section, else `origin`.
    pub fn origin_of(&self, section: &str, keyword: &str) -> &str {
        let line = format!("{section}.{keyword}");
        let says = |of: &str| self.origins.iter().find(|origin| origin.of.iter().any(|known| known == of));
        says(&line).or_else(|| says(section)).map_or(&self.origin, |origin| &origin.text)
    }
}

/// The word for one block of single DES in profile files.
pub const DES_KEYWORD: &str = "des";

/// The word for a hash in profile files; swanctl has none, as it never negotiates a bare hash.
pub fn hash_keyword(hash: Hash) -> &'static str {
    match hash {
        Hash::Md4 => "md4",
        Hash::Md5 => "md5",
        Hash::Sha1 => "sha1",
        Hash::Sha2_256 => "sha256",
        Hash::Sha2_384 => "sha384",
        Hash::Sha2_512 => "sha512",
    }
}

fn read_section<K: Copy + Ord>(
    section: &'static str,
    entries: &BTreeMap<String, CostEntry>,
    known: &[(String, K)],
    costs: &mut BTreeMap<K, Cost>,
) -> Result<(), CostProfileError> {
    if let Some(keyword) = entries.keys().find(|keyword| !known.iter().any(|(name, _)| name == *keyword)) {
        let allowed = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CostProfileError::Unknown { section, keyword: keyword.clone(), allowed });
    }
    for (keyword, key) in known {
        let keyword = || keyword.clone();
        let entry =
            entries.get(&keyword()).ok_or(CostProfileError::Missing { section, keyword: keyword() })?;
        let cost = entry.to_cost().ok_or(CostProfileError::Range { section, keyword: keyword() })?;
        costs.insert(*key, cost);
    }
    Ok(())
}

impl CostEntry {
    fn to_cost(self) -> Option<Cost> {
        Some(Cost { fixed_ps: picos(self.fixed_ns)?, per_octet_ps: picos(self.ns_per_byte)? })
    }
}

/// Nanoseconds as whole picoseconds; `None` outside 0 to an hour.
fn picos(ns: f64) -> Option<u64> {
    let in_range = (0.0..=COST_MAX_NS).contains(&ns);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range check leaves 0 to 3.6e15, which fits"
    )]
    in_range.then(|| (ns * PS_PER_NS).round() as u64)
}

impl Step {
    /// The steps that every profile prices.
    pub const ALL: [Self; 4] = [Self::Receive, Self::Send, Self::Forward, Self::IkeMessage];

    /// The step's word in profile files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Forward => "forward",
            Self::IkeMessage => "ike_message",
            Self::Batch => "batch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> CostProfileFile {
        let entry = CostEntry { fixed_ns: 100.0, ns_per_byte: 0.5 };
        let mut file = CostProfileFile {
            name: "test".into(),
            origin: "made up".into(),
            origins: Vec::new(),
            prf: BTreeMap::new(),
            hash: BTreeMap::new(),
            block: BTreeMap::new(),
            key_generation: BTreeMap::new(),
            key_agreement: BTreeMap::new(),
            encrypt: BTreeMap::new(),
            decrypt: BTreeMap::new(),
            integrity: BTreeMap::new(),
            sign: BTreeMap::new(),
            verify: BTreeMap::new(),
            path: BTreeMap::new(),
        };
        let names = |section: &'static str| -> Vec<String> {
            let known = sections(&file);
            known
                .iter()
                .find(|(name, ..)| *name == section)
                .unwrap()
                .2
                .iter()
                .map(|(n, _)| n.clone())
                .collect()
        };
        let priced =
            |section| names(section).into_iter().map(|name| (name, entry)).collect::<BTreeMap<_, _>>();
        let [prf, hash, block, generation, agreement, encrypt, decrypt, integrity] =
            ["prf", "hash", "block", "key_generation", "key_agreement", "encrypt", "decrypt", "integrity"]
                .map(priced);
        let [sign, verify] = ["sign", "verify"].map(priced);
        file.prf = prf;
        file.hash = hash;
        file.block = block;
        file.key_generation = generation;
        file.key_agreement = agreement;
        file.encrypt = encrypt;
        file.decrypt = decrypt;
        file.integrity = integrity;
        file.sign = sign;
        file.verify = verify;
        file.path = Step::ALL.into_iter().map(|step| (step.as_str().to_owned(), entry)).collect();
        file
    }

    #[test]
    fn a_complete_profile_charges_fixed_and_per_octet_cost() {
        let text = toml::to_string(&complete()).unwrap();
        let profile = CostProfile::parse(&text).unwrap();
        let work = [
            Work { operation: Operation::Prf(Prf::HmacSha2_256), octets: 100 },
            Work { operation: Operation::KeyAgreement(KeyExchangeMethod::Curve25519), octets: 0 },
        ];
        assert_eq!(profile.crypto(&work), SimDuration::from_nanos(250));
        assert_eq!(profile.step(Step::Receive, 3), SimDuration::from_nanos(102));
    }

    #[test]
    fn free_charges_nothing() {
        let work = [Work { operation: Operation::Encrypt(Encryption::ChaCha20Poly1305), octets: 9000 }];
        assert_eq!(CostProfile::free().crypto(&work), SimDuration::ZERO);
        assert_eq!(CostProfile::free().step(Step::Forward, 1500), SimDuration::ZERO);
    }

    #[test]
    fn a_missing_algorithm_is_named() {
        let mut file = complete();
        file.key_agreement.remove("modp2048");
        let expected = CostProfileError::Missing { section: "key_agreement", keyword: "modp2048".into() };
        assert_eq!(CostProfile::from_file(&file), Err(expected));
    }

    #[test]
    fn an_unknown_algorithm_is_named_with_what_exists() {
        let mut file = complete();
        file.hash.insert("md2".into(), CostEntry::default());
        let error = CostProfile::from_file(&file).unwrap_err().to_string();
        assert_eq!(
            error,
            "section [hash] names `md2`, which does not exist; it has: md4, md5, sha1, sha256, sha384, sha512"
        );
    }

    #[test]
    fn negative_infinite_and_missing_numbers_are_refused() {
        for bad in [-1.0, f64::INFINITY, f64::NAN, 4e12] {
            let mut file = complete();
            file.path.insert("send".into(), CostEntry { fixed_ns: bad, ns_per_byte: 0.0 });
            let error = CostProfile::from_file(&file).unwrap_err();
            assert_eq!(error, CostProfileError::Range { section: "path", keyword: "send".into() });
        }
    }

    #[test]
    fn a_charge_is_the_sum_of_rounded_costs_and_of_exact_ones() {
        let mut file = complete();
        file.path.insert("receive".into(), CostEntry { fixed_ns: 10.0, ns_per_byte: 0.025 });
        let profile = CostProfile::from_file(&file).unwrap();
        let mut charge = Charge::default();
        (0..40).for_each(|_| charge += profile.charge_step(Step::Receive, 1));
        let nanos = SimDuration::from_nanos;
        assert_eq!((charge.rounded(), charge.at_once()), (nanos(40 * 11), nanos(401)));
        assert_eq!(profile.step(Step::Receive, 1), nanos(11));
    }

    #[test]
    fn a_line_s_own_origin_comes_before_that_of_its_section() {
        let origin = |text: &str, of: &[&str]| CostOrigin {
            text: text.into(),
            of: of.iter().map(|of| (*of).to_owned()).collect(),
        };
        let origins = vec![origin("a book", &["hash", "prf"]), origin("a guess", &["hash.md5"])];
        let mut file = CostProfileFile { origins, ..complete() };
        assert!(CostProfile::from_file(&file).is_ok());
        let of = |section, keyword| file.origin_of(section, keyword);
        assert_eq!(
            [of("hash", "md5"), of("hash", "sha1"), of("sign", "rsa2048")],
            ["a guess", "a book", "made up"]
        );
        file.origins.push(origin("another", &["prf"]));
        assert_eq!(CostProfile::from_file(&file), Err(CostProfileError::TwoOrigins { of: "prf".into() }));
        for of in ["hashes", "hash.md6", "md5", "hash.md5.x"] {
            file.origins = vec![origin("a book", &[of])];
            assert_eq!(CostProfile::from_file(&file), Err(CostProfileError::UnknownOrigin { of: of.into() }));
        }
    }
}
