//! `meshfleet plan diff`: two clusters' plans beside each other, by the reasons that make them differ.

use proto::v1::{
    ComparedLeaf, ComparedObject, ComparedPlan, DiffPlansRequest, DiffPlansResponse, ExplainedLeaf,
};
use serde_json::{Value, json};

use super::{draw_rules, explain, json, named};
use crate::{
    args::PlanDiff,
    call::{Call, Outcome},
    failure::Failure,
    screen::{Piece, Screen, bad, counted, cut, faint, good, plain, strong},
};

/// Longest value that is shown, in characters: `-o json` has all of it.
const LONGEST_VALUE: usize = 200;

/// How many values of an object are shown.
const MOST: usize = 40;

/// `plan diff A B`.
pub async fn diff(call: &Call, arguments: PlanDiff) -> Result<Outcome, Failure> {
    let PlanDiff { one, other, detailed_exitcode } = arguments;
    let hub = call.hub().await?;
    let request = DiffPlansRequest { one, other };
    let answer = hub.plans().diff(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let names =
        || answer.objects.iter().map(|object| named(object.id.as_ref()).replacen(' ', "/", 1)).collect();
    call.answer(|screen| draw(screen, &answer), || to_json(&answer), names)?;
    let differs = answer.objects.iter().any(is_told);
    Ok(if detailed_exitcode && differs { Outcome::Differs } else { Outcome::Done })
}

/// Whether an object differs by more than variables.
fn is_told(object: &ComparedObject) -> bool {
    object.one != object.other || object.leaves.iter().any(|leaf| !leaf.variable)
}

fn draw(screen: &mut Screen, answer: &DiffPlansResponse) {
    let nobody = ComparedPlan::default();
    let [one, other] = [&answer.one, &answer.other].map(|side| side.as_ref().unwrap_or(&nobody));
    for (mark, side) in [(bad("- "), one), (good("+ "), other)] {
        let ComparedPlan { cluster, config, version, platform_detail } = side;
        let by = faint(format!("  {config} v{version}"));
        screen.line(2, &[mark, strong(cluster), plain(format!("  {platform_detail}")), by]);
    }
    let told: Vec<&ComparedObject> = answer.objects.iter().filter(|object| is_told(object)).collect();
    for object in &told {
        screen.blank();
        draw_object(screen, object, (one, other));
    }
    let variables =
        answer.objects.iter().flat_map(|object| &object.leaves).filter(|leaf| leaf.variable).count();
    screen.blank();
    if told.is_empty() {
        screen.line(2, &[good("the plans are the same"), plain(", but for what is each cluster's own")]);
    }
    if variables > 0 {
        let told =
            format!("not shown: {} that are each cluster's own (-o json)", counted(variables, "value"));
        screen.line(2, &[faint(told)]);
    }
    let leaves = told.iter().flat_map(|object| &object.leaves).filter(|leaf| !leaf.variable);
    let sides = leaves.flat_map(|leaf| [&leaf.one, &leaf.other]).flatten();
    let rules = sides.filter_map(|leaf| leaf.rule.as_ref()).filter(|rule| !rule.rule.is_empty());
    draw_rules(screen, rules, true);
}

fn draw_object(screen: &mut Screen, object: &ComparedObject, (one, other): (&ComparedPlan, &ComparedPlan)) {
    let ComparedObject { id, one: form, other: other_form, leaves } = object;
    let name = strong(named(id.as_ref()));
    match (form.as_str(), other_form.as_str()) {
        (form, "") => screen.line(2, &[bad("- "), name, plain(format!("  {}", only(one, form)))]),
        ("", form) => screen.line(2, &[good("+ "), name, plain(format!("  {}", only(other, form)))]),
        (form, other_form) if form == other_form => screen.line(2, &[plain("~ "), name]),
        (form, other_form) => {
            screen.line(
                2,
                &[plain("~ "), name, plain(format!("  {} here, {} there", word(form), word(other_form)))],
            );
        }
    }
    let told: Vec<&ComparedLeaf> = leaves.iter().filter(|leaf| !leaf.variable).collect();
    let (shown, more) = screen.fold(&told, MOST);
    for run in shown.chunk_by(|one, other| same_reasons(one, other)) {
        draw_reasons(screen, run[0]);
        for leaf in run {
            draw_leaf(screen, leaf);
        }
    }
    if more > 0 {
        screen.line(4, &[faint(format!("    … {more} more"))]);
    }
}

fn only(plan: &ComparedPlan, form: &str) -> String {
    format!("only in {}, {}", plan.cluster, word(form))
}

fn word(form: &str) -> &str {
    match form {
        "object" => "applied",
        "addition" => "fields of ours on what the installer makes",
        "template" => "in every namespace that is selected",
        "expectation" => "made by the installer, watched",
        other => other,
    }
}

/// Whether two values differ for the same reasons.
fn same_reasons(one: &ComparedLeaf, other: &ComparedLeaf) -> bool {
    let same = |one: &Option<ExplainedLeaf>, other: &Option<ExplainedLeaf>| match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => explain::same_origin(one, other),
        (None, Some(_)) | (Some(_), None) => false,
    };
    same(&one.one, &other.one) && same(&one.other, &other.other)
}

