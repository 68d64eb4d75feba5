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
    object::{Form, Wanted},
    standing::{Planned, Standing, standing},
};
use crate::{
    cluster::{self, Cluster, Retry},
    digest::Digest,
    document::{self, Addition},
    fence::{Content, Fence},
    inventory::{Entry, Inventory, Outcome, Role},
    namespaces, owned,
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
    for wanted in wanted(cluster, content).await? {
        let known = inventory.get(&wanted.id).filter(|entry| entry.role != Role::Addition);
        if through && known.is_some_and(|entry| entry.body == wanted.digest) {
            continue;
        }
        let Some(live) = readable(cluster.get(&wanted.id).await)? else { continue };
        if let Some(entry) = found(content, &wanted, &live, known) {
            tracing::info!(object = %wanted.id, "found again what was written before");
            inventory.put(entry);
        }
    }
    for addition in &content.plan.additions {
        let Some(live) = readable(cluster.get(&addition.id).await)? else { continue };
        if let Some(entry) = added(content, addition, &live, inventory.get(&addition.id)) {
            tracing::info!(object = %addition.id, "found again what was added before");
            inventory.put(entry);
        }
    }
    Ok(())
}

/// What may not be read was not written either: an apply looks first.
fn readable(read: Result<Option<Value>, cluster::Error>) -> Result<Option<Value>, cluster::Error> {
    match read {
        Err(error) if matches!(error, cluster::Error::NotServed { .. }) || error.retry() == Retry::Never => {
            Ok(None)
        }
        read => read,
    }
}

/// Everything that the target makes: its objects, and the instances of its templates as namespaces are now.
async fn wanted(cluster: &Cluster, content: &Content) -> Result<Vec<Wanted>, cluster::Error> {
    let body = |digest: Digest| {
        let bytes = content.bodies.get(&digest);
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    wanted.extend(content.plan.objects().map(|planned| Wanted {
        id: planned.id.clone(),
        digest: planned.body,
        body: body(planned.body),
        form: Form::Object,
    }));
    if !content.plan.templates.is_empty() {
        let namespaces = namespaces::list(cluster).await?;
        wanted.extend(content.plan.instances(&namespaces, "").map(|(template, id, origin)| Wanted {
            digest: template.body,
            body: document::instance(body(template.body), &id.namespace),
            form: Form::Instance(origin),
            id,
        }));
    }
    Ok(wanted)
}

/// What is to be noted of an object; none if it is not ours, or if what is known of it is right.
fn found(content: &Content, wanted: &Wanted, live: &Value, known: Option<&Entry>) -> Option<Entry> {
    let known = known.filter(|entry| entry.uid == uid(live));
    let mark = mark(&content.target.cluster, wanted.digest);
    let manifest = marked(wanted.body.clone(), &mark);
    let plan = Planned { manifest: &manifest, digest: wanted.digest, mark: &mark };
    let body = match (standing(Some(live), known, plan), known) {
        (Standing::Written, _) => wanted.digest,
        (Standing::Ours, None) => Digest::of(b""),
        (Standing::Ours | Standing::Unchanged | Standing::Absent | Standing::Stranger, _) => return None,
    };
    Some(Entry {
        id: wanted.id.clone(),
        uid: uid(live).to_owned(),
        role: wanted.form.role(known.map(|entry| &entry.role)),
        generation: content.target.generation,
        outcome: known.map_or(Outcome::Created, |_| Outcome::Changed),
        body,
        baseline: owned::baseline(live),
    })
}

/// What is to be noted of an object that holds fields of ours; none if it does not, or if that is known.
fn added(content: &Content, addition: &Addition, live: &Value, known: Option<&Entry>) -> Option<Entry> {
    if known.is_some_and(|entry| entry.uid == uid(live)) {
        return None;
    }
    let body = content.bodies.get(&addition.body).and_then(|bytes| serde_json::from_slice(bytes).ok());
    owned::ours(live).filter(|ours| ours.covers(&body.unwrap_or_default()))?;
    Some(Entry {
        id: addition.id.clone(),
        uid: uid(live).to_owned(),
        role: Role::Addition,
        generation: content.target.generation,
        outcome: Outcome::Changed,
        body: addition.body,
        baseline: owned::baseline(live),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples;

    fn first(content: &Content) -> Wanted {
        let planned = content.plan.objects().next().unwrap();
        let body = serde_json::from_slice(&content.bodies[&planned.body]).unwrap();
        Wanted { id: planned.id.clone(), digest: planned.body, body, form: Form::Object }
    }

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
        let planned = first(&content);
        let whole = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        let noted = found(&content, &planned, &whole, None).unwrap();
        assert_eq!((noted.body, noted.uid.as_str()), (planned.digest, "u"));
        let mut edited = live(&content, json!({"x": "b"}), json!({}));
        edited["metadata"]["managedFields"][0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
        let noted = found(&content, &planned, &edited, None).unwrap();
        assert_eq!(noted.uid, "u", "it is ours");
        let mark = mark("c1", planned.digest);
        let manifest = marked(planned.body.clone(), &mark);
        let plan = Planned { manifest: &manifest, digest: planned.digest, mark: &mark };
        assert_eq!(standing(Some(&edited), Some(&noted), plan), Standing::Ours, "it is to be written");
    }

    #[test]
    fn what_was_made_anew_is_ours_though_the_old_one_was_applied_with_the_same_body() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = first(&content);
        let live = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        let old = Entry { uid: "old".to_owned(), ..found(&content, &planned, &live, None).unwrap() };
        assert_eq!(found(&content, &planned, &live, Some(&old)).map(|entry| entry.uid).as_deref(), Some("u"));
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
    fn fields_that_were_added_are_noted_once() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = content.plan.objects().next().unwrap();
        let addition = Addition { id: planned.id.clone(), body: planned.body };
        let live = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        let noted = added(&content, &addition, &live, None).unwrap();
        assert_eq!((noted.uid.as_str(), &noted.role), ("u", &Role::Addition));
        assert_eq!(added(&content, &addition, &live, Some(&noted)), None);
        let mut bare = live.clone();
        bare["metadata"]["managedFields"] = json!([]);
        assert_eq!(added(&content, &addition, &bare, None), None, "they were never added");
    }

    #[test]
    fn a_strangers_object_is_not_noted() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = first(&content);
        let mut strange = live(&content, json!({"x": "a"}), json!({"f:x": {}}));
        strange["metadata"]["managedFields"][0]["operation"] = json!("Update");
        assert_eq!(found(&content, &planned, &strange, None), None);
    }
}
