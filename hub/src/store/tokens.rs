//! Enrolment tokens.

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name, keys::Life},
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// A token to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// Its id.
    pub id: Uuid,
    /// The cluster it is for.
    pub cluster: ClusterId,
    /// sha-256 of its secret.
    pub secret_hash: Digest,
    /// Who asked for it.
    pub issued_by: Uuid,
    /// When.
    pub issued_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// How far a token's life is. Its time may be over besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenState {
    /// Good.
    Issued,
    /// Used.
    Redeemed,
    /// Replaced by a newer one.
    Revoked,
}

/// A token as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredToken {
    /// The cluster it is for.
    pub cluster: ClusterId,
    /// sha-256 of its secret.
    pub secret_hash: Digest,
    /// How far its life is.
    pub state: TokenState,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// The key it was used with.
    pub public_key: Option<Digest>,
}

/// Stores a token.
pub async fn insert(conn: &mut PgConnection, token: &Token) -> Result<(), Error> {
    sqlx::query!(
        "insert into enrolment_token (id, cluster_id, secret_hash, state, issued_by, issued_at, expires_at)
         values ($1, $2, $3, 'Issued', $4, $5, $6)",
        token.id,
        token.cluster.0,
        column::bytes(&token.secret_hash),
        token.issued_by,
        token.issued_at.to_sqlx() as _,
        token.expires_at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store an enrolment token"))?;
    Ok(())
}

/// Revokes the cluster's tokens that nobody used.
pub async fn revoke_unused(conn: &mut PgConnection, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!(
        "update enrolment_token set state = 'Revoked' where cluster_id = $1 and state = 'Issued'",
        cluster.0
    )
    .execute(conn)
    .await
    .map_err(Error::doing("revoke enrolment tokens"))?;
    Ok(())
}

/// What a spoke shows to join.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Id of the token.
    pub id: Uuid,
    /// sha-256 of the secret that was shown.
    pub secret_hash: Digest,
    /// sha-256 of the public key that asks for a certificate.
    pub public_key: Digest,
    /// The first certificate of the enrolment that this begins.
    pub life: Life,
}

/// Redeems a token and makes its cluster active, in one statement, so that it can be done only once. None if the token
/// is not good for it.
pub async fn redeem(
    conn: &mut PgConnection,
    claim: &Claim,
    now: Timestamp,
) -> Result<Option<(ClusterId, Name)>, Error> {
    let row = sqlx::query!(
        "with redeemed as (
            update enrolment_token set state = 'Redeemed', redeemed_at = $4, public_key_hash = $3
            where id = $1 and secret_hash = $2 and state = 'Issued' and expires_at > $4
            returning cluster_id)
         update cluster set state = 'Active', public_key_hash = $3, enrolled_at = $4, detached_at = null,
            enrolment = $5, certificate_number = $6
         from redeemed where cluster.id = redeemed.cluster_id
         returning cluster.id, cluster.name",
        claim.id,
        column::bytes(&claim.secret_hash),
        column::bytes(&claim.public_key),
        now.to_sqlx() as _,
        column::signed(claim.life.enrolment),
        column::signed(claim.life.number),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("redeem an enrolment token"))?;
    row.map(|row| Ok((ClusterId(row.id), Row::of("cluster", row.id).name("name", &row.name)?))).transpose()
}

/// A token by its id.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<StoredToken>, Error> {
    let row = sqlx::query!(
        r#"select cluster_id, secret_hash, state, expires_at as "expires_at: SqlTimestamp", public_key_hash
         from enrolment_token where id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load an enrolment token"))?;
    let place = Row::of("enrolment_token", id);
    row.map(|row| {
        Ok(StoredToken {
            cluster: ClusterId(row.cluster_id),
            secret_hash: place.digest("secret_hash", &row.secret_hash)?,
            state: place.word("state", &row.state)?,
            expires_at: row.expires_at.to_jiff(),
            public_key: place.maybe_digest("public_key_hash", row.public_key_hash.as_deref())?,
        })
    })
    .transpose()
}
