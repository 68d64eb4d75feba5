//! A plan as JSON.

use proto::v1::{
    Change, ClusterPlan, Finding, ObjectId, PlanGroup, PlanObject, PlanReason, PreviewPlanResponse,
};
use serde_json::{Value, json};

/// The whole answer.
pub fn preview(plan: &PreviewPlanResponse) -> Value {
    let PreviewPlanResponse { config, version, clusters, groups } = plan;
    json!({
        "config": config, "version": version, "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
        "groups": groups.iter().map(group).collect::<Vec<_>>(),
    })
}

fn cluster(plan: &ClusterPlan) -> Value {
    let ClusterPlan {
        cluster,
        platform,
        platform_detail,
        plan_digest,
        objects,
        findings,
        namespaces,
        probed,
        not_probed,
        deletions,
        disruption,
        disruption_by,
        unreached,
        heals,
        heal_changes,
    } = plan;
    json!({
        "cluster": cluster, "platform": platform, "platformDetail": platform_detail, "planDigest": plan_digest,
        "namespaces": namespaces, "probed": probed, "notProbed": not_probed, "deletions": deletions,
        "disruption": disruption, "disruptionBy": disruption_by, "unreached": unreached, "heals": heals, "healChanges": heal_changes,
        "objects": objects.iter().map(object).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn group(group: &PlanGroup) -> Value {
    let PlanGroup { clusters, platforms, why, objects, findings, namespaces, disruption, disruption_by } =
        group;
    json!({
        "clusters": clusters, "platforms": platforms, "why": why, "namespaces": namespaces,
        "disruption": disruption, "disruptionBy": disruption_by,
        "objects": objects.iter().map(object).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn object(object: &PlanObject) -> Value {
    let PlanObject { id, change: _, phase, reasons, manifest, changes, adoption, namespaces } = object;
    let change = match object.change() {
        Change::Unspecified => "unspecified",
        Change::Create => "create",
        Change::Update => "update",
        Change::Delete => "delete",
        Change::None => "none",
        Change::Expect => "expect",
        Change::Adopt => "adopt",
        Change::Add => "add",
        Change::Template => "template",
    };
    json!({
        "id": self::id(id.as_ref()), "change": change, "phase": phase, "changes": changes,
        "reasons": reasons.iter().map(reason).collect::<Vec<_>>(),
        "manifest": value(manifest), "adoption": adoption, "namespaces": namespaces,
    })
}

/// A rule with its reason.
pub fn reason(reason: &PlanReason) -> Value {
    let PlanReason { rule, reason, source } = reason;
    json!({"rule": rule, "reason": reason, "source": source})
}

pub fn finding(finding: &Finding) -> Value {
    let Finding { rule, blocking, message, hint } = finding;
    json!({"rule": rule, "blocking": blocking, "message": message, "hint": hint})
}

/// Identity of an object.
pub fn id(id: Option<&ObjectId>) -> Value {
    let Some(ObjectId { group, version, kind, namespace, name }) = id else { return Value::Null };
    json!({"group": group, "version": version, "kind": kind, "namespace": namespace, "name": name})
}

/// JSON that came as text, as JSON; null where there is none.
pub fn value(text: &str) -> Value {
    match (text, serde_json::from_str(text)) {
        ("", _) => Value::Null,
        (_, Ok(value)) => value,
        (text, Err(_)) => text.into(),
    }
}
