//! The demo's story, in the order of the data's path: config, plan, rollout, delivery, apply, report, drift.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tests::{
    clusters::{Etcd, standin::calisti, wait::until},
    fleet::{Cluster, Dress, Fleet, MESH, PATIENCE},
    programs::Programs,
};

use crate::{command::Meshfleet, documents, proof, say};

/// Everything that is up.
pub struct Stage {
    fleet: Fleet,
    etcd: Etcd,
    eks: Cluster,
    rosa: Cluster,
    shown: PathBuf,
    meshfleet: Meshfleet,
}

impl Stage {
    /// Ends everything, the ones that depend on others first. Whoever tried what happens when something dies may have
    /// killed a part, so one that is no more keeps no other from being ended.
    pub async fn clear(self) -> Result<()> {
        let mut ended = Vec::new();
        for cluster in [self.eks, self.rosa] {
            if let Some(spoke) = cluster.spoke {
                ended.push(spoke.stop().await.with_context(|| format!("the spoke of {}", cluster.name)));
            }
            drop(cluster.operator);
            let mut plane = cluster.plane;
            ended.push(plane.kill().await);
        }
        ended.push(self.fleet.hub.stop().await.context("the hub"));
        ended.push(self.etcd.stop().await);
        for error in ended.into_iter().filter_map(Result::err) {
            say::note(&format!("{error:#}"));
        }
        Ok(())
    }
}

/// Starts hub, control planes, stand-ins and spokes.
pub async fn set_up(folder: &Path, shown: &Path) -> Result<Stage> {
    say::step(1, "The parts: real programs, real API servers, a real PostgreSQL");
    say::note("building hub, spoke and meshfleet: minutes the first time");
    let began = Instant::now();
    let programs = tokio::task::spawn_blocking(Programs::build).await??;
    say::done("hub, spoke and meshfleet are built", began.elapsed());

    let began = Instant::now();
    let etcd = Etcd::start(&folder.join("clusters")).await?;
    let (eks, rosa) = tokio::try_join!(
        Cluster::start(&etcd, "eks-eu-1", Dress::Eks, calisti::Options::default()),
        Cluster::start(&etcd, "rosa-eu-1", Dress::Rosa, calisti::Options::default()),
    )?;
    say::done("two API servers: eks-eu-1 dressed as EKS, rosa-eu-1 as ROSA 4.11", began.elapsed());
    say::note("a stand-in plays Calisti's Istio operator in both; no pods run here");

    let began = Instant::now();
    let fleet = Fleet::start(&programs, folder, &[]).await?;
    say::done(&format!("the hub with its private PostgreSQL, at {}", fleet.hub.address()), began.elapsed());
    let meshfleet = Meshfleet::new(fleet.programs.meshfleet(), shown);
    let stage = Stage { fleet, etcd, eks, rosa, shown: shown.to_owned(), meshfleet };
    stage.show_files()?;
    stage.enrol().await
}

/// Config to drift, each step checked.
pub async fn tell(stage: &Stage) -> Result<()> {
    stage.configure().await?;
    stage.plan().await?;
    stage.roll_out().await?;
    proof::variants(&stage.eks, &stage.rosa).await?;
    stage.edit_by_hand().await?;
    stage.overwrite().await
}

impl Stage {
    fn show_files(&self) -> Result<()> {
        fs::copy(self.fleet.hub.context(), self.shown.join("admin.context.json"))?;
        for cluster in [&self.eks, &self.rosa] {
            let text = serde_json::to_string_pretty(&cluster.plane.kubeconfig_admin()?)?;
            fs::write(self.shown.join(format!("{}.kubeconfig", cluster.name)), text)?;
        }
        fs::write(self.shown.join("mesh.yaml"), MESH)?;
        fs::write(self.shown.join("fleet.yaml"), documents::FLEET)?;
        Ok(())
    }

