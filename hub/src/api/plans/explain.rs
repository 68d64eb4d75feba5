//! Why each value of a plan is there, written for the wire.

use hub_core::{
    config::{Override, SourceMap},
    plan::{self, ExplainedLeaf, ExplainedObject, Form, Origin, RuleId, rule},
};
use proto::v1;

use super::{super::convert, reason};
use crate::app::plans::Explanation;

pub(super) fn response(explanation: Explanation) -> v1::ExplainPlanResponse {
    let Explanation { cluster, config, version, platform, objects, source } = explanation;
    let (_, platform_detail) = convert::platform(platform);
    v1::ExplainPlanResponse {
        cluster: cluster.to_string(),
        config: config.to_string(),
        version,
        platform_detail,
        objects: objects.into_iter().map(|explained| object(explained, &source)).collect(),
    }
}

/// Two plans beside each other.
pub(super) fn compared(one: &Explanation, other: &Explanation) -> v1::DiffPlansResponse {
    let side = |explanation: &Explanation| {
        let (_, platform_detail) = convert::platform(explanation.platform.clone());
        v1::ComparedPlan {
            cluster: explanation.cluster.to_string(),
            config: explanation.config.to_string(),
            version: explanation.version,
            platform_detail,
        }
    };
    let form = |form: Option<Form>| form.map(|form| form.to_string()).unwrap_or_default();
    let objects = plan::compare(&one.objects, &other.objects).into_iter().map(|object| v1::ComparedObject {
        id: Some(convert::object_id(object.id)),
        one: form(object.one),
        other: form(object.other),
        leaves: object
            .leaves
            .into_iter()
            .map(|compared| v1::ComparedLeaf {
                variable: compared.is_variable(),
                one: compared.one.map(|explained| leaf(explained, &one.source)),
                other: compared.other.map(|explained| leaf(explained, &other.source)),
            })
            .collect(),
    });
    v1::DiffPlansResponse { objects: objects.collect(), one: Some(side(one)), other: Some(side(other)) }
}

fn object(explained: ExplainedObject, source: &SourceMap) -> v1::ExplainedObject {
    let ExplainedObject { id, form, leaves } = explained;
    v1::ExplainedObject {
        id: Some(convert::object_id(id)),
        form: form.to_string(),
        leaves: leaves.into_iter().map(|explained| leaf(explained, source)).collect(),
    }
}

fn leaf(explained: ExplainedLeaf, source: &SourceMap) -> v1::ExplainedLeaf {
    let ExplainedLeaf { path, value, origin, file, line } = explained;
    let told = match origin {
        Origin::Config { origin, rule } => {
            let place = source.place(&origin);
            v1::ExplainedLeaf {
                origin: "config".to_owned(),
                layer: place.layer.to_owned(),
                config_path: place.path.to_owned(),
                rule: by(rule),
                ..v1::ExplainedLeaf::default()
            }
        }
        Origin::Cluster { field, rule } => v1::ExplainedLeaf {
            origin: "config".to_owned(),
            layer: "cluster".to_owned(),
            config_path: field,
            rule: by(rule),
            ..v1::ExplainedLeaf::default()
        },
        Origin::Rule { rule, fact } => v1::ExplainedLeaf {
            origin: "rule".to_owned(),
            rule: by(rule),
            fact: fact.unwrap_or_default(),
            ..v1::ExplainedLeaf::default()
        },
        Origin::Override(overriding) => past(overriding),
        Origin::Structural => {
            v1::ExplainedLeaf { origin: "structural".to_owned(), ..v1::ExplainedLeaf::default() }
        }
    };
    v1::ExplainedLeaf {
        path,
        value: value.to_string(),
        file: file.unwrap_or_default(),
        line: line.unwrap_or_default(),
        ..told
    }
}

fn by(rule: RuleId) -> Option<v1::PlanReason> {
    rule::find(rule).map(reason)
}

/// Somebody answers for it.
fn past(overriding: Override) -> v1::ExplainedLeaf {
    let Override { rule, path, value: _, clusters: _, owner, reason: why, expires } = overriding;
    let known = rule::registry().iter().find(|known| known.id.0 == rule);
    let unknown = v1::PlanReason { rule, ..v1::PlanReason::default() };
    v1::ExplainedLeaf {
        origin: "override".to_owned(),
        config_path: path.unwrap_or_default(),
        rule: Some(known.map_or(unknown, reason)),
        note: format!("{owner}: {why}, until {expires}"),
        ..v1::ExplainedLeaf::default()
    }
}
