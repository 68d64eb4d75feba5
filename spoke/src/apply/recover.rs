//! Finding again what a former life wrote and did not write down.
//!
//! An object that was changed since is still ours, but not as we applied it: it is noted with no body, so that the next apply
//! writes it. Otherwise a field that somebody took, or never left to us, would count as applied for ever.
//!
//! It is done before a newer target is accepted: afterwards the mark of such an object would name a body that is in no
//! accepted target, and the object would be taken for a stranger's.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value;

use super::{
    addition::is_on,
    manifest::{mark, marked, uid},
    object::{Form, Wanted},
    standing::{Planned, Standing, is_taken_over, standing},
};
use crate::{
    cluster::{self, Cluster, Kind, Retry},
    digest::Digest,
    document::{self, Addition, ObjectId, ObjectKey, PlannedObject},
    fence::{Content, Fence},
    inventory::{Entry, Inventory, Origin, Outcome, Role},
    namespaces, owned,
};

/// How many objects are looked at side by side. A target waits for all of them.
const AT_A_TIME: usize = 8;

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
    for entry in unwritten(cluster, fence, content, inventory).await? {
        tracing::info!(object = %entry.id, "found again what was written before");
        inventory.put(entry);
    }
    Ok(())
}

async fn unwritten(
    cluster: &Cluster,
    fence: &Fence,
    content: &Content,
    inventory: &Inventory,
) -> Result<Vec<Entry>, cluster::Error> {
    let mut entries: Vec<Entry> = Vec::new();
    // Of a target that is through everything was written down, so only what is lacking is looked for.
    let through = fence.completed == fence.generation;
    let settled =
        |entry: Option<&Entry>, body: Digest| through && entry.is_some_and(|entry| entry.body == body);
    let known = |id: &ObjectId| inventory.get(id).filter(|entry| entry.role != Role::Addition);

    let planned: Vec<&PlannedObject> =
        content.plan.objects().filter(|planned| !settled(known(&planned.id), planned.body)).collect();
    for some in planned.chunks(AT_A_TIME) {
        let looks = join_all(some.iter().map(|planned| cluster.get(&planned.id))).await;
        for (planned, look) in some.iter().zip(looks) {
            let Some(live) = readable(look)? else { continue };
            let wanted = planned_object(content, planned);
            entries.extend(found(content, &wanted, &live, known(&wanted.id)));
        }
    }
    for (wanted, live) in instances(cluster, content).await? {
        if !settled(known(&wanted.id), wanted.digest) {
            entries.extend(found(content, &wanted, &live, known(&wanted.id)));
        }
    }
    for addition in &content.plan.additions {
        let Some(live) = readable(cluster.get(&addition.id).await)? else { continue };
        entries.extend(added(content, addition, &live, inventory.get(&addition.id)));
    }
    Ok(entries)
}

/// What may not be read was not written either: an apply looks first.
fn readable<T>(read: Result<Option<T>, cluster::Error>) -> Result<Option<T>, cluster::Error> {
    match read {
        Err(error) if matches!(error, cluster::Error::NotServed { .. }) || error.retry() == Retry::Never => {
            Ok(None)
        }
        read => read,
    }
}

fn body(content: &Content, digest: Digest) -> Value {
    let bytes = content.bodies.get(&digest);
    bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

fn planned_object(content: &Content, planned: &PlannedObject) -> Wanted {
    let (id, digest) = (planned.id.clone(), planned.body);
    Wanted { body: body(content, digest), id, digest, form: Form::Object }
}

/// Everything that may be an instance of a template of the target, also where its namespace is selected no more: it may
/// have been when the instance was made.
async fn instances(cluster: &Cluster, content: &Content) -> Result<Vec<(Wanted, Value)>, cluster::Error> {
    let plan = &content.plan;
    if plan.templates.is_empty() {
        return Ok(Vec::new());
    }
    let planned: BTreeSet<ObjectKey> = plan.objects().map(|planned| planned.id.key()).collect();
    let namespaces = namespaces::list(cluster).await?;
    let mut found = Vec::new();
    for template in &plan.templates {
        let named = cluster.named(&Kind::from(&template.id), &template.id.name).await;
        for live in readable(named.map(Some))?.unwrap_or_default() {
            let name = live["metadata"]["namespace"].as_str().unwrap_or_default();
            let id = template.id.within(name);
            let Some(seen) = namespaces.get(name).filter(|_| !planned.contains(&id.key())) else { continue };
            let origin = Origin { template: template.template.clone(), namespace: seen.uid.clone() };
            let body = document::instance(body(content, template.body), name);
            found.push((Wanted { id, digest: template.body, body, form: Form::Instance(origin) }, live));
        }
    }
    Ok(found)
}

/// What is to be noted of an object; none if it is not ours, or if what is known of it is right.
fn found(content: &Content, wanted: &Wanted, live: &Value, known: Option<&Entry>) -> Option<Entry> {
    let known = known.filter(|entry| entry.uid == uid(live));
    let mark = mark(&content.target.cluster, wanted.digest);
    let manifest = marked(wanted.body.clone(), &mark);
    let plan = Planned { manifest: &manifest, digest: wanted.digest, mark: &mark };
    let role = wanted.form.role(known.map(|entry| &entry.role));
    let (role, body) = match (standing(Some(live), known, plan), known) {
        (Standing::Written, _) => (role, wanted.digest),
        (Standing::Ours, None) => (role, Digest::of(b"")),
        (Standing::Stranger, _) if is_taken_over(content.target.adopt, &wanted.body, live) => {
            (wanted.form.adopted(), wanted.digest)
        }
        (Standing::Ours | Standing::Unchanged | Standing::Absent | Standing::Stranger, _) => return None,
    };
    Some(Entry {
        id: wanted.id.clone(),
        uid: uid(live).to_owned(),
        role,
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
    let body = body(content, addition.body);
    owned::ours(live).filter(|ours| ours.covers(&body))?;
    // With other values they are of an older target.
    let body = if is_on(&body, live) { addition.body } else { Digest::of(b"") };
    Some(Entry {
        id: addition.id.clone(),
        uid: uid(live).to_owned(),
        role: Role::Addition,
        generation: content.target.generation,
        outcome: Outcome::Changed,
        body,
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
        let mut older = live.clone();
        older["data"]["x"] = json!("older");
        let noted = added(&content, &addition, &older, None).unwrap();
        assert_ne!(noted.body, addition.body, "they would never be written");
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
