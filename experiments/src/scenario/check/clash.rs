//! Two owners of one address: found by sorting, so that 10⁵ networks cost no more than their order.

use crate::document::Document;
use crate::document::{Finding, KeyPath, Report};
use crate::scenario::selector::Network;

/// A claim on addresses.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// The addresses.
    pub(super) network: Network,
    /// Who claims them: `the network 10.1.0.0/16 of left`.
    pub(super) owner: String,
    /// Where it says so.
    pub(super) path: KeyPath,
}

/// Reports claims that overlap, each at the later place of the two.
pub(super) fn report_clashes(mut claims: Vec<Claim>, document: &Document, report: &mut Report) {
    claims.sort_by_key(|claim| (claim.network.first(), claim.network.last()));
    let mut widest: Option<&Claim> = None;
    for claim in &claims {
        if let Some(earlier) = widest.filter(|earlier| earlier.network.overlaps(claim.network)) {
            report.push(clash(earlier, claim, document));
        }
        if widest.is_none_or(|widest| widest.network.last() < claim.network.last()) {
            widest = Some(claim);
        }
    }
}

fn clash(a: &Claim, b: &Claim, document: &Document) -> Finding {
    let start = |claim: &Claim| document.locate(&claim.path).span.start;
    let (first, second) = if start(a) <= start(b) { (a, b) } else { (b, a) };
    Finding::new(format!("{} overlaps with {}", second.owner, first.owner))
        .at(document.locate(&second.path), "these addresses are taken")
        .help("no two nodes can own the same address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceText;
    use crate::scenario::value::TextValue as _;

    fn clashes(networks: &[&str]) -> usize {
        let document = Document::parse(&SourceText::new("t", "")).unwrap();
        let claim = |text: &&str| Claim {
            network: Network::parse(text).unwrap(),
            owner: (*text).to_owned(),
            path: KeyPath::root(),
        };
        let mut report = Report::default();
        report_clashes(networks.iter().map(claim).collect(), &document, &mut report);
        report.findings().len()
    }

    #[test]
    fn disjoint_networks_do_not_clash() {
        assert_eq!(clashes(&[]), 0);
        assert_eq!(clashes(&["10.2.0.0/16", "10.1.0.0/16", "10.3.0.0/32", "10.3.0.1/32"]), 0);
    }

    #[test]
    fn a_wide_network_clashes_with_everything_inside_even_far_away_in_the_order() {
        assert_eq!(clashes(&["10.0.0.0/8", "10.0.0.0/24", "10.9.0.0/24", "11.0.0.0/8"]), 2);
        assert_eq!(clashes(&["10.1.0.0/16", "10.1.0.0/16"]), 1);
    }
}
