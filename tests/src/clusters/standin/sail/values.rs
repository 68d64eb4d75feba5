//! What a custom resource says, with what the platform fills in.
//!
//! Plays section 2: `global.platform` is openshift on OpenShift if it is absent
//! in any case; an empty one counts as given; unknown ones fail in the chart.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::Value;

use super::context::{Cluster, Context, Failure};
use super::versions::{self, Refused};

/// Platforms that the charts know.
const PLATFORMS: [&str; 7] = ["", "openshift", "gke", "k3d", "k3s", "microk8s", "minikube"];

/// What one custom resource asks for, its version resolved.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    /// Where to install.
    pub(super) namespace: &'a str,
    /// With its leading v.
    pub(super) version: &'static str,
    values: &'a Value,
}

impl<'a> Spec<'a> {
    /// Reads the spec; a version that cannot be installed is invalid.
    pub(super) fn of(object: &'a DynamicObject) -> Result<Self, Failure> {
        let spec = &object.data["spec"];
        let text = |field: &str| spec[field].as_str().unwrap_or_default();
        let asked = text("version");
        let version = versions::resolve(asked).map_err(|refused| {
            Failure::Invalid(match refused {
                Refused::EndOfLife => format!("version {asked:?} is end-of-life and cannot be installed"),
                Refused::Unknown => format!("version {asked:?} is not supported"),
            })
        })?;
        Ok(Self { namespace: text("namespace"), version, values: &spec["values"] })
    }

    /// The version as charts write it: without v.
    pub(super) fn chart_version(&self) -> &'static str {
        self.version.trim_start_matches('v')
    }

    /// A text at a path such as `/global/platform`.
    pub(super) fn text(&self, path: &str) -> Option<&'a str> {
        self.values.pointer(path)?.as_str()
    }

    /// A truth at a path.
    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        self.values.pointer(path)?.as_bool()
    }

    /// A part of the values; null if it is absent.
    pub(super) fn part(&self, path: &str) -> &'a Value {
        self.values.pointer(path).unwrap_or(&Value::Null)
    }

    /// The platform that the charts are rendered for.
    pub(super) fn platform(&self, cluster: Cluster) -> Result<&'a str, Failure> {
        let filled_in = if cluster.openshift { "openshift" } else { "" };
        let platform = self.text("/global/platform").unwrap_or(filled_in);
        if PLATFORMS.contains(&platform) {
            return Ok(platform);
        }
        Err(Failure::Chart(format!(
            "execution error at (templates/zzz_profile.yaml): unknown platform {platform}"
        )))
    }

    /// An image of the chart's, or of the registry and tag that the values name.
    pub(super) fn image(&self, component: &str) -> String {
        let hub = self.text("/global/hub").unwrap_or("gcr.io/istio-release");
        let tag = self.text("/global/tag").unwrap_or(self.chart_version());
        format!("{hub}/{component}:{tag}")
    }

    /// The operator makes no namespaces.
    pub(super) async fn check_namespace(&self, context: &Context) -> Result<(), Failure> {
        let namespaces: Api<Namespace> = Api::all(context.client.clone());
        let name = self.namespace;
        match namespaces.get_opt(name).await? {
            None => Err(Failure::Invalid(format!("namespace {name:?} doesn't exist"))),
            Some(live) if live.metadata.deletion_timestamp.is_some() => {
                Err(Failure::Invalid(format!("namespace {name:?} is being deleted")))
            }
            Some(_) => Ok(()),
        }
    }
}
