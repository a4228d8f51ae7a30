//! The Transaction exchange (draft-dukes-ike-mode-cfg-02): extended authentication and virtual addresses.
//!
//! ```text
//!    XAUTH (draft-ietf-ipsec-isakmp-xauth-06), which the server begins after phase 1
//! server                                                                  client
//! HDR*, HASH, CP(REQUEST: XAUTH_USER_NAME, XAUTH_USER_PASSWORD)   ──►
//!              ◄──  HDR*, HASH, CP(REPLY: XAUTH_USER_NAME = …, XAUTH_USER_PASSWORD = …)
//! HDR*, HASH, CP(SET: XAUTH_STATUS = 1)                           ──►
//!              ◄──  HDR*, HASH, CP(ACK: XAUTH_STATUS)
//!
//!    Mode-Config, pulled by the client                            pushed by the server
//! HDR*, HASH, CP(REQUEST: INTERNAL_IP4_ADDRESS)                   HDR*, HASH, CP(SET: INTERNAL_IP4_ADDRESS = …)
//! HDR*, HASH, CP(REPLY: INTERNAL_IP4_ADDRESS = …)                 HDR*, HASH, CP(ACK)
//! ```
//!
//! Each pair is an exchange with a message ID of its own. Names and passwords are those of EAP.
//!
//! Left out: challenges, passcodes, and IPv6 addresses.

use core::net::{IpAddr, Ipv4Addr};

use crate::config::{ModeConfig, PoolAttribute, Xauth};
use crate::eap::EapIdentity;
use crate::event::{CloseReason, DropReason, Event, FailureReason, VirtualAddress};
use crate::v1::V1Exchange;
use crate::v1::cipher::Opened;
use crate::v1::conversation::Awaits;
use crate::v1::established::{Established, Exchange, Gate, Work, envelope};
use crate::v1::isakmp_sa::{Env, Head, State};
use crate::v2::{Client, Role};
use crate::wire::isakmp::{
    Attribute, AuthMethod, ConfigAttribute, ConfigPayload, ConfigType, Message, Payload,
};
use crate::wire::{CfgAttribute, Part, Reader, Writer};

/// The success of extended authentication, as `XAUTH_STATUS` says it.
const STATUS_OK: u16 = 1;
const STATUS_FAIL: u16 = 0;
/// As strongSwan numbers its Transactions.
const IDENTIFIER: u16 = 0;

/// What we have asked the peer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Server: name and password.
    Name,
    /// Server: to take note of this verdict.
    Verdict(bool),
    /// Client: an address.
    Address,
    /// Server: to take an address.
    Lent,
}

/// Which side logs in, as the method of phase 1 says.
const fn client_of(method: AuthMethod) -> Option<Role> {
    match method {
        AuthMethod::XauthInitPsk | AuthMethod::XauthInitRsa => Some(Role::Initiator),
        AuthMethod::XauthRespPsk | AuthMethod::XauthRespRsa => Some(Role::Responder),
        _ => None,
    }
}

fn payload_of(message: &Message) -> Option<&ConfigPayload> {
    message.payloads.iter().find_map(|payload| match payload {
        Payload::Config(config) => Some(config),
        _ => None,
    })
}

impl Established {
    /// Begins extended authentication, or waits for it; false when there is none.
    pub(crate) fn begin_login(&mut self, head: &mut Head, env: &mut Env<'_>) -> bool {
        match client_of(self.agreed.method) {
            None => false,
            Some(client) if client == head.role => {
                self.gate = Gate::Login;
                true
            }
            Some(_) => {
                self.gate = Gate::Login;
                let wanted = [ConfigAttribute::XauthUserName, ConfigAttribute::XauthUserPassword];
                let attributes = wanted.map(|attribute| attribute.with_octets([])).to_vec();
                self.ask(head, env, Asked::Name, ConfigType::Request, attributes);
                true
            }
        }
    }

