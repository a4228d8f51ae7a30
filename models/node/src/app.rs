//! Applications of a host: sources and sinks of traffic.

use core::net::IpAddr;
use std::collections::BTreeSet;

use ipseclab_net::{
    Arrival, Echo, FlowId, FlowRecord, IpView, Packet, PingSource, RequestSource, Responder, TcpReceiver,
    TcpSender, UdpDatagram, UdpSink, UdpSource,
};
use ipseclab_sim::SimTime;

use crate::event::AppId;
use crate::flood::IkeFlood;

/// An application.
#[derive(Debug)]
pub enum App {
    /// Sends echo requests and books the replies.
    Ping(Box<PingSource>),
    /// Sends datagrams.
    UdpSource(Box<UdpSource>),
    /// Receives the datagrams of one source at a UDP port.
    UdpSink {
        /// The port.
        port: u16,
        /// The books.
        sink: Box<UdpSink>,
    },
    /// Asks a server over UDP and books its answers.
    Request(Box<RequestSource>),
    /// Answers requests that come to a UDP port.
    Responder {
        /// The port.
        port: u16,
        /// The server.
        responder: Box<Responder>,
    },
    /// Sends over a TCP connection.
    TcpSender(Box<TcpSender>),
    /// Receives over a TCP connection.
    TcpReceiver(Box<TcpReceiver>),
    /// Sends forged `IKE_SA_INIT` requests past all policies.
    IkeFlood(Box<IkeFlood>),
}

impl App {
    /// When it wants to send next; of a TCP connection, when it begins.
    pub(crate) fn next_send(&self) -> Option<SimTime> {
        match self {
            Self::Ping(source) => source.next_send(),
            Self::UdpSource(source) => source.next_send(),
            Self::Request(client) => client.next_send(),
            Self::IkeFlood(flood) => flood.next_send(),
            Self::TcpSender(sender) => Some(sender.start()),
            Self::UdpSink { .. } | Self::Responder { .. } | Self::TcpReceiver(_) => None,
        }
    }

    /// The packet that is due.
    pub(crate) fn send(&mut self, now: SimTime) -> Option<Packet> {
        match self {
            Self::Ping(source) => source.send(now),
            Self::UdpSource(source) => source.send(now),
            Self::Request(client) => client.send(now),
            Self::IkeFlood(flood) => flood.send(now),
            Self::UdpSink { .. } | Self::Responder { .. } | Self::TcpSender(_) | Self::TcpReceiver(_) => None,
        }
    }

    /// Whether what it sends is a whole packet that goes out as it is.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(self, Self::IkeFlood(_))
    }

    /// Whether it is an end of a TCP connection, whose stack runs by [`Apps::run_connection`].
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::TcpSender(_) | Self::TcpReceiver(_))
    }

    /// Where it sends from.
    fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Ping(ping) => Some(ping.config().source),
            Self::UdpSource(source) => Some(source.config().source.ip()),
            Self::Request(client) => Some(client.config().source.ip()),
            Self::TcpSender(end) => Some(end.config().local.ip()),
            Self::TcpReceiver(end) => Some(end.config().local.ip()),
            Self::UdpSink { .. } | Self::Responder { .. } | Self::IkeFlood(_) => None,
        }
    }

    fn set_source(&mut self, address: IpAddr) {
        match self {
            Self::Ping(ping) => ping.set_source(address),
            Self::UdpSource(source) => source.set_source(address),
            Self::Request(client) => client.set_source(address),
            Self::UdpSink { .. }
            | Self::Responder { .. }
            | Self::TcpSender(_)
            | Self::TcpReceiver(_)
            | Self::IkeFlood(_) => {}
        }
    }

    /// What the application has counted; a server counts nothing, as its client books the answers.
    pub fn record(&self) -> Option<&FlowRecord> {
        match self {
            Self::Ping(source) => Some(source.record()),
            Self::UdpSource(source) => Some(source.record()),
            Self::Request(client) => Some(client.record()),
            Self::IkeFlood(flood) => Some(flood.record()),
            Self::UdpSink { sink, .. } => Some(sink.record()),
            Self::TcpSender(end) => Some(end.record()),
            Self::TcpReceiver(end) => Some(end.record()),
            Self::Responder { .. } => None,
        }
    }

    /// Of a TCP sender: segments that carried octets again, and the longest payload of a segment.
    pub fn segments(&self) -> Option<(u64, usize)> {
        match self {
            Self::TcpSender(end) => Some((end.retransmitted(), end.segment_max())),
            _ => None,
        }
    }

    /// Takes a datagram, if it is for this application.
    fn datagram(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> Taken {
        let wanted = datagram.destination.port();
        match self {
            Self::UdpSink { port, sink } if *port == wanted => Taken::Booked(sink.receive(now, datagram)),
            Self::Request(client) if client.config().source.port() == wanted => {
                Taken::Booked(client.handle_response(now, datagram))
            }
            Self::Responder { port, responder } if *port == wanted => {
                responder.answer(now, datagram).map_or(Taken::No, Taken::Answered)
            }
            _ => Taken::No,
        }
    }
}

/// What applications make of a datagram.
pub(crate) enum Taken {
    /// It is for nobody here.
    No,
    /// It has arrived.
    Booked(Arrival),
    /// It has arrived, and this is the answer.
    Answered(Packet),
}

/// When things happened to an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppTimes {
    /// The first packet sent.
    pub first_sent: Option<SimTime>,
    /// The first packet, or reply, received.
    pub first_received: Option<SimTime>,
    /// The last packet, or reply, received.
    pub last_received: Option<SimTime>,
}

