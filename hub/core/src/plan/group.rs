//! Groups of clusters with the same diff, once the variables of each cluster are replaced by their names.
//!
//! What is a variable is told by provenance, never by looking for a cluster's name in texts: a cluster may be called
//! `default`. Only the words of findings, which are made for people, are searched, and then as whole words.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;
use serde_json::Value;

use super::{
    Change, Disrupting, Finding, LeafChange, ObjectDiff, ObjectId, Origin, Plan, Severity, disruption, path,
};
use crate::{digest::Digest, fleet::Name};

/// What a config would make of one cluster.
#[derive(Debug, Clone)]
pub struct Preview<'a> {
    /// Its name.
    pub cluster: &'a Name,
    /// Its platform with the version, for people; empty if not known.
    pub platform: &'a str,
    /// What would change.
    pub diff: &'a [ObjectDiff],
    /// What was found.
    pub findings: &'a [Finding],
    /// The plan; none where nothing could be planned.
    pub plan: Option<&'a Plan>,
}

/// Clusters for which a config makes the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Sorted.
    pub clusters: Vec<Name>,
    /// Platforms with their versions, each once, sorted.
    pub platforms: Vec<String>,
    /// What sets it apart from the largest group, a sentence each; empty for the largest.
    pub why: Vec<String>,
    /// What would change, with variables by name.
    pub objects: Vec<ObjectDiff>,
    /// What is written, with variables by name.
    pub manifests: BTreeMap<ObjectId, Value>,
    /// What was found, with the cluster by name.
    pub findings: Vec<Finding>,
    /// Namespaces that are made if absent.
    pub namespaces: Vec<Name>,
    /// The worst that it does to running pods.
    pub disruption: Disrupting,
}

/// A cluster's preview with its variables replaced. Only one of each group is worked out in full.
struct Normal {
    /// Whether the cluster has a plan now.
    present: bool,
    objects: Vec<ObjectDiff>,
    manifests: BTreeMap<ObjectId, Value>,
    findings: Vec<Finding>,
    namespaces: Vec<Name>,
    planned: bool,
}

