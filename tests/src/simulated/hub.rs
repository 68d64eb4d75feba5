//! The hub that a simulated fleet belongs to.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use proto::v1::{
    EnrolClusterRequest, EnrolRequest, clusters_client::ClustersClient, delivery_client::DeliveryClient,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// Where a hub is, and how it is known again.
#[derive(Debug, Clone)]
pub struct Hub {
    address: SocketAddr,
    ca: Certificate,
    admin: Identity,
}

impl Hub {
    /// The hub that wrote this context.
    pub fn of_context(file: &Path, address: SocketAddr) -> Result<Self> {
        let context: Value = serde_json::from_slice(&fs::read(file)?)?;
        let field = |name: &str| context[name].as_str().with_context(|| format!("no {name} in the context"));
        let admin = Identity::from_pem(field("certificate")?, field("key")?);
        Ok(Self { address, ca: Certificate::from_pem(field("ca")?), admin })
    }

    /// A connection with a certificate, or without.
    pub async fn connect(&self, identity: Option<&Identity>) -> Result<Channel> {
        let tls = ClientTlsConfig::new().ca_certificate(self.ca.clone()).domain_name(proto::HUB_NAME);
        let tls = match identity {
            Some(identity) => tls.identity(identity.clone()),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address))?;
        Ok(endpoint.tls_config(tls)?.connect().await?)
    }
}

/// Joins clusters of these names, and gives the certificate of each. They do not share keys.
pub async fn enrol(hub: &Hub, names: &[String]) -> Result<Vec<Identity>> {
    let mut clusters = ClustersClient::new(hub.connect(Some(&hub.admin)).await?);
    let mut delivery = DeliveryClient::new(hub.connect(None).await?);
    let mut identities = Vec::new();
    for name in names {
        let request = EnrolClusterRequest { name: name.clone(), ..EnrolClusterRequest::default() };
        let token = clusters.enrol(request).await?.into_inner().token;
        let key = KeyPair::generate()?;
        let request = EnrolRequest {
            protocol_version: proto::PROTOCOL_VERSION,
            spoke_version: "simulated".to_owned(),
            token,
            csr: CertificateParams::default().serialize_request(&key)?.der().to_vec(),
        };
        let joined = delivery.enrol(request).await?.into_inner();
        identities.push(Identity::from_pem(joined.certificate, key.serialize_pem()));
    }
    Ok(identities)
}
