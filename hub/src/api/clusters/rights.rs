//! The rights that a cluster's spoke needs, as a manifest.

use std::collections::BTreeSet;

use hub_core::plan::rights::{self, Account, Extent};
use proto::v1;
use tonic::{Code, Status};

use crate::{
    app::{
        installation::{ACCOUNT, NAMESPACE},
        plans::{ClusterPreview, Rights},
    },
    identity::problem,
};

const GIVEN_TO: Account<'static> = Account { namespace: NAMESPACE, name: ACCOUNT };

/// What is to be given, by what the spoke said. `namespaces` are those that the cluster has.
pub(super) fn response(
    preview: ClusterPreview,
    namespaces: &BTreeSet<&str>,
    extent: Extent,
) -> Result<v1::ClusterRightsResponse, Status> {
    let ClusterPreview { cluster, findings, plan, rights: Rights { needs, held }, .. } = preview;
    if plan.is_none() {
        let why = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Err(problem::status(
            Code::FailedPrecondition,
            "rights.no_plan",
            format!("cluster {cluster} has no plan that could need rights: {why}"),
            format!("look at `meshfleet status {cluster}`"),
        ));
    }
    let of_rule = |rule: &str| {
        findings
            .iter()
            .filter(|finding| finding.rule == rule)
            .map(|finding| finding.message.clone())
            .collect()
    };
    let held = match held {
        Some(held) => held,
        None if needs.is_empty() => Vec::new(),
        None => {
            let unknown: Vec<String> = of_rule(rights::UNKNOWN);
            return Err(problem::status(
                Code::Unavailable,
                "rights.unknown",
                format!("cluster {cluster}: {}", unknown.join("; ")),
                "its spoke must be attached, because only its cluster knows",
            ));
        }
    };
    let manifest = rights::manifest(GIVEN_TO, (&needs, &held), extent, namespaces);
    Ok(v1::ClusterRightsResponse {
        manifest: manifest.unwrap_or_default(),
        lacks: of_rule(rights::MISSING),
        unknown: of_rule(rights::UNKNOWN),
    })
}
