//! Finding again what a former life wrote and did not write down.
//!
//! An object that was changed since is still ours, but not as we applied it: it is noted with no body, so that the next apply
//! writes it. Otherwise a field that somebody took, or never left to us, would count as applied for ever.
//!
//! It is done before a newer target is accepted: afterwards the mark of such an object would name a body that is in no
//! accepted target, and the object would be taken for a stranger's.

use serde_json::Value;

use super::{
    manifest::{mark, marked, uid},
    standing::{Planned, Standing, standing},
};
use crate::{
    cluster::{self, Cluster, Retry},
    digest::Digest,
    document::PlannedObject,
    fence::{Content, Fence},
    inventory::{Entry, Inventory, Outcome, Role},
    owned,
};

/// Takes into the inventory what the accepted target put into the cluster. Reads only.
///
/// # Errors
/// If the cluster cannot be read.
pub async fn recover(
    cluster: &Cluster,
    fence: &Fence,
    content: &Content,
    inventory: &mut Inventory,
) -> Result<(), cluster::Error> {
    // Of a target that is through everything was written down, so only what is lacking is looked for.
    let through = fence.completed == fence.generation;
    for planned in content.plan.objects() {
        if through && inventory.get(&planned.id).is_some_and(|entry| entry.body == planned.body) {
            continue;
        }
        let live = match cluster.get(&planned.id).await {
            // What may not be read was not written either: an apply looks first.
            Err(error)
                if matches!(error, cluster::Error::NotServed { .. }) || error.retry() == Retry::Never =>
            {
                None
            }
            found => found?,
        };
        let Some(live) = live else { continue };
        if let Some(entry) = found(content, planned, &live, inventory.get(&planned.id)) {
            tracing::info!(object = %planned.id, "found again what was written before");
            inventory.put(entry);
        }
    }
    Ok(())
}

/// What is to be noted of an object; none if it is not ours, or if what is known of it is right.
fn found(content: &Content, planned: &PlannedObject, live: &Value, known: Option<&Entry>) -> Option<Entry> {
    let known = known.filter(|entry| entry.uid == uid(live));
    let mark = mark(&content.target.cluster, planned.body);
    let body = content.bodies.get(&planned.body).and_then(|bytes| serde_json::from_slice(bytes).ok());
    let manifest = marked(body.unwrap_or_default(), &mark);
    let plan = Planned { manifest: &manifest, digest: planned.body, mark: &mark };
    let body = match (standing(Some(live), known, plan), known) {
        (Standing::Written, _) => planned.body,
        (Standing::Ours, None) => Digest::of(b""),
        (Standing::Ours | Standing::Unchanged | Standing::Absent | Standing::Stranger, _) => return None,
    };
    let (role, outcome) =
        known.map_or((Role::Created, Outcome::Created), |entry| (entry.role, Outcome::Changed));
    Some(Entry {
        id: planned.id.clone(),
        uid: uid(live).to_owned(),
        role,
        generation: content.target.generation,
        outcome,
        body,
        baseline: owned::baseline(live),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples;

    fn live(content: &Content, data: Value, owned: Value) -> Value {
        let body = content.plan.objects().next().unwrap().body;
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": {"name": "x0", "namespace": "mesh",
            "uid": "u", "annotations": {"meshfleet.dev/applied-by": mark("c1", body)}, "managedFields": [
            {"manager": "meshfleet", "operation": "Apply", "fieldsV1": {"f:data": owned,
                "f:metadata": {"f:annotations": {"f:meshfleet.dev/applied-by": {}}}}}]}})
    }

    #[test]
    fn only_what_is_whole_counts_as_applied() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = content.plan.objects().next().unwrap();
        let whole = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        let noted = found(&content, planned, &whole, None).unwrap();
        assert_eq!((noted.body, noted.uid.as_str()), (planned.body, "u"));
        let mut edited = live(&content, json!({"x": "b"}), json!({}));
        edited["metadata"]["managedFields"][0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
        let noted = found(&content, planned, &edited, None).unwrap();
        assert_eq!(noted.uid, "u", "it is ours");
        let mark = mark("c1", planned.body);
        let manifest = marked(serde_json::from_slice(&content.bodies[&planned.body]).unwrap(), &mark);
        let plan = Planned { manifest: &manifest, digest: planned.body, mark: &mark };
        assert_eq!(standing(Some(&edited), Some(&noted), plan), Standing::Ours, "it is to be written");
    }

    #[test]
    fn what_was_made_anew_is_ours_though_the_old_one_was_applied_with_the_same_body() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = content.plan.objects().next().unwrap();
        let live = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        let old = Entry { uid: "old".to_owned(), ..found(&content, planned, &live, None).unwrap() };
        assert_eq!(found(&content, planned, &live, Some(&old)).map(|entry| entry.uid).as_deref(), Some("u"));
    }

    #[tokio::test]
    async fn what_may_not_be_read_does_not_stand_in_the_way() {
        let content = samples::content(1, &["a".to_owned()]);
        let read = async |code| {
            let cluster = Cluster::new(samples::client(move |_| code));
            let fence = Fence { epoch: 1, generation: 1, target: content.digest, completed: 0 };
            recover(&cluster, &fence, &content, &mut Inventory::default()).await
        };
        assert!(read(403).await.is_ok(), "no target could ever be accepted again");
        assert!(read(503).await.is_err());
    }

    #[test]
    fn a_strangers_object_is_not_noted() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = content.plan.objects().next().unwrap();
        let mut strange = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        strange["metadata"]["managedFields"][0]["operation"] = json!("Update");
        assert_eq!(found(&content, planned, &strange, None), None);
    }
}
