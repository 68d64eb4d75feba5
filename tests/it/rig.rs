//! What the whole-path tests begin with: a folder, a hub, dressed clusters with spokes, and an applied mesh.

use std::{os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{
    clusters::{Etcd, standin::calisti},
    fleet::{Cluster, Dress, Fleet, MESH},
    programs::Programs,
};

/// A folder with a hub and an etcd in it. It stays, with every log and database, unless the test says that it
/// [passed](Rig::passed).
pub struct Rig {
    /// The hub and its command line.
    pub fleet: Fleet,
    /// The store of all clusters.
    pub etcd: Etcd,
    folder: Folder,
}

/// A folder that stays where a test failed.
struct Folder(Option<tempfile::TempDir>);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            leave_behind(&folder.keep());
        }
    }
}

#[expect(clippy::print_stderr, reason = "for the person who reads why a test failed")]
fn leave_behind(path: &Path) {
    eprintln!("logs and databases of the failed test stay in {}", path.display());
}

/// Makes a folder that Postgres can reach, which runs as another user where the tests run as root.
fn folder() -> Result<Folder> {
    let folder =
        tempfile::Builder::new().prefix("meshfleet-it-").tempdir().context("cannot make a folder")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    Ok(Folder(Some(folder)))
}

impl Rig {
    /// Starts a hub and an etcd.
    pub async fn start() -> Result<Self> {
        let programs = tokio::task::spawn_blocking(Programs::build).await??;
        let folder = folder()?;
        let path = folder.0.as_ref().context("a new folder")?.path();
        let etcd = Etcd::start(&path.join("clusters")).await?;
        let fleet = Fleet::start(&programs, path, &[]).await?;
        Ok(Self { fleet, etcd, folder })
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.folder.0.as_ref().expect("it is taken only at the end").path()
    }

    /// The last word of a test: everything ends, and nothing is left of it.
    pub async fn passed(mut self) -> Result<()> {
        let folder = self.folder.0.take();
        self.fleet.hub.stop().await?;
        self.etcd.stop().await?;
        drop(folder);
        Ok(())
    }

    /// Starts a dressed cluster, without a spoke so far.
    pub async fn cluster(&self, name: &str, dress: Dress, behaviour: calisti::Behaviour) -> Result<Cluster> {
        let operator = calisti::Options { behaviour, ..calisti::Options::default() };
        Cluster::start(&self.etcd, name, dress, operator).await
    }

    /// Applies the mesh, with the clusters named in it.
    pub async fn apply_mesh(&self, clusters: &[&str]) -> Result<()> {
        let of = |name: &&str| {
            format!(
                "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: payments}}}}\n"
            )
        };
        let documents: Vec<String> = clusters.iter().map(of).chain([MESH.to_owned()]).collect();
        self.fleet.apply("mesh.yaml", &documents.join("---\n")).await?;
        Ok(())
    }

    /// Applies a strategy of one wave for each cluster, in order.
    pub async fn apply_waves(&self, name: &str, clusters: &[&str], deadline_s: u32) -> Result<()> {
        let wave = |cluster: &&str| format!("    - {{name: {cluster}, clusters: {{names: [{cluster}]}}}}\n");
        let waves: String = clusters.iter().map(wave).collect();
        let head = format!(
            "apiVersion: meshfleet.dev/v1\nkind: RolloutStrategy\nmetadata: {{name: {name}}}\nspec:\n"
        );
        let text = format!("{head}  deadlineSeconds: {deadline_s}\n  waves:\n{waves}");
        self.fleet.apply(&format!("{name}.yaml"), &text).await?;
        Ok(())
    }
}

/// One target of a shown rollout.
pub fn target<'a>(rollout: &'a Value, cluster: &str) -> &'a Value {
    let targets = rollout["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    targets.iter().find(|target| target["cluster"] == cluster).unwrap_or(&Value::Null)
}