    async fn enrol(mut self) -> Result<Self> {
        say::step(2, "Enrolment: a single-use token for each cluster, then mutual TLS");
        let began = Instant::now();
        self.fleet.enrol(&mut self.eks, &[]).await?;
        self.fleet.enrol(&mut self.rosa, &[]).await?;
        for name in ["eks-eu-1", "rosa-eu-1"] {
            self.fleet.connected(name).await?;
        }
        say::done("both spokes run as their own service accounts and are connected", began.elapsed());
        self.meshfleet.show(&["cluster", "list"]).await?;
        Ok(self)
    }

    async fn configure(&self) -> Result<()> {
        say::step(3, "Config: ten lines for both clusters, with nothing of any platform in them");
        say::document("mesh.yaml", MESH);
        say::note("fleet.yaml labels the clusters and orders them: first staging, then production");
        self.meshfleet.show(&["apply", "-f", "fleet.yaml", "mesh.yaml"]).await
    }

    async fn plan(&self) -> Result<()> {
        say::step(4, "Plan: what each platform needs, and why");
        until("both plans to be computed from facts", PATIENCE, || async {
            let planned = self.fleet.command_line.json(&["plan", "payments"]).await?;
            let clusters = planned["clusters"].as_array().context("a plan for each cluster")?;
            Ok((clusters.len() == 2 && clusters.iter().all(|plan| plan["planDigest"] != "")).then_some(()))
        })
        .await?;
        self.meshfleet.show(&["plan", "payments"]).await
    }

    async fn roll_out(&self) -> Result<()> {
        say::step(5, "Rollout: two waves; the second begins when the first is healthy");
        self.meshfleet.show(&["rollout", "start", "payments", "--strategy", "careful", "--wait"]).await?;
        self.meshfleet.show(&["status"]).await
    }

    /// Somebody changes the CNI's directory on ROSA, as `kubectl edit` would.
    async fn edit_by_hand(&self) -> Result<()> {
        say::step(7, "Drift: a hand edit on rosa-eu-1, seen by watch, with who did it");
        let began = Instant::now();
        let edit = json!({"spec": {"proxyInit": {"cni": {"confDir": "/etc/cni/net.d"}}}});
        let parameters =
            PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        control_planes(&self.rosa).patch("payments", &parameters, &Patch::Merge(edit)).await?;
        say::note("kubectl edit istiocontrolplane payments: confDir: /etc/cni/net.d");
        let item = until("the hand edit to be reported", PATIENCE, || async {
            Ok(self.drift().await?.into_iter().find(|item| item["found"] == "/etc/cni/net.d"))
        })
        .await?;
        say::done("reported", began.elapsed());
        self.meshfleet.show(&["drift", "report"]).await?;
        let told = item["manager"] == "kubectl-edit" && item["path"] == ".spec.proxyInit.cni.confDir";
        say::claim(told, "the report names the field, both values and kubectl-edit");
        ensure!(told, "the drift report does not say who did it: {item}");
        Ok(())
    }

    async fn overwrite(&self) -> Result<()> {
        say::step(8, "Overwriting: exactly the reported field is taken back");
        self.meshfleet.show(&["rollout", "start", "payments", "--overwrite-drift", "--wait"]).await?;
        until("the drift to be gone", PATIENCE, || async {
            Ok(self.drift().await?.is_empty().then_some(()))
        })
        .await?;
        let live = control_planes(&self.rosa).get("payments").await?;
        let found = live.data.pointer("/spec/proxyInit/cni/confDir");
        let back = found == Some(&Value::from("/etc/cni/multus/net.d"));
        say::claim(back, "confDir on rosa-eu-1 is /etc/cni/multus/net.d again, and no drift is left");
        ensure!(back, "confDir is {found:?}");
        self.meshfleet.show(&["drift", "report"]).await
    }

    async fn drift(&self) -> Result<Vec<Value>> {
        let report = self.fleet.command_line.json(&["drift", "report"]).await?;
        let items = report["items"].as_array().context("a drift report has items")?;
        Ok(items.iter().map(|item| item["item"].clone()).collect())
    }
}

/// The control planes of a cluster's `istio-system`.
fn control_planes(cluster: &Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane");
    Api::namespaced_with(cluster.admin.clone(), "istio-system", &ApiResource::from_gvk(&kind))
}
