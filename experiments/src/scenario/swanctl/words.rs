//! The vocabulary of swanctl.conf: what is read, what a simulation has no use for, and what is not built.
//!
//! Keys without influence on a simulation are taken and forgotten: `updown` scripts, marks and interfaces of the Linux
//! kernel, hardware offload, firewall settings, identifiers of policies, priorities, DSCP, private key files (a .pem file
//! of a node holds its key), where revocation lists lie, as those are given in the
//! scenario. The words of IKEv1 alone (`aggressive`, `pull`, `dpd_timeout`) are passed over in a connection of IKEv2.

use super::parse::{Entry, Section};
use crate::document::{Finding, Location, Report, list};

/// What a kind of section may hold. Names of sections end in anything: `local-1`, `ike-a`.
struct Words {
    /// What the section is called in messages.
    name: &'static str,
    read: &'static [&'static str],
    ignored: &'static [&'static str],
    not_built: &'static [&'static str],
    /// Sections by the beginning of their names.
    sections: &'static [(&'static str, &'static Self)],
    /// Sections of any name.
    named: Option<&'static Self>,
    /// Sections that strongSwan has, by the beginning of their names.
    sections_not_built: &'static [&'static str],
}

const EMPTY: Words = Words {
    name: "this section",
    read: &[],
    ignored: &[],
    not_built: &[],
    sections: &[],
    named: None,
    sections_not_built: &[],
};

static ROOT: Words = Words {
    name: "the file",
    sections: &[
        ("connections", &CONNECTIONS),
        ("secrets", &SECRETS),
        ("pools", &POOLS),
        ("authorities", &AUTHORITIES),
    ],
    ..EMPTY
};

static CONNECTIONS: Words = Words { name: "`connections`", named: Some(&CONNECTION), ..EMPTY };

static CONNECTION: Words = Words {
    name: "a connection",
    read: &[
        "version",
        "local_addrs",
        "remote_addrs",
        "proposals",
        "vips",
        "mobike",
        "dpd_delay",
        "dpd_timeout",
        "aggressive",
        "pull",
        "fragmentation",
        "childless",
        "send_certreq",
        "send_cert",
        "keyingtries",
        "unique",
        "reauth_time",
        "rekey_time",
        "over_time",
        "rand_time",
        "pools",
        "encap",
    ],
    ignored: &["dscp", "if_id_in", "if_id_out", "ocsp"],
    not_built: &[
        "local_port",
        "remote_port",
        "ppk_id",
        "ppk_required",
        "mediation",
        "mediated_by",
        "mediation_peer",
    ],
    sections: &[("local", &LOCAL), ("remote", &REMOTE), ("children", &CHILDREN)],
    ..EMPTY
};

static LOCAL: Words = Words {
    name: "a `local` section",
    read: &["auth", "id", "certs", "eap_id", "xauth_id"],
    ignored: &["round"],
    not_built: &["pubkeys", "aaa_id"],
    sections_not_built: &["cert"],
    ..EMPTY
};

static REMOTE: Words = Words {
    name: "a `remote` section",
    read: &["auth", "id", "cacerts", "eap_id", "xauth_id"],
    ignored: &["round", "certs"],
    not_built: &["groups", "cert_policy", "pubkeys", "ca_id", "revocation"],
    sections_not_built: &["cacert", "cert"],
    ..EMPTY
};

static CHILDREN: Words = Words { name: "`children`", named: Some(&CHILD), ..EMPTY };

static CHILD: Words = Words {
    name: "a child",
    read: &[
        "esp_proposals",
        "ah_proposals",
        "local_ts",
        "remote_ts",
        "rekey_time",
        "life_time",
        "rand_time",
        "rekey_bytes",
        "life_bytes",
        "rand_bytes",
        "rekey_packets",
        "life_packets",
        "rand_packets",
        "mode",
        "dpd_action",
        "inactivity",
        "replay_window",
        "start_action",
        "close_action",
    ],
    ignored: &[
        "updown",
        "hostaccess",
        "policies_fwd_out",
        "reqid",
        "priority",
        "interface",
        "mark_in",
        "mark_in_sa",
        "mark_out",
        "set_mark_in",
        "set_mark_out",
        "if_id_in",
        "if_id_out",
        "hw_offload",
        "copy_df",
        "copy_ecn",
        "copy_dscp",
    ],
    not_built: &["sha256_96", "ipcomp", "policies", "tfc_padding", "label", "label_mode", "per_cpu_sas"],
    ..EMPTY
};

static SECRETS: Words = Words {
    name: "`secrets`",
    sections: &[
        ("ike", &SECRET),
        ("eap", &SECRET),
        ("xauth", &SECRET),
        ("private", &KEY_FILE),
        ("rsa", &KEY_FILE),
        ("ecdsa", &KEY_FILE),
        ("pkcs8", &KEY_FILE),
        ("pkcs12", &KEY_FILE),
    ],
    sections_not_built: &["ntlm", "ppk", "token"],
    ..EMPTY
};

