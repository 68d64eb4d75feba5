//! Gateways: our own objects, once there is a control plane that injects their proxies.
//!
//! # Design notes
//! A gateway's pod holds a container without an image; the injector fills it in. So gateways come in a phase of their
//! own after the control plane. No user id is written, because where ids are given out by namespace only those of its
//! range are admitted. How many replicas there are is left to whoever scales it.

use serde_json::{Map, Value, json};

use crate::{
    config::{Exposure, Gateway, GatewayKind, InstallerKind, PortProtocol},
    plan::{
        Criterion, ObjectId, Requirement as ValueAt, RuleId,
        input::{MeshInput, Projection},
        requirement::{Fields, Requirement, Source, Strength},
        rule::{Phase, Rule},
    },
};

const ONLY: &[InstallerKind] = &[InstallerKind::Sail];

/// Group of the Gateway API.
pub const API_GROUP: &str = "gateway.networking.k8s.io";

/// Where the proxy says that it is ready.
pub const HEALTH_PORT: u16 = 15021;

const RBAC: &str = "rbac.authorization.k8s.io";

const HELD_FOR_S: u32 = 3;

/// What gateways are made of, on every platform.
pub static RULES: [Rule; 3] = [
    Rule {
        id: RuleId("gateway.deployment"),
        reason: "A gateway is a Deployment whose proxy is injected, with an account that may read the certificates of its namespace.",
        source: "istio/istio 1.30, manifests/charts/gateway/templates: deployment.yaml, role.yaml, serviceaccount.yaml",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_deployments,
    },
    Rule {
        id: RuleId("gateway.service"),
        reason: "A load balancer leads to a gateway, and asks its first port for health where the provider knows no better.",
        source: "istio/istio 1.30, manifests/charts/gateway/values.yaml: service.ports; istio.io, Platform setup, for 15021 first",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_services,
    },
    Rule {
        id: RuleId("gateway.api"),
        reason: "istiod makes Deployment and Service of a gateway from a Gateway of its class, and passes on the annotations of its infrastructure.",
        source: "istio.io, Kubernetes Gateway API: Automated Deployment; gateway-api v1, GatewayInfrastructure",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_api,
    },
];

/// The object of a gateway that carries the annotations of its load balancer.
#[must_use]
pub fn balanced(gateway: &Gateway) -> ObjectId {
    match gateway.kind {
        GatewayKind::Deployment => object(gateway, ("", "v1", "Service")),
        GatewayKind::GatewayApi => object(gateway, (API_GROUP, "v1", "Gateway")),
    }
}

/// Annotations for the load balancer of a gateway.
#[must_use]
pub fn annotated(gateway: &Gateway, strength: Strength, from: &Source, annotations: Value) -> Requirement {
    let tree = match gateway.kind {
        GatewayKind::Deployment => json!({"metadata": { "annotations": annotations }}),
        GatewayKind::GatewayApi => json!({"spec": {"infrastructure": { "annotations": annotations }}}),
    };
    let fields = Fields { strength, from: from.clone(), tree };
    Requirement::plan(balanced(gateway), Phase::Gateways, vec![fields])
}

/// Of each gateway of a mesh, what a platform wants of its load balancer, by exposure.
pub fn each(
    mesh: &MeshInput,
    strength: Strength,
    wanted: impl Fn(&Gateway, Exposure) -> Option<Value>,
) -> Vec<Requirement> {
    let gateways = mesh.intent.gateways.iter();
    let from = match strength {
        Strength::Required => Source::Config("gateways"),
        Strength::Default | Strength::Config => Source::Rule,
    };
    gateways
        .filter_map(|gateway| {
            let annotations = wanted(gateway, gateway.exposure)?;
            Some(annotated(gateway, strength, &from, annotations))
        })
        .collect()
}

fn object(gateway: &Gateway, (group, version, kind): (&str, &str, &str)) -> ObjectId {
    ObjectId::new(group, version, kind, gateway.namespace.as_str(), gateway.name.as_str())
}

fn of_kind(mesh: &MeshInput, kind: GatewayKind) -> impl Iterator<Item = &Gateway> {
    mesh.intent.gateways.iter().filter(move |gateway| gateway.kind == kind)
}

fn planned(id: ObjectId, tree: Value) -> Requirement {
    Requirement::plan(id, Phase::Gateways, vec![Fields::needed(Source::Config("gateways"), tree)])
}

