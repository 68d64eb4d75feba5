//! Operators.

use std::fmt;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// A person or program that may use the operator API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Stands in the URI of its certificate.
    pub id: Uuid,
    /// For people and audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// What an operator may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Look.
    Viewer,
    /// Write documents.
    Author,
    /// Start, hold and end rollouts.
    Approver,
    /// Say who belongs to the fleet: clusters and operators.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Author, Self::Approver, Self::Admin];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Author => "Author",
            Self::Approver => "Approver",
            Self::Admin => "Admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operator, and since when until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The operator.
    pub operator: Operator,
    /// When he was added.
    pub added_at: Timestamp,
    /// When he was revoked; none while he may call.
    pub revoked_at: Option<Timestamp>,
}

struct OperatorRow {
    id: Uuid,
    name: String,
    role: String,
}

impl TryFrom<OperatorRow> for Operator {
    type Error = Error;

    fn try_from(row: OperatorRow) -> Result<Self, Error> {
        let place = Row::of("operator", row.id);
        Ok(Self { id: row.id, role: place.word("role", &row.role)?, name: row.name })
    }
}

/// The operator, unless unknown or revoked.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Operator>, Error> {
    let row = sqlx::query_as!(
        OperatorRow,
        "select id, name, role from operator where id = $1 and revoked_at is null",
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load an operator"))?;
    row.map(Operator::try_from).transpose()
}

/// The operator of this name, unless unknown or revoked.
pub async fn find_named(conn: &mut PgConnection, name: &str) -> Result<Option<Operator>, Error> {
    let row = sqlx::query_as!(
        OperatorRow,
        "select id, name, role from operator where name = $1 and revoked_at is null",
        name
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load an operator"))?;
    row.map(Operator::try_from).transpose()
}

/// Adds an operator. False if there is one of that name who was not revoked: he stays as he is.
pub async fn insert(conn: &mut PgConnection, operator: &Operator, at: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into operator (id, name, role, created_at) values ($1, $2, $3, $4)
         on conflict (name) where revoked_at is null do nothing",
        operator.id,
        operator.name,
        column::word(&operator.role),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("add an operator"))?;
    Ok(done.rows_affected() > 0)
}

/// All operators, by name, of one name the newest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Membership>, Error> {
    let rows = sqlx::query!(
        r#"select id, name, role, created_at as "created_at: jiff_sqlx::Timestamp",
             revoked_at as "revoked_at: jiff_sqlx::Timestamp"
         from operator order by name, created_at desc"#
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("list the operators"))?;
    let read = rows.into_iter().map(|row| {
        Ok(Membership {
            operator: OperatorRow { id: row.id, name: row.name, role: row.role }.try_into()?,
            added_at: row.created_at.to_jiff(),
            revoked_at: row.revoked_at.map(|at| at.to_jiff()),
        })
    });
    read.collect()
}

/// Whether an operator of this name was ever revoked.
pub async fn was_revoked(conn: &mut PgConnection, name: &str) -> Result<bool, Error> {
    let known = sqlx::query_scalar!(
        r#"select exists(select from operator where name = $1 and revoked_at is not null) as "known!""#,
        name
    );
    known.fetch_one(conn).await.map_err(Error::doing("look for an operator"))
}

/// The admins who were not revoked. Until the transaction ends nobody else can revoke one of them.
pub async fn lock_admins(conn: &mut PgConnection) -> Result<Vec<Uuid>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from operator where role = $1 and revoked_at is null order by id for no key update",
        Role::Admin.as_str()
    );
    ids.fetch_all(conn).await.map_err(Error::doing("lock the admins"))
}

/// Takes an operator every right.
pub async fn revoke(conn: &mut PgConnection, id: Uuid, at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "update operator set revoked_at = $2 where id = $1 and revoked_at is null",
        id,
        at.to_sqlx() as _
    )
    .execute(conn)
    .await
    .map_err(Error::doing("revoke an operator"))?;
    Ok(())
}
