//! The drift report: what differs now in a cluster or in the fleet.

use hub_core::fleet::Name;

use super::{App, Error};
use crate::store;
pub use crate::store::drift::OpenItem;

/// All open drift of one cluster, or of the fleet; by cluster, then object and path.
pub async fn report(app: &App, cluster: Option<&Name>) -> Result<Vec<OpenItem>, Error> {
    let mut tx = app.begin().await?;
    let id = match cluster {
        None => None,
        Some(name) => {
            let found = store::clusters::find_named(&mut tx, name).await?;
            Some(found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?)
        }
    };
    let items = store::drift::open(&mut tx, id).await?;
    Ok(items.into_iter().map(|numbered| numbered.open).collect())
}
