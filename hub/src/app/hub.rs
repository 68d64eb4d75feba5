//! The hub's own state: its epoch, the database it lives on, the CA it trusts.

use hub_core::digest::Digest;

use serde_json::json;

use super::{App, Error};
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
            store::hub::raise_epoch(&mut tx, system_identifier).await?;
            known.epoch + 1
        }
        None => {
            store::hub::insert(&mut tx, &SharedState { epoch: 1, system_identifier, ca }, now).await?;
            1
        }
    };
    let event = Event {
        at: now,
        actor: Actor::Hub,
        action: "hub.epoch_began",
        subject: format!("epoch/{epoch}"),
        detail: json!({ "systemIdentifier": system_identifier.to_string() }),
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    // Another hub may have made the state at the same moment: what is stored counts.
    let mut tx = app.begin().await?;
    match store::hub::lock(&mut tx).await? {
        Some(known) if known.ca != ca => Err(StartError::OtherCa { known: known.ca, given: ca }),
        Some(known) => Ok(HubState { epoch: known.epoch }),
        None => Ok(HubState { epoch }),
    }
}
