//! Every method, asked by every sort of caller. What is expected comes of the table of callers and of nothing else, so that
//! a new method is tried by itself.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use hub::{
    app::operators::Role,
    identity::callers::{Answers, METHODS},
};
use proto::v1::{
    AddOperatorRequest, DetachClusterRequest, ListOperatorsRequest, RevokeOperatorRequest,
    clusters_client::ClustersClient, operators_client::OperatorsClient,
};
use rcgen::{CertificateParams, KeyPair};
use tonic::{
    Code,
    transport::{Channel, Identity},
};

use super::{
    call,
    house::{House, reason},
};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    ClusterA,
    ClusterB,
    Operator(Role),
    RevokedOperator,
    DetachedCluster,
    /// A certificate of a cluster that was enrolled anew with another key.
    FormerKey,
}

impl Who {
    /// How the gate refuses; none if it does not.
    fn refusal(self, answers: Answers) -> Option<(&'static str, Code)> {
        let denied = |reason| Some((reason, Code::PermissionDenied));
        match (answers, self) {
            (Answers::Anybody, _) => None,
            (_, Self::Nobody) => Some(("caller.anonymous", Code::Unauthenticated)),
            (Answers::Spokes, Self::ClusterA | Self::ClusterB) => None,
            (Answers::Spokes, Self::DetachedCluster) => denied("cluster.detached"),
            (Answers::Spokes, Self::FormerKey) => denied("caller.former_key"),
            (Answers::Spokes, Self::Operator(_) | Self::RevokedOperator) => denied("caller.other_kind"),
            (Answers::Operators(_), Self::RevokedOperator) => denied("caller.unknown"),
            (Answers::Operators(least), Self::Operator(role)) if role < least => denied("caller.role"),
            (Answers::Operators(_), Self::Operator(_)) => None,
            (
                Answers::Operators(_),
                Self::ClusterA | Self::ClusterB | Self::DetachedCluster | Self::FormerKey,
            ) => denied("caller.other_kind"),
        }
    }
}

/// Adds an operator, as the command line does.
pub async fn operator(house: &House, name: &str, role: Role) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let csr = CertificateParams::default().serialize_request(&key)?.der().to_vec();
    let mut operators = OperatorsClient::new(house.connect(Some(house.admin()?)).await?);
    let request = AddOperatorRequest { name: name.to_owned(), role: role.to_string(), csr };
    let added = operators.add(request).await?.into_inner();
    Ok(Identity::from_pem(added.certificate, key.serialize_pem()))
}

async fn everybody(house: &House) -> Result<BTreeMap<Who, Channel>> {
    let mut all = BTreeMap::new();
    all.insert(Who::Nobody, house.connect(None).await?);
    for role in Role::ALL {
        let added = operator(house, &format!("an-{}", role.as_str().to_lowercase()), role).await?;
        all.insert(Who::Operator(role), house.connect(Some(added)).await?);
    }
    for (who, name) in [(Who::ClusterA, "a"), (Who::ClusterB, "b"), (Who::DetachedCluster, "gone")] {
        all.insert(who, house.connect(Some(house.spoke(name).await?)).await?);
    }
    let former = house.spoke("anew").await?;
    house.spoke("anew").await?;
    all.insert(Who::FormerKey, house.connect(Some(former)).await?);
    // These two connections were made while their holders could still call.
    let revoked = operator(house, "revoked", Role::Admin).await?;
    all.insert(Who::RevokedOperator, house.connect(Some(revoked)).await?);
    let admin = house.connect(Some(house.admin()?)).await?;
    OperatorsClient::new(admin.clone()).revoke(RevokeOperatorRequest { name: "revoked".to_owned() }).await?;
    ClustersClient::new(admin).detach(DetachClusterRequest { name: "gone".to_owned() }).await?;
    Ok(all)
}

#[tokio::test]
async fn every_method_answers_whom_the_table_says_and_nobody_else() -> Result<()> {
    let house = House::open().await?;
    let mut all = everybody(&house).await?;
    let (mut passed, mut refused) = (0, 0);
    for (path, answers) in METHODS {
        for (who, channel) in &mut all {
            let status = call(channel, path).await.with_context(|| format!("{path} by {who:?}"))?;
            let got = status.as_ref().map(|status| (reason(status), status.code()));
            match who.refusal(*answers) {
                Some((reason, code)) => {
                    ensure!(got == Some((reason.to_owned(), code)), "{path} by {who:?}: {got:?}");
                    refused += 1;
                }
                // What follows is the method's own affair: these requests are empty.
                None => {
                    let by_gate = got.as_ref().is_some_and(|(reason, _)| reason.starts_with("caller."));
                    ensure!(!by_gate, "{path} by {who:?}: {got:?}");
                    passed += 1;
                }
            }
        }
    }
    ensure!(
        passed + refused == METHODS.len() * all.len() && passed > 0,
        "{passed} passed, {refused} refused"
    );
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn somebody_is_always_admin_and_a_name_comes_back_as_somebody_else() -> Result<()> {
    let house = House::open().await?;
    let mut first = OperatorsClient::new(house.connect(Some(house.admin()?)).await?);
    let revoke = |name: &str| RevokeOperatorRequest { name: name.to_owned() };
    let status = first.revoke(revoke("admin")).await.err().context("nobody would be admin")?;
    ensure!(reason(&status) == "operator.last_admin", "{status:?}");
    let status = first.revoke(revoke("nobody")).await.err().context("there is none")?;
    ensure!(reason(&status) == "operator.not_found", "{status:?}");

    let ana = operator(&house, "ana", Role::Admin).await?;
    let twice = operator(&house, "ana", Role::Viewer).await;
    ensure!(twice.is_err_and(|error| error.to_string().contains("there is an operator ana already")));
    let mut second = OperatorsClient::new(house.connect(Some(ana)).await?);
    ensure!(!second.revoke(revoke("admin")).await?.into_inner().unchanged);
    ensure!(second.revoke(revoke("admin")).await?.into_inner().unchanged, "twice is as good as once");
    let status = first.list(ListOperatorsRequest {}).await.err().context("a revoked one was answered")?;
    ensure!(reason(&status) == "caller.unknown", "{status:?}");

    // Who was revoked does not come back with a start of the hub.
    let house = House::open_in(house.close().await?).await?;
    let listed = sqlx::query_scalar::<_, String>("select name from operator where revoked_at is null");
    ensure!(listed.fetch_all(&mut house.database().await?).await? == ["ana"]);
    house.close().await?;
    Ok(())
}