    /// Begins what a configuration needs before Child SAs.
    pub(crate) fn begin_configuration(&mut self, head: &mut Head, env: &mut Env<'_>) {
        let connection = env.config.connection(self.connection);
        let pull = connection.v1.mode_config == ModeConfig::Pull;
        let wanted: Vec<_> = connection.vips.iter().filter_map(ipv4).collect();
        if self.replaces.is_some() {
            return;
        }
        if !wanted.is_empty() {
            self.gate = Gate::Configuring;
            if pull {
                let attributes = wanted.into_iter().map(address_attribute).collect();
                self.ask(head, env, Asked::Address, ConfigType::Request, attributes);
            }
        } else if !connection.pools.is_empty()
            && !pull
            && head.role == Role::Responder
            && let Some(attributes) = self.lend(head, env, &[Ipv4Addr::UNSPECIFIED])
        {
            self.gate = Gate::Configuring;
            self.ask(head, env, Asked::Lent, ConfigType::Set, attributes);
        }
    }

    /// Sends the first message of a Transaction.
    fn ask(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        asked: Asked,
        kind: ConfigType,
        attributes: Vec<Attribute>,
    ) {
        let id = self.new_message_id(env);
        let rest = vec![Payload::Config(ConfigPayload { kind, identifier: IDENTIFIER, attributes })];
        let payloads = self.hashed(env, id, rest);
        let iv = self.cipher.exchange_iv(env.crypto, &self.phase1_iv, id);
        let mut exchange = Exchange::new(iv, Work::Transaction(asked));
        let envelope = envelope(V1Exchange::Transaction, id, false);
        exchange.send(head, env, &self.cipher, (envelope, &payloads), Awaits::Answer);
        self.exchanges.insert(id, exchange);
    }

    /// Handles the first message of a Transaction that the peer begins.
    pub(crate) fn answer_transaction(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        opened: Opened,
    ) -> (State, Result<(), DropReason>) {
        let id = opened.message.header.message_id;
        let expected = self.keys.hash_1(env.crypto, id, opened.behind_first());
        if let Err(reason) = opened.check_hash(&expected) {
            return (State::Established(self), Err(reason));
        }
        self.note_authentic(head, env, id);
        if self.exchanges.len() >= env.config.limits.children {
            return (State::Established(self), Err(DropReason::Limit));
        }
        let Some(config) = payload_of(&opened.message) else {
            return (State::Established(self), Err(DropReason::Unexpected));
        };
        let status = config.attribute(ConfigAttribute::XauthStatus).and_then(Attribute::number);
        let answer = match (config.kind, status) {
            (ConfigType::Request, _) if config.attribute(ConfigAttribute::XauthUserName).is_some() => {
                self.credentials(env).map(|attributes| (ConfigType::Reply, attributes))
            }
            (ConfigType::Set, Some(_)) => {
                let attributes = vec![ConfigAttribute::XauthStatus.with_octets([])];
                matches!(self.gate, Gate::Login).then_some((ConfigType::Ack, attributes))
            }
            (ConfigType::Request, _) => {
                let wanted = wanted_addresses(config);
                self.lend(head, env, &wanted).map(|attributes| (ConfigType::Reply, attributes))
            }
            (ConfigType::Set, None) => self.take_lent(head, env, config).then_some((ConfigType::Ack, vec![])),
            _ => None,
        };
        let Some((kind, attributes)) = answer else {
            return (State::Established(self), Err(DropReason::Unexpected));
        };
        let identifier = config.identifier;
        let rest = vec![Payload::Config(ConfigPayload { kind, identifier, attributes })];
        let payloads = self.hashed(env, id, rest);
        let mut exchange = Exchange::new(opened.next_iv, Work::Done(env.now));
        exchange.conversation.accept(head.received.print);
        let envelope = envelope(V1Exchange::Transaction, id, true);
        exchange.send(head, env, &self.cipher, (envelope, &payloads), Awaits::Nothing);
        exchange.finish(head, env);
        self.exchanges.insert(id, exchange);
        (self.after_answer(head, env, status), Ok(()))
    }

