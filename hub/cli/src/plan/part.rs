//! What is drawn as one: a cluster, or a group of clusters with the same diff.

use proto::v1::{ClusterPlan, Finding, PlanGroup, PlanObject, PreviewPlanResponse};

use super::{object, short};
use crate::{
    cluster::platform_words,
    screen::{Piece, Screen, bad, counted, faint, plain, strong, warning},
};

/// How many clusters of a group are named before its size.
const MOST_CLUSTERS: usize = 4;

/// How many reasons for being apart are said of a group that is drawn in brief.
const MOST_WHY: usize = 2;

/// A part of a plan.
#[derive(Debug)]
pub struct Part<'a> {
    pub clusters: Vec<&'a str>,
    pub objects: &'a [PlanObject],
    pub findings: &'a [Finding],
    /// Whether values of variables are replaced by their names.
    pub is_group: bool,
    platforms: Vec<&'a str>,
    why: &'a [String],
    /// The group that it is apart from, in words.
    measure: String,
    namespaces: &'a [String],
    pub disruption: &'a str,
    /// The change that it comes from.
    disruption_by: &'a str,
    /// Of one cluster; empty if it has no plan.
    digest: Option<&'a str>,
    planned: bool,
    deletions: u32,
}

/// The groups, or the clusters where the hub sent their objects. The fewest clusters stand first: where a mistake
/// reaches only a few, it hides behind the many.
pub fn parts(plan: &PreviewPlanResponse) -> Vec<Part<'_>> {
    let single = plan.groups.is_empty() || plan.clusters.iter().any(|cluster| !cluster.objects.is_empty());
    if single {
        return plan.clusters.iter().map(Part::of_cluster).collect();
    }
    let measure = plan.groups.iter().find(|group| group.why.is_empty()).map(measure).unwrap_or_default();
    let of_group = |group| Part { measure: measure.clone(), ..Part::of_group(group, &plan.clusters) };
    let mut parts: Vec<Part<'_>> = plan.groups.iter().map(of_group).collect();
    parts.sort_by_key(|part| part.clusters.len());
    parts
}

/// A group by its first cluster.
fn measure(group: &PlanGroup) -> String {
    match group.clusters.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} and {}", counted(others.len(), "other")),
    }
}

impl<'a> Part<'a> {
    /// Of a cluster only what was found.
    pub fn of_findings(cluster: &'a str, findings: &'a [Finding]) -> Self {
        Self {
            clusters: vec![cluster],
            objects: &[],
            findings,
            is_group: false,
            platforms: Vec::new(),
            why: &[],
            measure: String::new(),
            namespaces: &[],
            disruption: "",
            disruption_by: "",
            digest: None,
            planned: false,
            deletions: 0,
        }
    }

    fn of_cluster(plan: &'a ClusterPlan) -> Self {
        Self {
            clusters: vec![&plan.cluster],
            objects: &plan.objects,
            findings: &plan.findings,
            is_group: false,
            platforms: vec![platform_words(&plan.platform, &plan.platform_detail)],
            why: &[],
            measure: String::new(),
            namespaces: &plan.namespaces,
            disruption: &plan.disruption,
            disruption_by: &plan.disruption_by,
            digest: Some(&plan.plan_digest),
            planned: !plan.plan_digest.is_empty(),
            deletions: plan.deletions,
        }
    }

    fn of_group(group: &'a PlanGroup, plans: &'a [ClusterPlan]) -> Self {
        let PlanGroup { clusters, platforms, why, objects, findings, namespaces, disruption, disruption_by } =
            group;
        let members = || plans.iter().filter(|plan| clusters.contains(&plan.cluster));
        Self {
            clusters: clusters.iter().map(String::as_str).collect(),
            objects,
            findings,
            is_group: true,
            platforms: platforms.iter().map(String::as_str).collect(),
            why,
            measure: String::new(),
            namespaces,
            disruption,
            disruption_by,
            digest: members().next().filter(|_| clusters.len() == 1).map(|plan| plan.plan_digest.as_str()),
            planned: members().any(|plan| !plan.plan_digest.is_empty()),
            deletions: members().map(|plan| plan.deletions).sum(),
        }
    }

