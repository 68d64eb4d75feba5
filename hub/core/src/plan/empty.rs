//! The empty plan: what a cluster has whose mesh is removed.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{Intent, Plan, PlanDocument};
use crate::{
    config::IstioVersion,
    digest::{self, Digest},
    fleet::Name,
};

static EMPTY: LazyLock<Plan> = LazyLock::new(|| {
    let document = PlanDocument {
        format: 1,
        namespaces: Vec::new(),
        phases: Vec::new(),
        expectations: Vec::new(),
        healthy_when: Vec::new(),
    };
    let bytes = digest::canonical(&serde_json::to_value(&document).expect("plain data becomes JSON"));
    let none = Name::parse("none").expect("a DNS label");
    Plan {
        digest: Digest::of(&bytes),
        document,
        bytes,
        bodies: BTreeMap::new(),
        reasons: BTreeMap::new(),
        asks: Vec::new(),
        intent: Intent {
            control_plane: none.clone(),
            namespace: none,
            data_plane: Vec::new(),
            version: IstioVersion { major: 0, minor: 0, patch: 0 },
        },
    }
});

/// The plan of nothing: always the same.
#[must_use]
pub fn empty() -> Plan {
    EMPTY.clone()
}
