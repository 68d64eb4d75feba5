//! The schemas of the kinds. They say in data what the types of `config`, `rollout` and `fleet` say in code; a test
//! holds the two against each other.

mod gateways;
mod mesh_config;
mod monitoring;
mod words;

pub(super) use mesh_config::BASE_SHAPE;

use super::{
    Kind,
    schema::{Field, MapRule, Shape, Unique, not_yet, optional, required},
};
use crate::drift::HealClass;
use mesh_config::MESH_CONFIG;

/// The schema of a document of this kind.
pub(super) fn schema(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Cluster => &CLUSTER,
        Kind::MeshConfig => &MESH_CONFIG,
        Kind::RolloutStrategy => &ROLLOUT_STRATEGY,
        Kind::DriftPolicy => &DRIFT_POLICY,
    }
}

/// What every document has: used where the kind is not known.
pub(super) static ENVELOPE: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        required(
            "metadata",
            ("what it is called", "for example `metadata: {name: payments}`"),
            Shape::Anything,
        ),
        optional("spec", "", Shape::Anything),
    ],
    rule: None,
};

const API_VERSION: Field = required(
    "apiVersion",
    ("the version of the document's shape", "write `apiVersion: meshfleet.dev/v1`"),
    Shape::Choice(&words::VERSION_OF_DOCUMENTS),
);
const KIND: Field = required(
    "kind",
    ("what the document describes", "write Cluster, MeshConfig, RolloutStrategy or DriftPolicy"),
    Shape::Choice(&words::KIND_OF_DOCUMENT),
);
const NAME_FIELD: Field =
    required("name", ("unique in its kind", "for example `name: payments`"), Shape::Text(&words::NAME));

const METADATA: Field = required(
    "metadata",
    ("what it is called", "for example `metadata: {name: payments}`"),
    Shape::Map { fields: &[NAME_FIELD, not_yet("labels")], rule: None },
);

static CLUSTER: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        required(
            "metadata",
            (
                "what it is called, and what selectors look at",
                "for example `metadata: {name: eu-1, labels: {mesh: payments}}`",
            ),
            Shape::Map {
                fields: &[NAME_FIELD, optional("labels", "what selectors look at", words::LABELS)],
                rule: None,
            },
        ),
        optional(
            "spec",
            "what its spoke cannot see",
            Shape::Map {
                fields: &[
                    optional(
                        "platform",
                        "what it runs on; detected if left out",
                        Shape::Choice(&words::PLATFORM),
                    ),
                    optional(
                        "network",
                        "its mesh network; if left out, what the config takes from a label, else one of its own",
                        Shape::Text(&words::NAME),
                    ),
                    optional(
                        "variables",
                        "what ${NAME} stands for in the values of mesh configs",
                        words::VARIABLES,
                    ),
                    not_yet("protection"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

static ROLLOUT_STRATEGY: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        required(
            "spec",
            ("how a rollout goes through a fleet", "a strategy has `waves`"),
            Shape::Map {
                fields: &[
                    required(
                        "waves",
                        (
                            "clusters that are changed together, one wave after the other",
                            "for example `waves: [{name: first, clusters: {names: [eu-1]}}]`",
                        ),
                        Shape::List { item: &WAVE, least: 1, most: 100, unique: Unique::Field("name") },
                    ),
                    optional(
                        "maxUnavailable",
                        "how many clusters may be in change at once; all of a wave if left out",
                        Shape::Number { least: 1, most: 5_000 },
                    ),
                    optional(
                        "deadlineSeconds",
                        "how long one cluster may take; 900 if left out",
                        Shape::Number { least: 1, most: 86_400 },
                    ),
                    not_yet("soak"),
                    not_yet("budgets"),
                    not_yet("gates"),
                    not_yet("approvals"),
                    not_yet("onFailure"),
                    not_yet("offline"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

const WAVE: Shape = Shape::Map {
    fields: &[
        required("name", ("for people", "for example `name: first`"), Shape::Text(&words::NAME)),
        required(
            "clusters",
            ("a cluster goes with the first wave that selects it", "for example `clusters: {names: [eu-1]}`"),
            SELECTOR,
        ),
        not_yet("soak"),
        not_yet("maxUnavailable"),
        not_yet("gates"),
        not_yet("approval"),
    ],
    rule: None,
};

static DRIFT_POLICY: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        required(
            "spec",
            (
                "what spokes do about drift by themselves",
                "for example `spec: {clusters: {matchLabels: {env: production}}, heal: [Removed]}`",
            ),
            Shape::Map {
                fields: &[
                    required(
                        "clusters",
                        (
                            "the clusters that it is for; no two policies may select one",
                            "for example `clusters: {matchLabels: {env: production}}`",
                        ),
                        SELECTOR,
                    ),
                    optional(
                        "heal",
                        "classes of drift that are put right without asking; nothing if left out: drift is reported",
                        Shape::List {
                            item: &Shape::Choice(&words::HEAL_CLASS),
                            least: 0,
                            most: HealClass::ALL.len(),
                            unique: Unique::Items,
                        },
                    ),
                    not_yet("hold"),
                    not_yet("ignore"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

/// The same wherever clusters are chosen.
const SELECTOR: Shape = Shape::Map {
    fields: &[
        optional(
            "names",
            "clusters by name",
            Shape::List { item: &Shape::Text(&words::NAME), least: 1, most: 5_000, unique: Unique::Items },
        ),
        optional("matchLabels", "labels with exactly these values", words::SOME_LABELS),
        conditions(),
    ],
    rule: Some(MapRule::AnyField),
};

const fn conditions() -> Field {
    optional(
        "matchExpressions",
        "further conditions on labels",
        Shape::List { item: &EXPRESSION, least: 1, most: 100, unique: Unique::Nothing },
    )
}

const EXPRESSION: Shape = Shape::Map {
    fields: &[
        required("key", ("the label", "for example `key: env`"), Shape::Text(&words::LABEL_KEY)),
        required(
            "operator",
            ("how the label is compared", "for example `operator: In`"),
            Shape::Choice(&words::OPERATOR),
        ),
        optional(
            "values",
            "for In and NotIn",
            Shape::List { item: &words::SELECTED_VALUE, least: 1, most: 1_000, unique: Unique::Items },
        ),
    ],
    rule: Some(MapRule::ValuesFitOperator),
};
