//! `report.md`: what a sweep shows, and its set-ups message by message.
//!
//! Counts and octets in the tables of a sweep are sums. Where the file names a key for that, one run for each of its values is
//! looked at closely, with the first value of every other key, so that a reader can add them up.

use std::fmt::Write as _;

use ipseclab_node::Observe;
use ipseclab_output::{LadderEventKind, Message, NegotiationResult};

use super::error::SweepError;
use super::plan::{Axis, SweepPlan, replication_seed};
use crate::results::{stories, warnings};
use crate::run;
use crate::scenario::CheckedScenario;

/// Octets of the IPv4 and UDP headers of a message.
const IP_UDP_HEADERS: usize = 28;

/// A set-up, message by message.
struct SetUp {
    name: String,
    messages: Vec<Message>,
    milliseconds: String,
    warnings: Vec<String>,
}

/// The report of a finished sweep whose plots have these names; `None` where its file asks for none.
///
/// # Errors
/// When the scenario changed meanwhile, or a run that succeeded before fails.
pub(super) fn report(plan: &SweepPlan, plots: &[String]) -> Result<Option<String>, SweepError> {
    let Some(axis) = plan.message_table else { return Ok(None) };
    let set_ups: Result<Vec<_>, _> =
        (0..plan.axes[axis].values.len()).map(|value| set_up(plan, axis, value)).collect();
    Ok(Some(text(plan, &plan.axes[axis], &set_ups?, plots)))
}

fn set_up(plan: &SweepPlan, axis: usize, value: usize) -> Result<SetUp, SweepError> {
    let choice: Vec<_> = (0..plan.axes.len()).map(|other| if other == axis { value } else { 0 }).collect();
    let scenario = plan.scenario(plan.point(&choice))?;
    let scenario = CheckedScenario { seed: replication_seed(plan.seed, 0), ..scenario };
    let result = run::run(&scenario, Observe { packets: false, steps: true })?;
    let first = result.negotiations.first();
    let end = first.filter(|row| row.result == NegotiationResult::Established).map_or(0, |row| row.ended_ns);
    let events = stories(&scenario, &result, false).into_iter().next();
    let events = events.map(|story| story.ladder.events).unwrap_or_default();
    let messages = events.into_iter().filter(|event| event.time_ns <= end);
    let messages = messages.filter_map(|event| match event.kind {
        LadderEventKind::Message(message) => Some(message),
        LadderEventKind::Note { .. } | LadderEventKind::LocalStep { .. } => None,
    });
    let latency = first.map_or(0, |row| row.latency_ns);
    Ok(SetUp {
        name: plan.axes[axis].values[value].label.clone(),
        messages: messages.collect(),
        milliseconds: format!("{}.{:03}", latency / 1_000_000, latency / 1_000 % 1_000),
        warnings: warnings(&scenario),
    })
}

fn text(plan: &SweepPlan, axis: &Axis, set_ups: &[SetUp], plots: &[String]) -> String {
    let mut text = format!("# {}\n", plan.name);
    if let Some(description) = &plan.description {
        let _ = write!(text, "\n{description}\n");
    }
    let (combinations, replications) = (plan.point_count(), plan.replications);
    let _ = write!(
        text,
        "\n{combinations} combinations, {replications} replications of each. Figures of all runs are in `runs.csv`, means with \
         their intervals in `aggregate.csv`.\n"
    );
    for plot in plots {
        let _ = write!(text, "\n![{plot}]({plot}.svg)\n");
    }
    let _ = write!(text, "\n## Message by message\n\nOne set-up for each {}", axis.label);
    let others: Vec<_> = plan
        .axes
        .iter()
        .filter(|other| other.path != axis.path)
        .map(|other| format!("{} {}", other.label, other.values[0].label))
        .collect();
    if !others.is_empty() {
        let _ = write!(text, ", with {}", others.join(" and "));
    }
    text.push_str(". Octets are those of the UDP payload, as in `negotiation.octets`; with headers of IPv4 and UDP each message has 28 more.\n");
    overview(&mut text, axis, set_ups);
    for set_up in set_ups {
        section(&mut text, set_up);
    }
    text
}

fn overview(text: &mut String, axis: &Axis, set_ups: &[SetUp]) {
    let _ = write!(
        text,
        "\n| {} | messages | octets of UDP payload | octets on the wire | until the tunnel is up (ms) |\n| --- | ---: | ---: | ---: | ---: |\n",
        axis.label
    );
    for SetUp { name, messages, milliseconds, .. } in set_ups {
        let octets: usize = messages.iter().map(|message| message.length).sum();
        let wire = octets + IP_UDP_HEADERS * messages.len();
        let _ = writeln!(text, "| {name} | {} | {octets} | {wire} | {milliseconds} |", messages.len());
    }
}

fn section(text: &mut String, set_up: &SetUp) {
    let _ = write!(text, "\n### {}\n", set_up.name);
    for warning in &set_up.warnings {
        let _ = write!(text, "\n**Warning.** {warning}.\n");
    }
    text.push_str(
        "\n| | from | message | octets | sum | what is in it |\n| ---: | --- | --- | ---: | ---: | --- |\n",
    );
    let mut sum = 0;
    for (number, message) in (1..).zip(&set_up.messages) {
        sum += message.length;
        let Message { from, title, length, payloads, .. } = message;
        let _ =
            writeln!(text, "| {number} | {from} | {title} | {length} | {sum} | {} |", payloads.join(", "));
    }
}
