//! `meshfleet plan`: what a rollout would do, and why.
//!
//! What blocks stands first. Then each cluster with its objects by phase and the rules that made them; then each warning
//! once, with the clusters that it is about; then each rule once, with its reason; then the sum.

pub mod json;

use std::collections::BTreeMap;

use proto::v1::{
    Change, ClusterPlan, Finding, ObjectId, PlanObject, PlanReason, PreviewPlanRequest, PreviewPlanResponse,
};

use crate::{
    args::Preview,
    call::{Call, Outcome},
    cluster::platform_words,
    document::counted,
    failure::Failure,
    screen::{Piece, Screen, Tone, bad, cut, faint, good, padded, plain, strong, warning, widest},
};

/// Longest changed value that is shown, in characters: `--output json` has all of it.
const LONGEST_CHANGE: usize = 300;

/// Widest column of objects: a longer name pushes its rules to the right.
const WIDEST_OBJECT: usize = 50;

/// `plan CONFIG`.
pub async fn preview(call: &Call, arguments: Preview) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = PreviewPlanRequest {
        config: arguments.config,
        version: arguments.version.unwrap_or(0),
        cluster: arguments.cluster.unwrap_or_default(),
    };
    let plan = hub.plans().preview(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.answer(|screen| draw(screen, &plan, arguments.show_manifests), || json::preview(&plan))?;
    let sum = Sum::of(&plan);
    let differs = sum.blocking > 0 || sum.changes() > 0;
    Ok(if arguments.detailed_exitcode && differs { Outcome::Differs } else { Outcome::Done })
}

fn draw(screen: &mut Screen, plan: &PreviewPlanResponse, manifests: bool) {
    let PreviewPlanResponse { config, version, clusters } = plan;
    let title = format!("meshconfig/{config} v{version}");
    screen.line(
        2,
        &[plain("plan of "), strong(title), plain(format!(" for {}", counted(clusters.len(), "cluster")))],
    );
    draw_blocking(screen, clusters);
    for cluster in clusters {
        screen.blank();
        draw_cluster(screen, cluster, manifests);
    }
    draw_warnings(screen, clusters);
    draw_reasons(screen, clusters);
    draw_sum(screen, plan);
}

fn draw_blocking(screen: &mut Screen, clusters: &[ClusterPlan]) {
    for cluster in clusters {
        for finding in cluster.findings.iter().filter(|finding| finding.blocking) {
            screen.blank();
            let place = [bad("BLOCKED  "), strong(&cluster.cluster), plain("  "), bad(&finding.rule)];
            screen.line(9, &place);
            draw_finding_text(screen, finding, "         ");
        }
    }
}

fn draw_finding_text(screen: &mut Screen, finding: &Finding, indent: &str) {
    screen.line(indent.len(), &[plain(indent), plain(&finding.message)]);
    if !finding.hint.is_empty() {
        screen.line(indent.len() + 6, &[plain(indent), faint("hint: "), plain(&finding.hint)]);
    }
}

fn draw_cluster(screen: &mut Screen, cluster: &ClusterPlan, manifests: bool) {
    let platform = platform_words(&cluster.platform, &cluster.platform_detail);
    let digest = match cluster.plan_digest.as_str() {
        "" => bad("no plan"),
        digest => faint(format!("plan {}", short(digest))),
    };
    screen.line(2, &[strong(&cluster.cluster), plain(format!("  {platform}  ")), digest]);
    if !cluster.namespaces.is_empty() {
        let names = cluster.namespaces.join(", ");
        screen.line(6, &[faint("  namespaces, made if absent: "), plain(names)]);
    }
    let column = object_column(cluster, screen.width());
    for (phase, objects) in by_phase(&cluster.objects) {
        screen.line(4, &[faint(format!("  {phase}"))]);
        for object in objects {
            draw_object(screen, object, column, manifests);
        }
    }
}

/// Every warning once: a fleet has most of them in common.
fn draw_warnings(screen: &mut Screen, clusters: &[ClusterPlan]) {
    let rules = warnings_by_rule(clusters);
    if rules.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("warnings")]);
    for (rule, said) in rules {
        screen.line(4, &[plain("  "), warning(format!("! {rule}"))]);
        for (finding, clusters) in said {
            let about = faint(format!("  [{}]", clusters.join(", ")));
            screen.line(4, &[plain("    "), plain(&finding.message), about]);
            if !finding.hint.is_empty() {
                screen.line(10, &[plain("    "), faint("hint: "), plain(&finding.hint)]);
            }
        }
    }
}

