//! Applications of a host: sources and sinks of traffic.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use ipseclab_net::{Arrival, Echo, FlowRecord, Packet, PingSource, UdpCbrSource, UdpDatagram, UdpSink};
use ipseclab_sim::SimTime;

use crate::event::AppId;
use crate::flood::IkeFlood;

/// An application.
#[derive(Clone, Debug)]
pub enum App {
    /// Sends echo requests and books the replies.
    Ping(Box<PingSource>),
    /// Sends datagrams at a constant rate.
    UdpSource(Box<UdpCbrSource>),
    /// Receives the datagrams of one source at a UDP port.
    UdpSink {
        /// The port.
        port: u16,
        /// The books.
        sink: Box<UdpSink>,
    },
    /// Sends forged `IKE_SA_INIT` requests past all policies.
    IkeFlood(Box<IkeFlood>),
}

impl App {
    /// When it wants to send next.
    pub(crate) fn next_send(&self) -> Option<SimTime> {
        match self {
            Self::Ping(source) => source.next_send(),
            Self::UdpSource(source) => source.next_send(),
            Self::IkeFlood(flood) => flood.next_send(),
            Self::UdpSink { .. } => None,
        }
    }

    /// The packet that is due.
    pub(crate) fn send(&mut self, now: SimTime) -> Option<Packet> {
        match self {
            Self::Ping(source) => source.send(now),
            Self::UdpSource(source) => source.send(now),
            Self::IkeFlood(flood) => flood.send(now),
            Self::UdpSink { .. } => None,
        }
    }

    /// Whether what it sends is a whole packet that goes out as it is.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(self, Self::IkeFlood(_))
    }

    /// Where it sends from.
    fn source(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Ping(ping) => Some(ping.config().source),
            Self::UdpSource(source) => Some(*source.config().source.ip()),
            Self::UdpSink { .. } | Self::IkeFlood(_) => None,
        }
    }

    fn set_source(&mut self, address: Ipv4Addr) {
        match self {
            Self::Ping(ping) => ping.set_source(address),
            Self::UdpSource(source) => source.set_source(address),
            Self::UdpSink { .. } | Self::IkeFlood(_) => {}
        }
    }

    /// What the application has counted.
    pub fn record(&self) -> &FlowRecord {
        match self {
            Self::Ping(source) => source.record(),
            Self::UdpSource(source) => source.record(),
            Self::IkeFlood(flood) => flood.record(),
            Self::UdpSink { sink, .. } => sink.record(),
        }
    }
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
    apps: Vec<(App, AppTimes)>,
    /// Those that were added with the source 0.0.0.0, and send from the address that the host is assigned.
    dynamic: BTreeSet<AppId>,
}

impl AppTimes {
    fn received(&mut self, now: SimTime) {
        self.first_received.get_or_insert(now);
        self.last_received = Some(now);
    }
}

impl Apps {
    pub(crate) fn add(&mut self, app: App) -> AppId {
        let id = AppId(u32::try_from(self.apps.len()).expect("a host has fewer than 2^32 applications"));
        if app.source() == Some(Ipv4Addr::UNSPECIFIED) {
            self.dynamic.insert(id);
        }
        self.apps.push((app, AppTimes::default()));
        id
    }

    /// Lets the applications without an address of their own send from `address`; 0.0.0.0 leaves them without.
    pub(crate) fn move_dynamic(&mut self, address: Ipv4Addr) {
        for id in &self.dynamic {
            self.apps[id.0 as usize].0.set_source(address);
        }
    }

    /// Whether the application has an address to send from.
    pub(crate) fn has_source(&self, id: AppId) -> bool {
        self.get(id).0.source() != Some(Ipv4Addr::UNSPECIFIED)
    }

    pub(crate) fn len(&self) -> usize {
        self.apps.len()
    }

    pub(crate) fn get(&self, id: AppId) -> &(App, AppTimes) {
        &self.apps[id.0 as usize]
    }

    /// The packet that is due, and when the next one is.
    pub(crate) fn send(&mut self, id: AppId, now: SimTime) -> (Option<Packet>, Option<SimTime>) {
        let (app, times) = &mut self.apps[id.0 as usize];
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
        (0..).zip(&self.apps).filter_map(alarm).collect()
    }

    /// Gives an echo reply to the ping that waits for it; false when none does.
    pub(crate) fn echo_reply(&mut self, now: SimTime, source: Ipv4Addr, echo: &Echo<'_>) -> bool {
        for (app, times) in &mut self.apps {
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

    /// Gives a datagram to the sink at its port; false when there is none.
    pub(crate) fn datagram(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> bool {
        let wanted = datagram.destination.port();
        for (app, times) in &mut self.apps {
            match app {
                App::UdpSink { port, sink } if *port == wanted => {
                    if let Arrival::New { .. } = sink.receive(now, datagram) {
                        times.received(now);
                    }
                    return true;
                }
                _ => {}
            }
        }
        false
    }
}
