//! What is asked of single texts and words.

use super::super::{
    API_VERSION, Kind,
    schema::{Choice, Shape, Text, Texts},
};
use crate::{
    config::{self, IstioVersion, path},
    drift::HealClass,
    fleet::Name,
    platform::PlatformName,
};

const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

pub(super) const NAME: Text = Text {
    what: "a name",
    rule: "use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
    holds: |text| Name::parse(text).is_ok(),
    pattern: NAME_PATTERN,
    never: "",
    longest: 63,
};

pub(super) const LAYER_NAME: Text = Text {
    what: "a name of a layer",
    rule: "use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends, but neither base nor default: \
           explanations call something else so",
    holds: |text| Name::parse(text).is_ok() && ![config::BASE, config::DEFAULT].contains(&text),
    pattern: NAME_PATTERN,
    never: "^(base|default)$",
    longest: 63,
};

pub(super) const NAMESPACE: Text = Text {
    what: "a namespace for Istio",
    rule: "use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends, and none that begins with kube-, \
           because those are Kubernetes' own",
    holds: |text| Name::parse(text).is_ok() && !text.starts_with("kube-"),
    pattern: NAME_PATTERN,
    never: "^kube-",
    longest: 63,
};

pub(super) const VERSION: Text = Text {
    what: "a version of Istio",
    rule: "write MAJOR.MINOR.PATCH, for example 1.30.2",
    holds: |text| IstioVersion::parse(text).is_ok(),
    pattern: r"^v?(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$",
    never: "",
    longest: 15,
};

pub(super) const TRUST_DOMAIN: Text = Text {
    what: "a trust domain",
    rule: "write a DNS name in small letters, for example payments.example.com",
    holds: is_dns_name,
    pattern: r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
    never: "",
    longest: 253,
};

pub(super) const LABEL_KEY: Text = Text {
    what: "a key of a label",
    rule: "use 1 to 63 of letters, digits, '-', '_' and '.', perhaps after a DNS name and '/', as in example.com/team",
    holds: |text| match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    },
    pattern: r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    never: "^[^/]{254,}/",
    longest: 317,
};

const LABEL_VALUE: Text = Text {
    what: "a value of a label",
    rule: "use at most 63 of letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    holds: is_label_value,
    pattern: "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
    never: "",
    longest: 63,
};

pub(super) const SELECTED_VALUE: Shape = Shape::Text(&LABEL_VALUE);

/// Most labels of one thing.
const MOST_LABELS: usize = 100;

pub(super) const LABELS: Shape = Shape::Texts(&Texts {
    what: "a map of labels",
    example: "{team: payments}",
    key: &LABEL_KEY,
    value: &LABEL_VALUE,
    least: 0,
    most: MOST_LABELS,
});

pub(super) const SOME_LABELS: Shape = Shape::Texts(&Texts {
    what: "a map of labels",
    example: "{team: payments}",
    key: &LABEL_KEY,
    value: &LABEL_VALUE,
    least: 1,
    most: MOST_LABELS,
});

pub(super) const VARIABLES: Shape = Shape::Texts(&Texts {
    what: "a map of variables",
    example: "{ZONE: eu-west-1a}",
    key: &Text {
        what: "a name of a variable",
        rule: "use 1 to 63 of letters, digits and '_', with no digit first, and neither cluster nor network: \
               those are always there",
        holds: |text| config::is_variable_name(text) && !["cluster", "network"].contains(&text),
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
        never: "^(cluster|network)$",
        longest: 63,
    },
    value: &Text {
        what: "a value of a variable",
        rule: "write at most 1024 characters in one line",
        holds: is_line,
        pattern: LINE_PATTERN,
        never: "",
        longest: 1024,
    },
    least: 0,
    most: 100,
});

