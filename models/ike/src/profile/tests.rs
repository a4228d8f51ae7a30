use super::*;
use crate::wire::{
    AuthMethod, AuthPayload, CertPayload, ExchangeType, Flags, IdPayload, IkeSpi, Message, MessageHeader,
    MessageId, NotifyPayload, NotifyType, Payload, Version,
};

const AUTH_REQUEST: MessageKind = Purpose::IkeAuth.request();

fn entries(message: MessageKind, names: &[&str]) -> Result<Vec<Entry>, ProfileError> {
    let unknown = |slot: &str| ProfileError::UnknownSlot { message, slot: slot.to_owned() };
    names.iter().map(|name| Slot::parse(name).map(Entry::from).ok_or_else(|| unknown(name))).collect()
}

fn set(message: MessageKind, names: &[&str]) -> Result<Messages, ProfileError> {
    let mut messages = Messages::default();
    messages.set(message, entries(message, names)?)?;
    Ok(messages)
}

fn header(exchange: ExchangeType, response: bool) -> MessageHeader {
    MessageHeader {
        spi_i: IkeSpi::new(1),
        spi_r: IkeSpi::new(2),
        exchange,
        flags: if response { Flags::response(false) } else { Flags::request(true) },
        message_id: MessageId::new(1),
        version: Version::V2_0,
    }
}

fn notify(kind: NotifyType) -> Payload {
    Payload::Notify(NotifyPayload::new(kind, vec![]))
}

fn id(octet: u8) -> IdPayload {
    crate::Identity::parse(&format!("{octet}.example")).to_payload()
}

fn auth() -> Payload {
    Payload::Auth(AuthPayload { method: AuthMethod::SharedKeyMic, data: vec![1; 32] })
}

/// The labels of what becomes of `payloads` in `IKE_AUTH`.
fn arranged(messages: &Messages, response: bool, payloads: &[Payload], heard: &[NotifyType]) -> Vec<String> {
    let header = header(ExchangeType::IkeAuth, response);
    messages.arrange(&header, payloads, heard).iter().map(ToString::to_string).collect()
}

const REQUEST: [&str; 8] =
    ["IDi", "N(INITIAL_CONTACT)", "IDr", "AUTH", "SA", "TSi", "TSr", "N(EAP_ONLY_AUTHENTICATION)"];

#[test]
fn built_payloads_take_their_places_and_announcements_join_them() {
    let messages = set(AUTH_REQUEST, &REQUEST).unwrap();
    let payloads = [auth(), notify(NotifyType::InitialContact), Payload::IdR(id(2)), Payload::IdI(id(1))];
    let labels = arranged(&messages, false, &payloads, &[]);
    assert_eq!(labels, ["IDi", "N(INITIAL_CONTACT)", "IDr", "AUTH", "N(EAP_ONLY_AUTHENTICATION)"]);
}

#[test]
fn a_payload_without_a_place_stays_behind_the_one_that_it_followed() {
    let messages = set(AUTH_REQUEST, &REQUEST).unwrap();
    let payloads = [
        notify(NotifyType::SetWindowSize),
        auth(),
        notify(NotifyType::MobikeSupported),
        Payload::IdI(id(1)),
        notify(NotifyType::AdditionalTsPossible),
    ];
    let labels = arranged(&messages, false, &payloads, &[]);
    let expected = [
        "N(SET_WINDOW_SIZE)",
        "IDi",
        "N(ADDITIONAL_TS_POSSIBLE)",
        "AUTH",
        "N(MOBIKE_SUPPORTED)",
        "N(EAP_ONLY_AUTHENTICATION)",
    ];
    assert_eq!(labels, expected);
}

#[test]
fn an_error_goes_to_the_common_place_unless_it_has_its_own() {
    let names =
        ["IDr", "AUTH", "EAP", "SA", "TSi", "TSr", "N(MOBIKE_SUPPORTED)", "N(error)", "N(TS_UNACCEPTABLE)"];
    let messages = set(Purpose::IkeAuth.response(), &names).unwrap();
    let payloads = [
        Payload::IdR(id(2)),
        notify(NotifyType::TsUnacceptable),
        notify(NotifyType::NoProposalChosen),
        notify(NotifyType::MobikeSupported),
    ];
    let labels = arranged(&messages, true, &payloads, &[]);
    assert_eq!(labels, ["IDr", "N(MOBIKE_SUPPORTED)", "N(NO_PROPOSAL_CHOSEN)", "N(TS_UNACCEPTABLE)"]);
}

#[test]
fn payloads_of_one_place_keep_their_order() {
    // RFC 7296 §3.6: the first certificate is the signer's own.
    let names = ["IDi", "CERT", "IDr", "AUTH", "SA", "TSi", "TSr"];
    let messages = set(AUTH_REQUEST, &names).unwrap();
    let cert = |octet| {
        Payload::Cert(CertPayload { encoding: crate::wire::CertEncoding::X509Signature, data: vec![octet] })
    };
    let payloads = [cert(7), auth(), cert(8), Payload::IdI(id(1))];
    let arranged = messages.arrange(&header(ExchangeType::IkeAuth, false), &payloads, &[]).into_owned();
    assert_eq!(arranged, [Payload::IdI(id(1)), cert(7), cert(8), auth()]);
}

