//! Bulk transfers over a real TCP: smoltcp's, driven by simulated time.
//!
//! Each end of a transfer is an interface of its own with one socket and two queues instead of a device, so that the cost
//! of a packet does not grow with the number of transfers. The owner hands packets in, polls, and takes packets out; what
//! the connection does in between (slow start, fast retransmission, timeouts, window scaling) is the stack's.
//!
//! Segments that carry octets a second time are counted by looking at what leaves, as the stack does not tell.
//!
//! Model: smoltcp has congestion control after Reno (RFC 5681), no selective acknowledgements and no timestamps. Its clock
//! has microseconds. A sender that learns of a smaller path MTU cuts smaller segments from then on, and repeats what was
//! lost when its retransmission timer runs out.

use core::net::SocketAddr;
use std::collections::VecDeque;

use ipseclab_sim::{SimDuration, SimTime};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, TcpPacket};

use super::FlowRecord;
use crate::address::IpAddr;
use crate::ip::IpView;
use crate::ipv4::protocol;
use crate::packet::Packet;

/// The least MTU that a path can have by the sender's belief: what every IPv4 host takes (RFC 1122 §3.3.2), and every
/// link of IPv6 (RFC 8200 §5).
const LEAST_MTU: [u16; 2] = [576, 1280];
/// The smoltcp clock's unit.
const TICK: SimDuration = SimDuration::from_micros(1);

/// One end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// This end's address and port.
    pub local: SocketAddr,
    /// The other end's; of the same family.
    pub remote: SocketAddr,
    /// The longest IP packet of this end: its MSS is that without headers.
    pub mtu: u16,
    /// Octets of the send and of the receive buffer, and so of the largest window.
    pub buffer: usize,
    /// TTL of the packets.
    pub ttl: u8,
    /// What initial sequence numbers are drawn from.
    pub seed: u64,
}

/// The end that sends.
pub struct TcpSender {
    end: End,
    start: SimTime,
    until: Option<SimTime>,
    /// Octets still to be written; `None` without end.
    left: Option<u64>,
    phase: Phase,
}

/// The end that receives.
pub struct TcpReceiver {
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Sending,
    Closed,
}

/// What both ends have.
struct End {
    config: TcpConfig,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    queues: Queues,
    /// The highest sequence number sent, and whether one was.
    highest: Option<u32>,
    retransmitted: u64,
    /// The longest payload of a segment that left.
    segment_max: usize,
    record: FlowRecord,
}

/// Packets that go to the stack, and those that come from it.
#[derive(Debug)]
struct Queues {
    mtu: u16,
    inbound: VecDeque<Vec<u8>>,
    outbound: VecDeque<Vec<u8>>,
}

/// A packet on its way into the stack.
struct Arriving(Vec<u8>);

