//! Proposals for many clusters of one config: what clusters have in common is worked out once.
//!
//! # Design notes
//! Most clusters of a fleet differ in their own name and network only. Such clusters get the same manifests but for some
//! leaves, which provenance names, so a plan is kept as text with gaps (a [`Stencil`]) and filled in for each. What makes
//! clusters the same is everything else that a proposal depends on; a property test holds it against [`propose`]. Where
//! more than name and network differs, or a finding speaks of them, a cluster is worked out alone.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{Finding, ObjectId, Origin, Plan, PlanDocument, PlanError, Proposal, path, planner, propose};
use crate::{
    config::{ConfigVersion, Layer, Override, effective},
    digest::{self, Digest},
    fleet::{Cluster, Facts, Name, Schemas},
    platform::PlatformName,
};

/// Proposes plans of one config.
#[derive(Debug)]
pub struct Proposer<'a> {
    config: &'a ConfigVersion,
    known: BTreeMap<Alike<'a>, Shape>,
}

/// The plan of a cluster by its digest, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// None where nothing can be planned; then a finding says why.
    pub plan: Option<Digest>,
    /// What blocks first.
    pub findings: Arc<[Finding]>,
}

/// Everything that a proposal depends on beside the config and what is each cluster's own.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'a> {
    facts: Option<&'a Facts>,
    schemas: &'a Schemas,
    declared: Option<PlatformName>,
    layers: Vec<bool>,
    overrides: Vec<bool>,
    /// Which field of the `Cluster` document gives the network.
    network: (bool, Vec<bool>),
}

#[derive(Debug)]
enum Shape {
    Stencil(Box<Stencil>),
    /// Each of these clusters is worked out alone.
    Alone,
}

/// A proposal with gaps for what is each cluster's own.
#[derive(Debug)]
struct Stencil {
    proposal: Proposal,
    findings: Arc<[Finding]>,
    /// The network is the cluster's name, its document's, or of this label.
    from_label: Option<String>,
    /// Bodies with gaps, by the objects that have them.
    bodies: Vec<(ObjectId, Digest, Text)>,
    /// The document, with the digests of those bodies as gaps.
    document: Text,
}

/// Text in pieces.
type Text = Vec<Piece>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Name,
    Network,
    /// The digest of a body with gaps, by its place.
    Body(usize),
}

impl<'a> Proposer<'a> {
    /// For one config.
    #[must_use]
    pub fn new(config: &'a ConfigVersion) -> Self {
        Self { config, known: BTreeMap::new() }
    }

    /// The same as [`propose`] of the config for the cluster.
    pub fn propose(&mut self, cluster: &'a Cluster) -> Result<Proposal, PlanError> {
        let config = self.config;
        match self.stencil(cluster)? {
            Some((stencil, own)) => Ok(stencil.proposal(own)),
            None => propose(config, cluster),
        }
    }

    /// What [`propose`] says, without the plan itself.
    pub fn judge(&mut self, cluster: &'a Cluster) -> Result<Judged, PlanError> {
        if let Some((stencil, own)) = self.stencil(cluster)? {
            let (digest, _) = stencil.seal(own);
            return Ok(Judged { plan: Some(digest), findings: Arc::clone(&stencil.findings) });
        }
        let Proposal { plan, findings, .. } = propose(self.config, cluster)?;
        Ok(Judged { plan: plan.map(|plan| plan.digest), findings: findings.into() })
    }

    fn stencil(&mut self, cluster: &'a Cluster) -> Result<Option<(&Stencil, Own<'a>)>, PlanError> {
        let alike = Alike::of(self.config, cluster);
        if !self.known.contains_key(&alike) {
            let shape = Shape::of(self.config, cluster)?;
            self.known.insert(Alike::of(self.config, cluster), shape);
        }
        let Some(Shape::Stencil(stencil)) = self.known.get(&alike) else { return Ok(None) };
        // A label may name no network.
        let Ok(network) = cluster.network(stencil.from_label.as_deref()) else { return Ok(None) };
        Ok(Some((stencil, Own { name: &cluster.name, network })))
    }
}

/// What is a cluster's own.
struct Own<'a> {
    name: &'a Name,
    network: Name,
}

