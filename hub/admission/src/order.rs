//! In which order SCCs are tried: priority, high first; then how much they allow, little first; then the name.
//!
//! # Design notes
//! How much an SCC allows is a sum of points, weighed so that one loose permission outweighs all tighter ones together:
//! privileged, ports of the node, its network, its folders, other volumes, the strategies of SELinux and users, and at
//! last capabilities. Processes and interprocess communication of the node, groups, seccomp, sysctls, escalation,
//! read-only images and user namespaces weigh nothing.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use crate::{scc::SecurityContextConstraints, volume};

const PRIVILEGED: i64 = 1_600_000;
const HOST_PORTS: i64 = 800_000;
const HOST_NETWORK: i64 = 400_000;
const HOST_VOLUMES: i64 = 200_000;
const OTHER_VOLUMES: i64 = 100_000;

/// Of capabilities: between 0 and [`CAPABILITIES_MOST`], so that they never outweigh a strategy.
const CAPABILITIES: i64 = 5_000;
const CAPABILITIES_MOST: i64 = 9_999;
const EACH_ADDED: i64 = 300;
const EACH_ALLOWED: i64 = 10;
const ALL_ALLOWED: i64 = 4_000;
const EACH_DROPPED: i64 = -50;
const ALL_DROPPED: i64 = -3_000;

/// Which of two SCCs is tried first.
pub fn compare(one: &SecurityContextConstraints, other: &SecurityContextConstraints) -> Ordering {
    let key = |scc: &SecurityContextConstraints| (Reverse(scc.priority), points(scc));
    key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
}

/// How much an SCC allows: the less, the earlier it is tried.
pub fn points(scc: &SecurityContextConstraints) -> i64 {
    let weighed = [
        (scc.allow_privileged_container, PRIVILEGED),
        (scc.allow_host_ports, HOST_PORTS),
        (scc.allow_host_network, HOST_NETWORK),
    ];
    let flags: i64 = weighed.into_iter().filter(|(allowed, _)| *allowed).map(|(_, points)| points).sum();
    flags
        + volumes(scc)
        + strategy(&scc.se_linux_context.kind)
        + strategy(&scc.run_as_user.kind)
        + capabilities(scc)
}

fn volumes(scc: &SecurityContextConstraints) -> i64 {
    let kinds = || scc.volumes.iter().map(String::as_str);
    if kinds().any(|kind| volume::HOST.contains(&kind)) {
        return HOST_VOLUMES;
    }
    if kinds().any(|kind| !volume::TRIVIAL.contains(&kind)) { OTHER_VOLUMES } else { 0 }
}

fn strategy(kind: &str) -> i64 {
    match kind {
        "RunAsAny" => 40_000,
        "MustRunAsNonRoot" => 30_000,
        "MustRunAsRange" => 20_000,
        "MustRunAs" => 10_000,
        _ => 0,
    }
}

/// Case does not count here, unlike everywhere else.
fn capabilities(scc: &SecurityContextConstraints) -> i64 {
    let has = |names: &[Arc<str>], word: &str| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    let each =
        |names: &[Arc<str>], points: i64| points * i64::try_from(names.len()).unwrap_or(CAPABILITIES_MOST);
    let allowed = &scc.allowed_capabilities;
    let dropped = &scc.required_drop_capabilities;
    let all_allowed = has(allowed, "*") || has(allowed, "ALL");
    let points = CAPABILITIES
        + each(&scc.default_add_capabilities, EACH_ADDED)
        + if all_allowed { ALL_ALLOWED } else { each(allowed, EACH_ALLOWED) }
        + if has(dropped, "ALL") { ALL_DROPPED } else { each(dropped, EACH_DROPPED) };
    points.clamp(0, CAPABILITIES_MOST)
}
