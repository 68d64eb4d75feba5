//! What a config would make of clusters. Pure: everything was loaded, and what spokes found is given.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    adoption::{Adoption, Judgement},
    config::ConfigVersion,
    drift::{HealClasses, NamedPolicy, policy},
    fleet::{Cluster, ClusterId, Name},
    plan::{
        self, Change, Disrupting, Finding, ObjectDiff, ObjectId, Plan, Severity,
        check::{Combination, ageing},
        rights::{self, Need, Right},
    },
    platform::Detection,
    probe::{self, Question},
    rollout::CurrentTarget,
};

use jiff::civil::Date;

use super::{
    super::{deletions::Deleting, probes},
    known::{KnownCluster, Present},
};

/// What a config would make of its clusters.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The config.
    pub config: Name,
    /// The version that was looked at.
    pub version: u64,
    /// By name.
    pub clusters: Vec<ClusterPreview>,
    /// Clusters with the same diff; none where one cluster was asked for.
    pub groups: Vec<PreviewGroup>,
}

/// What a config would make of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterPreview {
    /// The cluster.
    pub cluster: Name,
    /// What it runs on; none before its spoke was attached.
    pub platform: Option<Detection>,
    /// None if no plan could be made: then a finding says why.
    pub plan: Option<Plan>,
    /// Against the present target, with what a rollout would delete by the inventory of the spoke.
    pub diff: Vec<ObjectDiff>,
    /// What the checks found; what blocks comes first.
    pub findings: Vec<Finding>,
    /// Whether it is known what exists already.
    pub probed: Probed,
    /// What a rollout would do with objects that exist and are not ours, by the object of the diff.
    pub adoptions: BTreeMap<ObjectId, Vec<String>>,
    /// The namespaces that templates select now.
    pub selected: BTreeMap<ObjectId, BTreeSet<String>>,
    /// How many objects a rollout would delete.
    pub deletions: usize,
    /// Whether its present target was not applied to its end, or is not healthy: a rollout tries again.
    pub unreached: bool,
    /// The worst that the change does to a running mesh.
    pub disruption: Disrupting,
    /// The rights that a rollout needs of its spoke.
    pub rights: Rights,
    /// What its spoke heals by itself once this is rolled out.
    pub heal: HealClasses,
    /// Whether that is something else than by its present target.
    pub heal_changes: bool,
}

/// What a preview is made from, for all its clusters.
pub(super) struct Among<'a> {
    /// The config.
    pub(super) config: &'a ConfigVersion,
    /// The newest versions of all configs.
    pub(super) others: &'a [ConfigVersion],
    /// All drift policies.
    pub(super) policies: &'a [NamedPolicy],
    /// The day: decides only what is said of the age of versions.
    pub(super) today: Date,
}

/// The rights that a rollout needs of a spoke.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// What is needed.
    pub needs: Vec<Need>,
    /// How that stands, as the spoke said; none if it did not.
    pub held: Option<Vec<Right>>,
}

/// Whether it is known what exists already in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Its spoke was asked, or all that would be written is known to be ours.
    Yes,
    /// It is not, and why.
    No(String),
}

impl Preview {
    pub(super) fn of_one(config: ConfigVersion, clusters: Vec<ClusterPreview>) -> Self {
        Self { config: config.name, version: config.number, clusters, groups: Vec::new() }
    }

    pub(super) fn of_fleet(config: ConfigVersion, clusters: Vec<ClusterPreview>) -> Self {
        Self { groups: groups(&clusters), ..Self::of_one(config, clusters) }
    }
}

/// A preview of one cluster before its spoke was asked.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) cluster: ClusterId,
    preview: ClusterPreview,
    question: Option<Question>,
    left_out: usize,
    /// Why nobody will say how the rights stand, unless somebody does.
    unasked: String,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Asked {
    /// It was answered, and this is what it means.
    Answered(Judgement, Vec<Right>),
    /// It was not answered, or there was none.
    Nothing,
}

impl Draft {
    /// What the config makes of `cluster`.
    pub(super) fn new(among: &Among<'_>, cluster: &Cluster, known: KnownCluster) -> Self {
        let mut preview = compute(among, cluster, &known);
        let planned = preview.plan.as_ref().zip(cluster.facts.as_ref());
        let asking = planned.map(|(plan, facts)| probe::ask(plan, facts, &known.inventory));
        let mut question = asking.as_ref().and_then(|asking| asking.question.clone());
        let left_out = asking.map_or(0, |asking| asking.left_out);
        let unasked = match known.connected {
            false => "its spoke is not attached".to_owned(),
            true => format!("its spoke did not answer within {} s", probes::ANSWERED_WITHIN.as_secs()),
        };
        preview.probed = match &question {
            None if preview.plan.is_none() => Probed::No("there is no plan".to_owned()),
            None => Probed::Yes,
            Some(_) => Probed::No(unasked.clone()),
        };
        if let Some(plan) = preview.plan.as_ref().filter(|_| !preview.rights.needs.is_empty()) {
            let new = || Question { plan: plan.digest, objects: Vec::new(), needs: Vec::new() };
            question.get_or_insert_with(new).needs =
                preview.rights.needs.iter().take(rights::MOST_NEEDS).cloned().collect();
        }
        let question = question.filter(|_| known.connected);
        Self { cluster: cluster.id, preview, question, left_out, unasked }
    }

