//! `auth` of a connection: what each side shows, what it asks for, and whom it trusts.
//!
//! Worked out once for a connection, however many pairs of nodes it stands for.

use super::Checker;
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{
    CaTrust, Certificate, CertificateSource, Eap, Identity, LocalAuth, RemoteAuth, Xauth,
};
use crate::scenario::file::{AuthFile, ConnectionFile};
use crate::scenario::value::{AuthMethod, EapMethod, Psk, SignatureChoice};

/// The authentication of both sides of a pair.
pub(super) struct AuthOfPair {
    pub(super) local: AuthOfSide,
    pub(super) remote: AuthOfSide,
}

/// The authentication of one side of a pair.
pub(super) struct AuthOfSide {
    /// Its own identity; by default its address.
    pub(super) local_id: Option<Identity>,
    /// Its peer's identity; by default the peer's address.
    pub(super) remote_id: Option<Identity>,
    /// What it shows.
    pub(super) shown: LocalAuth,
    /// What it asks of the peer.
    asked: Asked,
    /// Whom it trusts.
    pub(super) trust: Vec<CaTrust>,
    /// Pools that it hands out virtual addresses from.
    pub(super) pools: Vec<usize>,
    /// Its part in XAUTH.
    xauth: Option<XauthPart>,
}

/// A part in XAUTH, before the identities are known: the client's name stands in for one that is not given.
struct XauthPart {
    is_client: bool,
    name: Option<String>,
    password: String,
}

/// What a side asks of its peer, before the peer's identity is known.
enum Asked {
    Psk(Vec<u8>),
    PublicKey(SignatureChoice),
    Eap { method: EapMethod, name: Option<String>, password: String },
}

/// The keys that speak of one side.
#[derive(Clone, Copy)]
struct Keys {
    auth: &'static str,
    certs: &'static str,
    cacerts: &'static str,
}

const LOCAL: Keys = Keys { auth: "local_auth", certs: "certs", cacerts: "cacerts" };
const REMOTE: Keys = Keys { auth: "remote_auth", certs: "remote_certs", cacerts: "remote_cacerts" };

impl AuthOfSide {
    /// What is asked of a peer with this identity.
    pub(super) fn asked_of(&self, peer: &Identity) -> RemoteAuth {
        match &self.asked {
            Asked::Psk(key) => RemoteAuth::Psk(key.clone()),
            Asked::PublicKey(choice) => RemoteAuth::PublicKey(choice.clone()),
            Asked::Eap { method, name, password } => {
                let name = name.clone().unwrap_or_else(|| peer.text());
                RemoteAuth::Eap { method: *method, users: vec![Eap { name, password: password.clone() }] }
            }
        }
    }
}

impl AuthOfSide {
    /// The part in XAUTH of a side, where the client has this identity.
    pub(super) fn xauth(&self, client: &Identity) -> Option<Xauth> {
        let part = self.xauth.as_ref()?;
        let name = part.name.clone().unwrap_or_else(|| client.text());
        let user = Eap { name, password: part.password.clone() };
        Some(if part.is_client { Xauth::Client(user) } else { Xauth::Server(vec![user]) })
    }
}

