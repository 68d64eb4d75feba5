//! Amazon Elastic Kubernetes Service.

use super::{Platform, PlatformName, Release, Sign, evidence, sail_platform};
use crate::{catalog::MinorVersion, fleet::Facts, plan::rule::Rule};

/// Amazon Elastic Kubernetes Service.
pub(super) struct Eks;

const MARK: &str = "-eks-";
const LABELS: &str = "eks.amazonaws.com/";
const DNS_LABEL: &str = "eks.amazonaws.com/component";
const CONTROLLER: &str = "ConfigMap kube-system/eks-certificates-controller";

/// Who may do what. Absent with access entries, and present where somebody runs the authenticator on machines of his own.
const ACCESS: &str = "ConfigMap kube-system/aws-auth";

const CLOUD: &str = "aws";

/// Machines of one's own that a cluster in the cloud took in.
const HYBRID: &str = "eks-hybrid";

impl Platform for Eks {
    fn name(&self) -> PlatformName {
        PlatformName::Eks
    }

    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let dns = facts.kube_dns_labels.contains_key(DNS_LABEL);
        let marks = [
            evidence::marked_api_server(facts, MARK),
            evidence::marked_kubelets(facts, MARK),
            evidence::labelled_nodes(facts, LABELS),
            dns.then(|| format!("Service kube-system/kube-dns carries label {DNS_LABEL}")),
            evidence::landmark(facts, CONTROLLER),
        ];
        let access = evidence::landmark(facts, ACCESS).filter(|_| self.contradicted_by(facts).is_none());
        marks.into_iter().flatten().map(Sign::mark).chain(access.map(Sign::hint)).collect()
    }

    /// EKS Anywhere has the same versions on machines of one's own.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, CLOUD).filter(|_| !evidence::stands_in(facts, HYBRID))
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("EKS, Kubernetes {}", facts.kubernetes_version)
    }

    fn release(&self, version: MinorVersion) -> Release {
        Release::of_kubernetes("Kubernetes on EKS", version, |minor| minor.eks)
    }

    fn rules(&self) -> &'static [Rule] {
        &[sail_platform::LEFT_OUT]
    }
}