impl<'a> Alike<'a> {
    fn of(config: &ConfigVersion, cluster: &'a Cluster) -> Self {
        let holds = |selector: &crate::fleet::Selector| selector.matches(&cluster.name, &cluster.labels);
        let labels = network_labels(config);
        Self {
            facts: cluster.facts.as_ref(),
            schemas: &cluster.schemas,
            declared: cluster.declared,
            layers: config.config.layers.iter().map(|Layer { clusters, .. }| holds(clusters)).collect(),
            overrides: config
                .config
                .overrides
                .iter()
                .map(|Override { clusters, .. }| holds(clusters))
                .collect(),
            network: (
                cluster.network.is_some(),
                labels.iter().map(|label| cluster.labels.contains_key(*label)).collect(),
            ),
        }
    }
}

/// The labels that name a network in the base or in any layer.
fn network_labels(config: &ConfigVersion) -> Vec<&str> {
    let base = &config.config.base;
    let sets = config.config.layers.iter().map(|layer| &layer.set);
    let all = [base].into_iter().chain(sets);
    all.filter_map(|part| part.pointer("/network/fromLabel").and_then(Value::as_str)).collect()
}

impl Shape {
    fn of(config: &ConfigVersion, cluster: &Cluster) -> Result<Self, PlanError> {
        let proposal = propose(config, cluster)?;
        Ok(Stencil::of(config, cluster, proposal)
            .map_or(Self::Alone, |stencil| Self::Stencil(Box::new(stencil))))
    }
}

impl Stencil {
    /// None where the proposal does not come of name and network alone.
    fn of(config: &ConfigVersion, cluster: &Cluster, proposal: Proposal) -> Option<Self> {
        let plan = proposal.plan.as_ref()?;
        let meant = effective(&config.config, cluster).ok()?;
        let from_label = meant.base.network.map(|network| network.from_label);
        let network = cluster.network(from_label.as_deref()).ok()?;
        let own = [cluster.name.as_str(), network.as_str()];
        let speaks = |text: &str| own.iter().any(|own| text.contains(own));
        let findings: Arc<[Finding]> = proposal.findings.clone().into();
        if findings.iter().any(|finding| speaks(&finding.message) || speaks(&finding.hint)) {
            return None;
        }
        // Variables of the document, and names in overrides, are more than name and network.
        let written = |text: &Value| text.to_string().contains("${");
        let parts = config.config.layers.iter().map(|layer| &layer.set).chain([&config.config.base]);
        let overrides = config.config.overrides.iter().filter_map(|said| said.value.as_ref());
        if parts.chain(overrides).any(written) {
            return None;
        }
        let mut bodies = Vec::new();
        for (id, body) in bodies_of(&plan.document) {
            let gaps = gaps(plan, id)?;
            if gaps.is_empty() {
                continue;
            }
            let value: Value = serde_json::from_slice(plan.bodies.get(&body)?).ok()?;
            bodies.push((id.clone(), body, cut_value(value, &gaps)?));
        }
        // No value that is watched for may be the cluster's own: the document is cut at digests alone.
        let expected = plan.document.expectations.iter().map(|expectation| &expectation.id);
        for id in expected {
            gaps(plan, id)?.is_empty().then_some(())?;
        }
        let digests: Vec<String> = bodies.iter().map(|(_, digest, _)| digest.to_string()).collect();
        let marks: Vec<(&str, Piece)> =
            digests.iter().enumerate().map(|(index, digest)| (digest.as_str(), Piece::Body(index))).collect();
        let document = cut(&plan.bytes, &marks);
        let stencil = Self { from_label, bodies, document, findings, proposal };
        // Filled in with what it was made from it is what it was made from, or it is not used.
        let same = stencil.proposal(Own { name: &cluster.name, network });
        (same == stencil.proposal).then_some(stencil)
    }

    /// The digest of a cluster's plan, and its bodies with the gaps filled in.
    fn seal(&self, own: Own<'_>) -> (Digest, Vec<(Digest, Vec<u8>)>) {
        let bodies: Vec<(Digest, Vec<u8>)> = self
            .bodies
            .iter()
            .map(|(.., text)| {
                let bytes = fill(text, &own, &[]);
                (Digest::of(&bytes), bytes)
            })
            .collect();
        (Digest::of(&fill(&self.document, &own, &bodies)), bodies)
    }

    fn proposal(&self, own: Own<'_>) -> Proposal {
        let mut proposal = self.proposal.clone();
        let (_, bodies) = self.seal(own);
        let Some(plan) = &mut proposal.plan else { return proposal };
        for ((id, former, _), (digest, bytes)) in self.bodies.iter().zip(bodies) {
            plan.bodies.remove(former);
            plan.bodies.insert(digest, bytes);
            set_body(&mut plan.document, id, digest);
        }
        (plan.bytes, plan.digest) = planner::seal(&plan.document);
        proposal
    }
}