    /// The part, beside how many clusters the whole plan has.
    pub fn draw(&self, screen: &mut Screen, of: usize, manifests: bool) {
        let digest = match self.digest {
            _ if !self.planned => bad("no plan"),
            Some(digest) => faint(format!("plan {}", short(digest))),
            None => plain(""),
        };
        let platforms = self.platforms.join("; ");
        let names = screen.names(&self.clusters, MOST_CLUSTERS);
        if self.clusters.len() == 1 {
            let platform = if platforms.is_empty() { String::new() } else { format!("  {platforms}") };
            screen.line(2, &[strong(names), plain(format!("{platform}  ")), digest]);
        } else {
            let share = match self.clusters.len() {
                all if all == of => format!("  all {of} clusters  "),
                some => format!("  {some} of {of} clusters  "),
            };
            screen.line(2, &[strong(names), plain(share), digest]);
            screen.field(2, "on", &[plain(&platforms)]);
        }
        self.draw_why(screen, &platforms);
        if !self.planned {
            return;
        }
        self.draw_disruption(screen);
        if !self.namespaces.is_empty() {
            let names = screen.names(self.namespaces, 12);
            screen.line(6, &[faint("  namespaces, made if absent: "), plain(names)]);
        }
        object::draw_all(screen, self.objects, manifests);
        self.draw_deletions(screen);
    }

    /// The part in a few lines: who, apart by what, what it does.
    pub fn draw_brief(&self, screen: &mut Screen, of: usize) {
        let names = screen.names(&self.clusters, MOST_CLUSTERS);
        let platforms = self.platforms.join("; ");
        let share = format!("  {} of {of}  ", self.clusters.len());
        screen.line(4, &[strong(names), plain(share), faint(&platforms)]);
        if !self.planned {
            screen.line(4, &[plain("    "), bad("no plan")]);
        }
        let known = format!("runs on {platforms}");
        let new: Vec<&str> =
            self.why.iter().filter(|why| self.why.len() == 1 || **why != known).map(String::as_str).collect();
        let (shown, more) = screen.fold(&new, MOST_WHY);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        if !shown.is_empty() {
            screen.line(6, &[faint("    apart: "), warning(shown.join("; ")), faint(more)]);
        }
        let mut sum = super::Sum::default();
        sum.count(self.objects, 1);
        let mut pieces = vec![plain("    "), class(self.disruption), plain("  ")];
        pieces.extend(sum.pieces());
        screen.line(6, &pieces);
    }

    fn draw_disruption(&self, screen: &mut Screen) {
        let Some(does) = disruption(self.disruption) else { return };
        let by = match self.disruption {
            "config-push" => String::new(),
            _ if self.disruption_by.is_empty() => String::new(),
            _ => format!(" (by {})", self.disruption_by),
        };
        screen.field(2, "disruption", &[does, faint(by)]);
    }

    /// What sets it apart. That it runs on another platform stands above already; it is said again where it is all.
    fn draw_why(&self, screen: &mut Screen, platforms: &str) {
        let known = format!("runs on {platforms}");
        let new: Vec<&String> = self.why.iter().filter(|why| self.why.len() == 1 || **why != known).collect();
        if new.is_empty() {
            return;
        }
        screen.line(4, &[faint(format!("  apart from {}", self.measure))]);
        for why in new {
            screen.line(6, &[plain("    "), warning(why)]);
        }
    }

    /// How many objects go, where none of them is named.
    fn draw_deletions(&self, screen: &mut Screen) {
        let named = self.objects.iter().any(|object| object.change() == proto::v1::Change::Delete);
        if self.deletions > 0 && !named {
            let count = counted(self.deletions as usize, "object");
            let pieces = [bad(format!("  deletes {count}")), plain(", by the inventory of the spoke")];
            screen.line(4, &pieces);
        }
    }
}

/// A class of change by its word.
pub fn class(class: &str) -> Piece {
    match class {
        "" => faint("-"),
        "none" | "config-push" => plain(class),
        "trust" | "irreversible" => bad(class),
        _ => warning(class),
    }
}

/// The worst first; what is not known stands before all that is.
pub fn severity(class: &str) -> usize {
    const WORST_FIRST: [&str; 8] = [
        "irreversible",
        "trust",
        "node-cni",
        "workload-restart",
        "gateway-restart",
        "istiod-restart",
        "config-push",
        "none",
    ];
    WORST_FIRST.iter().position(|known| *known == class).map_or(0, |position| position + 1)
}

/// What a class of change does to a running mesh; none where it does nothing, or where that is not known.
pub fn disruption(class: &str) -> Option<Piece> {
    match class {
        "" | "none" => None,
        "config-push" => Some(plain("none: proxies go on with a new configuration")),
        "istiod-restart" => Some(warning("istiod restarts; proxies go on with what they have")),
        "gateway-restart" => Some(warning("gateways restart")),
        "workload-restart" => Some(warning("workloads get it when they are restarted")),
        "node-cni" => Some(warning("the nodes' CNI plugin changes: pods that start meanwhile wait for it")),
        "trust" => Some(bad("TRUST CHANGES: proxies that are not restarted may no longer be recognised")),
        "irreversible" => Some(bad("CANNOT BE UNDONE: rolling back does not bring back what goes")),
        other => Some(warning(other)),
    }
}