fn draw_reasons(screen: &mut Screen, leaf: &ComparedLeaf) {
    for (mark, side) in [(bad("  -"), &leaf.one), (good("  +"), &leaf.other)] {
        let Some(side) = side else { continue };
        let pieces: Vec<Piece> = [mark].into_iter().chain(explain::origin(side)).collect();
        screen.line(8, &pieces);
    }
}

fn draw_leaf(screen: &mut Screen, leaf: &ComparedLeaf) {
    let value = |side: &Option<ExplainedLeaf>| match side {
        Some(leaf) => plain(cut(&leaf.value, LONGEST_VALUE)),
        None => faint("absent"),
    };
    let path = [&leaf.one, &leaf.other].into_iter().flatten().next().map_or("", |leaf| &leaf.path);
    let path = plain(format!("      {path}: "));
    screen.line(10, &[path, value(&leaf.one), faint(" | "), value(&leaf.other)]);
}

fn to_json(answer: &DiffPlansResponse) -> Value {
    let DiffPlansResponse { one, other, objects } = answer;
    let side = |side: &Option<ComparedPlan>| {
        let ComparedPlan { cluster, config, version, platform_detail } = side.clone().unwrap_or_default();
        json!({"cluster": cluster, "config": config, "version": version, "platformDetail": platform_detail})
    };
    let leaf = |ComparedLeaf { one, other, variable }: &ComparedLeaf| {
        let side = |leaf: &Option<ExplainedLeaf>| leaf.as_ref().map(explain::leaf_to_json);
        json!({"one": side(one), "other": side(other), "variable": variable})
    };
    let object = |ComparedObject { id, one, other, leaves }: &ComparedObject| {
        json!({
            "id": json::id(id.as_ref()), "one": one, "other": other,
            "leaves": leaves.iter().map(leaf).collect::<Vec<_>>(),
        })
    };
    json!({"one": side(one), "other": side(other), "objects": objects.iter().map(object).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use proto::v1::{ObjectId, PlanReason};

    use super::*;
    use crate::screen::golden;

    fn leaf(path: &str, value: &str, rule: &str, fact: &str) -> Option<ExplainedLeaf> {
        let reason = PlanReason {
            rule: rule.to_owned(),
            reason: "OpenShift's pods get their networks from Multus".to_owned(),
            source: "the operator's documentation".to_owned(),
        };
        Some(ExplainedLeaf {
            path: path.to_owned(),
            value: value.to_owned(),
            origin: "rule".to_owned(),
            rule: Some(reason),
            fact: fact.to_owned(),
            ..ExplainedLeaf::default()
        })
    }

    fn answer() -> DiffPlansResponse {
        let plan = |cluster: &str, platform: &str| ComparedPlan {
            cluster: cluster.to_owned(),
            config: "payments".to_owned(),
            version: 4,
            platform_detail: platform.to_owned(),
        };
        let id = |kind: &str| ObjectId {
            kind: kind.to_owned(),
            version: "v1".to_owned(),
            name: "default".to_owned(),
            ..ObjectId::default()
        };
        let layer = |layer: &str, line, value: &str| ExplainedLeaf {
            path: ".spec.version".to_owned(),
            value: value.to_owned(),
            origin: "config".to_owned(),
            layer: layer.to_owned(),
            config_path: "istio.version".to_owned(),
            file: "mesh.yaml".to_owned(),
            line,
            ..ExplainedLeaf::default()
        };
        let istio = ComparedObject {
            id: Some(id("Istio")),
            one: "object".to_owned(),
            other: "object".to_owned(),
            leaves: vec![
                ComparedLeaf {
                    one: Some(layer("base", 8, r#""v1.30.2""#)),
                    other: Some(layer("canary", 22, r#""v1.30.3""#)),
                    variable: false,
                },
                ComparedLeaf {
                    one: leaf(".spec.values.global.network", r#""eks-eu""#, "sail.control-plane", ""),
                    other: leaf(".spec.values.global.network", r#""rosa-eu""#, "sail.control-plane", ""),
                    variable: true,
                },
            ],
        };
        let fact = "platform rosa";
        let cni = ComparedObject {
            id: Some(id("IstioCNI")),
            one: String::new(),
            other: "object".to_owned(),
            leaves: vec![
                ComparedLeaf {
                    one: None,
                    other: leaf(".spec.namespace", r#""istio-cni""#, "openshift.sail.cni", fact),
                    variable: false,
                },
                ComparedLeaf {
                    one: None,
                    other: leaf(".spec.version", r#""v1.30.3""#, "openshift.sail.cni", fact),
                    variable: false,
                },
            ],
        };
        DiffPlansResponse {
            one: Some(plan("eks-eu-1", "EKS, Kubernetes v1.33.4")),
            other: Some(plan("rosa-eu-1", "ROSA classic, OpenShift 4.20.5")),
            objects: vec![istio, cni],
        }
    }

    #[test]
    fn two_plans_read_well() {
        insta::assert_snapshot!("diff", golden(100, |screen| draw(screen, &answer())));
        let mut same = answer();
        same.objects.truncate(1);
        same.objects[0].leaves.remove(0);
        insta::assert_snapshot!("diff_of_the_same", golden(80, |screen| draw(screen, &same)));
        assert!(!same.objects.iter().any(is_told));
        insta::assert_snapshot!("diff_json", format!("{:#}", to_json(&same)));
    }
}
