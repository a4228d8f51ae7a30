//! When keys are renewed: strongSwan's defaults, and what contradicts itself.
//!
//! Zero turns a limit off, as with swanctl. The defaults depend on each other, so they are worked out here for both ways
//! of writing a connection.

use ipseclab_ike::profile::Profile;
use ipseclab_sim::SimDuration;

use crate::document::{Finding, KeyPath};
use crate::scenario::check::Checker;
use crate::scenario::checked::{Lifetime, Renewal, Volume};
use crate::scenario::file::{ChildFile, ConnectionFile};
use crate::scenario::value::{Duration, Size, Spread};

/// The keys of a connection that say when it is renewed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RenewalKeys {
    pub(super) rekey_time: Option<SimDuration>,
    pub(super) reauth_time: Option<SimDuration>,
    pub(super) over_time: Option<SimDuration>,
    pub(super) rand_time: Option<Spread>,
    pub(super) make_before_break: bool,
}

/// The keys of a child that say when it is renewed by time.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the names are those of the keys")]
pub(super) struct LifetimeKeys {
    pub(super) rekey_time: Option<SimDuration>,
    pub(super) life_time: Option<SimDuration>,
    pub(super) rand_time: Option<Spread>,
}

/// The keys of a child that say when it is renewed by octets or packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct VolumeKeys {
    pub(super) rekey: Option<u64>,
    pub(super) life: Option<u64>,
    pub(super) rand: Option<u64>,
}

