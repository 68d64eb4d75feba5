//! What people did and what changed because of it. Written in the transaction of the change.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
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

impl Actor {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Operator(id) => ("Operator", Some(id)),
            Self::Spoke => ("Spoke", None),
            Self::Hub => ("Hub", None),
        }
    }
}

/// Records an event.
pub async fn record(conn: &mut PgConnection, event: Event) -> Result<(), Error> {
    record_all(conn, &[event]).await
}

/// Records events in their order, all in one statement: a step of a rollout has as many as clusters.
pub async fn record_all(conn: &mut PgConnection, events: &[Event]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let times: Vec<SqlTimestamp> = events.iter().map(|event| event.at.to_sqlx()).collect();
    let (actors, operators): (Vec<&str>, Vec<Option<Uuid>>) =
        events.iter().map(|event| event.actor.columns()).unzip();
    let actions: Vec<&str> = events.iter().map(|event| event.action).collect();
    let subjects: Vec<&str> = events.iter().map(|event| event.subject.as_str()).collect();
    let details: Vec<Value> = events.iter().map(|event| column::json(&event.detail)).collect();
    sqlx::query!(
        "insert into audit_event (at, actor, operator_id, action, subject, detail)
         select at, actor, operator_id, action, subject, detail
         from unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[])
            with ordinality as e (at, actor, operator_id, action, subject, detail, place)
         order by place",
        &times as _,
        &actors as _,
        &operators as _,
        &actions as _,
        &subjects as _,
        &details,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("record audit events"))?;
    Ok(())
}
