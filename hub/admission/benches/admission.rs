//! How long one pod takes against 15 SCCs, the figure to reach being 20 microseconds. `cargo bench -p hub-admission`
//!
//! The SCCs are those of the stored cases. The pods range from one that the first usable SCC takes to one whose service
//! account may use all, and that only the last allows, so that every rule is gone through for each of them.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::{hint::black_box, io::Read, time::Instant};

use flate2::read::GzDecoder;
use hub_admission::{Cluster, MayUse, Namespace, Pod, Question, case::File, judge};
use serde_json::json;

const CASES: &[u8] = include_bytes!("../tests/scc-cases.json.gz");
const SCCS: usize = 15;
/// The figure is of the quickest of so many batches: others use the machine, too.
const BATCHES: u32 = 40;
const ROUNDS: u32 = 500;
const FIGURE_US: f64 = 20.0;

fn main() {
    let mut text = String::new();
    GzDecoder::new(CASES).read_to_string(&mut text).expect("an intact archive of UTF-8");
    let file: File = serde_json::from_str(&text).expect("a file of cases");
    let cluster = cluster(&file);
    let namespace: Namespace = serde_json::from_value(json!({"name": "team-a", "annotations": {
        "openshift.io/sa.scc.uid-range": "1000650000/10000",
        "openshift.io/sa.scc.supplemental-groups": "1000650000/10000",
        "openshift.io/sa.scc.mcs": "s0:c26,c5",
    }}))
    .expect("a namespace");
    let all = MayUse {
        service_account: cluster.sccs().iter().map(|scc| scc.name.to_string()).collect(),
        ..MayUse::default()
    };
    let everybody =
        MayUse { user: ["restricted-v2".into(), "restricted-v3".into()].into(), ..MayUse::default() };
    let plain = json!({"name": "app"});
    let sidecar = json!({"name": "istio-proxy", "securityContext": {
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false,
        "readOnlyRootFilesystem": true, "runAsGroup": 1337, "runAsNonRoot": true, "runAsUser": 1337,
    }});
    let init = json!({"name": "istio-init", "securityContext": {
        "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}, "runAsUser": 0, "seccompProfile": {"type": "Unconfined"},
    }});
    let measure = |what: &str, may_use: &MayUse, containers: &[&serde_json::Value], host: bool| {
        let spec = json!({"containers": containers, "hostNetwork": host, "hostPID": host,
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]});
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
        let (cluster, namespace, pod) = (&cluster, &namespace, &pod);
        let question = Question { cluster, namespace, may_use, pod, injection: None };
        let batch = |_| {
            let started = Instant::now();
            for _ in 0..ROUNDS {
                black_box(judge(black_box(&question)));
            }
            started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
        };
        let us = (0..BATCHES).map(batch).fold(f64::INFINITY, f64::min);
        let mark = if us <= FIGURE_US { "" } else { "  over the figure" };
        println!("{us:6.1} us  {what}{mark}");
    };
    println!("one pod against {} SCCs, figure {FIGURE_US} us", cluster.sccs().len());
    measure("plain pod, no grant", &everybody, &[&plain], false);
    measure("with a sidecar, no grant: refused", &everybody, &[&plain, &sidecar], false);
    measure("with a sidecar, all granted", &all, &[&plain, &sidecar], false);
    measure("on the node, all granted: only the last fits", &all, &[&init, &plain, &sidecar], true);
}

/// The default SCCs, and further ones of the file up to the number.
fn cluster(file: &File) -> Cluster {
    let mut sccs = file.meta.default_sccs.clone();
    let further = file.meta.custom_sccs.values().flatten();
    for scc in further {
        if sccs.len() < SCCS && !sccs.iter().any(|known| known.name == scc.name) {
            sccs.push(scc.clone());
        }
    }
    Cluster::new(sccs)
}
