//! The peak of a rekey storm against arithmetic that the simulator has no part in.
//!
//! # Closed form
//!
//! N tunnels come up together at time 0. Each has fresh keys due at T − u, where u is uniform between 0 and R
//! (`rekey_time` T, `rand_time` R), so that the N moments are independent and uniform between T − R and T. Their rate is
//! N/R throughout. Cut time into windows of w = 1 s. A renewal falls into window j with probability
//! `p_j` = |window j ∩ (T − R, T)| / R, so the numbers in the windows are multinomial (N; `p_1` … `p_m`), and the peak rate
//! is the greatest of them over w. With the multinomial probabilities summed over all outcomes up to k,
//!
//! > P(M ≤ k) = Σ over `n_1` … `n_m` ≤ k with sum N of N! Π `p_j`^`n_j` / `n_j`!, and E M = Σ over k ≥ 0 of 1 − P(M ≤ k).
//!
//! The sum is taken cell by cell: given that n renewals fall into the first j windows, the number in window j is binomial
//! (n; `p_j` / (`p_1` + … + `p_j`)). So `F_j`(n), the probability that none of the first j windows holds more than k of n, is
//!
//! > `F_j`(n) = Σ over i ≤ min(k, n) of Binomial(n, i; `q_j`) `F_{j−1}`(n − i), with `F_0`(0) = 1.
//!
//! When both sides renew, each tunnel has two such moments and the first one counts; the other's timer ends with the
//! old keys. With x = (t − (T − R)) / R, the first of the two is later than x with probability (1 − x)², so its
//! density is 2 (1 − x) / R: the storm begins at twice the rate and fades out. Only `p_j` changes.
//!
//! A set-up takes 4 ms here, which moves each moment by 4 ms and `p_j` by less than half a percent. While R ≤ T/2, no
//! tunnel renews twice before T.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::Path;

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::sweep::{Progress, SweepPlan, SweepSettings, execute};

const TUNNELS: usize = 200;
/// The standard error of the mean peak is then about 1.2 %, so that the tolerance is four of them for any seed.
const REPLICATIONS: usize = 100;
/// `rekey_time` in seconds, which are windows.
const PERIOD: usize = 100;
const TOLERANCE: f64 = 0.05;

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64, _: u64, _: u64) {}

    fn advance(&self) {}
}

/// What a metric was on average over the runs, by name.
struct Means(Vec<(String, f64)>);

impl Means {
    fn of(&self, metric: &str) -> f64 {
        self.0.iter().find(|(name, _)| name == metric).unwrap().1
    }
}

/// The shipped storm over nearly no distance and at no cost, with these words for its child.
fn storm(rand_percent: usize, child: &str) -> Means {
    let sweep = format!(
        r#"name = "closed-form"
scenario = "rekey-storm"
replications = {REPLICATIONS}
seed = 7
metrics = ["renewal.peak_rate", "renewal.count", "renewal.failed"]
[set]
duration = "{PERIOD}s"
warm_up = "1s"
"topology.link.delay" = "1ms"
"nodes.*.cost_profile" = "free"
"traffic.0.start" = "10s"
"traffic.0.stop" = "11s"
"connections.branch.children.lan.rekey_time" = "{PERIOD}s"
"connections.branch.children.lan.rand_time" = "{rand_percent}%"
"connections.branch.children.lan.esp_proposals" = ["aes128gcm16"]
{child}
[vary]
"topology.spokes" = [{TUNNELS}]
"#
    );
    let document = Document::parse(&SourceText::new("sweep.toml", sweep)).unwrap();
    let plan =
        SweepPlan::build(&document, Some(Path::new("")), &[]).unwrap_or_else(|report| panic!("{report}"));
    let folder = tempfile::tempdir().unwrap();
    let settings = SweepSettings { folder: Some(folder.path().join("out")), ..SweepSettings::default() };
    let report = execute(&plan, &settings, &Silent).unwrap();
    assert_eq!(report.failed, 0);
    let mut table = csv::Reader::from_path(report.folder.join("aggregate.csv")).unwrap();
    let columns = table.headers().unwrap().clone();
    let place = |name| columns.iter().position(|column| column == name).unwrap();
    let (metric, mean) = (place("metric"), place("mean"));
    let rows = table.records().map(Result::unwrap);
    Means(rows.map(|row| (row[metric].to_owned(), row[mean].parse().unwrap())).collect())
}

