//! Load balancers of gateways: what each provider is told, and the referee on it.
//!
//! # Design notes
//! On AWS the type of a load balancer must not change while its Service lives, because the old one is left behind. So no
//! fact that may change decides about it: `nlb` is served with and without the AWS Load Balancer Controller.

use serde_json::{Value, json};

use super::{PlatformName, detect, evidence};
use crate::{
    config::{Exposure, Gateway, GatewayKind, InstallerKind, PortProtocol},
    fleet::Facts,
    plan::{
        Finding, RuleId,
        check::{Seen, blocks, warns},
        input::{MeshInput, Projection},
        installer::gateways,
        requirement::{Requirement, Strength},
        rule::Rule,
    },
};

const SAIL: &[InstallerKind] = &[InstallerKind::Sail];

const AWS_DOC: &str = "kubernetes-sigs/aws-load-balancer-controller, docs/guide/service/annotations.md; kubernetes/cloud-provider-aws, docs/service_controller.md";

/// What a provider's load balancers are told.
pub(super) static RULES: [Rule; 5] = [
    Rule {
        id: RuleId("gke.gateway.load-balancer"),
        reason: "GKE makes an internal load balancer only when asked by annotation, and an external one with backend services likewise.",
        source: "cloud.google.com, GKE: LoadBalancer Service parameters",
        platforms: &[PlatformName::Gke],
        installers: SAIL,
        reads: &[],
        yields: yield_gke,
    },
    Rule {
        id: RuleId("eks.gateway.load-balancer"),
        reason: "AWS has two controllers of load balancers with different defaults, so type and scheme are said in words of both.",
        source: AWS_DOC,
        platforms: &[PlatformName::Eks],
        installers: SAIL,
        reads: &[],
        yields: yield_aws,
    },
    Rule {
        id: RuleId("rosa.gateway.load-balancer"),
        reason: "On ROSA load balancers are AWS's, so type and scheme are said in its words; the tags of Red Hat's webhook are left alone.",
        source: AWS_DOC,
        platforms: &[PlatformName::Rosa],
        installers: SAIL,
        reads: &[],
        yields: yield_aws,
    },
    Rule {
        id: RuleId("aks.gateway.load-balancer"),
        reason: "AKS makes an internal load balancer only when asked by annotation.",
        source: "kubernetes-sigs/cloud-provider-azure, LoadBalancer annotations: azure-load-balancer-internal",
        platforms: &[PlatformName::Aks],
        installers: SAIL,
        reads: &[],
        yields: yield_aks,
    },
    Rule {
        id: RuleId("aks.gateway.probe"),
        reason: "AKS asks ports of HTTP for the path /, which a gateway answers with 404, so it is led to the health of the proxy.",
        source: "kubernetes-sigs/cloud-provider-azure#2452: probe port by annotation per port; istio.io, Platform setup: Azure",
        platforms: &[PlatformName::Aks],
        installers: SAIL,
        reads: &[],
        yields: yield_probe,
    },
];

fn yield_gke(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let internal = gateways::each(mesh, Strength::Required, |_, exposure| {
        (exposure == Exposure::Internal).then(|| json!({"networking.gke.io/load-balancer-type": "Internal"}))
    });
    let external = gateways::each(mesh, Strength::Default, |_, exposure| {
        (exposure == Exposure::External).then(|| json!({"cloud.google.com/l4-rbs": "enabled"}))
    });
    internal.into_iter().chain(external).collect()
}

