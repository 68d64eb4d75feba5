//! The schema of a `MeshConfig`.

use super::{API_VERSION, KIND, METADATA, SELECTOR, conditions, gateways, monitoring, words};
use crate::document::schema::{MapRule, Shape, Unique, not_yet, optional, required};

pub(super) const MESH_CONFIG: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        required(
            "spec",
            ("what the mesh is and where", "a mesh has `clusters` and `base`"),
            Shape::Map {
                fields: &[
                    required(
                        "clusters",
                        (
                            "the clusters that form the mesh",
                            "for example `clusters: {matchLabels: {mesh: payments}}`",
                        ),
                        SELECTOR,
                    ),
                    optional(
                        "adopt",
                        "what to do with objects that exist and are not ours; Never if left out",
                        Shape::Choice(&words::ADOPT),
                    ),
                    required(
                        "base",
                        (
                            "what is the same in every cluster",
                            "it has `mesh`, `istio`, `installer` and `dataPlane`",
                        ),
                        BASE,
                    ),
                    optional(
                        "layers",
                        "what differs in some clusters; in order, later wins",
                        Shape::List { item: &LAYER, least: 0, most: 200, unique: Unique::Field("name") },
                    ),
                    optional(
                        "overrides",
                        "values against required rules, and findings that are lived with; somebody answers for each",
                        Shape::List { item: &OVERRIDE, least: 0, most: 200, unique: Unique::Nothing },
                    ),
                ],
                rule: Some(MapRule::Layers),
            },
        ),
    ],
    rule: None,
};

/// What is the same in every cluster.
pub(in crate::document) static BASE_SHAPE: Shape = BASE;

