//! Packet captures in the pcapng format with nanosecond times and comments.
//!
//! One section, one interface and one block per packet are all that a simulated port needs, so the writer is a
//! buffer and a function per block (draft-ietf-opsawg-pcapng §4.1 to §4.3). The link type is `LINKTYPE_RAW`: packets
//! begin with their IPv4 or IPv6 header, and a reader tells them apart by the version. Left out: name
//! resolution, statistics and secrets blocks; ESP and IKE have none that released readers know, so keys
//! travel in the tables of [`crate::wireshark`].

/// Little-endian blocks; the byte-order magic tells readers so.
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const SECTION_HEADER_BLOCK: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION_BLOCK: u32 = 0x0000_0001;
const ENHANCED_PACKET_BLOCK: u32 = 0x0000_0006;
/// Raw IPv4 or IPv6 (tcpdump.org link-layer header types).
const LINKTYPE_RAW: u16 = 101;

const OPT_ENDOFOPT: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_HARDWARE: u16 = 2;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;

/// Times count in units of 10⁻⁹ s.
const NANOSECONDS: u8 = 9;
/// Option lengths have 16 bits; a longer text is cut at the last whole character.
const OPTION_MAX: usize = u16::MAX as usize;
/// A block's length has 32 bits; no IP packet comes near this bound.
const PACKET_MAX: usize = 256 * 1024;

/// Why a packet was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PcapngError {
    /// The packet is longer than any IP packet.
    #[error("packet of {length} octets is longer than {PACKET_MAX}")]
    TooLong {
        /// Its length in octets.
        length: usize,
    },
    /// The packet is older than the one before it.
    #[error("packet at {time_ns} ns is older than its predecessor at {previous_ns} ns")]
    OutOfOrder {
        /// Time of the packet.
        time_ns: u64,
        /// Time of its predecessor.
        previous_ns: u64,
    },
}

/// Which way a packet crossed the captured interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received by the node.
    Inbound,
    /// Sent by the node.
    Outbound,
}

impl Direction {
    /// Bits 0 and 1 of `epb_flags` (draft-ietf-opsawg-pcapng §4.3.1).
    fn flags(self) -> u32 {
        match self {
            Self::Inbound => 1,
            Self::Outbound => 2,
        }
    }
}

/// Builds one capture file in memory.
///
/// ```
/// use ipseclab_output::{Direction, PcapngWriter};
/// let mut capture = PcapngWriter::new("left", "site-to-site, seed 1");
/// capture.packet(1_000, Some(Direction::Outbound), &[0x45, 0, 0, 20], Some("lost on left--right"))?;
/// assert_eq!(capture.finish().len() % 4, 0);
/// # Ok::<(), ipseclab_output::PcapngError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PcapngWriter {
    bytes: Vec<u8>,
    last_ns: u64,
}

impl PcapngWriter {
    /// Starts a capture of the interface `name`; `comment` describes the file and may be empty.
    pub fn new(name: &str, comment: &str) -> Self {
        let application = concat!("ipseclab ", env!("CARGO_PKG_VERSION"));
        let mut writer = Self { bytes: Vec::new(), last_ns: 0 };
        writer.block(SECTION_HEADER_BLOCK, |body| {
            body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
            body.extend(1_u16.to_le_bytes());
            body.extend(0_u16.to_le_bytes());
            // Section length unknown, as the format allows.
            body.extend(u64::MAX.to_le_bytes());
            text_option(body, OPT_COMMENT, comment);
            text_option(body, SHB_HARDWARE, "simulated");
            text_option(body, SHB_OS, "none");
            text_option(body, SHB_USERAPPL, application);
            option(body, OPT_ENDOFOPT, &[]);
        });
        writer.block(INTERFACE_DESCRIPTION_BLOCK, |body| {
            body.extend(LINKTYPE_RAW.to_le_bytes());
            body.extend(0_u16.to_le_bytes());
            // Snapshot length 0: packets are whole.
            body.extend(0_u32.to_le_bytes());
            text_option(body, IF_NAME, name);
            option(body, IF_TSRESOL, &[NANOSECONDS]);
            option(body, OPT_ENDOFOPT, &[]);
        });
        writer
    }

    /// Adds one IP packet at `time_ns`, which readers show as time since 1970.
    ///
    /// # Errors
    /// [`PcapngError::OutOfOrder`] if `time_ns` is before the previous packet's, [`PcapngError::TooLong`] above
    /// 256 KiB; the capture is then unchanged.
    pub fn packet(
        &mut self,
        time_ns: u64,
        direction: Option<Direction>,
        packet: &[u8],
        comment: Option<&str>,
    ) -> Result<(), PcapngError> {
        let length = u32::try_from(packet.len()).ok().filter(|_| packet.len() <= PACKET_MAX);
        let length = length.ok_or(PcapngError::TooLong { length: packet.len() })?;
        if time_ns < self.last_ns {
            return Err(PcapngError::OutOfOrder { time_ns, previous_ns: self.last_ns });
        }
        self.last_ns = time_ns;
        self.block(ENHANCED_PACKET_BLOCK, |body| {
            body.extend(0_u32.to_le_bytes());
            body.extend(high_half(time_ns).to_le_bytes());
            body.extend(low_half(time_ns).to_le_bytes());
            body.extend(length.to_le_bytes());
            body.extend(length.to_le_bytes());
            body.extend(packet);
            pad(body);
            packet_options(body, direction, comment);
        });
        Ok(())
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A block of `kind`: its length before and after the body, which is a multiple of four octets.
    fn block(&mut self, kind: u32, write_body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend([0; 4]);
        write_body(&mut self.bytes);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "PACKET_MAX and OPTION_MAX keep blocks below 1 MiB"
        )]
        let length = (self.bytes.len() - start + 4) as u32;
        self.bytes[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
    }
}