#[test]
fn an_announcement_is_not_made_twice() {
    let messages = set(AUTH_REQUEST, &REQUEST).unwrap();
    let payloads = [Payload::IdI(id(1)), notify(NotifyType::EapOnlyAuthentication)];
    assert_eq!(arranged(&messages, false, &payloads, &[]), ["IDi", "N(EAP_ONLY_AUTHENTICATION)"]);
}

#[test]
fn an_announcement_waits_for_its_conditions() {
    let mut list = entries(AUTH_REQUEST, &REQUEST).unwrap();
    let announced = list.last_mut().unwrap();
    announced.with = Slot::parse("SA");
    announced.without = Slot::parse("AUTH");
    announced.heard = Some(NotifyType::MultipleAuthSupported);
    let mut messages = Messages::default();
    messages.set(AUTH_REQUEST, list).unwrap();
    let sa = || Payload::Sa(crate::wire::SaPayload { proposals: vec![] });
    let made = |rest: &[Payload], heard: &[NotifyType]| {
        let payloads: Vec<_> = std::iter::once(Payload::IdI(id(1))).chain(rest.iter().cloned()).collect();
        arranged(&messages, false, &payloads, heard).contains(&"N(EAP_ONLY_AUTHENTICATION)".to_owned())
    };
    let heard = [NotifyType::Cookie, NotifyType::MultipleAuthSupported];
    assert!(made(&[sa()], &heard));
    assert!(!made(&[], &heard), "SA is not there");
    assert!(!made(&[sa(), auth()], &heard), "AUTH is there");
    assert!(!made(&[sa()], &heard[..1]), "the peer has not announced it");
}

#[test]
fn refusals_and_messages_without_a_list_stay_as_they_are() {
    let messages = set(Purpose::IkeAuthEap.response(), &["EAP", "AUTH", "SA", "TSi", "TSr", "V(x)"]).unwrap();
    let refusal = [notify(NotifyType::AuthenticationFailed)];
    assert_eq!(arranged(&messages, true, &refusal, &[]), ["N(AUTHENTICATION_FAILED)"]);
    assert_eq!(arranged(&messages, true, &[auth()], &[]), ["AUTH", "V"]);
    assert_eq!(arranged(&messages, false, &[auth(), Payload::IdI(id(1))], &[]), ["AUTH", "IDi"]);
    assert_eq!(arranged(&Messages::default(), true, &[auth()], &[]), ["AUTH"]);
}

#[test]
fn an_empty_list_of_payloads_may_get_announcements() {
    let messages = set(Purpose::Informational.request(), &["D", "V(x)"]).unwrap();
    let header = header(ExchangeType::Informational, false);
    assert_eq!(messages.arrange(&header, &[], &[]).len(), 1);
}

#[test]
fn a_list_that_makes_no_message_is_refused_with_the_place_at_fault() {
    let check = |message: MessageKind, names: &[&str], expected: &str| {
        assert_eq!(set(message, names).unwrap_err().to_string(), expected);
    };
    let init = Purpose::IkeSaInit.request();
    check(init, &["SA", "KE", "Nonce"], "ike_sa_init.request: no payload is called \"Nonce\"");
    check(init, &["KE", "No"], "ike_sa_init.request: SA is missing");
    check(init, &["SA", "KE", "No", "SA"], "ike_sa_init.request: SA is listed twice");
    check(init, &["SA", "KE", "No", "TSi"], "ike_sa_init.request: TSi does not occur in this message");
    check(init, &["SA", "N(COOKIE)", "KE", "No"], "ike_sa_init.request: N(COOKIE) must be the first payload");
    check(AUTH_REQUEST, &["IDi", "AUTH"], "ike_auth.request: IDr is missing");
    let many: Vec<_> = (0..60).map(|n| format!("V(0x{n:02x})")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    check(
        Purpose::Informational.response(),
        &many,
        "informational.response: 60 places, at most 48 are allowed",
    );
}

#[test]
fn only_announcements_take_conditions() {
    let mut list = entries(AUTH_REQUEST, &REQUEST).unwrap();
    list[0].with = Slot::parse("SA");
    let error = Messages::default().set(AUTH_REQUEST, list).unwrap_err();
    assert_eq!(error.to_string(), "ike_auth.request: IDi is no announcement, so it takes no condition");
}

#[test]
fn what_the_peer_announced_is_what_its_message_carried() {
    let payloads = vec![notify(NotifyType::RedirectSupported), auth(), notify(NotifyType::Cookie)];
    let message = Message { header: header(ExchangeType::IkeSaInit, false), payloads };
    assert_eq!(heard(&message), [NotifyType::RedirectSupported, NotifyType::Cookie]);
}

#[test]
fn the_own_profile_changes_nothing_that_is_configured_by_default() {
    let own = Profile::default();
    let mut limits = Limits::default();
    own.limits_defaults(&mut limits);
    assert_eq!(limits, Limits::default());
    let id = || crate::Identity::parse("a.example");
    let fresh = || Connection::new("c", id(), id());
    let mut connection = fresh();
    own.connection_defaults(&mut connection);
    assert_eq!(format!("{connection:?}"), format!("{:?}", fresh()));
}

#[test]
fn lengths_are_those_that_every_peer_takes() {
    assert_eq!([31, 32, 256, 257].map(|octets| NonceLen::new(octets).is_some()), [false, true, true, false]);
    assert_eq!([0, 1, 64, 65].map(|octets| CookieLen::new(octets).is_some()), [false, true, true, false]);
}
