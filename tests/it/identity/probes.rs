//! Previews that ask spokes what exists, and what a spoke may say.

use anyhow::{Context, Result, bail, ensure};
use proto::v1::{
    Accepted, ApplyDocumentsRequest, Change, ClusterPlan, ExplainPlanRequest, Hello, NodeGroup,
    PreviewPlanRequest, Probe, ProbeAnswer, ProbedState, RefusalCode, RolloutVerbRequest, SourceFile,
    StartRolloutRequest, documents_client::DocumentsClient, from_hub, from_spoke::Message,
    plans_client::PlansClient, rollouts_client::RolloutsClient,
};
use sha2::{Digest, Sha256};
use tonic::transport::Channel;

use super::{
    house::House,
    played::{Played, hello},
};

/// A mesh of Calisti over clusters on Amazon.
pub struct Mesh;

impl Mesh {
    pub async fn apply(house: &House, adopt: &str, clusters: &[&str]) -> Result<Self> {
        let of = |name: &&str| {
            format!(
                "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: payments}}}}\n---\n"
            )
        };
        let clusters: String = clusters.iter().map(of).collect();
        Self::write(house, &format!("{clusters}{}", config(adopt, "1.17.8"))).await?;
        Ok(Self)
    }

    async fn write(house: &House, text: &str) -> Result<()> {
        let mut documents = DocumentsClient::new(admin(house).await?);
        let file = SourceFile { name: "mesh.yaml".to_owned(), text: text.as_bytes().to_vec() };
        let answer = documents.apply(ApplyDocumentsRequest { files: vec![file] }).await?.into_inner();
        ensure!(answer.mistakes.is_empty(), "{:?}", answer.mistakes);
        Ok(())
    }

    pub async fn attach(&self, house: &House, cluster: &str) -> Result<Played> {
        Played::attach_as(house, house.spoke(cluster).await?, on_amazon()?).await
    }

    pub async fn plan(&self, house: &House, cluster: &str) -> Result<ClusterPlan> {
        let mut plans = PlansClient::new(admin(house).await?);
        let request =
            PreviewPlanRequest { config: "payments".to_owned(), version: 0, cluster: cluster.to_owned() };
        let answer = plans.preview(request).await?.into_inner();
        answer.clusters.into_iter().next().context("a plan of one cluster")
    }
}

fn config(adopt: &str, version: &str) -> String {
    format!(
        "apiVersion: meshfleet.dev/v1\nkind: MeshConfig\nmetadata: {{name: payments}}\nspec:\n  clusters: {{matchLabels: \
         {{mesh: payments}}}}\n  adopt: {adopt}\n  base:\n    mesh: {{id: payments}}\n    istio: {{version: {version}}}\n    \
         installer: {{kind: calisti}}\n    dataPlane: {{namespaces: {{names: [shop]}}}}\n"
    )
}

async fn admin(house: &House) -> Result<Channel> {
    house.connect(Some(house.admin()?)).await
}

fn on_amazon() -> Result<Message> {
    let Message::Hello(hello) = hello() else { bail!("hello is Hello") };
    let node = NodeGroup {
        count: 2,
        provider: "aws".to_owned(),
        kubelet_version: "v1.24.17-eks-1234567".to_owned(),
        labels: vec!["eks.amazonaws.com/nodegroup".to_owned()],
        ..NodeGroup::default()
    };
    let mut facts = hello.facts.clone().context("facts")?;
    facts.kubernetes_version = "v1.24.17-eks-1234567".to_owned();
    facts.kinds = vec!["servicemesh.cisco.com/IstioControlPlane".to_owned()];
    facts.nodes = vec![node];
    Ok(Message::Hello(Hello { facts: Some(facts), ..hello }))
}

/// An object that helm made, and that an apply would change at some paths.
pub fn foreign(differs: &[&str]) -> ProbedState {
    ProbedState {
        exists: true,
        uid: "made-by-hand".to_owned(),
        managers: vec!["helm".to_owned()],
        differs: differs.iter().map(|path| (*path).to_owned()).collect(),
        ..ProbedState::default()
    }
}

impl Played {
    /// Waits for a question.
    pub async fn probe(&mut self) -> Result<Probe> {
        loop {
            if let from_hub::Message::Probe(probe) = self.next().await?? {
                return Ok(probe);
            }
        }
    }

    /// Waits for a question, and says the same of all its objects.
    pub async fn answer_probe(&mut self, of: impl Fn(&Probe) -> ProbedState) -> Result<Probe> {
        let probe = self.probe().await?;
        self.say(answer(&probe, &of(&probe))).await?;
        Ok(probe)
    }
}

fn answer(probe: &Probe, state: &ProbedState) -> Message {
    let of = |object: &proto::v1::ProbedObject| ProbedState { id: object.id.clone(), ..state.clone() };
    let objects = probe.objects.iter().map(of).collect();
    Message::ProbeAnswer(ProbeAnswer { id: probe.id.clone(), objects, ..ProbeAnswer::default() })
}

