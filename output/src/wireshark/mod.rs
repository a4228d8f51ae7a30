//! Key tables with which Wireshark and tshark decrypt our captures.
//!
//! Wireshark reads keys of IKE and ESP from "user accessible tables" in its configuration folder, so a folder of our own
//! beside the capture makes decryption one environment variable. Formats and names are those that tshark 4.0
//! accepts; it refuses a whole table for one row that it does not like, so an algorithm that it does not know
//! (such as ChaCha20-Poly1305) has no row, and its packets stay encrypted on screen. Rows are sorted and unique: both ends of an SA may report it.

mod algorithm;

pub use algorithm::{AesBits, Encryption, Integrity};

use crate::hex::hex;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Keys of one IKE SA (RFC 7296 §2.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IkeKeyRow {
    /// Initiator's SPI.
    pub spi_i: u64,
    /// Responder's SPI.
    pub spi_r: u64,
    /// Encryption key of the initiator; for an AEAD with its salt appended.
    pub sk_ei: Vec<u8>,
    /// Encryption key of the responder; for an AEAD with its salt appended.
    pub sk_er: Vec<u8>,
    /// Encryption algorithm.
    pub encryption: Encryption,
    /// Integrity key of the initiator; empty for an AEAD.
    pub sk_ai: Vec<u8>,
    /// Integrity key of the responder; empty for an AEAD.
    pub sk_ar: Vec<u8>,
    /// Integrity algorithm; [`Integrity::None`] for an AEAD.
    pub integrity: Integrity,
}

/// Key of one ISAKMP SA of `IKEv1` (RFC 2409 appendix B).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpKeyRow {
    /// Initiator's cookie.
    pub cookie_i: u64,
    /// What messages are encrypted with, made from `SKEYID_e`. Wireshark takes the cipher from the capture, which must
    /// hold all of phase 1.
    pub key: Vec<u8>,
}

/// Keys of one direction of a Child SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspKeyRow {
    /// Source of the outer packets.
    pub src: IpAddr,
    /// Destination of the outer packets.
    pub dst: IpAddr,
    /// SPI in the packets.
    pub spi: u32,
    /// Encryption algorithm.
    pub encryption: Encryption,
    /// Encryption key; for an AEAD with its salt appended.
    pub key: Vec<u8>,
    /// Integrity algorithm; [`Integrity::None`] for an AEAD.
    pub integrity: Integrity,
    /// Integrity key; empty for an AEAD.
    pub ikey: Vec<u8>,
}

/// Collects rows and writes the folder.
#[derive(Debug, Clone, Default)]
pub struct KeyTables {
    isakmp: BTreeSet<String>,
    ike: BTreeSet<String>,
    esp: BTreeSet<String>,
    omitted: BTreeSet<&'static str>,
}

impl KeyTables {
    /// Tables without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an ISAKMP SA.
    pub fn add_isakmp(&mut self, row: &IsakmpKeyRow) {
        self.isakmp.insert(format!("{:016x},{}", row.cookie_i, hex(&row.key)));
    }

    /// Adds an IKE SA; one with an algorithm that tshark does not know is left out and named in the how-to.
    pub fn add_ike(&mut self, row: &IkeKeyRow) {
        let Some(encryption) = row.encryption.ike_name() else {
            return self.omit(row.encryption.iana_name());
        };
        let integrity = integrity(row.encryption, row.integrity);
        let Some(integrity) = integrity.ike_name() else { return self.omit(integrity.iana_name()) };
        self.ike.insert(format!(
            "{:016x},{:016x},{},{},\"{encryption}\",{},{},\"{integrity}\"",
            row.spi_i,
            row.spi_r,
            hex(&row.sk_ei),
            hex(&row.sk_er),
            hex(integrity_key(row.encryption, &row.sk_ai)),
            hex(integrity_key(row.encryption, &row.sk_ar)),
        ));
    }

