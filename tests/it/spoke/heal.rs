//! Healing on a real API server, and no hub anywhere: by policy, by hand, against somebody who writes back, and by a spoke
//! that dies in between.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use spoke::{
    agent::Drift,
    digest::Digest,
    drift::{Class, Item, State},
    heal::{self, Answer, Ask, Question},
    report::Phase,
};
use tests::clusters::{audit::Entry, wait::until};
use tokio::{sync::oneshot, task::JoinSet};

use super::{MESH, PATIENCE, Place, Running, deaths::mortal_after, draft::Draft, target};

/// The classes that can be healed.
fn all() -> Value {
    json!({"heal": ["Deleted", "Overwritten", "Removed"]})
}

/// What the spoke wrote of ConfigMaps, in order.
fn writes(place: &Place) -> Result<Vec<Entry>> {
    let ours = |entry: &Entry| {
        entry.field_manager() == Some("meshfleet")
            && entry.mutates()
            && entry.succeeded()
            && entry.resource == "configmaps"
    };
    Ok(place.plane.audit().entries()?.into_iter().filter(ours).collect())
}

pub(super) fn of<'a>(drift: &'a Drift, name: &str) -> Option<&'a Item> {
    drift.items.iter().find(|item| item.id.name == name)
}

pub(super) fn question(item: &Item, generation: u64) -> Question {
    Question {
        id: format!("about {} {:?}", item.path, item.found),
        generation,
        object: item.id.clone(),
        uid: item.uid.clone(),
        path: item.path.clone(),
        class: item.class,
        found: item.found_digest(),
        dry_run: false,
    }
}

impl Running {
    pub(super) async fn ask(&self, question: Question) -> Result<Answer> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { question, by: Instant::now() + PATIENCE, answer }).await?;
        Ok(tokio::time::timeout(PATIENCE, answered).await??)
    }
}

