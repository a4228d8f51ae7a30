//! Topologies that come with the program, as files in our own format.
//!
//! They are data, so that they can be read, copied and changed; and they are embedded, so that the program needs
//! no file to run.

/// Name and text, by name.
const SHIPPED: &[(&str, &str)] = &[("abilene", include_str!("../data/abilene.toml"))];

/// All shipped topologies, name and TOML text, in order of their names.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

/// The text of the shipped topology of that name.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|&&(known, _)| known == name).map(|&(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::import::toml::from_toml;

    #[test]
    fn every_shipped_topology_is_called_as_it_is_listed_and_has_no_findings() {
        for (name, text) in shipped() {
            let topology = from_toml(text).unwrap();
            assert_eq!(topology.name, *name);
            assert_eq!(check(&topology), []);
            assert_eq!(shipped_text(name), Some(*text));
        }
        assert_eq!(shipped_text("arpanet"), None);
    }

    #[test]
    fn the_list_is_in_order_of_names() {
        assert!(shipped().is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn abilene_has_its_eleven_cities_and_fourteen_links() {
        let abilene = from_toml(shipped_text("abilene").unwrap()).unwrap();
        assert_eq!((abilene.node_count(), abilene.link_count()), (11, 14));
        assert!(abilene.link_by_name("New-York--Washington-DC").is_some());
        assert!(abilene.links().all(|(_, _, _, link)| link.rate_bps == Some(9_584_640_000)));
    }
}