    /// What is to be asked, once.
    pub(super) fn take_question(&mut self) -> Option<(ClusterId, Question)> {
        Some((self.cluster, self.question.take()?))
    }

    pub(super) fn complete(self, asked: Asked) -> ClusterPreview {
        let mut preview = self.preview;
        match asked {
            Asked::Answered(Judgement { adoptions, findings }, held) => {
                preview.probed = match self.left_out {
                    0 => Probed::Yes,
                    more => Probed::No(format!("of {more} objects: they are too many for one question")),
                };
                preview.adopt(adoptions);
                preview.findings.extend(findings);
                preview.findings.extend(rights::judge(&preview.cluster, &preview.rights.needs, &held));
                preview.rights.held = Some(held);
            }
            Asked::Nothing if preview.rights.needs.is_empty() => {}
            Asked::Nothing => preview.findings.push(rights::unknown(&self.unasked)),
        }
        preview.disruption = plan::disruption(&preview.diff);
        preview.findings.sort_by_key(|finding| finding.severity);
        preview
    }
}

fn compute(
    Among { config, others, policies, today }: &Among<'_>,
    cluster: &Cluster,
    known: &KnownCluster,
) -> ClusterPreview {
    let mut preview = ClusterPreview {
        cluster: cluster.name.clone(),
        platform: None,
        plan: None,
        diff: Vec::new(),
        findings: Vec::new(),
        probed: Probed::Yes,
        adoptions: BTreeMap::new(),
        selected: BTreeMap::new(),
        deletions: 0,
        unreached: known.unreached.is_some(),
        disruption: Disrupting::NOTHING,
        rights: Rights::default(),
        heal: HealClasses::NONE,
        heal_changes: false,
    };
    preview.heal(policies, cluster, known.current.as_ref());
    preview.findings.extend(known.unreached.as_deref().map(|words| unreached(&cluster.name, words)));
    if matches!(known.present, Some(Present::Unknown)) {
        preview.findings.push(unknown(&cluster.name));
    }
    preview.findings.extend(plan::second_config(config, others, cluster));
    let proposal = match plan::propose(config, cluster) {
        Ok(proposal) => proposal,
        Err(error) => {
            preview.findings.push(cannot_plan(&error));
            return preview;
        }
    };
    preview.platform = proposal.detection;
    preview.findings.extend(proposal.findings);
    let (Some(plan), Some(facts)) = (proposal.plan, &cluster.facts) else { return preview };
    let versions = plan.intent.as_ref().map(|intent| Combination::of(intent, facts));
    preview.findings.extend(versions.iter().flat_map(|versions| ageing(versions, *today)));
    preview.diff = plan::diff(known.present.as_ref().and_then(Present::before), &plan);
    preview.findings.extend(plan::moves(&preview.diff));
    preview.diff.retain(|object| object.change != Change::Delete);
    let deleting = Deleting::of(&known.inventory, &Vec::from_iter(&known.accepted), &plan.document);
    preview.deletions = deleting.count().deletions;
    let going = rights::Deletions { objects: &deleting.deletions, templates: &deleting.templates };
    preview.rights.needs = rights::needs(&plan, &going);
    preview.diff.extend(deleting.objects().map(deleted));
    for template in &plan.document.templates {
        let namespaces = probe::selected(template, facts).into_iter().map(str::to_owned).collect();
        preview.selected.insert(template.id.clone(), namespaces);
    }
    preview.plan = Some(plan);
    preview
}

fn deleted(id: &ObjectId) -> ObjectDiff {
    ObjectDiff { id: id.clone(), change: Change::Delete, phase: String::new(), changes: Vec::new() }
}

/// The diff is of targets: that the present one is not reached stands beside it.
fn unreached(cluster: &Name, words: &str) -> Finding {
    Finding {
        rule: "target.unreached".to_owned(),
        severity: Severity::Warns,
        message: format!("what it was given last is not applied to its end, or is not healthy: {words}"),
        hint: format!("look at `meshfleet status {cluster}`; a new rollout tries again"),
    }
}

