//! What is drawn as one: a cluster, or a group of clusters with the same diff.

use proto::v1::{ClusterPlan, Finding, PlanGroup, PlanObject, PreviewPlanResponse};

use super::{object, short};
use crate::{
    cluster::platform_words,
    screen::{Piece, Screen, bad, counted, faint, plain, strong, warning},
};

/// How many clusters of a group are named.
const MOST_CLUSTERS: usize = 8;

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
    namespaces: &'a [String],
    disruption: &'a str,
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
    let mut parts: Vec<Part<'_>> =
        plan.groups.iter().map(|group| Part::of_group(group, &plan.clusters)).collect();
    parts.sort_by_key(|part| part.clusters.len());
    parts
}

impl<'a> Part<'a> {
    fn of_cluster(plan: &'a ClusterPlan) -> Self {
        Self {
            clusters: vec![&plan.cluster],
            objects: &plan.objects,
            findings: &plan.findings,
            is_group: false,
            platforms: vec![platform_words(&plan.platform, &plan.platform_detail)],
            why: &[],
            namespaces: &plan.namespaces,
            disruption: &plan.disruption,
            digest: Some(&plan.plan_digest),
            planned: !plan.plan_digest.is_empty(),
            deletions: plan.deletions,
        }
    }

    fn of_group(group: &'a PlanGroup, plans: &'a [ClusterPlan]) -> Self {
        let PlanGroup { clusters, platforms, why, objects, findings, namespaces, disruption } = group;
        let members = || plans.iter().filter(|plan| clusters.contains(&plan.cluster));
        Self {
            clusters: clusters.iter().map(String::as_str).collect(),
            objects,
            findings,
            is_group: true,
            platforms: platforms.iter().map(String::as_str).collect(),
            why,
            namespaces,
            disruption,
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
        if self.is_group {
            let names = screen.names(&self.clusters, MOST_CLUSTERS);
            let share = if self.clusters.len() == of { String::new() } else { format!(" of {of}") };
            let count = match share.as_str() {
                "" => counted(of, "cluster"),
                share => format!("{}{share} clusters", self.clusters.len()),
            };
            screen.line(2, &[strong(count), plain(": "), strong(names), plain("  "), digest]);
            screen.field(2, "on", &[plain(platforms)]);
            for (index, why) in self.why.iter().enumerate() {
                screen.field(2, if index == 0 { "apart" } else { "" }, &[warning(why)]);
            }
        } else {
            screen.line(2, &[strong(self.clusters.join(", ")), plain(format!("  {platforms}  ")), digest]);
        }
        if !self.planned {
            return;
        }
        if let Some(disruption) = disruption(self.disruption) {
            screen.field(2, "disruption", &[disruption]);
        }
        if !self.namespaces.is_empty() {
            let names = screen.names(self.namespaces, 12);
            screen.line(6, &[faint("  namespaces, made if absent: "), plain(names)]);
        }
        object::draw_all(screen, self.objects, manifests);
        self.draw_deletions(screen);
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

/// What the change does to running pods; nothing where it does nothing, or where that is not known.
fn disruption(class: &str) -> Option<Piece> {
    match class {
        "" | "none" => None,
        "config" => Some(plain("none: pods go on with a new configuration")),
        "restart" => Some(warning("pods restart")),
        "outage-risk" => Some(bad("RISK OF AN OUTAGE: traffic may stop while this is rolled out")),
        other => Some(warning(other)),
    }
}
