//! The referee on definitions: every object is held against the schema that this very cluster has for its kind, so that
//! what its API server would refuse, or take away without a word, is said before anything is sent.
//!
//! What a cluster's definitions say has the last word: the catalogue answers only where a schema is not known (yet).

use std::collections::BTreeMap;

use super::{Finding, Seen, blocks};
use crate::{
    catalog::sail,
    config::{self, SourceMap},
    fleet::{Facts, Schemas},
    plan::{ObjectId, Origin, Plan, config_use, path},
    schema::{Extent, Judgement, Schema, Violation, Wrong},
};

/// Most names of known fields that a hint lists.
const NAMED: usize = 30;

/// The definitions of one cluster, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub struct Definitions<'a> {
    facts: &'a Facts,
    schemas: &'a Schemas,
}

/// What is known of a kind in one version.
enum Known<'a> {
    /// Nothing: the cluster does not tell of the kind, or its schema was not read yet.
    Nothing,
    /// The cluster has it in these versions only.
    OtherVersions(Vec<&'a str>),
    Schema(&'a Schema),
}

impl<'a> Definitions<'a> {
    /// Of a cluster with these facts, of which these schemas are known.
    #[must_use]
    pub fn new(facts: &'a Facts, schemas: &'a Schemas) -> Self {
        Self { facts, schemas }
    }

    /// The schema of a kind, given as `group/Kind`, in whichever version, if it is known.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Option<&'a Schema> {
        let mut of_kind = self.facts.schemas.iter().filter(|known| known.kind == kind);
        of_kind.find_map(|known| self.schemas.get(&known.digest))
    }

    fn of(&self, id: &ObjectId) -> Known<'a> {
        let kind = format!("{}/{}", id.group, id.kind);
        let versions: Vec<_> = self.facts.schemas.iter().filter(|known| known.kind == kind).collect();
        match versions.iter().find(|known| known.version == id.version) {
            Some(known) => self.schemas.get(&known.digest).map_or(Known::Nothing, Known::Schema),
            None if versions.is_empty() => Known::Nothing,
            None => Known::OtherVersions(versions.iter().map(|known| known.version.as_str()).collect()),
        }
    }
}

/// What is wrong, and where it comes from: told once for all objects that have it.
type Told = (&'static str, String, String);

/// Judges all that a plan writes.
pub(in crate::plan) fn judge(plan: &Plan, definitions: Definitions<'_>, source: &SourceMap) -> Vec<Finding> {
    let Some(intent) = plan.intent.as_ref().filter(|_| !definitions.facts.schemas.is_empty()) else {
        return Vec::new();
    };
    let (seen, _) = Seen::read(plan, intent);
    let whole = seen.manifests.iter().map(|manifest| (manifest.id, &manifest.value, Extent::Whole));
    let parts = seen.additions.iter().map(|addition| (addition.id, &addition.value, Extent::Part));
    let templates = seen.templates.iter().map(|(template, value)| (&template.id, value, Extent::Whole));
    let teller = Teller { plan, source };
    let mut found: BTreeMap<Told, Vec<&ObjectId>> = BTreeMap::new();
    for (id, value, extent) in whole.chain(parts).chain(templates) {
        for told in match definitions.of(id) {
            Known::Nothing => Vec::new(),
            Known::OtherVersions(versions) => vec![other_versions(id, &versions)],
            Known::Schema(schema) => teller.all(id, &schema.judge(value, extent)),
        } {
            found.entry(told).or_default().push(id);
        }
    }
    let finding = |((rule, what, hint), ids): (Told, Vec<&ObjectId>)| {
        let objects = match &ids[..] {
            [one] => one.to_string(),
            [one, more @ ..] => format!("{one} and {} more", more.len()),
            [] => String::new(),
        };
        blocks(rule, format!("{objects}: {what}"), hint)
    };
    found.into_iter().map(finding).collect()
}

fn other_versions(id: &ObjectId, versions: &[&str]) -> Told {
    let what = format!("this cluster does not serve {}/{} {}", id.group, id.kind, id.version);
    let hint = format!(
        "it serves {}: install the release of its operator that the catalogue names (`meshfleet catalog list`)",
        versions.join(", ")
    );
    ("schema.version", what, hint)
}

/// Says what is wrong so that whoever wrote it finds it.
struct Teller<'a> {
    plan: &'a Plan,
    source: &'a SourceMap,
}

