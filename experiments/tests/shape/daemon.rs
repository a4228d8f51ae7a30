//! What a case's daemons were set to beside their connections. Neither `case.txt` nor the configurations tell settings of
//! strongswan.conf, so that they are read from what the daemons did: how they waited, and how large their fragments were.

use crate::message::Seen;
use crate::table::Case;

/// The profile of one of the case's daemons: the shipped one, with its settings.
pub(crate) fn profile(case: &Case, side: char) -> String {
    let shipped =
        ipseclab_experiments::profiles::SHIPPED.iter().find(|one| one.name == "strongswan").unwrap();
    let mut text = shipped.text.to_owned();
    let mut set = |key: &str, value: &str| {
        let start = text.find(&format!("\n{key} = ")).unwrap_or_else(|| panic!("no {key}")) + 1;
        let end = start + text[start..].find('\n').unwrap();
        text.replace_range(start..end, &format!("{key} = {value}"));
    };
    if let Some(octets) = fragment_size(case) {
        set("fragment_size", &octets.to_string());
    }
    if let Some(Repetition { timeout_ms, base_tenths, tries }) = Repetition::of(case, side) {
        set("retransmit_timeout", &format!("\"{timeout_ms}ms\""));
        set("retransmit_base", &format!("{}.{}", base_tenths / 10, base_tenths % 10));
        set("retransmit_tries", &tries.to_string());
    }
    if let Some(half_open) = half_open_before_cookie(case) {
        set(if half_open == 0 { "cookie" } else { "cookie_per_address" }, &half_open.to_string());
    }
    if makes_before_breaking(case) {
        set("make_before_break", "true");
    }
    if !announces_hashes(case, side) {
        set("signature_authentication", "false");
    }
    text
}

/// One side's `swanctl.conf`. ESP in user space feigns a NAT, as `encap` does.
pub(crate) fn swanctl(case: &Case, side: char) -> String {
    let text = case.swanctl(side);
    if !case.feigns_nat() {
        return text;
    }
    let (mut depth, mut top, mut out) = (0, String::new(), String::new());
    for line in text.lines() {
        out.push_str(line);
        out.push('\n');
        if depth == 0 && line.contains('{') {
            line.trim().trim_end_matches('{').trim().clone_into(&mut top);
        }
        if depth == 1 && line.contains('{') && top == "connections" {
            out.push_str("    encap = yes\n");
        }
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
    }
    out
}

/// Octets of an IP packet that fragments fill: as many as the longest that another one followed, or the longest message
/// that was not cut at all where that is more than the usual limit.
fn fragment_size(case: &Case) -> Option<usize> {
    let fragments = case.messages.iter().filter(|seen| seen.is_fragment);
    let longest = fragments.map(|seen| seen.packet_len).max();
    let whole = case.messages.iter().filter(|seen| !seen.is_fragment && seen.exchange != "IKE_SA_INIT");
    let whole = whole.map(|seen| seen.packet_len).max().unwrap_or(0);
    match longest {
        // Blocks of a cipher leave up to 15 octets of the usual limit.
        Some(1265..=1280) => None,
        Some(longest) => Some(longest.max(whole)),
        None => (whole > 1280).then_some(whole),
    }
}

/// How a daemon repeated its requests.
struct Repetition {
    timeout_ms: u64,
    base_tenths: u64,
    tries: usize,
}

