//! The schemas of the kinds. They say in data what the types of `config`, `rollout` and `fleet` say in code; a test
//! holds the two against each other.

use super::{
    Kind,
    schema::{Choice, Field, MapRule, Shape, Text, Unique, not_yet, optional, required},
};
use crate::{config::IstioVersion, fleet::Name, platform::PlatformName};

/// The schema of a document of this kind.
pub(super) fn schema(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Cluster => &CLUSTER,
        Kind::MeshConfig => &MESH_CONFIG,
        Kind::RolloutStrategy => &ROLLOUT_STRATEGY,
    }
}

/// What every document has: used where the kind is not known.
pub(super) static ENVELOPE: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        required("metadata", "for example `metadata: {name: payments}`", Shape::Anything),
        optional("spec", "", Shape::Anything),
    ],
    rule: None,
};

const API_VERSION: Field =
    required("apiVersion", "write `apiVersion: meshfleet.dev/v1`", Shape::Choice(&VERSION_OF_DOCUMENTS));
const KIND: Field =
    required("kind", "write Cluster, MeshConfig or RolloutStrategy", Shape::Choice(&KIND_OF_DOCUMENT));
const NAME_FIELD: Field = required("name", "for example `name: payments`", Shape::Text(&NAME));

const METADATA: Field = required(
    "metadata",
    "for example `metadata: {name: payments}`",
    Shape::Map { fields: &[NAME_FIELD, not_yet("labels")], rule: None },
);

