//! Operators.

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
    /// Start and approve rollouts.
    Approver,
    /// Everything.
    Admin,
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

/// Adds an operator; one of the same name stays as it is.
pub async fn insert(conn: &mut PgConnection, operator: &Operator, at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "insert into operator (id, name, role, created_at) values ($1, $2, $3, $4) on conflict (name) do nothing",
        operator.id,
        operator.name,
        column::word(&operator.role),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("add an operator"))?;
    Ok(())
}
