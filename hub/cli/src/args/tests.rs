use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn usage_is_refused_without_asking_the_hub() {
    for line in [
        "meshfleet",
        "meshfleet aply -f x",
        "meshfleet apply",
        "meshfleet plan",
        "meshfleet plan payments --cluster ",
        "meshfleet plan payments --cluster *",
        "meshfleet plan payments --version 0",
        "meshfleet plan payments explain rosa-eu-1",
        "meshfleet plan explain",
        "meshfleet cluster enrol Rosa",
        "meshfleet rollout show latest",
        "meshfleet status -o toml",
        "meshfleet status a b",
        "meshfleet get mesh",
        "meshfleet get meshconfig/",
        "meshfleet delete",
        "meshfleet delete cluster a -f x",
        "meshfleet config show payments --effective",
        "meshfleet config diff payments",
        "meshfleet config unassign",
        "meshfleet config unassign a --preview --wait",
        "meshfleet cluster reconcile",
        "meshfleet cluster reconcile a --keep-hub --keep-spoke",
        "meshfleet cluster reconcile a --keep-spoke --confirm-deletions 3",
        "meshfleet admission",
        "meshfleet admission simulate",
        "meshfleet admission simulate -f pod.yaml",
        "meshfleet admission simulate -f pod.yaml --sccs a --namespace-file b --cases c",
        "meshfleet admission simulate -f pod.yaml --sccs a --namespace-file b --check",
        "meshfleet hub",
        "meshfleet hub epoch old",
        "meshfleet schema Mesh",
        "meshfleet completion ksh",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn what_is_right_is_taken() {
    for line in [
        "meshfleet plan payments --detailed-exitcode -o yaml",
        "meshfleet plan explain rosa-eu-1 IstioCNI/default .spec -o wide",
        "meshfleet -o json plan explain cluster/rosa-eu-1",
        "meshfleet plan explain rosa-eu-1 .spec --version v3",
        "meshfleet get",
        "meshfleet get MeshConfig payments",
        "meshfleet delete meshconfig/payments",
        "meshfleet delete -f a b",
        "meshfleet config show payments --effective --cluster rosa-eu-1",
        "meshfleet config unassign a b --confirm-deletions 4 --wait",
        "meshfleet cluster reconcile a",
        "meshfleet cluster reconcile a --keep-hub --confirm-deletions 3",
        "meshfleet admission simulate --cases cases.json --check -o json",
        "meshfleet admission simulate -f - --sccs a --namespace-file b --as ana --as-group dev --grant anyuid",
        "meshfleet hub epoch",
        "meshfleet hub epoch new",
        "meshfleet rollout abort rollout/3 --reason wrong",
        "meshfleet rollout start payments --strategy rolloutstrategy/careful",
        "meshfleet rollout list -w",
        "meshfleet schema MeshConfig",
        "meshfleet completion zsh",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn the_nearest_verb_is_said() {
    for (line, nearest) in [
        ("meshfleet aply", "apply"),
        ("meshfleet rollout stat payments", "start"),
        ("meshfleet cluster enroll a", "enrol"),
        ("meshfleet status -o jsn", "json"),
        ("meshfleet rollout start payments --strategi x", "--strategy"),
    ] {
        let said = parse(line).unwrap_err().to_string();
        assert!(said.contains(&format!("'{nearest}'")) && said.contains("similar"), "{said}");
    }
}

/// All commands that do something, by what is typed for them.
fn verbs(command: &clap::Command, typed: &str) -> Vec<(String, clap::Command)> {
    let typed = format!("{typed}{} ", command.get_name());
    let below = command.get_subcommands().flat_map(|verb| verbs(verb, &typed));
    let own = !command.is_subcommand_required_set() && command.get_name() != "help";
    own.then(|| (typed.trim_end().to_owned(), command.clone())).into_iter().chain(below).collect()
}

/// A command in which each quoted text is one word.
fn unquoted(command: &str) -> String {
    let parts = command.split('\'').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { "x" } else { part }).collect()
}

#[test]
fn every_verb_has_help_with_examples_that_are_right() {
    let verbs = verbs(&Arguments::command(), "");
    assert!(verbs.len() > 20, "{}", verbs.len());
    for (typed, verb) in verbs.into_iter().filter(|(typed, _)| typed != "meshfleet") {
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:\n"), "{typed} has no examples");
        assert!(verb.get_about().is_some(), "{typed} says nothing of itself");
        let examples = help.lines().filter_map(|line| line.split_once("meshfleet ").map(|(_, words)| words));
        for example in examples {
            // A remark stands three spaces or more behind; quoted words count as one.
            let command =
                example.split("  ").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
            let command = command.split(" | ").next().unwrap_or_default();
            let line = format!("meshfleet {}", unquoted(command));
            assert!(parse(&line).is_ok(), "{typed}: {line}: {}", parse(&line).unwrap_err());
        }
        let long = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{typed}");
    }
}

#[test]
fn places_are_taken_as_plans_print_them() {
    for (line, object, path) in [
        ("a", "", ""),
        ("a .spec", "", ".spec"),
        ("a IstioCNI/default", "IstioCNI/default", ""),
        ("a IstioCNI/default .spec", "IstioCNI/default", ".spec"),
    ] {
        let arguments = parse(&format!("meshfleet plan explain {line}")).unwrap();
        let Command::Plan(Plan { verb: Some(PlanVerb::Explain(explain)), .. }) = arguments.command else {
            panic!("{line}")
        };
        assert_eq!(explain.places(), (object.to_owned(), path.to_owned()));
    }
}
