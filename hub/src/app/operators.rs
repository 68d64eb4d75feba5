//! Operators: people and programs that use the operator API.

use uuid::Uuid;

use serde_json::json;

use super::{App, Error};
pub use crate::store::operators::{Operator, Role};
use crate::store::{
    self,
    audit::{self, Actor, Event},
};

/// The operator that every hub has from its first start.
const ADMIN: &str = "admin";

/// Makes the operator `admin` if there is none, and returns it. Safe to repeat.
pub async fn ensure_admin(app: &App) -> Result<Operator, Error> {
    let mut tx = app.begin().await?;
    if let Some(admin) = store::operators::find_named(&mut tx, ADMIN).await? {
        return Ok(admin);
    }
    let now = app.clock.now();
    let admin = Operator { id: Uuid::now_v7(), name: ADMIN.to_owned(), role: Role::Admin };
    store::operators::insert(&mut tx, &admin, now).await?;
    let event = Event {
        at: now,
        actor: Actor::Hub,
        action: "operator.added",
        subject: format!("operator/{ADMIN}"),
        detail: json!({ "role": admin.role }),
    };
    audit::record(&mut tx, event).await?;
    // Another hub that starts at the same moment may have been quicker: its row counts.
    let stored = store::operators::find_named(&mut tx, ADMIN).await?;
    store::commit(tx).await?;
    Ok(stored.unwrap_or(admin))
}

/// The operator of a certificate, unless unknown or revoked.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Operator>, Error> {
    let mut tx = app.begin().await?;
    Ok(store::operators::find(&mut tx, id).await?)
}
