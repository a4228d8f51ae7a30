//! swanctl.conf files: those of the captured negotiations, as strongSwan read them, and mistakes in one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipseclab_experiments::document::{Document, Report, SourceText};
use ipseclab_experiments::scenario::{
    CheckedScenario, EapUser, Fragmentation, Identity, IkeVersion, LocalAuth, Mode, PeerIdentity, RemoteAuth,
    StartAction, Unique, Xauth, check,
};
use ipseclab_ike::config::{Network, PoolAttribute};
use ipseclab_ike::proposal::IkeProposal;
use ipseclab_sim::SimDuration;
use tempfile::TempDir;

/// Two gateways at the addresses of the captures; their certificates are made for the run.
const GATEWAYS: &str = r#"
name = "gateways"
duration = "30s"

[topology]
kind = "pair"
link = { delay = "1ms" }

[nodes.left]
address = "192.0.2.1"
networks = ["10.10.1.0/24"]
swanctl = "a.swanctl.conf"

[nodes.right]
address = "192.0.2.2"
networks = ["10.10.2.0/24"]
swanctl = "b.swanctl.conf"

[authorities.lab]
subject = "C=CH, O=Lab rsa, CN=lab CA"
key = "rsa-2048"

[certificates."a.pem"]
authority = "lab"
subject = "C=CH, O=Lab rsa, CN=a.example"
key = "rsa-2048"

[certificates."b.pem"]
authority = "lab"
subject = "C=CH, O=Lab rsa, CN=b.example"
key = "rsa-2048"

[[actions]]
at = "1s"
action = "initiate"
connection = "net"
"#;

fn scenario(text: &str, folder: &Path) -> Result<CheckedScenario, Report> {
    let document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
    check(&document, Some(folder))
}

/// A captured case; where the initiator's address is a private one, a NAT stands in front of it.
fn captured(folder: &Path) -> Result<CheckedScenario, Report> {
    let conf = std::fs::read_to_string(folder.join("a.swanctl.conf")).unwrap();
    let behind_nat = conf.contains("192.168.77.2");
    let nat = "[nodes.left]\nnat = { inside = \"192.168.77.2\" }";
    let text = if behind_nat { GATEWAYS.replace("[nodes.left]", nat) } else { GATEWAYS.to_owned() };
    let text = if conf.contains("2001:db8::1") { text.replace("192.0.2.", "2001:db8::") } else { text };
    scenario(&text, folder)
}

/// Why a case does not run: words of its report that the table below knows.
fn refusal(case: &str, report: &Report) -> &'static str {
    const REASONS: [(&str, &str); 2] =
        [("ppk", "post-quantum pre-shared keys"), ("`eap-tls` is not built yet", "EAP-TLS")];
    let text = report.render(false);
    let reason = REASONS.iter().find(|(words, _)| text.contains(words));
    reason.unwrap_or_else(|| panic!("{case}: {text}")).1
}

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/captures/strongswan");
    folder.is_dir().then_some(folder)
}

#[test]
fn the_captured_configurations_are_read_or_refused_for_a_named_reason() {
    let Some(folder) = captures() else { return println!("skipped: no reference captures") };
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("v2-"));
    cases.sort();
    assert_eq!(cases.len(), 42);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &cases {
        let case = path.file_name().unwrap().to_str().unwrap();
        let outcome = match captured(path) {
            Ok(scenario) => {
                assert_eq!((scenario.connections.len(), scenario.actions.len()), (2, 1), "{case}");
                "runs"
            }
            Err(report) => {
                assert!(!report.render(false).contains("this is no swanctl.conf"), "{case}: {report}");
                refusal(case, &report)
            }
        };
        println!("{case:34} {outcome}");
        *counts.entry(outcome).or_default() += 1;
    }
    let expected = BTreeMap::from([("runs", 40), ("EAP-TLS", 1), ("post-quantum pre-shared keys", 1)]);
    assert_eq!(counts, expected);
}

