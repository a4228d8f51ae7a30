//! `local` and `remote` sections of a swanctl.conf, and the secrets that go with them.

use super::Checker;
use super::connections::own_address;
use super::swanctl::Conf;
use crate::document::{Finding, KeyPath, Location, list};
use crate::scenario::checked::{
    CaTrust, CertificateSource, Eap, Identity, LocalAuth, PeerIdentity, RemoteAuth, Xauth,
};
use crate::scenario::file::IkeVersion;
use crate::scenario::swanctl::{self, Entry, Section};
use crate::scenario::value::{AuthMethod, Psk, SignatureChoice};

/// The authentication of a connection in a swanctl.conf.
pub(super) struct ConfAuth {
    pub(super) local_id: Identity,
    pub(super) remote_id: PeerIdentity,
    pub(super) shown: LocalAuth,
    pub(super) asked: RemoteAuth,
    pub(super) trust: Vec<CaTrust>,
    pub(super) xauth: Option<Xauth>,
}

impl ConfAuth {
    /// Nothing shown and nothing asked for.
    pub(super) fn none() -> Self {
        Self {
            local_id: Identity::Fqdn(String::new()),
            remote_id: PeerIdentity::Any,
            shown: LocalAuth::Psk(Vec::new()),
            asked: RemoteAuth::Psk(Vec::new()),
            trust: Vec::new(),
            xauth: None,
        }
    }
}

/// A secret for identities.
struct Secret<'a> {
    ids: Vec<&'a str>,
    entry: &'a Entry,
}

