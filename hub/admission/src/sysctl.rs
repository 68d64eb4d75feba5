//! The rule of kernel settings: which a pod may set.

use crate::{context::Sysctl, scc::SecurityContextConstraints};

/// Settings that reach no other pod: allowed unless forbidden. With dots only. The last three are safe since OpenShift
/// 4.21, where the kernel of the API server's node is new enough.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// The settings that an SCC does not let a pod set, with whether each is forbidden or merely not safe.
pub(crate) fn check<'a>(
    scc: &'a SecurityContextConstraints,
    sysctls: &'a [Sysctl],
) -> impl Iterator<Item = (usize, &'a str, bool)> {
    sysctls.iter().enumerate().filter_map(|(index, sysctl)| {
        let name = sysctl.name.as_str();
        let forbidden = matches(&scc.forbidden_sysctls, name);
        let allowed = SAFE.contains(&name) || matches(&scc.allowed_unsafe_sysctls, name);
        (forbidden || !allowed).then_some((index, name, forbidden))
    })
}

/// Whether a pattern is the name, or, with a star at its end, begins it.
fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_counts_at_the_end_only() {
        let matches = |pattern: &str, name| matches(&[pattern.to_owned()], name);
        assert!(matches("*", "net.core.somaxconn"));
        assert!(matches("net.*", "net.core.somaxconn"));
        assert!(!matches("net.*.somaxconn", "net.core.somaxconn"));
        assert!(!matches("net", "net.core.somaxconn"));
    }
}