/// Every body that a document names, with its object.
fn bodies_of(document: &PlanDocument) -> impl Iterator<Item = (&ObjectId, Digest)> {
    let objects = document.phases.iter().flat_map(|phase| &phase.objects);
    let additions = document.additions.iter().map(|addition| (&addition.id, addition.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    objects.map(|object| (&object.id, object.body)).chain(additions).chain(templates)
}

fn set_body(document: &mut PlanDocument, id: &ObjectId, body: Digest) {
    let objects = document.phases.iter_mut().flat_map(|phase| &mut phase.objects);
    objects.filter(|object| object.id == *id).for_each(|object| object.body = body);
    document.additions.iter_mut().filter(|one| one.id == *id).for_each(|one| one.body = body);
    document.templates.iter_mut().filter(|one| one.id == *id).for_each(|one| one.body = body);
}

/// The leaves of an object that are a cluster's own; none where one of them is not known to be name or network.
fn gaps(plan: &Plan, id: &ObjectId) -> Option<Vec<(String, Piece)>> {
    let origins = plan.provenance.get(id)?;
    let own = origins.iter().filter_map(|(path, origin)| match origin {
        Origin::Cluster { field, .. } if field == "name" => Some(Some((path.clone(), Piece::Name))),
        Origin::Cluster { field, .. } if field.starts_with("network") => {
            Some(Some((path.clone(), Piece::Network)))
        }
        Origin::Cluster { .. } => Some(None),
        Origin::Config { origin, .. } => origin.variable.as_ref().map(|_| None),
        Origin::Rule { .. } | Origin::Override(_) | Origin::Structural => None,
    });
    own.collect()
}

/// The canonical text of a value with gaps at some leaves.
fn cut_value(mut value: Value, gaps: &[(String, Piece)]) -> Option<Text> {
    // No text of a manifest holds this character unescaped, and no rule writes it.
    let mark = |index: usize| format!("\u{1}{index}\u{1}");
    let mut met = 0;
    mark_leaves(&mut value, "", &mut |path, leaf| {
        if let Some(index) = gaps.iter().position(|(at, _)| at == path) {
            met += 1;
            *leaf = Value::from(mark(index));
        }
    });
    if met != gaps.len() {
        return None;
    }
    let marks: Vec<String> = (0..gaps.len())
        .map(|index| Value::from(mark(index)).to_string().trim_matches('"').to_owned())
        .collect();
    let marks: Vec<(&str, Piece)> =
        marks.iter().zip(gaps).map(|(mark, (_, piece))| (mark.as_str(), piece.clone())).collect();
    Some(cut(&digest::canonical(&value), &marks))
}

fn mark_leaves(value: &mut Value, at: &str, mark: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(map) => {
            map.iter_mut()
                .for_each(|(key, value)| mark_leaves(value, &format!("{at}{}", path::step(key)), mark));
        }
        Value::Array(items) => {
            let steps = path::item_steps(items);
            let items = items.iter_mut().zip(steps);
            items.for_each(|(item, step)| mark_leaves(item, &format!("{at}{step}"), mark));
        }
        leaf => mark(at, leaf),
    }
}

/// Bytes in pieces: what stands for each mark in its place.
fn cut(bytes: &[u8], marks: &[(&str, Piece)]) -> Text {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let first = |bytes: &[u8]| {
        let found =
            marks.iter().filter_map(|(mark, piece)| Some((position(bytes, mark.as_bytes())?, *mark, piece)));
        found.min_by_key(|(at, ..)| *at).map(|(at, mark, piece)| (at, mark.len(), piece.clone()))
    };
    while let Some((at, length, piece)) = first(rest) {
        pieces.extend([Piece::Bytes(rest[..at].to_vec()), piece]);
        rest = &rest[at + length..];
    }
    pieces.push(Piece::Bytes(rest.to_vec()));
    pieces
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Names are DNS labels and digests are hex: neither needs an escape in JSON.
fn fill(text: &Text, own: &Own<'_>, bodies: &[(Digest, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in text {
        match piece {
            Piece::Bytes(piece) => bytes.extend_from_slice(piece),
            Piece::Name => bytes.extend_from_slice(own.name.as_str().as_bytes()),
            Piece::Network => bytes.extend_from_slice(own.network.as_str().as_bytes()),
            Piece::Body(index) => bytes.extend_from_slice(bodies[*index].0.to_string().as_bytes()),
        }
    }
    bytes
}
