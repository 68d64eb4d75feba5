//! The version of the schema: which migrations the database has, and whether this hub can work with them.
//!
//! A hub works with a schema one version newer than its own, so that a given database can be migrated under running hubs,
//! which are replaced afterwards. With one that is newer still nobody tried it, and it does not start.

use std::{
    fmt,
    time::{Duration, Instant},
};

use sqlx::{
    Executor as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::PgPoolOptions,
};

use super::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// SQLSTATE of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// SQLSTATE of a lock that was not had within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// SQLSTATE of a transaction that was ended because it and another waited for each other.
const DEADLOCK_DETECTED: &str = "40P01";

/// How long migrations give way to others: hubs at work, whose transactions are short, or another migrator.
const MIGRATED_WITHIN: Duration = Duration::from_secs(300);

/// How long a migration that gave way leaves the tables to others.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// How the schema of a database stands to this hub's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// It lacks migrations of this hub.
    Older {
        /// Which, oldest first; never empty.
        missing: Vec<i64>,
    },
    /// It is this hub's.
    Same,
    /// A newer hub migrated it, by one version.
    OneNewer {
        /// Its version.
        version: i64,
    },
    /// Newer hubs migrated it, by several versions.
    TooNew {
        /// Its version.
        version: i64,
    },
    /// A migration broke off halfway, and nobody knows what is there.
    Broken {
        /// Which.
        version: i64,
    },
}

/// What migrating did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were applied, oldest first.
    pub applied: Vec<i64>,
    /// How the schema stands now.
    pub standing: Standing,
}

/// The newest migration that this hub knows.
#[must_use]
pub fn own_version() -> i64 {
    own().last().copied().unwrap_or_default()
}

fn own() -> Vec<i64> {
    MIGRATIONS.migrations.iter().map(|migration| migration.version).collect()
}

/// How the schema of the database stands.
pub async fn standing(pool: &PgPool) -> Result<Standing, Error> {
    Ok(judge(applied(pool).await?.as_deref(), &own()))
}

/// Brings the schema up to date. Safe to repeat, and for several hubs at once: the migrator takes a lock.
pub async fn migrate(pool: &PgPool) -> Result<Migrated, Error> {
    let migrations = Migrator { migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
    let before = applied(pool).await?.unwrap_or_default();
    apply(migrations, pool).await?;
    let after = applied(pool).await?.unwrap_or_default();
    let is_new = |version: &i64| !before.iter().any(|(known, _)| known == version);
    Ok(Migrated {
        applied: after.iter().map(|(version, _)| *version).filter(is_new).collect(),
        standing: judge(Some(&after), &own()),
    })
}

/// Applies what is missing, under hubs at work: a migration locks whole tables that their transactions lock row by row, in
/// another order. It is the migration that gives way, sooner than Postgres would look for a deadlock (after a second) and
/// end either side: it is undone, lets the hubs through, and is tried again.
pub async fn apply(mut migrations: Migrator, pool: &PgPool) -> Result<(), Error> {
    // A newer hub may have migrated further: whether its schema still serves this one is judged elsewhere.
    migrations.set_ignore_missing(true);
    // A pool of one: the migrator's lock stays with the session of a migration that failed, and ends with it.
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(pool.options().get_acquire_timeout())
        .after_connect(|session, _| {
            Box::pin(async { session.execute("set lock_timeout = '300ms'").await.map(drop) })
        })
        .connect_lazy_with(pool.connect_options().as_ref().clone());
    let given_up_at = Instant::now() + MIGRATED_WITHIN;
    let outcome = loop {
        match migrations.run(&own).await {
            Err(error) if was_in_the_way(&error) && Instant::now() < given_up_at => {
                tracing::info!(%error, "a migration gave way to hubs at work, and is tried again");
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            outcome => break outcome.map_err(|error| Error::Migrate(Box::new(error))),
        }
    };
    own.close().await;
    outcome
}

/// Whether a migration failed only because others held what it had to lock.
fn was_in_the_way(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else {
        return false;
    };
    let sqlx::Error::Database(said) = source else { return false };
    said.code().is_some_and(|code| [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED].contains(&code.as_ref()))
}

/// The migrations that the database knows, oldest first, each with whether it came to its end; none if no migrator was
/// ever there. Its table is the migrator's own, so the macros that check our queries do not know it.
async fn applied(pool: &PgPool) -> Result<Option<Vec<(i64, bool)>>, Error> {
    let rows: Result<Vec<(i64, bool)>, sqlx::Error> =
        sqlx::query_as("select version, success from _sqlx_migrations order by version")
            .fetch_all(pool)
            .await;
    match rows {
        Ok(rows) => Ok(Some(rows)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(Error::doing("look at the version of the schema")(error)),
    }
}

/// How applied migrations stand to those of a hub. Pure.
fn judge(applied: Option<&[(i64, bool)]>, own: &[i64]) -> Standing {
    let Some(applied) = applied.filter(|applied| !applied.is_empty()) else { return Standing::Absent };
    if let Some((version, _)) = applied.iter().find(|(_, success)| !success) {
        return Standing::Broken { version: *version };
    }
    let newest = own.last().copied().unwrap_or_default();
    let newer: Vec<i64> = applied.iter().map(|(version, _)| *version).filter(|one| *one > newest).collect();
    let is_missing = |version: &&i64| !applied.iter().any(|(known, _)| known == *version);
    let missing: Vec<i64> = own.iter().filter(is_missing).copied().collect();
    match newer[..] {
        [.., _, version] => Standing::TooNew { version },
        _ if !missing.is_empty() => Standing::Older { missing },
        [version] => Standing::OneNewer { version },
        [] => Standing::Same,
    }
}

/// Migrations as people count them: `4 and 5`.
fn list(versions: &[i64]) -> String {
    let words: Vec<String> = versions.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, [])) => format!("migration {last}"),
        Some((last, before)) => format!("migrations {} and {last}", before.join(", ")),
        None => "no migration".to_owned(),
    }
}

