//! What `meshfleet cluster enrol` prints, applied to a cluster as `kubectl apply -f -` would, and the spoke started as its
//! Deployment says.
//!
//! No kubelet runs here. What one would do is done by hand: Secrets are mounted as files, below a folder that stands for the
//! container's root, and the service account's token goes into a kubeconfig.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, PodSpec, Secret, Volume},
};
use kube::{Api, Client};
use serde_json::Value;

use crate::{
    clusters::{ControlPlane, apply::Applier},
    processes::{Spoke, SpokeStart},
    programs::Programs,
};

/// A cluster in which everything that a spoke needs is applied.
#[derive(Clone)]
pub struct Installed {
    name: String,
    client: Client,
    kubeconfig: PathBuf,
    /// Stands for the root of the container.
    root: PathBuf,
}

impl Installed {
    /// Applies a manifest, and gets a token of the service account in it.
    pub async fn apply(plane: &ControlPlane, manifest: &str) -> Result<Self> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).context("a manifest is YAML")?;
        let client = plane.admin_client().await?;
        Applier::new(&client, "kubectl").apply_all(objects).await?;
        let token = plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
        let kubeconfig = plane.directory().join("installed.kubeconfig");
        plane.write_kubeconfig(&kubeconfig, &token)?;
        let root = plane.directory().join("container");
        Ok(Self { name: plane.name().to_owned(), client, kubeconfig, root })
    }

    /// Starts the spoke with the arguments that its Deployment says.
    pub async fn start(&self, programs: &Programs, logs: &Path) -> Result<Spoke> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), "meshfleet");
        let deployment = deployments.get("meshfleet-spoke").await?;
        let spec = deployment.spec.and_then(|spec| spec.template.spec).context("a pod template")?;
        let container = spec.containers.first().context("a container")?;
        self.mount(&spec, container).await?;
        let start = SpokeStart {
            name: &self.name,
            arguments: self.arguments(container),
            kubeconfig: &self.kubeconfig,
        };
        Spoke::start_with(programs, start, logs)
    }

    /// The arguments, with paths of what is mounted below the folder.
    fn arguments(&self, container: &Container) -> Vec<String> {
        let mounts: Vec<&str> =
            container.volume_mounts.iter().flatten().map(|mount| mount.mount_path.as_str()).collect();
        let arguments = container.args.iter().flatten().map(|argument| {
            match mounts.iter().any(|mount| argument.starts_with(mount)) {
                true => self.below(argument).display().to_string(),
                false => argument.clone(),
            }
        });
        arguments.collect()
    }

    fn below(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    async fn mount(&self, spec: &PodSpec, container: &Container) -> Result<()> {
        for mount in container.volume_mounts.iter().flatten() {
            let named = |volume: &&Volume| volume.name == mount.name;
            let volume = spec.volumes.iter().flatten().find(named).context("a volume of that name")?;
            let secret = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_deref());
            let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "meshfleet");
            let found = secrets.get_opt(secret.context("only Secrets are mounted")?).await?;
            let folder = self.below(&mount.mount_path);
            if folder.exists() {
                fs::remove_dir_all(&folder).context("cannot unmount")?;
            }
            fs::create_dir_all(&folder).context("cannot mount")?;
            for (file, data) in found.and_then(|secret| secret.data).unwrap_or_default() {
                fs::write(folder.join(file), data.0).context("cannot mount")?;
            }
        }
        Ok(())
    }
}
