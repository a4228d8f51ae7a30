//! What ESP and Ethernet cost a saturated link, held against the figures of RFC 9347 appendix C.
//!
//! The published numbers of the columns `Enet` and `ESP` stand below, so that there is always something to compare with; where
//! the reference data is beside the checkout, its file has to say the same. All that is compared is measured: how long
//! after each other packets arrive that have passed a link which is offered more than it can carry.
//!
//! What the RFC's figures mean is said in the study `esp-overhead`. In short: sizes are IP packets; Ethernet adds 38 octets and
//! takes at least 84; ESP takes 54 + 20 octets there, without alignment and without header and frame check sequence.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::path::Path;

use ipseclab_experiments::run::run;
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_node::Observe;

/// The rate of the scenario's links.
const LINK_BPS: f64 = 10e9;
/// IPv4 and UDP headers of the packets that are sent.
const HEADERS: u32 = 28;

/// A line of RFC 9347's figures 15 (octets) and 17 (percent of 10G Ethernet): size, then Ethernet and ESP.
struct Line {
    size: u32,
    octets: [u32; 2],
    percent: [f64; 2],
}

const fn line(size: u32, octets: [u32; 2], percent: [f64; 2]) -> Line {
    Line { size, octets, percent }
}

/// RFC 9347 appendix C.
const PUBLISHED: [Line; 9] = [
    line(40, [84, 114], [47.62, 35.09]),
    line(128, [166, 202], [77.11, 63.37]),
    line(256, [294, 330], [87.07, 77.58]),
    line(518, [574, 610], [93.17, 87.50]),
    line(576, [614, 650], [93.81, 88.62]),
    line(1442, [1498, 1534], [97.43, 95.12]),
    line(1500, [1538, 1574], [97.53, 95.30]),
    line(8942, [8998, 9034], [99.58, 99.18]),
    line(9000, [9038, 9074], [99.58, 99.18]),
];

/// The size that the octets of a line are of. Of those that fill an outer packet of 576, 1500 or 9000 octets, figure 15 has the
/// octets of packets longer by 18, while figure 17 has the shares of the sizes that stand there.
const fn size_of_octets(size: u32) -> u32 {
    match size {
        518 | 1442 | 8942 => size + 18,
        _ => size,
    }
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Clear,
    Unaligned,
    Aligned,
}

/// Octets of the link and percent of its rate that packets of `size` octets had.
fn measure(sender: Sender, framing: &str, size: u32) -> (f64, f64) {
    let from = match sender {
        Sender::Clear => "spoke-1",
        Sender::Unaligned => "spoke-2",
        Sender::Aligned => "spoke-3",
    };
    let settings = [
        format!("topology.link.framing={framing}"),
        format!("traffic.0.from={from}"),
        format!("traffic.0.size={}B", size - HEADERS),
        "traffic.0.count=5000".to_owned(),
    ];
    let settings: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario =
        load("esp-overhead", &settings).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let result = run(&scenario, Observe::default()).unwrap();
    let flow = &result.flows[0];
    assert!(flow.sent_packets == 5_000 && flow.received_packets > 2_000, "{flow:?}");
    let nanos = flow.last_received_ns.unwrap() - flow.first_received_ns.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = nanos as f64 / (flow.received_packets - 1) as f64 * 1e-9;
    // The link was never idle in between, or this would be the time between packets sent.
    let link = &result.links.iter().find(|link| link.from == from).unwrap();
    assert!(link.queue_bytes_max > 0 && link.busy_ns >= nanos, "{link:?}");
    (each * LINK_BPS / 8.0, f64::from(size) * 8.0 / each / LINK_BPS * 100.0)
}

/// Whether a measured value rounds to a printed one with so many decimals.
fn prints_as(measured: f64, decimals: usize, printed: f64) -> bool {
    format!("{measured:.decimals$}") == format!("{printed:.decimals$}")
}

fn check_column(column: usize, sender: Sender, framing: &str) {
    for line in &PUBLISHED {
        let (octets, printed) = (measure(sender, framing, size_of_octets(line.size)).0, line.octets[column]);
        assert!(prints_as(octets, 0, printed.into()), "{}: {octets} octets for {printed}", line.size);
        let (percent, printed) = (measure(sender, framing, line.size).1, line.percent[column]);
        assert!(prints_as(percent, 2, printed), "{}: {percent} % for {printed} %", line.size);
    }
}

#[test]
fn plain_ethernet_is_as_published() {
    check_column(0, Sender::Clear, "ethernet");
}

#[test]
fn esp_without_alignment_is_as_published() {
    check_column(1, Sender::Unaligned, "20B");
}

#[test]
fn real_esp_takes_a_whole_frame_and_its_alignment() {
    for line in &PUBLISHED {
        // 54 octets of ESP with AES-GCM-16 in tunnel mode, 38 of Ethernet, and padding up to a multiple of four.
        let padding = (line.size + 2).next_multiple_of(4) - (line.size + 2);
        let (real, _) = measure(Sender::Aligned, "ethernet", line.size);
        assert!(prints_as(real, 1, f64::from(line.size + 54 + 38 + padding)), "{}: {real}", line.size);
        let (unaligned, _) = measure(Sender::Unaligned, "ethernet", line.size);
        assert!(prints_as(unaligned, 1, f64::from(line.size + 54 + 38)), "{}: {unaligned}", line.size);
    }
}

#[test]
fn the_published_figures_are_those_of_the_reference_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../../shared/reference/iptfs/rfc9347-appendix-c.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: there is no {}", file.display());
        return;
    };
    let value = |figure: &str, column: &str, size: u32| -> f64 {
        let middle = format!(",{column},{size},");
        let mut lines = text.lines().filter(|line| line.starts_with(figure) && line.contains(&middle));
        lines.next().unwrap().rsplit_once(',').unwrap().1.parse().unwrap()
    };
    for line in &PUBLISHED {
        for (index, column) in ["Enet", "ESP"].into_iter().enumerate() {
            let octets = value("15 ", column, line.size);
            let percent = value("17 ", column, line.size);
            assert!(
                prints_as(octets, 1, line.octets[index].into()) && prints_as(percent, 2, line.percent[index])
            );
        }
    }
}