const BASE: Shape = Shape::Map {
    fields: &[
        required("mesh", ("identity of the mesh", "for example `mesh: {id: payments}`"), MESH),
        optional("network", "where clusters that name no network take it from", NETWORK),
        required("istio", ("the Istio to run", "for example `istio: {version: 1.30.2}`"), ISTIO),
        required(
            "installer",
            ("who installs Istio", "for example `installer: {kind: sail}`"),
            Shape::Map {
                fields: &[required(
                    "kind",
                    ("which operator", "for example `kind: sail`"),
                    Shape::Choice(&words::INSTALLER),
                )],
                rule: None,
            },
        ),
        required(
            "dataPlane",
            (
                "where workloads are in the mesh, and how",
                "for example `dataPlane: {namespaces: {names: [payments]}}`",
            ),
            DATA_PLANE,
        ),
        optional(
            "monitoring",
            "what watches the mesh and is installed beside it by others: what it needs where pods are admitted by need",
            monitoring::MONITORING,
        ),
        optional(
            "gateways",
            "proxies of their own at the edge of the mesh; a layer's is laid over that of the same name",
            Shape::List { item: &gateways::GATEWAY, least: 0, most: 50, unique: Unique::Name },
        ),
        optional(
            "values",
            "any further value of Istio's charts that no rule requires otherwise, one map per chart; texts may hold \
             ${cluster}, ${network} and the variables of the Cluster document",
            Shape::Map {
                fields: &[
                    optional("istiod", "of the control plane", Shape::FreeMap),
                    optional("cni", "of the CNI plugin", Shape::FreeMap),
                    not_yet("ztunnel"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

const MESH: Shape = Shape::Map {
    fields: &[
        required(
            "id",
            ("the same in all clusters of one mesh", "for example `id: payments`"),
            Shape::Text(&words::NAME),
        ),
        optional(
            "trustDomain",
            "the trust domain of the workloads' identities; the installer's own if left out",
            Shape::Text(&words::TRUST_DOMAIN),
        ),
    ],
    rule: None,
};

const NETWORK: Shape = Shape::Map {
    fields: &[required(
        "fromLabel",
        ("the label of a cluster that names its network", "for example `fromLabel: network`"),
        Shape::Text(&words::LABEL_KEY),
    )],
    rule: None,
};

const ISTIO: Shape = Shape::Map {
    fields: &[
        required(
            "version",
            ("which Istio; not every installer takes every one", "for example `version: 1.30.2`"),
            Shape::Text(&words::VERSION),
        ),
        optional(
            "namespace",
            "the control plane's namespace; istio-system if left out",
            Shape::Text(&words::NAMESPACE),
        ),
        optional(
            "updateStrategy",
            "how one version follows another: in the old one's place, or beside it until no workload uses the old one; \
             InPlace if left out",
            Shape::Choice(&words::UPDATE_STRATEGY),
        ),
        optional(
            "inactiveRevisionGraceSeconds",
            "with RevisionBased, how long a control plane that nothing uses any more stays; 30 if left out",
            Shape::Number { least: 0, most: 604_800 },
        ),
    ],
    rule: None,
};

const DATA_PLANE: Shape = Shape::Map {
    fields: &[
        optional("mode", "what stands beside a workload; sidecar if left out", Shape::Choice(&words::MODE)),
        optional(
            "interception",
            "how traffic gets to the proxy; Redirect if left out",
            Shape::Choice(&words::INTERCEPTION),
        ),
        optional(
            "cni",
            "who sets up the redirection: auto takes Istio's CNI plugin where the platform needs it, enabled takes it \
             everywhere; auto if left out",
            Shape::Choice(&words::CNI),
        ),
        required(
            "namespaces",
            ("the namespaces of workloads", "for example `namespaces: {names: [payments]}`"),
            Shape::Map {
                fields: &[
                    // Each namespace costs some objects in every plan, and a plan has at most 2,000.
                    optional(
                        "names",
                        "namespaces by name",
                        Shape::List {
                            item: &Shape::Text(&words::NAMESPACE),
                            least: 1,
                            most: 500,
                            unique: Unique::Items,
                        },
                    ),
                    optional("matchLabels", "labels with exactly these values", words::SOME_LABELS),
                    conditions(),
                ],
                rule: Some(MapRule::AnyField),
            },
        ),
    ],
    rule: None,
};

const LAYER: Shape = Shape::Map {
    fields: &[
        required(
            "name",
            ("unique in the config", "for example `name: production`"),
            Shape::Text(&words::LAYER_NAME),
        ),
        required(
            "clusters",
            ("where the layer holds", "for example `clusters: {matchLabels: {env: production}}`"),
            SELECTOR,
        ),
        optional(
            "set",
            "values in the shape of `base`, laid over what the base and earlier layers say: maps merge, anything else \
             is replaced",
            Shape::Partial(&BASE_SHAPE),
        ),
        optional(
            "unset",
            "paths of values of the base or of earlier layers that are taken away, before `set` is laid over",
            Shape::List {
                item: &Shape::Text(&words::UNSET_PATH),
                least: 1,
                most: 200,
                unique: Unique::Items,
            },
        ),
    ],
    rule: Some(MapRule::SetOrUnset),
};

const OVERRIDE: Shape = Shape::Map {
    fields: &[
        required(
            "rule",
            (
                "the rule that is overridden; without `path` and `value` the finding that is accepted",
                "for example `rule: calisti.images`",
            ),
            Shape::Text(&words::RULE_ID),
        ),
        optional(
            "path",
            "the value that the rule requires otherwise, for example `path: values.cni.cniConfDir`",
            Shape::Text(&words::VALUE_PATH),
        ),
        optional("value", "what stands there instead, for example `value: /etc/x`", Shape::Free),
        required("clusters", ("where it holds", "for example `clusters: {names: [eu-1]}`"), SELECTOR),
        required("owner", ("who answers for it", "for example `owner: ana`"), Shape::Text(&words::OWNER)),
        required(
            "reason",
            ("why", "say in one line why the rule does not fit here"),
            Shape::Text(&words::REASON),
        ),
        required(
            "expires",
            ("the last day on which it is meant to hold", "for example `expires: 2027-01-31`"),
            Shape::Text(&words::DATE),
        ),
    ],
    rule: Some(MapRule::PathWithValue),
};
