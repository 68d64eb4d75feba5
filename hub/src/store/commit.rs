//! Transactions: how one begins, and the one place where one is committed.

use sqlx::{PgPool, Postgres, Transaction};

use super::Error;

/// Begins a transaction; the caller of the store owns it.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    pool.begin().await.map_err(Error::doing("begin a transaction"))
}

/// Commits. Every commit of the hub goes through here, so that a test can kill the hub after each.
pub async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), Error> {
    transaction.commit().await.map_err(Error::doing("commit a transaction"))?;
    #[cfg(debug_assertions)]
    fail_point::passed();
    Ok(())
}

/// Commits what is known of presence only: sessions and heartbeats. Every life of a hub begins with such commits, and no
/// rollout gets further by them, so they do not count for the fail point.
pub async fn commit_presence(transaction: Transaction<'static, Postgres>) -> Result<(), Error> {
    transaction.commit().await.map_err(Error::doing("commit a transaction"))
}

/// Says that the hub is ready: from now on commits count for the fail point. Does nothing in a release.
pub fn ready() {
    #[cfg(debug_assertions)]
    fail_point::arm();
}

/// Kills this process after a number of commits, if a test asks for it. Not in releases.
#[cfg(debug_assertions)]
mod fail_point {
    use std::sync::atomic::{AtomicI64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    const VARIABLE: &str = "MESHFLEET_DIE_AFTER_COMMITS";

    /// Commits until the end; not positive means never.
    static LEFT: AtomicI64 = AtomicI64::new(0);

    pub(super) fn arm() {
        let asked = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        if let Some(commits) = asked {
            LEFT.store(commits, Ordering::SeqCst);
        }
    }

    pub(super) fn passed() {
        if LEFT.load(Ordering::SeqCst) > 0 && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
            // As if the machine had failed: no destructor, no goodbye.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
