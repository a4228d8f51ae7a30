//! What belongs to one version of IKE alone: keys of the other one, and what IKEv1 cannot negotiate.
//!
//! A key without influence would be a trap for the reader of a scenario, so it is refused; a swanctl.conf may have it, as
//! strongSwan passes over it too.

use std::collections::BTreeSet;

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod};
use ipseclab_ike::proposal::{self, Esn};

use super::Checker;
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{Child, Connection, NodeSettings};
use crate::scenario::file::{AuthFile, ChildFile, ConnectionFile, IkeVersion};
use crate::scenario::value::{AuthMethod, KeyFamily, SignatureChoice, Size};

impl Checker<'_> {
    /// What of a connection is not for its version.
    pub(super) fn check_version(&mut self, file: &ConnectionFile, path: &KeyPath) {
        match file.version.unwrap_or_default() {
            IkeVersion::V1 => self.check_version_one(file, path),
            IkeVersion::V2 => self.check_version_two(file, path),
        }
        for (name, child) in &file.children {
            self.check_protocols(file.version.unwrap_or_default(), child, &path.key("children").key(name));
        }
    }

    fn check_version_one(&mut self, file: &ConnectionFile, path: &KeyPath) {
        let keys = [
            ("mobike", file.mobike.is_some()),
            ("childless", file.childless.is_some()),
            ("window", file.window.is_some()),
            ("make_before_break", file.make_before_break.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
            let finding = Finding::new(format!("`{path}.{key}` has no meaning in IKEv1"));
            self.blame(&path.key(key), "only for IKEv2", finding.help("leave it out"));
        }
        for (key, given) in [("proposals", &file.proposals), ("remote_proposals", &file.remote_proposals)] {
            for (index, proposal) in given.iter().flatten().enumerate() {
                if let Some(fault) = ike_fault(proposal.parsed()) {
                    let finding = Finding::new(format!("`{}` is no proposal of IKEv1", proposal.text()))
                        .help("such as \"aes128-sha1-modp1024\" or \"aes256-sha256-ecp256\"");
                    self.blame(&path.key(key).index(index), fault, finding);
                }
            }
        }
        if let Some(bytes) = file.life_bytes {
            self.check_kilobytes(bytes, &path.key("life_bytes"));
        }
        self.check_positive(file.dpd_timeout, &path.key("dpd_timeout"));
        self.check_version_one_auth(&file.auth, &path.key("auth"));
    }

    /// RFC 2409 appendix A: a number of four octets that counts units of 1024.
    fn check_kilobytes(&mut self, bytes: Size, path: &KeyPath) {
        if kilobytes(bytes).is_none() {
            let finding = Finding::new(format!("`{path}` must be a whole number of KiB below 4 TiB"));
            self.blame(path, "cannot be announced", finding.help("such as \"100MiB\""));
        }
    }

    fn check_version_one_auth(&mut self, auth: &AuthFile, path: &KeyPath) {
        let methods = [("local_auth", &auth.local_auth), ("remote_auth", &auth.remote_auth)];
        for (key, method) in methods {
            if let Some(fault) = method.as_ref().and_then(auth_fault) {
                let finding = Finding::new(format!("`{path}.{key}` is not for IKEv1"))
                    .help("IKEv1 has \"psk\", and \"pubkey\" or \"rsa\" for RSA signatures")
                    .help("a password goes behind it: xauth_password = \"…\"");
                self.blame(&path.key(key), fault, finding);
            }
        }
        let is_psk = |method: &Option<AuthMethod>| matches!(method, None | Some(AuthMethod::Psk));
        if is_psk(&auth.local_auth) != is_psk(&auth.remote_auth) {
            let finding = Finding::new(format!("the two sides of `{path}` authenticate in different ways"))
                .help("IKEv1 has one method for both (RFC 2409 §5)");
            self.blame(path, "a shared key on one side alone", finding);
        }
        if auth.xauth_password.is_none() && (auth.xauth_id.is_some() || auth.remote_xauth_password.is_some())
        {
            let finding = Finding::new(format!("`{path}` lacks `xauth_password`"))
                .help("the password that the local node shows: xauth_password = \"…\"");
            self.blame(path, "`xauth_password` belongs here", finding);
        }
    }

    fn check_version_two(&mut self, file: &ConnectionFile, path: &KeyPath) {
        if file.dpd_timeout.is_some() {
            let finding = Finding::new(format!("`{path}.dpd_timeout` has no meaning in IKEv2"))
                .help("a silent peer counts as gone after `retransmit_tries` repetitions of the check")
                .help("leave it out; `dpd_delay` says how often the peer is asked");
            self.blame(&path.key("dpd_timeout"), "only for IKEv1", finding);
        }
        let auth = path.key("auth");
        let keys = [
            (path.key("aggressive"), file.aggressive.is_some()),
            (path.key("pull"), file.pull.is_some()),
            (path.key("life_bytes"), file.life_bytes.is_some()),
            (auth.key("xauth_id"), file.auth.xauth_id.is_some()),
            (auth.key("xauth_password"), file.auth.xauth_password.is_some()),
            (auth.key("remote_xauth_password"), file.auth.remote_xauth_password.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
            let finding = Finding::new(format!("`{key}` has no meaning in IKEv2"))
                .help("leave it out, or set `version = 1`");
            self.blame(&key, "only for IKEv1", finding);
        }
    }

    /// AH, ESP or both.
    fn check_protocols(&mut self, version: IkeVersion, child: &ChildFile, path: &KeyPath) {
        let ah = child.ah_proposals.is_some() || child.remote_ah_proposals.is_some();
        let esp = child.esp_proposals.is_some() || child.remote_esp_proposals.is_some();
        if ah && esp && version == IkeVersion::V2 {
            let finding = Finding::new(format!("`{path}` asks for AH and ESP at once"))
                .help("IKEv2 negotiates one of them for a Child SA; IKEv1 can do both: `version = 1`");
            self.blame(&path.key("ah_proposals"), "beside `esp_proposals`", finding);
        }
        let given =
            [("esp_proposals", &child.esp_proposals), ("remote_esp_proposals", &child.remote_esp_proposals)];
        for (key, proposals) in given {
            for (index, proposal) in proposals.iter().flatten().enumerate() {
                let at = path.key(key).index(index);
                if proposal.needs_ah() && !ah && child.unauthenticated_esp != Some(true) {
                    let finding =
                        Finding::new(format!("`{}` protects nobody's packets from changes", proposal.text()))
                            .help("an integrity algorithm is missing, such as sha256; who insists says `unauthenticated_esp = true`")
                            .help("IKEv1 can leave it to AH around ESP: ah_proposals = [\"sha1\"]");
                    self.blame(&at, "neither integrity nor AH", finding);
                } else if let Some(fault) = esp_fault(proposal.parsed()).filter(|_| version == IkeVersion::V1)
                {
                    let finding = Finding::new(format!("`{}` is no proposal of IKEv1", proposal.text()))
                        .help("such as \"aes128-sha1\", \"aes128gcm16\" or \"3des-md5-modp1024\"");
                    self.blame(&at, fault, finding);
                }
            }
        }
    }

    /// AH covers the addresses of a packet, which a NAT changes (RFC 3948 §1).
    pub(super) fn check_ah_path(&mut self, file: &ConnectionFile, nodes: [&NodeSettings; 2], path: &KeyPath) {
        let encap = file.encap == Some(true);
        let behind = nodes.iter().find(|node| node.nat.is_some());
        let Some((name, _)) = file.children.iter().find(|(_, child)| child.ah_proposals.is_some()) else {
            return;
        };
        if !encap && behind.is_none() {
            return;
        }
        let finding = Finding::new(format!("the tunnel `{name}` has AH, which cannot pass a NAT"));
        let finding = match behind {
            Some(node) => finding.help(format!("`{}` is behind one; use ESP alone", node.name)),
            None => finding.help("`encap` makes both sides believe in one; leave it out, or use ESP alone"),
        };
        self.blame(&path.key("children").key(name).key("ah_proposals"), "covers the addresses", finding);
    }

    /// The same for connections of files of swanctl.conf, blamed on the file.
    pub(super) fn check_conf_ah_paths(&mut self, connections: &[Connection], nodes: &[NodeSettings]) {
        for connection in connections {
            let own = &nodes[connection.node.index()];
            let ends = [Some(own), connection.peer.map(|peer| &nodes[peer.index()])];
            let behind = ends.into_iter().flatten().find(|node| node.nat.is_some());
            let ah = connection.children.iter().find(|child| !child.ah_proposals.is_empty());
            let Some(child) = ah.filter(|_| behind.is_some() || connection.encap) else { continue };
            let message = format!("the tunnel `{}` has AH, which cannot pass a NAT", child.name);
            let help = behind.map_or_else(
                || "`encap` makes both sides believe in one; leave it out, or use ESP alone".to_owned(),
                |node| format!("`{}` is behind one; use ESP alone", node.name),
            );
            let finding = Finding::new(message).help(help);
            let path = KeyPath::root().key("nodes").key(&own.name).key("swanctl");
            self.blame(&path, "covers the addresses", finding);
        }
    }

    /// Quick Mode names one network on each side (RFC 2409 §5.5).
    pub(super) fn check_single_networks(&mut self, connections: &[Connection]) {
        let mut told = BTreeSet::new();
        for connection in connections.iter().filter(|one| one.version == IkeVersion::V1) {
            let wide = |child: &&Child| child.local_ts.len() > 1 || child.remote_ts.len() > 1;
            let Some(child) = connection.children.iter().find(wide) else { continue };
            if !told.insert((connection.name.clone(), child.name.clone())) {
                continue;
            }
            let path = KeyPath::root().key("connections").key(&connection.name);
            let finding = Finding::new(format!(
                "the tunnel `{}` of `{}` has several networks on a side",
                child.name, connection.name
            ))
            .help("IKEv1 negotiates one on each side; make a child for each pair of networks");
            let place = self.document.locate_key(&path.key("children").key(&child.name));
            self.report.push(finding.at(place, "more than one"));
        }
    }
}

/// Units of 1024 octets, where they are whole and can be announced.
pub(super) fn kilobytes(bytes: Size) -> Option<u32> {
    let octets = bytes.octets();
    u32::try_from(octets / 1024).ok().filter(|number| *number > 0 && octets.is_multiple_of(1024))
}

/// Why IKEv1 does not know a way of authentication.
fn auth_fault(method: &AuthMethod) -> Option<&'static str> {
    match method {
        AuthMethod::Psk => None,
        AuthMethod::Eap(_) => Some("EAP is a part of IKEv2"),
        AuthMethod::PublicKey(SignatureChoice { family, pss, hashes }) => {
            let rsa = matches!(family, None | Some(KeyFamily::Rsa)) && !pss;
            match (rsa, hashes.is_empty()) {
                (false, _) => Some("signatures of IKEv1 are RSA's first kind"),
                (true, false) => Some("the hash of the proposal is the hash of the signature"),
                (true, true) => None,
            }
        }
    }
}