/// The probabilities of the binomial distribution, from 0 to `n`.
fn binomial(n: usize, share: f64) -> Vec<f64> {
    let mut whole = vec![1.0];
    for _ in 0..n {
        let mut next = vec![0.0; whole.len() + 1];
        for (count, probability) in whole.iter().enumerate() {
            next[count] += probability * (1.0 - share);
            next[count + 1] += probability * share;
        }
        whole = next;
    }
    whole
}

/// The expected greatest cell of a multinomial distribution; the cells' probabilities sum to one.
fn expected_peak(balls: usize, cells: &[f64]) -> f64 {
    let mut below = 0.0;
    // For each cell and number of balls so far, how many of them are in the cell.
    let tables: Vec<Vec<Vec<f64>>> = cells
        .iter()
        .map(|cell| {
            below += cell;
            (0..=balls).map(|n| binomial(n, (cell / below).min(1.0))).collect()
        })
        .collect();
    let at_most = |k: usize| {
        let mut none_above = vec![0.0; balls + 1];
        none_above[0] = 1.0;
        for table in &tables {
            let next = |n: usize| (0..=k.min(n)).map(|i| table[n][i] * none_above[n - i]).sum();
            none_above = (0..=balls).map(next).collect();
        }
        none_above[balls]
    };
    (0..balls).map(|k| 1.0 - at_most(k)).take_while(|share| *share > 1e-12).sum()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// The windows of a spread of `seconds`, when `later(x)` of the renewals come after the share x of it.
fn windows(seconds: usize, later: fn(f64) -> f64) -> Vec<f64> {
    let edge = |second| later(number(second) / number(seconds));
    (0..seconds).map(|second| edge(second) - edge(second + 1)).collect()
}

fn check_peak(rand_percent: usize, child: &str, later: fn(f64) -> f64) {
    let seconds = PERIOD * rand_percent / 100;
    let expected = expected_peak(TUNNELS, &windows(seconds, later));
    let found = storm(rand_percent, child);
    let peak = found.of("renewal.peak_rate");
    println!("rand_time {rand_percent} %: peak {peak:.3}/s, closed form {expected:.3}/s");
    assert!((peak / expected - 1.0).abs() < TOLERANCE, "{rand_percent} %: {peak} instead of {expected}");
    assert!(found.of("renewal.failed").abs() < f64::EPSILON);
    // All tunnels but those whose answer is on its way when the run ends.
    let share = found.of("renewal.count") / number(TUNNELS);
    assert!((0.99..=1.0).contains(&share), "{share} renewals of each tunnel");
}

#[test]
fn the_peak_of_one_sided_renewals_is_the_greatest_cell_of_a_multinomial() {
    for rand_percent in [10, 25, 50] {
        check_peak(rand_percent, "", |x| 1.0 - x);
    }
}

#[test]
fn with_both_sides_the_first_of_two_uniform_moments_decides() {
    let both = format!("\"connections.branch.children.lan.remote_rekey_time\" = \"{PERIOD}s\"");
    check_peak(25, &both, |x| (1.0 - x) * (1.0 - x));
}

#[test]
fn the_closed_form_agrees_with_counting_all_outcomes() {
    // Three balls in two equal cells: 3+0 and 0+3 in two of eight outcomes, 2+1 in the others.
    assert!((expected_peak(3, &[0.5, 0.5]) - (2.0 * 3.0 + 6.0 * 2.0) / 8.0).abs() < 1e-12);
    // Two balls in three cells: together with probability 1/4 + 1/16 + 1/16.
    assert!((expected_peak(2, &[0.5, 0.25, 0.25]) - (1.0 + 0.375)).abs() < 1e-12);
    assert!((expected_peak(5, &[1.0]) - 5.0).abs() < 1e-12);
}
