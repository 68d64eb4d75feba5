//! Kubernetes without the marks of any other platform: machines of one's own, also in a cloud.

use std::collections::BTreeSet;

use super::{Platform, PlatformName, evidence, sail_platform};
use crate::{fleet::Facts, plan::rule::Rule};

/// Kubernetes of no particular kind.
pub(super) struct Generic;

impl Platform for Generic {
    fn name(&self) -> PlatformName {
        PlatformName::Generic
    }

    /// That no mark was found means something only if nodes and kinds could be read.
    fn recognise(&self, facts: &Facts) -> Vec<String> {
        let nodes = evidence::node_count(facts);
        let blind = ["nodes", "kinds"].into_iter().any(|fact| evidence::unread(facts, fact).is_some());
        if nodes == 0 || blind { Vec::new() } else { vec![format!("{nodes} nodes on {}", clouds(facts))] }
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("Kubernetes {} on {}", facts.kubernetes_version, clouds(facts))
    }

    fn rules(&self) -> &'static [Rule] {
        &[sail_platform::LEFT_OUT]
    }
}

fn clouds(facts: &Facts) -> String {
    let clouds: BTreeSet<&str> =
        facts.nodes.iter().map(|group| group.provider.as_str()).filter(|cloud| !cloud.is_empty()).collect();
    if clouds.is_empty() { "machines of no cloud".to_owned() } else { Vec::from_iter(clouds).join(", ") }
}
