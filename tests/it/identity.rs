//! Who may call what: certificates, tokens, and the gate before every method.

#[path = "identity/given_database.rs"]
mod given_database;
#[path = "identity/house.rs"]
pub mod house;
#[path = "identity/hubs.rs"]
mod hubs;
#[path = "identity/matrix.rs"]
mod matrix;
#[path = "identity/membership.rs"]
mod membership;
mod operators;
#[path = "identity/played.rs"]
mod played;
#[path = "identity/probes.rs"]
mod probes;
mod renewal;
#[path = "identity/sessions.rs"]
mod sessions;

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use anyhow::{Context, Result, bail};
use house::{House, config, open_folder, reason, refused_start};
use hub::identity::{
    authority::Authority,
    callers::{Answers, METHODS, answers},
    spiffe::TrustDomain,
};
use prost::Message;
use proto::v1::{
    EnrolRequest, FromSpoke, ListClustersRequest, clusters_client::ClustersClient,
    delivery_client::DeliveryClient,
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tonic::{
    Code, Status,
    codegen::{Service, http},
    transport::{Channel, Identity},
};
use uuid::Uuid;

/// As much of a `FileDescriptorSet` as names its methods.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Described>,
}

/// A service, or one of its methods: in both the name is field 1, and methods are field 2 of a service.
#[derive(Clone, PartialEq, Message)]
struct Described {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
}

/// Paths of all methods of all services that the `.proto` files describe.
fn described_methods() -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for file in Files::decode(proto::DESCRIPTORS)?.files {
        for service in &file.services {
            let prefix = format!("/{}.{}", file.package, service.name);
            paths.extend(service.methods.iter().map(|method| format!("{prefix}/{}", method.name)));
        }
    }
    Ok(paths)
}

/// Calls a method with nothing in its body, and says how it was refused; none if it was answered.
async fn call(channel: &mut Channel, path: &str) -> Result<Option<Status>> {
    let request = http::Request::post(format!("https://{}{path}", proto::HUB_NAME))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::empty())?;
    std::future::poll_fn(|cx| Service::<http::Request<tonic::body::Body>>::poll_ready(channel, cx)).await?;
    let response = channel.call(request).await?;
    Ok(Status::from_header_map(response.headers()))
}

#[tokio::test]
async fn nothing_but_enrolment_renewal_and_health_answers_a_caller_without_a_certificate() -> Result<()> {
    let house = House::open().await?;
    let mut anonymous = house.connect(None).await?;
    let mut methods = described_methods()?;
    assert!(methods.len() >= 11, "the methods were not found: {methods:?}");
    methods.push("/grpc.reflection.v1.ServerReflection/x".to_owned());
    for path in methods {
        let status = call(&mut anonymous, &path).await?;
        let refusal = status.as_ref().map(reason).unwrap_or_default();
        match answers(&path) {
            Some(Answers::Anybody) => assert!(!refusal.starts_with("caller."), "{path}: {status:?}"),
            Some(Answers::Spokes | Answers::Operators(_)) => {
                assert_eq!(refusal, "caller.anonymous", "{path}");
                assert_eq!(status.map(|status| status.code()), Some(Code::Unauthenticated), "{path}");
            }
            None => assert_eq!(refusal, "method.unknown", "{path}"),
        }
    }
    house.close().await?;
    Ok(())
}

#[test]
fn the_table_of_callers_names_every_method_and_no_other() -> Result<()> {
    let mut described = described_methods()?;
    described.extend(["/grpc.health.v1.Health/Check".to_owned(), "/grpc.health.v1.Health/Watch".to_owned()]);
    described.sort();
    let mut table: Vec<&str> = METHODS.iter().map(|(path, _)| *path).collect();
    table.sort_unstable();
    assert_eq!(table, described);
    Ok(())
}

