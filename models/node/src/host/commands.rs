//! What the scenario asks of a host.

use core::time::Duration;

use ipseclab_ike::config::{ChildId, ConnectionId, IkeVersion};
use ipseclab_ike::{Endpoint, IkeSaId, UnknownSa};
use ipseclab_ipsec::Spi;

use super::Host;
use crate::event::Command;
use crate::job::Run;

impl Host {
    /// Does what the scenario asks for. An SA that has ended, or is on its way there, needs no further command.
    pub(super) fn command(&mut self, run: &mut Run<'_>, command: Command) {
        let now = run.now;
        match command {
            Command::Initiate(connection) => {
                let _started = self.endpoint.initiate(now, connection);
            }
            Command::InitiateIke(connection) => {
                let started = self.endpoint.initiate_ike(now, connection);
                self.bare.extend(started);
            }
            Command::InitiateChild(child) => {
                let _asked = self.endpoint.initiate_child(now, child);
            }
            Command::RekeyIke(connection) => self.on_ike_sas(now, connection, Endpoint::rekey_ike),
            Command::RekeyChild(child) => {
                self.on_children(now, |of| of == child, Endpoint::rekey_child);
            }
            Command::Reauthenticate(connection) => self.on_ike_sas(now, connection, Endpoint::reauthenticate),
            Command::Terminate(connection) => self.terminate(now, connection),
            Command::TerminateChild(child) => {
                self.on_children(now, |of| of == child, Endpoint::close_child);
            }
            Command::TerminateChildren(connection) => {
                self.on_children(now, |of| of.connection == connection, Endpoint::close_child);
                // Its Delete waits until theirs are answered.
                self.on_ike_sas(now, connection, Endpoint::terminate);
                self.end_replaced(now, connection);
            }
            // These are the node's.
            Command::SetLink { .. }
            | Command::Crash
            | Command::Recover
            | Command::RebootNat
            | Command::Blackhole(_) => {}
        }
    }

    fn terminate(&mut self, now: Duration, connection: ConnectionId) {
        self.on_ike_sas(now, connection, Endpoint::terminate);
        self.end_replaced(now, connection);
        let under_way: Vec<_> = self.ledger.under_way(connection).collect();
        for ike_sa in under_way {
            let _ending = self.endpoint.terminate(now, ike_sa);
        }
    }

    /// An ISAKMP SA that another one has replaced lives on for a while, for messages on their way; the end of the
    /// connection is its end too. That of IKEv2 is being deleted already.
    fn end_replaced(&mut self, now: Duration, connection: ConnectionId) {
        let old = self.ike_sas.iter().filter(|(_, sa)| sa.connection == connection && sa.replaced);
        let old: Vec<_> = old.filter(|(_, sa)| sa.version == IkeVersion::V1).map(|(id, _)| *id).collect();
        for ike_sa in old {
            let _ending = self.endpoint.terminate(now, ike_sa);
        }
    }

    /// Gives the endpoint a command about each IKE SA of a connection that counts.
    fn on_ike_sas(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        command: fn(&mut Endpoint, Duration, IkeSaId) -> Result<(), UnknownSa>,
    ) {
        let current = self.ike_sas.iter().filter(|(_, sa)| sa.connection == connection && !sa.replaced);
        let ids: Vec<_> = current.map(|(id, _)| *id).collect();
        for ike_sa in ids {
            let _ending = command(&mut self.endpoint, now, ike_sa);
        }
    }

    /// The same for each Child SA of the children that are meant.
    fn on_children(
        &mut self,
        now: Duration,
        meant: impl Fn(ChildId) -> bool,
        command: fn(&mut Endpoint, Duration, IkeSaId, u32) -> Result<(), UnknownSa>,
    ) {
        let ours = self.children.iter().filter(|(_, installed)| meant(installed.child));
        let spis: Vec<_> = ours.filter_map(|(spi, _)| Spi::new(*spi)).collect();
        for spi in spis {
            self.on_child(now, spi, command);
        }
    }

    /// Gives the endpoint a command about the Child SA with this inbound SPI.
    pub(super) fn on_child(
        &mut self,
        now: Duration,
        spi: Spi,
        command: fn(&mut Endpoint, Duration, IkeSaId, u32) -> Result<(), UnknownSa>,
    ) {
        if let Some(installed) = self.children.get(&spi.value()) {
            let _gone = command(&mut self.endpoint, now, installed.ike_sa, spi.value());
        }
    }
}
