//! Key tables for Wireshark, from what the nodes wrote down.
//!
//! Both ends of a Child SA contribute their view: behind a NAT the addresses on the wire differ from place to place,
//! and each view is right for the captures on its side.

use ipseclab_crypto::{Encryption, Integrity};
use ipseclab_ike::{ChildProtocol, ChildSaEstablished, DirectionKeys, Event, IkeSaKeys, IsakmpSaKeys};
use ipseclab_node::Step;
use ipseclab_output::{EspKeyRow, IkeKeyRow, IsakmpKeyRow, KeyTables, wireshark};

use crate::run::RunResult;

/// The tables of a run.
pub(super) fn tables(result: &RunResult) -> KeyTables {
    let mut tables = KeyTables::new();
    for step in result.observed.iter().flat_map(|node| &node.records.steps) {
        match &step.step {
            Step::Ike(Event::KeysDerived(keys)) => {
                if let Some(row) = ike_row(keys) {
                    tables.add_ike(&row);
                }
            }
            Step::Ike(Event::IsakmpKeysDerived(keys)) => tables.add_isakmp(&isakmp_row(keys)),
            // Wireshark checks and decrypts ESP; of AH it shows the fields.
            Step::Ike(Event::ChildSaEstablished(child)) if child.protocol == ChildProtocol::Esp => {
                for row in esp_rows(child).into_iter().flatten() {
                    tables.add_esp(&row);
                }
            }
            Step::Ike(_) | Step::Acquire { .. } | Step::IdleTimeout { .. } | Step::Carried { .. } => {}
        }
    }
    tables
}

fn ike_row(sa: &IkeSaKeys) -> Option<IkeKeyRow> {
    let keys = &sa.keys;
    Some(IkeKeyRow {
        spi_i: sa.spi_i.as_u64(),
        spi_r: sa.spi_r.as_u64(),
        sk_ei: keys.sk_ei.expose().to_vec(),
        sk_er: keys.sk_er.expose().to_vec(),
        encryption: encryption(sa.proposal.encryption)?,
        sk_ai: keys.sk_ai.expose().to_vec(),
        sk_ar: keys.sk_ar.expose().to_vec(),
        integrity: integrity(sa.proposal.integrity)?,
    })
}

fn isakmp_row(sa: &IsakmpSaKeys) -> IsakmpKeyRow {
    IsakmpKeyRow { cookie_i: sa.cookie_i.as_u64(), key: sa.encryption_key.expose().to_vec() }
}

fn esp_rows(child: &ChildSaEstablished) -> [Option<EspKeyRow>; 2] {
    let (local, remote) = (child.local.ip(), child.remote.ip());
    let row = |src, dst, spi, keys: &DirectionKeys| {
        Some(EspKeyRow {
            src,
            dst,
            spi,
            encryption: encryption(child.proposal.encryption)?,
            key: keys.encryption.expose().to_vec(),
            integrity: integrity(child.proposal.integrity)?,
            ikey: keys.integrity.expose().to_vec(),
        })
    };
    [row(remote, local, child.spi_in, &child.keys_in), row(local, remote, child.spi_out, &child.keys_out)]
}

fn encryption(algorithm: Encryption) -> Option<wireshark::Encryption> {
    wireshark::Encryption::from_iana(algorithm.transform_id(), algorithm.key_length_attribute())
}

/// 0 is `AUTH_NONE`, which stands beside AEADs.
fn integrity(algorithm: Option<Integrity>) -> Option<wireshark::Integrity> {
    wireshark::Integrity::from_iana(algorithm.map_or(0, Integrity::transform_id))
}
