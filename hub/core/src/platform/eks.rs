//! Amazon Elastic Kubernetes Service.

use super::{Platform, PlatformName, evidence, sail_platform};
use crate::{fleet::Facts, plan::rule::Rule};

/// Amazon Elastic Kubernetes Service.
pub(super) struct Eks;

const MARK: &str = "-eks-";
const LABELS: &str = "eks.amazonaws.com/";
const DNS_LABEL: &str = "eks.amazonaws.com/component";

impl Platform for Eks {
    fn name(&self) -> PlatformName {
        PlatformName::Eks
    }

    fn recognise(&self, facts: &Facts) -> Vec<String> {
        let dns = facts.kube_dns_labels.contains_key(DNS_LABEL);
        [
            evidence::marked_api_server(facts, MARK),
            evidence::marked_kubelets(facts, MARK),
            evidence::labelled_nodes(facts, LABELS),
            dns.then(|| format!("Service kube-system/kube-dns carries label {DNS_LABEL}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// EKS Anywhere has the same versions on machines of one's own.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, "aws")
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("EKS, Kubernetes {}", facts.kubernetes_version)
    }

    fn rules(&self) -> &'static [Rule] {
        &[sail_platform::LEFT_OUT]
    }
}