/// The core's durations are the standard library's.
fn sim(span: std::time::Duration) -> SimDuration {
    SimDuration::from_nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

fn above_zero(span: SimDuration) -> Option<SimDuration> {
    Some(span).filter(|span| *span > SimDuration::ZERO)
}

fn share(span: SimDuration, percent: u64) -> SimDuration {
    let nanos = u128::from(span.as_nanos()) * u128::from(percent) / 100;
    SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl RenewalKeys {
    pub(super) fn of(file: &ConnectionFile, is_local: bool) -> Self {
        let remote = file.remote_rekey_time.filter(|_| !is_local);
        Self {
            rekey_time: remote.or(file.rekey_time).map(Duration::span),
            reauth_time: file.reauth_time.map(Duration::span),
            over_time: file.over_time.map(Duration::span),
            rand_time: file.rand_time,
            make_before_break: file.make_before_break.unwrap_or(false),
        }
    }

    /// The keys with swanctl's defaults: rekeying every 4 h unless there is a `reauth_time`.
    pub(super) fn settled(self, habits: &Profile) -> Renewal {
        let habit = habits.defaults.renewal;
        let untouched = self.rekey_time.is_none() && self.reauth_time.is_none() && self.over_time.is_none();
        if untouched && self.rand_time.is_none() {
            return Renewal {
                rekey_time: habit.rekey_time.map(sim),
                reauth_time: habit.reauth_time.map(sim),
                over_time: sim(habit.over_time),
                rand_time: sim(habit.rand_time),
                make_before_break: self.make_before_break,
            };
        }
        let reauth = self.reauth_time.or(habit.reauth_time.map(sim)).unwrap_or(SimDuration::ZERO);
        let usual = habit.rekey_time.map_or(SimDuration::ZERO, sim);
        let default = if self.reauth_time.is_some_and(|time| time > SimDuration::ZERO) {
            SimDuration::ZERO
        } else {
            usual
        };
        let rekey = self.rekey_time.unwrap_or(default);
        let over_time = self.over_time.unwrap_or_else(|| share(rekey.max(reauth), 10));
        // A share is one of the earlier of the two times, so that it never reaches back before the beginning.
        let first =
            above_zero(rekey).into_iter().chain(above_zero(reauth)).min().unwrap_or(SimDuration::ZERO);
        Renewal {
            rekey_time: above_zero(rekey),
            reauth_time: above_zero(reauth),
            over_time,
            rand_time: self.rand_time.map_or(over_time, |spread| spread.of(first)),
            make_before_break: self.make_before_break,
        }
    }
}

impl LifetimeKeys {
    pub(super) fn of(file: &ChildFile, is_local: bool) -> Self {
        let remote = file.remote_rekey_time.filter(|_| !is_local);
        Self {
            rekey_time: remote.or(file.rekey_time).map(Duration::span),
            life_time: file.life_time.map(Duration::span),
            rand_time: file.rand_time,
        }
    }

    /// The keys with swanctl's defaults: rekeying every hour, or ten elevenths of a given `life_time`.
    pub(super) fn settled(self, habits: &Profile) -> Lifetime {
        let habit = habits.defaults.lifetime;
        if self.rekey_time.is_none() && self.life_time.is_none() && self.rand_time.is_none() {
            return Lifetime {
                rekey_time: habit.rekey_time.map(sim),
                life_time: habit.life_time.map(sim),
                rand_time: sim(habit.rand_time),
            };
        }
        let usual = habit.rekey_time.map_or(SimDuration::ZERO, sim);
        let from_life = |life: SimDuration| SimDuration::from_nanos(life.as_nanos() / 11 * 10);
        let default = self.life_time.and_then(above_zero).map_or(usual, from_life);
        let rekey = self.rekey_time.unwrap_or(default);
        let life = self.life_time.unwrap_or_else(|| share(rekey, 110));
        let between = SimDuration::from_nanos(life.as_nanos().saturating_sub(rekey.as_nanos()));
        let between = if rekey > SimDuration::ZERO { between } else { SimDuration::ZERO };
        Lifetime {
            rekey_time: above_zero(rekey),
            life_time: above_zero(life),
            rand_time: self.rand_time.map_or(between, |spread| spread.of(rekey)),
        }
    }
}

impl VolumeKeys {
    pub(super) fn octets(file: &ChildFile) -> Self {
        let octets = |size: Option<Size>| size.map(Size::octets);
        Self { rekey: octets(file.rekey_bytes), life: octets(file.life_bytes), rand: octets(file.rand_bytes) }
    }

    pub(super) fn packets(file: &ChildFile) -> Self {
        let packets = |number: Option<i64>| number.map(i64::unsigned_abs);
        Self {
            rekey: packets(file.rekey_packets),
            life: packets(file.life_packets),
            rand: packets(file.rand_packets),
        }
    }

    /// The keys with the vendor's defaults in the place of none at all.
    pub(super) fn settled_by(self, habits: &Profile) -> Volume {
        if self.rekey.is_some() || self.life.is_some() || self.rand.is_some() {
            return self.settled();
        }
        let habit = habits.defaults.bytes;
        Volume { rekey: habit.rekey, life: habit.life, rand: habit.rand }
    }

    /// The keys with swanctl's defaults: no limit, or an end 10 % after the renewal.
    pub(super) fn settled(self) -> Volume {
        let rekey = self.rekey.filter(|rekey| *rekey > 0);
        let life = match (self.life, rekey) {
            (Some(life), _) => Some(life).filter(|life| *life > 0),
            (None, Some(rekey)) => Some(rekey.saturating_add(rekey / 10)),
            (None, None) => None,
        };
        let between = life.zip(rekey).map_or(0, |(life, rekey)| life.saturating_sub(rekey));
        Volume { rekey, life, rand: self.rand.unwrap_or(between) }
    }
}

/// Why keys contradict each other: which one is to blame, and a label.
pub(super) type Contradiction = (&'static str, &'static str);

/// What is wrong with a settled connection.
pub(super) fn renewal_contradiction(renewal: &Renewal) -> Option<Contradiction> {
    let first = renewal.rekey_time.into_iter().chain(renewal.reauth_time).min()?;
    (renewal.rand_time > first).then_some(("rand_time", "longer than the time before the renewal"))
}

/// What is wrong with a settled child.
pub(super) fn lifetime_contradiction(lifetime: &Lifetime) -> Option<Contradiction> {
    let rekey = lifetime.rekey_time?;
    if lifetime.life_time.is_some_and(|life| life <= rekey) {
        return Some(("life_time", "the tunnel would end before it gets fresh keys"));
    }
    (lifetime.rand_time > rekey).then_some(("rand_time", "longer than `rekey_time`"))
}

/// What is wrong with a settled volume, by the keys of octets or packets.
pub(super) fn volume_contradiction(volume: &Volume, keys: [&'static str; 2]) -> Option<Contradiction> {
    let rekey = volume.rekey?;
    if volume.life.is_some_and(|life| life <= rekey) {
        return Some((keys[0], "the tunnel would end before it gets fresh keys"));
    }
    (volume.rand > rekey).then_some((keys[1], "more than leads to fresh keys"))
}

impl Checker<'_> {
    /// The times of a connection and of its children fit together.
    pub(super) fn check_lifetimes(&mut self, file: &ConnectionFile, path: &KeyPath) {
        // What both sides get wrong is one mistake.
        let (sides, habits) = ([true, false], Profile::default());
        let found = sides.map(|side| renewal_contradiction(&RenewalKeys::of(file, side).settled(&habits)));
        self.contradiction(found.into_iter().flatten().next(), path);
        for (name, child) in &file.children {
            let path = path.key("children").key(name);
            let lifetimes = sides.map(|side| LifetimeKeys::of(child, side).settled(&habits));
            let found = lifetimes.iter().find_map(lifetime_contradiction);
            let octets = VolumeKeys::octets(child).settled();
            let packets = VolumeKeys::packets(child).settled();
            self.contradiction(found, &path);
            self.contradiction(volume_contradiction(&octets, ["life_bytes", "rand_bytes"]), &path);
            self.contradiction(volume_contradiction(&packets, ["life_packets", "rand_packets"]), &path);
        }
    }

    fn contradiction(&mut self, found: Option<Contradiction>, path: &KeyPath) {
        let Some((key, label)) = found else { return };
        let finding = Finding::new(format!("`{path}.{key}` does not go with the renewal"));
        let help = if key.starts_with("rand") {
            "a renewal comes at most so much earlier than it is due"
        } else {
            "0 turns a limit off"
        };
        self.blame(&path.key(key), label, finding.help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> SimDuration {
        SimDuration::from_secs(60 * minutes)
    }

    #[test]
    fn an_ike_sa_is_rekeyed_every_four_hours_within_ten_percent() {
        let renewal = RenewalKeys::default().settled(&Profile::default());
        assert_eq!((renewal.rekey_time, renewal.reauth_time), (Some(minutes(240)), None));
        assert_eq!((renewal.over_time, renewal.rand_time), (minutes(24), minutes(24)));
    }

    #[test]
    fn authenticating_anew_takes_the_place_of_rekeying() {
        let renewal = RenewalKeys { reauth_time: Some(minutes(100)), ..RenewalKeys::default() }
            .settled(&Profile::default());
        assert_eq!((renewal.rekey_time, renewal.reauth_time), (None, Some(minutes(100))));
        assert_eq!((renewal.over_time, renewal.rand_time), (minutes(10), minutes(10)));
        let both = RenewalKeys {
            rekey_time: Some(minutes(200)),
            reauth_time: Some(minutes(100)),
            ..RenewalKeys::default()
        };
        assert_eq!(both.settled(&Profile::default()).over_time, minutes(20), "10 % of the longer one");
    }

    #[test]
    fn a_child_is_rekeyed_every_hour_and_ends_after_ten_percent_more() {
        let lifetime = LifetimeKeys::default().settled(&Profile::default());
        assert_eq!(lifetime.rekey_time, Some(minutes(60)));
        assert_eq!((lifetime.life_time, lifetime.rand_time), (Some(minutes(66)), minutes(6)));
        let given = LifetimeKeys { life_time: Some(minutes(11)), ..LifetimeKeys::default() }
            .settled(&Profile::default());
        assert_eq!((given.rekey_time, given.rand_time), (Some(minutes(10)), minutes(1)));
    }

    #[test]
    fn zero_turns_times_off() {
        let none = Some(SimDuration::ZERO);
        let lifetime =
            LifetimeKeys { rekey_time: none, ..LifetimeKeys::default() }.settled(&Profile::default());
        assert_eq!(
            (lifetime.rekey_time, lifetime.life_time, lifetime.rand_time),
            (None, None, SimDuration::ZERO)
        );
        let renewal = RenewalKeys { rekey_time: none, ..RenewalKeys::default() }.settled(&Profile::default());
        assert_eq!((renewal.rekey_time, renewal.over_time), (None, SimDuration::ZERO));
    }

    #[test]
    fn volumes_have_no_limit_unless_one_is_given() {
        assert_eq!(VolumeKeys::default().settled(), Volume::default());
        let given = VolumeKeys { rekey: Some(1000), ..VolumeKeys::default() }.settled();
        assert_eq!((given.rekey, given.life, given.rand), (Some(1000), Some(1100), 100));
    }

    #[test]
    fn the_remote_node_may_renew_at_its_own_time_or_never() {
        let child: ChildFile =
            toml::from_str("rekey_time = \"10min\"\nrand_time = \"50%\"\nremote_rekey_time = \"20min\"")
                .unwrap();
        let [near, far] =
            [true, false].map(|side| LifetimeKeys::of(&child, side).settled(&Profile::default()));
        assert_eq!((near.rekey_time, near.rand_time), (Some(minutes(10)), minutes(5)));
        assert_eq!((far.rekey_time, far.rand_time), (Some(minutes(20)), minutes(10)));
        assert_eq!((near.life_time, far.life_time), (Some(minutes(11)), Some(minutes(22))));
        let never =
            ChildFile { remote_rekey_time: Some(toml::Value::from("0s").try_into().unwrap()), ..child };
        let far = LifetimeKeys::of(&never, false).settled(&Profile::default());
        assert_eq!((far.rekey_time, far.life_time, lifetime_contradiction(&far)), (None, None, None));
        assert_eq!(LifetimeKeys::of(&never, true).settled(&Profile::default()), near);
    }

    #[test]
    fn contradictions_name_the_key_at_fault() {
        let lifetime =
            LifetimeKeys { rekey_time: Some(minutes(2)), life_time: Some(minutes(2)), rand_time: None }
                .settled(&Profile::default());
        assert_eq!(lifetime_contradiction(&lifetime).map(|found| found.0), Some("life_time"));
        let spread = Some(Spread::Span(minutes(3)));
        let lifetime = LifetimeKeys { rekey_time: Some(minutes(2)), life_time: None, rand_time: spread }
            .settled(&Profile::default());
        assert_eq!(lifetime_contradiction(&lifetime).map(|found| found.0), Some("rand_time"));
        let renewal = RenewalKeys { rand_time: Some(Spread::Share(100_000)), ..RenewalKeys::default() }
            .settled(&Profile::default());
        assert_eq!(renewal_contradiction(&renewal), None, "all of the time is allowed");
        let volume = VolumeKeys { rekey: Some(10), life: Some(20), rand: Some(11) }.settled();
        assert_eq!(volume_contradiction(&volume, ["l", "r"]).map(|found| found.0), Some("r"));
    }
}