fn yield_aws(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let scheme = gateways::each(mesh, Strength::Required, |_, exposure| {
        Some(match exposure {
            Exposure::External => {
                json!({"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"})
            }
            Exposure::Internal => json!({
                "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
                "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
            }),
        })
    });
    let kind = gateways::each(mesh, Strength::Default, |_, _| {
        Some(json!({"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}))
    });
    scheme.into_iter().chain(kind).collect()
}

fn yield_aks(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    gateways::each(mesh, Strength::Required, |_, exposure| {
        let internal = || json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"});
        (exposure == Exposure::Internal).then(internal)
    })
}

/// The ports of our own Services name no protocol, and are asked by TCP. istiod's do.
fn yield_probe(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    gateways::each(mesh, Strength::Required, |gateway, _| {
        let ports = gateway.listens_on();
        let asked = ports.iter().filter(|port| port.protocol == PortProtocol::Http);
        let mut annotations = json!({});
        for port in asked.filter(|_| gateway.kind == GatewayKind::GatewayApi) {
            let key =
                |what: &str| format!("service.beta.kubernetes.io/port_{}_health-probe_{what}", port.port);
            annotations[key("port")] = gateways::HEALTH_PORT.to_string().into();
            annotations[key("request-path")] = "/healthz/ready".into();
        }
        annotations.as_object().is_some_and(|map| !map.is_empty()).then_some(annotations)
    })
}

/// Annotations with these beginnings are of this cloud.
const CLOUDS: [(&str, &[&str]); 3] = [
    ("gce", &["networking.gke.io/", "cloud.google.com/"]),
    ("aws", &["service.beta.kubernetes.io/aws-"]),
    ("azure", &["service.beta.kubernetes.io/azure-", "service.beta.kubernetes.io/port_"]),
];

/// Judges the load balancers of a plan's gateways by what the facts show of the provider.
#[must_use]
pub fn load_balancers(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let platform = detect(facts).platform;
    let mut findings = Vec::new();
    for gateway in &plan.intent.gateways {
        let Some(annotations) = annotations(plan, gateway) else { continue };
        findings.extend(exposed(gateway, &annotations, platform));
        findings.extend(foreign(gateway, &annotations, facts));
        findings.extend(aws(gateway, &annotations, platform, facts));
        if platform == Some(PlatformName::Aks) {
            findings.extend(unprobed(gateway, &annotations));
        }
    }
    findings
}

fn annotations(plan: &Seen<'_>, gateway: &Gateway) -> Option<Value> {
    let find = |group, kind| plan.find(group, kind, gateway.namespace.as_str(), gateway.name.as_str());
    match gateway.kind {
        GatewayKind::Deployment => {
            find("", "Service").map(|made| made.value["metadata"]["annotations"].clone())
        }
        GatewayKind::GatewayApi => find("gateway.networking.k8s.io", "Gateway")
            .map(|made| made.value["spec"]["infrastructure"]["annotations"].clone()),
    }
}

/// Whether the load balancer is where the config wants it.
fn exposed(gateway: &Gateway, annotations: &Value, platform: Option<PlatformName>) -> Option<Finding> {
    let wanted = gateway.exposure == Exposure::Internal;
    let beta = |key: &str| &annotations[format!("service.beta.kubernetes.io/{key}")];
    let said = |key: &str, value: &str| beta(key) == value;
    let platform = platform?;
    let right = match platform {
        PlatformName::Gke => {
            let is =
                |key: &str| annotations[key].as_str().is_some_and(|at| at.eq_ignore_ascii_case("internal"));
            let kinds = ["networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type"];
            kinds.into_iter().any(is) == wanted
        }
        PlatformName::Eks | PlatformName::Rosa if wanted => {
            said("aws-load-balancer-internal", "true") && said("aws-load-balancer-scheme", "internal")
        }
        PlatformName::Eks | PlatformName::Rosa => {
            let off =
                ["", "false"].contains(&beta("aws-load-balancer-internal").as_str().unwrap_or_default());
            said("aws-load-balancer-scheme", "internet-facing") && off
        }
        PlatformName::Aks => said("azure-load-balancer-internal", "true") == wanted,
        PlatformName::Openshift | PlatformName::Generic => {
            return (wanted && annotations.as_object().is_none_or(serde_json::Map::is_empty))
                .then(|| unknown(gateway, platform));
        }
    };
    (!right).then(|| {
        blocks(
            &format!("{platform}.gateway.exposure"),
            format!(
                "the annotations of gateway {}/{} do not make its load balancer {}: {annotations}",
                gateway.namespace,
                gateway.name,
                if wanted { "internal" } else { "external" }
            ),
            format!(
                "take what says otherwise out of serviceAnnotations; rule {platform}.gateway.load-balancer sees to the rest if spec.platform of the Cluster document is right"
            ),
        )
    })
}

fn unknown(gateway: &Gateway, platform: PlatformName) -> Finding {
    warns(
        "gateway.exposure",
        format!(
            "gateway {}/{} is to be internal, and nothing tells the provider so: on platform {platform} its words are not known",
            gateway.namespace, gateway.name
        ),
        "write the annotation of the cluster's provider for internal load balancers under serviceAnnotations"
            .to_owned(),
    )
}

fn foreign(gateway: &Gateway, annotations: &Value, facts: &Facts) -> Option<Finding> {
    let keys: Vec<&String> = annotations.as_object().into_iter().flatten().map(|(key, _)| key).collect();
    CLOUDS.into_iter().find_map(|(cloud, begins)| {
        let key = keys.iter().find(|key| begins.iter().any(|begin| key.starts_with(begin)))?;
        let seen = evidence::foreign_nodes(facts, cloud)?;
        Some(warns(
            "gateway.annotation-foreign",
            format!(
                "gateway {}/{} has annotation {key}, which nobody reads here: {seen}",
                gateway.namespace, gateway.name
            ),
            "take it out for these clusters, by a layer of their own".to_owned(),
        ))
    })
}

/// What goes wrong with load balancers on AWS only.
fn aws(
    gateway: &Gateway,
    annotations: &Value,
    platform: Option<PlatformName>,
    facts: &Facts,
) -> Option<Finding> {
    let place = format!("gateway {}/{}", gateway.namespace, gateway.name);
    let beta = |key: &str| &annotations[format!("service.beta.kubernetes.io/{key}")];
    if platform == Some(PlatformName::Rosa) && !beta("aws-load-balancer-additional-resource-tags").is_null() {
        return Some(blocks(
            "rosa.gateway.tags",
            format!(
                "{place} has aws-load-balancer-additional-resource-tags, which Red Hat's webhook writes on ROSA"
            ),
            "take it out of serviceAnnotations".to_owned(),
        ));
    }
    let asks = ["external", "nlb-ip"].contains(&beta("aws-load-balancer-type").as_str().unwrap_or_default());
    let here = matches!(platform, Some(PlatformName::Eks | PlatformName::Rosa));
    let controller = "elbv2.k8s.aws/TargetGroupBinding";
    (here && asks && evidence::kinds_are_known(facts) && !facts.serves(controller)).then(|| {
        blocks(
            "eks.gateway.controller-missing",
            format!("{place} wants a load balancer of the AWS Load Balancer Controller, and the cluster does not serve {controller}"),
            "install the AWS Load Balancer Controller, or leave aws-load-balancer-type out".to_owned(),
        )
    })
}

fn unprobed(gateway: &Gateway, annotations: &Value) -> Option<Finding> {
    if gateway.kind != GatewayKind::GatewayApi {
        return None;
    }
    let listened = gateway.listens_on();
    let mut http = listened.iter().filter(|port| port.protocol == PortProtocol::Http);
    let asked = |port: u16, what: &str| {
        annotations[format!("service.beta.kubernetes.io/port_{port}_health-probe_{what}")].clone()
    };
    let wrong = http.find(|port| {
        asked(port.port, "port") != "15021" || asked(port.port, "request-path") != "/healthz/ready"
    })?;
    Some(blocks(
        "aks.gateway.unprobed",
        format!(
            "AKS would ask port {} of gateway {}/{} for the path / and find it unhealthy",
            wrong.port, gateway.namespace, gateway.name
        ),
        "rule aks.gateway.probe sees to that: correct spec.platform of the Cluster document, or take probes out of serviceAnnotations".to_owned(),
    ))
}
