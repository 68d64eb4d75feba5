//! The rule of capabilities. Names are compared letter by letter: case and the prefix `CAP_` count, and `ALL` is a name
//! like any other, so that who drops it does not thereby drop the others.

use std::sync::Arc;

use crate::{context::Capabilities, scc::SecurityContextConstraints, violation::ContainerViolation};

/// The word of an SCC for every capability. `ALL` is not: it allows to ask for `ALL`.
const ANY: &str = "*";

/// What a container gets: what it asks for and the default ones that it does not drop; what it drops and what must be.
/// Where nothing is new, its own lists stay as they are, in its order.
pub(crate) fn chosen(scc: &SecurityContextConstraints, own: Option<&Capabilities>) -> Option<Capabilities> {
    let (added, dropped) = own.map(|own| (own.add.as_slice(), own.drop.as_slice())).unwrap_or_default();
    let defaults = scc.default_add_capabilities.iter().filter(|name| !dropped.contains(name));
    let new_adds = defaults.clone().any(|name| !added.contains(name));
    let new_drops = scc.required_drop_capabilities.iter().any(|name| !dropped.contains(name));
    if !new_adds && !new_drops {
        return own.cloned();
    }
    Some(Capabilities {
        add: sorted(added.iter().chain(defaults)),
        drop: sorted(dropped.iter().chain(&scc.required_drop_capabilities)),
    })
}

fn sorted<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let mut names: Vec<&Arc<str>> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().cloned().collect()
}

/// What is wrong with the capabilities of a container.
pub(crate) fn check(
    scc: &SecurityContextConstraints,
    capabilities: Option<&Capabilities>,
    found: &mut Vec<ContainerViolation>,
) {
    let Some(capabilities) = capabilities else {
        if !scc.default_add_capabilities.is_empty() || !scc.required_drop_capabilities.is_empty() {
            found.push(ContainerViolation::NoCapabilities);
        }
        return;
    };
    if scc.allowed_capabilities.iter().any(|name| **name == *ANY) {
        return;
    }
    let allowed = |name: &&Arc<str>| {
        scc.allowed_capabilities.contains(name) || scc.default_add_capabilities.contains(name)
    };
    let added = capabilities.add.iter().filter(|name| !allowed(name));
    found.extend(added.map(|name| ContainerViolation::Capability(Arc::clone(name))));
    let kept = scc.required_drop_capabilities.iter().filter(|name| !capabilities.drop.contains(name));
    found.extend(kept.map(|name| ContainerViolation::CapabilityKept(Arc::clone(name))));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wrong(scc: Value, capabilities: Value) -> Vec<ContainerViolation> {
        let mut named = json!({"metadata": {"name": "scc"}});
        named.as_object_mut().unwrap().extend(scc.as_object().unwrap().clone());
        let scc: SecurityContextConstraints = serde_json::from_value(named).unwrap();
        let capabilities: Option<Capabilities> = serde_json::from_value(capabilities).unwrap();
        let mut found = Vec::new();
        check(&scc, capabilities.as_ref(), &mut found);
        found
    }

    #[test]
    fn what_must_be_dropped_is_by_its_own_name() {
        let drops = json!({"requiredDropCapabilities": ["MKNOD", "SETUID"]});
        let kept = |name: &str| ContainerViolation::CapabilityKept(name.into());
        assert_eq!(wrong(drops.clone(), json!({"drop": ["ALL"]})), [kept("MKNOD"), kept("SETUID")]);
        assert_eq!(wrong(drops.clone(), json!({"drop": ["SETUID"]})), [kept("MKNOD")]);
        assert_eq!(wrong(drops, json!({"drop": ["SETUID", "MKNOD"]})), []);
    }

    #[test]
    fn what_is_added_is_allowed_or_a_default() {
        let allows = json!({"allowedCapabilities": ["NET_RAW"], "defaultAddCapabilities": ["CHOWN"]});
        let asked = |names: &[&str]| json!({ "add": names });
        assert_eq!(wrong(allows.clone(), asked(&["NET_RAW", "CHOWN"])), []);
        let refused = ContainerViolation::Capability("CAP_NET_RAW".into());
        assert_eq!(wrong(allows.clone(), asked(&["CAP_NET_RAW"])), [refused]);
        assert_eq!(wrong(json!({"allowedCapabilities": ["*"]}), asked(&["CAP_NET_RAW"])), []);
        assert_eq!(wrong(allows, Value::Null), [ContainerViolation::NoCapabilities]);
    }
}
