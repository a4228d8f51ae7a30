//! Which lane of the CPU an arriving packet belongs to.

use ipseclab_ipsec::udp_encap::{IKE_PORT, NAT_TRAVERSAL_PORT, Port4500};
use ipseclab_net::{Ipv4View, UdpDatagram, protocol};

use crate::cpu::Lane;
use crate::negotiation::initiator_spi;

/// What must stay in order with this packet: the messages of its IKE SA, or the packets of its ESP SA.
pub(crate) fn receive_lane(view: &Ipv4View<'_>) -> Option<Lane> {
    let esp = |packet: &[u8]| packet.first_chunk().map(|spi| Lane::EspIn(u32::from_be_bytes(*spi)));
    match view.protocol() {
        protocol::ESP => esp(view.payload()),
        // RFC 4302 §2: the SPI stands behind next header, length and reserved octets.
        protocol::AH => view.payload().get(4..).and_then(esp),
        protocol::UDP => {
            let datagram = UdpDatagram::parse(view).ok()?;
            let port = datagram.destination.port();
            match Port4500::classify(datagram.payload) {
                Port4500::Esp(packet) if port == NAT_TRAVERSAL_PORT => esp(packet),
                _ if port == IKE_PORT || port == NAT_TRAVERSAL_PORT => {
                    initiator_spi(datagram.payload, port).map(Lane::Ike)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_net::{Ipv4Header, build_ipv4, build_udp};

    use super::*;

    fn lane_of(packet: &[u8]) -> Option<Lane> {
        receive_lane(&Ipv4View::parse(packet).unwrap())
    }

    fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let (from, to) = ("192.0.2.1:500".parse().unwrap(), format!("192.0.2.2:{port}").parse().unwrap());
        build_udp(from, to, payload, 64, true, 0)
    }

    #[test]
    fn messages_of_an_ike_sa_share_a_lane_on_both_ports() {
        let message = [7; 28];
        let marked = [&[0; 4], &message[..]].concat();
        let lane = Some(Lane::Ike(0x0707_0707_0707_0707));
        assert_eq!((lane_of(&udp(500, &message)), lane_of(&udp(4500, &marked))), (lane, lane));
    }

    #[test]
    fn esp_packets_go_by_spi_in_udp_or_not() {
        let esp = [0, 0, 1, 2, 0, 0, 0, 1, 9, 9];
        let header = Ipv4Header::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), protocol::ESP);
        let lane = Some(Lane::EspIn(0x102));
        assert_eq!((lane_of(&build_ipv4(&header, &esp)), lane_of(&udp(4500, &esp))), (lane, lane));
    }

    #[test]
    fn everything_else_runs_beside_anything() {
        assert_eq!(lane_of(&udp(53, &[1; 20])), None);
        assert_eq!(lane_of(&udp(4500, &[0xff])), None);
        let header = Ipv4Header::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), protocol::ICMP);
        assert_eq!(lane_of(&build_ipv4(&header, &[8, 0, 0, 0])), None);
    }
}
