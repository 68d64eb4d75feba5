//! The referee on a plan for Calisti's operator, the same on every platform.

use super::{Finding, Manifest, Seen, blocks};

/// Longest value of a label, and longest name of a Service, in Kubernetes.
const LABEL_LIMIT: usize = 63;

pub(super) fn judge(plan: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(name(plan));
    match plan.control_plane() {
        None => findings.push(missing(plan)),
        Some(control_plane) => {
            findings.extend(identity(plan, control_plane));
            findings.extend(images(plan, control_plane));
        }
    }
    findings.extend(watched(plan));
    findings
}

/// The name becomes part of the revision, which is the value of a label, and of the Service `istiod-NAME`.
fn name(plan: &Seen<'_>) -> Option<Finding> {
    let revision = format!("{}.{}", plan.intent.control_plane, plan.intent.namespace);
    let service = format!("istiod-{}", plan.intent.control_plane);
    let longest = if revision.len() > service.len() { revision } else { service };
    (longest.len() > LABEL_LIMIT).then(|| {
        blocks(
            "calisti.name",
            format!("{longest:?} has {} characters, and Kubernetes takes {LABEL_LIMIT}", longest.len()),
            "give the mesh config a shorter name".to_owned(),
        )
    })
}

fn missing(plan: &Seen<'_>) -> Finding {
    blocks(
        "control-plane.missing",
        format!("the plan has no IstioControlPlane {}/{}", plan.intent.namespace, plan.intent.control_plane),
        "the rule calisti.control-plane must make it: this is a mistake in meshfleet, report it".to_owned(),
    )
}

fn identity(plan: &Seen<'_>, control_plane: &Manifest<'_>) -> Option<Finding> {
    let spec = &control_plane.value["spec"];
    let mut wrong = Vec::new();
    let version = plan.intent.version.to_string();
    for (key, wanted) in [("version", version.as_str()), ("mode", "ACTIVE")] {
        if spec[key] != wanted {
            wrong.push(format!(".spec.{key} is {}, not {wanted:?}", spec[key]));
        }
    }
    for key in ["meshID", "networkName", "clusterID"] {
        if spec[key].as_str().is_none_or(str::is_empty) {
            wrong.push(format!(".spec.{key} is not written"));
        }
    }
    (!wrong.is_empty()).then(|| {
        let finding = blocks(
            "control-plane.identity",
            format!("in {}: {}", control_plane.id, wrong.join(", ")),
            "the rule calisti.control-plane must write them: this is a mistake in meshfleet, report it"
                .to_owned(),
        );
        plan.seconding("calisti.control-plane", finding)
    })
}

fn images(plan: &Seen<'_>, control_plane: &Manifest<'_>) -> Option<Finding> {
    let images = &control_plane.value["spec"]["containerImageConfiguration"];
    let hub = images["hub"].as_str().unwrap_or_default();
    let tag = images["tag"].as_str().unwrap_or_default();
    let version = plan.intent.version.to_string();
    let message = if hub.is_empty() || tag.is_empty() {
        format!(
            "{} does not write hub and tag of its images: the operator would take others",
            control_plane.id
        )
    } else if tag != version {
        format!("{} takes images {hub}/*:{tag} for Istio {version}", control_plane.id)
    } else {
        return None;
    };
    let hint =
        "the rule calisti.images must write them: this is a mistake in meshfleet, report it".to_owned();
    Some(plan.seconding("calisti.images", blocks("control-plane.images", message, hint)))
}

/// The installer's own word is no proof of health: istiod must be expected with its image, and be among the criteria.
fn watched(plan: &Seen<'_>) -> Option<Finding> {
    let name = format!("istiod-{}", plan.intent.control_plane);
    let tag = format!("/pilot:{}", plan.intent.version);
    let expectation = plan.expected("apps", "Deployment", plan.intent.namespace.as_str(), &name);
    let by_image = expectation.is_some_and(|expectation| {
        expectation.requires.iter().any(|value| value.value.as_str().is_some_and(|text| text.ends_with(&tag)))
    });
    let criteria = &plan.document.healthy_when;
    let by_rollout = criteria.iter().any(|criterion| {
        criterion.rolled_out && criterion.id.kind == "Deployment" && criterion.id.name == name
    });
    let by_status = criteria.iter().any(|criterion| {
        criterion.id.kind == "IstioControlPlane"
            && criterion.settled_for_s > 0
            && criterion.requires.iter().any(|value| value.value == "Available")
    });
    (!(by_image && by_rollout && by_status)).then(|| {
        blocks(
            "control-plane.unwatched",
            format!("the plan could count as healthy without Deployment {name} of image *{tag} rolled out and a settled status"),
            "the rules calisti.control-plane and calisti.istiod must ask for it: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}