/// A path below what charts take: nothing else is a rule's to require.
pub(super) const VALUE_PATH: Text = Text {
    what: "a path of a value",
    rule: "write values, the chart and the keys, for example values.cni.cniConfDir",
    holds: |text| {
        path::keys(text).is_some_and(|keys| {
            keys.len() > 2 && keys[0] == "values" && ["istiod", "cni"].contains(&keys[1].as_str())
        })
    },
    pattern: r#"^values\.(istiod|cni)(\.[A-Za-z0-9_-]+|\["([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"\])+$"#,
    never: "",
    longest: 1024,
};

pub(super) const UNSET_PATH: Text = Text {
    what: "a path",
    rule: "write the keys below base with dots between, for example values.istiod.pilot.env.X; a key that is no plain \
           word stands as [\"a.b/c\"]",
    holds: |text| path::keys(text).is_some(),
    pattern: r#"^([A-Za-z0-9_-]+|\["([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"\])(\.[A-Za-z0-9_-]+|\["([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"\])*$"#,
    never: "",
    longest: 1024,
};

pub(super) const RULE_ID: Text = Text {
    what: "an id of a rule",
    rule: "write it as plans show it: words of a-z, 0-9 and '-', with dots between, for example calisti.images",
    holds: |text| {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        text.contains('.') && text.split('.').all(word)
    },
    pattern: r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
    never: "",
    longest: 100,
};

pub(super) const OWNER: Text = Text {
    what: "an owner",
    rule: "write who answers for it, in at most 100 characters",
    holds: |text| !text.trim().is_empty() && is_line(text),
    pattern: LINE_PATTERN,
    never: r"^\s*$",
    longest: 100,
};

pub(super) const REASON: Text = Text {
    what: "a reason",
    rule: "write why, in one line of at most 1000 characters",
    holds: |text| !text.trim().is_empty() && is_line(text),
    pattern: LINE_PATTERN,
    never: r"^\s*$",
    longest: 1000,
};

pub(super) const DATE: Text = Text {
    what: "a date",
    rule: "write YEAR-MONTH-DAY, for example 2027-01-31",
    // The length keeps out the spellings with a time, a zone or a sign.
    holds: |text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
    pattern: "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    never: "-02-3[01]$|-(04|06|09|11)-31$",
    longest: 10,
};

pub(super) const LINE_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

pub(super) fn is_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

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

pub(super) const VERSION_OF_DOCUMENTS: Choice =
    Choice { what: "version of documents", words: || vec![API_VERSION], not_yet: &[] };

pub(super) const KIND_OF_DOCUMENT: Choice = Choice {
    what: "kind",
    words: || Kind::ALL.into_iter().map(Kind::as_str).collect(),
    not_yet: &["FreezeWindow", "Migration"],
};

pub(super) const PLATFORM: Choice = Choice {
    what: "platform",
    words: || PlatformName::ALL.iter().map(|name| name.as_str()).collect(),
    not_yet: &[],
};

pub(super) const ADOPT: Choice =
    Choice { what: "way to adopt", words: || vec!["Never", "IfNoDiff", "Always"], not_yet: &[] };

pub(super) const INSTALLER: Choice =
    Choice { what: "installer", words: || vec!["sail", "calisti"], not_yet: &[] };

pub(super) const UPDATE_STRATEGY: Choice =
    Choice { what: "update strategy", words: || vec!["InPlace", "RevisionBased"], not_yet: &[] };

pub(super) const MODE: Choice = Choice { what: "mode", words: || vec!["sidecar"], not_yet: &["ambient"] };

pub(super) const INTERCEPTION: Choice =
    Choice { what: "interception", words: || vec!["Redirect", "TProxy"], not_yet: &[] };

pub(super) const CNI: Choice =
    Choice { what: "use of the CNI plugin", words: || vec!["auto", "enabled"], not_yet: &[] };

pub(super) const HEAL_CLASS: Choice = Choice {
    what: "class of drift that can be healed",
    words: || HealClass::ALL.map(HealClass::as_str).to_vec(),
    not_yet: &[],
};

pub(super) const OPERATOR: Choice =
    Choice { what: "operator", words: || vec!["In", "NotIn", "Exists", "DoesNotExist"], not_yet: &[] };