/// The applications of a host.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    all: Vec<(App, AppTimes)>,
    /// Those that were added with the source 0.0.0.0 or ::, and send from the address that the host is assigned.
    dynamic: BTreeSet<AppId>,
    /// Whose books their packets are in.
    flows: Vec<FlowId>,
}

impl AppTimes {
    fn received(&mut self, now: SimTime) {
        self.first_received.get_or_insert(now);
        self.last_received = Some(now);
    }
}

impl Apps {
    pub(crate) fn add(&mut self, app: App, flow: FlowId) -> AppId {
        let id = AppId(u32::try_from(self.all.len()).expect("a host has fewer than 2^32 applications"));
        if app.source().is_some_and(|source| source.is_unspecified()) {
            self.dynamic.insert(id);
        }
        self.all.push((app, AppTimes::default()));
        self.flows.push(flow);
        id
    }

    /// Lets the applications without an address of their own send from the first assigned one of their family, or
    /// leaves them without.
    pub(crate) fn move_dynamic(&mut self, assigned: &BTreeSet<IpAddr>) {
        for id in &self.dynamic {
            let app = &mut self.all[id.0 as usize].0;
            let is_v6 = app.source().is_some_and(|source| source.is_ipv6());
            let of_family = assigned.iter().find(|address| address.is_ipv6() == is_v6).copied();
            app.set_source(of_family.unwrap_or_else(|| unspecified(is_v6)));
        }
    }

    /// Whether the application has an address to send from.
    pub(crate) fn has_source(&self, id: AppId) -> bool {
        !self.get(id).0.source().is_some_and(|source| source.is_unspecified())
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, id: AppId) -> &(App, AppTimes) {
        &self.all[id.0 as usize]
    }

    /// The flow of an application.
    pub(crate) fn flow(&self, id: AppId) -> FlowId {
        self.flows[id.0 as usize]
    }

    /// The packet that is due, and when the next one is.
    pub(crate) fn send(&mut self, id: AppId, now: SimTime) -> (Option<Packet>, Option<SimTime>) {
        let (app, times) = &mut self.all[id.0 as usize];
        let packet = app.send(now);
        if packet.is_some() {
            times.first_sent.get_or_insert(now);
        }
        (packet, app.next_send())
    }

    /// All of them with their next alarm.
    pub(crate) fn alarms(&self) -> Vec<(AppId, SimTime)> {
        let alarm =
            |(place, (app, _)): (u32, &(App, AppTimes))| app.next_send().map(|time| (AppId(place), time));
        (0..).zip(&self.all).filter_map(alarm).collect()
    }

    /// Gives an echo reply to the ping that waits for it; false when none does.
    pub(crate) fn echo_reply(&mut self, now: SimTime, source: IpAddr, echo: &Echo<'_>) -> bool {
        for (app, times) in &mut self.all {
            match app {
                App::Ping(ping) if ping.config().ident == echo.ident => {
                    if let Arrival::New { .. } = ping.handle_reply(now, source, echo) {
                        times.received(now);
                    }
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Gives a datagram to the application at its port.
    pub(crate) fn datagram(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> Taken {
        for (app, times) in &mut self.all {
            let taken = app.datagram(now, datagram);
            if let Taken::Booked(Arrival::New { .. }) | Taken::Answered(_) = taken {
                times.received(now);
            }
            if !matches!(taken, Taken::No) {
                return taken;
            }
        }
        Taken::No
    }
}

impl Apps {
    /// Gives a segment to the end of its connection, which is to be run then.
    pub(crate) fn segment(&mut self, now: SimTime, view: &IpView<'_>) -> Option<AppId> {
        let taken = |(app, _): &mut (App, AppTimes)| match app {
            App::TcpSender(end) => end.handle_packet(view),
            App::TcpReceiver(end) => end.handle_packet(view),
            _ => false,
        };
        let place = self.all.iter_mut().position(taken)?;
        self.all[place].1.received(now);
        Some(AppId(u32::try_from(place).expect("a host has fewer than 2^32 applications")))
    }

    /// Tells the end of a connection that its packets are too long; it is to be run then.
    pub(crate) fn too_big(&mut self, now: SimTime, about: &[u8], mtu: u32) -> Option<AppId> {
        let is_theirs = |(app, _): &mut (App, AppTimes)| match app {
            App::TcpSender(end) => end.handle_too_big(now, about, mtu),
            App::TcpReceiver(end) => end.handle_too_big(now, about, mtu),
            _ => false,
        };
        let place = self.all.iter_mut().position(is_theirs)?;
        Some(AppId(u32::try_from(place).expect("a host has fewer than 2^32 applications")))
    }

    /// Lets an end of a connection run; the packets that leave, and when it wants to run again.
    pub(crate) fn run_connection(&mut self, id: AppId, now: SimTime) -> (Vec<Packet>, Option<SimTime>) {
        let (app, times) = &mut self.all[id.0 as usize];
        let (packets, next): (Vec<_>, _) = match app {
            App::TcpSender(end) => {
                end.poll(now);
                (core::iter::from_fn(|| end.take(now)).collect(), end.next_poll(now))
            }
            App::TcpReceiver(end) => {
                end.poll(now);
                (core::iter::from_fn(|| end.take(now)).collect(), end.next_poll(now))
            }
            _ => (vec![], None),
        };
        if !packets.is_empty() {
            times.first_sent.get_or_insert(now);
        }
        (packets, next)
    }
}

/// No address of a family.
pub(crate) fn unspecified(is_v6: bool) -> IpAddr {
    if is_v6 { core::net::Ipv6Addr::UNSPECIFIED.into() } else { core::net::Ipv4Addr::UNSPECIFIED.into() }
}
