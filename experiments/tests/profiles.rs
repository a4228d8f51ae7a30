//! Vendor profiles: the shipped files, and what is said about bad ones.

use std::time::Duration;

use ipseclab_experiments::{profiles, schema};
use ipseclab_ike::profile::{Profile, Purpose, V1Message, V1Slot};

fn shipped(name: &str) -> Profile {
    profiles::shipped(name).unwrap_or_else(|error| unreachable!("{name}: {error}"))
}

fn text(name: &str) -> &'static str {
    profiles::SHIPPED
        .iter()
        .find(|profile| profile.name == name)
        .map(|profile| profile.text)
        .unwrap_or_default()
}

/// What is said when `from` stands as `to` in the strongSwan profile.
fn refusal(from: &str, to: &str) -> String {
    let text = text("strongswan");
    assert!(text.contains(from), "{from}");
    profiles::parse(&text.replacen(from, to, 1)).map_or_else(|error| error.to_string(), |_| String::new())
}

/// Seconds from the first transmission to the others and to giving up.
fn schedule(name: &str) -> Vec<f64> {
    let policy = shipped(name).timers.retransmit;
    let mut at = Duration::ZERO;
    let waits = (0..).map_while(|sent| policy.wait_after(sent));
    waits
        .map(|wait| {
            at += wait;
            at.as_secs_f64()
        })
        .collect()
}

#[test]
fn every_shipped_profile_is_one_and_has_all_lists() {
    for profile in profiles::SHIPPED {
        let read = shipped(profile.name);
        assert_eq!(read.name, profile.name);
        // Its IKEv2 is not described.
        if profile.name == "cisco-ios" {
            continue;
        }
        for purpose in Purpose::ALL {
            assert!(!read.messages.list(purpose.request()).is_empty(), "{} {}", profile.name, purpose.name());
            assert!(
                !read.messages.list(purpose.response()).is_empty(),
                "{} {}",
                profile.name,
                purpose.name()
            );
        }
    }
}

#[test]
fn unanswered_requests_follow_the_published_schedules() {
    // anchors.csv D01 and D02.
    let rounded: Vec<_> = schedule("strongswan").iter().map(|at| (at * 100.0).round() / 100.0).collect();
    assert_eq!(rounded, [4.0, 11.2, 24.16, 47.49, 89.48, 165.06]);
    assert_eq!(schedule("libreswan")[..6], [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]);
}

#[test]
fn cisco_ios_has_the_lifetimes_and_nonces_of_routers() {
    let cisco = shipped("cisco-ios");
    let renewal = cisco.defaults.renewal;
    assert_eq!(renewal.rekey_time.map(|time| time + renewal.over_time), Some(Duration::from_hours(24)));
    let lifetime = cisco.defaults.lifetime;
    assert_eq!(
        (lifetime.rekey_time, lifetime.life_time),
        (Some(Duration::from_secs(3570)), Some(Duration::from_hours(1)))
    );
    assert_eq!(cisco.defaults.bytes.life, Some(4_608_000 * 1024));
    assert_eq!((cisco.v1.nonce_len.octets(), shipped("strongswan").v1.nonce_len.octets()), (20, 32));
    assert_eq!(schedule("cisco-ios"), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
}

#[test]
fn strongswan_is_the_own_habit_in_ikev1() {
    let (strongswan, own) = (shipped("strongswan").v1, ipseclab_ike::profile::V1Habits::default());
    for message in [V1Message::MainOffer, V1Message::MainChoice, V1Message::AggressiveOffer] {
        let vendors = |habits: &ipseclab_ike::profile::V1Habits| -> Vec<_> {
            let places = habits.messages[&message].iter().map(|place| place.slot.clone());
            places.filter(|slot| matches!(slot, V1Slot::VendorId(_))).collect()
        };
        assert_eq!(vendors(&strongswan), vendors(&own), "{message:?}");
    }
}

#[test]
fn strongswan_has_the_defaults_of_its_configuration() {
    let defaults = shipped("strongswan").defaults;
    let own = ipseclab_ike::config::Renewal::default();
    assert_eq!((defaults.renewal, defaults.lifetime), (own, ipseclab_ike::config::Lifetime::default()));
    assert!(defaults.mobike && !shipped("libreswan").defaults.mobike);
    assert_eq!(defaults.ike_proposals.len(), 2);
}

#[test]
fn a_bad_profile_is_refused_with_the_place_at_fault() {
    assert!(refusal("retransmit_tries = 5", "retransmit_trys = 5").contains("retransmit_trys"));
    let unit = refusal("\"4s\"", "\"4 parsecs\"");
    assert!(unit.contains("`parsecs` is no such unit") && unit.contains("ms"), "{unit}");
    let nonce = "defaults.nonce_length is 8, allowed is 32 to 256";
    assert_eq!(refusal("nonce_length = 32", "nonce_length = 8"), nonce);
    let unknown = "messages: ike_sa_init.request: no payload is called \"N(COOKY)\"";
    assert_eq!(refusal("\"N(COOKIE)\"", "\"N(COOKY)\""), unknown);
    let missing = "messages: ike_sa_init.request: SA is missing";
    assert_eq!(refusal("    \"SA\",\n", ""), missing);
    let cookie = "v1.messages.main_mode, message 1: no payload is called \"N(COOKIE)\"";
    assert_eq!(refusal("[\"SA\", \"V(XAUTH)\"", "[\"SA\", \"N(COOKIE)\""), cookie);
    let order = refusal("\"group\", \"mode\", \"life\"", "\"group\", \"mode\", \"mode\"");
    assert!(order.starts_with("v1.ipsec_attributes must name each of mode, life, "), "{order}");
}

#[test]
fn a_misspelt_name_is_answered_with_the_nearest() {
    let error = profiles::shipped("strongswam").map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "there is no profile \"strongswam\", did you mean `strongswan`?");
}

#[test]
fn the_schema_knows_every_section_of_a_profile() {
    let schema = schema::profile();
    for section in ["timers", "thresholds", "defaults", "messages"] {
        assert!(schema["properties"].get(section).is_some(), "{section}");
    }
    assert_eq!(schema["additionalProperties"], false);
}
