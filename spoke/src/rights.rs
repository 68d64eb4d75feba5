//! What this spoke may do, as the API server says it: each verb is asked as it would be used. It writes nothing.
//!
//! Only the API server knows: rules of roles are not the only thing that may decide, and a summary of them may be
//! incomplete.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

use crate::{
    cluster::{self, Cluster, Kind, bounded},
    document::ObjectId,
    report::shortened,
};

/// Most rights in a question.
pub const MAX_RIGHTS: usize = 500;

/// Most verbs of one right: RBAC knows few.
pub const MAX_VERBS: usize = 10;

/// Longest reason why something is not known.
const MAX_REASON_BYTES: usize = 500;

/// Rights that are looked into at a time.
const AT_A_TIME: usize = 8;

/// How long all of them may take together.
const WITHIN: Duration = Duration::from_secs(7);

/// A right that may be lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// On which object: without a name on all of the kind, without a namespace in the whole cluster.
    pub id: ObjectId,
    /// What is to be done with it, as RBAC spells it.
    pub verbs: Vec<String>,
}

/// How a right stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Of which.
    pub id: ObjectId,
    /// What was found, or why that is not known; none if the kind is not served.
    pub held: Result<Option<Held>, String>,
}

/// What may not be done with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The resource, in the plural.
    pub resource: String,
    /// What may not be done; nothing if all may.
    pub lacks: Vec<String>,
}

/// Looks into all rights, in the order given.
pub async fn look(cluster: &Cluster, needed: Vec<Needed>) -> Vec<Right> {
    let by = Instant::now() + WITHIN;
    stream::iter(needed)
        .map(|Needed { id, verbs }| async move {
            let held = match tokio::time::timeout_at(by.into(), held(cluster, &id, verbs)).await {
                Ok(Ok(held)) => Ok(Some(held)),
                Ok(Err(cluster::Error::NotServed { .. })) => Ok(None),
                Ok(Err(error)) => Err(shortened(&crate::chain(&error), MAX_REASON_BYTES)),
                Err(_) => Err(format!("not known within {} s", WITHIN.as_secs())),
            };
            Right { id, held }
        })
        .buffered(AT_A_TIME)
        .collect()
        .await
}

async fn held(cluster: &Cluster, id: &ObjectId, verbs: Vec<String>) -> Result<Held, cluster::Error> {
    let resource = cluster.resource(&Kind::from(id)).await?;
    let mut lacks = Vec::new();
    for verb in verbs {
        if !may(cluster, id, &resource, &verb).await? {
            lacks.push(verb);
        }
    }
    Ok(Held { resource, lacks })
}

async fn may(cluster: &Cluster, id: &ObjectId, resource: &str, verb: &str) -> Result<bool, cluster::Error> {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attributes = ResourceAttributes {
        group: Some(id.group.clone()),
        resource: Some(resource.to_owned()),
        namespace: said(&id.namespace),
        name: said(&id.name),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client());
    let answer = bounded(reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
