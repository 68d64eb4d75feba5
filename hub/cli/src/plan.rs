//! `meshfleet plan`: what a rollout would do, and why.
//!
//! What blocks stands first. Then the groups of clusters with the same diff, outliers before the many, or the one cluster
//! that was asked for, each with its objects by phase and the rules that made them; then each warning once, with the
//! clusters that it is about; then each rule once, with its reason; then the sum and what to type next.

mod diff;
mod explain;
pub mod finding;
pub mod json;
mod object;
pub mod part;

use std::collections::{BTreeMap, BTreeSet};

use proto::v1::{
    Change, ClusterPlan, ObjectId, PlanObject, PlanReason, PreviewPlanRequest, PreviewPlanResponse,
};

use self::part::Part;
use crate::{
    args::{self, Preview},
    call::{Call, Outcome},
    cluster, config,
    failure::Failure,
    screen::{Piece, Screen, Tone, bad, counted, faint, good, plain, strong, warning},
};

/// How many groups are drawn with all their objects.
const MOST_WHOLE: usize = 4;

/// How many groups stand on a screen, some lines each, beside the largest.
const MOST_BRIEF: usize = 7;

/// `plan ...`.
pub async fn run(call: &Call, plan: args::Plan) -> Result<Outcome, Failure> {
    match (plan.verb, plan.preview) {
        (Some(args::PlanVerb::Explain(explain)), _) => explain::explain(call, explain).await,
        (Some(args::PlanVerb::Diff(diff)), _) => diff::diff(call, diff).await,
        (None, Some(preview)) => self::preview(call, preview).await,
        (None, None) => Err(Failure::Usage {
            message: "which config?".to_owned(),
            hint: "`meshfleet config list` lists them".to_owned(),
        }),
    }
}

async fn preview(call: &Call, arguments: Preview) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = PreviewPlanRequest {
        config: arguments.config,
        version: arguments.version.unwrap_or(0),
        cluster: arguments.cluster.unwrap_or_default(),
    };
    let plan = hub.plans().preview(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let names = || plan.clusters.iter().map(|plan| cluster::reference(&plan.cluster)).collect();
    call.answer(|screen| draw(screen, &plan, arguments.show_manifests), || json::preview(&plan), names)?;
    let sum = Sum::of(&plan, &part::parts(&plan));
    let differs = sum.blocking > 0 || sum.changes() > 0 || sum.unreached > 0 || sum.heals > 0;
    Ok(if arguments.detailed_exitcode && differs { Outcome::Differs } else { Outcome::Done })
}

fn draw(screen: &mut Screen, plan: &PreviewPlanResponse, manifests: bool) {
    let PreviewPlanResponse { config, version, clusters, groups } = plan;
    let parts = part::parts(plan);
    let mut count = format!(" for {}", counted(clusters.len(), "cluster"));
    if parts.iter().any(|part| part.is_group) && groups.len() > 1 {
        count = format!("{count} in {}", counted(groups.len(), "group"));
    }
    let title = format!("{} v{version}", config::reference(config));
    screen.line(2, &[plain("plan of "), strong(title), plain(count)]);
    draw_classes(screen, &parts);
    finding::draw_blocking(screen, &parts);
    let brief = parts.len() > MOST_WHOLE && !screen.is_wide() && !manifests;
    if brief {
        draw_brief(screen, &parts, clusters.len());
    } else {
        for part in &parts {
            screen.blank();
            part.draw(screen, clusters.len(), manifests);
        }
    }
    draw_unprobed(screen, clusters);
    draw_heals(screen, clusters);
    finding::draw_warnings(screen, &parts, brief);
    if !brief {
        draw_reasons(screen, &parts, manifests);
    }
    draw_sum(screen, plan, &parts);
}

