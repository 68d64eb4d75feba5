//! Reading facts for signs of a provider.
//!
//! All nodes are looked at, never the first alone: pools are mixed. A providerID tells the cloud and never the
//! distribution, so it speaks for nothing; it can only speak against.

use crate::{
    fleet::{Facts, NodeGroup},
    plan::Intent,
};

/// How many nodes carry a label whose key begins with `prefix`, in words; none if no node does.
pub(super) fn labelled_nodes(facts: &Facts, prefix: &str) -> Option<String> {
    counted(facts, |group| group.labels.iter().any(|label| label.starts_with(prefix)))
        .map(|count| format!("{count} carry labels {prefix}*"))
}

/// How many nodes carry exactly this label, in words; none if no node does.
pub(super) fn nodes_with_label(facts: &Facts, key: &str) -> Option<String> {
    counted(facts, |group| group.labels.iter().any(|label| label == key))
        .map(|count| format!("{count} carry label {key}"))
}

/// Whether a well-known object exists, given as `group/Kind namespace/name`, in words.
pub(super) fn landmark(facts: &Facts, landmark: &str) -> Option<String> {
    facts.has(landmark).then(|| format!("there is {landmark}"))
}

/// How many nodes run a kubelet whose version holds `mark`, in words; none if no node does.
pub(super) fn marked_kubelets(facts: &Facts, mark: &str) -> Option<String> {
    counted(facts, |group| group.kubelet_version.contains(mark))
        .map(|count| format!("{count} run a kubelet whose version holds {mark:?}"))
}

/// The API server's version, in words, if it holds `mark`.
pub(super) fn marked_api_server(facts: &Facts, mark: &str) -> Option<String> {
    let version = &facts.kubernetes_version;
    version.contains(mark).then(|| format!("the API server calls itself {version}"))
}

/// Says so if nodes have a providerID and not one has that of `cloud`: a distribution of the provider's, outside of the
/// provider's cloud. Some nodes elsewhere are no contradiction: providers take foreign machines into a cluster.
pub(super) fn foreign_nodes(facts: &Facts, cloud: &str) -> Option<String> {
    let foreign = facts.nodes.iter().find(|group| !group.provider.is_empty())?;
    (!stands_in(facts, cloud))
        .then(|| format!("no node has a providerID of {cloud}, and some have one of {}", foreign.provider))
}

/// Whether a node has a providerID of this cloud.
pub(super) fn stands_in(facts: &Facts, cloud: &str) -> bool {
    facts.nodes.iter().any(|group| group.provider == cloud)
}

/// Whether all kinds that the cluster serves could be read. A cluster that serves none of its own says nothing.
pub(super) fn kinds_are_known(facts: &Facts) -> bool {
    !facts.kinds.is_empty() && unread(facts, "kinds").is_none()
}

/// Whether a kind of a group is served, in words.
pub(super) fn served_group(facts: &Facts, group: &str) -> Option<String> {
    let served = facts.kinds.iter().any(|kind| kind.split('/').next() == Some(group));
    served.then(|| format!("API group {group} is served"))
}

/// Whether a kind, as `group/Kind`, is served, in words.
pub(super) fn served_kind(facts: &Facts, kind: &str) -> Option<String> {
    facts.serves(kind).then(|| format!("kind {kind} is served"))
}

/// Why a fact could not be read; none if it was.
pub(super) fn unread<'a>(facts: &'a Facts, fact: &str) -> Option<&'a str> {
    facts.unread.iter().find(|unread| unread.fact == fact).map(|unread| unread.reason.as_str())
}

/// How many nodes there are.
pub(super) fn node_count(facts: &Facts) -> u32 {
    facts.nodes.iter().map(|group| group.count).sum()
}

/// How many nodes there are for which this holds.
pub(super) fn count_of(facts: &Facts, holds: impl Fn(&NodeGroup) -> bool) -> u32 {
    facts.nodes.iter().filter(|group| holds(group)).map(|group| group.count).sum()
}

/// Whether pods run that this control plane injected: then its webhook is reached, whatever else may speak against it.
pub(super) fn injects(facts: &Facts, intent: &Intent) -> bool {
    let revision = intent.revision();
    facts.proxies.iter().any(|group| group.revision == revision)
}

/// The DaemonSet of Calico's nodes, wherever it was installed; none if there is none.
pub(super) fn calico(facts: &Facts) -> Option<&str> {
    let places = ["apps/DaemonSet calico-system/calico-node", "apps/DaemonSet kube-system/calico-node"];
    places.into_iter().find(|place| facts.object(place).is_some())
}

fn counted(facts: &Facts, holds: impl Fn(&NodeGroup) -> bool) -> Option<String> {
    let count = count_of(facts, holds);
    (count > 0).then(|| format!("{count} of {} nodes", node_count(facts)))
}