/// Why IKEv1 cannot negotiate a proposal for its phase 1.
pub(super) fn ike_fault(proposal: &proposal::IkeProposal) -> Option<&'static str> {
    let derived: Vec<_> = proposal.integrity.iter().map(|integrity| integrity.prf()).collect();
    match proposal {
        one if !one.encryption.iter().all(|algorithm| is_v1_cipher(*algorithm)) => {
            Some("phase 1 has DES, 3DES and AES in CBC mode")
        }
        one if !one.integrity.iter().all(|algorithm| is_v1_hash(*algorithm)) => {
            Some("phase 1 has the hashes md5, sha1, sha256, sha384 and sha512")
        }
        one if one.prf != derived => Some("the PRF is that of the hash"),
        one if !one.key_exchange.iter().all(|method| is_v1_group(*method)) => {
            Some("phase 1 has the groups 1, 2, 5 and 14 to 21")
        }
        _ => None,
    }
}

/// Why IKEv1 cannot negotiate a proposal for ESP.
fn esp_fault(proposal: &proposal::EspProposal) -> Option<&'static str> {
    if proposal.encryption.contains(&Encryption::ChaCha20Poly1305) {
        return Some("IKEv1 has no number for ChaCha20-Poly1305");
    }
    if proposal.esn.contains(&Esn::Yes) {
        return Some("64-bit sequence numbers are negotiated by IKEv2");
    }
    let known = proposal.key_exchange.iter().all(|method| is_v1_group(*method));
    (!known).then_some("phase 2 has the groups 1, 2, 5 and 14 to 21")
}