/// Many groups in some lines each: those with the fewest clusters, and the largest, which the others are apart from.
fn draw_brief(screen: &mut Screen, parts: &[Part<'_>], of: usize) {
    let Some((largest, others)) = parts.split_last() else { return };
    let (shown, more) = screen.fold(others, MOST_BRIEF);
    for part in shown {
        screen.blank();
        part.draw_brief(screen, of);
    }
    if more > 0 {
        let left: usize = others[shown.len()..].iter().map(|part| part.clusters.len()).sum();
        screen.blank();
        let told = format!("… {} of {}", counted(more, "more group"), counted(left, "cluster"));
        screen.line(2, &[faint(told)]);
    }
    screen.blank();
    largest.draw_brief(screen, of);
}

/// How many clusters there are of each class of disruption, the worst first. Nothing where one cluster was asked for: it
/// is told with it.
fn draw_classes(screen: &mut Screen, parts: &[Part<'_>]) {
    let mut classes: Vec<(&str, usize)> = Vec::new();
    for part in parts.iter().filter(|part| !part.disruption.is_empty()) {
        match classes.iter_mut().find(|(class, _)| *class == part.disruption) {
            Some((_, count)) => *count += part.clusters.len(),
            None => classes.push((part.disruption, part.clusters.len())),
        }
    }
    if classes.iter().map(|(_, count)| count).sum::<usize>() < 2 {
        return;
    }
    classes.sort_by_key(|(class, _)| part::severity(class));
    let mut pieces = Vec::new();
    for (class, count) in classes {
        let comma = if pieces.is_empty() { "" } else { ", " };
        pieces.extend([plain(format!("{comma}{count} ")), part::class(class)]);
    }
    screen.field(2, "disruption", &pieces);
}

/// Clusters that nobody could ask what exists there; those with the same cause together.
fn draw_unprobed(screen: &mut Screen, clusters: &[ClusterPlan]) {
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for plan in clusters.iter().filter(|plan| !plan.probed && !plan.not_probed.is_empty()) {
        causes.entry(&plan.not_probed).or_default().push(&plan.cluster);
    }
    if causes.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("not probed"), plain(": what exists there already is seen only by the rollout")]);
    for (cause, clusters) in causes {
        let names = screen.names(&clusters, 8);
        screen.line(6, &[plain("  "), warning(names), plain(format!(": {cause}"))]);
    }
}

/// What spokes heal by themselves; those that heal the same together. Nothing where none does and none will.
fn draw_heals(screen: &mut Screen, clusters: &[ClusterPlan]) {
    let mut classes: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for plan in clusters.iter().filter(|plan| !plan.heals.is_empty()) {
        let words = plan.heals.iter().map(|class| class.to_lowercase()).collect();
        classes.entry(words).or_default().push(&plan.cluster);
    }
    if classes.is_empty() {
        return;
    }
    screen.blank();
    let what = ": drift that is put right without asking, by a DriftPolicy; the rest is reported";
    screen.line(2, &[strong("heals by itself"), plain(what)]);
    for (classes, clusters) in classes {
        let names = screen.names(&clusters, 8);
        screen.line(6, &[plain("  "), strong(classes.join(", ")), plain(format!(" in {names}"))]);
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

fn draw_reasons(screen: &mut Screen, parts: &[Part<'_>], manifests: bool) {
    let objects = parts.iter().flat_map(|part| part.objects);
    let reasons = objects.flat_map(|object| &object.reasons);
    let sources = manifests || screen.is_wide();
    draw_rules(screen, reasons, sources);
}

/// Each rule once, with its reason, and with its source where that is asked for.
fn draw_rules<'a>(screen: &mut Screen, reasons: impl Iterator<Item = &'a PlanReason>, sources: bool) {
    let reasons: BTreeMap<&str, &PlanReason> = reasons.map(|reason| (reason.rule.as_str(), reason)).collect();
    if reasons.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("why")]);
    for PlanReason { rule, reason, source } in reasons.into_values() {
        screen.line(4, &[plain("  "), strong(rule)]);
        let mut pieces = vec![plain("    "), plain(reason)];
        if sources && !source.is_empty() {
            pieces.push(faint(format!(" [{source}]")));
        }
        screen.line(4, &pieces);
    }
}

/// What a plan comes to, over all its clusters.
#[derive(Debug, Default)]
struct Sum {
    creates: usize,
    adopts: usize,
    updates: usize,
    adds: usize,
    templates: usize,
    deletes: usize,
    unchanged: usize,
    expected: usize,
    blocking: usize,
    warnings: usize,
    /// Clusters that did not reach what they were given last.
    unreached: usize,
    /// Clusters whose spokes heal something else by themselves then.
    heals: usize,
}

