//! Adoption: what a rollout would do with objects that exist and that somebody else made. The spoke decides at the moment
//! of writing; here the same is said beforehand, from what a probe found.

use crate::{
    config::Adopt,
    plan::{Finding, ObjectId, Severity},
    probe::{Answer, Question, Sight},
};

/// Paths that are named; the others are counted.
const NAMED_PATHS: usize = 8;

/// What a rollout would do with an object that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// Which.
    pub id: ObjectId,
    /// For people: what would be done, and who holds it.
    pub text: String,
}

/// What a probe means for a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Objects that exist and are not ours, in the order of the question.
    pub adoptions: Vec<Adoption>,
    /// What stands against the rollout.
    pub findings: Vec<Finding>,
}

/// Judges what was found. Only objects that were asked for count.
#[must_use]
pub fn judge(adopt: Adopt, question: &Question, answer: &Answer) -> Judgement {
    let mut judgement = Judgement::default();
    for asked in &question.objects {
        match answer.sight(&asked.id) {
            Some(Sight::Absent | Sight::Ours) => {}
            Some(Sight::Foreign { managers, differs }) => {
                let (text, finding) = foreign(adopt, &asked.id, managers, differs);
                judgement.adoptions.push(Adoption { id: asked.id.clone(), text });
                judgement.findings.extend(finding);
            }
            Some(Sight::Untold(why)) => judgement.findings.push(untold(&asked.id, why)),
            None => judgement.findings.push(untold(&asked.id, "its spoke did not say")),
        }
    }
    judgement
}

fn foreign(
    adopt: Adopt,
    id: &ObjectId,
    managers: &[String],
    differs: &[String],
) -> (String, Option<Finding>) {
    let held = held_by(managers);
    match (adopt, differs) {
        (Adopt::Never, []) => {
            (format!("left alone: {held}; it is as planned"), Some(required(id, &held, differs)))
        }
        (Adopt::Never, _) => {
            let text = format!("left alone: {held}; it differs in {}", paths(differs));
            (text, Some(required(id, &held, differs)))
        }
        (Adopt::IfNoDiff | Adopt::Always, []) => (format!("taken over without a change: {held}"), None),
        (Adopt::IfNoDiff, _) => {
            let text = format!("left alone: {held}; it differs in {}", paths(differs));
            (text, Some(differing(id, &held, differs)))
        }
        (Adopt::Always, _) => (format!("taken over, which changes {}: {held}", paths(differs)), None),
    }
}

fn required(id: &ObjectId, held: &str, differs: &[String]) -> Finding {
    let hint = if differs.is_empty() {
        "write `adopt: IfNoDiff` in the MeshConfig: it is taken over without a change".to_owned()
    } else {
        format!(
            "make it as planned in {} and write `adopt: IfNoDiff` in the MeshConfig, or `adopt: Always` to have it changed",
            paths(differs)
        )
    };
    Finding {
        rule: "adoption.required".to_owned(),
        severity: Severity::Blocks,
        message: format!("{id} exists and is not ours: {held}"),
        hint,
    }
}

fn differing(id: &ObjectId, held: &str, differs: &[String]) -> Finding {
    Finding {
        rule: "adoption.differs".to_owned(),
        severity: Severity::Blocks,
        message: format!("{id} exists, is not ours and differs in {}: {held}", paths(differs)),
        hint: "make it as planned, or write `adopt: Always` in the MeshConfig to have it changed".to_owned(),
    }
}

fn untold(id: &ObjectId, why: &str) -> Finding {
    Finding {
        rule: "adoption.unknown".to_owned(),
        severity: Severity::Warns,
        message: format!("whether {id} exists already could not be told: {why}"),
        hint: "a rollout leaves alone what is not ours, unless `adopt` of the MeshConfig says otherwise"
            .to_owned(),
    }
}

fn held_by(managers: &[String]) -> String {
    match managers {
        [] => "nobody holds a field of it".to_owned(),
        [one] => format!("held by {one}"),
        many => format!("held by {}", many.join(", ")),
    }
}

fn paths(differs: &[String]) -> String {
    let named = differs.iter().take(NAMED_PATHS).cloned().collect::<Vec<_>>().join(", ");
    match differs.len().saturating_sub(NAMED_PATHS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
