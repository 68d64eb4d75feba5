//! Red Hat OpenShift Service on AWS: OpenShift with Red Hat's tag on the cloud's resources.

use super::{
    Platform, PlatformName,
    openshift::{self, OpenShift},
};
use crate::{catalog::MinorVersion, fleet::Facts, plan::rule::Rule};

/// Red Hat OpenShift Service on AWS.
pub(super) struct Rosa;

const TAG: &str = "red-hat-clustertype";

impl Platform for Rosa {
    fn name(&self) -> PlatformName {
        PlatformName::Rosa
    }

    /// A hosted control plane alone is no sign: others host them too.
    fn recognise(&self, facts: &Facts) -> Vec<String> {
        let tag =
            facts.infrastructure.as_ref().and_then(|infrastructure| infrastructure.resource_tags.get(TAG));
        if OpenShift.recognise(facts).is_empty() || tag.is_none_or(|value| value != "rosa") {
            return Vec::new();
        }
        vec![format!("Infrastructure cluster has the resource tag {TAG}=rosa")]
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
