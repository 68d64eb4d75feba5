//! The verdicts of a real server, repeated: whether a pod is let in, under which SCC, through whom, and every value that is
//! filled in.

use std::io::Read;

use flate2::read::GzDecoder;
use hub_admission::{
    Decision, MayUse, Refusal, Verdict,
    case::{Answer, File},
    look::Became,
    manifest,
    usable::Subject,
};
use serde_json::Value;

const CASES: &[u8] = include_bytes!("scc-cases.json.gz");

fn text() -> String {
    let mut text = String::new();
    GzDecoder::new(CASES).read_to_string(&mut text).expect("an intact archive of UTF-8");
    text
}

fn file() -> File {
    serde_json::from_str(&text()).expect("a file of cases")
}

#[test]
fn every_verdict_of_the_server_is_repeated() {
    let file = file();
    let verdicts = file.judge().expect("whole cases");
    let mut differing = Vec::new();
    for (case, verdict) in &verdicts {
        let expected = case.verdict.as_ref().expect("the server's verdict");
        let answer = Answer::new(&case.id, verdict);
        let differs = answer.differs_in(expected);
        if !differs.is_empty() {
            differing.push(format!(
                "{}: {differs:?}\n  here   {answer:?}\n  server {expected:?}\n  {:?}",
                case.id, verdict.decision
            ));
        }
    }
    assert!(verdicts.len() > 1000, "the cases were not read");
    let agreed = verdicts.len() - differing.len();
    assert!(differing.is_empty(), "{agreed} of {} agree\n{}", verdicts.len(), differing.join("\n"));
}

#[test]
fn sccs_are_tried_in_the_servers_order() {
    let file = file();
    for (set, expected) in file.meta.scc_order.iter().filter(|(_, order)| !order.is_empty()) {
        let named = (set != "default").then_some(set.as_str());
        let cluster = file.meta.cluster(named).expect("a set of the file");
        let order: Vec<&str> = cluster.sccs().iter().map(|scc| &*scc.name).collect();
        assert_eq!(order, *expected, "{set}");
    }
}

/// Beside its verdicts the server kept, in its audit log, which SCCs nobody might use, which failed and which the final
/// check used. Where a webhook came between, the log mixes two looks, so those cases are left out.
#[test]
fn every_trial_of_the_server_is_repeated() {
    let (text, file) = (text(), file());
    let raw: Value = serde_json::from_str(&text).expect("JSON");
    let verdicts = file.judge().expect("whole cases");
    let mut compared = 0;
    for ((case, verdict), raw) in verdicts.iter().zip(raw["cases"].as_array().expect("cases")) {
        let (expected, tried) = (&raw["verdict"], &raw["verdict"]["tried"]);
        if case.webhook.is_some() || tried.is_null() {
            continue;
        }
        compared += 1;
        let mut failed = names(verdict, |became| matches!(became, Became::TooRestrictive(_)));
        failed.sort_unstable();
        let keys: Vec<&str> =
            tried["failed"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(failed, keys, "{}", case.id);
        assert_eq!(
            names(verdict, |became| *became == Became::NotUsable),
            strings(&tried["notUsable"]),
            "{}",
            case.id
        );
        let hinted =
            expected["message"].as_str().is_some_and(|said| said.contains("no access to scc/restricted"));
        let refusal = Refusal::NoneFits { restricted_would_do: true };
        assert_eq!(verdict.decision == Decision::Refused(refusal), hinted, "{}", case.id);
    }
    assert!(compared > 1000, "{compared} compared");
}

/// The server was asked who may use what. Where the grant is a binding of an SCC to the account or the user, or the SCC
/// names them, the same comes out here.
#[test]
fn who_may_use_what_is_what_the_server_said() {
    let (text, file) = (text(), file());
    let raw: Value = serde_json::from_str(&text).expect("JSON");
    let mut compared = 0;
    for (case, raw) in file.cases.iter().zip(raw["cases"].as_array().expect("cases")) {
        let (bindings, creator) = (&raw["bindings"], &raw["as"]);
        if !bindings["rbac"].is_null() {
            continue;
        }
        compared += 1;
        let cluster = file.meta.cluster(case.custom_sccs.as_deref()).expect("a set of the file");
        let owned = |list: &Value| strings(list).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let granted = MayUse {
            service_account: owned(&bindings["serviceAccount"]).into_iter().collect(),
            user: owned(&bindings["user"]).into_iter().collect(),
        };
        let account = Subject::service_account(&case.namespace.name, &case.pod.spec.service_account_name);
        let user = Subject::user(creator["user"].as_str().expect("a name"), owned(&creator["groups"]));
        let may_use = manifest::may_use(&cluster, &account, &user, granted);
        assert_eq!(may_use, case.bindings.may_use, "{}", case.id);
    }
    assert!(compared > 1000, "{compared} compared");
}

fn names(verdict: &Verdict, of: impl Fn(&Became) -> bool) -> Vec<&str> {
    let trials = verdict.looks.first().into_iter().flatten().filter(|trial| of(&trial.became));
    trials.map(|trial| &*trial.scc).collect()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
