//! The hub's own state: its epoch, the database it lives on, the CA it trusts.

use hub_core::digest::Digest;

use serde_json::json;
use sqlx::PgConnection;

use super::{App, Error, operators::Operator};
use crate::store::{
    self,
    audit::{self, Actor, Event},
    hub::SharedState,
};

/// What this life of the hub works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubState {
    /// Rises when the database is another one than before.
    pub epoch: u64,
}

/// Why the hub must not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database was made with another CA.
    #[error("this database belongs to a hub with another CA: it knows {known}, this hub has {given}")]
    OtherCa {
        /// Fingerprint that the database keeps.
        known: Digest,
        /// Fingerprint of the CA that was given.
        given: Digest,
    },
    /// The database failed.
    #[error(transparent)]
    App(#[from] Error),
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        Self::App(error.into())
    }
}

/// Takes up the hub's state, and makes it at the first start. `ca` is the sha-256 of the CA certificate's
/// SubjectPublicKeyInfo.
pub async fn start(app: &App, ca: Digest) -> Result<HubState, StartError> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let system_identifier = store::hub::system_identifier(&mut tx).await?;
    let known = store::hub::lock(&mut tx).await?;
    let epoch = match known {
        Some(known) if known.ca != ca => return Err(StartError::OtherCa { known: known.ca, given: ca }),
        Some(known) if known.system_identifier == system_identifier => {
            return Ok(HubState { epoch: known.epoch });
        }
        Some(known) => {
            let epoch = known.epoch + 1;
            store::hub::begin_epoch(&mut tx, epoch, system_identifier).await?;
            epoch
        }
        None => {
            store::hub::insert(&mut tx, &SharedState { epoch: 1, system_identifier, ca }, now).await?;
            1
        }
    };
    audit::record(&mut tx, began(app, Actor::Hub, (epoch, system_identifier))).await?;
    store::commit(tx).await?;
    // Another hub may have made the state at the same moment: what is stored counts.
    let mut tx = app.begin().await?;
    match store::hub::lock(&mut tx).await? {
        Some(known) if known.ca != ca => Err(StartError::OtherCa { known: known.ca, given: ca }),
        Some(known) => Ok(HubState { epoch: known.epoch }),
        None => Ok(HubState { epoch }),
    }
}

/// The epoch that targets are set in now.
pub async fn epoch(app: &App) -> Result<u64, Error> {
    let mut tx = app.begin().await?;
    Ok(store::hub::epoch(&mut tx).await?)
}

/// Begins a new epoch, above the one before and above every one that a spoke is known to have accepted, and returns both.
pub async fn new_epoch(app: &App, by: &Operator) -> Result<(u64, u64), Error> {
    let mut tx = app.begin().await?;
    let before = store::hub::epoch(&mut tx).await?;
    let accepted = store::hub::latest_accepted_epoch(&mut tx).await?;
    let epoch = begin(app, &mut tx, (Actor::Operator(by.id), accepted)).await?;
    store::commit(tx).await?;
    Ok((before, epoch))
}

/// The epoch of this hub; a new one if `accepted` is a later one. The caller commits.
pub(super) async fn begin_epoch_above(
    app: &App,
    tx: &mut PgConnection,
    accepted: u64,
) -> Result<u64, store::Error> {
    let epoch = store::hub::epoch(tx).await?;
    if accepted <= epoch { Ok(epoch) } else { begin(app, tx, (Actor::Hub, accepted)).await }
}

/// Begins an epoch above this hub's and above `accepted`.
async fn begin(
    app: &App,
    tx: &mut PgConnection,
    (actor, accepted): (Actor, u64),
) -> Result<u64, store::Error> {
    let Some(known) = store::hub::lock(tx).await? else { return store::hub::epoch(tx).await };
    let epoch = known.epoch.max(accepted) + 1;
    store::hub::begin_epoch(tx, epoch, known.system_identifier).await?;
    audit::record(tx, began(app, actor, (epoch, known.system_identifier))).await?;
    Ok(epoch)
}

fn began(app: &App, actor: Actor, (epoch, system_identifier): (u64, i64)) -> Event {
    Event {
        at: app.clock.now(),
        actor,
        action: "hub.epoch_began",
        subject: format!("epoch/{epoch}"),
        detail: json!({ "systemIdentifier": system_identifier.to_string() }),
    }
}
