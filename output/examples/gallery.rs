//! Draws one figure of each kind into a folder: `cargo run -p ipseclab-output --example gallery -- DIR`.
//!
//! The numbers are made up from simple formulas; the figures are for looking at layout, fonts and colours.

use ipseclab_output::{
    Axis, Figure, Kind, Ladder, LadderEvent, LadderText, Message, Panel, Participant, Point, Series,
};
use std::error::Error;
use std::path::Path;

const GROUPS: [&str; 4] = ["X25519", "ECP-256", "MODP-2048", "MODP-4096"];
const DELAYS: [u32; 3] = [5, 20, 80];
const LOSSES: [f64; 6] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: gallery DIR")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let figures = [
        ("line", line(&DELAYS[..1])),
        ("line-facets", line(&DELAYS)),
        ("line-log", line_log()),
        ("line-names", line_names()),
        ("cdf", cdf()),
        ("box", boxes()),
        ("heatmap", heatmap()),
        ("stack", stack()),
        ("timeline", timeline()),
        ("grid", grid()),
    ];
    for (name, figure) in figures {
        std::fs::write(folder.join(format!("{name}.svg")), figure.svg()?)?;
        std::fs::write(folder.join(format!("{name}.png")), figure.png()?)?;
    }
    std::fs::write(folder.join("ladder.svg"), ipseclab_output::ladder::svg::render(&ladder()))?;
    print!("{}", LadderText::render(&ladder(), 100));
    Ok(())
}

fn latency(delay: u32, loss: f64, group: usize) -> f64 {
    let compute = [0.4, 0.6, 2.3, 14.0][group];
    4.0 * f64::from(delay) + compute + loss * loss * 1.5
}

fn line(delays: &[u32]) -> Figure {
    let x = Axis::linear("packet loss (%)");
    let y = Axis::linear("median set-up latency (ms)");
    let mut figure = Figure::new("IKEv2 set-up latency under loss", Kind::Line, x, y);
    figure.legend = "key exchange".into();
    figure.panels = delays.iter().map(|&delay| panel(delay)).collect();
    figure
}

fn panel(delay: u32) -> Panel {
    let series = GROUPS.iter().enumerate().map(|(group, name)| {
        let point = |&loss: &f64| {
            let mean = latency(delay, loss, group);
            let half = 2.0 + loss * (1.0 + f64::from(delay) / 40.0);
            Point::with_interval(loss, mean, mean - half, mean + half)
        };
        Series::new(name, LOSSES.iter().map(point).collect())
    });
    Panel { title: format!("RTT {} ms", 2 * delay), series: series.collect() }
}

fn grid() -> Figure {
    let mut figure = line(&[1, 2, 5, 10, 20]);
    figure.y = Axis::log("median set-up latency (ms)");
    figure
}

