//! The referee on locality: what a config says of regions has an effect only where nodes stand in one of them. Every
//! provider has names of its own, and Istio reads them from the labels of nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Seen, warns};
use crate::{config::InstallerKind, fleet::Facts};

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let spec = &plan.control_plane()?.value["spec"];
    let mesh_config = match plan.intent.installer {
        InstallerKind::Sail => &spec["values"]["meshConfig"],
        InstallerKind::Calisti => &spec["meshConfig"],
    };
    let said = regions(&mesh_config["localityLbSetting"]);
    let here = facts.regions();
    let blind = facts.nodes.is_empty() || facts.is_unread("nodes");
    if said.is_empty() || blind || said.iter().any(|region| *region == "*" || here.contains(region)) {
        return None;
    }
    let stand = match here.len() {
        0 => "no node has the label topology.kubernetes.io/region".to_owned(),
        _ => format!("its nodes stand in {}", words(&here)),
    };
    Some(warns(
        "locality.elsewhere",
        format!("localityLbSetting speaks of traffic from {}, which has no effect in this cluster: {stand}", words(&said)),
        "name the regions of each provider, or use failoverPriority with topology.istio.io/cluster; layers may differ by cluster".to_owned(),
    ))
}

/// The regions from which traffic is directed: of `us-east-1/us-east-1a/*` the first part.
fn regions(setting: &Value) -> BTreeSet<&str> {
    let lists = ["failover", "distribute"].into_iter().filter_map(|key| setting[key].as_array());
    let from = lists.flatten().filter_map(|entry| entry["from"].as_str());
    from.filter_map(|locality| locality.split('/').next()).filter(|region| !region.is_empty()).collect()
}

fn words(regions: &BTreeSet<&str>) -> String {
    regions.iter().copied().collect::<Vec<_>>().join(", ")
}
