//! `ipseclab calibrate` as a user runs it, and the cost profiles that come with the program.

use std::fs;

use assert_cmd::Command;
use ipseclab_crypto::{AesKey, Encryption, Integrity, KeyClass, KeyExchangeMethod, Operation, Prf, Work};
use ipseclab_experiments::{calibrate, cost_profiles};
use ipseclab_node::cost_profile::Step;
use ipseclab_node::{CostProfile, CostProfileFile};
use ipseclab_sim::SimDuration;

fn ipseclab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipseclab"));
    command.env("NO_COLOR", "1");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_quick_calibration_is_a_complete_profile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let run = ipseclab()
        .current_dir(folder.path())
        .args([
            "calibrate",
            "--quick",
            "--quiet",
            "--name",
            "mine",
            "--date",
            "2026-11-20",
            "--out",
            "mine.toml",
        ])
        .args(["--machine", "a test"])
        .assert()
        .success();
    assert_eq!(
        (text(&run.get_output().stdout), text(&run.get_output().stderr)),
        (String::new(), String::new())
    );
    let written = fs::read_to_string(file).unwrap();
    let profile = CostProfile::parse(&written).unwrap();
    assert_eq!(profile.name(), "mine");
    let file: CostProfileFile = toml::from_str(&written).unwrap();
    assert!(
        file.origin.starts_with("measured by `ipseclab calibrate --quick` on a test, "),
        "{}",
        file.origin
    );
    assert!(file.origin.contains(", 2026-11-20; "), "{}", file.origin);
    // The slowest operation is slower than the fastest on any machine.
    assert!(file.key_agreement["modp4096"].fixed_ns > file.path["forward"].fixed_ns);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn without_a_file_the_profile_goes_to_standard_output() {
    let run = ipseclab().args(["calibrate", "--quick"]).assert().success();
    let profile = CostProfile::parse(&text(&run.get_output().stdout)).unwrap();
    assert_eq!(profile.name(), "calibrated");
    // Progress is for terminals; all that may be here is the note about debug builds.
    assert!(
        text(&run.get_output().stderr).lines().all(|line| line.starts_with("note: this is a debug build"))
    );
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious.toml");
    fs::write(&file, "precious").unwrap();
    let calibrate = |extra: &[&str]| {
        let mut command = ipseclab();
        command.args(["calibrate", "--quick", "--quiet", "--out"]).arg(&file).args(extra);
        command.assert()
    };
    let refused = text(&calibrate(&[]).code(1).get_output().stderr);
    assert!(refused.contains("precious.toml` is there already") && refused.contains("--force"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    calibrate(&["--force"]).success();
    assert!(CostProfile::parse(&fs::read_to_string(&file).unwrap()).is_ok());
}

#[test]
fn places_that_cannot_be_written_are_named_before_the_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |file: &str| {
        let refused =
            ipseclab().current_dir(folder.path()).args(["calibrate", "--out", file]).assert().code(1);
        text(&refused.get_output().stderr)
    };
    assert!(refuse("missing/mine.toml").contains("there is no folder `missing`"));
    assert!(refuse(".").contains("`.` is a folder"));
}

#[test]
fn a_wrong_date_is_wrong_usage() {
    for (date, message) in [("yesterday", "year-month-day"), ("2026-02-30", "there is no such day")] {
        let refused = ipseclab().args(["calibrate", "--date", date]).assert().code(2);
        assert!(text(&refused.get_output().stderr).contains(message), "{date}");
    }
}

fn reference() -> CostProfile {
    cost_profiles::shipped("reference").expect("it is shipped")
}

fn cost(profile: &CostProfile, operation: Operation, octets: usize) -> SimDuration {
    profile.crypto(&[Work { operation, octets }])
}

fn assert_ascending(costs: &[SimDuration]) {
    assert!(costs.is_sorted_by(|a, b| a < b), "{costs:?}");
}

#[test]
fn shipped_profiles_bear_the_names_they_are_asked_for_by() {
    for shipped in cost_profiles::SHIPPED {
        assert_eq!(cost_profiles::shipped(shipped.name).unwrap().name(), shipped.name);
    }
    assert!(cost_profiles::shipped("gratis").is_none());
}

#[test]
fn shipped_profiles_look_as_calibrate_writes_them() {
    for shipped in cost_profiles::SHIPPED {
        let file: CostProfileFile = toml::from_str(shipped.text).unwrap();
        assert_eq!(calibrate::render(&file), shipped.text, "{}", shipped.name);
    }
}

#[test]
fn the_reference_says_where_each_figure_comes_from() {
    let file: CostProfileFile = toml::from_str(cost_profiles::text("reference").unwrap()).unwrap();
    let start = "measured by `ipseclab calibrate` on the development machine, ";
    assert!(file.origin.starts_with(start), "{}", file.origin);
    assert!(file.origin.contains(", 2026-11-20; release build of ipseclab "), "{}", file.origin);
    let of = |section, keyword| file.origin_of(section, keyword);
    let sections = [
        ("prf", &file.prf),
        ("hash", &file.hash),
        ("block", &file.block),
        ("key_generation", &file.key_generation),
        ("key_agreement", &file.key_agreement),
        ("encrypt", &file.encrypt),
        ("decrypt", &file.decrypt),
        ("integrity", &file.integrity),
        ("sign", &file.sign),
        ("verify", &file.verify),
        ("path", &file.path),
    ];
    for (section, entries) in sections {
        for keyword in entries.keys() {
            assert_ne!(of(section, keyword), file.origin, "{section}.{keyword} has no origin of its own");
        }
    }
    assert!(of("encrypt", "aes128gcm16").contains("ring 0.17.14"));
    assert!(of("encrypt", "aes128gcm8").contains("later that day"));
    assert!(of("path", "batch").contains("in proportion to `receive`"));
}

#[test]
fn larger_groups_are_dearer() {
    use KeyExchangeMethod as Method;
    let groups = [
        Method::Modp768,
        Method::Modp1024,
        Method::Modp1536,
        Method::Modp2048,
        Method::Modp3072,
        Method::Modp4096,
        Method::Modp6144,
        Method::Modp8192,
    ];
    for make in [Operation::KeyGeneration as fn(Method) -> Operation, Operation::KeyAgreement] {
        let of = |method| cost(&reference(), make(method), 0);
        assert_ascending(&groups.map(of));
        assert_ascending(&[Method::Curve25519, Method::Ecp384, Method::Modp4096].map(of));
        assert_ascending(&[Method::Ecp256, Method::Ecp384, Method::Ecp521].map(of));
        assert_ascending(&[Method::Curve25519, Method::Curve448].map(of));
        assert!(
            of(Method::Curve25519) > SimDuration::from_micros(1)
                && of(Method::Curve25519) < of(Method::Modp2048)
        );
    }
}

#[test]
fn larger_keys_sign_slower_and_rsa_verifies_fastest() {
    use KeyClass as Class;
    let sign = |class| cost(&reference(), Operation::Sign(class), 0);
    let verify = |class| cost(&reference(), Operation::Verify(class), 0);
    assert_ascending(&[Class::Rsa2048, Class::Rsa3072, Class::Rsa4096].map(sign));
    assert_ascending(&[Class::Ed25519, Class::P256, Class::P384, Class::P521].map(sign));
    assert_ascending(&[Class::Rsa2048, Class::Ed25519, Class::P256, Class::P384].map(verify));
}

#[test]
fn longer_messages_are_dearer_under_every_cipher_and_mac() {
    let ciphers = Encryption::ALL.iter().filter(|cipher| **cipher != Encryption::Null);
    let operations = ciphers.flat_map(|cipher| [Operation::Encrypt(*cipher), Operation::Decrypt(*cipher)]);
    let macs = Integrity::ALL.iter().map(|mac| Operation::Integrity(*mac));
    let prfs = Prf::ALL.iter().map(|prf| Operation::Prf(*prf));
    for operation in operations.chain(macs).chain(prfs) {
        let of = |octets| cost(&reference(), operation, octets);
        assert_ascending(&[of(0), of(1500), of(9000)]);
        // Between 0.02 and 20 ns an octet, for DES up to 100: whatever is beyond that was mismeasured.
        let of_des = [Encryption::Des, Encryption::TripleDes]
            .map(|cipher| [Operation::Encrypt(cipher), Operation::Decrypt(cipher)]);
        let top = if of_des.as_flattened().contains(&operation) { 900 } else { 180 };
        let range = SimDuration::from_nanos(180)..SimDuration::from_micros(top);
        let per_9000 = SimDuration::from_nanos(of(9000).as_nanos() - of(0).as_nanos());
        assert!(range.contains(&per_9000), "{operation:?}: {per_9000:?}");
    }
}

#[test]
fn combined_modes_beat_cbc_with_a_mac() {
    let packet = |operations: &[Operation]| {
        let work: Vec<_> =
            operations.iter().map(|operation| Work { operation: *operation, octets: 1400 }).collect();
        reference().crypto(&work)
    };
    let cbc = [
        Operation::Encrypt(Encryption::AesCbc(AesKey::Bits128)),
        Operation::Integrity(Integrity::HmacSha2_256_128),
    ];
    assert!(packet(&[Operation::Encrypt(Encryption::AesGcm16(AesKey::Bits128))]) < packet(&cbc));
    assert_eq!(cost(&reference(), Operation::Encrypt(Encryption::Null), 1400), SimDuration::ZERO);
}

#[test]
fn forwarding_is_the_cheapest_step_and_reads_the_header_alone() {
    let of = |step, octets| reference().step(step, octets);
    assert!(of(Step::Forward, 64) > SimDuration::ZERO);
    for step in [Step::Receive, Step::Send, Step::IkeMessage] {
        assert!(of(Step::Forward, 1400) < of(step, 1400), "{step:?}");
    }
    assert!(of(Step::Forward, 9000).as_nanos() < 2 * of(Step::Forward, 64).as_nanos());
}

#[test]
fn nothing_costs_anything_in_the_free_profile() {
    let free = cost_profiles::shipped("free").unwrap();
    let file: CostProfileFile = toml::from_str(cost_profiles::text("free").unwrap()).unwrap();
    let sections = [&file.prf, &file.hash, &file.block, &file.key_generation, &file.key_agreement];
    let more = [&file.encrypt, &file.decrypt, &file.integrity, &file.path, &file.sign, &file.verify];
    for entry in sections.into_iter().chain(more).flat_map(|section| section.values()) {
        assert_eq!(*entry, ipseclab_node::CostEntry::default());
    }
    assert_eq!(cost(&free, Operation::KeyAgreement(KeyExchangeMethod::Modp4096), 0), SimDuration::ZERO);
}
