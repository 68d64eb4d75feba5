//! What a config would make of clusters. Pure: everything was loaded, and what spokes found is given.

use hub_core::{
    adoption::{Adoption, Judgement},
    config::ConfigVersion,
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Change, Finding, ObjectDiff, Plan, Severity},
    platform::Detection,
    probe::{self, Question},
};

use super::{super::probes, known::KnownCluster};

/// What a config would make of its clusters.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The config.
    pub config: Name,
    /// The version that was looked at.
    pub version: u64,
    /// By name.
    pub clusters: Vec<ClusterPreview>,
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
    /// Objects that exist and are not ours.
    pub adoptions: Vec<Adoption>,
    /// How many objects a rollout would delete.
    pub deletions: usize,
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
    pub(super) fn new(config: ConfigVersion, clusters: Vec<ClusterPreview>) -> Self {
        Self { config: config.name, version: config.number, clusters }
    }
}

/// A preview of one cluster before its spoke was asked.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) cluster: ClusterId,
    preview: ClusterPreview,
    question: Option<Question>,
    left_out: usize,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Asked {
    /// It was answered, and this is what it means.
    Answered(Judgement),
    /// It was not answered, or there was none.
    Nothing,
}

impl Draft {
    /// What `config` makes of `cluster`; `others` are the newest versions of all configs.
    pub(super) fn new(
        (config, others): (&ConfigVersion, &[ConfigVersion]),
        cluster: &Cluster,
        known: KnownCluster,
    ) -> Self {
        let mut preview = compute(config, cluster, &known);
        preview.findings.extend(second_config(config, others, cluster));
        let asking = preview.plan.as_ref().map(|plan| probe::ask(plan, &known.inventory));
        let question = asking.as_ref().and_then(|asking| asking.question.clone());
        let left_out = asking.map_or(0, |asking| asking.left_out);
        preview.probed = match &question {
            None if preview.plan.is_none() => Probed::No("there is no plan".to_owned()),
            None => Probed::Yes,
            Some(_) if !known.connected => Probed::No("its spoke is not attached".to_owned()),
            Some(_) => {
                let within = probes::ANSWERED_WITHIN.as_secs();
                Probed::No(format!("its spoke did not answer within {within} s"))
            }
        };
        Self { cluster: cluster.id, preview, question: question.filter(|_| known.connected), left_out }
    }

    /// What is to be asked, once.
    pub(super) fn take_question(&mut self) -> Option<(ClusterId, Question)> {
        Some((self.cluster, self.question.take()?))
    }

    pub(super) fn complete(self, asked: Asked) -> ClusterPreview {
        let mut preview = self.preview;
        if let Asked::Answered(Judgement { adoptions, findings }) = asked {
            preview.probed = match self.left_out {
                0 => Probed::Yes,
                more => Probed::No(format!("of {more} objects: they are too many for one question")),
            };
            preview.adoptions = adoptions;
            preview.findings.extend(findings);
        }
        preview.findings.sort_by_key(|finding| finding.severity);
        preview
    }
}

fn compute(config: &ConfigVersion, cluster: &Cluster, known: &KnownCluster) -> ClusterPreview {
    let mut preview = ClusterPreview {
        cluster: cluster.name.clone(),
        platform: None,
        plan: None,
        diff: Vec::new(),
        findings: Vec::new(),
        probed: Probed::Yes,
        adoptions: Vec::new(),
        deletions: 0,
    };
    let proposal = match plan::propose(config, cluster) {
        Ok(proposal) => proposal,
        Err(error) => {
            preview.findings.push(cannot_plan(&error));
            return preview;
        }
    };
    preview.platform = proposal.detection;
    preview.findings = proposal.findings;
    if let Some(plan) = proposal.plan {
        let before = known.present.as_ref().map(super::known::Present::before);
        preview.diff = plan::diff(before, &plan);
        preview.diff.retain(|object| object.change != Change::Delete);
        let (deletions, _) = plan::deletions(&known.inventory, &known.accepted, &plan.document);
        preview.deletions = deletions.len();
        preview.diff.extend(deletions.into_iter().map(|deletion| deleted(deletion.id)));
        preview.plan = Some(plan);
    }
    preview
}

fn deleted(id: plan::ObjectId) -> ObjectDiff {
    ObjectDiff { id, change: Change::Delete, phase: String::new(), changes: Vec::new() }
}

fn second_config(config: &ConfigVersion, others: &[ConfigVersion], cluster: &Cluster) -> Option<Finding> {
    let mut others = others.iter().filter(|other| other.name != config.name);
    let other = others.find(|other| super::selects(other, cluster))?;
    Some(Finding {
        rule: "config.two".to_owned(),
        severity: Severity::Blocks,
        message: format!("the mesh configs {} and {} both select it", config.name, other.name),
        hint: "let only one config select it".to_owned(),
    })
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
