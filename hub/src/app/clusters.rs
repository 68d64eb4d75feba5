//! Clusters: inviting, enrolling, admitting and listing them.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::{Cluster, ClusterId, Name},
    platform::{self, Detection},
    status::Session,
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
}

/// A token that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuedToken {
    /// The cluster it is for.
    pub cluster_id: ClusterId,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// A cluster that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its identity.
    pub cluster_id: ClusterId,
    /// Its name.
    pub name: Name,
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
    Ok(IssuedToken { cluster_id: cluster, expires_at })
}

/// Takes a token. Safe to repeat: the same token with the same public key gives the same answer until it expires.
pub async fn redeem(
    app: &App,
    id: Uuid,
    secret: Digest,
    public_key: Digest,
) -> Result<Enrolled, RedeemError> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let claim = Claim { id, secret_hash: secret, public_key };
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
    Ok(Enrolled { cluster_id, name })
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
        TokenState::Redeemed => match store::clusters::find_key(tx, token.cluster).await? {
            Some((name, key)) if key == claim.public_key => Ok(Enrolled { cluster_id: token.cluster, name }),
            Some(_) | None => Err(RedeemError::Used),
        },
    }
}

/// The name of a cluster if `public_key` is the last key it enrolled with: asked once when a session starts.
pub async fn admit(app: &App, cluster: ClusterId, public_key: Digest) -> Result<Option<Name>, Error> {
    let mut tx = app.begin().await?;
    let known = store::clusters::find_key(&mut tx, cluster).await?;
    Ok(known.filter(|(_, key)| *key == public_key).map(|(name, _)| name))
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
        ClusterOverview {
            state: stored.state,
            detection: stored.cluster.facts.as_ref().map(platform::detect),
            connected: known.as_ref().is_some_and(|known| known.session == Session::Open),
            last_seen_at: known.and_then(|known| known.last_seen_at),
            cluster: stored.cluster,
        }
    });
    Ok(overviews.collect())
}
