//! Why every value of a cluster's plan is there. Pure.

use hub_core::{
    config::{ConfigVersion, SourceMap},
    fleet::{Cluster, Name},
    plan::{self, ExplainedLeaf, ExplainedObject, ObjectId, Severity},
    platform::Detection,
};

use super::super::Error;

/// What of a plan is to be explained.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The version of the config; none means the newest.
    pub version: Option<u64>,
    /// Only objects of this name, `Kind/name` or `Kind/namespace/name` without regard to case; empty means all.
    pub object: String,
    /// Only values at this path or below it; empty means all.
    pub path: String,
}

/// A plan with the reason of each of its values.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The cluster.
    pub cluster: Name,
    /// The config that selects it.
    pub config: Name,
    /// Its version.
    pub version: u64,
    /// What the cluster runs on.
    pub platform: Option<Detection>,
    /// What was asked for.
    pub objects: Vec<ExplainedObject>,
    /// Where the config was written.
    pub source: SourceMap,
}

impl Explanation {
    pub(super) fn new(config: ConfigVersion, cluster: &Cluster, wanted: &Wanted) -> Result<Self, Error> {
        let no_plan = |message, hint| Error::NoPlan { cluster: cluster.name.clone(), message, hint };
        let proposal = plan::propose(&config, cluster).map_err(|error| {
            no_plan(error.to_string(), "this is a bug of the hub: please report it".to_owned())
        })?;
        let Some(plan) = proposal.plan else {
            let mut blocking =
                proposal.findings.into_iter().filter(|finding| finding.severity == Severity::Blocks);
            let (message, hint) = blocking
                .next()
                .map(|finding| (finding.message, finding.hint))
                .unwrap_or_else(|| ("nothing can be planned".to_owned(), String::new()));
            return Err(no_plan(message, hint));
        };
        let explained = plan::explain(&plan, &config.source).into_iter();
        let objects = explained.filter(|object| names(&wanted.object, &object.id)).map(|mut object| {
            object.leaves.retain(|leaf| lies_at(&wanted.path, leaf));
            object
        });
        Ok(Self {
            cluster: cluster.name.clone(),
            config: config.name,
            version: config.number,
            platform: proposal.detection,
            objects: objects.filter(|object| !object.leaves.is_empty()).collect(),
            source: config.source,
        })
    }
}

/// Whether a person means this object.
fn names(wanted: &str, id: &ObjectId) -> bool {
    let short = format!("{}/{}", id.kind, id.name);
    let long = format!("{}/{}/{}", id.kind, id.namespace, id.name);
    wanted.is_empty() || wanted.eq_ignore_ascii_case(&short) || wanted.eq_ignore_ascii_case(&long)
}

/// Whether a value stands at a path, or below it. The dot in front may be left out.
fn lies_at(wanted: &str, leaf: &ExplainedLeaf) -> bool {
    let wanted = wanted.strip_prefix('.').unwrap_or(wanted);
    let path = leaf.path.strip_prefix('.').unwrap_or(&leaf.path);
    let Some(rest) = path.strip_prefix(wanted) else { return false };
    wanted.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
}

#[cfg(test)]
mod tests {
    use hub_core::plan::Origin;

    use super::*;

    #[test]
    fn objects_are_named_as_people_type_them() {
        let id = ObjectId::new("apps", "v1", "Deployment", "istio-system", "istiod");
        for good in ["", "Deployment/istiod", "deployment/ISTIOD", "deployment/istio-system/istiod"] {
            assert!(names(good, &id), "{good}");
        }
        for bad in
            ["istiod", "Deployment", "Deployment/other", "Deployment/shop/istiod", "Deployment/istiod/"]
        {
            assert!(!names(bad, &id), "{bad}");
        }
    }

    #[test]
    fn a_path_means_itself_and_what_lies_below() {
        let at = |path: &str| ExplainedLeaf {
            path: path.to_owned(),
            value: serde_json::Value::Null,
            origin: Origin::Structural,
            file: None,
            line: None,
        };
        let leaf = at(".spec.values[\"a.b\"].c");
        for good in ["", ".", "spec", ".spec.values", "spec.values[\"a.b\"]", ".spec.values[\"a.b\"].c"] {
            assert!(lies_at(good, &leaf), "{good}");
        }
        for bad in [".spe", "values", ".spec.values.a", ".spec.values[\"a.b\"].c.d"] {
            assert!(!lies_at(bad, &leaf), "{bad}");
        }
    }
}
