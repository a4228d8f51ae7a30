//! `[authorities]`, `[certificates]` and `[pools]`: names resolved, dates fixed, files read.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::Path;

use ipseclab_crypto::PrivateKey;
use ipseclab_ike::Identity as IkeIdentity;
use ipseclab_ike::config::{PoolAttribute, PoolRange};
use ipseclab_ike::credential::{Certificate as X509, DistinguishedName, OwnCertificate};

use super::Checker;
use crate::document::{Finding, KeyPath, list};
use crate::scenario::checked::{Authority, CaTrust, Certificate, CertificateSource, Pool};
use crate::scenario::defaults;
use crate::scenario::file::{AuthorityFile, CertificateFile};
use crate::scenario::selector::Network;
use crate::scenario::value::{Moment, TextValue as _};

/// A day and a year, in seconds.
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

impl Checker<'_> {
    /// Authorities, certificates and pools of the scenario.
    pub(super) fn credentials(&mut self) {
        let file = self.file;
        self.start_unix = match file.start_time {
            Some(Moment::Unix(seconds)) => seconds,
            Some(_) => {
                let finding = Finding::new("`start_time` must be a date");
                self.blame(&KeyPath::root().key("start_time"), "relative to itself", finding);
                defaults::START_UNIX
            }
            None => defaults::START_UNIX,
        };
        for name in self.authorities_in_order() {
            self.authority(&name, &file.authorities[&name]);
        }
        for (name, certificate) in &file.certificates {
            self.certificate(name, certificate);
        }
        for (name, authority) in &file.authorities {
            self.revocations(name, authority);
        }
        self.pools();
    }

    /// Names of authorities, issuers first; those in a circle are reported and left out.
    fn authorities_in_order(&mut self) -> Vec<String> {
        let file = self.file;
        let mut ordered: Vec<String> = Vec::new();
        let mut left: Vec<&String> = file.authorities.keys().collect();
        loop {
            let before = left.len();
            left.retain(|name| {
                let issuer = file.authorities[*name].issuer.as_ref();
                let is_ready = issuer
                    .is_none_or(|issuer| ordered.contains(issuer) || !file.authorities.contains_key(issuer));
                if is_ready {
                    ordered.push((*name).clone());
                }
                !is_ready
            });
            if left.len() == before {
                break;
            }
        }
        for name in left {
            let path = KeyPath::root().key("authorities").key(name).key("issuer");
            let finding = Finding::new(format!("the issuers of `{name}` lead back to it"))
                .help("a root has no `issuer`; it signs itself");
            self.blame(&path, "a circle without a root", finding);
        }
        ordered
    }

    fn authority(&mut self, name: &str, file: &AuthorityFile) {
        let path = KeyPath::root().key("authorities").key(name);
        self.check_name("name of an authority", name, &path);
        self.check_distinguished_name(&file.subject, &path.key("subject"));
        let issuer =
            file.issuer.as_ref().and_then(|issuer| self.authority_named(issuer, &path.key("issuer")));
        let dates = (file.not_before, file.not_after);
        let (not_before, not_after) = self.validity(dates, 10 * YEAR, &path);
        self.credentials.authorities.push(Authority {
            name: name.to_owned(),
            subject: file.subject.clone(),
            key: file.key,
            issuer,
            not_before,
            not_after,
            revoked: Vec::new(),
        });
    }

    fn certificate(&mut self, name: &str, file: &CertificateFile) {
        let path = KeyPath::root().key("certificates").key(name);
        self.check_distinguished_name(&file.subject, &path.key("subject"));
        self.check_alternative_names(file.san.as_deref().unwrap_or_default(), &path.key("san"));
        let authority = self.authority_named(&file.authority, &path.key("authority"));
        let (not_before, not_after) = self.validity((file.not_before, file.not_after), YEAR, &path);
        let Some(authority) = authority else { return };
        self.credentials.certificates.push(Certificate {
            name: name.to_owned(),
            source: CertificateSource::Issued {
                authority,
                subject: file.subject.clone(),
                san: file.san.clone().unwrap_or_default(),
                key: file.key,
                not_before,
                not_after,
            },
        });
    }

    fn validity(
        &mut self,
        dates: (Option<Moment>, Option<Moment>),
        lasts: i64,
        path: &KeyPath,
    ) -> (i64, i64) {
        let start = self.start_unix;
        let unix = |moment: Option<Moment>, default| moment.map_or(default, |moment| moment.unix(start));
        let (not_before, not_after) = (unix(dates.0, start - DAY), unix(dates.1, start + lasts));
        if not_before >= not_after {
            let finding = Finding::new(format!("`{path}` is valid at no time"));
            let key = if dates.1.is_some() { "not_after" } else { "not_before" };
            self.blame(&path.key(key), "`not_before` must be earlier than `not_after`", finding);
        }
        (not_before, not_after)
    }

    /// `C=CH, O=Lab, CN=a.example`: attributes with values, at least one.
    fn check_distinguished_name(&mut self, subject: &str, path: &KeyPath) {
        if let Err(error) = DistinguishedName::parse(subject) {
            let finding = Finding::new(format!("`{path}` is no distinguished name"))
                .help("such as \"C=CH, O=Lab, CN=a.example\"");
            self.blame(path, error.to_string(), finding);
        }
    }

    /// Names that a certificate can hold besides its subject.
    fn check_alternative_names(&mut self, names: &[String], path: &KeyPath) {
        let fits = |name: &str| {
            matches!(
                IkeIdentity::parse(name),
                IkeIdentity::Address(_) | IkeIdentity::Fqdn(_) | IkeIdentity::Email(_)
            )
        };
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !fits(name) || name.is_empty()) {
            let finding = Finding::new(format!("`{}` cannot stand in a certificate", name.escape_debug()))
                .help("a domain name, an address, or user@domain");
            self.blame(&path.index(index), "no such name", finding);
        }
    }

    fn revocations(&mut self, name: &str, file: &AuthorityFile) {
        let path = KeyPath::root().key("authorities").key(name).key("revoked");
        let Some(authority) = self.credentials.authorities.iter().position(|known| known.name == name) else {
            return;
        };
        for (index, revoked) in file.revoked.iter().flatten().enumerate() {
            let path = path.index(index);
            let place = self.credentials.certificates.iter().position(|known| known.name == *revoked);
            let issuer = place.and_then(|place| match self.credentials.certificates[place].source {
                CertificateSource::Issued { authority, .. } => Some(authority),
                CertificateSource::File { .. } => None,
            });
            if let Some(place) = place.filter(|_| issuer == Some(authority)) {
                self.credentials.authorities[authority].revoked.push(place);
                continue;
            }
            let known = || self.file.certificates.keys().map(String::as_str);
            let finding = Finding::new(format!("`{name}` has signed no certificate `{revoked}`"))
                .help(format!("certificates: {}", list(known())));
            self.blame(&path, "nothing to revoke", finding);
        }
    }

    fn authority_named(&mut self, name: &str, path: &KeyPath) -> Option<usize> {
        let place = self.credentials.authorities.iter().position(|authority| authority.name == name);
        if place.is_none() && !self.file.authorities.contains_key(name) {
            let known = || self.file.authorities.keys().map(String::as_str);
            let finding = Finding::new(format!("there is no authority `{name}`"))
                .suggest(name, known())
                .help(format!("authorities: {}", list(known())));
            self.blame(path, "nobody could sign", finding);
        }
        place
    }

    /// The place of a certificate that a connection names, read from its file when the scenario does not make it.
    pub(super) fn certificate_named(&mut self, name: &str, path: &KeyPath) -> Option<usize> {
        let known = self.credentials.certificates.iter().position(|certificate| certificate.name == name);
        if known.is_some() || self.file.certificates.contains_key(name) {
            return known;
        }
        let pem = self.pem_file(name, path, "certificates", own_certificate)?;
        self.credentials
            .certificates
            .push(Certificate { name: name.to_owned(), source: CertificateSource::File { pem } });
        Some(self.credentials.certificates.len() - 1)
    }

    /// Whom a side trusts: the named ones, or every root of the scenario.
    pub(super) fn trust(&mut self, names: Option<&[String]>, path: &KeyPath) -> Vec<CaTrust> {
        let Some(names) = names else {
            let authorities = self.credentials.authorities.iter().enumerate();
            let roots = authorities.filter(|(_, authority)| authority.issuer.is_none());
            return roots.map(|(place, _)| CaTrust::Authority(place)).collect();
        };
        let trusted = names.iter().enumerate().filter_map(|(index, name)| {
            let known = self.credentials.authorities.iter().position(|authority| authority.name == *name);
            match known {
                Some(place) => Some(CaTrust::Authority(place)),
                None if self.file.authorities.contains_key(name) => None,
                None => self
                    .pem_file(name, &path.index(index), "authorities", authority_certificates)
                    .map(CaTrust::File),
            }
        });
        trusted.collect()
    }

    /// The text of a .pem file beside the scenario; any other name is one that the scenario should make.
    fn pem_file(
        &mut self,
        name: &str,
        path: &KeyPath,
        section: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let is_file = self.folder.is_some_and(|folder| folder.join(name).is_file());
        if !is_file || Path::new(name).extension().is_none_or(|end| end != "pem") {
            let certificates = self.file.certificates.keys();
            let authorities = self.file.authorities.keys();
            let known: Vec<_> =
                if section == "certificates" { certificates.collect() } else { authorities.collect() };
            let names = || known.iter().map(|name| name.as_str());
            let finding = Finding::new(format!("`{section}` has no `{name}`, and there is no such file"))
                .suggest(name, names())
                .help(format!("{section}: {}", list(names())))
                .help("a file lies beside the scenario and its name ends in .pem");
            self.blame(path, "neither made nor read", finding);
            return None;
        }
        let (_, pem) = self.read_file(name, path)?;
        if let Err(reason) = check(&pem) {
            let finding = Finding::new(format!("`{name}` does not hold what is needed"))
                .help(
                    "a .pem file of a node holds its certificate, those that lead to it, and its private key",
                )
                .help("a .pem file of an authority holds its certificate");
            self.blame(path, reason, finding);
            return None;
        }
        Some(pem)
    }

    fn pools(&mut self) {
        let file = self.file;
        for (name, pool) in &file.pools {
            let path = KeyPath::root().key("pools").key(name);
            self.check_name("name of a pool", name, &path);
            let Some(addresses) = address_range(&pool.addrs) else {
                let finding = Finding::new(format!("`{path}.addrs` is no network and no range"))
                    .help("such as \"10.77.0.0/28\" or \"10.77.0.10-10.77.0.99\"");
                self.blame(&path.key("addrs"), "no addresses", finding);
                continue;
            };
            let attributes = pool.dns().into_iter().map(PoolAttribute::Dns).collect();
            self.credentials.pools.push(Pool { name: name.clone(), addresses, attributes });
        }
    }

    /// The places of the pools that a list at `path` names.
    pub(super) fn pools_named(&mut self, names: Option<&[String]>, path: &KeyPath) -> Vec<usize> {
        let file = self.file;
        let places: BTreeMap<&str, usize> = self
            .credentials
            .pools
            .iter()
            .enumerate()
            .map(|(place, pool)| (pool.name.as_str(), place))
            .collect();
        let places: Vec<_> =
            names.unwrap_or_default().iter().map(|name| (name, places.get(name.as_str()).copied())).collect();
        for (index, (name, _)) in places.iter().enumerate() {
            if !file.pools.contains_key(*name) {
                let known = || file.pools.keys().map(String::as_str);
                let finding = Finding::new(format!("there is no pool `{name}`"))
                    .suggest(name, known())
                    .help(format!("pools: {}", list(known())));
                self.blame(&path.index(index), "no addresses to hand out", finding);
            }
        }
        places.into_iter().filter_map(|(_, place)| place).collect()
    }
}

