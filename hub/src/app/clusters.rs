//! Clusters: inviting, enrolling, admitting and listing them.

use std::collections::BTreeMap;

use hub_core::{
    config::{self, ConfigVersion},
    digest::Digest,
    fleet::{
        Cluster, ClusterId, Name,
        keys::{Life, Membership},
    },
    platform::{self, Detection},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{App, Error, operators::Operator};
pub use crate::store::clusters::ClusterState;
use crate::store::{
    self,
    audit::{self, Actor, Event},
    clusters::StoredCluster,
    seen::Known,
    tokens::{Claim, Token, TokenState},
};

/// A cluster with what is known of it.
#[derive(Debug, Clone)]
pub struct ClusterOverview {
    /// The cluster, with its facts.
    pub cluster: Cluster,
    /// Whether it joined the fleet.
    pub state: ClusterState,
    /// What its facts show of the platform; none before its first session.
    pub detection: Option<Detection>,
    /// Whether its spoke is attached.
    pub connected: bool,
    /// When its spoke was heard last.
    pub last_seen_at: Option<Timestamp>,
}

/// A token to be issued. The secret itself stays with the caller.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Its id, a part of its text.
    pub id: Uuid,
    /// sha-256 of its secret.
    pub secret_hash: Digest,
    /// How long it can be used, in seconds.
    pub ttl_s: u32,
    /// What becomes of a spoke that the cluster has.
    pub present: Present,
}

/// What a new token means for the spoke that a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// It stays: a token is issued only if there is none.
    Keep,
    /// Whoever uses the token takes its place, for good.
    Replace,
}

/// A token that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuedToken {
    /// The cluster it is for.
    pub cluster_id: ClusterId,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// Whether a spoke of the cluster is attached now: using the token ends its membership.
    pub connected: bool,
}

/// One cluster with everything that is known of it.
#[derive(Debug, Clone)]
pub struct ClusterDetails {
    /// What a list says of it.
    pub overview: ClusterOverview,
    /// Canonical JSON of its document; none if it was only enrolled.
    pub document: Option<Vec<u8>>,
    /// Version of its spoke, as its last session said.
    pub spoke_version: Option<String>,
    /// When its spoke enrolled last.
    pub enrolled_at: Option<Timestamp>,
    /// The mesh network that it stands in; none if its label is no name.
    pub network: Option<Name>,
    /// Whether its spoke accepted something that this hub does not know: a person must decide who is right.
    pub spoke_is_ahead: bool,
}

/// What ending a membership changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// It is ended.
    Now,
    /// It was ended before: nothing was written.
    Before,
}

/// A cluster that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its identity.
    pub cluster_id: ClusterId,
    /// Its name.
    pub name: Name,
    /// Which certificate is the spoke's.
    pub life: Life,
}

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No such token.
    #[error("the token is unknown")]
    Unknown,
    /// The id is known, the secret is not.
    #[error("the token's secret is wrong")]
    WrongSecret,
    /// It was used, with another key.
    #[error("the token was used already")]
    Used,
    /// Its time is over.
    #[error("the token is expired")]
    Expired,
    /// A newer token for the same cluster replaced it.
    #[error("the token was revoked")]
    Revoked,
    /// The database failed.
    #[error(transparent)]
    App(#[from] Error),
}

impl From<store::Error> for RedeemError {
    fn from(error: store::Error) -> Self {
        Self::App(error.into())
    }
}