#[test]
fn every_captured_configuration_of_ikev1_is_read() {
    let Some(folder) = captures() else { return println!("skipped: no reference captures") };
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("v1-"));
    assert_eq!(cases.len(), 16);
    for path in &cases {
        let case = path.file_name().unwrap().to_str().unwrap();
        let scenario = captured(path).unwrap_or_else(|report| panic!("{case}: {}", report.render(false)));
        let versions: Vec<_> = scenario.connections.iter().map(|connection| connection.version).collect();
        assert_eq!(versions, [IkeVersion::V1; 2], "{case}");
        let left = &scenario.connections[0];
        assert_eq!(left.v1.aggressive, case == "v1-aggr-psk");
        assert_eq!(left.v1.dpd_timeout, (case == "v1-dpd").then_some(SimDuration::from_secs(10)), "{case}");
        let users = |xauth: &Option<Xauth>| match xauth {
            Some(Xauth::Client(user)) => vec![user.name.clone()],
            Some(Xauth::Server(users)) => users.iter().map(|user| format!("any of {}", user.name)).collect(),
            None => vec![],
        };
        let expected: [&[&str]; 2] =
            if case == "v1-xauth-psk-modecfg" { [&["carol"], &["any of carol"]] } else { [&[], &[]] };
        let found: Vec<_> =
            scenario.connections.iter().map(|connection| users(&connection.v1.xauth)).collect();
        assert_eq!(found, expected, "{case}");
    }
}

const LEFT: &str = r"
connections {
  net {
    remote_addrs = 192.0.2.2
    proposals = aes128-sha256-modp2048, default
    dpd_delay = 30s
    unique = replace     # swanctl's word
    fragmentation = accept
    reauth_time = 2h
    local { auth = psk
      id = a.example }
    remote {
      auth = psk
      id = b.example
    }
    children {
      net {
        remote_ts = 10.10.2.0/24[udp/53], 10.20.2.0/24, 10.30.2.5-10.30.2.9
        mode = tunnel
        rekey_time = 10m
        start_action = trap|start
        updown = /bin/true
      }
    }
  }
}
secrets {
  ike-any { secret = anybody }
  ike-one { id = a.example
    secret = one }
  ike-both {
    id-a = a.example
    id-b = b.example
    secret = 0x626f7468
  }
}
";

const RIGHT: &str = r"
connections {
  net {
    mobike = no
    local_addrs = 192.0.2.2
    remote_addrs = %any
    local {
      auth = psk
      id = b.example
    }
    remote {
      auth = psk
      id = a.example
    }
    children {
      net {
        local_ts = 0.0.0.0/0
        mode = transport
      }
    }
  }
}
secrets {
  ike-1 { secret = anybody }
}
";

fn folder(left: &str, right: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.swanctl.conf"), left).unwrap();
    std::fs::write(folder.path().join("b.swanctl.conf"), right).unwrap();
    folder
}

#[test]
fn a_file_means_what_strongswan_makes_of_it() {
    let scenario = scenario(GATEWAYS, folder(LEFT, RIGHT).path()).unwrap_or_else(|report| panic!("{report}"));
    let [left, right] = scenario.connections.as_slice() else { panic!("one connection each") };
    assert_eq!(
        (left.peer, right.peer),
        (Some(right.node), Some(left.node)),
        "who may be anybody is the one caller"
    );
    assert!(left.is_local && !right.is_local);
    assert_eq!(left.remote_address, Some("192.0.2.2".parse().unwrap()));
    assert_eq!(right.remote_address, None);
    assert_eq!(
        (left.proposals.len(), left.unique, left.fragmentation),
        (1 + IkeProposal::default_set().len(), Unique::Replace, Fragmentation::Accept)
    );
    assert_eq!(left.dpd_delay, Some(SimDuration::from_secs(30)));
    assert_eq!((left.renewal.rekey_time, left.renewal.over_time), (None, SimDuration::from_secs(720)));
    assert!(left.mobike && !right.mobike, "announced unless it is off");
    assert_eq!(left.local_id, Identity::Fqdn("a.example".into()));
    assert_eq!(left.remote_id, PeerIdentity::Exactly(Identity::Fqdn("b.example".into())));
    assert_eq!(left.local_auth, LocalAuth::Psk(b"both".to_vec()), "the secret for both identities");
    assert_eq!(right.local_auth, LocalAuth::Psk(b"anybody".to_vec()));
}

#[test]
fn children_have_the_selectors_and_actions_of_the_file() {
    let scenario = scenario(GATEWAYS, folder(LEFT, RIGHT).path()).unwrap_or_else(|report| panic!("{report}"));
    let (left, right) = (&scenario.connections[0].children[0], &scenario.connections[1].children[0]);
    let networks = |selectors: &[ipseclab_experiments::scenario::TrafficSelector]| -> Vec<String> {
        selectors.iter().map(|selector| selector.addresses.to_string()).collect()
    };
    assert_eq!(networks(&left.local_ts), ["192.0.2.1/32"], "dynamic is the node itself");
    assert_eq!(networks(&left.remote_ts), ["10.10.2.0/24", "10.20.2.0/24", "10.30.2.5-10.30.2.9"]);
    assert_eq!((left.remote_ts[0].protocol, left.remote_ts[0].ports), (Some(17), Some((53, 53))));
    assert_eq!(networks(&right.remote_ts), ["0.0.0.0/0"], "whoever it is");
    assert_eq!((left.start_action, right.start_action), (StartAction::TrapStart, StartAction::None));
    assert_eq!((left.mode, right.mode), (Mode::Tunnel, Mode::Transport));
    let seconds = SimDuration::from_secs;
    assert_eq!((left.lifetime.life_time, left.lifetime.rand_time), (Some(seconds(660)), seconds(60)));
}

