//! The mesh of today: what holds of every mesh by Sail, and what this story did beside it.

use anyhow::Result;
use tests::{
    fleet::SPOKE_USER,
    proof::{
        Claim, claim,
        sail::{self, Four},
    },
};

use crate::stage::Stage;

/// Every claim on the four clusters.
pub(super) async fn on_all(stage: &Stage) -> Result<Vec<Claim>> {
    let Stage { eks, gke, aks, rosa, .. } = stage;
    let mut claims = sail::on_all(Four { eks, gke, aks, rosa }).await?;
    claims.push(adopted(stage).await?);
    claims.push(layered(stage).await?);
    Ok(claims)
}

async fn adopted(stage: &Stage) -> Result<Claim> {
    let istio = sail::istio(&stage.aks).await?;
    let by_hand = stage.aks.plane.audit().creator("istios", "", "default")?;
    Ok(claim(
        "aks-eu-1: the Istio made by hand is the same one, taken over without a change",
        istio["metadata"]["generation"] == 1 && by_hand.is_some_and(|user| user != SPOKE_USER),
    ))
}

async fn layered(stage: &Stage) -> Result<Claim> {
    let staging = sail::istio(&stage.eks).await?;
    let production = sail::istio(&stage.gke).await?;
    let holds = staging["spec"]["version"] == "v1.30.3" && production["spec"]["version"] == "v1.30.2";
    Ok(claim("the layer for staging holds on eks-eu-1 (v1.30.3) and nowhere else (v1.30.2)", holds))
}