/// Groups previews; the smallest group first, of equal ones that in which something blocks, then that with the most
/// objects, with the most layers, and by name.
#[must_use]
pub fn group(previews: &[Preview<'_>]) -> Vec<Group> {
    let mut grouped: BTreeMap<Digest, Vec<&Preview<'_>>> = BTreeMap::new();
    for preview in previews {
        grouped.entry(key(preview)).or_default().push(preview);
    }
    let mut members: Vec<Vec<&Preview<'_>>> = grouped.into_values().collect();
    for group in &mut members {
        group.sort_by_key(|preview| preview.cluster);
    }
    // Of groups of one size, the plainest serves as the measure of the others.
    members.sort_by_key(|group| {
        let first = group.first().map(|preview| (Reverse(weight(preview)), preview.cluster));
        (group.len(), first)
    });
    let normals = members.iter().filter_map(|group| Some((&group[..], normal(group.first()?))));
    let normals: Vec<(&[&Preview<'_>], Normal)> = normals.collect();
    let Some((largest, smaller)) = normals.split_last() else { return Vec::new() };
    let mut groups: Vec<Group> = smaller
        .iter()
        .map(|(group, normal)| told(group, normal, apart((group, normal), (largest.0, &largest.1))))
        .collect();
    groups.push(told(largest.0, &largest.1, Vec::new()));
    groups
}

/// How far a cluster is from a plain one, of which there is least to say.
fn weight(preview: &Preview<'_>) -> (bool, usize, usize) {
    let blocked = preview.findings.iter().any(|finding| finding.severity == Severity::Blocks);
    (blocked || preview.plan.is_none(), preview.diff.len(), layers(preview).len())
}

fn layers<'a>(preview: &Preview<'a>) -> &'a [Name] {
    preview.plan.map_or(&[], |plan| plan.config.layers.as_slice())
}

/// Equal for clusters of one group.
fn key(preview: &Preview<'_>) -> Digest {
    /// What is written of an object: its body stands for itself where no value of it is a variable.
    #[derive(Serialize)]
    enum Written {
        AsItIs(Digest),
        ByName(Value),
    }
    let index = preview.plan.map(bodies_by_id).unwrap_or_default();
    let changed = preview.diff.iter().filter(|diff| !matches!(diff.change, Change::None | Change::Expect));
    let written: Vec<Option<Written>> = changed
        .map(|diff| {
            let digest = *index.get(&diff.id)?;
            if !has_variables(origins(preview, &diff.id)) {
                return Some(Written::AsItIs(digest));
            }
            manifest(preview, &diff.id, digest).map(Written::ByName)
        })
        .collect();
    let objects: Vec<Cow<'_, ObjectDiff>> =
        preview.diff.iter().map(|diff| normal_object(diff, preview)).collect();
    let findings: Vec<Finding> =
        preview.findings.iter().map(|finding| normal_finding(finding, preview.cluster)).collect();
    let namespaces = preview.plan.map(|plan| &plan.document.namespaces);
    let key = (objects, written, findings, namespaces);
    Digest::of(&serde_json::to_vec(&key).expect("plain data becomes JSON"))
}

fn normal(preview: &Preview<'_>) -> Normal {
    let index = preview.plan.map(bodies_by_id).unwrap_or_default();
    let manifests = preview.diff.iter().filter(|diff| diff.change != Change::Expect).filter_map(|diff| {
        let body = manifest(preview, &diff.id, *index.get(&diff.id)?)?;
        Some((diff.id.clone(), body))
    });
    Normal {
        present: preview
            .diff
            .iter()
            .any(|diff| matches!(diff.change, Change::Update | Change::None | Change::Delete)),
        objects: preview.diff.iter().map(|diff| normal_object(diff, preview).into_owned()).collect(),
        manifests: manifests.collect(),
        findings: preview.findings.iter().map(|finding| normal_finding(finding, preview.cluster)).collect(),
        namespaces: preview.plan.map(|plan| plan.document.namespaces.clone()).unwrap_or_default(),
        planned: preview.plan.is_some(),
    }
}

static NO_ORIGINS: BTreeMap<String, Origin> = BTreeMap::new();

fn origins<'a>(preview: &Preview<'a>, id: &ObjectId) -> &'a BTreeMap<String, Origin> {
    preview.plan.and_then(|plan| plan.provenance.get(id)).unwrap_or(&NO_ORIGINS)
}

fn bodies_by_id(plan: &Plan) -> BTreeMap<&ObjectId, Digest> {
    let document = &plan.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects);
    let additions = document.additions.iter().map(|addition| (&addition.id, addition.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    objects.map(|object| (&object.id, object.body)).chain(additions).chain(templates).collect()
}

/// What is written of an object, with variables by name.
fn manifest(preview: &Preview<'_>, id: &ObjectId, body: Digest) -> Option<Value> {
    let mut value = serde_json::from_slice(preview.plan?.bodies.get(&body)?).ok()?;
    let origins = origins(preview, id);
    if has_variables(origins) {
        substitute(&mut value, String::new(), origins);
    }
    Some(value)
}

fn has_variables(origins: &BTreeMap<String, Origin>) -> bool {
    origins.values().any(|origin| origin.template().is_some())
}

fn normal_object<'a>(diff: &'a ObjectDiff, preview: &Preview<'_>) -> Cow<'a, ObjectDiff> {
    if diff.changes.is_empty() {
        return Cow::Borrowed(diff);
    }
    let origins = origins(preview, &diff.id);
    let changes = diff.changes.iter().map(|leaf| normal_leaf(leaf, origins, preview.cluster)).collect();
    let ObjectDiff { id, change, phase, changes: _ } = diff;
    Cow::Owned(ObjectDiff { id: id.clone(), change: *change, phase: phase.clone(), changes })
}

/// The new value by the name of its variable; the old one too where it was the cluster's name as a whole.
fn normal_leaf(leaf: &LeafChange, origins: &BTreeMap<String, Origin>, cluster: &Name) -> LeafChange {
    let Some(template) = origins.get(&leaf.path).and_then(Origin::template) else { return leaf.clone() };
    let old = leaf
        .old
        .as_ref()
        .map(|old| if old == cluster.as_str() { Value::from("${cluster}") } else { old.clone() });
    LeafChange { path: leaf.path.clone(), old, new: leaf.new.as_ref().map(|_| template.into()) }
}

fn substitute(value: &mut Value, at: String, origins: &BTreeMap<String, Origin>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                substitute(value, format!("{at}{}", path::step(key)), origins);
            }
        }
        Value::Array(items) => {
            let steps = path::item_steps(items);
            for (item, step) in items.iter_mut().zip(steps) {
                substitute(item, format!("{at}{step}"), origins);
            }
        }
        leaf => {
            if let Some(template) = origins.get(&at).and_then(Origin::template) {
                *leaf = template.into();
            }
        }
    }
}

