//! Operators: people and programs that use the operator API.

use hub_core::fleet::Name;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{App, Error};
pub use crate::store::operators::{Membership, Operator, Role};
use crate::store::{
    self,
    audit::{self, Actor, Event},
};

/// The operator that every hub has from its first start.
const ADMIN: &str = "admin";

/// The operator `admin`, who is made if nobody is admin yet. None if he was revoked: then others are admins, who do not
/// want him back. Safe to repeat.
pub async fn ensure_admin(app: &App) -> Result<Option<Operator>, Error> {
    let mut tx = app.begin().await?;
    if let Some(admin) = store::operators::find_named(&mut tx, ADMIN).await? {
        return Ok(Some(admin));
    }
    if !store::operators::lock_admins(&mut tx).await?.is_empty() {
        return Ok(None);
    }
    let now = app.clock.now();
    let admin = Operator { id: Uuid::now_v7(), name: ADMIN.to_owned(), role: Role::Admin };
    // Another hub that starts at the same moment may have been quicker: its row counts.
    if store::operators::insert(&mut tx, &admin, now).await? {
        audit::record(&mut tx, added(Actor::Hub, &admin, now)).await?;
    }
    let stored = store::operators::find_named(&mut tx, ADMIN).await?;
    store::commit(tx).await?;
    Ok(Some(stored.unwrap_or(admin)))
}

/// Adds an operator. The name of one who was revoked can be given again: the new one is somebody else.
///
/// # Errors
/// If there is one of this name.
pub async fn add(app: &App, by: &Operator, name: &Name, role: Role) -> Result<Operator, Error> {
    let now = app.clock.now();
    let operator = Operator { id: Uuid::now_v7(), name: name.to_string(), role };
    let mut tx = app.begin().await?;
    if !store::operators::insert(&mut tx, &operator, now).await? {
        return Err(Error::OperatorExists(name.clone()));
    }
    audit::record(&mut tx, added(Actor::Operator(by.id), &operator, now)).await?;
    store::commit(tx).await?;
    Ok(operator)
}

/// All operators, also those that were revoked.
pub async fn list(app: &App) -> Result<Vec<Membership>, Error> {
    let mut tx = app.begin().await?;
    Ok(store::operators::list(&mut tx).await?)
}

/// What a revocation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// He was revoked now.
    Now,
    /// He was revoked before: nothing was changed.
    Before,
}

/// Takes an operator every right: he is refused at his next call, whichever hub he asks. Safe to repeat.
///
/// # Errors
/// If there is none of this name, or if nobody would be admin any more.
pub async fn revoke(app: &App, by: &Operator, name: &Name) -> Result<Revoked, Error> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let admins = store::operators::lock_admins(&mut tx).await?;
    let Some(operator) = store::operators::find_named(&mut tx, name.as_str()).await? else {
        return match store::operators::was_revoked(&mut tx, name.as_str()).await? {
            true => Ok(Revoked::Before),
            false => Err(Error::OperatorNotFound(name.clone())),
        };
    };
    if admins == [operator.id] {
        return Err(Error::LastAdmin(name.clone()));
    }
    store::operators::revoke(&mut tx, operator.id, now).await?;
    let event = Event {
        at: now,
        actor: Actor::Operator(by.id),
        action: "operator.revoked",
        subject: format!("operator/{name}"),
        detail: json!({ "id": operator.id, "role": operator.role }),
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    Ok(Revoked::Now)
}

fn added(actor: Actor, operator: &Operator, at: Timestamp) -> Event {
    Event {
        at,
        actor,
        action: "operator.added",
        subject: format!("operator/{}", operator.name),
        detail: json!({ "id": operator.id, "role": operator.role }),
    }
}

/// The operator of a certificate, unless unknown or revoked.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Operator>, Error> {
    let mut tx = app.begin().await?;
    Ok(store::operators::find(&mut tx, id).await?)
}
