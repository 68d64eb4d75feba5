//! Transactions: how one begins, and the one place where one is committed.

use sqlx::{PgPool, Postgres, Transaction};

use super::Error;
use crate::fail_point::{self, Commit};

/// Begins a transaction; the caller of the store owns it.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    pool.begin().await.map_err(Error::doing("begin a transaction"))
}

/// Commits.
pub async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), Error> {
    transaction.commit().await.map_err(Error::doing("commit a transaction"))
}

/// Commits what a rollout comes of, so that a test can kill the hub before and after it.
pub async fn commit_of(kind: Commit, transaction: Transaction<'static, Postgres>) -> Result<(), Error> {
    fail_point::passed(kind.before);
    commit(transaction).await?;
    fail_point::passed(kind.after);
    Ok(())
}