/// What one rule has to say: each finding with the clusters that it is about.
type Said<'a> = Vec<(&'a Finding, Vec<&'a str>)>;

/// Rules in the order in which they are first met.
fn warnings_by_rule(clusters: &[ClusterPlan]) -> Vec<(&str, Said<'_>)> {
    let mut rules: Vec<(&str, Said<'_>)> = Vec::new();
    for cluster in clusters {
        for finding in cluster.findings.iter().filter(|finding| !finding.blocking) {
            let at = rules.iter().position(|(rule, _)| *rule == finding.rule).unwrap_or_else(|| {
                rules.push((&finding.rule, Vec::new()));
                rules.len() - 1
            });
            let said = &mut rules[at].1;
            let same = |other: &Finding| other.message == finding.message && other.hint == finding.hint;
            match said.iter_mut().find(|(other, _)| same(other)) {
                Some((_, clusters)) => clusters.push(&cluster.cluster),
                None => said.push((finding, vec![&cluster.cluster])),
            }
        }
    }
    rules
}

/// Objects by what becomes of them when: the phases in the order in which the hub names them, then what is expected,
/// then what goes.
fn by_phase(objects: &[PlanObject]) -> Vec<(String, Vec<&PlanObject>)> {
    let mut groups: Vec<(String, Vec<&PlanObject>)> = Vec::new();
    for object in objects {
        let name = match object.change() {
            Change::Expect => "made by the installer, watched".to_owned(),
            Change::Delete => "deleted at the end".to_owned(),
            Change::Unspecified | Change::Create | Change::Update | Change::None => {
                format!("phase {}", object.phase)
            }
        };
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, members)) => members.push(object),
            None => groups.push((name, vec![object])),
        }
    }
    let order = |objects: &[&PlanObject]| match objects.first().map(|object| object.change()) {
        Some(Change::Expect) => 1,
        Some(Change::Delete) => 2,
        _ => 0,
    };
    groups.sort_by_key(|(_, objects)| order(objects));
    groups
}

fn draw_object(screen: &mut Screen, object: &PlanObject, column: usize, manifests: bool) {
    let (mark, tone) = mark(object.change());
    let rules: Vec<&str> = object.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    let [name, gap] = padded(plain(named(object.id.as_ref())), column);
    let pieces = [Piece::new(format!("    {mark} "), tone), name, gap, plain("  "), faint(rules.join(", "))];
    screen.line(column + 8, &pieces);
    for change in &object.changes {
        screen.line(12, &[plain("        "), warning(cut(change, LONGEST_CHANGE))]);
    }
    if manifests && !object.manifest.is_empty() {
        screen.block(8, &pretty(&object.manifest), Tone::Faint);
    }
}

fn mark(change: Change) -> (char, Tone) {
    match change {
        Change::Create => ('+', Tone::Good),
        Change::Update => ('~', Tone::Warning),
        Change::Delete => ('-', Tone::Bad),
        Change::None => ('=', Tone::Faint),
        Change::Expect => ('?', Tone::Plain),
        Change::Unspecified => ('*', Tone::Plain),
    }
}

/// `Kind namespace/name`, as people say it.
pub fn named(id: Option<&ObjectId>) -> String {
    match id {
        None => "(an object without identity)".to_owned(),
        Some(ObjectId { kind, namespace, name, .. }) if namespace.is_empty() => format!("{kind} {name}"),
        Some(ObjectId { kind, namespace, name, .. }) => format!("{kind} {namespace}/{name}"),
    }
}

/// The first 12 digits of a digest: enough for people to tell plans apart.
pub fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// So wide that every rule still has room beside it, whatever the names.
fn object_column(cluster: &ClusterPlan, width: usize) -> usize {
    let rules: Vec<Piece> =
        cluster.objects.iter().flat_map(|object| &object.reasons).map(|reason| plain(&reason.rule)).collect();
    // Eight for the mark and the gap, one for a comma.
    let room = width.saturating_sub(widest(&rules) + 9);
    let names: Vec<Piece> = cluster.objects.iter().map(|object| plain(named(object.id.as_ref()))).collect();
    widest(&names).min(WIDEST_OBJECT).min(room)
}

