//! The schema of `monitoring` in a `MeshConfig`.

use super::words;
use crate::document::schema::{Choice, MapRule, Shape, Text, Unique, optional, required};

pub(super) const MONITORING: Shape = Shape::Map {
    fields: &[
        required(
            "namespace",
            ("where it runs", "for example `namespace: monitoring`"),
            Shape::Text(&words::NAMESPACE),
        ),
        optional("nodeExporter", "an exporter of one's own on each node", NODE_EXPORTER),
        optional(
            "prometheus",
            "a Prometheus with a fixed user and group",
            Shape::Map {
                fields: &[optional(
                    "serviceAccount",
                    "the service account that it runs under; prometheus-k8s if left out",
                    Shape::Text(&words::NAME),
                )],
                rule: None,
            },
        ),
        optional(
            "resources",
            "containers that need other limits or requests than their charts give them",
            Shape::List { item: &RESOURCES, least: 0, most: 50, unique: Unique::Nothing },
        ),
    ],
    rule: None,
};

const NODE_EXPORTER: Shape = Shape::Map {
    fields: &[
        optional(
            "serviceAccount",
            "the service account that it runs under; node-exporter if left out",
            Shape::Text(&words::NAME),
        ),
        optional(
            "port",
            "the port of the node that it listens on; 9100 if left out",
            Shape::Number { least: 1024, most: 65_535 },
        ),
        optional(
            "capabilities",
            "whether its container adds capabilities, as that of kube-prometheus adds SYS_TIME; None if left out",
            Shape::Choice(&Choice {
                what: "word for capabilities",
                words: || vec!["None", "Added"],
                not_yet: &[],
            }),
        ),
    ],
    rule: None,
};

const RESOURCES: Shape = Shape::Map {
    fields: &[
        required(
            "deployment",
            (
                "a Deployment in the namespace of the monitoring",
                "for example `deployment: prometheus-operator`",
            ),
            Shape::Text(&words::NAME),
        ),
        required(
            "container",
            ("one of its containers", "for example `container: kube-rbac-proxy`"),
            Shape::Text(&words::NAME),
        ),
        optional("limits", "what it may use at most", AMOUNTS),
        optional("requests", "what it is sure to have", AMOUNTS),
        required(
            "reason",
            ("why", "say in one line why the chart's amounts do not do here"),
            Shape::Text(&words::REASON),
        ),
    ],
    rule: None,
};

const AMOUNTS: Shape = Shape::Map {
    fields: &[
        optional("cpu", "in cores or in thousandths of one", Shape::Text(&CPU)),
        optional("memory", "in bytes", Shape::Text(&MEMORY)),
    ],
    rule: Some(MapRule::AnyField),
};

const CPU: Text = Text {
    what: "an amount of cpu",
    rule: "write whole cores or thousandths, for example 2 or 100m",
    holds: |text| is_amount(text, &["", "m"]),
    pattern: "^[1-9][0-9]{0,5}m?$",
    never: "",
    longest: 7,
};

const MEMORY: Text = Text {
    what: "an amount of memory",
    rule: "write a whole number with its unit, for example 500Mi",
    holds: |text| is_amount(text, &["Ki", "Mi", "Gi", "k", "M", "G"]),
    pattern: "^[1-9][0-9]{0,5}([KMG]i|[kMG])$",
    never: "",
    longest: 8,
};

fn is_amount(text: &str, units: &[&str]) -> bool {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (1..=6).contains(&digits.len()) && !digits.starts_with('0') && units.contains(&unit)
}
