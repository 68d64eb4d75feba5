//! The connection to a hub: TLS 1.3 both ways, known by the hub's fixed name and not by its address.

use std::{future::ready, io, path::PathBuf, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use proto::v1::{
    catalog_client::CatalogClient, clusters_client::ClustersClient, configs_client::ConfigsClient,
    documents_client::DocumentsClient, drift_client::DriftClient, hub_client::HubClient,
    operators_client::OperatorsClient, plans_client::PlansClient, rollouts_client::RolloutsClient,
    status_client::StatusClient,
};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint, Uri},
};

use crate::{context::Context, failure::Failure, trace::Trace};

/// A connection on which every call says what it belongs to.
type Traced = InterceptedService<Channel, Trace>;

/// How long a hub may take to answer: a plan of a large fleet takes seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long connecting may take, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Largest answer that is read: the manifests of a whole fleet.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// One connection to a hub.
#[derive(Debug)]
pub struct Hub {
    channel: Channel,
    trace: Trace,
    address: String,
    context: PathBuf,
}

impl Hub {
    /// Connects at once, so that what is wrong is said in its own words. A connection that breaks is not made again:
    /// whoever wants to go on connects anew.
    pub async fn connect(context: &Context, trace: Trace) -> Result<Self, Failure> {
        let address = context.hub.clone();
        let silent = || Failure::Silent { address: address.clone(), seconds: CONNECT_WITHIN.as_secs() };
        let stream = tokio::time::timeout(CONNECT_WITHIN, dial(context)).await.map_err(|_| silent())??;
        let mut stream = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_: Uri| {
            ready(stream.take().ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the hub hung up")))
        });
        let endpoint = Endpoint::from_static("http://hub.meshfleet").timeout(ANSWER_WITHIN);
        let broken = |source| Failure::Broken { address: address.clone(), source: Box::new(source) };
        let channel = endpoint.connect_with_connector(connector).await.map_err(broken)?;
        Ok(Self { channel, trace, address, context: context.path.clone() })
    }

    /// What a refusal of this hub means.
    pub fn refused(&self, status: &Status) -> Failure {
        Failure::of_status(&self.address, &self.context, status)
    }

    pub fn documents(&self) -> DocumentsClient<Traced> {
        DocumentsClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn configs(&self) -> ConfigsClient<Traced> {
        ConfigsClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn clusters(&self) -> ClustersClient<Traced> {
        ClustersClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn plans(&self) -> PlansClient<Traced> {
        PlansClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn rollouts(&self) -> RolloutsClient<Traced> {
        RolloutsClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn status(&self) -> StatusClient<Traced> {
        StatusClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn operators(&self) -> OperatorsClient<Traced> {
        OperatorsClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn catalog(&self) -> CatalogClient<Traced> {
        CatalogClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn hub(&self) -> HubClient<Traced> {
        HubClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn drift(&self) -> DriftClient<Traced> {
        DriftClient::with_interceptor(self.channel.clone(), self.trace.clone())
            .max_decoding_message_size(LARGEST_ANSWER)
    }
}

async fn dial(context: &Context) -> Result<TlsStream<TcpStream>, Failure> {
    let config = tls(context)?;
    let name =
        ServerName::try_from(proto::HUB_NAME).map_err(|error| unusable(context, "name of a hub", error))?;
    let unreachable =
        |source| Failure::Unreachable { address: context.hub.clone(), context: context.path.clone(), source };
    let stream = TcpStream::connect(&context.hub).await.map_err(unreachable)?;
    // Small questions and answers: waiting to fill packets would only delay them.
    stream.set_nodelay(true).map_err(unreachable)?;
    let failed = |source: io::Error| {
        let (address, path) = (context.hub.clone(), context.path.clone());
        match source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            true => Failure::NotTheHub { address, context: path, source },
            // A hub that is going down hangs up in the middle.
            false => Failure::Unreachable { address, context: path, source },
        }
    };
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)
}

fn tls(context: &Context) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(context, "authority (ca)", &context.ca)? {
        roots.add(authority).map_err(|error| unusable(context, "authority (ca)", error))?;
    }
    let certificate = certificates(context, "certificate", &context.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(context.key.as_bytes())
        .map_err(|_| unusable(context, "key", "not the PEM of a private key"))?;
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_client_auth_cert(certificate, key)
        .map_err(|error| unusable(context, "certificate and key", error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(
    context: &Context,
    what: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|error| unusable(context, what, error))?;
    if read.is_empty() { Err(unusable(context, what, "there is none in it")) } else { Ok(read) }
}

fn unusable(
    context: &Context,
    what: &'static str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Failure {
    Failure::Unusable { path: context.path.clone(), what, source: why.into() }
}

#[cfg(test)]
mod tests;
