//! What people did and what changed because of it. Written in the transaction of the change.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column};

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Stable word, for example `rollout.started`.
    pub action: &'static str,
    /// What it was done to, for example `rollout/7`.
    pub subject: String,
    /// More, for machines. Never a secret.
    pub detail: Value,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person or program with this operator's certificate.
    Operator(Uuid),
    /// A spoke.
    Spoke,
    /// The hub itself.
    Hub,
}

/// Records an event.
pub async fn record(conn: &mut PgConnection, event: Event) -> Result<(), Error> {
    let (actor, operator) = match event.actor {
        Actor::Operator(id) => ("Operator", Some(id)),
        Actor::Spoke => ("Spoke", None),
        Actor::Hub => ("Hub", None),
    };
    sqlx::query!(
        "insert into audit_event (at, actor, operator_id, action, subject, detail) values ($1, $2, $3, $4, $5, $6)",
        event.at.to_sqlx() as _,
        actor,
        operator,
        event.action,
        event.subject,
        column::json(&event.detail),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("record an audit event"))?;
    Ok(())
}
