//! Probes on a real API server: what is told, and that nothing is written for it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt as _, api::PostParams};
use serde_json::{Value, json};
use spoke::{
    cluster::Cluster,
    digest::canonical,
    inventory::Inventory,
    probe::{Asked, Found, Question, answer},
    report::Phase,
};

use super::{
    MESH, Place,
    draft::{Draft, id_of},
};

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": value},
        "metadata": {"name": name, "namespace": MESH}})
}

fn question(bodies: &[Value]) -> Result<Question> {
    let asked = |body: &Value| {
        let manifest = if body.get("data").is_some() { canonical(body) } else { Vec::new() };
        Ok(Asked { id: serde_json::from_value(id_of(body))?, manifest })
    };
    let objects = bodies.iter().map(asked).collect::<Result<_>>()?;
    Ok(Question { id: "q".to_owned(), objects, rights: Vec::new() })
}

async fn ask(
    place: &Place,
    inventory: &Inventory,
    bodies: &[Value],
) -> Result<Vec<Result<Option<Found>, String>>> {
    let answer = answer(&Cluster::new(place.client.clone()), inventory, question(bodies)?).await;
    ensure!(answer.id == "q" && answer.objects.len() == bodies.len(), "{answer:#?}");
    Ok(answer.objects.into_iter().map(|state| state.found).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_what_an_apply_would_change_and_writes_nothing() -> Result<()> {
    let place = Place::start().await?;
    let nowhere = ask(&place, &Inventory::default(), &[map("a", "1")]).await?;
    ensure!(nowhere == [Ok(None)], "before any target, and before its namespace: {nowhere:#?}");
    let mut spoke = place.spoke(1).await?;
    spoke.reach(Draft::new(1).map("a", "1").content()?, Phase::Healthy).await?;
    let params = PostParams { field_manager: Some("a-person".to_owned()), ..PostParams::default() };
    place.maps().create(&params, &serde_json::from_value(map("strange", "1"))?).await?;
    let inventory = spoke.inventory.borrow().clone();
    spoke.stop().await;
    let before = versions(&place.maps()).await?;
    let written = |place: &Place| -> Result<usize> {
        Ok(place.plane.audit().entries()?.iter().filter(|entry| entry.mutates()).count())
    };
    let writes = written(&place)?;

    let mut more = map("strange", "2");
    more["metadata"]["labels"] = json!({"new": "label"});
    let mut other = map("strange", "1");
    other["metadata"]["name"] = json!("another");
    let mut bodies = vec![
        map("a", "1"),
        map("strange", "1"),
        more,
        map("absent", "1"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "strange", "namespace": MESH}}),
        json!({"apiVersion": "nowhere.dev/v1", "kind": "Nothing", "metadata": {"name": "x"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "target", "namespace": "meshfleet"}}),
    ];
    let mut found = ask(&place, &inventory, &bodies).await?.into_iter();
    let mut next = || found.next().context("an answer for each");
    let ours = next()?.map_err(anyhow::Error::msg)?.context("a exists")?;
    ensure!(ours.ours && ours.managers.contains("meshfleet") && ours.error.is_empty(), "{ours:#?}");
    let same = next()?.map_err(anyhow::Error::msg)?.context("strange exists")?;
    ensure!(!same.ours && same.differs.is_empty() && !same.uid.is_empty(), "{same:#?}");
    ensure!(same.managers.iter().eq(["a-person"]), "{same:#?}");
    let differs = next()?.map_err(anyhow::Error::msg)?.context("strange exists")?.differs;
    ensure!(differs == [".data.x", ".metadata.labels"], "{differs:#?}");
    ensure!(next()? == Ok(None), "absent");
    let bare = next()?.map_err(anyhow::Error::msg)?.context("strange exists")?;
    ensure!(bare.differs.is_empty() && bare.uid == same.uid, "only existence was asked: {bare:#?}");
    ensure!(next()? == Ok(None), "a kind that is not served has no objects");
    ensure!(next()?.is_err(), "a secret was asked about");

    // As many as a question may have.
    bodies = (0..500).map(|number| map(if number % 2 == 0 { "a" } else { "strange" }, "3")).collect();
    let many = ask(&place, &inventory, &bodies).await?;
    let told = many.iter().filter(|state| matches!(state, Ok(Some(found)) if found.differs == [".data.x"]));
    ensure!(told.count() == 500, "not all were told");
    let after = versions(&place.maps()).await?;
    ensure!(before == after, "something was written: {before:?}, then {after:?}");
    ensure!(written(&place)? == writes, "a write was sent");
    let dry = place.plane.audit().entries()?.into_iter();
    let dry = dry.filter(|entry| entry.verb == "patch" && entry.request_uri.contains("dryRun=All"));
    ensure!(dry.count() >= 500, "the API server was not asked");
    Ok(())
}

/// The objects that a probe was about, each with its version. That of the whole list rises with any write in the cluster,
/// also with those that an API server makes by itself.
async fn versions(maps: &Api<ConfigMap>) -> Result<Vec<(String, String)>> {
    let listed = maps.list(&Default::default()).await?.items.into_iter();
    Ok(listed.map(|map| (map.name_any(), map.resource_version().unwrap_or_default())).collect())
}
