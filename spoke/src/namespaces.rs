//! Namespaces: made if absent, used as they are if present. Never adopted, never changed, never deleted.
//!
//! Where a plan has templates they are watched as well: an object that a namespace needs must be there before its pods.

mod seen;

pub use seen::{Namespace as Seen, View, list, watch};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ObjectMeta};

use crate::{
    cluster::{Cluster, bounded},
    writes::{self, Purpose, Writes, as_manager},
};

/// Makes sure that a namespace exists, under the target of `generation`. Twice is as good as once.
///
/// # Errors
/// If it could not be looked for or made.
pub async fn ensure(
    cluster: &Cluster,
    writes: &Writes,
    generation: u64,
    name: &str,
) -> Result<(), writes::Error> {
    let api: Api<Namespace> = Api::all(cluster.client());
    if bounded(api.get_opt(name)).await?.is_some() {
        return Ok(());
    }
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    match writes.send(Purpose::Target(generation), api.create(&as_manager(), &namespace)).await {
        Ok(_) => {
            tracing::info!(namespace = %name, "made a namespace");
            Ok(())
        }
        Err(writes::Error::Cluster(error)) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
