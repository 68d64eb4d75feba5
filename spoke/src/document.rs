//! The documents that a hub sends: the target and the plan, in canonical JSON of format 1.
//!
//! The spoke reads them with types of its own, because it is seldom of the hub's release. A field that it does not know
//! could change the meaning of the rest, so unknown fields and other formats are refused, never skipped.

mod selection;
mod template;

pub use selection::{Operator, Selection, Term};
pub use template::{Template, TemplateDeletion, instance};

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{digest::Digest, drift::Class, path::Path};

/// The only format this spoke reads.
const FORMAT: u32 = 1;

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not what this spoke knows as such a document.
    #[error("cannot read the {document}")]
    Unreadable {
        /// Which document.
        document: &'static str,
        /// What was wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It is of a format that this spoke does not know.
    #[error("the {document} has format {format}, this spoke reads {FORMAT}: upgrade the spoke")]
    Format {
        /// Which document.
        document: &'static str,
        /// Its format.
        format: u32,
    },
}

/// Identity of an object within a cluster. `version` says in which API version it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// An object whatever the version it is written in: what maps are keyed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    group: String,
    kind: String,
    namespace: String,
    name: String,
}

impl ObjectId {
    /// The object without the version.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// `group/version`, or `version` in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The same object in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }
}

impl fmt::Display for ObjectId {
    /// `Kind namespace/name`, as people say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// What the cluster should run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    format: u32,
    /// The cluster it is for.
    pub cluster: String,
    /// Tells a hub of a former life from the present one.
    pub epoch: u64,
    /// Rises with every target of this cluster, for ever.
    pub generation: u64,
    /// The plan.
    pub plan: Digest,
    /// What to delete once the plan is applied.
    pub deletions: Vec<Deletion>,
    /// Templates whose instances are to be deleted then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_templates: Vec<TemplateDeletion>,
    /// The only fields that may be taken by force.
    pub overwrite: Vec<Overwrite>,
    /// What to do with objects that are not ours.
    pub adopt: Adopt,
    /// The classes of drift that are put right by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heal: Vec<HealClass>,
}

/// A class of drift that a target can have healed. Others are not ours to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealClass {
    /// An object of ours is gone.
    Deleted,
    /// A field of ours has another value.
    Overwritten,
    /// A field of ours is gone.
    Removed,
}

impl From<HealClass> for Class {
    fn from(class: HealClass) -> Self {
        match class {
            HealClass::Deleted => Self::Deleted,
            HealClass::Overwritten => Self::Overwritten,
            HealClass::Removed => Self::Removed,
        }
    }
}

/// An object to delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Which.
    pub id: ObjectId,
    /// Its uid; empty means the one in the inventory.
    pub uid: String,
    /// Why, for people.
    pub why: String,
    /// While this holds, it is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// What keeps an object from being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepWhile {
    /// A pod with this annotation runs in the object's namespace; of an object of the whole cluster, anywhere.
    pub pods_annotated: String,
}

/// A field that drifted and may be taken back, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overwrite {
    /// uid of the object.
    pub uid: String,
    /// Path of the field, as this spoke reported it.
    pub path: String,
    /// sha-256 of the canonical JSON of the value that was seen: another value is not taken.
    pub found: Digest,
}

/// What to do with an object that exists and is not in the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adopt {
    /// Leave it alone and say so.
    Never,
    /// Take it over if our fields would change nothing.
    IfNoDiff,
    /// Take it over.
    Always,
}

/// Everything that the cluster should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    format: u32,
    /// Created if absent, never changed, never deleted.
    pub namespaces: Vec<String>,
    /// Applied one after the other.
    pub phases: Vec<Phase>,
    /// Fields on objects that somebody else makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Addition>,
    /// Objects of every namespace that is selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Objects that somebody else makes: watched, never written.
    pub expectations: Vec<Expectation>,
    /// What must hold for the mesh to count as healthy.
    pub healthy_when: Vec<Criterion>,
}

/// Objects that are applied together, in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// For people.
    pub name: String,
    /// In the order of writing.
    pub objects: Vec<PlannedObject>,
    /// When the next phase may begin.
    pub until: Until,
    /// How long the phase may take, in seconds.
    pub deadline_s: u32,
}

/// An object to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedObject {
    /// Which.
    pub id: ObjectId,
    /// sha-256 of its body.
    pub body: Digest,
    /// What will keep it from being deleted, once it leaves the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// Fields of ours on an object that somebody else makes: never created, never deleted, given back when they leave the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// On which object.
    pub id: ObjectId,
    /// sha-256 of its body, which holds our fields only.
    pub body: Digest,
}

/// When a phase is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// All its objects are applied.
    Applied,
    /// `healthy_when` and the expectations hold.
    Healthy,
}

/// An object that somebody else makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Which.
    pub id: ObjectId,
    /// What must stand in it.
    pub requires: Vec<Requirement>,
}

/// A value that must stand at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Where.
    #[serde(with = "crate::path::dotted")]
    pub path: Path,
    /// The value.
    pub value: Value,
}

