//! The schema of a gateway of a `MeshConfig`.

use super::words;
use crate::document::schema::{Choice, Shape, Text, Texts, Unique, optional, required};

/// A gateway.
pub(super) const GATEWAY: Shape = Shape::Map {
    fields: &[
        required("name", ("of all its objects", "for example `name: ingress`"), Shape::Text(&NAME)),
        required(
            "namespace",
            ("where it stands; made if absent", "for example `namespace: istio-ingress`"),
            Shape::Text(&words::NAMESPACE),
        ),
        required(
            "exposure",
            ("from where it can be reached", "for example `exposure: internal`"),
            Shape::Choice(&EXPOSURE),
        ),
        optional("kind", "what it is made of; deployment if left out", Shape::Choice(&KIND)),
        optional(
            "ports",
            "what it listens on; HTTP on 80 and, unless it is of the Gateway API, TLS on 443 if left out",
            Shape::List { item: &PORT, least: 1, most: 30, unique: Unique::Field("name") },
        ),
        optional(
            "serviceAnnotations",
            "annotations of its Service that no rule requires otherwise",
            Shape::Texts(&ANNOTATIONS),
        ),
    ],
    rule: None,
};

const PORT: Shape = Shape::Map {
    fields: &[
        required("name", ("unique in the gateway", "for example `name: http`"), Shape::Text(&PORT_NAME)),
        required(
            "port",
            ("the port of the load balancer", "for example `port: 80`"),
            Shape::Number { least: 1, most: 65_535 },
        ),
        optional("protocol", "what is spoken there; HTTP if left out", Shape::Choice(&PROTOCOL)),
    ],
    rule: None,
};

/// With the longest suffix that a name of one of its objects gets, still a DNS label.
const NAME: Text = Text { longest: 40, rule: NAME_RULE, ..words::NAME };

const NAME_RULE: &str = "use 1 to 40 of a-z, 0-9 and '-', with a letter or digit at both ends";

/// As long as Kubernetes lets names of container ports be.
const PORT_NAME: Text = Text {
    longest: 15,
    rule: "use 1 to 15 of a-z, 0-9 and '-', with a letter or digit at both ends",
    ..words::NAME
};

const ANNOTATIONS: Texts = Texts {
    what: "a map of annotations",
    example: "{example.com/team: payments}",
    key: &words::LABEL_KEY,
    value: &Text {
        what: "a value of an annotation",
        rule: "write at most 1024 characters in one line",
        holds: words::is_line,
        pattern: words::LINE_PATTERN,
        never: "",
        longest: 1024,
    },
    least: 1,
    most: 50,
};

const EXPOSURE: Choice = Choice { what: "exposure", words: || vec!["internal", "external"], not_yet: &[] };

const KIND: Choice =
    Choice { what: "kind of gateway", words: || vec!["deployment", "gatewayApi"], not_yet: &[] };

const PROTOCOL: Choice = Choice { what: "protocol", words: || vec!["HTTP", "TLS", "TCP"], not_yet: &[] };