/// What a `Gateway` of Istio's selects pods by. Its documents call that of `istio-ingress` `ingress`.
fn labels(gateway: &Gateway) -> Value {
    let name = gateway.name.as_str();
    json!({"app": name, "istio": name.strip_prefix("istio-").unwrap_or(name)})
}

fn yield_deployments(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    of_kind(mesh, GatewayKind::Deployment).flat_map(deployment).collect()
}

fn deployment(gateway: &Gateway) -> Vec<Requirement> {
    let name = gateway.name.as_str();
    let account = object(gateway, ("", "v1", "ServiceAccount"));
    let deployment = object(gateway, ("apps", "v1", "Deployment"));
    let role = object(gateway, (RBAC, "v1", "Role"));
    let binding = object(gateway, (RBAC, "v1", "RoleBinding"));
    let criterion = Criterion { rolled_out: true, held_for_s: HELD_FOR_S, ..Criterion::on(&deployment) };
    let secrets = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]});
    let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": gateway.namespace.as_str()});
    vec![
        planned(account, json!({"metadata": { "labels": labels(gateway) }})),
        planned(role, json!({"rules": [secrets]})),
        planned(
            binding,
            json!({"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name}, "subjects": [subject]}),
        ),
        planned(deployment, deployment_tree(gateway)).healthy_when(criterion),
    ]
}

fn deployment_tree(gateway: &Gateway) -> Value {
    let labels = labels(gateway);
    let mut pod_labels = labels.clone();
    pod_labels["sidecar.istio.io/inject"] = json!("true");
    let proxy = json!({
        "name": "istio-proxy",
        "image": "auto",
        "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "2", "memory": "1Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
        },
    });
    json!({
        "metadata": {"labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "annotations": {"inject.istio.io/templates": "gateway"},
                    "labels": pod_labels,
                },
                "spec": {
                    "serviceAccountName": gateway.name.as_str(),
                    // Low ports without a right: allowed to every pod.
                    "securityContext": {
                        "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
                    },
                    "containers": [proxy],
                },
            },
        },
    })
}

fn yield_services(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    of_kind(mesh, GatewayKind::Deployment).flat_map(|gateway| with_said(gateway, service(gateway))).collect()
}

fn service(gateway: &Gateway) -> Value {
    let port =
        |name: &str, port: u16| json!({"name": name, "port": port, "targetPort": port, "protocol": "TCP"});
    let mut ports = vec![port("status-port", HEALTH_PORT)];
    ports.extend(gateway.listens_on().iter().map(|listened| port(listened.name.as_str(), listened.port)));
    json!({
        "metadata": {"labels": labels(gateway)},
        "spec": {"type": "LoadBalancer", "selector": labels(gateway), "ports": ports},
    })
}

fn yield_api(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    of_kind(mesh, GatewayKind::GatewayApi).flat_map(|gateway| with_said(gateway, api(gateway))).collect()
}

fn api(gateway: &Gateway) -> Value {
    let listeners: Vec<Value> = gateway
        .listens_on()
        .iter()
        .map(|listened| {
            let mut listener = json!({
                "name": listened.name.as_str(),
                "port": listened.port,
                "protocol": match listened.protocol {
                    PortProtocol::Http => "HTTP",
                    PortProtocol::Tls => "TLS",
                    PortProtocol::Tcp => "TCP",
                },
            });
            if listened.protocol == PortProtocol::Tls {
                listener["tls"] = json!({"mode": "Passthrough"});
            }
            listener
        })
        .collect();
    json!({"spec": {"gatewayClassName": "istio", "listeners": listeners}})
}

/// The object that leads to a gateway, with what the config says of its annotations.
fn with_said(gateway: &Gateway, tree: Value) -> Vec<Requirement> {
    let mut object = planned(balanced(gateway), tree);
    if gateway.kind == GatewayKind::GatewayApi {
        let path = r#".status.conditions[type="Programmed"].status"#.to_owned();
        let requires = vec![ValueAt { path, value: "True".into() }];
        object = object.healthy_when(Criterion { requires, ..Criterion::on(&balanced(gateway)) });
    }
    let mut wanted = vec![object];
    if !gateway.service_annotations.is_empty() {
        let said: Map<String, Value> = gateway
            .service_annotations
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
        wanted.push(annotated(gateway, Strength::Config, &Source::Config("gateways"), Value::Object(said)));
    }
    wanted
}
