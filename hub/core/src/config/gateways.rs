//! Gateways: proxies of their own at the edge of a mesh, behind a load balancer of the provider's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fleet::Name;

/// A gateway. Layers lay one over that of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gateway {
    /// Of all its objects; unique in the config.
    pub name: Name,
    /// Where it stands. Made if absent.
    pub namespace: Name,
    /// From where it can be reached.
    pub exposure: Exposure,
    /// What it is made of.
    #[serde(default)]
    pub kind: GatewayKind,
    /// What it listens on; the usual ports of its kind if none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<GatewayPort>,
    /// Annotations of its Service that no rule requires otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
}

/// From where a gateway can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// From the provider's private network only.
    Internal,
    /// From anywhere.
    External,
}

/// What a gateway is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GatewayKind {
    /// A Deployment and a Service of the plan's.
    #[default]
    Deployment,
    /// A `Gateway` of the Gateway API, from which istiod makes them.
    GatewayApi,
}

/// A port that a gateway listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayPort {
    /// Unique within the gateway.
    pub name: Name,
    /// The port of the load balancer, 1 to 65535; 15021 is taken by the health of the proxy.
    pub port: u16,
    /// What is spoken there.
    #[serde(default)]
    pub protocol: PortProtocol,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PortProtocol {
    /// Plain HTTP.
    #[default]
    Http,
    /// TLS. A `Gateway` of the Gateway API hands it through unopened.
    Tls,
    /// Anything over TCP.
    Tcp,
}

impl Gateway {
    /// What it listens on: what is given, else HTTP on 80 and, unless it is of the Gateway API, TLS on 443. There a TLS
    /// port would need to know more than that.
    #[must_use]
    pub fn listens_on(&self) -> Vec<GatewayPort> {
        if !self.ports.is_empty() {
            return self.ports.clone();
        }
        let port = |name: &str, port, protocol| GatewayPort {
            name: Name::parse(name).expect("a DNS label"),
            port,
            protocol,
        };
        let http = port("http", 80, PortProtocol::Http);
        match self.kind {
            GatewayKind::Deployment => vec![http, port("https", 443, PortProtocol::Tls)],
            GatewayKind::GatewayApi => vec![http],
        }
    }
}
