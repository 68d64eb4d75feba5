//! What `cluster enrol` prints is all that a cluster needs: an API server takes it, its admission lets the pods in, and a
//! spoke that is started as the Deployment says joins and can do its work.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use tests::{
    clusters::{ControlPlane, Options},
    fleet::SPOKE_USER,
    installation::Installed,
};

use crate::rig::Rig;

const IMAGE: &str = "registry.example.com/meshfleet/spoke:1.0";

/// A pod as the Deployment's controller would make it.
fn pod(deployment: &Deployment) -> Result<Pod> {
    let template = &deployment.spec.as_ref().context("a Deployment has a spec")?.template;
    let metadata = ObjectMeta {
        name: Some("spoke-1".to_owned()),
        annotations: template.metadata.as_ref().and_then(|metadata| metadata.annotations.clone()),
        labels: template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()),
        ..ObjectMeta::default()
    };
    Ok(Pod { metadata, spec: template.spec.clone(), ..Pod::default() })
}

async fn is_let_in(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Api::<Pod>::namespaced(client.clone(), "meshfleet").create(&dry_run, pod).await.map(|_| ())
}

/// What the restricted profile of Pod Security asks, and what guards that assign users and bill by request ask beyond.
fn asks_for_nothing_more(pod: &Pod) -> Result<()> {
    let spec = serde_json::to_value(pod.spec.as_ref().context("a pod has a spec")?)?;
    let container = &spec["containers"][0];
    for settings in [&spec["securityContext"], &container["securityContext"]] {
        for field in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"] {
            ensure!(settings.get(field).is_none(), "{field} is for the cluster to choose: {settings:#}");
        }
    }
    ensure!(spec["securityContext"]["seccompProfile"] == json!({"type": "RuntimeDefault"}), "{spec:#}");
    ensure!(container["securityContext"]["readOnlyRootFilesystem"] == true, "{container:#}");
    let volumes = spec["volumes"].as_array().context("volumes")?;
    ensure!(volumes.iter().all(|volume| volume.get("secret").is_some()), "{volumes:#?}");
    let resources = &container["resources"];
    for amount in
        [&resources["requests"]["cpu"], &resources["requests"]["memory"], &resources["limits"]["memory"]]
    {
        ensure!(amount.is_string(), "{resources:#}");
    }
    ensure!(spec.get("hostNetwork").is_none() && container.get("ports").is_none(), "{spec:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_enrol_prints_is_all_that_a_cluster_needs() -> Result<()> {
    let rig = Rig::start().await?;
    let plane = ControlPlane::start(&rig.etcd, "plain", Options::default()).await?;
    let admin = plane.admin_client().await?;
    let said = rig.fleet.command_line.run(&["cluster", "enrol", "plain", "--spoke-image", IMAGE]).await?;
    ensure!(said.code == 0 && said.stderr.contains("kubectl apply -f -"), "{said:#?}");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&said.stdout)?;
    let token = objects.iter().find(|object| object["kind"] == "Secret").context("a Secret")?;
    let token = token["stringData"]["token"].as_str().context("a token")?.to_owned();
    ensure!(token.starts_with("mf1.") && !said.stderr.contains(&token), "{said:#?}");
    ensure!(said.stdout.matches(&token).count() == 1, "the token stands in its Secret only");

    let installed = Installed::apply(&plane, &said.stdout).await?;
    let deployments: Api<Deployment> = Api::namespaced(admin.clone(), "meshfleet");
    let deployment = deployments.get("meshfleet-spoke").await?;
    let spec = deployment.spec.clone().context("a spec")?;
    ensure!(spec.strategy.and_then(|strategy| strategy.type_).as_deref() == Some("Recreate"), "one writer");
    let pod = pod(&deployment)?;
    is_let_in(&admin, &pod).await?;
    asks_for_nothing_more(&pod)?;
    // That the door is watched at all.
    let mut bold = pod.clone();
    let container = bold.spec.as_mut().and_then(|spec| spec.containers.first_mut()).context("a container")?;
    container.security_context.as_mut().context("a security context")?.allow_privilege_escalation = None;
    let refused = is_let_in(&admin, &bold).await.err().context("a bolder pod is let in")?.to_string();
    ensure!(refused.contains("PodSecurity"), "{refused}");

    let spoke = installed.start(&rig.fleet.programs, rig.path()).await?;
    rig.fleet.connected("plain").await?;
    let facts = rig.fleet.command_line.json(&["cluster", "facts", "plain"]).await?;
    ensure!(facts["facts"]["unread"] == json!([]), "{facts:#}");

    // It may be deleted once the spoke has joined: that one starts again by its certificate.
    spoke.stop().await?;
    Api::<Secret>::namespaced(admin.clone(), "meshfleet")
        .delete("meshfleet-spoke-token", &Default::default())
        .await?;
    let again = installed.start(&rig.fleet.programs, rig.path()).await?;
    rig.fleet.connected("plain").await?;
    again.stop().await?;
    let forbidden = plane.audit().forbidden_to(SPOKE_USER)?;
    ensure!(forbidden.is_empty(), "{forbidden:#?}");
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_without_an_image_is_a_mistake_before_it_is_a_token() -> Result<()> {
    let rig = Rig::start().await?;
    let said = rig.ends_with(2, &["cluster", "enrol", "new"]).await?;
    ensure!(said.contains("--spoke-image IMAGE") && said.contains("MESHFLEET_SPOKE_IMAGE"), "{said}");
    let said = rig.ends_with(1, &["cluster", "enrol", "new", "--spoke-image", "a b"]).await?;
    ensure!(said.contains("the spoke's image: no name of an image"), "{said}");
    let said = rig.ends_with(1, &["cluster", "enrol", "new", "--spoke-image", IMAGE, "--hub", "hub"]).await?;
    ensure!(said.contains("the hub's address: no address of a hub"), "{said}");
    let listed = rig.fleet.command_line.json(&["cluster", "list"]).await?;
    ensure!(listed["clusters"] == json!([]), "nothing was made: {listed:#}");
    let token = rig.fleet.command_line.done(&["cluster", "enrol", "new", "-o", "name"]).await?;
    ensure!(token.starts_with("mf1.") && token.lines().count() == 1, "{token}");
    rig.passed().await
}