fn normal_finding(finding: &Finding, cluster: &Name) -> Finding {
    Finding {
        rule: finding.rule.clone(),
        severity: finding.severity,
        message: without_name(&finding.message, cluster.as_str()),
        hint: without_name(&finding.hint, cluster.as_str()),
    }
}

/// The text with `cluster NAME`, `enrol NAME` and `rbac NAME` as `${cluster}`.
fn without_name(text: &str, name: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for index in 1..words.len() {
        let leads = ["cluster", "enrol", "rbac"].contains(&words[index - 1].trim_start_matches('`'));
        let bare = words[index].trim_end_matches([':', ',', '.', ';', '`', ')']);
        if leads && bare == name {
            let rest = words[index][bare.len()..].to_owned();
            words[index] = format!("${{cluster}}{rest}");
        }
    }
    words.join(" ")
}

fn told(group: &[&Preview<'_>], normal: &Normal, why: Vec<String>) -> Group {
    let findings = match group {
        // One alone goes by its name.
        [one] => one.findings.to_vec(),
        _ => normal.findings.clone(),
    };
    let platforms = platforms(group).into_iter().filter(|platform| !platform.is_empty());
    Group {
        clusters: group.iter().map(|preview| preview.cluster.clone()).collect(),
        platforms: platforms.map(str::to_owned).collect(),
        why,
        disruption: disruption(&normal.objects),
        objects: normal.objects.clone(),
        manifests: normal.manifests.clone(),
        findings,
        namespaces: normal.namespaces.clone(),
    }
}

fn platforms<'a>(group: &[&Preview<'a>]) -> BTreeSet<&'a str> {
    group.iter().map(|preview| preview.platform).collect()
}