#[test]
fn clients_of_a_pool_are_told_what_its_section_has_in_its_order() {
    let pools = "pools { road { addrs = 10.77.0.5-10.77.0.9\n subnet = 10.10.0.0/16, 2001:db8::/64\n nbns = 10.10.2.54\n \
                 netmask = 255.255.0.0\n split_include = 10.10.2.0/24\n dns = 10.10.2.53 } }\n";
    let right = format!("{RIGHT}{pools}");
    let scenario =
        scenario(GATEWAYS, folder(LEFT, &right).path()).unwrap_or_else(|report| panic!("{report}"));
    let [pool] = scenario.credentials.pools.as_slice() else { panic!("one pool") };
    let network = |text: &str, len| Network::new(text.parse().unwrap(), len).unwrap();
    assert_eq!(
        pool.attributes,
        [
            PoolAttribute::Subnet(network("10.10.0.0", 16)),
            PoolAttribute::Subnet(network("2001:db8::", 64)),
            PoolAttribute::Nbns([10, 10, 2, 54].into()),
            PoolAttribute::Netmask([255, 255, 0, 0].into()),
            PoolAttribute::SplitInclude(network("10.10.2.0", 24)),
            PoolAttribute::Dns("10.10.2.53".parse().unwrap()),
        ]
    );
    let wrong = right.replace("nbns = 10.10.2.54", "nbns = 2001:db8::1");
    let report = refusal_of(&wrong);
    assert!(report.contains("`nbns` of a pool cannot be `2001:db8::1`"), "{report}");
}

/// What is said of the right gateway's file.
fn refusal_of(right: &str) -> String {
    scenario(GATEWAYS, folder(LEFT, right).path())
        .map_or_else(|report| report.render(false), |_| String::new())
}

#[test]
fn a_command_without_a_node_is_given_where_the_first_node_is() {
    let scenario = scenario(GATEWAYS, folder(LEFT, RIGHT).path()).unwrap_or_else(|report| panic!("{report}"));
    let [action] = scenario.actions.as_slice() else { panic!("one command") };
    assert_eq!(scenario.connections[action.connection.index()].node, scenario.nodes[0].node);
    assert_eq!(
        (action.children.as_slice(), scenario.connection_label(action.connection)),
        (&[0][..], "net".to_owned())
    );
}

#[test]
fn a_secret_that_is_not_there_is_missed_at_its_connection() {
    let without = RIGHT.replace("ike-1 { secret = anybody }", "ike-1 { id = c.example\n secret = c\n }");
    let report = scenario(GATEWAYS, folder(LEFT, &without).path()).unwrap_err();
    assert!(report.render(false).contains("there is no secret for `b.example`"), "{report}");
}

#[test]
fn the_word_default_stands_for_the_vendors_own_proposals() {
    let proposals = |line: &str| {
        let left = LEFT.replace("proposals = ", &format!("proposals = {line}"));
        let read =
            scenario(GATEWAYS, folder(&left, RIGHT).path()).unwrap_or_else(|report| panic!("{report}"));
        read.connections[0].proposals.clone()
    };
    let (own, with_default) = (proposals(""), proposals("default, "));
    assert!(with_default.len() > own.len());
    assert_eq!(with_default[with_default.len() - own.len()..], own);
}

#[test]
fn a_peer_is_asked_for_its_eap_name_where_any_will_do() {
    let user = |line: &str| {
        let right = RIGHT
            .replace("remote {\n      auth = psk", &format!("remote {{\n      auth = eap-md5\n      {line}"))
            .replace(
                "ike-1 { secret = anybody }",
                "ike-1 { secret = anybody }\n eap-1 { id = a.example\n secret = x }",
            );
        let read =
            scenario(GATEWAYS, folder(LEFT, &right).path()).unwrap_or_else(|report| panic!("{report}"));
        match &read.connections[1].remote_auth {
            RemoteAuth::Eap { user, .. } => user.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(user(""), EapUser::Ike);
    assert_eq!(user("eap_id = %any"), EapUser::Asked);
    assert_eq!(user("eap_id = carol"), EapUser::Named("carol".into()));
}
