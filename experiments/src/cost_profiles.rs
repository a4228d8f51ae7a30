//! The cost profiles that come with the program, as files anybody can read, copy and change.

use ipseclab_node::CostProfile;

use crate::scenario::library::Shipped;

/// The shipped cost profiles by their names.
pub const SHIPPED: &[Shipped] = &[
    Shipped { name: "free", text: include_str!("../data/cost_profiles/free.toml") },
    Shipped { name: "reference", text: include_str!("../data/cost_profiles/reference.toml") },
];

/// The shipped profile `name`, or `None` when there is none.
///
/// # Panics
/// Never: a test reads every shipped profile.
pub fn shipped(name: &str) -> Option<CostProfile> {
    text(name).map(|text| CostProfile::parse(text).expect("shipped profiles are complete"))
}

/// The file of the shipped profile `name`.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|profile| profile.name == name).map(|profile| profile.text)
}
