//! Against a listener that speaks a hub's TLS and answers every call with one refusal: what people are told of a
//! connection that does not come about.

use std::net::SocketAddr;

use prost::Message;
use proto::v1::{
    ApplyDocumentsRequest, ApplyDocumentsResponse, DeleteDocumentsRequest, DeleteDocumentsResponse,
    DiffDocumentsResponse, DocumentSchemaRequest, DocumentSchemaResponse, GetDocumentsRequest,
    GetDocumentsResponse, Problem,
    documents_server::{Documents, DocumentsServer},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, server::WebPkiClientVerifier};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, transport::Server};

use super::*;

/// A certificate authority of a hub.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn make(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// PEM of a certificate for `name` and of its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn context(&self, hub: &str) -> Context {
        let (certificate, key) = self.issue("operator");
        Context { path: "admin.context.json".into(), hub: hub.to_owned(), ca: self.0.pem(), certificate, key }
    }
}

struct Refuses;

fn refusal() -> Status {
    let problem = Problem {
        reason: "test.refused".to_owned(),
        message: "no documents today".to_owned(),
        hint: "come back tomorrow".to_owned(),
        details: Vec::new(),
    };
    Status::with_details(Code::FailedPrecondition, &problem.message, problem.encode_to_vec().into())
}

#[tonic::async_trait]
impl Documents for Refuses {
    async fn apply(
        &self,
        _: Request<ApplyDocumentsRequest>,
    ) -> Result<Response<ApplyDocumentsResponse>, Status> {
        Err(refusal())
    }

    async fn diff(
        &self,
        _: Request<ApplyDocumentsRequest>,
    ) -> Result<Response<DiffDocumentsResponse>, Status> {
        Err(refusal())
    }

    async fn get(&self, _: Request<GetDocumentsRequest>) -> Result<Response<GetDocumentsResponse>, Status> {
        Err(refusal())
    }

    async fn delete(
        &self,
        _: Request<DeleteDocumentsRequest>,
    ) -> Result<Response<DeleteDocumentsResponse>, Status> {
        Err(refusal())
    }

    async fn schema(
        &self,
        _: Request<DocumentSchemaRequest>,
    ) -> Result<Response<DocumentSchemaResponse>, Status> {
        Err(refusal())
    }
}

/// Listens with a certificate for `name`, and takes clients of the same authority.
async fn listen(authority: &Authority, name: &str) -> SocketAddr {
    let (certificate, key) = authority.issue(name);
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, incoming) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await
                && accepted.send(Ok::<_, io::Error>(stream)).await.is_err()
            {
                return;
            }
        }
    });
    let server = Server::builder().add_service(DocumentsServer::new(Refuses));
    tokio::spawn(server.serve_with_incoming(ReceiverStream::new(incoming)));
    address
}

async fn apply(context: &Context) -> Failure {
    let hub = match Hub::connect(context, Trace::default()).await {
        Ok(hub) => hub,
        Err(failure) => return failure,
    };
    let status = hub.documents().apply(ApplyDocumentsRequest::default()).await.unwrap_err();
    hub.refused(&status)
}

#[tokio::test]
async fn a_refusal_arrives_with_its_reason_and_hint() {
    let authority = Authority::make("ours");
    let address = listen(&authority, proto::HUB_NAME).await;
    let failure = apply(&authority.context(&address.to_string())).await;
    let told = (failure.reason(), failure.chain(), failure.hint(), failure.passes());
    assert_eq!(
        told,
        ("test.refused", "no documents today".to_owned(), "come back tomorrow".to_owned(), false)
    );
}

#[tokio::test]
async fn a_hub_of_another_authority_or_name_is_not_the_hub() {
    let ours = Authority::make("ours");
    let foreign = listen(&Authority::make("foreign"), proto::HUB_NAME).await;
    let misnamed = listen(&ours, "localhost").await;
    for address in [foreign, misnamed] {
        let failure = apply(&ours.context(&address.to_string())).await;
        assert!(matches!(failure, Failure::NotTheHub { .. }), "{failure:?}");
        assert!(!failure.passes());
    }
}

#[tokio::test]
async fn a_certificate_that_the_hub_does_not_take_is_told_from_a_broken_connection() {
    let hub = Authority::make("ours");
    let address = listen(&hub, proto::HUB_NAME).await;
    let context = Context { ca: hub.0.pem(), ..Authority::make("foreign").context(&address.to_string()) };
    let failure = apply(&context).await;
    assert!(matches!(failure, Failure::NotTaken { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_hub_that_is_away_is_said_to_be_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = apply(&Authority::make("ours").context(&address.to_string())).await;
    assert!(matches!(failure, Failure::Unreachable { .. }) && failure.passes(), "{failure:?}");
    assert!(failure.chain().contains(&address.to_string()) && failure.hint().contains("hub serve"));
}

#[tokio::test]
async fn a_context_with_a_broken_part_says_which() {
    let good = Authority::make("ours").context("127.0.0.1:1");
    let again = || Context {
        path: good.path.clone(),
        hub: good.hub.clone(),
        ca: good.ca.clone(),
        certificate: good.certificate.clone(),
        key: good.key.clone(),
    };
    for (context, what) in [
        (Context { ca: String::new(), ..again() }, "authority"),
        (Context { certificate: "x".to_owned(), ..again() }, "certificate"),
        (Context { key: "SECRET".to_owned(), ..again() }, "key"),
        (Context { key: Authority::make("other").issue("x").1, ..again() }, "certificate and key"),
    ] {
        let failure = apply(&context).await;
        assert!(failure.chain().contains(what) && !failure.chain().contains("SECRET"), "{}", failure.chain());
    }
}
