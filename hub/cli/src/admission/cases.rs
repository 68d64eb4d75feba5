//! Files of cases: all judged, and on wish compared with the verdicts that stand in them.

use std::path::Path;

use hub_admission::{
    Verdict,
    case::{Answer, Case, File},
};
use serde_json::{Value, json};

use super::read;
use crate::{
    call::{Call, Outcome},
    failure::Failure,
    screen::{Piece, Screen, bad, counted, faint, good, or_dash, plain},
};

/// A case with its answer.
struct Judged<'a> {
    answer: Answer,
    /// Why not, where it is refused.
    reason: String,
    /// What differs from the verdict in the file; none where there is no verdict, or nobody compares.
    differs: Option<Vec<&'static str>>,
    case: &'a Case,
}

/// Judges every case of a file.
pub fn judge(call: &Call, path: &Path, check: bool) -> Result<Outcome, Failure> {
    let (name, text) = read(path)?;
    let file: File = serde_json::from_str(&text).map_err(|source| Failure::manifest(name.clone(), source))?;
    let verdicts = file.judge().map_err(|source| Failure::manifest(name, source))?;
    let judged = all(&verdicts, check);
    tell(call, &judged, check)?;
    let differ =
        judged.iter().any(|judged| judged.differs.as_ref().is_some_and(|differs| !differs.is_empty()));
    Ok(if differ { Outcome::Differs } else { Outcome::Done })
}

fn all<'a>(verdicts: &[(&'a Case, Verdict)], check: bool) -> Vec<Judged<'a>> {
    let judged = |(case, verdict): &(&'a Case, Verdict)| {
        let answer = Answer::new(&case.id, verdict);
        let compared = case.verdict.as_ref().filter(|_| check);
        let differs = compared.map(|expected| answer.differs_in(expected));
        Judged { answer, reason: super::reason(&verdict.decision).unwrap_or_default(), differs, case }
    };
    verdicts.iter().map(judged).collect()
}

/// Programs get a line for each case; people a table, or where they compare, only what differs.
fn tell(call: &Call, judged: &[Judged<'_>], check: bool) -> Result<(), Failure> {
    if call.is_for_people() {
        return call.answer(|screen| draw(screen, judged, check), || Value::Null, Vec::new);
    }
    for one in judged {
        match call.event(|_| {}, || to_json(one), || vec![one.answer.id.clone()]) {
            Err(failure) if failure.is_closed_pipe() => return Ok(()),
            told => told?,
        }
    }
    Ok(())
}

fn to_json(judged: &Judged<'_>) -> Value {
    let Answer { id, admitted, scc, subject, mutated } = &judged.answer;
    let mut line =
        json!({"id": id, "admitted": admitted, "scc": scc, "subject": subject, "mutated": mutated});
    if let Some(differs) = &judged.differs {
        line["differs"] = json!(differs);
    }
    line
}

fn draw(screen: &mut Screen, judged: &[Judged<'_>], check: bool) {
    if check {
        return draw_check(screen, judged);
    }
    let row = |judged: &Judged<'_>| {
        let answer = &judged.answer;
        let admitted = if answer.admitted { good("yes") } else { bad("no") };
        let scc = plain(or_dash(answer.scc.as_deref().unwrap_or_default()));
        let subject = plain(or_dash(answer.subject.unwrap_or_default()));
        vec![plain(&answer.id), admitted, scc, subject, faint(&judged.reason)]
    };
    let rows: Vec<Vec<Piece>> = judged.iter().map(row).collect();
    screen.columns(&["ID", "ADMITTED", "SCC", "SUBJECT", "WHY NOT"], &rows);
    let admitted = judged.iter().filter(|judged| judged.answer.admitted).count();
    screen.blank();
    screen.line(2, &[plain(format!("{}, {admitted} admitted", counted(judged.len(), "case")))]);
}

fn draw_check(screen: &mut Screen, judged: &[Judged<'_>]) {
    let compared = || judged.iter().filter_map(|judged| Some((judged, judged.differs.as_ref()?)));
    for (judged, differs) in compared().filter(|(_, differs)| !differs.is_empty()) {
        screen.line(
            2,
            &[bad("DIFFERS  "), plain(&judged.answer.id), faint(format!("  in {}", differs.join(", ")))],
        );
        let here = to_json(judged);
        let expected = judged.case.verdict.as_ref();
        for what in differs {
            let there = expected.map_or(Value::Null, |expected| match *what {
                "admitted" => json!(expected.admitted),
                "scc" => json!(expected.scc),
                "subject" => json!(expected.subject),
                _ => expected.mutated.clone(),
            });
            screen.line(6, &[plain(format!("  {what}: {} here, {there} in the file", here[*what]))]);
        }
    }
    let (all, agree) = (compared().count(), compared().filter(|(_, differs)| differs.is_empty()).count());
    screen.blank();
    screen.line(2, &[plain(format!("{agree} of {} agree", counted(all, "verdict")))]);
    if all < judged.len() {
        screen.line(2, &[faint(format!("{} without a verdict", counted(judged.len() - all, "case")))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    /// Three cases that need no SCC at all, with verdicts of which one is right, one wrong and one missing.
    const FILE: &str = r#"{"meta": {}, "cases": [
        {"id": "exempt", "namespace": {"name": "kube-system"}, "pod": {"spec": {}},
         "verdict": {"admitted": true, "scc": null, "subject": null, "mutated": {}}},
        {"id": "no-sccs", "namespace": {"name": "team-a"}, "pod": {"spec": {}},
         "verdict": {"admitted": true, "scc": "anyuid", "subject": "user", "mutated": {}}},
        {"id": "unasked", "namespace": {"name": "default"}, "pod": {"spec": {}}}]}"#;

    fn shown(check: bool) -> (String, Vec<Value>) {
        let file: File = serde_json::from_str(FILE).unwrap();
        let verdicts = file.judge().unwrap();
        let judged = all(&verdicts, check);
        (golden(120, |screen| draw(screen, &judged, check)), judged.iter().map(to_json).collect())
    }

    #[test]
    fn cases_are_a_table() {
        insta::assert_snapshot!(shown(false).0);
    }

    #[test]
    fn what_differs_from_the_file_is_shown() {
        insta::assert_snapshot!(shown(true).0);
    }

    #[test]
    fn a_line_of_json_has_five_fields_and_with_a_check_what_differs() {
        let line = json!({"id": "exempt", "admitted": true, "scc": null, "subject": null, "mutated": {}});
        assert_eq!(shown(false).1[0], line);
        assert_eq!(shown(true).1[1]["differs"], json!(["admitted", "scc", "subject"]));
    }
}