const CLUSTER: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        required(
            "metadata",
            "for example `metadata: {name: eu-1, labels: {mesh: payments}}`",
            Shape::Map {
                fields: &[
                    NAME_FIELD,
                    optional("labels", "what selectors look at", Shape::Labels { least: 0 }),
                ],
                rule: None,
            },
        ),
        optional(
            "spec",
            "",
            Shape::Map {
                fields: &[
                    optional("platform", "detected if left out", Shape::Choice(&PLATFORM)),
                    optional("network", "a network of its own if left out", Shape::Text(&NAME)),
                    not_yet("variables"),
                    not_yet("protection"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

const MESH_CONFIG: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        required(
            "spec",
            "a mesh has `clusters` and `base`",
            Shape::Map {
                fields: &[
                    required("clusters", "for example `clusters: {matchLabels: {mesh: payments}}`", SELECTOR),
                    optional("adopt", "Never if left out", Shape::Choice(&ADOPT)),
                    required("base", "it has `mesh`, `istio`, `installer` and `dataPlane`", BASE),
                    not_yet("layers"),
                    not_yet("overrides"),
                ],
                rule: None,
            },
        ),
    ],
    rule: None,
};

const BASE: Shape = Shape::Map {
    fields: &[
        required(
            "mesh",
            "for example `mesh: {id: payments}`",
            Shape::Map {
                fields: &[
                    required("id", "for example `id: payments`", Shape::Text(&NAME)),
                    not_yet("trustDomain"),
                ],
                rule: None,
            },
        ),
        required(
            "istio",
            "for example `istio: {version: 1.17.8}`",
            Shape::Map {
                fields: &[
                    required("version", "for example `version: 1.17.8`", Shape::Text(&VERSION)),
                    optional("namespace", "istio-system if left out", Shape::Text(&NAMESPACE)),
                    not_yet("updateStrategy"),
                ],
                rule: None,
            },
        ),
        required(
            "installer",
            "for example `installer: {kind: calisti}`",
            Shape::Map {
                fields: &[required("kind", "for example `kind: calisti`", Shape::Choice(&INSTALLER))],
                rule: None,
            },
        ),
        required("dataPlane", "for example `dataPlane: {namespaces: {names: [payments]}}`", DATA_PLANE),
        not_yet("network"),
        not_yet("gateways"),
        not_yet("values"),
    ],
    rule: None,
};

const DATA_PLANE: Shape = Shape::Map {
    fields: &[
        required(
            "namespaces",
            "for example `namespaces: {names: [payments]}`",
            Shape::Map {
                fields: &[
                    required("names", "for example `names: [payments]`", NAMESPACES),
                    not_yet("matchLabels"),
                    not_yet("matchExpressions"),
                ],
                rule: None,
            },
        ),
        not_yet("mode"),
        not_yet("interception"),
    ],
    rule: None,
};

// Each namespace costs some objects in every plan, and a plan has at most 2,000.
const NAMESPACES: Shape =
    Shape::List { item: &Shape::Text(&NAMESPACE), least: 1, most: 500, unique: Unique::Items };

const ROLLOUT_STRATEGY: Shape = Shape::Map {
    fields: &[
        API_VERSION,
        KIND,
        METADATA,
        required(
            "spec",
            "a strategy has `waves`",
            Shape::Map {
                fields: &[
                    required(
                        "waves",
                        "for example `waves: [{name: first, clusters: {names: [eu-1]}}]`",
                        Shape::List { item: &WAVE, least: 1, most: 100, unique: Unique::Field("name") },
                    ),
                    optional(
                        "deadlineSeconds",
                        "how long one cluster may take; 900 if left out",
                        Shape::Number { least: 1, most: 86_400 },
                    ),
                    not_yet("soak"),
                    optional(
                        "maxUnavailable",
                        "all of a wave if left out",
                        Shape::Number { least: 1, most: 5_000 },
                    ),
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
        required("name", "for example `name: first`", Shape::Text(&NAME)),
        required("clusters", "for example `clusters: {names: [eu-1]}`", SELECTOR),
        not_yet("soak"),
        not_yet("maxUnavailable"),
        not_yet("gates"),
        not_yet("approval"),
    ],
    rule: None,
};

/// The same wherever clusters are chosen.
const SELECTOR: Shape = Shape::Map {
    fields: &[
        optional(
            "names",
            "clusters by name",
            Shape::List { item: &Shape::Text(&NAME), least: 1, most: 5_000, unique: Unique::Items },
        ),
        optional("matchLabels", "labels with exactly these values", Shape::Labels { least: 1 }),
        optional(
            "matchExpressions",
            "further conditions on labels",
            Shape::List { item: &EXPRESSION, least: 1, most: 100, unique: Unique::Nothing },
        ),
    ],
    rule: Some(MapRule::AnyField),
};

const EXPRESSION: Shape = Shape::Map {
    fields: &[
        required("key", "for example `key: env`", Shape::Text(&LABEL_KEY)),
        required("operator", "for example `operator: In`", Shape::Choice(&OPERATOR)),
        optional(
            "values",
            "for In and NotIn",
            Shape::List { item: &Shape::Text(&LABEL_VALUE), least: 1, most: 1_000, unique: Unique::Items },
        ),
    ],
    rule: Some(MapRule::ValuesFitOperator),
};

const NAME: Text = Text {
    what: "a name",
    rule: "use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
    holds: |text| Name::parse(text).is_ok(),
};

const NAMESPACE: Text = Text {
    what: "a namespace for Istio",
    rule: "use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends, and none that begins with kube-, \
           because those are Kubernetes' own",
    holds: |text| Name::parse(text).is_ok() && !text.starts_with("kube-"),
};

const VERSION: Text = Text {
    what: "a version of Istio",
    rule: "write MAJOR.MINOR.PATCH, for example 1.17.8",
    holds: |text| IstioVersion::parse(text).is_ok(),
};

pub(super) const LABEL_KEY: Text = Text {
    what: "a key of a label",
    rule: "use 1 to 63 of letters, digits, '-', '_' and '.', perhaps after a DNS name and '/', as in example.com/team",
    holds: |text| match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    },
};

pub(super) const LABEL_VALUE: Text = Text {
    what: "a value of a label",
    rule: "use at most 63 of letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    holds: is_label_value,
};

fn is_label_value(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && ends(bytes.first())
        && ends(bytes.last())
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| Name::parse(part).is_ok())
}

const VERSION_OF_DOCUMENTS: Choice =
    Choice { what: "version of documents", words: || vec![super::API_VERSION], not_yet: &[] };

const KIND_OF_DOCUMENT: Choice = Choice {
    what: "kind",
    words: || Kind::ALL.into_iter().map(Kind::as_str).collect(),
    not_yet: &["FreezeWindow", "DriftPolicy", "Migration"],
};

const PLATFORM: Choice = Choice {
    what: "platform",
    words: || PlatformName::ALL.iter().map(|name| name.as_str()).collect(),
    not_yet: &[],
};

const ADOPT: Choice =
    Choice { what: "way to adopt", words: || vec!["Never", "IfNoDiff", "Always"], not_yet: &[] };

const INSTALLER: Choice = Choice { what: "installer", words: || vec!["calisti"], not_yet: &["sail"] };

const OPERATOR: Choice =
    Choice { what: "operator", words: || vec!["In", "NotIn", "Exists", "DoesNotExist"], not_yet: &[] };