impl Checker<'_> {
    /// What a connection shows and asks for; swanctl's default is a public key for both.
    pub(super) fn conf_auth(
        &mut self,
        conf: &Conf<'_>,
        section: &Section,
        place: &Location,
        version: IkeVersion,
    ) -> Option<ConfAuth> {
        let (local, our_xauth) = self.rounds(section, "local", place, version)?;
        let (remote, their_xauth) = self.rounds(section, "remote", place, version)?;
        let default = AuthMethod::PublicKey(SignatureChoice::default());
        let ours = self.method(local)?.unwrap_or_else(|| default.clone());
        let theirs = self.method(remote)?.unwrap_or(default);
        let certificates = self.conf_certificates(local);
        let local_id = self.conf_identity(conf, local, &certificates)?;
        let remote_id = match remote.entry("id") {
            Some(entry) => self.read_identity(entry, PeerIdentity::parse)?,
            None => PeerIdentity::Any,
        };
        let shown = match ours {
            AuthMethod::Psk => LocalAuth::Psk(self.shared_key(conf, &local_id, &remote_id, place)?),
            AuthMethod::PublicKey(choice) => {
                if certificates.is_empty() {
                    let finding = Finding::new("a `local` section without `certs` cannot sign")
                        .help("certs = a.pem, or another auth");
                    self.report.push(finding.at(place.clone(), "no certificate"));
                }
                LocalAuth::PublicKey { choice, certificates }
            }
            AuthMethod::Eap(method) => {
                let name = local.entry("eap_id").map(|entry| entry.value.clone());
                let user = name.clone().unwrap_or_else(|| local_id.text());
                LocalAuth::Eap { method, name, password: self.password(conf, &user, place)? }
            }
        };
        let asked = match theirs {
            AuthMethod::Psk => RemoteAuth::Psk(self.shared_key(conf, &local_id, &remote_id, place)?),
            AuthMethod::PublicKey(choice) => RemoteAuth::PublicKey(choice),
            AuthMethod::Eap(method) => RemoteAuth::Eap { method, users: users(conf) },
        };
        let trust = self.conf_trust(conf, remote);
        let xauth = match (our_xauth, their_xauth) {
            (Some(round), _) => Some(self.xauth_client(conf, round, &local_id, place)?),
            (None, Some(_)) => Some(Xauth::Server(users(conf))),
            (None, None) => None,
        };
        Some(ConfAuth { local_id, remote_id, shown, asked, trust, xauth })
    }

    /// The first round of a side, and in IKEv1 the one for XAUTH; further rounds of authentication (RFC 4739) are not built.
    fn rounds<'s>(
        &mut self,
        section: &'s Section,
        side: &str,
        place: &Location,
        version: IkeVersion,
    ) -> Option<(&'s Section, Option<&'s Section>)> {
        let is_xauth = |round: &Section| {
            let auth = round.entry("auth").map_or("", |entry| entry.value.as_str());
            version == IkeVersion::V1 && matches!(auth, "xauth" | "xauth-generic")
        };
        let rounds = || section.sections.iter().filter(|(name, ..)| name.starts_with(side));
        let xauth = rounds().map(|(.., round)| round).find(|round| is_xauth(round));
        let plain = rounds().filter(|(.., round)| !is_xauth(round));
        self.one_round(plain, side, place).map(|first| (first, xauth))
    }

    fn xauth_client(
        &mut self,
        conf: &Conf<'_>,
        round: &Section,
        own: &Identity,
        place: &Location,
    ) -> Option<Xauth> {
        let name = round.entry("xauth_id").map_or_else(|| own.text(), |entry| entry.value.clone());
        let password = self.password(conf, &name, place)?;
        Some(Xauth::Client(Eap { name, password }))
    }

    /// The only one of these rounds.
    fn one_round<'s>(
        &mut self,
        mut rounds: impl Iterator<Item = &'s (String, Location, Section)>,
        side: &str,
        place: &Location,
    ) -> Option<&'s Section> {
        let first = rounds.next();
        if let Some((_, second, _)) = rounds.next() {
            self.refuse(second.clone(), "a second round of authentication");
        }
        if first.is_none() {
            let finding = Finding::new(format!("a connection without a `{side}` section"))
                .help(format!("{side} {{ auth = psk }}"));
            self.report.push(finding.at(place.clone(), format!("`{side}` is missing")));
        }
        first.map(|(.., round)| round)
    }

    /// The way of authentication: the outer `None` for one that is not known, the inner for none at all.
    #[expect(clippy::option_option, reason = "a mistake is not the same as a default")]
    fn method(&mut self, section: &Section) -> Option<Option<AuthMethod>> {
        let Some(entry) = section.entry("auth") else { return Some(None) };
        let item = swanctl::Item { text: entry.value.clone(), range: 0..entry.value.len() };
        self.parsed(entry, &item).map(Some)
    }

    fn conf_certificates(&mut self, local: &Section) -> Vec<usize> {
        let Some(entry) = local.entry("certs") else { return Vec::new() };
        let items = swanctl::items(entry);
        let found = items.into_iter().filter_map(|item| {
            let known = self.credentials.certificates.iter().position(|known| known.name == item.text);
            if known.is_none() {
                self.no_such_credential("certificates", &item.text, entry.within(item.range));
            }
            known
        });
        found.collect()
    }

    fn conf_trust(&mut self, conf: &Conf<'_>, remote: &Section) -> Vec<CaTrust> {
        let authorities =
            conf.root.inside("authorities").iter().filter_map(|(.., section)| section.entry("cacert"));
        let entries: Vec<_> = remote.entry("cacerts").into_iter().chain(authorities).collect();
        if entries.is_empty() {
            return self.trust(None, &KeyPath::root());
        }
        let mut trusted = Vec::new();
        for entry in entries {
            for item in swanctl::items(entry) {
                let name = item.text.strip_suffix(".pem").unwrap_or(&item.text);
                match self.credentials.authorities.iter().position(|authority| authority.name == name) {
                    Some(place) => trusted.push(CaTrust::Authority(place)),
                    None => self.no_such_credential("authorities", &item.text, entry.within(item.range)),
                }
            }
        }
        trusted
    }

    fn no_such_credential(&mut self, section: &str, name: &str, place: Location) {
        let file = self.file;
        let known: Vec<_> = match section {
            "certificates" => file.certificates.keys().map(String::as_str).collect(),
            _ => file.authorities.keys().map(String::as_str).collect(),
        };
        let finding = Finding::new(format!("the scenario has no `{}` in `{section}`", name.escape_debug()))
            .suggest(name, known.iter().copied())
            .help(format!("{section}: {}", list(known.iter().copied())))
            .help(format!("the scenario makes one by [{section}.\"{}\"]", name.escape_debug()));
        self.report.push(finding.at(place, "neither made nor read"));
    }

    fn conf_identity(
        &mut self,
        conf: &Conf<'_>,
        local: &Section,
        certificates: &[usize],
    ) -> Option<Identity> {
        if let Some(entry) = local.entry("id") {
            return self.read_identity(entry, Identity::parse);
        }
        let first = certificates.first().and_then(|place| self.credentials.certificates.get(*place));
        match first.map(|certificate| &certificate.source) {
            Some(CertificateSource::Issued { subject, .. }) => {
                Some(Identity::DistinguishedName(subject.clone()))
            }
            _ => Some(Identity::Address(own_address(conf.node))),
        }
    }

    fn read_identity<T>(
        &mut self,
        entry: &Entry,
        parse: impl Fn(&str) -> Result<T, crate::structure::Mistake>,
    ) -> Option<T> {
        match parse(&entry.value) {
            Ok(identity) => Some(identity),
            Err(mistake) => {
                let finding = Finding::new(format!("`{}` is no identity", entry.value.escape_debug()));
                self.report.push(finding.at(entry.place.clone(), mistake.message));
                None
            }
        }
    }

    /// The secret that fits the two identities best, as strongSwan looks for it: both named, one named, nobody named.
    fn shared_key(
        &mut self,
        conf: &Conf<'_>,
        local: &Identity,
        remote: &PeerIdentity,
        place: &Location,
    ) -> Option<Vec<u8>> {
        let names_remote = |id: &str| match remote {
            PeerIdentity::Exactly(wanted) => Identity::parse(id).is_ok_and(|id| id == *wanted),
            PeerIdentity::Any | PeerIdentity::Like(_) => true,
        };
        let fit = |secret: &Secret<'_>| {
            let ours = secret.ids.iter().any(|id| Identity::parse(id).is_ok_and(|id| id == *local));
            let theirs = secret.ids.iter().any(|id| names_remote(id));
            u8::from(ours) + u8::from(theirs)
        };
        let all = secrets(conf, "ike");
        let usable = all.iter().filter(|secret| secret.ids.is_empty() || fit(secret) > 0);
        let best = usable.max_by_key(|secret| fit(secret));
        let Some(best) = best else {
            let finding = Finding::new(format!("there is no secret for `{}`", local.text()))
                .help("secrets { ike-1 { id-a = … id-b = … secret = \"…\" } }");
            self.report.push(finding.at(place.clone(), "authentication by a pre-shared key"));
            return None;
        };
        let item = swanctl::Item { text: best.entry.value.clone(), range: 0..best.entry.value.len() };
        self.parsed::<Psk>(best.entry, &item).map(|key| key.octets().to_vec())
    }

    fn password(&mut self, conf: &Conf<'_>, user: &str, place: &Location) -> Option<String> {
        let found = passwords(conf).find(|secret| secret.ids.contains(&user));
        if found.is_none() {
            let finding =
                Finding::new(format!("there is no EAP or XAUTH secret for `{}`", user.escape_debug()))
                    .help(format!("secrets {{ eap-1 {{ id = {user} secret = \"…\" }} }}"));
            self.report.push(finding.at(place.clone(), "authentication by a password"));
        }
        found.map(|secret| secret.entry.value.clone())
    }
}

/// Everybody who has a password.
fn users(conf: &Conf<'_>) -> Vec<Eap> {
    passwords(conf)
        .flat_map(|secret| {
            let password = secret.entry.value.clone();
            secret.ids.into_iter().map(move |name| Eap { name: name.to_owned(), password: password.clone() })
        })
        .collect()
}

/// Passwords of EAP and XAUTH, which strongSwan does not tell apart.
fn passwords<'a>(conf: &'a Conf<'_>) -> impl Iterator<Item = Secret<'a>> {
    secrets(conf, "eap").into_iter().chain(secrets(conf, "xauth"))
}

/// The secrets of a kind, in the order of the file.
fn secrets<'a>(conf: &'a Conf<'_>, kind: &str) -> Vec<Secret<'a>> {
    let sections = conf.root.inside("secrets").iter().filter(|(name, ..)| name.starts_with(kind));
    let secret = sections.filter_map(|(.., section)| {
        let ids = section.entries.iter().filter(|entry| entry.key.starts_with("id"));
        Some(Secret { ids: ids.map(|entry| entry.value.as_str()).collect(), entry: section.entry("secret")? })
    });
    secret.collect()
}