impl Teller<'_> {
    fn all(&self, id: &ObjectId, judgement: &Judgement) -> Vec<Told> {
        let told = judgement.violations.iter().map(|violation| self.one(id, violation));
        let more = judgement.is_cut.then(|| {
            let what = format!("more than {} values are wrong", judgement.violations.len());
            ("schema.value", what, "correct those that are named first".to_owned())
        });
        told.chain(more).collect()
    }

    fn one(&self, id: &ObjectId, violation: &Violation) -> Told {
        let path = &violation.path;
        let origin = self.origin(id, path);
        let whence = origin.map(|origin| self.whence(origin)).unwrap_or_default();
        match &violation.what {
            Wrong::UnknownField { nearest, known } => {
                let why = origin.and_then(|origin| self.known_loss(origin));
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let what = format!("{path}{whence} is no field of this cluster's definition{why}");
                ("schema.unknown-field", what, self.hint(origin, &meant(nearest.as_deref(), known)))
            }
            Wrong::Value { message, wanted } => {
                ("schema.value", format!("{path}{whence}: {message}"), self.hint(origin, wanted))
            }
        }
    }

    /// Where what stands at or below a path comes from.
    fn origin(&self, id: &ObjectId, at: &str) -> Option<&Origin> {
        let origins = self.plan.provenance.get(id)?;
        let near = origins.range(at.to_owned()..).take_while(|(path, _)| path.starts_with(at));
        near.into_iter().find(|(path, _)| path::is_within(path, at)).map(|(_, origin)| origin)
    }

    fn whence(&self, origin: &Origin) -> String {
        match origin {
            Origin::Config { origin, .. } => format!(" ({})", config_use::place(origin, self.source)),
            Origin::Cluster { field, .. } => format!(" (the Cluster document's {field})"),
            Origin::Rule { rule, .. } => format!(" (rule {rule})"),
            Origin::Override(said) => format!(" (an override of rule {} by {})", said.rule, said.owner),
            Origin::Structural => String::new(),
        }
    }

    /// What the catalogue knows of a value that this operator's kinds never had a field for.
    fn known_loss(&self, origin: &Origin) -> Option<&'static str> {
        let Origin::Config { origin, .. } = origin else { return None };
        let (path, _) = self.plan.config.values.iter().find(|(_, (_, known))| known == origin)?;
        let is_lost = |lost: &&sail::Lost| lost.refused && config::path::is_within(path, lost.path);
        sail::LOST.iter().find(is_lost).map(|lost| lost.why)
    }

    /// What a rule says cannot be put right in the config.
    fn hint(&self, origin: Option<&Origin>, wanted: &str) -> String {
        match origin {
            Some(Origin::Config { .. } | Origin::Cluster { .. } | Origin::Override(_)) => wanted.to_owned(),
            Some(Origin::Rule { .. } | Origin::Structural) | None => format!(
                "{wanted}; the release of the operator that is installed does not go with the plan: see `meshfleet catalog check`"
            ),
        }
    }
}

/// The one that was probably meant, else those that are known there.
fn meant(nearest: Option<&str>, known: &[String]) -> String {
    if let Some(nearest) = nearest {
        return format!("did you mean {nearest}?");
    }
    let more = known.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names: Vec<&str> = known.iter().take(NAMED).map(String::as_str).collect();
    match &names[..] {
        [] => "no field is known there: take it out".to_owned(),
        names => format!("known there: {}{more}", names.join(", ")),
    }
}