fn line_log() -> Figure {
    let mut figure = Figure::new(
        "Recovery after a gateway failure",
        Kind::Line,
        Axis::log("tunnels"),
        Axis::log("time until all are back (s)"),
    );
    let series = [("1 core", 1.0), ("4 cores", 4.0), ("16 cores", 16.0)].map(|(name, cores)| {
        let tunnels = [10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
        let point = |&count: &f64| {
            let time = 0.05 + count * 0.0012 / cores;
            Point::with_interval(count, time, time * 0.7, time * 1.4)
        };
        Series::new(name, tunnels.iter().map(point).collect())
    });
    figure.panels = vec![Panel { title: String::new(), series: series.into() }];
    figure
}

fn line_names() -> Figure {
    let x = Axis::categories("key exchange", GROUPS);
    let mut figure = Figure::new("Computing time of one set-up", Kind::Line, x, Axis::log("CPU time (ms)"));
    let points = (0..4_u8).map(|group| {
        let time = latency(0, 0.0, usize::from(group));
        Point::with_interval(f64::from(group), time, time * 0.9, time * 1.1)
    });
    figure.panels =
        vec![Panel { title: String::new(), series: vec![Series::new("initiator", points.collect())] }];
    figure
}

/// A bell of `count` samples around `mean`, without a random generator.
fn samples(count: u32, mean: f64, spread: f64) -> Vec<f64> {
    let share = |index: u32| (f64::from(index) + 0.5) / f64::from(count);
    (0..count).map(|index| mean + spread * libm::log(share(index) / (1.0 - share(index)))).collect()
}

fn cdf() -> Figure {
    let x = Axis::log("set-up latency (ms)");
    let mut figure =
        Figure::new("Distribution of set-up latency", Kind::Cdf, x, Axis::linear("share of tunnels"));
    figure.legend = "loss".into();
    let series = [("0 %", 82.0, 1.0), ("5 %", 140.0, 9.0), ("20 %", 420.0, 45.0)];
    let series = series.map(|(name, mean, spread)| Series::samples(name, &samples(400, mean, spread)));
    figure.panels = vec![Panel { title: String::new(), series: series.into() }];
    figure
}

fn boxes() -> Figure {
    let x = Axis::categories("key exchange", GROUPS);
    let mut figure = Figure::new("Set-up latency", Kind::Box, x, Axis::linear("set-up latency (ms)"));
    figure.legend = "RTT".into();
    let series = DELAYS.map(|delay| {
        let points = (0..4).flat_map(|group| {
            samples(60, latency(delay, 1.0, group), 4.0)
                .into_iter()
                .map(move |value| Point::grouped_sample(group, value))
        });
        Series::new(&format!("{} ms", 2 * delay), points.collect())
    });
    figure.panels = vec![Panel { title: String::new(), series: series.into() }];
    figure
}

fn heatmap() -> Figure {
    let x = Axis::categories("packet loss (%)", LOSSES.map(|loss| loss.to_string()));
    let y = Axis::categories("key exchange", GROUPS);
    let mut figure = Figure::new("p99 set-up latency", Kind::Heatmap, x, y);
    figure.color = Axis::log("p99 set-up latency (ms)");
    let cells = (0..LOSSES.len()).flat_map(|column| {
        (0..4).map(move |row| Point::cell(column, row, latency(DELAYS[row.min(2)], LOSSES[column], row)))
    });
    figure.panels = vec![Panel { title: String::new(), series: vec![Series::new("", cells.collect())] }];
    figure
}

fn stack() -> Figure {
    let x = Axis::categories("packet loss (%)", LOSSES.map(|loss| loss.to_string()));
    let y = Axis::linear("share of set-up latency (%)");
    let mut figure = Figure::new("Where the time goes", Kind::Stack, x, y);
    let panel = |&delay: &u32| {
        let total = |loss: f64| latency(delay, loss, 3);
        let parts = [
            ("propagation", 0.0, 4.0 * f64::from(delay)),
            ("processor time", 4.0 * f64::from(delay), 14.0 + 4.0 * f64::from(delay)),
        ];
        let mut series: Vec<Series> = parts
            .map(|(name, from, to)| {
                let points = LOSSES.iter().enumerate().map(|(place, &loss)| {
                    Point::part(place, 100.0 * from / total(loss), 100.0 * to / total(loss))
                });
                Series::new(name, points.collect())
            })
            .into();
        let waiting = LOSSES
            .iter()
            .enumerate()
            .map(|(place, &loss)| Point::part(place, 100.0 * latency(delay, 0.0, 3) / total(loss), 100.0));
        series.push(Series::new("wait for retransmission", waiting.collect()));
        Panel { title: format!("RTT {} ms", 2 * delay), series }
    };
    figure.panels = DELAYS.iter().map(panel).collect();
    figure
}

fn timeline() -> Figure {
    let y = Axis::categories("tunnel", ["spoke-1", "spoke-2", "spoke-3", "hub"]);
    let mut figure =
        Figure::new("Life of the tunnels", Kind::Timeline, Axis::linear("simulated time (s)"), y);
    let lanes = |start: f64, end: f64| {
        (0..3_u8).map(move |lane| {
            let late = f64::from(lane) * 1.5;
            Point::span(usize::from(lane), start + late, end + late)
        })
    };
    figure.panels = vec![Panel {
        title: String::new(),
        series: vec![
            Series::new("negotiating", lanes(1.0, 2.2).chain(lanes(31.0, 36.0)).collect()),
            Series::new("established", lanes(2.2, 30.0).chain(lanes(36.0, 58.0)).collect()),
            Series::new("gateway down", vec![Point::span(3, 30.0, 31.0)]),
            Series::new("packet lost", vec![Point::span(0, 12.0, 12.0), Point::span(2, 40.0, 40.0)]),
        ],
    }];
    figure
}

fn ladder() -> Ladder {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let message = |at: u64, leftwards: bool, title: &str, id: u32, payloads: &[&str]| Message {
        from: if leftwards { "right" } else { "left" }.to_owned(),
        to: if leftwards { "left" } else { "right" }.to_owned(),
        sent_ns: at,
        received_ns: Some(at + 20_034_000),
        title: title.to_owned(),
        message_id: Some(id),
        length: 240,
        payloads: names(payloads),
    };
    let init = [
        "SA(1 proposal)",
        "KE(X25519)",
        "Nonce(32)",
        "N(NAT_DETECTION_SOURCE_IP)",
        "N(NAT_DETECTION_DESTINATION_IP)",
    ];
    let lost = Message {
        received_ns: None,
        ..message(42_000_000, false, "IKE_AUTH request", 1, &["SK{IDi, AUTH, SA, TSi, TSr}"])
    };
    Ladder {
        title: "site-to-site: left sets up a tunnel to right".into(),
        participants: [("left", "192.0.2.1"), ("right", "192.0.2.2")]
            .map(|(name, detail)| Participant { name: name.into(), detail: detail.into() })
            .into(),
        events: vec![
            LadderEvent::note(0, "left", "packet 10.1.0.1 → 10.2.0.1 matches policy lan"),
            LadderEvent::message(message(500_000, false, "IKE_SA_INIT request", 0, &init)),
            LadderEvent::message(message(21_000_000, true, "IKE_SA_INIT response", 0, &init)),
            LadderEvent::local_step(
                20_900_000,
                "right",
                "derives SKEYSEED, SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr",
            ),
            LadderEvent::local_step(
                41_500_000,
                "left",
                "derives SKEYSEED, SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr",
            ),
            LadderEvent::message(lost.clone()),
            LadderEvent::note(4_042_000_000, "left", "retransmits after 4 s"),
            LadderEvent::message(Message {
                sent_ns: 4_042_000_000,
                received_ns: Some(4_062_034_000),
                ..lost
            }),
            LadderEvent::message(message(
                4_063_000_000,
                true,
                "IKE_AUTH response",
                1,
                &["SK{IDr, AUTH, SA, TSi, TSr}"],
            )),
        ],
    }
}
