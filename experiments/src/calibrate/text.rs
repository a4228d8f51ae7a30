//! A cost profile as the text of its file, with a comment on what each number stands for.
//!
//! The TOML writer knows no comments, so the few lines are put together here; a test reads them back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipseclab_node::{CostEntry, CostOrigin, CostProfileFile};

/// How wide a list of names gets.
const COLUMNS: usize = 118;

const HEADER: &str = "\
# Cost profile: what cryptography and packets cost a simulated node in processor time.
# An operation over n octets costs fixed_ns + n * ns_per_byte nanoseconds, whole picoseconds counted.
# `ipseclab calibrate --out FILE` measures one on your machine; `cost_profile = \"FILE\"` in a scenario uses it.
";

/// The text of `profile`, one line for each algorithm and step.
pub fn render(profile: &CostProfileFile) -> String {
    let mut text =
        format!("{HEADER}\nname = {}\norigin = {}\n", quoted(&profile.name), quoted(&profile.origin));
    for (number, origin) in profile.origins.iter().enumerate() {
        if number == 0 {
            text.push_str(
                "\n# Where figures come from: of whole sections, or of single lines, which come first.\n",
            );
        }
        text.push_str(&origin_table(origin));
    }
    for (section, entries, comment) in sections(profile) {
        text.push('\n');
        for line in comment.lines() {
            text.push_str("# ");
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&table(section, entries));
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// One element of `origins`, a few names on a line.
fn origin_table(origin: &CostOrigin) -> String {
    let mut text = format!("[[origins]]\ntext = {}\nof = [", quoted(&origin.text));
    let mut width = COLUMNS;
    for name in &origin.of {
        let name = quoted(name);
        if width + name.len() + 2 > COLUMNS {
            text.push_str("\n   ");
            width = 3;
        }
        // Writing to a string cannot fail.
        let _ = write!(text, " {name},");
        width += name.len() + 2;
    }
    text.push_str("\n]\n");
    text
}

fn table(section: &str, entries: &BTreeMap<String, CostEntry>) -> String {
    let width = entries.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("[{section}]\n");
    for (keyword, CostEntry { fixed_ns, ns_per_byte }) in entries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{keyword:width$} = {{ fixed_ns = {fixed_ns}, ns_per_byte = {ns_per_byte} }}");
    }
    text
}

type Section<'a> = (&'static str, &'a BTreeMap<String, CostEntry>, &'static str);

fn sections(profile: &CostProfileFile) -> [Section<'_>; 11] {
    [
        ("prf", &profile.prf, "One call of a PRF, preparing its key included; octets of the message."),
        ("hash", &profile.hash, "One digest; octets of the message."),
        ("block", &profile.block, "Keying single DES and encrypting one block."),
        ("key_generation", &profile.key_generation, "The public value of a private key."),
        (
            "key_agreement",
            &profile.key_agreement,
            "The shared secret from the peer's public value, checks of that value included.",
        ),
        (
            "encrypt",
            &profile.encrypt,
            "Encrypting a message or packet under a key that is ready; octets of text with padding.\n\
             AEADs include their ICV; for the others [integrity] is added, and `null` is nothing but that.",
        ),
        ("decrypt", &profile.decrypt, "The same for decrypting; AEADs include the check of their ICV."),
        (
            "integrity",
            &profile.integrity,
            "Computing or checking one ICV beside a cipher without its own; octets of header, IV and ciphertext.",
        ),
        (
            "sign",
            &profile.sign,
            "One signature, the digest of its message included; octets of the message.\n\
             An RSA key costs what the next larger entry says, whatever its padding and hash.",
        ),
        ("verify", &profile.verify, "Checking one signature; the same octets."),
        (
            "path",
            &profile.path,
            "Handling packets and messages, cryptography aside; octets of the whole packet or message.\n\
             receive: IPv4 header, policy lookup and UDP of a packet for the host.\n\
             send: the same for a packet of the host, headers and checksums written.\n\
             forward: header check, TTL and route lookup (65 routes) of a packet of others.\n\
             ike_message: reading an IKE_AUTH request and writing a message like it.\n\
             batch: polling a ring and taking packets from it, however many; for datapath cores alone.\n\
             These are the program's own code: no interrupts, system calls or copies into a kernel are in them.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost_profiles;

    #[test]
    fn what_is_rendered_reads_back() {
        let mut profile: CostProfileFile = toml::from_str(cost_profiles::text("free").unwrap()).unwrap();
        profile.name = "a \"name\"\nof two lines".into();
        profile.origin = "C:\\origin # 1".into();
        let entry = CostEntry { fixed_ns: 1_900_000.0, ns_per_byte: 0.087 };
        profile.prf.insert("prfsha256".into(), entry);
        let of = ["prf", "hash.md5"].map(str::to_owned).to_vec();
        profile.origins = vec![CostOrigin { text: "a \"book\"".into(), of }];
        let read: CostProfileFile = toml::from_str(&render(&profile)).unwrap();
        assert_eq!((&read.name, &read.origin), (&profile.name, &profile.origin));
        assert_eq!(read.origins, profile.origins);
        assert_eq!((read.prf["prfsha256"], &read.path), (entry, &profile.path));
    }

    #[test]
    fn entries_are_lined_up_under_their_comment() {
        let entry = CostEntry { fixed_ns: 12.5, ns_per_byte: 0.0 };
        let entries = BTreeMap::from([("sha1".to_owned(), entry), ("sha256".to_owned(), entry)]);
        let expected = "[hash]\n\
            sha1   = { fixed_ns = 12.5, ns_per_byte = 0 }\n\
            sha256 = { fixed_ns = 12.5, ns_per_byte = 0 }\n";
        assert_eq!(table("hash", &entries), expected);
    }
}