    /// Adds one direction of a Child SA; one with an algorithm that tshark does not know is left out and named in
    /// the how-to.
    pub fn add_esp(&mut self, row: &EspKeyRow) {
        let Some(encryption) = row.encryption.esp_name() else {
            return self.omit(row.encryption.iana_name());
        };
        let family = if row.src.is_ipv4() { "IPv4" } else { "IPv6" };
        self.esp.insert(format!(
            "\"{family}\",\"{}\",\"{}\",\"0x{:08x}\",\"{encryption}\",\"{}\",\"{}\",\"{}\"",
            row.src,
            row.dst,
            row.spi,
            prefixed_hex(&row.key),
            integrity(row.encryption, row.integrity).esp_name(),
            prefixed_hex(integrity_key(row.encryption, &row.ikey)),
        ));
    }

    /// The files of the folder, name and content, in order of the names; the table of `IKEv1` only where it has rows.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = vec![("HOWTO.txt", self.how_to().into_bytes()), ("esp_sa", lines(&self.esp))];
        if !self.isakmp.is_empty() {
            files.push(("ikev1_decryption_table", lines(&self.isakmp)));
        }
        files.push(("ikev2_decryption_table", lines(&self.ike)));
        files.push(("preferences", PREFERENCES.as_bytes().to_vec()));
        files
    }

    fn omit(&mut self, algorithm: &'static str) {
        self.omitted.insert(algorithm);
    }

    fn how_to(&self) -> String {
        let names: Vec<&str> = self.omitted.iter().copied().collect();
        let note = match names.as_slice() {
            [] => String::new(),
            names => format!("Left out, because tshark 4.0 does not know it: {}.\n", names.join(", ")),
        };
        format!("{HOW_TO}{note}")
    }
}

/// The one line that a reader needs, relative to the run's directory.
const HOW_TO: &str =
    "WIRESHARK_CONFIG_DIR=capture/wireshark tshark -r capture/NODE.pcapng  # in the folder of the run\n";

/// What tshark needs to be told to use the tables and to check what they hold.
const PREFERENCES: &str = "esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: TRUE\n";

fn lines(rows: &BTreeSet<String>) -> Vec<u8> {
    rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect::<String>().into_bytes()
}

/// What an AEAD has beside it is none of tshark's business: any other name than its `NONE` makes it refuse the table.
fn integrity(encryption: Encryption, integrity: Integrity) -> Integrity {
    if encryption.is_aead() { Integrity::None } else { integrity }
}

fn integrity_key(encryption: Encryption, key: &[u8]) -> &[u8] {
    if encryption.is_aead() { &[] } else { key }
}

