//! Red Hat OpenShift Service on AWS: OpenShift with Red Hat's tag on the cloud's resources.

use super::{
    Platform, PlatformName, Sign,
    openshift::{self, MANAGED_TAG, OpenShift, TYPE_TAG, tag},
};
use crate::{catalog::MinorVersion, fleet::Facts, plan::rule::Rule};

/// Red Hat OpenShift Service on AWS.
pub(super) struct Rosa;

const CLOUD: &str = "AWS";

impl Platform for Rosa {
    fn name(&self) -> PlatformName {
        PlatformName::Rosa
    }

    /// A hosted control plane alone is no sign: others host them too. That Red Hat manages the cluster is none either, but
    /// on AWS it hosts control planes for this service only.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        if OpenShift.recognise(facts).is_empty() {
            return Vec::new();
        }
        let hosted = openshift::is_hosted(facts) == Some(true) && openshift::cloud(facts) == CLOUD;
        match (tag(facts, TYPE_TAG), tag(facts, MANAGED_TAG)) {
            (Some("rosa"), _) => {
                vec![Sign::mark(format!("Infrastructure cluster has the resource tag {TYPE_TAG}=rosa"))]
            }
            (None, Some("true")) if hosted => vec![Sign::mark(format!(
                "Infrastructure cluster has the resource tag {MANAGED_TAG}=true and a hosted control plane on {CLOUD}"
            ))],
            _ => Vec::new(),
        }
    }

    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        let cloud = openshift::cloud(facts);
        let elsewhere = !cloud.is_empty() && cloud != CLOUD;
        let words = elsewhere.then(|| format!("Infrastructure cluster is of {cloud}"));
        words.or_else(|| OpenShift.contradicted_by(facts))
    }

    fn kind_of(&self) -> Option<PlatformName> {
        Some(PlatformName::Openshift)
    }

    /// For example `ROSA classic, OpenShift 4.11.59`.
    fn detail(&self, facts: &Facts) -> String {
        let topology = match openshift::is_hosted(facts) {
            None => "ROSA",
            Some(true) => "ROSA HCP",
            Some(false) => "ROSA classic",
        };
        format!("{topology}, {}", openshift::version_detail(facts))
    }

    fn version(&self, facts: &Facts) -> Option<MinorVersion> {
        OpenShift.version(facts)
    }

    fn rules(&self) -> &'static [Rule] {
        OpenShift.rules()
    }
}
