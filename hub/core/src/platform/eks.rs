//! Amazon Elastic Kubernetes Service.

use super::{Platform, PlatformName, Release, Sign, cni_plugin, cni_referee, evidence, sail_platform};
use crate::{
    catalog::MinorVersion,
    fleet::{Facts, NodeGroup},
    plan::{
        Finding,
        check::{Seen, blocks, warns},
        rule::Rule,
    },
};

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

/// Nodes of one pod each, which AWS manages alone.
const FARGATE: [&str; 2] = ["fargate-", "eks.amazonaws.com/compute-type=fargate"];

const BOTTLEROCKET: &str = "Bottlerocket";

/// The VPC CNI, and what of it is told.
const VPC_CNI: &str = "apps/DaemonSet kube-system/aws-node";
const POD_POLICY: &str = "vpcresources.k8s.aws/SecurityGroupPolicy";

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
        &[sail_platform::LEFT_OUT, cni_plugin::PLUGIN, cni_plugin::NODE]
    }

    fn referee(&self, plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
        if self.recognise(facts).is_empty() {
            return Vec::new();
        }
        [
            fargate(plan, facts),
            bottlerocket(plan, facts),
            pod_interfaces(facts),
            calico_network(plan, facts),
            two_policies(facts),
            unannotated(facts),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn is_fargate(group: &NodeGroup) -> bool {
    group.name_mark == FARGATE[0] || group.labels.iter().any(|label| label == FARGATE[1])
}

/// Fargate runs no DaemonSet and refuses NET_ADMIN, so that nothing can redirect a pod's traffic there.
fn fargate(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let (found, all) = (evidence::count_of(facts, is_fargate), evidence::node_count(facts));
    if found == 0 {
        return None;
    }
    let seen = format!("{found} of {all} nodes are Fargate's");
    let hint = "keep namespaces of the mesh out of the cluster's Fargate profiles: give them a node group"
        .to_owned();
    if found == all && cni_referee::is_planned(plan) {
        let message = format!(
            "{seen}, which run no DaemonSet: the CNI plugin would run nowhere, and the mesh would never get healthy"
        );
        return Some(blocks("eks.fargate.cni", message, hint));
    }
    let message = format!(
        "{seen}, which run no DaemonSet and admit no NET_ADMIN: pods with a sidecar do not start there"
    );
    Some(warns("eks.fargate", message, hint))
}

fn bottlerocket(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let found = evidence::count_of(facts, |group| group.os_image.starts_with(BOTTLEROCKET));
    (found > 0 && cni_referee::is_planned(plan)).then(|| {
        warns(
            "eks.bottlerocket.cni",
            format!("{found} nodes run Bottlerocket, where /etc is lost with a reboot: until the CNI plugin has written its file anew, pods start without their redirection"),
            "keep values.cni.repair.enabled and its repairPods on, so that such pods are started again, or set dataPlane.cni to auto for this cluster with a layer".to_owned(),
        )
    })
}

/// A pod with a network interface of its own gets its probes past the proxy's redirection, unless the kernel is told.
fn pod_interfaces(facts: &Facts) -> Option<Finding> {
    let said = &facts.object(VPC_CNI)?.values;
    let is = |key: &str, wanted: &str| said.get(key).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let strict = said.get("aws-node/POD_SECURITY_GROUP_ENFORCING_MODE").is_none_or(|mode| mode == "strict");
    let lost = is("aws-node/ENABLE_POD_ENI", "true")
        && strict
        && facts.serves(POD_POLICY)
        && !is("aws-vpc-cni-init/DISABLE_TCP_EARLY_DEMUX", "true");
    lost.then(|| {
        warns(
            "eks.pod-eni.probes",
            format!("{VPC_CNI} has ENABLE_POD_ENI=true, enforces strictly and lacks DISABLE_TCP_EARLY_DEMUX=true: TCP probes of pods with a security group and a sidecar would fail"),
            "run: kubectl set env daemonset aws-node --namespace kube-system --containers aws-vpc-cni-init DISABLE_TCP_EARLY_DEMUX=true".to_owned(),
        )
    })
}

/// Pods in Calico's own network cannot be reached by a control plane that AWS runs elsewhere.
fn calico_network(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let calico = evidence::calico(facts)?;
    let alone = facts.object(VPC_CNI).is_none() && !facts.is_unread(VPC_CNI);
    (alone && !evidence::injects(facts, plan.intent)).then(|| {
        warns(
            "eks.calico.webhook",
            format!("there is {calico} and no {VPC_CNI}: in Calico's own network the API server reaches no pod, so injection and validation would time out"),
            "give istiod the network of its node (hostNetwork), or use the VPC CNI and Calico for policies alone".to_owned(),
        )
    })
}

fn two_policies(facts: &Facts) -> Option<Finding> {
    let calico = evidence::calico(facts)?;
    let enforces = facts.object(VPC_CNI)?.values.get("aws-eks-nodeagent/enable-network-policy")? == "true";
    enforces.then(|| {
        warns(
            "eks.network-policy.two",
            format!(
                "{VPC_CNI} enforces network policies, and so does {calico}: each undoes the other's rules"
            ),
            "set enableNetworkPolicy of the add-on vpc-cni to false, or take Calico off the cluster"
                .to_owned(),
        )
    })
}

/// Calico learns a pod's address late where the VPC CNI does not write it on the pod.
fn unannotated(facts: &Facts) -> Option<Finding> {
    let calico = evidence::calico(facts)?;
    let said = facts.object(VPC_CNI)?.values.get("aws-node/ANNOTATE_POD_IP");
    said.is_none_or(|value| value != "true").then(|| {
        warns(
            "eks.calico.pod-ip",
            format!("{calico} enforces policies beside {VPC_CNI}, which lacks ANNOTATE_POD_IP=true: policies reach new pods seconds late"),
            "run: kubectl set env daemonset aws-node --namespace kube-system ANNOTATE_POD_IP=true, and let its ClusterRole patch pods".to_owned(),
        )
    })
}
