//! The books of packets: what comes into a node goes out of it, or is known to be inside (style A12).

/// Packets that a node has dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketBooks {
    /// Arrived at a port.
    pub arrived: u64,
    /// Made by an application, as a reply, or as an IKE message.
    pub originated: u64,
    /// Handed to a link.
    pub sent: u64,
    /// Taken by an application.
    pub delivered: u64,
    /// IKE messages that the endpoint took.
    pub absorbed: u64,
    /// Ended here under a drop reason.
    pub dropped: u64,
}

impl PacketBooks {
    /// Whether what came in equals what went out and what is `held` inside.
    pub fn are_balanced(&self, held: u64) -> bool {
        self.arrived + self.originated == self.sent + self.delivered + self.absorbed + self.dropped + held
    }
}
