//! One trace goes from the command to each applied object, through every process on the way.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use tests::{
    clusters::{audit::Entry, standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, PATIENCE, SPOKE_USER},
    otlp::{Collector, Span},
};

use crate::rig::Rig;

/// Spans leave the hub soon, so that the test need not wait for them.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");

/// Spans leave the spoke when it ends, and not before.
const AT_THE_END: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "600000");

/// Everything that a span may say. What is not here might be a value of a document.
const SAID: [&str; 10] = [
    "cluster.name",
    "db.system.name",
    "generation",
    "object",
    "outcome",
    "phase",
    "rollout.id",
    "rpc.system",
    "busy_ns",
    "idle_ns",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_one_trace_from_the_command_to_each_applied_object() -> Result<()> {
    let collector = Collector::start().await?;
    let exports = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let rig = Rig::start_with(&[exports, SOON]).await?;
    let mut cluster = rig.cluster("eks-1", Dress::Rosa, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[exports, AT_THE_END]).await?;
    rig.fleet.connected("eks-1").await?;
    rig.apply_mesh(&["eks-1"]).await?;

    let command_line = rig.fleet.command_line.with(exports.0, exports.1);
    let started = command_line.json(&["rollout", "start", "payments"]).await?;
    let number = started["number"].as_u64().context("a number")?;
    let id = started["traceId"].as_str().context("the id of a trace")?;
    rig.fleet.succeeded(number).await?;
    cluster.spoke.take().context("a spoke")?.stop().await?;

    let written = written(&cluster)?;
    ensure!(written.len() > 3, "{written:#?}");
    let trace = until("the whole trace to be exported", PATIENCE, || async {
        let trace = Trace::of(collector.trace(id));
        Ok(trace.lacks(&written).is_empty().then_some(trace))
    });
    let trace = trace.await.with_context(|| {
        let trace = Trace::of(collector.trace(id));
        format!("it lacks {:?}\nand has {}", trace.lacks(&written), trace.shown())
    })?;
    trace.hangs_together().with_context(|| trace.shown())?;
    trace.says_no_more_than_it_may()?;
    ensure!(
        trace.of_service("meshfleet-spoke").all(|span| span.process["cluster.name"] == "eks-1"),
        "a spoke does not say whose it is: {}",
        trace.shown()
    );
    // Nothing of the libraries, and nothing that lives as long as a stream.
    let names: BTreeSet<String> = collector.all().into_iter().map(|span| span.name).collect();
    ensure!(!names.contains("session") && !names.contains("task"), "{names:?}");
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_though_nobody_exports_and_a_dead_collector_is_in_nobody_s_way() -> Result<()> {
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let dead = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let collector = Collector::start().await?;
    let rig = Rig::start_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()), SOON]).await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[dead, SOON]).await?;
    rig.fleet.connected("eks-1").await?;
    rig.apply_mesh(&["eks-1"]).await?;

    // The command goes on with the trace that it was given, and so does the hub.
    let command_line = rig.fleet.command_line.with("TRACEPARENT", GIVEN).with(dead.0, dead.1);
    let said = command_line.run(&["rollout", "start", "payments", "-o", "json"]).await?;
    ensure!(said.code == 0 && said.stderr.is_empty(), "{said:?}");
    let started: serde_json::Value = serde_json::from_str(&said.stdout)?;
    let id = started["traceId"].as_str().context("the id of a trace")?;
    ensure!(GIVEN.contains(id), "{started}");
    rig.fleet.succeeded(started["number"].as_u64().context("a number")?).await?;
    until("the report of the spoke to be stored in its trace", PATIENCE, || async {
        let names: BTreeSet<String> = collector.trace(id).into_iter().map(|span| span.name).collect();
        let wanted = ["start rollout", "rollout step", "deliver", "store acceptance", "store report"];
        Ok(wanted.iter().all(|name| names.contains(*name)).then_some(()))
    })
    .await?;
    // A collector that is away is told of once, not at each attempt.
    cluster.spoke.take().context("a spoke")?.stop().await?;
    let log = std::fs::read_to_string(rig.path().join("spoke-eks-1.log"))?;
    ensure!(log.matches("traces cannot be exported").count() == 1, "{log}");
    rig.passed().await
}

