//! OpenShift's default SecurityContextConstraints and the roles to use them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::clusters::definitions;

/// The default constraints, each with the OpenShift minor (of 4) that brought it.
const DEFAULTS: [(&str, u32); 13] = [
    ("anyuid", 0),
    ("hostaccess", 0),
    ("hostmount-anyuid", 0),
    ("hostnetwork", 0),
    ("nonroot", 0),
    ("privileged", 0),
    ("restricted", 0),
    ("hostnetwork-v2", 11),
    ("nonroot-v2", 11),
    ("restricted-v2", 11),
    ("hostmount-anyuid-v2", 18),
    ("nested-container", 20),
    ("restricted-v3", 20),
];

fn defaults(minor: u32) -> impl Iterator<Item = &'static str> {
    DEFAULTS.into_iter().filter(move |(_, since)| *since <= minor).map(|(name, _)| name)
}

/// The roles `system:openshift:scc:*` that OpenShift 4.`minor` has.
pub(super) fn roles(minor: u32) -> Vec<Value> {
    defaults(minor).map(role).collect()
}

fn role(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": format!("system:openshift:scc:{name}")},
        "rules": [{
            "apiGroups": ["security.openshift.io"],
            "resources": ["securitycontextconstraints"],
            "resourceNames": [name],
            "verbs": ["use"],
        }],
    })
}

/// The constraints themselves, as published beside the true definitions.
/// None where those are not: we keep no copy, and nothing judges pods here.
pub(super) fn constraints(minor: u32) -> Result<Vec<Value>> {
    let Some(folder) =
        definitions::folder().map(|folder| folder.join("../openshift")).filter(|it| it.is_dir())
    else {
        return Ok(Vec::new());
    };
    defaults(minor).map(|name| read(&folder.join(format!("scc-{name}.yaml")))).collect()
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))
}