    /// The verdict of the server has been acknowledged, or an address taken.
    fn after_answer(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>, status: Option<u64>) -> State {
        match (status, &self.gate) {
            (Some(status), Gate::Login) if status == u64::from(STATUS_OK) => {
                self.open(head, env);
                State::Established(self)
            }
            (Some(_), Gate::Login) => self.close(head, env, CloseReason::Remote),
            _ => {
                self.proceed(head, env);
                State::Established(self)
            }
        }
    }

    /// Our name and password; `None` when we are no client, or have none.
    fn credentials(&self, env: &Env<'_>) -> Option<Vec<Attribute>> {
        let Some(Xauth::Client(identity)) = &env.config.connection(self.connection).v1.xauth else {
            return None;
        };
        let password = env.config.credentials.eap.password(identity)?;
        Some(vec![
            ConfigAttribute::XauthUserName.with_octets(identity.as_bytes()),
            ConfigAttribute::XauthUserPassword.with_octets(password.utf8()),
        ])
    }

    /// Handles the answer to a Transaction of ours, whose hash is right.
    pub(crate) fn conclude_transaction(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        (mut exchange, asked): (Exchange, Asked),
        message: &Message,
    ) -> State {
        exchange.finish(head, env);
        self.exchanges.insert(message.header.message_id, exchange);
        let Some(config) = payload_of(message) else { return State::Established(self) };
        match asked {
            Asked::Name => {
                let is_right = knows(env, config);
                let status = if is_right { STATUS_OK } else { STATUS_FAIL };
                let attributes = vec![ConfigAttribute::XauthStatus.with_number(status)];
                self.ask(head, env, Asked::Verdict(is_right), ConfigType::Set, attributes);
            }
            Asked::Verdict(true) => self.open(head, env),
            Asked::Verdict(false) => {
                self.send_delete(head, env);
                return self.close(head, env, CloseReason::Local);
            }
            Asked::Address => {
                self.take_lent(head, env, config);
                self.proceed(head, env);
            }
            Asked::Lent => {
                self.gate = Gate::Open;
                self.proceed(head, env);
            }
        }
        State::Established(self)
    }

    /// Lends addresses out of the pools of the connection, with what goes with them; `None` when there are none.
    fn lend(&mut self, head: &Head, env: &mut Env<'_>, wanted: &[Ipv4Addr]) -> Option<Vec<Attribute>> {
        let connection = env.config.connection(self.connection);
        let pools = env.config.pools_of(connection);
        let client = Client { ike_sa: head.id, identity: &self.peer_id, address: head.path.remote.ip() };
        let wanted = wanted.iter().take(env.config.limits.virtual_addresses);
        let mut lent = vec![];
        for address in wanted {
            lent.extend(env.pools.acquire(&pools, client, IpAddr::V4(*address), env.config.limits.leases));
        }
        if lent.is_empty() {
            return None;
        }
        let mut attributes: Vec<_> = lent.iter().filter_map(ipv4).map(address_attribute).collect();
        let mut dns = vec![];
        for attribute in pools.iter().flat_map(|(_, pool)| &pool.attributes) {
            if let PoolAttribute::Dns(server) = attribute {
                dns.push(*server);
            }
            attributes.extend(to_attribute(&attribute.to_wire()));
        }
        self.addresses.remote.clone_from(&lent);
        let (ike_sa, connection, role) = (head.id, self.connection, Role::Responder);
        let event = VirtualAddress { ike_sa, connection, role, addresses: lent, dns, attributes: vec![] };
        env.events.push_back(Event::VirtualAddress(Box::new(event)));
        Some(attributes)
    }