/// What the spoke wrote for its target, by the API server's own log.
fn written(cluster: &Cluster) -> Result<Vec<Entry>> {
    let written = cluster.plane.audit().mutations_by(SPOKE_USER)?;
    Ok(written.into_iter().filter(|entry| entry.namespace != "meshfleet").collect())
}

/// The spans of one trace.
struct Trace(BTreeMap<String, Span>);

impl Trace {
    fn of(spans: Vec<Span>) -> Self {
        Self(spans.into_iter().map(|span| (span.id.clone(), span)).collect())
    }

    fn of_name(&self, name: &str) -> Vec<&Span> {
        self.0.values().filter(|span| span.name == name).collect()
    }

    fn of_service<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Span> {
        self.0.values().filter(move |span| span.service == service)
    }

    /// What is not there yet.
    fn lacks(&self, written: &[Entry]) -> Vec<String> {
        let steps = [
            "meshfleet rollout start",
            "meshfleet.v1.Rollouts/Start",
            "start rollout",
            "rollout step",
            "deliver",
            "accept",
            "store acceptance",
            "apply",
            "report",
            "store report",
        ];
        let steps = steps.into_iter().filter(|name| self.of_name(name).is_empty()).map(str::to_owned);
        let lacking = written.iter().filter(|entry| self.span_of(entry).is_none());
        steps
            .chain(lacking.map(|entry| format!("{} {}/{}", entry.resource, entry.namespace, entry.name)))
            .collect()
    }

    /// The span of an object that was written.
    fn span_of(&self, entry: &Entry) -> Option<&Span> {
        let (name, outcome) = match entry.resource.as_str() {
            "namespaces" => ("ensure namespace", None),
            _ => ("apply object", Some("Created")),
        };
        let named = match (entry.resource.as_str(), entry.namespace.as_str()) {
            ("namespaces", _) => entry.name.clone(),
            (_, "") => format!(" {}", entry.name),
            (_, namespace) => format!(" {namespace}/{}", entry.name),
        };
        let is = |span: &&&Span| {
            let says = |key: &str| span.attributes.get(key).map(String::as_str);
            says("object").is_some_and(|object| object.ends_with(&named)) && says("outcome") == outcome
        };
        self.of_name(name).iter().find(is).copied()
    }

    /// Every span but the command hangs below another, and each object below everything that led to it.
    fn hangs_together(&self) -> Result<()> {
        for span in self.0.values() {
            let above = self.0.get(&span.parent);
            ensure!(
                above.is_some() || span.name == "meshfleet rollout start",
                "{} hangs below {}, which nobody exported",
                span.name,
                span.parent
            );
        }
        let way = [
            "apply",
            "accept",
            "deliver",
            "rollout step",
            "meshfleet.v1.Rollouts/Start",
            "meshfleet rollout start",
        ];
        for object in self.of_name("apply object") {
            let above: Vec<&str> = self.above(object).map(|span| span.name.as_str()).collect();
            ensure!(above == way, "{:?} hangs below {above:?}", object.attributes.get("object"));
        }
        for stored in self.of_name("store report") {
            let above: Vec<&str> = self.above(stored).take(2).map(|span| span.name.as_str()).collect();
            ensure!(above == ["report", "accept"], "a stored report hangs below {above:?}");
            ensure!(stored.links.len() == 1, "a stored report is not linked to its session");
        }
        Ok(())
    }

    fn above<'a>(&'a self, span: &'a Span) -> impl Iterator<Item = &'a Span> {
        std::iter::successors(self.0.get(&span.parent), |span| self.0.get(&span.parent))
    }

    fn says_no_more_than_it_may(&self) -> Result<()> {
        for span in self.0.values() {
            let known = |key: &String| SAID.contains(&key.as_str());
            ensure!(span.attributes.keys().all(known), "{}: {:?}", span.name, span.attributes);
        }
        Ok(())
    }

    fn shown(&self) -> String {
        self.0.values().map(|span| format!("{span:?}\n")).collect()
    }
}
