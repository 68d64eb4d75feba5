//! `meshfleet diff -f`: what `apply` would change, leaf by leaf. The versions of a config are compared in the same
//! words.

use proto::v1::{ApplyDocumentsRequest, DiffDocumentsResponse, DocumentChange, DocumentDiff};
use serde_json::{Value, json};

use super::{mistakes_to_json, read_all, reference, refuse, titled};
use crate::{
    args::Files,
    call::{Call, Outcome, yaml},
    failure::Failure,
    plan::json::value,
    screen::{Screen, Tone, bad, counted, cut, faint, good, plain, warning},
};

/// Longest value that is shown, in characters: `-o json` has all of it.
const LONGEST_VALUE: usize = 300;

/// `diff -f`.
pub async fn diff(call: &Call, arguments: &Files) -> Result<Outcome, Failure> {
    let files = read_all(&arguments.files)?;
    let hub = call.hub().await?;
    let answer = hub.documents().diff(ApplyDocumentsRequest { files }).await;
    let answer = answer.map_err(|status| hub.refused(&status))?.into_inner();
    let json = || to_json(&answer);
    if !answer.mistakes.is_empty() {
        return refuse(call, &answer.mistakes, "`apply` would store nothing", json);
    }
    call.answer(|screen| draw(screen, &answer.diffs), json, || names(&answer.diffs))?;
    Ok(if answer.diffs.iter().any(differs) { Outcome::Differs } else { Outcome::Done })
}

fn differs(diff: &DocumentDiff) -> bool {
    diff.result != "unchanged"
}

fn names(diffs: &[DocumentDiff]) -> Vec<String> {
    diffs.iter().filter(|diff| differs(diff)).map(|diff| reference(&diff.kind, &diff.name)).collect()
}

fn draw(screen: &mut Screen, diffs: &[DocumentDiff]) {
    for DocumentDiff { kind, name, result, version, changes } in diffs {
        screen.line(2, &titled(kind, name, *version, &would(result)));
        match changes.as_slice() {
            [whole] if whole.path.is_empty() => draw_new(screen, whole),
            _ => draw_changes(screen, changes),
        }
    }
    let count = diffs.iter().filter(|diff| differs(diff)).count();
    screen.blank();
    if count == 0 {
        screen.line(2, &[good("no difference"), plain(": the hub has these documents as they are")]);
        return;
    }
    let sum = format!("{} of {} would change: ", count, counted(diffs.len(), "document"));
    screen.line(2, &[plain(sum), plain("store with `meshfleet apply -f`")]);
}

/// Nothing is done yet.
fn would(result: &str) -> String {
    if result == "unchanged" { result.to_owned() } else { format!("would be {result}") }
}

/// A document that the hub does not have: all of it, as it would be stored.
fn draw_new(screen: &mut Screen, whole: &DocumentChange) {
    const MOST: usize = 60;
    let text = yaml(&value(&whole.new));
    let lines: Vec<&str> = text.lines().collect();
    let (shown, more) = screen.fold(&lines, MOST);
    for line in shown {
        screen.block(2, &format!("+ {line}"), Tone::Good);
    }
    if more > 0 {
        screen.line(4, &[faint(format!("  … {more} more"))]);
    }
}

/// Leaves that differ: in one line where there is room, else old and new one below the other.
pub fn draw_changes(screen: &mut Screen, changes: &[DocumentChange]) {
    const MOST: usize = 40;
    let (shown, more) = screen.fold(changes, MOST);
    for DocumentChange { path, old, new } in shown {
        let [old, new] = [old, new].map(|value| cut(value, LONGEST_VALUE));
        let title = |mark: char, tone| crate::screen::Piece::new(format!("  {mark} {path}"), tone);
        let room = screen.width().saturating_sub(path.chars().count() + 12);
        match (old.is_empty(), new.is_empty()) {
            (true, _) => screen.line(6, &[title('+', Tone::Good), plain(": "), plain(new)]),
            (false, true) => screen.line(6, &[title('-', Tone::Bad), plain(": "), faint(old)]),
            _ if old.chars().count() + new.chars().count() < room => {
                let pieces = [title('~', Tone::Warning), plain(": "), faint(old), faint(" -> "), plain(new)];
                screen.line(6, &pieces);
            }
            _ => {
                screen.line(6, &[title('~', Tone::Warning)]);
                screen.line(8, &[bad("      - "), faint(old)]);
                screen.line(8, &[warning("      + "), plain(new)]);
            }
        }
    }
    if more > 0 {
        screen.line(4, &[faint(format!("  … {more} more"))]);
    }
}

fn to_json(answer: &DiffDocumentsResponse) -> Value {
    let diff = |DocumentDiff { kind, name, result, version, changes }: &DocumentDiff| {
        json!({
            "kind": kind, "name": name, "result": result, "version": version, "changes": changes_to_json(changes),
        })
    };
    let diffs: Vec<Value> = answer.diffs.iter().map(diff).collect();
    json!({"diffs": diffs, "mistakes": mistakes_to_json(&answer.mistakes)})
}

/// Leaves that differ, as JSON.
pub fn changes_to_json(changes: &[DocumentChange]) -> Vec<Value> {
    let change = |DocumentChange { path, old, new }: &DocumentChange| json!({"path": path, "old": value(old), "new": value(new)});
    changes.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    fn changes() -> Vec<DocumentChange> {
        let change = |path: &str, old: &str, new: &str| DocumentChange {
            path: path.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        vec![
            change("spec.base.istio.version", r#""v1.29.6""#, r#""v1.30.2""#),
            change("spec.layers[production].set.values.istiod.pilot.autoscaleMin", "", "3"),
            change("spec.base.values.istiod.pilot.env.X", r#""1""#, ""),
            change(
                "spec.base.dataPlane.namespaces.matchExpressions",
                r#"[{"key":"team","operator":"In","values":["payments"]}]"#,
                r#"[{"key":"team","operator":"In","values":["payments","ledger"]}]"#,
            ),
        ]
    }

    fn whole() -> DocumentChange {
        let new = r#"{"kind":"Cluster","metadata":{"labels":{"env":"staging"},"name":"eks-eu-1"},"spec":{}}"#;
        DocumentChange { path: String::new(), old: "{}".to_owned(), new: new.to_owned() }
    }

    fn diffs() -> Vec<DocumentDiff> {
        let diff = |kind: &str, name: &str, result: &str, version, changes| DocumentDiff {
            kind: kind.to_owned(),
            name: name.to_owned(),
            result: result.to_owned(),
            version,
            changes,
        };
        vec![
            diff("MeshConfig", "payments", "configured", 4, changes()),
            diff("Cluster", "eks-eu-1", "created", 0, vec![whole()]),
            diff("RolloutStrategy", "careful", "unchanged", 0, Vec::new()),
        ]
    }

    #[test]
    fn differences_are_said_leaf_by_leaf() {
        insta::assert_snapshot!("diff", golden(120, |screen| draw(screen, &diffs())));
        insta::assert_snapshot!("diff_at_80_columns", golden(80, |screen| draw(screen, &diffs())));
        assert_eq!(names(&diffs()), ["meshconfig/payments", "cluster/eks-eu-1"]);
    }

    #[test]
    fn no_difference_is_said() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &diffs()[2..])));
    }

    #[test]
    fn json_has_stable_names() {
        let mut diffs = diffs();
        diffs.truncate(1);
        diffs[0].changes.truncate(2);
        insta::assert_snapshot!(format!("{:#}", to_json(&DiffDocumentsResponse { diffs, mistakes: vec![] })));
    }
}