/// Issues a single-use token; makes the cluster if it is absent; revokes its older unused tokens.
pub async fn issue_token(
    app: &App,
    by: &Operator,
    name: &Name,
    token: NewToken,
) -> Result<IssuedToken, Error> {
    let now = app.clock.now();
    let lifetime = SignedDuration::from_secs(token.ttl_s.max(1).into());
    let expires_at = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
    let mut tx = app.begin().await?;
    let cluster = store::clusters::ensure(&mut tx, ClusterId(Uuid::now_v7()), name, now).await?;
    let (_, membership) = store::clusters::lock_membership(&mut tx, cluster).await?;
    match (membership, token.present) {
        (Membership::Active(_), Present::Keep) => return Err(Error::ClusterActive(name.clone())),
        (Membership::Active(_) | Membership::Detached | Membership::None, _) => {}
    }
    store::tokens::revoke_unused(&mut tx, cluster).await?;
    let token = Token {
        id: token.id,
        cluster,
        secret_hash: token.secret_hash,
        issued_by: by.id,
        issued_at: now,
        expires_at,
    };
    store::tokens::insert(&mut tx, &token).await?;
    let known = super::readable(store::seen::load(&mut tx, &[cluster], now).await?);
    let connected = known.iter().any(|known| known.seen.is_connected());
    let event = Event {
        at: now,
        actor: Actor::Operator(by.id),
        action: "cluster.token_issued",
        subject: format!("cluster/{name}"),
        detail: json!({ "token": token.id, "expiresAt": expires_at.to_string() }),
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    app.signals.plans.wake();
    Ok(IssuedToken { cluster_id: cluster, expires_at, connected })
}

/// Takes a token, and begins an enrolment with this life. Safe to repeat: the same token with the same public key gives the
/// same answer until it expires, in the life that was begun first.
pub async fn redeem(
    app: &App,
    id: Uuid,
    secret: Digest,
    (public_key, life): (Digest, Life),
) -> Result<Enrolled, RedeemError> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let claim = Claim { id, secret_hash: secret, public_key, life };
    let Some((cluster_id, name)) = store::tokens::redeem(&mut tx, &claim, now).await? else {
        return redeemed_before(&mut tx, &claim, now).await;
    };
    let event = Event {
        at: now,
        actor: Actor::Spoke,
        action: "cluster.enrolled",
        subject: format!("cluster/{name}"),
        detail: json!({ "token": id, "publicKey": public_key }),
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    // One that was detached is planned for again.
    app.signals.plans.wake();
    Ok(Enrolled { cluster_id, name, life })
}

/// Why a token cannot be redeemed, or the answer that its spoke lost: the same key again, while the cluster still goes by
/// that key.
async fn redeemed_before(
    tx: &mut PgConnection,
    claim: &Claim,
    now: Timestamp,
) -> Result<Enrolled, RedeemError> {
    let token = store::tokens::find(tx, claim.id).await?.ok_or(RedeemError::Unknown)?;
    if token.secret_hash != claim.secret_hash {
        return Err(RedeemError::WrongSecret);
    }
    match token.state {
        TokenState::Revoked => Err(RedeemError::Revoked),
        TokenState::Issued => Err(RedeemError::Expired),
        TokenState::Redeemed if token.public_key != Some(claim.public_key) => Err(RedeemError::Used),
        TokenState::Redeemed if token.expires_at <= now => Err(RedeemError::Expired),
        TokenState::Redeemed => match store::clusters::lock_membership(tx, token.cluster).await? {
            (Some(name), Membership::Active(current)) if current.key == claim.public_key => {
                Ok(Enrolled { cluster_id: token.cluster, name, life: current.life })
            }
            (_, Membership::Active(_) | Membership::Detached | Membership::None) => Err(RedeemError::Used),
        },
    }
}

/// Ends a cluster's membership: its key, its tokens and its plan count no more, and its session ends on whichever hub has
/// it. What runs in the cluster stays as it is. Safe to repeat.
pub async fn detach(app: &App, by: &Operator, name: &Name) -> Result<Detached, Error> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let found = store::clusters::lock_named(&mut tx, name).await?;
    let cluster = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?.cluster.id;
    if let Some(rollout) = store::holds::holders(&mut tx, &[cluster]).await?.remove(&cluster) {
        return Err(Error::ClusterHeld { cluster: name.clone(), rollout });
    }
    if !store::clusters::detach(&mut tx, cluster, now).await? {
        return Ok(Detached::Before);
    }
    store::tokens::revoke_unused(&mut tx, cluster).await?;
    store::cluster_plans::forget(&mut tx, cluster).await?;
    let event = Event {
        at: now,
        actor: Actor::Operator(by.id),
        action: "cluster.detached",
        subject: format!("cluster/{name}"),
        detail: json!({ "cluster": cluster }),
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    app.signals.sessions.wake();
    app.signals.plans.wake();
    Ok(Detached::Now)
}

/// One cluster.
pub async fn show(app: &App, name: &Name) -> Result<ClusterDetails, Error> {
    let mut tx = app.begin().await?;
    let found = store::clusters::find(&mut tx, name).await?;
    let stored = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?;
    let id = stored.cluster.id;
    let known = super::readable(store::seen::load(&mut tx, &[id], app.clock.now()).await?);
    let configs = store::configs::newest(&mut tx).await?;
    Ok(ClusterDetails {
        spoke_is_ahead: known.iter().any(|known| known.seen.spoke_is_ahead()),
        document: stored.document.clone(),
        spoke_version: store::sessions::spoke_version(&mut tx, id).await?,
        enrolled_at: store::clusters::enrolled_at(&mut tx, id).await?,
        network: network(&configs, &stored.cluster),
        overview: overview(stored, known.into_iter().next()),
    })
}

/// The network by the config that selects the cluster; without one, or with one that cannot be read for it, by its
/// document alone.
fn network(configs: &[ConfigVersion], cluster: &Cluster) -> Option<Name> {
    let selects = |version: &&ConfigVersion| version.config.clusters.matches(&cluster.name, &cluster.labels);
    let effective =
        configs.iter().find(selects).and_then(|version| config::effective(&version.config, cluster).ok());
    effective.map(|effective| effective.network).or_else(|| cluster.network(None).ok())
}

/// All clusters by name, with what is known of each.
pub async fn list(app: &App) -> Result<Vec<ClusterOverview>, Error> {
    let mut tx = app.begin().await?;
    let clusters = super::readable(store::clusters::list(&mut tx).await?);
    let ids: Vec<ClusterId> = clusters.iter().map(|stored| stored.cluster.id).collect();
    let known = super::readable(store::seen::load(&mut tx, &ids, app.clock.now()).await?);
    let mut known: BTreeMap<_, _> = known.into_iter().map(|known| (known.cluster, known)).collect();
    let overviews = clusters.into_iter().map(|stored| {
        let known = known.remove(&stored.cluster.id);
        overview(stored, known)
    });
    Ok(overviews.collect())
}

fn overview(stored: StoredCluster, known: Option<Known>) -> ClusterOverview {
    ClusterOverview {
        state: stored.state,
        detection: stored.cluster.facts.as_ref().map(platform::detect),
        connected: known.as_ref().is_some_and(|known| known.seen.is_connected()),
        last_seen_at: known.and_then(|known| known.last_seen_at),
        cluster: stored.cluster,
    }
}