/// tshark takes a key without `0x` for text and silently decrypts nothing; an empty key has no prefix.
fn prefixed_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { String::new() } else { format!("0x{}", hex(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ike_row() -> IkeKeyRow {
        IkeKeyRow {
            spi_i: 0x01,
            spi_r: 0xfd82_c207_dfb6_77b0,
            sk_ei: vec![0xaa; 2],
            sk_er: vec![0xbb; 2],
            encryption: Encryption::AesCbc(AesBits::Bits128),
            sk_ai: vec![0x0c],
            sk_ar: vec![0x0d],
            integrity: Integrity::HmacSha256,
        }
    }

    fn esp_row() -> EspKeyRow {
        EspKeyRow {
            src: "192.0.2.1".parse().unwrap(),
            dst: "192.0.2.2".parse().unwrap(),
            spi: 0x100,
            encryption: Encryption::AesGcm16(AesBits::Bits256),
            key: vec![0x0e; 2],
            integrity: Integrity::None,
            ikey: Vec::new(),
        }
    }

    fn file(tables: &KeyTables, name: &str) -> String {
        let files = tables.files();
        let (_, bytes) = files.into_iter().find(|(found, _)| *found == name).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rows_have_the_format_of_the_two_tables() {
        let mut tables = KeyTables::new();
        tables.add_ike(&ike_row());
        tables.add_esp(&esp_row());
        let expected = "0000000000000001,fd82c207dfb677b0,aaaa,bbbb,\"AES-CBC-128 [RFC3602]\",0c,0d,\
                        \"HMAC_SHA2_256_128 [RFC4868]\"\n";
        assert_eq!(file(&tables, "ikev2_decryption_table"), expected);
        let expected = "\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0x00000100\",\"AES-GCM with 16 octet ICV [RFC4106]\",\
                        \"0x0e0e\",\"NULL\",\"\"\n";
        assert_eq!(file(&tables, "esp_sa"), expected);
    }

    #[test]
    fn an_isakmp_sa_is_its_cookie_and_its_key() {
        let mut tables = KeyTables::new();
        assert!(tables.files().iter().all(|(name, _)| *name != "ikev1_decryption_table"));
        tables.add_isakmp(&IsakmpKeyRow { cookie_i: 0x5c04_b123_db1c_f824, key: vec![0xcd, 0x42] });
        assert_eq!(file(&tables, "ikev1_decryption_table"), "5c04b123db1cf824,cd42\n");
    }

    #[test]
    fn rows_are_sorted_and_unique_whatever_the_order() {
        let other = EspKeyRow { spi: 0xff, ..esp_row() };
        let tables = |rows: &[&EspKeyRow]| {
            let mut tables = KeyTables::new();
            for row in rows {
                tables.add_esp(row);
            }
            tables
        };
        let one = tables(&[&esp_row(), &other, &esp_row()]);
        let two = tables(&[&other, &esp_row()]);
        assert_eq!(one.files(), two.files());
        assert_eq!(file(&one, "esp_sa").lines().count(), 2);
    }

    #[test]
    fn an_unknown_algorithm_is_left_out_and_named() {
        let mut tables = KeyTables::new();
        assert_eq!(file(&tables, "HOWTO.txt").lines().count(), 1);
        let encryption = Encryption::ChaCha20Poly1305;
        tables.add_ike(&IkeKeyRow { encryption, ..ike_row() });
        tables.add_esp(&EspKeyRow { encryption, ..esp_row() });
        assert_eq!(file(&tables, "ikev2_decryption_table") + &file(&tables, "esp_sa"), "");
        assert!(file(&tables, "HOWTO.txt").ends_with("does not know it: ENCR_CHACHA20_POLY1305.\n"));
    }

    #[test]
    fn an_aead_has_no_integrity_whatever_the_row_says() {
        let mut one = KeyTables::new();
        one.add_esp(&esp_row());
        let mut two = KeyTables::new();
        two.add_esp(&EspKeyRow { integrity: Integrity::HmacSha1, ikey: vec![1], ..esp_row() });
        assert_eq!(one.files(), two.files());
        let mut ike = KeyTables::new();
        ike.add_ike(&IkeKeyRow { encryption: Encryption::AesGcm16(AesBits::Bits128), ..ike_row() });
        assert!(file(&ike, "ikev2_decryption_table").ends_with("ICV [RFC5282]\",,,\"NONE [RFC4306]\"\n"));
    }

    #[test]
    fn a_mac_that_tshark_cannot_name_in_ike_is_left_out_there_and_unchecked_in_esp() {
        let mut tables = KeyTables::new();
        tables.add_ike(&IkeKeyRow { integrity: Integrity::AesXcbc, ..ike_row() });
        let encryption = Encryption::AesCbc(AesBits::Bits128);
        tables.add_esp(&EspKeyRow { encryption, integrity: Integrity::AesXcbc, ikey: vec![1], ..esp_row() });
        assert!(tables.ike.is_empty() && tables.how_to().contains("AUTH_AES_XCBC_96"));
        let row = tables.esp.first().unwrap();
        assert!(row.ends_with("\"ANY 96 bit authentication [no checking]\",\"0x01\""), "{row}");
    }

    #[test]
    fn an_ipv6_row_says_so() {
        let address = "2001:db8::1".parse().unwrap();
        let mut tables = KeyTables::new();
        tables.add_esp(&EspKeyRow { src: address, dst: address, ..esp_row() });
        assert!(file(&tables, "esp_sa").starts_with("\"IPv6\",\"2001:db8::1\",\"2001:db8::1\","));
    }
}
