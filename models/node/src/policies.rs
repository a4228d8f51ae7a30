//! Which policy of the SPD stands for which child of the IKE configuration.
//!
//! Both sides count: the SPD has one policy for each child, numbered through all connections in order.

use std::collections::BTreeMap;

use ipseclab_ike::config::{ChildId, ConnectionId, EndpointConfig};
use ipseclab_ipsec::PolicyId;

/// The children of an endpoint in the order of their policies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    children: Vec<ChildId>,
    policies: BTreeMap<ChildId, PolicyId>,
}

impl Policies {
    /// Numbers the children of `config`.
    pub(crate) fn of(config: &EndpointConfig) -> Self {
        let connections = (0..).map(ConnectionId).take(config.connections.len());
        let children: Vec<_> =
            connections.flat_map(|connection| config.children(connection).map(|(id, _)| id)).collect();
        let policies = (0..).map(PolicyId).zip(&children).map(|(policy, child)| (*child, policy)).collect();
        Self { children, policies }
    }

    /// The child behind a policy; `None` for a policy that no child stands for.
    pub(crate) fn child(&self, policy: PolicyId) -> Option<ChildId> {
        self.children.get(policy.0 as usize).copied()
    }

    /// The policy of a child of this endpoint.
    pub(crate) fn policy(&self, child: ChildId) -> PolicyId {
        self.policies[&child]
    }

    /// The policies of a connection's children.
    pub(crate) fn of_connection(&self, connection: ConnectionId) -> impl Iterator<Item = PolicyId> + '_ {
        let ours = move |(child, _): &(&ChildId, &PolicyId)| child.connection == connection;
        self.policies.iter().filter(ours).map(|(_, policy)| *policy)
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_ike::config::{Child, Connection};
    use ipseclab_ike::{Identity, TrafficSelectors};

    use super::*;

    #[test]
    fn policies_count_through_the_children_of_all_connections() {
        let connection = |children| {
            let id = Identity::parse("a.example");
            let mut connection = Connection::new("c", id.clone(), id);
            let nothing = || TrafficSelectors::new(vec![]);
            connection.children = vec![Child::new("n", nothing(), nothing()); children];
            connection
        };
        let config =
            EndpointConfig::new([192, 0, 2, 1].into(), vec![connection(2), connection(0), connection(1)]);
        let policies = Policies::of(&config);
        let last = ChildId { connection: ConnectionId(2), place: 0 };
        assert_eq!((policies.child(PolicyId(2)), policies.policy(last)), (Some(last), PolicyId(2)));
        assert_eq!(policies.child(PolicyId(3)), None);
        let first: Vec<_> = policies.of_connection(ConnectionId(0)).collect();
        assert_eq!(first, [PolicyId(0), PolicyId(1)]);
    }
}