/// What was kept as its spoke had it cannot be compared with.
fn unknown(cluster: &Name) -> Finding {
    Finding {
        rule: "target.unknown".to_owned(),
        severity: Severity::Warns,
        message: "it runs something that this hub does not know, so everything is shown as new; what is deleted is \
                  told by what its spoke holds"
            .to_owned(),
        hint: format!("`meshfleet status {cluster}` lists what is there; the next rollout replaces it"),
    }
}

/// A mistake in the rules, as a finding: the other clusters of a preview are worth seeing all the same.
fn cannot_plan(error: &plan::PlanError) -> Finding {
    Finding {
        rule: "plan.failed".to_owned(),
        severity: Severity::Blocks,
        message: error.to_string(),
        hint: "this is a bug of the hub: please report it".to_owned(),
    }
}

impl ClusterPreview {
    /// Notes what its spoke heals by itself once this is rolled out, and whether that is news.
    fn heal(&mut self, policies: &[NamedPolicy], cluster: &Cluster, current: Option<&CurrentTarget>) {
        match policy::heals(policies, cluster) {
            Ok(heal) => {
                let waits = policy::waits(heal, current);
                (self.heal, self.heal_changes) = (heal, waits.is_some());
                self.findings.extend(waits);
            }
            Err(finding) => self.findings.push(finding),
        }
    }

    /// Notes what exists already, at the object of the diff that would be it.
    fn adopt(&mut self, adoptions: Vec<Adoption>) {
        for Adoption { id, text } in adoptions {
            if let Some(object) = self.diff.iter_mut().find(|object| object.id.same_object(&id)) {
                object.change = Change::Adopt;
                self.adoptions.entry(object.id.clone()).or_default().push(text);
                continue;
            }
            // An instance of a template, which stands in the diff without a namespace.
            let template = ObjectId { namespace: String::new(), ..id.clone() };
            if let Some(object) = self.diff.iter().find(|object| object.id.same_object(&template)) {
                let text = format!("in {}: {text}", id.namespace);
                self.adoptions.entry(object.id.clone()).or_default().push(text);
            }
        }
    }
}

/// A group, with what plans alone do not tell.
#[derive(Debug, Clone)]
pub struct PreviewGroup {
    /// The group.
    pub group: plan::Group,
    /// What becomes of existing objects, by the cluster where that differs.
    pub adoptions: BTreeMap<ObjectId, Vec<String>>,
    /// The namespaces that templates select now, in any of the clusters.
    pub selected: BTreeMap<ObjectId, BTreeSet<String>>,
    /// The rules that made each object, by one of the clusters.
    pub plan: Option<Plan>,
}

/// Clusters with the same diff, the fewest first.
fn groups(clusters: &[ClusterPreview]) -> Vec<PreviewGroup> {
    let previews: Vec<plan::Preview<'_>> = clusters.iter().map(ClusterPreview::as_plan).collect();
    let groups = plan::group(&previews).into_iter().map(|group| {
        let members: Vec<&ClusterPreview> =
            clusters.iter().filter(|preview| group.clusters.contains(&preview.cluster)).collect();
        let mut selected: BTreeMap<ObjectId, BTreeSet<String>> = BTreeMap::new();
        for (id, namespaces) in members.iter().flat_map(|member| &member.selected) {
            selected.entry(id.clone()).or_default().extend(namespaces.iter().cloned());
        }
        PreviewGroup {
            adoptions: adoptions(&members),
            selected,
            plan: members.first().and_then(|member| member.plan.clone()),
            group,
        }
    });
    groups.collect()
}

/// What becomes of existing objects of a group's clusters.
fn adoptions(members: &[&ClusterPreview]) -> BTreeMap<ObjectId, Vec<String>> {
    let ids: BTreeSet<&ObjectId> = members.iter().flat_map(|member| member.adoptions.keys()).collect();
    let told = ids.into_iter().map(|id| {
        let of = |member: &&ClusterPreview| member.adoptions.get(id).cloned().unwrap_or_default();
        let same = members.iter().all(|member| of(member) == of(&members[0]));
        let texts = match members {
            [first, ..] if same => of(first),
            _ => members
                .iter()
                .flat_map(|member| of(member).into_iter().map(|text| format!("{}: {text}", member.cluster)))
                .collect(),
        };
        (id.clone(), texts)
    });
    told.collect()
}

impl ClusterPreview {
    fn as_plan(&self) -> plan::Preview<'_> {
        plan::Preview {
            cluster: &self.cluster,
            platform: self.platform.as_ref().map_or("", |detection| &detection.detail),
            diff: &self.diff,
            findings: &self.findings,
            plan: self.plan.as_ref(),
        }
    }
}