/// Room for a packet that comes out.
struct Departing<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Arriving {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Queues {
    type RxToken<'a> = Arriving;
    type TxToken<'a> = Departing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arriving, Departing<'_>)> {
        let packet = self.inbound.pop_front()?;
        Some((Arriving(packet), Departing(&mut self.outbound)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing<'_>> {
        Some(Departing(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu.into();
        capabilities
    }
}

fn instant(now: SimTime) -> Instant {
    Instant::from_micros(i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX))
}

impl End {
    fn new(config: TcpConfig, now: SimTime) -> Self {
        let mut queues = Queues { mtu: config.mtu, inbound: VecDeque::new(), outbound: VecDeque::new() };
        let interface = interface(&config, &mut queues, now);
        let buffer = || SocketBuffer::new(vec![0; config.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        socket.set_nagle_enabled(false);
        socket.set_hop_limit(Some(config.ttl));
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self {
            config,
            interface,
            sockets,
            socket,
            queues,
            highest: None,
            retransmitted: 0,
            segment_max: 0,
            record: FlowRecord::default(),
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    /// Whether a packet belongs to this connection.
    fn is_for(&self, view: &IpView<'_>) -> bool {
        let Some(segment) = segment(view) else { return false };
        let ends = (
            SocketAddr::new(view.destination(), segment.dst_port()),
            SocketAddr::new(view.source(), segment.src_port()),
        );
        ends == (self.config.local, self.config.remote)
    }

    fn poll(&mut self, now: SimTime) {
        self.interface.poll(instant(now), &mut self.queues, &mut self.sockets);
    }

    /// When the stack wants to be polled again; never at once, so that time goes on.
    fn next_poll(&mut self, now: SimTime) -> Option<SimTime> {
        let at = self.interface.poll_at(instant(now), &self.sockets)?;
        let nanos = u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1000);
        Some(SimTime::from_nanos(nanos).max(now + TICK))
    }

    /// The next packet that leaves.
    fn take(&mut self, now: SimTime) -> Option<Packet> {
        let bytes = self.queues.outbound.pop_front()?;
        self.note_departure(&bytes);
        Some(Packet::new(bytes, now))
    }

    fn note_departure(&mut self, bytes: &[u8]) {
        let Ok(view) = IpView::parse(bytes) else { return };
        let Some(segment) = segment(&view).filter(|segment| !segment.payload().is_empty()) else { return };
        let (len, first) = (segment.payload().len(), sequence_number(&segment));
        let end = first.wrapping_add(u32::try_from(len).expect("a segment is shorter than a packet"));
        self.record.sent.count(bytes.len());
        self.segment_max = self.segment_max.max(len);
        match self.highest {
            // The first octet was on its way before: the difference, as a signed number, is not positive.
            Some(highest) if first.wrapping_sub(highest) > u32::MAX / 2 => {
                self.retransmitted += 1;
                if end.wrapping_sub(highest) < u32::MAX / 2 {
                    self.highest = Some(end);
                }
            }
            _ => self.highest = Some(end),
        }
    }

    /// Lets the stack make shorter packets.
    fn shrink(&mut self, now: SimTime, mtu: u32) {
        let least = LEAST_MTU[usize::from(self.config.local.is_ipv6())];
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX).max(least);
        if mtu < self.queues.mtu {
            self.queues.mtu = mtu;
            self.interface = interface(&self.config, &mut self.queues, now);
        }
    }
}

/// An interface with the one address of its end, from which every address can be reached.
fn interface(config: &TcpConfig, queues: &mut Queues, now: SimTime) -> Interface {
    let mut settings = Config::new(HardwareAddress::Ip);
    settings.random_seed = config.seed;
    let mut interface = Interface::new(settings, queues, instant(now));
    interface.update_ip_addrs(|addresses| {
        let everywhere = IpCidr::new(config.local.ip().into(), 0);
        addresses.push(everywhere).expect("an interface has room for an address");
    });
    interface
}

fn segment<'a>(view: &IpView<'a>) -> Option<TcpPacket<&'a [u8]>> {
    let payload = view.payload_of(protocol::TCP).ok()?;
    TcpPacket::new_checked(payload).ok()
}

fn sequence_number(segment: &TcpPacket<&[u8]>) -> u32 {
    // The stack's type is a signed number of the same bits.
    u32::from_ne_bytes(segment.seq_number().0.to_ne_bytes())
}

impl TcpSender {
    /// A transfer of `volume` octets, or of as many as it can, that opens its connection at `start`. At `until` it stops
    /// writing and closes.
    pub fn new(config: TcpConfig, start: SimTime, until: Option<SimTime>, volume: Option<u64>) -> Self {
        Self { end: End::new(config, start), start, until, left: volume, phase: Phase::Idle }
    }

    /// Lets the stack run: it writes what there is to write, and sends what it may.
    pub fn poll(&mut self, now: SimTime) {
        if self.phase == Phase::Idle && now >= self.start {
            self.connect();
        }
        self.write(now);
        self.end.poll(now);
        // What was acknowledged has made room.
        self.write(now);
        self.end.poll(now);
    }

    fn connect(&mut self) {
        let (local, remote) = (self.end.config.local, self.end.config.remote);
        let End { interface, sockets, socket, .. } = &mut self.end;
        let socket = sockets.get_mut::<Socket<'_>>(*socket);
        socket.connect(interface.context(), remote, local).expect("two endpoints of one family");
        self.phase = Phase::Sending;
    }

    fn write(&mut self, now: SimTime) {
        if self.phase != Phase::Sending {
            return;
        }
        let is_over = self.until.is_some_and(|until| now >= until);
        let left = self.left;
        let socket = self.end.socket();
        let mut written = 0;
        while !is_over && socket.can_send() && left.is_none_or(|left| written < left) {
            let room = left.map_or(usize::MAX, |left| usize::try_from(left - written).unwrap_or(usize::MAX));
            let sent = socket.send(|buffer| {
                let len = buffer.len().min(room);
                buffer[..len].fill(0x5a);
                (len, len)
            });
            written += sent.unwrap_or(0) as u64;
        }
        if let Some(left) = &mut self.left {
            *left -= written;
        }
        if is_over || self.left == Some(0) {
            self.end.socket().close();
            self.phase = Phase::Closed;
        }
    }

    /// When the connection is opened.
    pub const fn start(&self) -> SimTime {
        self.start
    }

    /// When it wants to be polled next.
    pub fn next_poll(&mut self, now: SimTime) -> Option<SimTime> {
        if self.phase == Phase::Idle {
            return Some(self.start.max(now));
        }
        let stack = self.end.next_poll(now);
        let until = self.until.filter(|until| self.phase == Phase::Sending && *until > now);
        [stack, until].into_iter().flatten().min()
    }

    /// How many segments carried octets that an earlier one had carried.
    pub const fn retransmitted(&self) -> u64 {
        self.end.retransmitted
    }

    /// The longest payload of a segment so far: the maximum segment size that came about.
    pub const fn segment_max(&self) -> usize {
        self.end.segment_max
    }

    /// Whether the connection has come to its end, all octets acknowledged.
    pub fn is_done(&mut self) -> bool {
        self.phase == Phase::Closed && matches!(self.end.socket().state(), State::Closed | State::TimeWait)
    }

    /// The books so far: the sent part, in segments with payload, repeated ones included.
    pub const fn record(&self) -> &FlowRecord {
        &self.end.record
    }
}

impl TcpReceiver {
    /// An end that waits for its connection and reads all that comes.
    ///
    /// # Panics
    /// When its port is 0.
    pub fn new(config: TcpConfig) -> Self {
        let mut end = End::new(config, SimTime::ZERO);
        let local = config.local;
        end.socket().listen(local).expect("a socket that is new and a port that is not 0");
        Self { end }
    }

    /// Lets the stack run, reads, and acknowledges.
    pub fn poll(&mut self, now: SimTime) {
        self.end.poll(now);
        let socket = self.end.socket();
        let mut read = 0;
        while socket.can_recv() {
            read += socket.recv(|buffer| (buffer.len(), buffer.len())).unwrap_or(0) as u64;
        }
        if socket.state() == State::CloseWait {
            socket.close();
        }
        if read > 0 {
            self.end.record.received_payload += read;
            self.end.record.note_arrival(now);
        }
        self.end.poll(now);
    }

    /// When it wants to be polled next.
    pub fn next_poll(&mut self, now: SimTime) -> Option<SimTime> {
        self.end.next_poll(now)
    }

    /// The books so far: segments with payload that arrived, repeated ones included, and the octets read in order.
    pub const fn record(&self) -> &FlowRecord {
        &self.end.record
    }
}

macro_rules! both_ends {
    ($($end:ty),*) => {$(
        impl $end {
            /// Takes a packet if it belongs to this connection; [`poll`](Self::poll) follows.
            pub fn handle_packet(&mut self, view: &IpView<'_>) -> bool {
                if !self.end.is_for(view) {
                    return false;
                }
                if segment(view).is_some_and(|segment| !segment.payload().is_empty()) {
                    self.end.record.received.count(view.bytes().len());
                }
                self.end.queues.inbound.push_back(view.bytes().to_vec());
                true
            }

            /// Takes the news that a packet, of which `about` is the beginning, was too long for its path; false when it
            /// was none of this connection's (RFC 1191 §6.4, RFC 8201 §5.4).
            pub fn handle_too_big(&mut self, now: SimTime, about: &[u8], mtu: u32) -> bool {
                let is_ours = quoted_ends(about) == Some((self.end.config.local, self.end.config.remote));
                if is_ours {
                    self.end.shrink(now, mtu);
                }
                is_ours
            }

            /// The next packet that leaves, or `None` until the next poll.
            pub fn take(&mut self, now: SimTime) -> Option<Packet> {
                self.end.take(now)
            }

            /// What this end was made with.
            pub const fn config(&self) -> &TcpConfig {
                &self.end.config
            }
        }

        impl core::fmt::Debug for $end {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($end)).field("config", &self.end.config).finish_non_exhaustive()
            }
        }
    )*};
}

both_ends!(TcpSender, TcpReceiver);

/// Source and destination of a quoted segment, of which eight octets may be all there is.
fn quoted_ends(about: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, destination, at): (IpAddr, IpAddr, usize) = match about.first()? >> 4 {
        4 if about.get(9) == Some(&protocol::TCP) => {
            let address = |at: usize| about.get(at..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
            (address(12)?, address(16)?, usize::from(about[0] & 15) * 4)
        }
        6 if about.get(6) == Some(&protocol::TCP) => {
            let address =
                |at: usize| about.get(at..)?.first_chunk::<16>().map(|octets| IpAddr::from(*octets));
            (address(8)?, address(24)?, 40)
        }
        _ => return None,
    };
    let port = |at: usize| about.get(at..)?.first_chunk::<2>().map(|octets| u16::from_be_bytes(*octets));
    Some((SocketAddr::new(source, port(at)?), SocketAddr::new(destination, port(at + 2)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icmp::{IcmpError, IcmpMessage, build_icmp_error, parse_icmp};

    /// Whether the packet with this number and these octets is lost.
    type Loser = dyn FnMut(usize, &[u8]) -> bool;

    /// Two ends with a wire of 5 ms between them that loses what the test says.
    struct Wire {
        sender: TcpSender,
        receiver: TcpReceiver,
        lose: Box<Loser>,
        mtu: usize,
        count: usize,
        flying: VecDeque<(SimTime, bool, Vec<u8>)>,
    }

    const DELAY: SimDuration = SimDuration::from_millis(5);

    fn ends(is_v6: bool) -> (TcpConfig, TcpConfig) {
        let (a, b) = if is_v6 { ("2001:db8:1::1", "2001:db8:2::1") } else { ("10.1.0.1", "10.2.0.1") };
        let (local, remote) =
            (SocketAddr::new(a.parse().unwrap(), 5001), SocketAddr::new(b.parse().unwrap(), 5001));
        let sender = TcpConfig { local, remote, mtu: 1500, buffer: 65_536, ttl: 64, seed: 1 };
        (sender, TcpConfig { local: remote, remote: local, seed: 2, ..sender })
    }

    impl Wire {
        fn new(is_v6: bool, volume: u64, lose: impl FnMut(usize, &[u8]) -> bool + 'static) -> Self {
            let (sender, receiver) = ends(is_v6);
            Self {
                sender: TcpSender::new(sender, SimTime::ZERO, None, Some(volume)),
                receiver: TcpReceiver::new(receiver),
                lose: Box::new(lose),
                mtu: 1500,
                count: 0,
                flying: VecDeque::new(),
            }
        }

        fn depart(&mut self, now: SimTime) {
            while let Some(packet) = self.sender.take(now) {
                self.count += 1;
                if packet.len() > self.mtu {
                    let router = self.sender.config().remote.ip();
                    let mtu = u32::try_from(self.mtu).unwrap();
                    let error = build_icmp_error(router, IcmpError::TooBig { mtu }, &packet.bytes).unwrap();
                    let view = IpView::parse(&error).unwrap();
                    let IcmpMessage::Error { error: IcmpError::TooBig { mtu }, about } =
                        parse_icmp(&view).unwrap()
                    else {
                        panic!("another message");
                    };
                    assert!(self.sender.handle_too_big(now, about, mtu));
                } else if !(self.lose)(self.count, &packet.bytes) {
                    self.flying.push_back((now + DELAY, true, packet.bytes));
                }
            }
            while let Some(packet) = self.receiver.take(now) {
                self.flying.push_back((now + DELAY, false, packet.bytes));
            }
        }

        /// Runs until the transfer is over; when that was.
        fn run(&mut self) -> SimTime {
            let mut now = SimTime::ZERO;
            while !self.sender.is_done() {
                while let Some((_, to_receiver, bytes)) = self.flying.pop_front_if(|(time, ..)| *time <= now)
                {
                    let view = IpView::parse(&bytes).unwrap();
                    let taken = if to_receiver {
                        self.receiver.handle_packet(&view)
                    } else {
                        self.sender.handle_packet(&view)
                    };
                    assert!(taken);
                }
                self.sender.poll(now);
                self.receiver.poll(now);
                self.depart(now);
                let polls = [self.sender.next_poll(now), self.receiver.next_poll(now)];
                let arrival = self.flying.front().map(|(time, ..)| *time);
                now = polls.into_iter().flatten().chain(arrival).min().expect("nothing happens any more");
                assert!(now < SimTime::ZERO + SimDuration::from_secs(120), "the transfer hangs");
            }
            now
        }
    }

    #[test]
    fn all_octets_arrive_in_both_versions_of_ip() {
        for (is_v6, mss) in [(false, 1460), (true, 1440)] {
            let mut wire = Wire::new(is_v6, 1_000_000, |_, _| false);
            let end = wire.run();
            assert_eq!(wire.receiver.record().received_payload, 1_000_000);
            assert_eq!((wire.sender.retransmitted(), wire.sender.segment_max()), (0, mss));
            assert!(end < SimTime::ZERO + SimDuration::from_secs(2), "{end}");
        }
    }

    #[test]
    fn what_is_lost_is_sent_again() {
        let mut wire = Wire::new(false, 500_000, |count, bytes| bytes.len() > 1000 && count % 40 == 0);
        wire.run();
        assert_eq!(wire.receiver.record().received_payload, 500_000);
        let (sent, received) = (wire.sender.record().sent.packets, wire.receiver.record().received.packets);
        assert!(wire.sender.retransmitted() > 0 && sent > received, "{sent} {received}");
    }

    #[test]
    fn segments_shrink_to_the_mtu_of_the_path() {
        let mut wire = Wire::new(true, 300_000, |_, _| false);
        wire.mtu = 1_400;
        wire.run();
        assert_eq!(wire.receiver.record().received_payload, 300_000);
        assert!(wire.sender.retransmitted() > 0);
        assert_eq!(wire.sender.segment_max(), 1440, "the first ones were too long");
    }

    #[test]
    fn packets_of_others_are_left_alone() {
        let (config, other) = ends(false);
        let mut sender = TcpSender::new(config, SimTime::ZERO, None, None);
        sender.poll(SimTime::ZERO);
        let syn = sender.take(SimTime::ZERO).unwrap();
        let mut stranger =
            TcpReceiver::new(TcpConfig { local: SocketAddr::new(other.local.ip(), 80), ..other });
        assert!(!stranger.handle_packet(&IpView::parse(&syn.bytes).unwrap()));
        assert!(!stranger.handle_too_big(SimTime::ZERO, &syn.bytes, 1000));
    }
}
