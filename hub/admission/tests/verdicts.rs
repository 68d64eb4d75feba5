//! The verdicts of a real server, repeated: whether a pod is let in, under which SCC, through whom, and every value that is
//! filled in.

use std::io::Read;

use flate2::read::GzDecoder;
use hub_admission::case::{Answer, File};

const CASES: &[u8] = include_bytes!("scc-cases.json.gz");

fn file() -> File {
    let mut text = String::new();
    GzDecoder::new(CASES).read_to_string(&mut text).expect("an intact archive of UTF-8");
    serde_json::from_str(&text).expect("a file of cases")
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
        let order: Vec<&str> = cluster.sccs().iter().map(|scc| scc.name.as_str()).collect();
        assert_eq!(order, *expected, "{set}");
    }
}
