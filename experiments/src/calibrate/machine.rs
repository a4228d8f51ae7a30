//! Where figures come from: processor and date, and the versions of what was measured.

use core::fmt;

use super::date::Date;

/// The origin of a profile; its text goes into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What people call the machine, if they said.
    pub machine: Option<String>,
    /// Model of the processor.
    pub processor: String,
    /// Day of the measurement.
    pub date: Date,
    /// Whether little was measured, which the text then says.
    pub quick: bool,
}

/// The libraries under the real provider.
const LIBRARIES: [&str; 14] = [
    "ring",
    "aws-lc-rs",
    "num-bigint",
    "aes",
    "aes-gcm",
    "cbc",
    "ccm",
    "cmac",
    "ctr",
    "des",
    "hmac",
    "md-5",
    "md4",
    "sha1",
];

/// Versions are known to the lock file alone.
const LOCK: &str = include_str!("../../../Cargo.lock");

impl Origin {
    /// The processor's model as the system names it, with its architecture.
    pub fn this_processor() -> String {
        let architecture = std::env::consts::ARCH;
        // Only Linux has the file; elsewhere the architecture has to do.
        let system = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        model_name(&system)
            .map_or_else(|| architecture.to_owned(), |model| format!("{model} ({architecture})"))
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let (_, model) = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")?;
    Some(model.trim())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, processor, date, quick } = self;
        let quick = if *quick { " --quick" } else { "" };
        write!(f, "measured by `ipseclab calibrate{quick}` on ")?;
        if let Some(machine) = machine {
            write!(f, "{machine}, ")?;
        }
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        write!(f, "{processor}, {date}; {build} build of ipseclab {}", env!("CARGO_PKG_VERSION"))
    }
}

/// The libraries with their versions.
pub(super) fn libraries() -> String {
    let named = |library| locked_version(library).map(|version| format!("{library} {version}"));
    LIBRARIES.into_iter().filter_map(named).collect::<Vec<_>>().join(", ")
}

fn locked_version(library: &str) -> Option<&'static str> {
    let name = format!("name = \"{library}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_has_one_version() {
        for library in LIBRARIES {
            assert!(locked_version(library).is_some_and(|version| version.contains('.')), "{library}");
            assert_eq!(LOCK.matches(&format!("name = \"{library}\"\n")).count(), 1, "{library}");
        }
        assert_eq!(locked_version("no-such-library"), None);
    }

    #[test]
    fn an_origin_names_machine_processor_date_and_build() {
        let date = "2026-11-20".parse().unwrap();
        let machine = Some("the development machine".to_owned());
        let text = Origin { machine, processor: "abacus".into(), date, quick: true }.to_string();
        let start =
            "measured by `ipseclab calibrate --quick` on the development machine, abacus, 2026-11-20; ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains(" build of ipseclab 0."), "{text}");
        assert!(
            libraries().starts_with("ring 0.") && libraries().contains(", aws-lc-rs 1."),
            "{}",
            libraries()
        );
        let text = Origin { machine: None, processor: "abacus".into(), date, quick: false }.to_string();
        assert!(text.starts_with("measured by `ipseclab calibrate` on abacus, 2026-11-20; "), "{text}");
    }

    #[test]
    fn the_model_is_what_the_system_says() {
        assert_eq!(
            model_name("vendor_id\t: x\nmodel name\t: Abacus (R) 3: fast\n"),
            Some("Abacus (R) 3: fast")
        );
        assert_eq!(model_name("model\t\t: 143\n"), None);
        assert!(Origin::this_processor().contains(std::env::consts::ARCH));
    }
}
