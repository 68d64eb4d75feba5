//! What stays in a cluster when its mesh is removed: what others made there and nobody takes away.
//!
//! Sources: `sail.md` sections 4 and 7, `calisti.md` section 6.

/// Something that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    /// What, for people.
    pub what: &'static str,
    /// Who made it, and why it stays.
    pub why: &'static str,
}

/// What istiod and the installer leave behind, on every platform.
pub const LEFTOVERS: &[Leftover] = &[
    Leftover {
        what: "Secret istio-ca-secret in the namespace of the control plane",
        why: "istiod made it; it is the key of the mesh's CA, and a mesh that comes back goes on with it",
    },
    Leftover {
        what: "ConfigMaps istio-ca-root-cert, istio-ca-crl in every namespace, istio-leader and its like, GatewayClasses \
               of Istio",
        why: "istiod made them",
    },
    Leftover {
        what: "CustomResourceDefinitions of Istio and of the installer",
        why: "deleting one deletes everything that was ever made of it",
    },
    Leftover {
        what: "gateways that were made beside the control plane",
        why: "the installer leaves them and their objects",
    },
    Leftover { what: "sidecars in pods that run", why: "a pod keeps its sidecar until it is started anew" },
];