fn pretty(manifest: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(manifest) {
        Ok(value) => format!("{value:#}"),
        Err(_) => manifest.to_owned(),
    }
}

fn draw_reasons(screen: &mut Screen, clusters: &[ClusterPlan]) {
    let objects = clusters.iter().flat_map(|cluster| &cluster.objects);
    let reasons: BTreeMap<&str, &PlanReason> =
        objects.flat_map(|object| &object.reasons).map(|reason| (reason.rule.as_str(), reason)).collect();
    if reasons.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("why")]);
    for PlanReason { rule, reason, source } in reasons.into_values() {
        screen.line(4, &[plain("  "), strong(rule)]);
        let mut pieces = vec![plain("    "), plain(reason)];
        if !source.is_empty() {
            pieces.push(faint(format!(" [{source}]")));
        }
        screen.line(4, &pieces);
    }
}

/// What a plan comes to.
#[derive(Default)]
struct Sum {
    creates: usize,
    updates: usize,
    deletes: usize,
    unchanged: usize,
    expected: usize,
    blocking: usize,
    warnings: usize,
}

impl Sum {
    fn of(plan: &PreviewPlanResponse) -> Self {
        let mut sum = Self::default();
        for object in plan.clusters.iter().flat_map(|cluster| &cluster.objects) {
            match object.change() {
                Change::Create => sum.creates += 1,
                Change::Update => sum.updates += 1,
                Change::Delete => sum.deletes += 1,
                Change::None => sum.unchanged += 1,
                Change::Expect => sum.expected += 1,
                Change::Unspecified => {}
            }
        }
        let findings = plan.clusters.iter().flat_map(|cluster| &cluster.findings);
        sum.blocking = findings.clone().filter(|finding| finding.blocking).count();
        sum.warnings = findings.count() - sum.blocking;
        sum
    }

    fn changes(&self) -> usize {
        self.creates + self.updates + self.deletes
    }
}

fn draw_sum(screen: &mut Screen, plan: &PreviewPlanResponse) {
    let sum = Sum::of(plan);
    screen.blank();
    let parts = [
        (sum.creates, "to create", Tone::Good),
        (sum.updates, "to update", Tone::Warning),
        (sum.deletes, "to delete", Tone::Bad),
        (sum.unchanged, "unchanged", Tone::Faint),
        (sum.expected, "expected of the installer", Tone::Plain),
    ];
    let mut pieces = Vec::new();
    for (count, words, tone) in parts {
        if count > 0 {
            let comma = if pieces.is_empty() { "" } else { ", " };
            pieces.extend([plain(comma), Piece::new(format!("{count} {words}"), tone)]);
        }
    }
    if sum.warnings > 0 {
        let comma = if pieces.is_empty() { "" } else { ", " };
        pieces.extend([plain(comma), warning(counted(sum.warnings, "warning"))]);
    }
    if !pieces.is_empty() {
        screen.line(2, &pieces);
    }
    draw_next(screen, plan, &sum);
}

fn draw_next(screen: &mut Screen, plan: &PreviewPlanResponse, sum: &Sum) {
    let config = &plan.config;
    if plan.clusters.is_empty() {
        let hint = "meshfleet cluster list";
        screen.line(2, &[warning("the config selects no cluster: compare its selector with "), plain(hint)]);
    } else if sum.blocking > 0 {
        let verb = if sum.blocking == 1 { "blocks" } else { "block" };
        let count = format!("{} {verb} the rollout", counted(sum.blocking, "finding"));
        screen.line(2, &[bad(count), plain(": put right what stands under BLOCKED, then look again")]);
    } else if sum.changes() > 0 {
        screen.line(2, &[plain("roll it out with: "), strong(format!("meshfleet rollout start {config}"))]);
    } else {
        screen.line(2, &[good("nothing to do"), plain(": the clusters have these plans as their targets. What others changed there since is told by "), strong("meshfleet drift report")]);
    }
}

#[cfg(test)]
mod tests;