    /// Takes the addresses that the peer lends us; false when we want none.
    fn take_lent(&mut self, head: &mut Head, env: &mut Env<'_>, config: &ConfigPayload) -> bool {
        if !matches!(self.gate, Gate::Configuring) {
            return false;
        }
        self.gate = Gate::Open;
        let limit = env.config.limits.virtual_addresses;
        let addresses =
            |kind| -> Vec<IpAddr> { config.ipv4_addresses(kind).map(IpAddr::V4).take(limit).collect() };
        let (lent, dns) = (addresses(ConfigAttribute::Ip4Address), addresses(ConfigAttribute::Ip4Dns));
        if lent.is_empty() {
            // Without an address nothing can be asked for whose selectors are to be it.
            for wish in std::mem::take(&mut head.waiting) {
                head.child_failed(env, &wish, FailureReason::AddressFailure);
            }
        }
        self.addresses.local.clone_from(&lent);
        let (ike_sa, connection, role) = (head.id, self.connection, Role::Initiator);
        let others =
            config.attributes.iter().filter(|attribute| !is_address(attribute)).filter_map(from_attribute);
        let attributes: Vec<CfgAttribute> = others.collect();
        let event = VirtualAddress { ike_sa, connection, role, addresses: lent, dns, attributes };
        env.events.push_back(Event::VirtualAddress(Box::new(event)));
        true
    }
}

/// Whether a peer's name and password belong together.
fn knows(env: &Env<'_>, config: &ConfigPayload) -> bool {
    let name = config.octets(ConfigAttribute::XauthUserName).and_then(EapIdentity::new);
    let password = config.octets(ConfigAttribute::XauthUserPassword);
    let known = name.as_ref().and_then(|name| env.config.credentials.eap.password(name));
    known.zip(password).is_some_and(|(known, password)| {
        ipseclab_crypto::Secret::new(known.utf8()) == ipseclab_crypto::Secret::new(password)
    })
}

fn ipv4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

/// An address as an attribute; an unspecified one is empty and asks for one.
fn address_attribute(address: Ipv4Addr) -> Attribute {
    let octets = if address.is_unspecified() { vec![] } else { address.octets().to_vec() };
    ConfigAttribute::Ip4Address.with_octets(octets)
}

/// The addresses that a request asks for; an empty attribute asks for any.
fn wanted_addresses(config: &ConfigPayload) -> Vec<Ipv4Addr> {
    let asks = |attribute: &&Attribute| attribute.kind() == ConfigAttribute::Ip4Address.code();
    let address = |attribute: &Attribute| match attribute {
        Attribute::Long { value, .. } => <[u8; 4]>::try_from(value.as_slice()).ok().map(Ipv4Addr::from),
        Attribute::Short { .. } => None,
    };
    let wanted = config.attributes.iter().filter(asks);
    wanted.map(|attribute| address(attribute).unwrap_or(Ipv4Addr::UNSPECIFIED)).collect()
}

fn is_address(attribute: &Attribute) -> bool {
    let kinds = [ConfigAttribute::Ip4Address, ConfigAttribute::Ip4Dns];
    kinds.iter().any(|kind| kind.code() == attribute.kind())
}

/// The attribute of IKEv2 in the form of IKEv1: the octets are the same.
fn to_attribute(attribute: &CfgAttribute) -> Option<Attribute> {
    let mut writer = Writer::new();
    attribute.encode(&mut writer);
    let octets = writer.into_vec();
    Attribute::decode(&mut Reader::new(&octets, Part::IsakmpHeader, 0)).ok()
}

/// The other way round; `None` for what IKEv2 has no form for.
fn from_attribute(attribute: &Attribute) -> Option<CfgAttribute> {
    let mut writer = Writer::new();
    attribute.encode(&mut writer);
    let octets = writer.into_vec();
    CfgAttribute::decode(&mut Reader::new(&octets, Part::IsakmpHeader, 0), 1).ok()
}
