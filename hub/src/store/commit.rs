//! Transactions: how one begins, and the one place where one is committed.

use sqlx::{Executor, PgConnection, PgPool, Postgres, Transaction};

use super::Error;
use crate::fail_point::{self, Commit};

/// Has the database end a transaction in which nothing happens for half a minute: its hub was stopped or is cut off, and
/// what it locked would stand still with it. No use case thinks that long between two statements.
pub async fn bound_transactions(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("set idle_in_transaction_session_timeout = '30s'").await.map(drop)
}

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