#[tokio::test]
async fn health_answers_anybody() -> Result<()> {
    let house = House::open().await?;
    let mut health = tonic_health::pb::health_client::HealthClient::new(house.connect(None).await?);
    let answer = health.check(tonic_health::pb::HealthCheckRequest::default()).await?.into_inner();
    assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn spokes_and_operators_do_not_answer_for_one_another() -> Result<()> {
    let house = House::open().await?;
    let mut spoke = house.connect(Some(house.spoke("one").await?)).await?;
    let mut admin = house.connect(Some(house.admin()?)).await?;
    for (path, answers) in METHODS {
        let (channel, expected) = match answers {
            Answers::Anybody => continue,
            Answers::Spokes => (&mut admin, "caller.other_kind"),
            Answers::Operators(_) => (&mut spoke, "caller.other_kind"),
        };
        let status = call(channel, path).await?.with_context(|| format!("{path} answered"))?;
        assert_eq!((reason(&status).as_str(), status.code()), (expected, Code::PermissionDenied), "{path}");
    }
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() -> Result<()> {
    let house = House::open().await?;
    let other = open_folder()?;
    let domain = TrustDomain::parse("meshfleet.local")?;
    let foreign = Authority::make(&other.path().join("ca"), domain, jiff::Timestamp::now())?;
    let operator = foreign.issue_operator(Uuid::now_v7(), jiff::Timestamp::now())?;
    let identity = Identity::from_pem(operator.issued.certificate.clone(), operator.key_pem());
    // In TLS 1.3 the client learns only with its first call that it was refused.
    let refused = match house.connect(Some(identity)).await {
        Ok(channel) => ClustersClient::new(channel).list(ListClustersRequest {}).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    let mut admin = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    admin.list(ListClustersRequest {}).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn certificates_of_this_authority_that_name_nobody_known_are_refused() -> Result<()> {
    let house = House::open().await?;
    let domain = TrustDomain::parse("meshfleet.local")?;
    let authority = Authority::load(&house.data().join("ca"), domain)?;
    let elsewhere = Authority::load(&house.data().join("ca"), TrustDomain::parse("elsewhere.local")?)?;
    let now = jiff::Timestamp::now();
    for (issued, expected) in [
        (authority.issue_operator(Uuid::now_v7(), now)?, "caller.unknown"),
        (elsewhere.issue_operator(Uuid::now_v7(), now)?, "caller.certificate"),
    ] {
        let identity = Identity::from_pem(issued.issued.certificate.clone(), issued.key_pem());
        let mut clusters = ClustersClient::new(house.connect(Some(identity)).await?);
        let Err(status) = clusters.list(ListClustersRequest {}).await else {
            bail!("{expected} was answered")
        };
        assert_eq!(reason(&status), expected);
    }
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn certificates_of_this_authority_that_are_not_for_clients_now_are_refused() -> Result<()> {
    let house = House::open().await?;
    let ca = |name: &str| fs::read_to_string(house.data().join("ca").join(name));
    let issuer = Issuer::from_ca_cert_pem(&ca("ca.pem")?, KeyPair::from_pem(&ca("ca.key")?)?)?;
    let admin = CertificateDer::from_pem_slice(house.context("certificate")?.as_bytes())?;
    let text = String::from_utf8_lossy(&admin).into_owned();
    let start = text.find("spiffe://").context("an identity")?;
    let uri: String = text[start..].chars().take("spiffe://meshfleet.local/operator/".len() + 36).collect();
    let client = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let san = |uri: &str| anyhow::Ok(SanType::URI(uri.try_into()?));
    let past = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let good = (date_time_ymd(2020, 1, 1), date_time_ymd(2090, 1, 1));
    let future = (date_time_ymd(2089, 1, 1), date_time_ymd(2090, 1, 1));
    for (what, names, purposes, (from, until), answered) in [
        ("good", vec![san(&uri)?], client.clone(), good, true),
        ("expired", vec![san(&uri)?], client.clone(), past, false),
        ("not yet valid", vec![san(&uri)?], client.clone(), future, false),
        ("for servers", vec![san(&uri)?], vec![ExtendedKeyUsagePurpose::ServerAuth], good, false),
        ("nameless", vec![], client.clone(), good, false),
        ("of two names", vec![san(&uri)?, san("spiffe://meshfleet.local/operator/x")?], client, good, false),
    ] {
        let mut params = CertificateParams::default();
        (params.subject_alt_names, params.extended_key_usages) = (names, purposes);
        (params.not_before, params.not_after) = (from, until);
        let key = KeyPair::generate()?;
        let identity = Identity::from_pem(params.signed_by(&key, &issuer)?.pem(), key.serialize_pem());
        let listed = match house.connect(Some(identity)).await {
            Ok(channel) => ClustersClient::new(channel).list(ListClustersRequest {}).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(listed, answered, "{what}");
    }
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_revoked_operator_is_refused_at_the_next_call() -> Result<()> {
    let house = House::open().await?;
    let mut clusters = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    clusters.list(ListClustersRequest {}).await?;
    sqlx::query("update operator set revoked_at = now()").execute(&mut house.database().await?).await?;
    let Err(status) = clusters.list(ListClustersRequest {}).await else {
        bail!("a revoked operator was answered")
    };
    assert_eq!(reason(&status), "caller.unknown");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn tokens_are_taken_once_and_only_as_they_were_issued() -> Result<()> {
    let house = House::open().await?;
    let (key, other_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let token = house.token("one").await?;
    let fields: Vec<&str> = token.split('.').collect();
    let [format, id, secret, pin] = fields[..] else { bail!("a token has four fields") };
    let wrong_secret = format!("{format}.{id}.{}.{pin}", "A".repeat(secret.len()));
    let unknown = format!("{format}.{}.{secret}.{pin}", Uuid::now_v7().simple());
    let mut texts = Vec::new();
    for wrong in [wrong_secret.as_str(), unknown.as_str(), "", "mf1", "mf1.a.b.c"] {
        let Err(status) = house.enrol(wrong, &key).await? else { bail!("{wrong} was taken") };
        assert_eq!(reason(&status), "token.unknown", "{wrong}");
        texts.push(status.message().to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "one text tells nothing apart: {texts:?}");

    let joined = house.enrol(&token, &key).await??;
    let again = house.enrol(&token, &key).await??;
    assert_eq!((joined.cluster_id, joined.cluster_name.as_str()), (again.cluster_id, "one"));
    let Err(status) = house.enrol(&token, &other_key).await? else { bail!("a token was taken twice") };
    assert_eq!(reason(&status), "token.used");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_expired_or_replaced_token_is_refused() -> Result<()> {
    let house = House::open().await?;
    let key = KeyPair::generate()?;
    let first = house.token("one").await?;
    let second = house.token("one").await?;
    let Err(status) = house.enrol(&first, &key).await? else { bail!("a replaced token was taken") };
    assert_eq!(reason(&status), "token.revoked");
    let past = "update enrolment_token set issued_at = now() - interval '1 hour', expires_at = now() - interval '1 s'";
    sqlx::query(past).execute(&mut house.database().await?).await?;
    let Err(status) = house.enrol(&second, &key).await? else { bail!("an expired token was taken") };
    assert_eq!(reason(&status), "token.expired");
    assert_eq!(status.message(), "the time of the enrolment token is over");
    // Whoever lacks the secret is not told that there was such a token.
    let mut fields: Vec<&str> = second.split('.').collect();
    let wrong = "A".repeat(fields[2].len());
    fields[2] = &wrong;
    let Err(status) = house.enrol(&fields.join("."), &key).await? else { bail!("a wrong secret was taken") };
    assert_eq!(reason(&status), "token.unknown");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_request_for_a_certificate_gives_its_key_and_no_name() -> Result<()> {
    let house = House::open().await?;
    let token = house.token("one").await?;
    let request = |csr| EnrolRequest {
        protocol_version: proto::PROTOCOL_VERSION,
        spoke_version: String::new(),
        token: token.clone(),
        csr,
    };
    for csr in [Vec::new(), vec![0; 100_000]] {
        let Err(status) = house.enrol_by(request(csr)).await? else { bail!("rubbish was signed") };
        assert_eq!(reason(&status), "csr.refused");
    }
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec![proto::HUB_NAME.to_owned()])?;
    let joined = house.enrol_by(request(params.serialize_request(&key)?.der().to_vec())).await??;
    let der = CertificateDer::from_pem_slice(joined.certificate.as_bytes())?;
    let text = String::from_utf8_lossy(&der).into_owned();
    assert!(text.contains(&joined.cluster_id) && !text.contains(proto::HUB_NAME), "only the hub gives names");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn another_protocol_version_is_refused_and_both_are_said() -> Result<()> {
    let house = House::open().await?;
    for protocol_version in [0, proto::PROTOCOL_VERSION + 1] {
        let request = EnrolRequest { protocol_version, ..EnrolRequest::default() };
        let Err(status) = house.enrol_by(request).await? else { bail!("{protocol_version} was taken") };
        assert_eq!(reason(&status), "protocol.version");
        assert!(status.message().contains(&protocol_version.to_string()), "{status:?}");
    }
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_joined_anew_leaves_its_former_key_outside() -> Result<()> {
    let house = House::open().await?;
    let former = house.spoke("one").await?;
    house.spoke("one").await?;
    let mut delivery = DeliveryClient::new(house.connect(Some(former)).await?);
    let Err(status) = delivery.attach(tokio_stream::empty::<FromSpoke>()).await else {
        bail!("a former key came in")
    };
    assert_eq!(reason(&status), "caller.former_key");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_hub_speaks_only_tls_1_3_and_gives_out_nothing_to_resume_with() -> Result<()> {
    let house = House::open().await?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(house.context("ca")?.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(house.context("certificate")?.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(house.context("key")?.as_bytes())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(proto::HUB_NAME)?;
    let stream = TcpStream::connect(house.address()).await?;
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    // The server speaks first in HTTP/2; what follows the handshake, tickets included, comes before that.
    stream.read_u8().await?;
    let connection = stream.get_ref().1;
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(connection.tls13_tickets_received(), 0);
    let shown = connection.peer_certificates().map(<[_]>::len);
    assert_eq!(shown, Some(2), "the authority goes along, for the pin");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_admin_s_context_is_private_and_follows_the_hub_to_its_next_address() -> Result<()> {
    let house = House::open().await?;
    let path = house.data().join("admin.context.json");
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    let first = (house.context("hub")?, house.context("certificate")?);
    assert_eq!(first.0, house.address());
    let house = House::open_in(house.close().await?).await?;
    let second = (house.context("hub")?, house.context("certificate")?);
    assert_eq!(second, (house.address(), first.1));
    let mut clusters = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    clusters.list(ListClustersRequest {}).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_hub_without_its_authority_or_with_another_one_does_not_start() -> Result<()> {
    let folder = House::open().await?.close().await?;
    let (ca, kept) = (folder.path().join("data/ca"), folder.path().join("kept"));
    fs::rename(&ca, &kept)?;
    let said = refused_start(config(&folder)?).await?;
    assert!(said.contains("is gone") && said.contains("backup"), "{said}");
    assert!(!ca.exists(), "no new one was made");

    Authority::make(&ca, TrustDomain::parse("meshfleet.local")?, jiff::Timestamp::now())?;
    let said = refused_start(config(&folder)?).await?;
    assert!(said.contains("another CA"), "{said}");

    fs::remove_dir_all(&ca)?;
    fs::rename(&kept, &ca)?;
    House::open_in(folder).await?.close().await?;
    Ok(())
}
