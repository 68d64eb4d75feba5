//! The referee on gateways: each is there as it was asked for, can get its proxy, and is waited for.

use serde_json::Value;

use super::{Finding, Manifest, Seen, blocks};
use crate::{
    config::{Gateway, GatewayKind, InstallerKind},
    fleet::Facts,
};

/// The kind without which nobody makes a gateway of the Gateway API.
pub(super) const API_KIND: &str = "gateway.networking.k8s.io/Gateway";

/// What the proxy itself listens on.
const PROXY_PORTS: std::ops::RangeInclusive<u16> = 15000..=15099;

/// What the definition of a `Gateway` lets its infrastructure hold.
const MOST_ANNOTATIONS: usize = 16;

const ROLES: &str = "rbac.authorization.k8s.io";

const MISTAKE: &str = "this is a mistake in meshfleet, report it";

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let gateways = &plan.intent.gateways;
    if plan.intent.installer == InstallerKind::Calisti {
        let names: Vec<&str> = gateways.iter().map(|gateway| gateway.name.as_str()).collect();
        return if names.is_empty() { Vec::new() } else { vec![not_served(&names)] };
    }
    gateways
        .iter()
        .flat_map(|gateway| {
            let made = match gateway.kind {
                GatewayKind::Deployment => deployment(plan, gateway),
                GatewayKind::GatewayApi => api(plan, gateway, facts),
            };
            let taken = [taken(plan, gateway), ports(gateway)].into_iter().flatten();
            made.into_iter().chain(taken).collect::<Vec<Finding>>()
        })
        .collect()
}

fn not_served(names: &[&str]) -> Finding {
    blocks(
        "gateway.not-served",
        format!(
            "the installer calisti makes no gateways in this release, and the config has {}",
            names.join(", ")
        ),
        "take them out for these clusters (a layer with `unset: [gateways]`), or choose installer sail"
            .to_owned(),
    )
}

fn told(gateway: &Gateway) -> String {
    format!("gateway {}/{}", gateway.namespace, gateway.name)
}

fn find<'a, 'b>(
    plan: &'a Seen<'b>,
    gateway: &Gateway,
    (group, kind): (&str, &str),
) -> Option<&'a Manifest<'b>> {
    plan.find(group, kind, gateway.namespace.as_str(), gateway.name.as_str())
}

fn missing(gateway: &Gateway, what: &str) -> Finding {
    blocks("gateway.missing", format!("the plan has no {what} for {}", told(gateway)), MISTAKE.to_owned())
}

fn deployment(plan: &Seen<'_>, gateway: &Gateway) -> Vec<Finding> {
    let parts = [("apps", "Deployment"), ("", "Service"), ("", "ServiceAccount")];
    let lacked = parts.into_iter().find(|kind| find(plan, gateway, *kind).is_none());
    if let Some((_, kind)) = lacked {
        return vec![missing(gateway, kind)];
    }
    let mut findings = Vec::new();
    if let Some(made) = find(plan, gateway, ("apps", "Deployment")) {
        findings.extend(uninjected(gateway, &made.value));
        findings.extend(early(plan, gateway, made));
        findings.extend(unwatched(plan, gateway, made));
    }
    if let Some(service) = find(plan, gateway, ("", "Service")) {
        findings.extend(unbalanced(gateway, &service.value));
    }
    findings.extend(blind(plan, gateway));
    findings
}