impl Checker<'_> {
    /// The authentication of a connection, or `None` when something is missing.
    pub(super) fn auth(&mut self, file: &ConnectionFile, path: &KeyPath) -> Option<AuthOfPair> {
        let at = path.key("auth");
        let given = &file.auth;
        let methods =
            [&given.local_auth, &given.remote_auth].map(|method| method.clone().unwrap_or(AuthMethod::Psk));
        let before = self.report.findings().len();
        self.check_needs(given, &methods, &at);
        let [local, remote] = methods;
        let certs = self.certificates_of(given.certs.as_deref(), &local, LOCAL, &at);
        let remote_certs = self.certificates_of(given.remote_certs.as_deref(), &remote, REMOTE, &at);
        let trust = self.trust(given.cacerts.as_deref(), &at.key(LOCAL.cacerts));
        let remote_trust = match &given.remote_cacerts {
            Some(names) => self.trust(Some(names), &at.key(REMOTE.cacerts)),
            None => trust.clone(),
        };
        let pools = self.pools_named(file.pools.as_deref(), &path.key("pools"));
        let local_id = self.identity_of(file.local_id.as_deref(), &certs, &path.key("local_id"));
        let remote_id = self.identity_of(file.remote_id.as_deref(), &remote_certs, &path.key("remote_id"));
        if self.report.findings().len() > before {
            return None;
        }
        let psk = given.psk.as_ref();
        let (own_key, far_key) = (octets(psk), octets(given.remote_psk.as_ref().or(psk)));
        let far_password = given.remote_eap_password.as_ref().or(given.eap_password.as_ref());
        Some(AuthOfPair {
            local: AuthOfSide {
                local_id: local_id.clone(),
                remote_id: remote_id.clone(),
                shown: shown(given, &local, &own_key, certs),
                asked: asked(given, &remote, &own_key, far_password),
                trust,
                pools: Vec::new(),
                xauth: xauth(given, true),
            },
            remote: AuthOfSide {
                local_id: remote_id,
                remote_id: local_id,
                shown: shown(given, &remote, &far_key, remote_certs),
                asked: asked(given, &local, &far_key, far_password),
                trust: remote_trust,
                pools,
                xauth: xauth(given, false),
            },
        })
    }

    /// Keys and passwords that the methods need, and methods that go together.
    fn check_needs(&mut self, given: &AuthFile, methods: &[AuthMethod; 2], at: &KeyPath) {
        let is_eap = |method: &AuthMethod| matches!(method, AuthMethod::Eap(_));
        if methods.contains(&AuthMethod::Psk) && given.psk.is_none() {
            self.missing(
                at,
                "psk",
                "a side shows a pre-shared key: psk = \"…\", any text, or octets such as \"0x6b6579\"",
            );
        }
        if methods.iter().any(is_eap) && given.eap_password.is_none() {
            self.missing(at, "eap_password", "a side shows a password: eap_password = \"…\"");
        }
        if methods.iter().all(is_eap) {
            let finding = Finding::new(format!("both sides of `{at}` use EAP"))
                .help("the side that asks for a password proves who it is by \"pubkey\" or \"psk\"");
            self.blame(&at.key("remote_auth"), "one side at most", finding);
        }
        // RFC 7296 §2.16: the initiator authenticates by EAP, and the local side initiates.
        if is_eap(&methods[1]) && !is_eap(&methods[0]) {
            let finding =
                Finding::new(format!("`{at}.remote_auth` is EAP, which only the initiator can use"))
                    .help("let the side with the password be `local`");
            self.blame(&at.key("remote_auth"), "the remote side answers", finding);
        }
    }

    fn missing(&mut self, at: &KeyPath, key: &str, help: &str) {
        let finding = Finding::new(format!("`{at}` lacks `{key}`")).help(help);
        self.blame(at, format!("`{key}` belongs here"), finding);
    }

    /// The places of a side's certificates.
    fn certificates_of(
        &mut self,
        names: Option<&[String]>,
        method: &AuthMethod,
        keys: Keys,
        at: &KeyPath,
    ) -> Vec<usize> {
        if method.is_public_key() && names.is_none() {
            let help = format!("`{}` shows a certificate: {} = [\"a.pem\"]", keys.auth, keys.certs);
            self.missing(at, keys.certs, &help);
        }
        let names = names.unwrap_or_default();
        let found = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| self.certificate_named(name, &at.key(keys.certs).index(index)));
        found.collect()
    }

    /// An identity as given, or that of the first certificate.
    fn identity_of(
        &mut self,
        text: Option<&str>,
        certificates: &[usize],
        path: &KeyPath,
    ) -> Option<Identity> {
        let Some(text) = text else {
            let first = certificates.first().and_then(|place| self.credentials.certificates.get(*place))?;
            return subject_of(first).map(Identity::DistinguishedName);
        };
        match Identity::parse(text) {
            Ok(identity) => Some(identity),
            Err(mistake) => {
                let finding = Finding::new(format!("`{}` is no identity", text.escape_debug()));
                self.blame(path, mistake.message, finding);
                None
            }
        }
    }
}

fn octets(key: Option<&Psk>) -> Vec<u8> {
    key.map_or_else(Vec::new, |key| key.octets().to_vec())
}

fn shown(given: &AuthFile, method: &AuthMethod, key: &[u8], certificates: Vec<usize>) -> LocalAuth {
    match method {
        AuthMethod::Psk => LocalAuth::Psk(key.to_vec()),
        AuthMethod::PublicKey(choice) => LocalAuth::PublicKey { choice: choice.clone(), certificates },
        AuthMethod::Eap(method) => LocalAuth::Eap {
            method: *method,
            name: given.eap_id.clone(),
            password: given.eap_password.clone().unwrap_or_default(),
        },
    }
}

fn asked(given: &AuthFile, method: &AuthMethod, key: &[u8], password: Option<&String>) -> Asked {
    match method {
        AuthMethod::Psk => Asked::Psk(key.to_vec()),
        AuthMethod::PublicKey(choice) => Asked::PublicKey(choice.clone()),
        AuthMethod::Eap(method) => Asked::Eap {
            method: *method,
            name: given.eap_id.clone(),
            password: password.cloned().unwrap_or_default(),
        },
    }
}

fn xauth(given: &AuthFile, is_client: bool) -> Option<XauthPart> {
    let known = given.remote_xauth_password.as_ref().filter(|_| !is_client);
    let password =
        known.or(given.xauth_password.as_ref()).filter(|_| given.xauth_password.is_some())?.clone();
    Some(XauthPart { is_client, name: given.xauth_id.clone(), password })
}

/// The distinguished name of a certificate that the scenario makes.
fn subject_of(certificate: &Certificate) -> Option<String> {
    match &certificate.source {
        CertificateSource::Issued { subject, .. } => Some(subject.clone()),
        CertificateSource::File { .. } => None,
    }
}
