//! Two processes bounce an event over a 20 ms link: `cargo run -p ipseclab-sim --example ping`.

use ipseclab_sim::{Context, Options, Process, ProcessId, SimDuration, SimTime, Simulation};

const ONE_WAY: SimDuration = SimDuration::from_millis(20);

/// One end of the link.
struct Host {
    peer: ProcessId,
    log: Vec<String>,
}

enum Packet {
    Ping(u32),
    Pong(u32),
}

impl Process for Host {
    type Event = Packet;

    fn handle(&mut self, ctx: &mut Context<'_, Packet>, packet: Packet) {
        match packet {
            Packet::Ping(number) => ctx.send(self.peer, ONE_WAY, Packet::Pong(number)),
            Packet::Pong(number) => {
                self.log.push(format!("{} s: {} has the answer to ping {number}", ctx.now(), ctx.me()));
                ctx.send(self.peer, ONE_WAY, Packet::Ping(number + 1));
            }
        }
    }
}

fn main() {
    let mut simulation = Simulation::new(Options::default());
    let left = simulation.add(Host { peer: ProcessId::new(1), log: Vec::new() });
    let right = simulation.add(Host { peer: left, log: Vec::new() });
    simulation.schedule(right, SimTime::ZERO, Packet::Ping(1));
    let report = simulation.run_until(SimTime::from_nanos(200_000_000));
    for line in &simulation.process(left).log {
        println!("{line}");
    }
    println!("{} events until {} s, fingerprint {}", report.events, report.end, simulation.fingerprint());
}
