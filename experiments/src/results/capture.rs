//! `capture/<node>.pcapng`: what passed the ports of each node.

use ipseclab_node::CaptureDirection;
use ipseclab_output::{Direction, PcapngWriter, RunDirectory};

use super::ResultsError;
use crate::run::RunResult;
use crate::scenario::CheckedScenario;

/// Writes one capture for each node.
pub(super) fn write(
    directory: &mut RunDirectory,
    scenario: &CheckedScenario,
    result: &RunResult,
) -> Result<(), ResultsError> {
    for node in &result.observed {
        let comment = format!("scenario {}, seed {}, node {}", scenario.name, scenario.seed, node.name);
        let mut writer = PcapngWriter::new(&node.name, &comment);
        for packet in &node.records.packets {
            let direction = match packet.direction {
                CaptureDirection::Inbound => Direction::Inbound,
                CaptureDirection::Outbound => Direction::Outbound,
            };
            writer.packet(packet.time.as_nanos(), Some(direction), &packet.bytes, None)?;
        }
        directory.write_file(&format!("capture/{}.pcapng", node.name), &writer.finish())?;
    }
    Ok(())
}
