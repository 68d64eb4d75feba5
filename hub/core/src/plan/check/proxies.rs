//! The referee on proxies that already run: which have an older or newer version than the control plane will have, and
//! which are too far from it.
//!
//! A proxy changes only when its pod starts anew, so what runs is seen in the facts and never in a plan. What runs decides
//! nothing of a plan's bytes.

use super::{Finding, blocks, warns};
use crate::{
    catalog::MinorVersion,
    config::IstioVersion,
    fleet::{Facts, ProxyGroup},
    plan::Intent,
};

/// How many minors a proxy may be behind or ahead of its control plane.
///
/// Source: istio.io, supported releases: control plane and data plane skew.
const SKEW: u32 = 1;

/// How many groups a finding names.
const NAMED: usize = 10;

pub(super) fn judge(intent: &Intent, facts: &Facts) -> Vec<Finding> {
    let revision = intent.revision();
    let ours = |group: &&ProxyGroup| group.revision == revision;
    let read = facts.proxies.iter().filter(ours).filter_map(|group| Some((group, version(&group.version)?)));
    let (far, near): (Vec<_>, Vec<_>) =
        read.filter(|(_, found)| *found != intent.version).partition(|(_, found)| {
            found.major != intent.version.major || found.minor.abs_diff(intent.version.minor) > SKEW
        });
    let far: Vec<&ProxyGroup> = far.into_iter().map(|(group, _)| group).collect();
    let near: Vec<&ProxyGroup> = near.into_iter().map(|(group, _)| group).collect();
    [skewed(&far, intent, facts), old(&near, intent, facts)].into_iter().flatten().collect()
}

/// The version in a tag: `1.29.6-distroless` is a build of 1.29.6.
fn version(tag: &str) -> Option<IstioVersion> {
    IstioVersion::parse(tag.split('-').next().unwrap_or_default()).ok()
}

/// A plan that moves the control plane away from its proxies is kept back. One that leaves it where it is changes nothing
/// about them.
fn skewed(groups: &[&ProxyGroup], intent: &Intent, facts: &Facts) -> Option<Finding> {
    let first = groups.first()?;
    let minor = MinorVersion::new(intent.version.major, intent.version.minor);
    let revision = intent.revision();
    let stays = facts.control_planes.iter().any(|found| {
        found.revision == revision
            && found.namespace == intent.namespace.as_str()
            && MinorVersion::parse(&found.version) == Ok(minor)
    });
    let message = format!(
        "proxies may be one minor from their control plane, which {} {}: {}",
        if stays { "is" } else { "would be" },
        intent.version,
        listed(groups)
    );
    let hint = format!("restart these pods first with {}; go to {minor} one minor at a time", restart(first));
    Some(if stays { warns("proxies.skew", message, hint) } else { blocks("proxies.skew", message, hint) })
}

fn old(groups: &[&ProxyGroup], intent: &Intent, facts: &Facts) -> Option<Finding> {
    let first = groups.first()?;
    let untold = match facts.proxies_untold {
        0 => String::new(),
        more => format!("; {more} pods more have a proxy whose version is not told"),
    };
    Some(warns(
        "proxies.old",
        format!("with control plane {} these need a restart: {}{untold}", intent.version, listed(groups)),
        format!("when the rollout has succeeded, restart them, for example: {}", restart(first)),
    ))
}

fn restart(group: &ProxyGroup) -> String {
    format!("kubectl rollout restart deployment,statefulset,daemonset --namespace {}", group.namespace)
}

/// For example `namespace shop: 12 pods with proxy 1.29.6`.
fn listed(groups: &[&ProxyGroup]) -> String {
    let mut said: Vec<String> = groups.iter().take(NAMED).map(|group| words(group)).collect();
    if groups.len() > NAMED {
        let rest: u32 = groups[NAMED..].iter().map(|group| group.count).sum();
        said.push(format!("{rest} pods elsewhere"));
    }
    said.join("; ")
}

fn words(group: &ProxyGroup) -> String {
    let ProxyGroup { namespace, version, count, .. } = group;
    format!(
        "namespace {namespace}: {count} {} with proxy {version}",
        if *count == 1 { "pod" } else { "pods" }
    )
}
