//! One cluster's spoke against another's secrets: it can neither read nor report for it.

use anyhow::{Context, Result, ensure};
use proto::{
    HUB_NAME, PROTOCOL_VERSION,
    v1::{
        EnrolRequest, Facts, FromHub, FromSpoke, Header, Hello, NodeGroup, RefusalCode, Report, TargetPhase,
        Want, delivery_client::DeliveryClient, from_hub, from_spoke,
    },
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tests::fleet::Fleet;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_can_neither_read_nor_report_for_another_cluster() -> Result<()> {
    let rig = Rig::start().await?;
    rig.apply_mesh(&["eks-a", "eks-b"]).await?;
    rig.apply_waves("first-b", &["eks-b", "eks-a"], 900).await?;
    let mut a = PlayedSpoke::attach(&rig.fleet, "eks-a").await?;
    let mut b = PlayedSpoke::attach(&rig.fleet, "eks-b").await?;
    rig.fleet.connected("eks-a").await?;
    rig.fleet.connected("eks-b").await?;
    let number = rig.fleet.roll_out(&["payments", "--strategy", "first-b"]).await?;
    let header = b.header().await?;
    ensure!(!header.offers.is_empty(), "a target offers its plan document and bodies");

    // What was offered to B is to A the same as what never was.
    let foreign = header.offers[0].digest.clone();
    for digest in [foreign, vec![7; 32]] {
        a.say(from_spoke::Message::Want(Want { generation: 1, digests: vec![digest] })).await?;
        let answer = a.next().await?;
        let refused = matches!(&answer, from_hub::Message::Refused(refused) if refused.code() == RefusalCode::NotOffered);
        ensure!(refused, "a foreign body was answered with {answer:?}");
    }

    // A lie about B's target moves nothing of B.
    a.say(from_spoke::Message::Report(healthy(&header, 1)?)).await?;
    a.say(from_spoke::Message::Want(Want { generation: 1, digests: vec![vec![9; 32]] })).await?;
    a.next().await?;
    let shown = rig.fleet.command_line.json(&["rollout", "show", &number.to_string()]).await?;
    ensure!(shown["state"] == "Running", "{shown:#}");
    let state = crate::rig::target(&shown, "eks-b")["state"].clone();
    ensure!(state == "Sent", "B is {state} after A's report");
    rig.passed().await
}

fn healthy(header: &Header, generation: u64) -> Result<Report> {
    let digest = hub_core::digest::Digest::of(&header.target);
    Ok(Report {
        generation,
        target_digest: digest.as_bytes().to_vec(),
        phase: TargetPhase::Healthy.into(),
        completed_generation: generation,
        ..Report::default()
    })
}

/// The far end of the wire, spoken by hand.
struct PlayedSpoke {
    out: mpsc::Sender<FromSpoke>,
    from_hub: Streaming<FromHub>,
}

impl PlayedSpoke {
    /// Enrols a cluster and attaches, dressed by its facts.
    async fn attach(fleet: &Fleet, name: &str) -> Result<Self> {
        let invited = fleet.command_line.json(&["cluster", "enrol", name]).await?;
        let token = invited["token"].as_str().context("a token")?.to_owned();
        let context: Value = serde_json::from_slice(&std::fs::read(fleet.hub.context())?)?;
        let ca = Certificate::from_pem(context["ca"].as_str().context("the hub's CA")?);

        let key = KeyPair::generate()?;
        let csr = CertificateParams::default().serialize_request(&key)?.der().to_vec();
        let anonymous = connect(fleet, ClientTlsConfig::new().ca_certificate(ca.clone())).await?;
        let request =
            EnrolRequest { protocol_version: PROTOCOL_VERSION, token, csr, ..EnrolRequest::default() };
        let enrolled = DeliveryClient::new(anonymous).enrol(request).await?.into_inner();

        let identity = Identity::from_pem(enrolled.certificate, key.serialize_pem());
        let known = connect(fleet, ClientTlsConfig::new().ca_certificate(ca).identity(identity)).await?;
        let (out, messages) = mpsc::channel(8);
        out.send(FromSpoke { trace: None, message: Some(from_spoke::Message::Hello(hello())) }).await?;
        let from_hub = DeliveryClient::new(known).attach(ReceiverStream::new(messages)).await?.into_inner();
        let mut spoke = Self { out, from_hub };
        let answer = spoke.next().await?;
        ensure!(matches!(answer, from_hub::Message::Welcome(_)), "Hello was answered with {answer:?}");
        Ok(spoke)
    }

    async fn say(&self, message: from_spoke::Message) -> Result<()> {
        Ok(self.out.send(FromSpoke { trace: None, message: Some(message) }).await?)
    }

    async fn next(&mut self) -> Result<from_hub::Message> {
        let message = self.from_hub.message().await?.context("the hub ended the stream")?;
        message.message.context("an empty message")
    }

    async fn header(&mut self) -> Result<Header> {
        loop {
            if let from_hub::Message::Header(header) = self.next().await? {
                return Ok(header);
            }
        }
    }
}

async fn connect(fleet: &Fleet, tls: ClientTlsConfig) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("https://{}", fleet.hub.address()))?;
    Ok(endpoint.tls_config(tls.domain_name(HUB_NAME))?.connect().await?)
}

fn hello() -> Hello {
    let node = NodeGroup {
        count: 2,
        provider: "aws".to_owned(),
        kubelet_version: "v1.24.17-eks-1234567".to_owned(),
        labels: vec!["eks.amazonaws.com/nodegroup".to_owned()],
        ..NodeGroup::default()
    };
    let facts = Facts {
        kubernetes_version: "v1.24.17-eks-1234567".to_owned(),
        kinds: vec!["servicemesh.cisco.com/IstioControlPlane".to_owned()],
        nodes: vec![node],
        ..Facts::default()
    };
    Hello {
        protocol_version: PROTOCOL_VERSION,
        spoke_version: "played".to_owned(),
        facts: Some(facts),
        ..Hello::default()
    }
}
