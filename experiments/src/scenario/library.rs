//! What comes with the program: scenarios and studies, as files anybody can read, copy and change.
//!
//! They are data, embedded so that `ipseclab run site-to-site` needs no file. A test checks every one of them.

/// A shipped file.
#[derive(Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The name to use on the command line, that of the file.
    pub name: &'static str,
    /// The whole text.
    pub text: &'static str,
}

/// The shipped scenarios: tunnels from the simplest to the largest, then what IKEv2 does besides setting them
/// up, and IKEv1.
pub const SCENARIOS: &[Shipped] = &[
    Shipped { name: "site-to-site", text: include_str!("../../data/scenarios/site-to-site.toml") },
    Shipped { name: "site-to-site-nat", text: include_str!("../../data/scenarios/site-to-site-nat.toml") },
    Shipped {
        name: "site-to-site-retry",
        text: include_str!("../../data/scenarios/site-to-site-retry.toml"),
    },
    Shipped { name: "hub-and-spoke", text: include_str!("../../data/scenarios/hub-and-spoke.toml") },
    Shipped { name: "rekey-storm", text: include_str!("../../data/scenarios/rekey-storm.toml") },
    Shipped { name: "abilene-sites", text: include_str!("../../data/scenarios/abilene-sites.toml") },
    Shipped {
        name: "ikev2-certificates",
        text: include_str!("../../data/scenarios/ikev2-certificates.toml"),
    },
    Shipped { name: "ikev2-eap", text: include_str!("../../data/scenarios/ikev2-eap.toml") },
    Shipped { name: "ikev2-rekey", text: include_str!("../../data/scenarios/ikev2-rekey.toml") },
    Shipped {
        name: "ikev2-rekey-collision",
        text: include_str!("../../data/scenarios/ikev2-rekey-collision.toml"),
    },
    Shipped {
        name: "ikev2-cookie-flood",
        text: include_str!("../../data/scenarios/ikev2-cookie-flood.toml"),
    },
    Shipped {
        name: "ikev2-fragmentation",
        text: include_str!("../../data/scenarios/ikev2-fragmentation.toml"),
    },
    Shipped { name: "ikev2-dead-peer", text: include_str!("../../data/scenarios/ikev2-dead-peer.toml") },
    Shipped {
        name: "ikev2-remote-access",
        text: include_str!("../../data/scenarios/ikev2-remote-access.toml"),
    },
    Shipped { name: "ikev1-main-mode", text: include_str!("../../data/scenarios/ikev1-main-mode.toml") },
    Shipped {
        name: "ikev1-aggressive-mode",
        text: include_str!("../../data/scenarios/ikev1-aggressive-mode.toml"),
    },
    Shipped {
        name: "ikev1-remote-access",
        text: include_str!("../../data/scenarios/ikev1-remote-access.toml"),
    },
    Shipped { name: "ikev1-wrong-psk", text: include_str!("../../data/scenarios/ikev1-wrong-psk.toml") },
    Shipped { name: "ah-esp-modes", text: include_str!("../../data/scenarios/ah-esp-modes.toml") },
    Shipped { name: "two-offices-ipv6", text: include_str!("../../data/scenarios/two-offices-ipv6.toml") },
    Shipped { name: "tunnel-mtu", text: include_str!("../../data/scenarios/tunnel-mtu.toml") },
    Shipped { name: "replay-window", text: include_str!("../../data/scenarios/replay-window.toml") },
    Shipped {
        name: "gateway-throughput",
        text: include_str!("../../data/scenarios/gateway-throughput.toml"),
    },
    Shipped { name: "esp-overhead", text: include_str!("../../data/scenarios/esp-overhead.toml") },
];

/// The shipped studies, which are sweep files.
pub const STUDIES: &[Shipped] = &[
    Shipped {
        name: "negotiation-latency",
        text: include_str!("../../data/studies/negotiation-latency.toml"),
    },
    Shipped { name: "rekey-storm", text: include_str!("../../data/studies/rekey-storm.toml") },
    Shipped { name: "ikev1-vs-ikev2", text: include_str!("../../data/studies/ikev1-vs-ikev2.toml") },
    Shipped {
        name: "datapath-throughput",
        text: include_str!("../../data/studies/datapath-throughput.toml"),
    },
    Shipped { name: "replay-window", text: include_str!("../../data/studies/replay-window.toml") },
    Shipped { name: "tunnel-mtu", text: include_str!("../../data/studies/tunnel-mtu.toml") },
    Shipped { name: "esp-overhead", text: include_str!("../../data/studies/esp-overhead.toml") },
];

impl Shipped {
    /// What the file says of itself: `description` of scenarios and studies, `describes` of vendor profiles, `origin`
    /// of cost profiles up to its details, which come behind a semicolon.
    pub fn description(&self) -> String {
        let table: toml::Table = toml::from_str(self.text).unwrap_or_default();
        let text = |key: &str| table.get(key)?.as_str();
        let origin = text("origin").map(|origin| origin.split_once(';').map_or(origin, |(first, _)| first));
        text("description").or(text("describes")).or(origin).unwrap_or_default().to_owned()
    }
}