impl Sum {
    fn of(plan: &PreviewPlanResponse, parts: &[Part<'_>]) -> Self {
        let mut sum = Self::default();
        for part in parts {
            sum.count(part.objects, part.clusters.len());
        }
        // What a spoke holds beyond the plan is known by its inventory, also where no object tells it.
        let doomed = plan.clusters.iter().map(|cluster| cluster.deletions as usize).sum();
        sum.deletes = sum.deletes.max(doomed);
        let findings: BTreeSet<_> =
            parts.iter().flat_map(|part| part.findings.iter().map(finding::key)).collect();
        sum.blocking = findings.iter().filter(|(blocking, ..)| *blocking).count();
        sum.warnings = findings.len() - sum.blocking;
        sum.unreached = plan.clusters.iter().filter(|cluster| cluster.unreached).count();
        sum.heals = plan.clusters.iter().filter(|cluster| cluster.heal_changes).count();
        sum
    }

    fn count(&mut self, objects: &[PlanObject], many: usize) {
        for object in objects {
            *self.slot(object.change()) += many;
        }
    }

    fn slot(&mut self, change: Change) -> &mut usize {
        match change {
            Change::Create => &mut self.creates,
            Change::Adopt => &mut self.adopts,
            Change::Update => &mut self.updates,
            Change::Add => &mut self.adds,
            Change::Template => &mut self.templates,
            Change::Delete => &mut self.deletes,
            Change::Expect => &mut self.expected,
            Change::None | Change::Unspecified => &mut self.unchanged,
        }
    }

    /// What becomes of objects, by number, each with its mark.
    fn pieces(&self) -> Vec<Piece> {
        let counts = [
            (self.creates, Change::Create, "to create"),
            (self.adopts, Change::Adopt, "made by others"),
            (self.updates, Change::Update, "to update"),
            (self.adds, Change::Add, "to add fields to"),
            (self.templates, Change::Template, "in each namespace"),
            (self.deletes, Change::Delete, "to delete"),
            (self.unchanged, Change::None, "unchanged"),
            (self.expected, Change::Expect, "expected of the installer"),
        ];
        let mut pieces = Vec::new();
        for (count, change, words) in counts {
            if count > 0 {
                let (mark, tone) = object::mark(change);
                let comma = if pieces.is_empty() { "" } else { ", " };
                pieces.extend([plain(comma), Piece::new(format!("{mark} {count} {words}"), tone)]);
            }
        }
        pieces
    }

    /// Templates and additions that are there already are `none`, as objects are.
    fn changes(&self) -> usize {
        self.creates + self.adopts + self.updates + self.adds + self.templates + self.deletes
    }
}

/// The sum says what the marks before the objects mean.
fn draw_sum(screen: &mut Screen, plan: &PreviewPlanResponse, parts: &[Part<'_>]) {
    let sum = Sum::of(plan, parts);
    screen.blank();
    let mut pieces = sum.pieces();
    if sum.warnings > 0 {
        let comma = if pieces.is_empty() { "" } else { ", " };
        pieces.extend([plain(comma), Piece::new(counted(sum.warnings, "warning"), Tone::Warning)]);
    }
    if !pieces.is_empty() {
        screen.line(2, &pieces);
    }
    draw_next(screen, plan, parts, &sum);
}

fn draw_next(screen: &mut Screen, plan: &PreviewPlanResponse, parts: &[Part<'_>], sum: &Sum) {
    if plan.clusters.is_empty() {
        let hint = "meshfleet cluster list";
        screen.line(2, &[warning("the config selects no cluster: compare its selector with "), plain(hint)]);
    } else if sum.blocking > 0 {
        let verb = if sum.blocking == 1 { "blocks" } else { "block" };
        let count = format!("{} {verb} the rollout", counted(sum.blocking, "finding"));
        screen.line(2, &[bad(count), plain(": put right what stands under BLOCKED, then look again")]);
    } else if sum.changes() == 0 && sum.unreached > 0 {
        let command = format!("meshfleet rollout start {}", plan.config);
        let count = counted(sum.unreached, "cluster");
        let told =
            format!("no target would change, but {count} did not reach the one given last; try again with: ");
        screen.line(2, &[warning(told), strong(command)]);
    } else if sum.changes() == 0 && sum.heals > 0 {
        let command = format!("meshfleet rollout start {}", plan.config);
        let told = "no object would change, only what is healed by itself; roll it out with: ";
        screen.line(2, &[plain(told), strong(command)]);
    } else if sum.changes() > 0 {
        let command = format!("meshfleet rollout start {}", plan.config);
        screen.line(2, &[plain("roll it out with: "), strong(command)]);
    } else {
        let pieces = [
            good("nothing to do"),
            plain(
                ": the clusters have these plans as their targets. Whether all of it is applied is told by ",
            ),
            strong("meshfleet status"),
            plain(", what others changed since by "),
            strong("meshfleet drift report"),
        ];
        screen.line(2, &pieces);
    }
    if let Some(group) = parts.iter().find(|part| part.is_group)
        && let Some(first) = group.clusters.first()
    {
        let command = format!("meshfleet plan {} --cluster {first}", plan.config);
        screen.line(2, &[faint(format!("one cluster, with its own values: {command}"))]);
    }
}

#[cfg(test)]
mod tests;