impl Repetition {
    /// As the most often repeated request shows; `None` where none was, or as usual.
    fn of(case: &Case, side: char) -> Option<Self> {
        let direction = if side == 'a' { "a>b" } else { "b>a" };
        let own = |other: bool| {
            let requests = case
                .messages
                .iter()
                .filter(|seen| seen.is_request() && (seen.direction == direction) != other);
            longest_run(requests)
        };
        // A daemon that repeated nothing was most likely set as the other.
        let times = Some(own(false)).filter(|run| run.len() > 1).unwrap_or_else(|| own(true));
        let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let first = *waits.first()?;
        let base = waits.get(1).map_or(1.8, |second| second / first);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of a short wait"
        )]
        let rounded = |value: f64| (value + 0.5) as u64;
        let (timeout_ms, base_tenths) = (rounded(first * 10.0) * 100, rounded(base * 10.0));
        let tries = if Self::gave_up(case, &times, &waits, base) { waits.len() } else { 5 };
        (timeout_ms != 4000 || base_tenths != 18 || tries != 5).then_some(Self {
            timeout_ms,
            base_tenths,
            tries,
        })
    }

    /// Whether another repetition would have come, had there been one, before the case ended.
    fn gave_up(case: &Case, times: &[f64], waits: &[f64], base: f64) -> bool {
        let next = times[times.len() - 1] + waits[waits.len() - 1] * base;
        let answered =
            case.messages.iter().any(|seen| seen.seconds > times[times.len() - 1] && !seen.is_request());
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a case")]
        let end = case.timeline.last().map_or(0.0, |moment| moment.at_ms as f64 / 1000.0);
        !answered && next + 0.5 < end
    }
}

/// When the most often sent request was sent.
fn longest_run<'a>(requests: impl Iterator<Item = &'a Seen>) -> Vec<f64> {
    let mut runs: Vec<(&Seen, Vec<f64>)> = Vec::new();
    for seen in requests.filter(|seen| !seen.is_fragment || !seen.payloads.is_empty()) {
        let same = |one: &Seen| one.equals(seen);
        match runs.iter_mut().rev().find(|(first, _)| same(first)) {
            Some((_, times)) if seen.is_repetition => times.push(seen.seconds),
            _ => runs.push((seen, vec![seen.seconds])),
        }
    }
    runs.into_iter().map(|(_, times)| times).max_by_key(Vec::len).unwrap_or_default()
}

/// How many half-open IKE SAs were enough for a cookie, from what the note or the timeline says was made before.
fn half_open_before_cookie(case: &Case) -> Option<usize> {
    case.messages.iter().any(|seen| seen.has("N:COOKIE")).then_some(())?;
    // Of three half-open IKE SAs from one address, the second one met a cookie.
    let made = case.timeline.iter().any(|moment| moment.what.contains("half-open inits"));
    Some(usize::from(made))
}

/// Whether a side said which hashes it takes: an initiator always does, a responder when it was told of the peer's.
fn announces_hashes(case: &Case, side: char) -> bool {
    const HASHES: &str = "N:SIGNATURE_HASH_ALGORITHMS";
    let direction = if side == 'a' { "a>b" } else { "b>a" };
    let opening = |seen: &&Seen| seen.exchange == "IKE_SA_INIT" && seen.has("SA");
    let mut own = case.messages.iter().filter(opening).filter(|seen| seen.direction == direction);
    let asked =
        case.messages.iter().filter(opening).any(|seen| seen.direction != direction && seen.has(HASHES));
    own.all(|seen| seen.has(HASHES) || (!seen.is_request() && !asked))
}

/// Whether a new IKE SA came up before the old one's end in a reauthentication.
fn makes_before_breaking(case: &Case) -> bool {
    let mut asked = case.timeline.iter().filter(|moment| moment.what.contains("--reauth"));
    if asked.next().is_none() {
        return case.fact("note").contains("make before break");
    }
    let first = |wanted: &dyn Fn(&Seen) -> bool| {
        case.messages.iter().enumerate().skip(4).find(|(_, seen)| wanted(seen)).map(|(at, _)| at)
    };
    let fresh = first(&|seen| seen.exchange == "IKE_SA_INIT" && seen.is_request());
    let delete = first(&|seen| seen.exchange == "INFORMATIONAL" && seen.has("D"));
    matches!((fresh, delete), (Some(fresh), Some(delete)) if fresh < delete)
}