#[tokio::test]
async fn a_preview_says_beforehand_what_would_become_of_an_existing_mesh() -> Result<()> {
    let house = House::open().await?;
    let mesh = Mesh::apply(&house, "Never", &["one"]).await?;
    let mut played = mesh.attach(&house, "one").await?;
    let path = ".spec.version";
    let (plan, probe) = tokio::join!(mesh.plan(&house, "one"), played.answer_probe(|_| foreign(&[])));
    let (plan, probe) = (plan?, probe?);
    let asked: Vec<String> =
        probe.objects.iter().filter_map(|object| Some(object.id.as_ref()?.kind.clone())).collect();
    ensure!(asked.contains(&"IstioControlPlane".to_owned()), "{asked:?}");
    ensure!(probe.objects.iter().all(|object| object.manifest.starts_with(b"{")));
    ensure!(plan.probed, "{}", plan.not_probed);
    let finding = plan.findings.iter().find(|finding| finding.rule == "adoption.required");
    let finding = finding.context("a finding")?;
    ensure!(
        finding.blocking && finding.message.contains("IstioControlPlane") && finding.message.contains("helm")
    );
    ensure!(finding.hint.contains("adopt: IfNoDiff"), "{}", finding.hint);
    let adopted =
        plan.objects.iter().find(|object| object.change() == Change::Adopt).context("an adoption")?;
    assert_eq!(adopted.adoption, "left alone: held by helm; it is as planned");

    // The same question again within a minute is answered by what is known: nobody is asked.
    let again = mesh.plan(&house, "one").await?;
    ensure!(again.probed && again.findings == plan.findings);

    // What the config says about adoption is judged anew from what was found.
    Mesh::write(&house, &config("IfNoDiff", "1.17.8")).await?;
    let plan = mesh.plan(&house, "one").await?;
    ensure!(plan.findings.iter().all(|finding| !finding.blocking), "{:?}", plan.findings);
    let adopted =
        plan.objects.iter().find(|object| object.change() == Change::Adopt).context("an adoption")?;
    assert_eq!(adopted.adoption, "taken over without a change: held by helm");

    // Another plan is another question.
    Mesh::write(&house, &config("IfNoDiff", "1.16.7")).await?;
    let (plan, probe) = tokio::join!(mesh.plan(&house, "one"), played.answer_probe(|_| foreign(&[path])));
    probe?;
    let plan = plan?;
    let differs = plan.findings.iter().find(|finding| finding.rule == "adoption.differs");
    ensure!(differs.is_some_and(|finding| finding.blocking && finding.message.contains(path)), "{plan:?}");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_preview_says_why_it_could_not_ask() -> Result<()> {
    let house = House::open().await?;
    let mesh = Mesh::apply(&house, "Never", &["one"]).await?;
    let mut played = mesh.attach(&house, "one").await?;
    let (plan, probe) = tokio::join!(mesh.plan(&house, "one"), played.probe());
    let (plan, probe) = (plan?, probe?);
    ensure!(!plan.probed);
    assert_eq!(plan.not_probed, "its spoke did not answer within 8 s");
    // A late answer is taken, and told to the next who asks the same.
    played.say(answer(&probe, &foreign(&[]))).await?;
    let late = mesh.plan(&house, "one").await?;
    ensure!(late.probed, "{}", late.not_probed);
    // The same answer twice is a mistake of the spoke.
    played.say(answer(&probe, &foreign(&[]))).await?;
    let from_hub::Message::Refused(refused) = played.next().await?? else { bail!("not refused") };
    assert_eq!(refused.code(), RefusalCode::Protocol);
    drop(played);
    let gone = tests::clusters::wait::until("a spoke that is gone", super::house::SOON, || async {
        Mesh::write(&house, &config("Never", "1.16.7")).await?;
        let plan = mesh.plan(&house, "one").await?;
        Ok((!plan.probed).then_some(plan.not_probed))
    })
    .await?;
    assert_eq!(gone, "its spoke is not attached");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_spoke_answers_only_what_its_own_cluster_is_asked() -> Result<()> {
    let house = House::open().await?;
    let mesh = Mesh::apply(&house, "Never", &["one", "two"]).await?;
    let mut one = mesh.attach(&house, "one").await?;
    let mut two = mesh.attach(&house, "two").await?;
    let conversation = async {
        let probe = one.probe().await?;
        // The other cluster's spoke knows the id, and says that nothing is there.
        two.say(answer(&probe, &ProbedState::default())).await?;
        let from_hub::Message::Refused(refused) = two.next().await?? else { bail!("not refused") };
        assert_eq!(refused.code(), RefusalCode::Protocol);
        one.say(answer(&probe, &foreign(&[]))).await?;
        Ok(())
    };
    let (plan, conversation) = tokio::join!(mesh.plan(&house, "one"), conversation);
    conversation?;
    let plan = plan?;
    ensure!(plan.findings.iter().any(|finding| finding.rule == "adoption.required"), "{:?}", plan.findings);
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn small_changes_ride_with_the_header() -> Result<()> {
    let house = House::open().await?;
    let mesh = Mesh::apply(&house, "Never", &["one"]).await?;
    let mut played = mesh.attach(&house, "one").await?;
    let header = roll_out(&house, &mut played).await?;
    let offered: Vec<&Vec<u8>> = header.offers.iter().map(|offer| &offer.digest).collect();
    assert_eq!(header.bodies.len(), offered.len(), "the whole of a first small plan");
    for body in &header.bodies {
        ensure!(offered.contains(&&body.digest) && Sha256::digest(&body.data).as_slice() == body.digest);
    }
    let accepted =
        Accepted { epoch: 1, generation: 1, target_digest: Sha256::digest(&header.target).to_vec() };
    played.say(Message::Accepted(accepted)).await?;

    // Of the next version, only what is new.
    ended(&house).await?;
    Mesh::write(&house, &config("Never", "1.16.7")).await?;
    let next = roll_out(&house, &mut played).await?;
    let known: Vec<&Vec<u8>> = header.bodies.iter().map(|body| &body.digest).collect();
    ensure!(!next.bodies.is_empty() && next.bodies.iter().all(|body| !known.contains(&&body.digest)));
    let old = next.offers.iter().filter(|offer| known.contains(&&offer.digest)).count();
    assert_eq!(next.bodies.len() + old, next.offers.len());
    house.close().await?;
    Ok(())
}

/// Ends the rollout that is going on.
async fn ended(house: &House) -> Result<()> {
    let mut rollouts = RolloutsClient::new(admin(house).await?);
    rollouts.abort(RolloutVerbRequest { number: 1, reason: "another one".to_owned() }).await?;
    Ok(())
}

#[tokio::test]
async fn a_fleet_is_previewed_in_groups_and_every_value_is_explained() -> Result<()> {
    let house = House::open().await?;
    let mesh = Mesh::apply(&house, "Never", &["one", "two"]).await?;
    let (mut one, mut two) = (mesh.attach(&house, "one").await?, mesh.attach(&house, "two").await?);
    let mut plans = PlansClient::new(admin(&house).await?);
    let request = PreviewPlanRequest { config: "payments".to_owned(), ..PreviewPlanRequest::default() };
    let nothing = |_: &Probe| ProbedState::default();
    let (answer, first, second) =
        tokio::join!(plans.preview(request.clone()), one.answer_probe(nothing), two.answer_probe(nothing));
    first?;
    second?;
    let answer = answer?.into_inner();
    assert_eq!(answer.clusters.len(), 2);
    ensure!(answer.clusters.iter().all(|plan| plan.probed && plan.objects.is_empty()), "{answer:?}");
    let [group] = &answer.groups[..] else { bail!("{} groups", answer.groups.len()) };
    assert_eq!(group.clusters, ["one", "two"]);
    ensure!(
        !group.objects.is_empty() && group.why.is_empty() && group.disruption == "config-push",
        "{group:?}"
    );
    ensure!(group.objects.iter().any(|object| object.manifest.contains("${cluster}")), "{group:?}");

    let explain = ExplainPlanRequest { cluster: "one".to_owned(), ..ExplainPlanRequest::default() };
    let explained = plans.explain(explain.clone()).await?.into_inner();
    assert_eq!((explained.config.as_str(), explained.version), ("payments", 1));
    let leaves: Vec<_> = explained.objects.iter().flat_map(|object| &object.leaves).collect();
    let config = leaves.iter().filter(|leaf| leaf.origin == "config" && leaf.layer == "base").count();
    ensure!(config > 0);
    for leaf in &leaves {
        let rule = leaf.rule.as_ref().is_some_and(|rule| !rule.rule.is_empty() && !rule.reason.is_empty());
        let told = match leaf.origin.as_str() {
            "config" if leaf.layer == "base" => leaf.file == "mesh.yaml" && leaf.line > 0,
            "config" => !leaf.layer.is_empty(),
            "rule" | "override" => rule,
            "structural" => true,
            _ => false,
        };
        ensure!(told, "{leaf:?}");
    }
    let path = ExplainPlanRequest {
        object: "istiocontrolplane/payments".to_owned(),
        path: "spec.version".to_owned(),
        ..explain.clone()
    };
    let narrowed = plans.explain(path).await?.into_inner();
    let [object] = &narrowed.objects[..] else { bail!("{narrowed:?}") };
    ensure!(object.leaves.len() == 1 && object.leaves[0].value == "\"1.17.8\"", "{object:?}");
    let missing = ExplainPlanRequest { version: 9, ..explain };
    let status = plans.explain(missing).await.unwrap_err();
    assert_eq!(super::house::reason(&status), "config.version_not_found");
    house.close().await?;
    Ok(())
}

async fn roll_out(house: &House, played: &mut Played) -> Result<proto::v1::Header> {
    let mut rollouts = RolloutsClient::new(admin(house).await?);
    let request = StartRolloutRequest { config: "payments".to_owned(), ..StartRolloutRequest::default() };
    rollouts.start(request).await?;
    loop {
        if let from_hub::Message::Header(header) = played.next().await?? {
            return Ok(header);
        }
    }
}
