//! Every way of adopting against what may be found.

use super::*;
use crate::{
    digest::Digest,
    probe::{Asked, Found},
};

fn id(name: &str) -> ObjectId {
    let text = str::to_owned;
    ObjectId {
        group: text("sailoperator.io"),
        version: text("v1"),
        kind: text("Istio"),
        namespace: String::new(),
        name: text(name),
    }
}

fn question(names: &[&str]) -> Question {
    let objects = names.iter().map(|name| Asked { id: id(name), manifest: "{}".to_owned() }).collect();
    Question { plan: Digest::of(b"plan"), objects, needs: Vec::new() }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What is said of one object that somebody else made: the adoption, and the findings with what they ask for.
fn check(adopt: Adopt, managers: &[&str], differs: &[&str], text: &str, findings: &[&str]) {
    let sight = Sight::Foreign { managers: texts(managers), differs: texts(differs) };
    let answer = Answer { objects: vec![Found { id: id("default"), sight }], rights: Vec::new() };
    let judgement = judge(adopt, &question(&["default"]), &answer);
    assert_eq!(judgement.adoptions, [Adoption { id: id("default"), text: text.to_owned() }]);
    let said: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| {
            format!("{:?} {}: {} ({})", finding.severity, finding.rule, finding.message, finding.hint)
        })
        .collect();
    assert_eq!(said, findings);
}

#[test]
fn never_blocks_and_says_how_to_take_it_over() {
    check(
        Adopt::Never,
        &["helm", "kubectl"],
        &[],
        "left alone: held by helm, kubectl; it is as planned",
        &[
            "Blocks adoption.required: Istio default exists and is not ours: held by helm, kubectl (write `adopt: \
          IfNoDiff` in the MeshConfig: it is taken over without a change)",
        ],
    );
    check(
        Adopt::Never,
        &["helm"],
        &[".spec.version"],
        "left alone: held by helm; it differs in .spec.version",
        &[
            "Blocks adoption.required: Istio default exists and is not ours: held by helm (make it as planned in \
          .spec.version and write `adopt: IfNoDiff` in the MeshConfig, or `adopt: Always` to have it changed)",
        ],
    );
}

#[test]
fn if_no_diff_takes_over_what_it_does_not_change_and_blocks_the_rest() {
    check(Adopt::IfNoDiff, &["helm"], &[], "taken over without a change: held by helm", &[]);
    check(
        Adopt::IfNoDiff,
        &["helm"],
        &[".spec.version", ".spec.namespace"],
        "left alone: held by helm; it differs in .spec.version, .spec.namespace",
        &["Blocks adoption.differs: Istio default exists, is not ours and differs in .spec.version, \
          .spec.namespace: held by helm (make it as planned, or write `adopt: Always` in the MeshConfig to have it \
          changed)"],
    );
}

#[test]
fn always_says_which_fields_change() {
    check(Adopt::Always, &[], &[], "taken over without a change: nobody holds a field of it", &[]);
    let many: Vec<String> = (0..10).map(|index| format!(".f{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text = "taken over, which changes .f0, .f1, .f2, .f3, .f4, .f5, .f6, .f7 and 2 more: held by helm";
    check(Adopt::Always, &["helm"], &many, text, &[]);
}

#[test]
fn what_is_absent_or_ours_is_no_adoption_and_what_nobody_asked_for_counts_nothing() {
    let foreign = || Sight::Foreign { managers: Vec::new(), differs: Vec::new() };
    let found = |name: &str, sight| Found { id: id(name), sight };
    let objects = vec![found("a", Sight::Absent), found("b", Sight::Ours), found("c", foreign())];
    assert_eq!(
        judge(Adopt::Never, &question(&["a", "b"]), &Answer { objects, rights: Vec::new() }),
        Judgement::default()
    );
}

#[test]
fn what_could_not_be_told_is_a_warning() {
    let objects = vec![Found { id: id("a"), sight: Sight::Untold("forbidden".to_owned()) }];
    let judgement = judge(Adopt::Never, &question(&["a", "b"]), &Answer { objects, rights: Vec::new() });
    let said: Vec<(Severity, &str)> =
        judgement.findings.iter().map(|finding| (finding.severity, finding.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (Severity::Warns, "whether Istio a exists already could not be told: forbidden"),
            (Severity::Warns, "whether Istio b exists already could not be told: its spoke did not say"),
        ]
    );
    assert!(judgement.adoptions.is_empty());
}
