//! The parts of the demo: control planes in their dresses, stand-ins of the operators, a hub, and a spoke in each cluster.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use kube::Client;
use serde_json::{Value, json};
use tests::{
    clusters::{
        Etcd,
        apply::Applier,
        standin::{calisti, sail},
    },
    fleet::{Cluster, Dress, Fleet},
    programs::Programs,
};

use crate::{command::Meshfleet, documents, say};

/// Everything that is up.
pub struct Stage {
    /// The hub and its command line.
    pub fleet: Fleet,
    /// The command line, as a person runs it.
    pub meshfleet: Meshfleet,
    /// Dressed as EKS.
    pub eks: Cluster,
    /// Dressed as GKE.
    pub gke: Cluster,
    /// Dressed as AKS, with a mesh that somebody made by hand.
    pub aks: Cluster,
    /// Dressed as ROSA of today, with a hosted control plane.
    pub rosa: Cluster,
    /// Dressed as the ROSA of the article.
    pub old: Cluster,
    etcd: Etcd,
    shown: PathBuf,
}

impl Stage {
    /// Starts hub, control planes, stand-ins and spokes.
    pub async fn set_up(folder: &Path, shown: &Path) -> Result<Self> {
        say::step(1, "The parts: real programs, real API servers, a real PostgreSQL");
        say::note("building hub, spoke and meshfleet: minutes the first time");
        let began = Instant::now();
        let programs = tokio::task::spawn_blocking(Programs::build).await??;
        say::done("hub, spoke and meshfleet are built", began.elapsed());

        let began = Instant::now();
        let etcd = Etcd::start(&folder.join("clusters")).await?;
        let today = sail::Options::default();
        let (eks, gke, aks, rosa, old) = tokio::try_join!(
            Cluster::start(&etcd, "eks-eu-1", Dress::Eks, today),
            Cluster::start(&etcd, "gke-us-1", Dress::Gke, today),
            Cluster::start(&etcd, "aks-eu-1", Dress::Aks, today),
            Cluster::start(&etcd, "rosa-eu-1", Dress::RosaHcp, today),
            Cluster::start(&etcd, "rosa-old-1", Dress::Rosa, calisti::Options::default()),
        )?;
        say::done(
            "five API servers, dressed as EKS, GKE, AKS, ROSA of today, and the article's ROSA 4.11",
            began.elapsed(),
        );
        say::note("stand-ins play the mesh operators, Sail in four and Calisti's in one; no pods run here");

        let began = Instant::now();
        let fleet = Fleet::start(&programs, folder, &[]).await?;
        say::done(
            &format!("the hub with its private PostgreSQL, at {}", fleet.hub.address()),
            began.elapsed(),
        );
        let meshfleet = Meshfleet::new(fleet.programs.meshfleet(), shown);
        let stage = Self { fleet, meshfleet, eks, gke, aks, rosa, old, etcd, shown: shown.to_owned() };
        stage.show_files()?;
        stage.live_in().await?;
        Ok(stage)
    }

    /// All clusters, in the order in which they are told.
    pub fn clusters(&self) -> [&Cluster; 5] {
        [&self.eks, &self.gke, &self.aks, &self.rosa, &self.old]
    }

    /// Gives each cluster its spoke.
    pub async fn enrol(&mut self) -> Result<()> {
        for cluster in [&mut self.eks, &mut self.gke, &mut self.aks, &mut self.rosa, &mut self.old] {
            self.fleet.enrol(cluster, &[]).await?;
        }
        for cluster in self.clusters() {
            self.fleet.connected(&cluster.name).await?;
        }
        Ok(())
    }

    /// Writes a document to where a person finds it, and the demo's commands too.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.shown.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn show_files(&self) -> Result<()> {
        fs::copy(self.fleet.hub.context(), self.shown.join("admin.context.json"))?;
        for cluster in self.clusters() {
            let text = serde_json::to_string_pretty(&cluster.plane.kubeconfig_admin()?)?;
            self.write(&format!("{}.kubeconfig", cluster.name), &text)?;
        }
        self.write("fleet.yaml", documents::FLEET)?;
        self.write("payments.yaml", documents::PAYMENTS)?;
        self.write("ledger.yaml", documents::LEDGER)
    }

    /// What is in the clusters before meshfleet comes: the teams' namespaces, and a mesh made by hand.
    async fn live_in(&self) -> Result<()> {
        for cluster in [&self.eks, &self.gke, &self.aks, &self.rosa] {
            let labels = json!({"team": "payments", "istio-injection": "enabled"});
            apply(&cluster.admin, vec![namespace("checkout", labels)]).await?;
        }
        let labels = || json!({"istio.io/rev": "ledger.istio-system"});
        apply(&self.old.admin, vec![namespace("shop", labels()), namespace("billing", labels())]).await?;
        let by_hand = vec![namespace("istio-system", json!({})), documents::made_by_hand()];
        apply(&self.aks.admin, by_hand).await
    }

    /// Ends everything, the ones that depend on others first. Whoever tried what happens when something dies may have
    /// killed a part, so one that is no more keeps no other from being ended.
    pub async fn clear(self) -> Result<()> {
        let mut ended = Vec::new();
        for cluster in [self.eks, self.gke, self.aks, self.rosa, self.old] {
            if let Some(spoke) = cluster.spoke {
                ended.push(spoke.stop().await.with_context(|| format!("the spoke of {}", cluster.name)));
            }
            drop((cluster.operator, cluster.enforcer));
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

async fn apply(client: &Client, objects: Vec<Value>) -> Result<()> {
    Applier::new(client, "kubectl").apply_all(objects).await
}

fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}
