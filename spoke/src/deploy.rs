//! What a cluster needs so that a spoke can run in it.

/// Namespace, service account and rights of the spoke, verb by verb.
pub const RBAC: &str = include_str!("../deploy/rbac.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spoke_has_no_right_that_it_does_not_list() {
        let rules = RBAC.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in rules {
            assert!(!line.contains('*'), "a wildcard: {line}");
            for verb in ["escalate", "impersonate", "deletecollection"] {
                assert!(!line.contains(verb), "{line}");
            }
        }
    }
}