/// One condition of health on one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Which object.
    pub id: ObjectId,
    /// Values that must stand there.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// Values that mean failure, once they stand for `failed_for_s`.
    #[serde(default)]
    pub fails_on: Vec<Requirement>,
    /// How long a failure must stand before it counts, in seconds.
    #[serde(default)]
    pub failed_for_s: u32,
    /// Whether its roll-out must be over by the rules of its kind.
    #[serde(default)]
    pub rolled_out: bool,
    /// How long its resourceVersion must have stood still, in seconds.
    #[serde(default)]
    pub settled_for_s: u32,
    /// Whether its status must speak of its present generation.
    #[serde(default)]
    pub observed: bool,
    /// How long all this must have held without a break, in seconds.
    #[serde(default)]
    pub held_for_s: u32,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// If the bytes are not a target of the format this spoke knows.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let target: Self = read("target", bytes)?;
        of_our_format("target", target.format)?;
        Ok(target)
    }

    /// Whether the target deletes this object.
    #[must_use]
    pub fn deletes(&self, id: &ObjectId) -> bool {
        self.deletions.iter().any(|deletion| deletion.id.key() == id.key())
    }

    /// The deletion of a template whose instance this is, if the target has one.
    #[must_use]
    pub fn deletes_instance(&self, template: &str, id: &ObjectId) -> Option<&TemplateDeletion> {
        self.delete_templates.iter().find(|deletion| deletion.means(template, id))
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// If the bytes are not a plan of the format this spoke knows.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let plan: Self = read("plan", bytes)?;
        of_our_format("plan", plan.format)?;
        Ok(plan)
    }

    /// All objects to apply, in the order of writing.
    pub fn objects(&self) -> impl Iterator<Item = &PlannedObject> {
        self.phases.iter().flat_map(|phase| &phase.objects)
    }

    /// The digests of all bodies that the plan names.
    pub fn bodies(&self) -> impl Iterator<Item = Digest> {
        let objects = self.objects().map(|planned| planned.body);
        let additions = self.additions.iter().map(|addition| addition.body);
        objects.chain(additions).chain(self.templates.iter().map(|template| template.body))
    }
}

fn read<T: DeserializeOwned>(document: &'static str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Unreadable { document, source })
}

fn of_our_format(document: &'static str, format: u32) -> Result<(), Error> {
    if format == FORMAT { Ok(()) } else { Err(Error::Format { document, format }) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Value {
        json!({
            "format": 1, "cluster": "6b3f", "epoch": 1, "generation": 4, "plan": Digest::of(b"plan"),
            "deletions": [], "overwrite": [], "adopt": "IfNoDiff",
        })
    }

    fn plan() -> Value {
        let id = json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "mesh", "name": "istiod"});
        json!({
            "format": 1, "namespaces": ["mesh"],
            "phases": [{"name": "one", "objects": [{"id": id, "body": Digest::of(b"body")}], "until": "healthy", "deadline_s": 60}],
            "expectations": [{"id": id, "requires": [{"path": ".spec.replicas", "value": 1}]}],
            "healthy_when": [{"id": id, "rolled_out": true}],
        })
    }

    #[test]
    fn documents_of_format_one_are_read() {
        assert_eq!(Target::read(target().to_string().as_bytes()).unwrap().adopt, Adopt::IfNoDiff);
        let plan = Plan::read(plan().to_string().as_bytes()).unwrap();
        assert_eq!(plan.objects().count(), 1);
        assert_eq!(plan.healthy_when[0].settled_for_s, 0);
    }

    #[test]
    fn what_is_new_in_format_one_may_be_left_out_or_be_there() {
        let mut whole = plan();
        let id = json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "", "name": "x"});
        let keep = json!({"pods_annotated": "a/b"});
        whole["phases"][0]["objects"][0]["keep_while"] = keep.clone();
        whole["additions"] = json!([{"id": id, "body": Digest::of(b"a")}]);
        whole["templates"] = json!([{"template": "t", "id": id, "body": Digest::of(b"t"), "keep_while": keep,
            "namespaces": [[{"key": "k", "operator": "In", "values": ["v"]}, {"key": "l", "operator": "Exists"}]]}]);
        whole["healthy_when"][0]["observed"] = json!(true);
        let read = Plan::read(whole.to_string().as_bytes()).unwrap();
        assert_eq!(read.bodies().count(), 3);
        assert_eq!(
            serde_json::to_value(Plan::read(plan().to_string().as_bytes()).unwrap())
                .unwrap()
                .get("templates"),
            None
        );
        let mut target = target();
        target["delete_templates"] = json!([{"template": "t", "id": id, "why": "", "keep_while": keep}]);
        let target = Target::read(target.to_string().as_bytes()).unwrap();
        let id: ObjectId = serde_json::from_value(id).unwrap();
        assert!(target.deletes_instance("t", &id.within("shop")).is_some());
        assert!(target.deletes_instance("u", &id.within("shop")).is_none());
    }

    #[test]
    fn another_format_or_an_unknown_field_is_refused() {
        let mut newer = target();
        newer["format"] = json!(2);
        assert!(matches!(Target::read(newer.to_string().as_bytes()), Err(Error::Format { format: 2, .. })));
        let mut unknown = plan();
        unknown["phases"][0]["parallel"] = json!(true);
        assert!(matches!(Plan::read(unknown.to_string().as_bytes()), Err(Error::Unreadable { .. })));
        assert!(Plan::read(b"{").is_err());
    }
}
