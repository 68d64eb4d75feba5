//! `meshfleet plan explain`: why is this byte here. Of each value its layer and line, or the rule with the fact that
//! brought it in, or the override with its owner.

use proto::v1::{ExplainPlanRequest, ExplainPlanResponse, ExplainedLeaf, ExplainedObject, ObjectId};
use serde_json::{Value, json};

use super::{draw_rules, json::value, named};
use crate::{
    args::Explain,
    call::{Call, Outcome},
    config::written_in,
    failure::Failure,
    screen::{Piece, Screen, bad, cut, faint, good, plain, strong, warning},
};

/// Longest value that is shown, in characters: `-o json` has all of it.
const LONGEST_VALUE: usize = 200;

/// How many values of an object are shown where all objects were asked for.
const MOST: usize = 60;

/// `plan explain CLUSTER [OBJECT] [PATH]`.
pub async fn explain(call: &Call, arguments: Explain) -> Result<Outcome, Failure> {
    let (object, path) = arguments.places();
    let request = ExplainPlanRequest {
        cluster: arguments.cluster,
        version: arguments.version.unwrap_or(0),
        object: object.clone(),
        path: path.clone(),
    };
    let hub = call.hub().await?;
    let answer = hub.plans().explain(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let nothing = answer.objects.iter().all(|object| object.leaves.is_empty());
    let names = || answer.objects.iter().map(|object| slashed(object.id.as_ref())).collect();
    let draw = |screen: &mut Screen| match nothing {
        true => draw_nothing(screen, &answer, &object, &path),
        false => draw(screen, &answer),
    };
    call.answer(draw, || to_json(&answer), names)?;
    Ok(if nothing { Outcome::Failed } else { Outcome::Done })
}

/// `Kind/namespace/name`, as it is typed.
fn slashed(id: Option<&ObjectId>) -> String {
    named(id).replacen(' ', "/", 1)
}

fn draw_title(screen: &mut Screen, answer: &ExplainPlanResponse) {
    let ExplainPlanResponse { cluster, config, version, platform_detail, objects: _ } = answer;
    screen.line(2, &[strong(cluster), plain(format!("  {platform_detail}"))]);
    screen.line(2, &[faint(format!("{config} v{version}"))]);
}

fn draw_nothing(screen: &mut Screen, answer: &ExplainPlanResponse, object: &str, path: &str) {
    draw_title(screen, answer);
    let what = match (object, path) {
        ("", "") => "the plan has no object".to_owned(),
        (object, "") => format!("the plan has no object {object}"),
        ("", path) => format!("no object of the plan has a value at {path}"),
        (object, path) => format!("the plan has no object {object} with a value at {path}"),
    };
    screen.blank();
    screen.line(2, &[bad(what)]);
    screen.line(2, &[plain("its objects are listed by:")]);
    screen.command(format!("meshfleet plan explain {} -o name", answer.cluster));
}

fn draw(screen: &mut Screen, answer: &ExplainPlanResponse) {
    draw_title(screen, answer);
    for object in &answer.objects {
        screen.blank();
        screen.line(2, &[strong(named(object.id.as_ref())), faint(form(&object.form))]);
        draw_leaves(screen, &object.leaves);
    }
    let leaves = answer.objects.iter().flat_map(|object| &object.leaves);
    let rules = leaves.filter_map(|leaf| leaf.rule.as_ref()).filter(|rule| !rule.rule.is_empty());
    draw_rules(screen, rules, true);
}

fn form(form: &str) -> String {
    match form {
        "" | "object" => String::new(),
        "addition" => "  fields of ours on what the installer makes".to_owned(),
        "template" => "  in every namespace that is selected".to_owned(),
        "expectation" => "  made by the installer, watched".to_owned(),
        other => format!("  {other}"),
    }
}

/// Values in their order, those with one origin together. What only makes it an object of its kind stands in one line
/// at the end.
fn draw_leaves(screen: &mut Screen, leaves: &[ExplainedLeaf]) {
    let (structural, told): (Vec<_>, Vec<_>) = leaves.iter().partition(|leaf| leaf.origin == "structural");
    let (shown, more) = screen.fold(&told, MOST);
    for run in shown.chunk_by(|one, other| same_origin(one, other)) {
        screen.line(6, &origin(run[0]));
        for leaf in run {
            let value = cut(&leaf.value, LONGEST_VALUE);
            screen.line(8, &[plain("    "), plain(&leaf.path), faint(" = "), plain(value)]);
        }
    }
    if more > 0 {
        screen.line(4, &[faint(format!("  … {more} more"))]);
    }
    // Alone, it is what was asked for.
    if told.is_empty() {
        for leaf in &structural {
            let value = cut(&leaf.value, LONGEST_VALUE);
            screen.line(8, &[plain("    "), plain(&leaf.path), faint(" = "), plain(value)]);
        }
    }
    if !structural.is_empty() {
        let paths: Vec<&str> = structural.iter().map(|leaf| leaf.path.as_str()).collect();
        let paths = if told.is_empty() { String::new() } else { format!(": {}", paths.join(", ")) };
        screen.line(6, &[faint("  structural, as every object of its kind has it"), faint(paths)]);
    }
}

/// Whether two values came from one rule, or from one place of one layer.
pub fn same_origin(one: &ExplainedLeaf, other: &ExplainedLeaf) -> bool {
    let key = |leaf: &ExplainedLeaf| {
        let ExplainedLeaf { path: _, value: _, origin, layer, config_path, file, line, rule, fact, note } =
            leaf.clone();
        (origin, layer, config_path, (file, line), rule.map(|rule| rule.rule), fact, note)
    };
    key(one) == key(other)
}

/// Where a value comes from, in one line.
pub fn origin(leaf: &ExplainedLeaf) -> Vec<Piece> {
    let ExplainedLeaf { origin, layer, config_path, file, line, rule, fact, note, .. } = leaf;
    let rule = rule.as_ref().map(|rule| rule.rule.as_str()).unwrap_or_default();
    let place = match written_in(file, *line).as_str() {
        "" => String::new(),
        place => format!("  {place}"),
    };
    match origin.as_str() {
        "config" => {
            let through = if rule.is_empty() { String::new() } else { format!("  by rule {rule}") };
            let layer = match layer.as_str() {
                "cluster" => "the cluster's".to_owned(),
                "base" => "base ".to_owned(),
                "default" => "default of".to_owned(),
                layer => format!("layer {layer} "),
            };
            vec![good(format!("  {layer}")), plain(format!(" {config_path}")), plain(place), faint(through)]
        }
        "rule" => {
            let fact = match fact.as_str() {
                "" => ", everywhere".to_owned(),
                fact => format!(", because of {fact}"),
            };
            vec![strong(format!("  rule {rule}")), plain(fact)]
        }
        "override" => {
            let past = if rule.is_empty() { String::new() } else { format!(" past rule {rule}") };
            vec![warning(format!("  OVERRIDE{past}")), plain(format!("  {note}")), plain(place)]
        }
        other => vec![plain(format!("  {other}")), plain(format!("  {note}"))],
    }
}

fn to_json(answer: &ExplainPlanResponse) -> Value {
    let ExplainPlanResponse { cluster, config, version, platform_detail, objects } = answer;
    let object = |ExplainedObject { id, form, leaves }: &ExplainedObject| {
        json!({
            "id": super::json::id(id.as_ref()), "form": form,
            "leaves": leaves.iter().map(leaf_to_json).collect::<Vec<_>>(),
        })
    };
    json!({
        "cluster": cluster, "config": config, "version": version, "platformDetail": platform_detail,
        "objects": objects.iter().map(object).collect::<Vec<_>>(),
    })
}

/// A value with its reason.
pub fn leaf_to_json(leaf: &ExplainedLeaf) -> Value {
    let ExplainedLeaf { path, value: text, origin, layer, config_path, file, line, rule, fact, note } = leaf;
    json!({
        "path": path, "value": value(text), "origin": origin, "layer": layer, "configPath": config_path,
        "file": file, "line": line, "rule": rule.as_ref().map(super::json::reason), "fact": fact, "note": note,
    })
}

#[cfg(test)]
mod tests;