fn high_half(time_ns: u64) -> u32 {
    (time_ns >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the upper half is written on its own")]
fn low_half(time_ns: u64) -> u32 {
    time_ns as u32
}

fn packet_options(body: &mut Vec<u8>, direction: Option<Direction>, comment: Option<&str>) {
    if direction.is_none() && comment.is_none() {
        return;
    }
    text_option(body, OPT_COMMENT, comment.unwrap_or_default());
    if let Some(direction) = direction {
        option(body, EPB_FLAGS, &direction.flags().to_le_bytes());
    }
    option(body, OPT_ENDOFOPT, &[]);
}

/// An option with a text; an empty text is left out.
fn text_option(body: &mut Vec<u8>, code: u16, text: &str) {
    if !text.is_empty() {
        option(body, code, &text.as_bytes()[..text.floor_char_boundary(OPTION_MAX)]);
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    #[expect(clippy::cast_possible_truncation, reason = "text is cut at OPTION_MAX; other values are short")]
    let length = value.len() as u16;
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Blocks begin at multiples of four octets, so padding the file pads the field.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Types and bodies of the blocks, read by the lengths in front and checked against those behind.
    fn blocks(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = word(bytes, at + 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(bytes, at + length - 4) as usize, length);
            found.push((word(bytes, at), bytes[at + 8..at + length - 4].to_vec()));
            at += length;
        }
        found
    }

    #[test]
    fn an_empty_capture_is_a_section_and_an_interface() {
        let bytes = PcapngWriter::new("left", "").finish();
        let kinds: Vec<u32> = blocks(&bytes).into_iter().map(|block| block.0).collect();
        assert_eq!(kinds, [SECTION_HEADER_BLOCK, INTERFACE_DESCRIPTION_BLOCK]);
    }

    #[test]
    fn a_packet_block_holds_time_lengths_data_comment_and_direction() {
        let mut writer = PcapngWriter::new("left", "");
        writer.packet(0x1_0000_0002, Some(Direction::Inbound), b"hello", Some("hi")).unwrap();
        let body = blocks(&writer.finish()).pop().unwrap().1;
        let expected = [
            &[0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0][..],
            b"hello\0\0\0",
            &[1, 0, 2, 0, b'h', b'i', 0, 0],
            &[2, 0, 4, 0, 1, 0, 0, 0],
            &[0, 0, 0, 0],
        ];
        assert_eq!(body, expected.concat());
    }

    #[test]
    fn a_packet_without_extras_has_no_options() {
        let mut writer = PcapngWriter::new("left", "");
        writer.packet(0, None, &[1, 2, 3, 4], None).unwrap();
        assert_eq!(blocks(&writer.finish()).pop().unwrap().1.len(), 24);
    }

    #[test]
    fn packets_that_go_back_in_time_are_refused() {
        let mut writer = PcapngWriter::new("left", "");
        writer.packet(5, None, &[], None).unwrap();
        writer.packet(5, None, &[], None).unwrap();
        let before = writer.bytes.len();
        let error = writer.packet(4, None, &[], None).unwrap_err();
        assert_eq!(error, PcapngError::OutOfOrder { time_ns: 4, previous_ns: 5 });
        let error = writer.packet(6, None, &vec![0; PACKET_MAX + 1], None).unwrap_err();
        assert_eq!(error, PcapngError::TooLong { length: PACKET_MAX + 1 });
        assert_eq!(writer.bytes.len(), before);
    }

    #[test]
    fn a_comment_is_cut_at_a_whole_character() {
        let mut writer = PcapngWriter::new("left", "");
        writer.packet(0, None, &[], Some(&"é".repeat(40_000))).unwrap();
        let body = blocks(&writer.finish()).pop().unwrap().1;
        assert_eq!(u16::from_le_bytes([body[22], body[23]]), 65_534);
    }

    proptest! {
        #[test]
        fn blocks_stay_aligned_whatever_the_lengths(
            packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), ".{0,9}"), 0..8),
            name in ".{0,20}",
        ) {
            let mut writer = PcapngWriter::new(&name, &name);
            for (data, comment) in &packets {
                writer.packet(7, Some(Direction::Outbound), data, Some(comment)).unwrap();
            }
            prop_assert_eq!(blocks(&writer.finish()).len(), 2 + packets.len());
        }
    }
}