fn is_v1_cipher(algorithm: Encryption) -> bool {
    matches!(algorithm, Encryption::Des | Encryption::TripleDes | Encryption::AesCbc(_))
}

fn is_v1_hash(algorithm: Integrity) -> bool {
    !matches!(algorithm, Integrity::AesXcbc96 | Integrity::AesCmac96)
}

fn is_v1_group(method: KeyExchangeMethod) -> bool {
    matches!(method.transform_id(), 1 | 2 | 5 | 14..=21)
}

/// What remains of a vendor's proposals for IKEv1; ours, when nothing does.
pub(super) fn v1_ike_proposals(usual: &[proposal::IkeProposal]) -> Vec<proposal::IkeProposal> {
    let kept: Vec<_> = usual.iter().filter_map(v1_ike_proposal).collect();
    if !kept.is_empty() {
        return kept;
    }
    proposal::IkeProposal::default_set().iter().filter_map(v1_ike_proposal).collect()
}

fn v1_ike_proposal(usual: &proposal::IkeProposal) -> Option<proposal::IkeProposal> {
    let integrity: Vec<_> = usual.integrity.iter().copied().filter(|one| is_v1_hash(*one)).collect();
    let kept = proposal::IkeProposal {
        encryption: usual.encryption.iter().copied().filter(|one| is_v1_cipher(*one)).collect(),
        prf: integrity.iter().map(|integrity| integrity.prf()).collect(),
        key_exchange: usual.key_exchange.iter().copied().filter(|one| is_v1_group(*one)).collect(),
        integrity,
    };
    let complete = !kept.encryption.is_empty() && !kept.integrity.is_empty() && !kept.key_exchange.is_empty();
    complete.then_some(kept)
}

