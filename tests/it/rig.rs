//! What the whole-path tests begin with: a folder, a hub, dressed clusters with spokes, and an applied mesh.

use std::{os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tests::{
    clusters::{
        Etcd,
        standin::{calisti, sail},
        wait::until,
    },
    fleet::{Cluster, Dress, Fleet, MESH, PATIENCE},
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
pub struct Folder(Option<tempfile::TempDir>);

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_ref().expect("it is taken only at the end").path()
    }

    /// It is not needed any more: the test passed.
    pub fn forget(&mut self) {
        drop(self.0.take());
    }
}

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
pub fn folder() -> Result<Folder> {
    let folder =
        tempfile::Builder::new().prefix("meshfleet-it-").tempdir().context("cannot make a folder")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    Ok(Folder(Some(folder)))
}

impl Rig {
    /// Starts a hub and an etcd.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a hub with further environment, and an etcd.
    pub async fn start_with(environment: &[(&str, &str)]) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(Programs::build).await??;
        let folder = folder()?;
        let path = folder.path();
        let etcd = Etcd::start(&path.join("clusters")).await?;
        let fleet = Fleet::start(&programs, path, environment).await?;
        Ok(Self { fleet, etcd, folder })
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The hub's private database, which is there while the hub is.
    pub async fn database(&self) -> Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.path().join("hub/postgres/socket"))
            .username("hub")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// How many certificates a cluster's spoke was given.
    pub async fn certificates(&self, cluster: &str) -> Result<i64> {
        let number = "select certificate_number from cluster where name = $1";
        Ok(sqlx::query_scalar(number).bind(cluster).fetch_one(&mut self.database().await?).await?)
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

    /// Starts a dressed cluster with the Sail operator, without a spoke so far.
    pub async fn sail(&self, name: &str, dress: Dress) -> Result<Cluster> {
        Cluster::start(&self.etcd, name, dress, sail::Options::default()).await
    }

    /// Gives clusters their spokes and waits until they are connected.
    pub async fn join(&self, clusters: &mut [&mut Cluster]) -> Result<()> {
        for cluster in &mut *clusters {
            self.fleet.enrol(cluster, &[]).await?;
        }
        for cluster in clusters {
            self.fleet.connected(&cluster.name).await?;
        }
        Ok(())
    }

    /// Runs a command that must end with this code, and gives all that it said.
    pub async fn ends_with(&self, code: i32, arguments: &[&str]) -> Result<String> {
        let said = self.fleet.command_line.run(arguments).await?;
        ensure!(said.code == code, "meshfleet {}: {said:#?}", arguments.join(" "));
        Ok(format!("{}{}", said.stdout, said.stderr))
    }

    /// A rollout as it is shown now.
    pub async fn shown(&self, rollout: u64) -> Result<Value> {
        self.fleet.command_line.json(&["rollout", "show", &rollout.to_string()]).await
    }

    /// Waits until a rollout, as it is shown, is so.
    pub async fn until(&self, rollout: u64, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let seen = std::sync::Mutex::new(Value::Null);
        let waited = until(what, PATIENCE, || async {
            let shown = self.shown(rollout).await?;
            let found = holds(&shown).then(|| shown.clone());
            if let Ok(mut seen) = seen.lock() {
                *seen = shown;
            }
            Ok(found)
        });
        waited.await.with_context(|| {
            format!("last seen: {:#}", seen.lock().map(|seen| seen.clone()).unwrap_or_default())
        })
    }

    /// A condition of a cluster.
    pub async fn condition(&self, cluster: &str, kind: &str) -> Result<Value> {
        let status = self.fleet.command_line.json(&["status", cluster]).await?;
        let conditions = status["clusters"][0]["conditions"].as_array().cloned().unwrap_or_default();
        conditions
            .into_iter()
            .find(|one| one["type"] == kind)
            .with_context(|| format!("no {kind} in {status:#}"))
    }

    /// Waits until a condition of a cluster has a reason.
    pub async fn condition_is(&self, cluster: &str, kind: &str, reason: &str) -> Result<Value> {
        until(&format!("{kind} of {cluster} to be {reason}"), PATIENCE, || async {
            let condition = self.condition(cluster, kind).await?;
            Ok((condition["reason"] == reason).then_some(condition))
        })
        .await
    }

    /// Every value of a cluster's plan says where it comes from, down to layer and line or rule.
    pub async fn is_explained(&self, cluster: &str) -> Result<()> {
        let explained = self.fleet.command_line.json(&["plan", "explain", cluster]).await?;
        let objects = explained["objects"].as_array().context("objects")?;
        let leaves = objects.iter().flat_map(|object| object["leaves"].as_array().into_iter().flatten());
        let mut of_config = 0;
        for leaf in leaves {
            let has = |field: &str| leaf[field].as_str().is_some_and(|text| !text.is_empty());
            let origin = leaf["origin"].as_str().unwrap_or_default();
            let told = match origin {
                "config" => {
                    has("layer")
                        && (leaf["line"].as_u64() > Some(0)
                            || leaf["layer"] == "cluster"
                            || leaf["layer"] == "default")
                }
                "rule" => leaf["rule"]["rule"].as_str().is_some_and(|rule| !rule.is_empty()),
                "override" => has("note"),
                "structural" => true,
                _ => false,
            };
            ensure!(told, "{cluster}: nobody says where this comes from: {leaf:#}");
            of_config += usize::from(origin == "config");
        }
        ensure!(of_config > 0, "{cluster}: nothing comes from the config: {explained:#}");
        Ok(())
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
