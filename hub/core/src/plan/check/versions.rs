//! The referee on versions, whoever installs.

use super::{Finding, Seen, warns};
use crate::{
    catalog::{MinorVersion, istio},
    config::InstallerKind,
    fleet::Facts,
};

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    [age(plan), kubernetes(plan, facts)].into_iter().flatten().collect()
}

fn age(plan: &Seen<'_>) -> Option<Finding> {
    let minor = istio::find(plan.intent.version.minor).filter(|minor| minor.is_past())?;
    let hint = match plan.intent.installer {
        InstallerKind::Calisti => "Calisti takes no newer Istio; plan a move to another installer",
        InstallerKind::Sail => "set istio.version to a newer minor",
    };
    Some(warns(
        "istio.end-of-life",
        format!("Istio 1.{} has had no fixes since {}", minor.minor, minor.end_of_life),
        hint.to_owned(),
    ))
}

fn kubernetes(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let minor = istio::find(plan.intent.version.minor)?;
    let running = MinorVersion::parse(&facts.kubernetes_version).ok()?;
    let fits = (minor.kubernetes_from..=minor.kubernetes_to).contains(&running);
    (!fits).then(|| {
        warns(
            "istio.kubernetes",
            format!(
                "Istio 1.{} was released for Kubernetes {} to {}; the API server is {}",
                minor.minor, minor.kubernetes_from, minor.kubernetes_to, facts.kubernetes_version
            ),
            "try it on a cluster that matters less first".to_owned(),
        )
    })
}