/// What sets a group apart from the largest one.
fn apart(
    (group, one): (&[&Preview<'_>], &Normal),
    (largest, other): (&[&Preview<'_>], &Normal),
) -> Vec<String> {
    let mut why = Vec::new();
    let (own, others) = (platforms(group), platforms(largest));
    if own.is_disjoint(&others) {
        let own = own.into_iter().map(str::to_owned).collect();
        why.push(format!("runs on {}", listed(own)));
    }
    let own_layers = layers_apart(group, largest);
    let other_layers = layers_apart(largest, group);
    if !own_layers.is_empty() {
        why.push(format!("has layer {}", own_layers.join(", ")));
    }
    if !other_layers.is_empty() {
        why.push(format!("lacks layer {}", other_layers.join(", ")));
    }
    match (one.planned, other.planned, one.present, other.present) {
        (false, true, ..) => why.push("cannot be planned".to_owned()),
        (true, false, ..) => why.push("can be planned".to_owned()),
        (.., false, true) => why.push("is new: it has no plan yet".to_owned()),
        (.., true, false) => why.push("has a plan already".to_owned()),
        (.., true, true) | (.., false, false) => {}
    }
    why.extend(findings_apart(one, other));
    why.extend(changes_apart(one, other));
    if why.is_empty() {
        why.push("is written differently".to_owned());
    }
    why
}

/// Layers of all clusters of a group that none of the other one has: what some have sets nothing apart.
fn layers_apart(group: &[&Preview<'_>], other: &[&Preview<'_>]) -> Vec<String> {
    let Some(first) = group.first() else { return Vec::new() };
    let apart = layers(first).iter().filter(|layer| {
        group.iter().all(|preview| layers(preview).contains(layer))
            && !other.iter().any(|preview| layers(preview).contains(layer))
    });
    apart.map(ToString::to_string).collect()
}

fn findings_apart(one: &Normal, other: &Normal) -> Vec<String> {
    let rules = |has: &Normal, lacks: &Normal| {
        let apart = has.findings.iter().filter(|finding| !lacks.findings.contains(finding));
        apart.map(|finding| finding.rule.clone()).collect::<BTreeSet<_>>()
    };
    let own = rules(one, other);
    let others: BTreeSet<String> = rules(other, one).difference(&own).cloned().collect();
    let mut why = Vec::new();
    if !own.is_empty() {
        why.push(format!("has finding {}", listed(own)));
    }
    if !others.is_empty() {
        why.push(format!("lacks finding {}", listed(others)));
    }
    why
}

/// Objects that only one has, and the first values that change from something else.
fn changes_apart(one: &Normal, other: &Normal) -> Vec<String> {
    let mut why = Vec::new();
    // What is watched is mostly made by what is changed, so it is said only where nothing else is.
    for (watched, verb, not) in [(false, "changes", "does not change"), (true, "watches", "does not watch")] {
        let ids = |normal: &Normal| {
            let told = normal
                .objects
                .iter()
                .filter(|diff| diff.change != Change::None && (diff.change == Change::Expect) == watched);
            told.map(|diff| diff.id.to_string()).collect::<BTreeSet<_>>()
        };
        let (own, others) = (ids(one), ids(other));
        let more: BTreeSet<String> = own.difference(&others).cloned().collect();
        let fewer: BTreeSet<String> = others.difference(&own).cloned().collect();
        if !more.is_empty() {
            why.push(format!("{verb} {} too", listed(more)));
        }
        if !fewer.is_empty() {
            why.push(format!("{not} {}", listed(fewer)));
        }
        if !why.is_empty() {
            break;
        }
    }
    for diff in one.objects.iter().filter(|diff| diff.change != Change::None) {
        let Some(counterpart) = other.objects.iter().find(|known| known.id == diff.id) else { continue };
        let new = diff.changes.iter().filter(|leaf| !counterpart.changes.contains(leaf));
        if counterpart.change == diff.change {
            why.extend(new.take(1).map(|leaf| format!("{} {leaf}", diff.id)));
        }
        let pair = one.manifests.get(&diff.id).zip(other.manifests.get(&diff.id));
        if let Some((own, theirs)) = pair.filter(|(own, theirs)| diff.changes.is_empty() && own != theirs) {
            let (own, theirs) = (path::leaves("", own), path::leaves("", theirs));
            let differing = own.iter().filter(|(path, value)| theirs.get(*path) != Some(value));
            let differing: Vec<String> =
                differing.take(3).map(|(path, value)| format!("{path}: {value}")).collect();
            if !differing.is_empty() {
                why.push(format!("{} has {}", diff.id, differing.join(", ")));
            }
        }
    }
    why
}

/// At most three, and how many more.
fn listed(words: BTreeSet<String>) -> String {
    let count = words.len();
    let mut said: Vec<String> = words.into_iter().take(3).collect();
    if count > said.len() {
        said.push(format!("{} more", count - said.len()));
    }
    said.join(", ")
}
