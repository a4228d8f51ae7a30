//! Applications of a host: sources and sinks of traffic.

use core::net::Ipv4Addr;

use ipseclab_net::{Arrival, Echo, FlowRecord, Packet, PingSource, UdpCbrSource, UdpDatagram, UdpSink};
use ipseclab_sim::SimTime;

use crate::event::AppId;

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
}

impl App {
    /// When it wants to send next.
    pub(crate) fn next_send(&self) -> Option<SimTime> {
        match self {
            Self::Ping(source) => source.next_send(),
            Self::UdpSource(source) => source.next_send(),
            Self::UdpSink { .. } => None,
        }
    }

    /// The packet that is due.
    pub(crate) fn send(&mut self, now: SimTime) -> Option<Packet> {
        match self {
            Self::Ping(source) => source.send(now),
            Self::UdpSource(source) => source.send(now),
            Self::UdpSink { .. } => None,
        }
    }

    /// What the application has counted.
    pub fn record(&self) -> &FlowRecord {
        match self {
            Self::Ping(source) => source.record(),
            Self::UdpSource(source) => source.record(),
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
pub(crate) struct Apps(Vec<(App, AppTimes)>);

impl AppTimes {
    fn received(&mut self, now: SimTime) {
        self.first_received.get_or_insert(now);
        self.last_received = Some(now);
    }
}

impl Apps {
    pub(crate) fn add(&mut self, app: App) -> AppId {
        let id = AppId(u32::try_from(self.0.len()).expect("a host has fewer than 2^32 applications"));
        self.0.push((app, AppTimes::default()));
        id
    }

    pub(crate) fn get(&self, id: AppId) -> &(App, AppTimes) {
        &self.0[id.0 as usize]
    }

    /// The packet that is due, and when the next one is.
    pub(crate) fn send(&mut self, id: AppId, now: SimTime) -> (Option<Packet>, Option<SimTime>) {
        let (app, times) = &mut self.0[id.0 as usize];
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
        (0..).zip(&self.0).filter_map(alarm).collect()
    }

    /// Gives an echo reply to the ping that waits for it; false when none does.
    pub(crate) fn echo_reply(&mut self, now: SimTime, source: Ipv4Addr, echo: &Echo<'_>) -> bool {
        for (app, times) in &mut self.0 {
            match app {
                App::Ping(ping) if ping.config().ident == echo.ident => {
                    if let Arrival::New { .. } = ping.handle_reply(now, source, echo) {
                        times.received(now);
                    }
                    return true;
                }
                App::Ping(_) | App::UdpSource(_) | App::UdpSink { .. } => {}
            }
        }
        false
    }

    /// Gives a datagram to the sink at its port; false when there is none.
    pub(crate) fn datagram(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> bool {
        let wanted = datagram.destination.port();
        for (app, times) in &mut self.0 {
            match app {
                App::UdpSink { port, sink } if *port == wanted => {
                    if let Arrival::New { .. } = sink.receive(now, datagram) {
                        times.received(now);
                    }
                    return true;
                }
                App::Ping(_) | App::UdpSource(_) | App::UdpSink { .. } => {}
            }
        }
        false
    }
}