/// Its ids are `id`, `id-a`, `id1` and so on.
static SECRET: Words = Words { name: "a secret", read: &["secret", "id"], ..EMPTY };

static KEY_FILE: Words = Words { name: "a key file", ignored: &["file", "secret"], ..EMPTY };

static POOLS: Words = Words { name: "`pools`", named: Some(&POOL), ..EMPTY };

static POOL: Words = Words {
    name: "a pool",
    read: &["addrs", "dns", "nbns", "dhcp", "netmask", "subnet", "split_include", "split_exclude"],
    not_built: &["server"],
    ..EMPTY
};

static AUTHORITIES: Words = Words { name: "`authorities`", named: Some(&AUTHORITY), ..EMPTY };

static AUTHORITY: Words = Words {
    name: "an authority",
    read: &["cacert"],
    ignored: &["file", "handle", "slot", "module", "crl_uris", "ocsp_uris", "cert_uri_base"],
    ..EMPTY
};

/// Everything in a file that is no word of swanctl.conf, or none that is built.
pub(in crate::scenario) fn check(root: &Section) -> Report {
    let mut report = Report::default();
    check_section(root, &ROOT, &mut report);
    report
}

fn check_section(section: &Section, words: &Words, report: &mut Report) {
    for entry in &section.entries {
        check_entry(entry, words, report);
    }
    for (name, place, inner) in &section.sections {
        // The longest beginning decides: `cacert` is no `ca`.
        let fitting = words.sections.iter().filter(|(start, _)| name.starts_with(start));
        let of_name = fitting.max_by_key(|(start, _)| start.len()).map(|(_, words)| *words);
        match of_name.or(words.named) {
            Some(words) => check_section(inner, words, report),
            None => report.push(unknown_section(name, place, words)),
        }
    }
}

fn check_entry(entry: &Entry, words: &Words, report: &mut Report) {
    let key = entry.key.as_str();
    let is_read = words.read.contains(&key) || (words.name == SECRET.name && key.starts_with("id"));
    if is_read || words.ignored.contains(&key) {
        return;
    }
    if words.not_built.contains(&key) {
        let finding = Finding::new(format!("`{key}` is not built yet"));
        report.push(finding.at(entry.key_place.clone(), "strongSwan knows it"));
        return;
    }
    let known = || words.read.iter().chain(words.ignored).copied();
    let finding = Finding::new(format!("unknown key `{}`", key.escape_debug()))
        .at(entry.key_place.clone(), format!("not a key of {}", words.name))
        .suggest(key, known())
        .help(format!("keys of {}: {}", words.name, list(words.read.iter().copied())));
    report.push(finding);
}

fn unknown_section(name: &str, place: &Location, words: &Words) -> Finding {
    let known = words.sections_not_built.iter().any(|start| name.starts_with(start));
    if known {
        return Finding::new(format!("a `{name}` section is not built yet"))
            .at(place.clone(), "strongSwan knows it");
    }
    let sections = || words.sections.iter().map(|(start, _)| *start);
    Finding::new(format!("unknown section `{}`", name.escape_debug()))
        .at(place.clone(), format!("not a section of {}", words.name))
        .suggest(name, sections())
        .help(format!("sections of {}: {}", words.name, list(sections())))
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use crate::document::SourceText;

    fn messages(text: &str) -> Vec<String> {
        let root = parse(&SourceText::new("t.conf", text)).unwrap();
        check(&root).findings().iter().map(|finding| finding.message.clone()).collect()
    }

    fn in_connection(line: &str) -> Vec<String> {
        messages(&format!("connections {{\n net {{\n{line}\n}}\n}}\n"))
    }

    #[test]
    fn typos_are_told_from_words_of_strongswan_and_from_words_without_influence() {
        assert_eq!(in_connection("rekey_tiem = 4h"), ["unknown key `rekey_tiem`"]);
        assert_eq!(in_connection("ppk_id = x"), ["`ppk_id` is not built yet"]);
        assert_eq!(in_connection("children { a { updown = /bin/x\n mark_in = 3\n } }"), [""; 0]);
        assert_eq!(in_connection("children { a { ipcomp = yes\n } }"), ["`ipcomp` is not built yet"]);
        assert_eq!(in_connection("lokal { id = a\n }"), ["unknown section `lokal`"]);
        assert_eq!(messages("secrets { ppk-1 { secret = x\n } }"), ["a `ppk-1` section is not built yet"]);
        assert_eq!(messages("secrets { ike-1 { id-a = a\n id2 = b\n secret = x\n } }"), [""; 0]);
        assert_eq!(messages("conections { }"), ["unknown section `conections`"]);
    }
}
