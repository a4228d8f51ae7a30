//! Certificates of a case: their files are not in the folder, so that ours stand in for them. Names come from the
//! configurations; kinds of keys, and how many certificates came along, from the lengths of what was shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::message::Seen;
use crate::table::Case;

/// The scenario's authorities and certificates; nothing for a case that needs none.
pub(crate) fn write(text: &mut String, case: &Case) {
    let organisations = organisations(case);
    let Some(first) = organisations.first() else { return };
    for organisation in &organisations {
        authority(text, case, organisation);
    }
    for side in ['a', 'b'] {
        let conf = case.swanctl(side);
        let subject =
            distinguished_names(&conf).into_iter().find(|name| name.contains(&format!("{side}.example")));
        let organisation = subject.as_deref().and_then(organisation_of).unwrap_or_else(|| first.clone());
        let subject = subject.unwrap_or_else(|| format!("C=CH, O={organisation}, CN={side}.example"));
        let (mut issuer, key) = (label(&organisation), key(case, side, &organisation));
        if shown(case, side).map_or(0, certificates) > 1 {
            issuer = format!("{issuer}-{side}");
            write!(
                text,
                "\n[authorities.{issuer}]\nsubject = \"C=CH, O={organisation}, CN={organisation} intermediate\"\nissuer = \"{}\"\n\
                 key = \"{key}\"\nnot_after = \"2060-01-01T00:00:00Z\"\n",
                label(&organisation)
            )
            .unwrap();
        }
        for file in certificate_files(&conf, side) {
            write!(
                text,
                "\n[certificates.\"{file}\"]\nauthority = \"{issuer}\"\nkey = \"{key}\"\nsubject = \"{subject}\"\n\
                 san = [\"{side}.example\"]\n"
            )
            .unwrap();
            text.push_str(validity(&file));
        }
    }
}

/// Up to 2049 a date takes two digits less (RFC 5280 §4.1.2.5); the cases' end after that.
fn validity(file: &str) -> &'static str {
    if file.contains("expired") {
        "not_before = \"2020-01-01T00:00:00Z\"\nnot_after = \"2021-01-01T00:00:00Z\"\n"
    } else {
        "not_after = \"2056-11-11T14:42:05Z\"\n"
    }
}

fn authority(text: &mut String, case: &Case, organisation: &str) {
    let revoked = if is_revoked(case) { "revoked = [\"a.pem\"]\n" } else { "" };
    let key = key(case, 'b', organisation);
    write!(
        text,
        "\n[authorities.{}]\nsubject = \"C=CH, O={organisation}, CN={organisation} CA\"\nkey = \"{key}\"\n\
         not_after = \"2060-01-01T00:00:00Z\"\n{revoked}",
        label(organisation)
    )
    .unwrap();
}

fn is_revoked(case: &Case) -> bool {
    case.name.contains("revoked") || case.fact("note").contains("revoked")
}

/// Plain letters for a name of the scenario.
fn label(organisation: &str) -> String {
    organisation.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Every quoted or bare name of the form `C=…`.
fn distinguished_names(conf: &str) -> Vec<String> {
    let ids = conf.lines().filter_map(|line| line.trim().split_once('='));
    let ids =
        ids.filter(|(key, _)| key.trim() == "id").map(|(_, value)| value.trim().trim_matches('"').to_owned());
    ids.filter(|id| id.contains("CN=")).collect()
}

fn organisation_of(name: &str) -> Option<String> {
    let part = name.split(',').find_map(|part| part.trim().strip_prefix("O="))?;
    Some(part.to_owned())
}

/// The organisations that have an authority; one of a plain name where only files of certificates are named.
fn organisations(case: &Case) -> Vec<String> {
    let files = [case.swanctl('a'), case.swanctl('b')].concat();
    let named: BTreeSet<_> =
        distinguished_names(&files).iter().filter_map(|name| organisation_of(name)).collect();
    if named.is_empty() && files.contains("certs =") {
        return vec![format!("Lab {}", kind_by_name(case))];
    }
    named.into_iter().collect()
}

fn kind_by_name(case: &Case) -> &'static str {
    let kinds = ["ecdsa384", "ecdsa", "ed25519", "rsa3072"];
    kinds.into_iter().find(|kind| case.name.contains(kind)).unwrap_or("rsa")
}

fn certificate_files(conf: &str, side: char) -> Vec<String> {
    let lines = conf.lines().filter_map(|line| line.trim().strip_prefix("certs = "));
    let mut files: Vec<_> =
        lines.flat_map(|line| line.split(',')).map(|file| file.trim().to_owned()).collect();
    if files.is_empty() && conf.contains("auth = pubkey") {
        files.push(format!("{side}.pem"));
    }
    files.sort();
    files.dedup();
    files
}

/// The message in which a side showed who it is.
fn shown(case: &Case, side: char) -> Option<&Seen> {
    let direction = if side == 'a' { "a>b" } else { "b>a" };
    let auths =
        case.messages.iter().filter(|seen| seen.exchange == "IKE_AUTH" && seen.direction == direction);
    auths.into_iter().find(|seen| seen.has("AUTH") && (seen.has("CERT") || signature(seen).is_some()))
}

fn certificates(seen: &Seen) -> usize {
    seen.payloads.iter().filter(|(label, _)| label == "CERT").count()
}

/// The kind of key that makes an AUTH payload of its length: 4 octets of header, 4 of method, the algorithm's name of RFC
/// 7427 in 12 to 68 octets unless the method is an old one, and the signature.
fn signature(seen: &Seen) -> Option<&'static str> {
    Some(match seen.payload("AUTH")? {
        264 | 280 | 332 => "rsa-2048",
        392 | 408 | 460 => "rsa-3072",
        520 | 536 | 588 => "rsa-4096",
        80 => "ed25519",
        89..=93 => "ecdsa-p256",
        104 | 119..=125 => "ecdsa-p384",
        140 | 150..=160 => "ecdsa-p521",
        _ => return None,
    })
}

fn key(case: &Case, side: char, organisation: &str) -> &'static str {
    if let Some(kind) = shown(case, side).and_then(signature) {
        return kind;
    }
    match organisation {
        name if name.contains("384") => "ecdsa-p384",
        name if name.contains("ecdsa") => "ecdsa-p256",
        name if name.contains("25519") => "ed25519",
        name if name.contains("3072") => "rsa-3072",
        _ => "rsa-2048",
    }
}