/// A controller that wants another value, and writes it back whenever it does not stand there.
async fn writes_back(client: Client, name: &'static str) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, MESH);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut seen = std::pin::pin!(watcher(maps.clone(), config).applied_objects());
    let params = PatchParams { field_manager: Some("stand-in".to_owned()), ..PatchParams::default() };
    while let Some(map) = seen.try_next().await? {
        if map.data.is_some_and(|data| data.get("x").is_none_or(|value| value != "theirs")) {
            maps.patch(name, &params, &Patch::Merge(json!({"data": {"x": "theirs"}}))).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_names_is_healed_and_nothing_else() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let both = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "both", "namespace": MESH},
        "data": {"removed": "1", "taken": "1"}});
    let draft = Draft::new(1).map("a", "1").map("b", "1").object(&both);
    let more = json!({"heal": ["Deleted", "Overwritten"]});
    spoke.reach(draft.more(more).content()?, Phase::Healthy).await?;
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    let applied = writes(&place)?.len();

    place.edit("a", "2").await?;
    place.maps().delete("b", &DeleteParams::default()).await?;
    let edit = json!({"data": {"removed": null, "taken": "2", "new": "theirs"}});
    let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    place.maps().patch("both", &params, &Patch::Merge(edit)).await?;
    let drift = spoke.drifted(|drift| drift.items.len() == 4).await?;
    let states: BTreeSet<(&str, bool)> =
        drift.items.iter().map(|item| (item.path.as_str(), item.state == State::Healing)).collect();
    ensure!(
        states
            == BTreeSet::from([
                ("", true),
                (".data.x", true),
                (".data.taken", true),
                (".data.removed", false)
            ]),
        "{drift:#?}"
    );

    let drift = spoke.drifted(|drift| drift.items.len() == 1).await?;
    let left = of(&drift, "both").context("what is not named stays")?;
    ensure!((left.path.as_str(), left.class) == (".data.removed", Class::Removed), "{drift:#?}");
    ensure!(place.value("a").await?.as_deref() == Some("1"), "a was not healed");
    ensure!(place.value("b").await?.as_deref() == Some("1"), "b was not made again");
    let data = place.maps().get("both").await?.data.unwrap_or_default();
    let expected = [("new", "theirs"), ("taken", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    ensure!(data == expected.into(), "what is not named was changed too: {data:#?}");

    let ended = |drift: &Drift| {
        drift.heals.len() == 3 && drift.heals.iter().all(|heal| heal.outcome == heal::Outcome::Healed)
    };
    let drift = spoke.drifted(ended).await?;
    let healed = drift.heals.iter().find(|heal| heal.id.name == "a").context("an entry of a")?;
    ensure!(
        (healed.manager.as_str(), healed.operation.as_str()) == ("kubectl-edit", "Update"),
        "{healed:#?}"
    );
    ensure!((healed.baseline.as_str(), healed.found.as_str()) == (r#""1""#, r#""2""#), "{healed:#?}");
    ensure!(
        writes(&place)?.len() == applied + 3,
        "each object is healed by one write: {:#?}",
        writes(&place)?
    );

    // In the cluster, before it was done: the audit log has both, in their order.
    let all = place.plane.audit().entries()?;
    let journal = all.iter().position(|entry| entry.name == "journal" && entry.mutates());
    let first = all.iter().rposition(|entry| entry.name == "a" && entry.mutates());
    ensure!(
        journal.zip(first).is_some_and(|(journal, first)| journal < first),
        "healed before it was written down"
    );

    // A newer target without the classes: nothing of its drift is healed, and what was left is not forgotten.
    spoke.heard.send_modify(|heard| heard.stored_through = drift.heals[2].number);
    spoke.drifted(|drift| drift.heals.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_back_is_fought_five_times_and_then_named() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1"), ("b", "1")], all())?, Phase::Healthy).await?;
    let mut stand_in = JoinSet::new();
    stand_in.spawn(writes_back(place.client.clone(), "a"));
    let fights = |drift: &Drift| of(drift, "a").is_some_and(|item| item.state == State::Fighting);
    let drift = spoke.drifted(fights).await?;
    let item = of(&drift, "a").context("a difference")?;
    let actor = item.actor.as_ref().context("who wrote back is known")?;
    ensure!((actor.manager.as_str(), item.heals) == ("stand-in", 5), "{item:#?}");
    let healed =
        || Ok::<_, anyhow::Error>(writes(&place)?.iter().filter(|entry| entry.name == "a").count() - 1);
    ensure!(healed()? == 5, "{}", healed()?);

    // Nor does a new process, which goes on with what it is not in a fight over.
    spoke.stop().await;
    let mut spoke = place.spoke(2).await?;
    spoke.drifted(fights).await?;
    place.edit("b", "2").await?;
    until("b to be healed", PATIENCE, || async {
        Ok((place.value("b").await?.as_deref() == Some("1")).then_some(()))
    })
    .await?;
    let drift = spoke.drifted(|drift| of(drift, "b").is_none()).await?;
    ensure!(fights(&drift) && healed()? == 5, "{} heals: {drift:#?}", healed()?);

    // A person ends it, once the other one is gone.
    stand_in.shutdown().await;
    let answer = spoke.ask(question(of(&drift, "a").context("a difference")?, 1)).await?;
    ensure!(answer.outcome == heal::Outcome::Healed, "{answer:#?}");
    ensure!((answer.before.as_str(), answer.after.as_str()) == (r#""theirs""#, r#""1""#), "{answer:#?}");
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    place.edit("a", "2").await?;
    let drift = spoke.drifted(|drift| of(drift, "a").is_some()).await?;
    ensure!(
        of(&drift, "a").is_some_and(|item| (item.state, item.heals) == (State::Healing, 0)),
        "{drift:#?}"
    );
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_heals_what_was_seen_and_nothing_else() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1"), ("b", "1")], json!({}))?, Phase::Healthy).await?;
    place.edit("a", "2").await?;
    place.edit("b", "2").await?;
    let drift = spoke.drifted(|drift| drift.items.len() == 2).await?;
    ensure!(drift.items.iter().all(|item| item.state == State::Seen), "{drift:#?}");
    let seen = question(of(&drift, "a").context("a difference")?, 1);
    let before = writes(&place)?.len();

    use heal::Outcome::{Healed, Held, Moved, WouldHeal};
    let text = |text: &str| text.to_owned();
    let cases = [
        (Question { id: text("older"), generation: 0, ..seen.clone() }, Held, "look at the report again"),
        (
            Question { id: text("value"), found: Some(Digest::of_value(&json!("3"))), ..seen.clone() },
            Moved,
            "another value",
        ),
        (Question { id: text("path"), path: text(".data.y"), ..seen.clone() }, Moved, "does not differ"),
        (Question { id: text("class"), class: Class::Unfulfilled, ..seen.clone() }, Held, "somebody else's"),
        (Question { id: text("dry"), dry_run: true, ..seen.clone() }, WouldHeal, ""),
    ];
    for (question, outcome, words) in cases {
        let answer = spoke.ask(question).await?;
        ensure!(answer.outcome == outcome && answer.message.contains(words), "{answer:#?}");
    }
    ensure!(writes(&place)?.len() == before, "something was written: {:#?}", writes(&place)?);
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), "meshfleet");
    ensure!(secrets.get_opt("journal").await?.is_none(), "nothing was to be written down");

    for _ in 0..2 {
        // Asked twice, because the first answer was lost, it is done once.
        let answer = spoke.ask(seen.clone()).await?;
        ensure!(answer.outcome == Healed, "{answer:#?}");
    }
    let drift = spoke.drifted(|drift| drift.items.len() == 1 && !drift.heals.is_empty()).await?;
    ensure!(of(&drift, "b").is_some(), "more than one was healed: {drift:#?}");
    ensure!(writes(&place)?.len() == before + 1, "{:#?}", writes(&place)?);
    ensure!(drift.heals[0].asked_by == seen.id, "{drift:#?}");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_that_dies_after_any_write_heals_all_the_same() -> Result<()> {
    /// Two objects, for each of which the journal is written, then the object, then the journal; and the inventory.
    const WRITES: usize = 7;
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let (edited, deleted) = (|writes| format!("a{writes}"), |writes| format!("b{writes}"));
    let draft = (1..=WRITES)
        .fold(Draft::new(1), |draft, writes| draft.map(&edited(writes), "1").map(&deleted(writes), "1"));
    spoke.reach(draft.more(all()).content()?, Phase::Healthy).await?;
    spoke.stop().await;
    let healed = |drift: &Drift| {
        drift.items.is_empty() && drift.heals.iter().all(|heal| heal.outcome != heal::Outcome::Begun)
    };
    let mut deaths = 0;
    for writes in 1..=WRITES {
        place.edit(&edited(writes), "2").await?;
        place.maps().delete(&deleted(writes), &DeleteParams::default()).await?;
        let (client, death) = mortal_after(&place.client, writes);
        let mut spoke = Place::spoke_as(&client, 1).await?;
        tokio::select! {
            () = death.notified() => deaths += 1,
            drift = spoke.drifted(|drift| healed(drift) && drift.heals.len() >= 2 * writes) => drop(drift?),
        }
        spoke.die().await;
        // What was healed in an earlier life is told by the journal alone.
        let mut spoke = place.spoke(1).await?;
        let drift = spoke.drifted(|drift| healed(drift) && drift.heals.len() >= 2 * writes).await?;
        spoke.stop().await;
        for name in [edited(writes), deleted(writes)] {
            ensure!(place.value(&name).await?.as_deref() == Some("1"), "{name} was not healed: {drift:#?}");
        }
    }
    ensure!(deaths + 1 >= WRITES, "only {deaths} deaths: were the writes between them seen?");
    for writes in 1..=WRITES {
        let made = self::writes(&place)?.into_iter();
        let made = made.filter(|entry| entry.name == deleted(writes) && entry.response_code == 201);
        ensure!(made.count() == 2, "{} was made more than once again", deleted(writes));
    }
    Ok(())
}
