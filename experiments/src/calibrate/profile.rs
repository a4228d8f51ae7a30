//! From figures to a profile file: which section and keyword a figure belongs to.

use std::collections::BTreeMap;

use ipseclab_crypto::{Encryption, Operation};
use ipseclab_node::cost_profile::{DES_KEYWORD, Step, hash_keyword};
use ipseclab_node::{CostEntry, CostOrigin, CostProfileFile};

use super::case::{Case, Subject};
use super::line::{Point, fit};

/// The profile of `figures`, nanoseconds in the order of `cases`.
pub(super) fn assemble(name: &str, origin: &str, cases: &[Case], figures: &[f64]) -> CostProfileFile {
    let mut points: BTreeMap<Subject, Vec<Point>> = BTreeMap::new();
    for (case, ns) in cases.iter().zip(figures) {
        #[expect(clippy::cast_precision_loss, reason = "a message has fewer than 2^53 octets")]
        let octets = case.octets as f64;
        points.entry(case.subject).or_default().push(Point { octets, ns: *ns });
    }
    let mut file = empty(name, origin);
    file.origins = origins();
    // Without encryption there is nothing to do but the MAC, which has entries of its own.
    for operation in [Operation::Encrypt(Encryption::Null), Operation::Decrypt(Encryption::Null)] {
        insert(&mut file, Subject::Operation(operation), CostEntry::default());
    }
    for (subject, points) in points {
        insert(&mut file, subject, fit(&points));
    }
    file
}

/// What each part was measured on.
fn origins() -> Vec<CostOrigin> {
    let origin = |text: String, of: &[&str]| CostOrigin {
        text,
        of: of.iter().map(|section| (*section).to_owned()).collect(),
    };
    let lines = [Step::Receive, Step::Send, Step::Forward, Step::IkeMessage, Step::Batch];
    let steps = lines.map(|step| format!("path.{}", step.as_str()));
    let steps = steps.each_ref().map(String::as_str);
    let libraries = super::machine::libraries();
    let sizes = super::cryptography::SIZES.map(|size| size.to_string()).join(", ");
    vec![
        origin(
            format!(
                "the real provider, medians over messages of {sizes} octets and a line through them; {libraries}"
            ),
            &["prf", "hash", "encrypt", "decrypt", "integrity"],
        ),
        origin(
            format!("the real provider, medians; {libraries}"),
            &["block", "key_generation", "key_agreement", "sign", "verify"],
        ),
        origin("nothing to do: not measured".to_owned(), &["encrypt.null", "decrypt.null"]),
        origin(
            format!(
                "the packet path of ipseclab {}, medians over packets of {sizes} octets",
                env!("CARGO_PKG_VERSION")
            ),
            &steps,
        ),
    ]
}

fn empty(name: &str, origin: &str) -> CostProfileFile {
    CostProfileFile {
        name: name.to_owned(),
        origin: origin.to_owned(),
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
    }
}

fn insert(file: &mut CostProfileFile, subject: Subject, entry: CostEntry) {
    let (section, keyword) = match subject {
        Subject::Operation(Operation::Prf(prf)) => (&mut file.prf, prf.keyword()),
        Subject::Operation(Operation::Hash(hash)) => (&mut file.hash, hash_keyword(hash)),
        Subject::Operation(Operation::DesBlock) => (&mut file.block, DES_KEYWORD),
        Subject::Operation(Operation::KeyGeneration(method)) => (&mut file.key_generation, method.keyword()),
        Subject::Operation(Operation::KeyAgreement(method)) => (&mut file.key_agreement, method.keyword()),
        Subject::Operation(Operation::Encrypt(cipher)) => (&mut file.encrypt, cipher.keyword()),
        Subject::Operation(Operation::Decrypt(cipher)) => (&mut file.decrypt, cipher.keyword()),
        Subject::Operation(Operation::Integrity(mac)) => (&mut file.integrity, mac.keyword()),
        Subject::Operation(Operation::Sign(class)) => (&mut file.sign, class.keyword()),
        Subject::Operation(Operation::Verify(class)) => (&mut file.verify, class.keyword()),
        Subject::Step(step) => (&mut file.path, Step::as_str(step)),
    };
    section.insert(keyword.to_owned(), entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(subject: Subject, octets: usize) -> Case {
        Case::new(subject, octets, || (), None)
    }

    #[test]
    fn figures_of_one_subject_become_one_line_in_its_section() {
        let (gcm, forward) = (Encryption::ChaCha20Poly1305, Subject::Step(Step::Forward));
        let seal = Subject::Operation(Operation::Encrypt(gcm));
        let cases = [case(seal, 100), case(forward, 100), case(seal, 300)];
        let file = assemble("n", "o", &cases, &[150.0, 20.0, 250.0]);
        assert_eq!((file.name.as_str(), file.origin.as_str()), ("n", "o"));
        assert_eq!(file.encrypt["chacha20poly1305"], CostEntry { fixed_ns: 100.0, ns_per_byte: 0.5 });
        assert_eq!(file.path["forward"], CostEntry { fixed_ns: 20.0, ns_per_byte: 0.0 });
        assert_eq!(file.encrypt["null"], CostEntry::default());
        assert!(file.prf.is_empty());
        assert!(file.origin_of("path", "forward").starts_with("the packet path of ipseclab "));
        assert!(file.origin_of("encrypt", "null").starts_with("nothing to do"));
        assert!(file.origin_of("encrypt", "des").contains("aws-lc-rs "), "{:?}", file.origins);
    }
}