fn uninjected(gateway: &Gateway, deployment: &Value) -> Option<Finding> {
    let template = &deployment["spec"]["template"];
    let asked = template["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
        && template["metadata"]["annotations"]["inject.istio.io/templates"] == "gateway"
        && template["spec"]["containers"][0]["name"] == "istio-proxy"
        && template["spec"]["containers"][0]["image"] == "auto";
    (!asked).then(|| {
        blocks(
            "gateway.not-injected",
            format!("the pods of {} do not ask for the proxy of a gateway", told(gateway)),
            MISTAKE.to_owned(),
        )
    })
}

fn early(plan: &Seen<'_>, gateway: &Gateway, made: &Manifest<'_>) -> Option<Finding> {
    let read = plan.manifests.iter().filter(|manifest| manifest.id.group == "sailoperator.io");
    let last = read.map(|manifest| manifest.phase).max();
    last.is_some_and(|phase| made.phase <= phase).then(|| {
        blocks(
            "gateway.early",
            format!("{} comes before the control plane that injects its proxy", told(gateway)),
            MISTAKE.to_owned(),
        )
    })
}

fn unwatched(plan: &Seen<'_>, gateway: &Gateway, made: &Manifest<'_>) -> Option<Finding> {
    let criteria = &plan.document.healthy_when;
    let watched = criteria.iter().any(|criterion| {
        criterion.id.same_object(made.id) && (criterion.rolled_out || !criterion.requires.is_empty())
    });
    (!watched).then(|| {
        blocks(
            "gateway.unwatched",
            format!("nothing waits for {} to be ready", told(gateway)),
            MISTAKE.to_owned(),
        )
    })
}

fn unbalanced(gateway: &Gateway, service: &Value) -> Option<Finding> {
    let spec = &service["spec"];
    (spec["type"] != "LoadBalancer" || spec["ports"][0]["port"] != 15021).then(|| {
        blocks(
            "gateway.health-port",
            format!(
                "the Service of {} is no load balancer whose first port is 15021: balancers that ask the first port for health would find none",
                told(gateway)
            ),
            MISTAKE.to_owned(),
        )
    })
}

/// istiod hands certificates to a gateway only if its account may read the secrets of its namespace.
fn blind(plan: &Seen<'_>, gateway: &Gateway) -> Option<Finding> {
    let role = find(plan, gateway, (ROLES, "Role"));
    let reads = role.is_some_and(|role| role.value["rules"][0]["resources"][0] == "secrets");
    let binding = find(plan, gateway, (ROLES, "RoleBinding"));
    let bound = binding.is_some_and(|binding| {
        let subject = &binding.value["subjects"][0];
        subject["name"] == gateway.name.as_str() && binding.value["roleRef"]["name"] == gateway.name.as_str()
    });
    (!(reads && bound)).then(|| {
        blocks(
            "gateway.secrets",
            format!("{} gets no certificates: its account may not read the secrets there", told(gateway)),
            MISTAKE.to_owned(),
        )
    })
}

fn api(plan: &Seen<'_>, gateway: &Gateway, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !facts.serves(API_KIND) {
        findings.push(blocks(
            "gateway.api-missing",
            format!("{} is of the Gateway API, and the cluster does not serve {API_KIND}", told(gateway)),
            "some platforms bring it by themselves in newer versions; elsewhere run: kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/standard-install.yaml; or choose kind deployment".to_owned(),
        ));
    }
    let Some(made) = find(plan, gateway, ("gateway.networking.k8s.io", "Gateway")) else {
        findings.push(missing(gateway, "Gateway"));
        return findings;
    };
    if made.value["spec"]["gatewayClassName"] != "istio" {
        findings.push(missing(gateway, "Gateway of class istio"));
    }
    let annotations = &made.value["spec"]["infrastructure"]["annotations"];
    let count = annotations.as_object().map_or(0, serde_json::Map::len);
    if count > MOST_ANNOTATIONS {
        findings.push(blocks(
            "gateway.annotations",
            format!(
                "{} has {count} annotations, and its kind takes {MOST_ANNOTATIONS}: {annotations}",
                told(gateway)
            ),
            "give it fewer HTTP ports or serviceAnnotations, or choose kind deployment".to_owned(),
        ));
    }
    findings.extend(early(plan, gateway, made));
    findings.extend(unwatched(plan, gateway, made));
    findings
}

/// The charts' own Deployment.
fn taken(plan: &Seen<'_>, gateway: &Gateway) -> Option<Finding> {
    (gateway.name.as_str() == "istiod" && gateway.namespace == plan.intent.namespace).then(|| {
        blocks(
            "gateway.name-taken",
            format!("{} has the name of the control plane's own objects", told(gateway)),
            "give it another name, or a namespace of its own".to_owned(),
        )
    })
}

fn ports(gateway: &Gateway) -> Option<Finding> {
    let listened = gateway.listens_on();
    let twice = |port: u16| listened.iter().filter(|other| other.port == port).count() > 1;
    let wrong = listened.iter().find(|one| PROXY_PORTS.contains(&one.port) || twice(one.port))?;
    Some(blocks(
        "gateway.port-taken",
        format!("port {} of {} is taken twice, or the proxy's own", wrong.port, told(gateway)),
        "choose a port of its own outside of 15000 to 15099".to_owned(),
    ))
}