/// A certificate with its own key.
fn own_certificate(pem: &str) -> Result<(), String> {
    let certificates = X509::from_pem(pem).map_err(|error| error.to_string())?;
    let key = PrivateKey::from_pem(pem).map_err(|error| error.to_string())?;
    let own = certificates.into_iter().next().ok_or_else(|| "it holds no certificate".to_owned())?;
    OwnCertificate::new(own, key).map(drop).map_err(|error| error.to_string())
}

/// At least one certificate.
fn authority_certificates(pem: &str) -> Result<(), String> {
    let certificates = X509::from_pem(pem).map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

/// The addresses of a network or a range.
pub(super) fn address_range(text: &str) -> Option<PoolRange> {
    if let Some((first, last)) = text.split_once('-') {
        return PoolRange::range(first.trim().parse().ok()?, last.trim().parse().ok()?).ok();
    }
    if let Ok(network) = Network::parse(text) {
        return PoolRange::network(network.first(), network.prefix_len()).ok();
    }
    let (address, length) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    PoolRange::network(address.into(), length.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_networks_or_ranges_of_either_family() {
        let range =
            |text: &str| address_range(text).map(|range| (range.nth(0).unwrap().to_string(), range.size()));
        let from = |first: &str, size| Some((first.to_owned(), size));
        assert_eq!(
            range("10.77.0.0/28"),
            from("10.77.0.1", 14),
            "as strongSwan, without network and broadcast"
        );
        assert_eq!(range("10.77.0.10-10.77.0.99"), from("10.77.0.10", 90));
        assert_eq!(range("2001:db8::/126"), from("2001:db8::1", 2));
        for text in ["", "10.77.0.0/33", "10.77.0.9-10.77.0.1", "10.0.0.1-::1", "2001:db8::/129", "dhcp"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
