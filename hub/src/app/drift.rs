//! The drift report: what differs now in a cluster or in the fleet, and what was healed lately.

use hub_core::fleet::Name;
use jiff::{SignedDuration, Timestamp};

use super::{App, Error};
use crate::store;
pub use crate::store::{
    drift::{NumberedItem, OpenItem},
    heals::StoredHeal,
};

/// Heals that are shown: those of a working day and a night.
const LATELY: SignedDuration = SignedDuration::from_hours(24);

/// At most so many heals: a screen of them, and a bound on the work of one request.
const MOST_HEALS: u32 = 200;

/// What differs, and what was healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftReport {
    /// All open drift; by cluster, then object and path.
    pub items: Vec<NumberedItem>,
    /// The heals of the last day, newest first.
    pub heals: Vec<StoredHeal>,
}

/// The drift of one cluster, or of the fleet.
pub async fn report(app: &App, cluster: Option<&Name>) -> Result<DriftReport, Error> {
    let mut tx = app.begin().await?;
    let id = match cluster {
        None => None,
        Some(name) => {
            let found = store::clusters::find_named(&mut tx, name).await?;
            Some(found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?)
        }
    };
    let items = store::drift::open(&mut tx, id).await?;
    let since = app.clock.now().saturating_sub(LATELY).unwrap_or(Timestamp::MIN);
    let heals = store::heals::lately(&mut tx, id, since, MOST_HEALS).await?;
    Ok(DriftReport { items, heals })
}