/// How it stands, in one sentence without its end.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = own_version();
        match self {
            Self::Absent => f.write_str("the database has no schema of a hub"),
            Self::Older { missing } => write!(f, "the database's schema lacks {} of this hub", list(missing)),
            Self::Same => write!(f, "the database's schema is at version {own}, which is this hub's"),
            Self::OneNewer { version } => write!(
                f,
                "the database's schema is at version {version}, one newer than this hub's {own}: it works with it until it \
                 is replaced by a newer hub"
            ),
            Self::TooNew { version } => write!(
                f,
                "the database's schema is at version {version}, this hub knows {own} and works with one version newer at \
                 most"
            ),
            Self::Broken { version } => {
                write!(f, "migration {version} of the database's schema broke off halfway")
            }
        }
    }
}

/// What was done, for whoever asked for it.
impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.applied[..] {
            [] => write!(f, "nothing to do: {}", self.standing),
            applied => write!(f, "{} applied: {}", list(applied), self.standing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(applied: &[i64], own: &[i64], expected: Standing) {
        let applied: Vec<(i64, bool)> = applied.iter().map(|version| (*version, true)).collect();
        assert_eq!(judge(Some(&applied), own), expected, "{applied:?} for {own:?}");
    }

    #[test]
    fn one_version_newer_is_taken_and_two_are_not() {
        check(&[], &[1, 2], Standing::Absent);
        check(&[1], &[1, 2, 3], Standing::Older { missing: vec![2, 3] });
        check(&[1, 2], &[1, 2], Standing::Same);
        check(&[1, 2, 3], &[1, 2], Standing::OneNewer { version: 3 });
        check(&[1, 2, 7], &[1, 2], Standing::OneNewer { version: 7 });
        check(&[1, 2, 3, 4], &[1, 2], Standing::TooNew { version: 4 });
    }

    #[test]
    fn what_lacks_a_migration_is_older_even_if_it_has_a_newer_one() {
        check(&[1, 3], &[1, 2, 3], Standing::Older { missing: vec![2] });
        check(&[1, 3], &[1, 2], Standing::Older { missing: vec![2] });
        check(&[1, 3, 4], &[1, 2], Standing::TooNew { version: 4 });
    }

    #[test]
    fn a_migration_that_broke_off_is_said() {
        assert_eq!(judge(Some(&[(1, true), (2, false)]), &[1, 2]), Standing::Broken { version: 2 });
        assert_eq!(judge(None, &[1]), Standing::Absent);
    }

    #[test]
    fn migrations_are_counted_as_people_do() {
        assert_eq!(list(&[4]), "migration 4");
        assert_eq!(list(&[4, 5, 6]), "migrations 4, 5 and 6");
    }
}