/// The same for ESP.
pub(super) fn v1_esp_proposals(usual: &[proposal::EspProposal]) -> Vec<proposal::EspProposal> {
    let kept = |usual: &proposal::EspProposal| {
        let known = |one: &Encryption| *one != Encryption::ChaCha20Poly1305;
        let kept = proposal::EspProposal {
            encryption: usual.encryption.iter().copied().filter(known).collect(),
            key_exchange: usual.key_exchange.iter().copied().filter(|one| is_v1_group(*one)).collect(),
            esn: vec![Esn::No],
            integrity: usual.integrity.clone(),
        };
        (!kept.encryption.is_empty()).then_some(kept)
    };
    usual.iter().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use ipseclab_ike::proposal::{EspProposal, IkeProposal, parse_esp_proposal, parse_ike_proposal};

    use super::*;

    #[test]
    fn phase_one_has_older_algorithms_alone() {
        let fault = |text: &str| ike_fault(&parse_ike_proposal(text).unwrap());
        for text in
            ["des-md5-modp768", "3des-sha1-modp1024", "aes256-sha512-ecp521", "aes192-sha384-modp1536"]
        {
            assert_eq!(fault(text), None, "{text}");
        }
        for text in [
            "aes128gcm16-prfsha256-modp2048",
            "aes128ctr-sha256-modp2048",
            "aes128-aesxcbc-modp2048",
            "aes128-sha256-prfsha512-modp2048",
            "aes128-sha256-x25519",
        ] {
            assert!(fault(text).is_some(), "{text}");
        }
    }

    #[test]
    fn vendors_proposals_lose_what_version_one_has_no_number_for() {
        let kept = v1_ike_proposals(&IkeProposal::default_set());
        assert_eq!(kept.len(), 1, "the AEADs go");
        assert_eq!(ike_fault(&kept[0]), None);
        let aead = [parse_ike_proposal("aes128gcm16-prfsha256-x25519").unwrap()];
        assert_eq!(v1_ike_proposals(&aead), kept, "ours in place of nothing");
        for proposal in v1_esp_proposals(&EspProposal::default_set()) {
            assert_eq!(esp_fault(&proposal), None);
        }
        assert!(esp_fault(&parse_esp_proposal("aes128-sha1-esn").unwrap()).is_some());
    }
}
