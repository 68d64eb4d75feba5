//! A spoke that reaches its hub through a proxy, and nothing else.

use anyhow::{Context, Result, ensure};
use tests::{
    clusters::standin::calisti::Behaviour,
    fleet::{Cluster, Dress},
    processes::{Spoke, SpokeOptions},
    proxy::Proxy,
};

use super::logged;
use crate::rig::Rig;

/// A name of the hub that only the proxy can resolve.
const HUB: &str = "hub.behind-the-proxy.invalid:7443";

const PASSWORD: &str = "open-sesame";

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_joins_and_attaches_through_a_proxy_and_says_what_is_wrong_with_it() -> Result<()> {
    let rig = Rig::start().await?;
    let cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    let invited = rig.fleet.command_line.json(&["cluster", "enrol", "eks-1"]).await?;
    let token = invited["token"].as_str().context("a token")?;
    let proxy = Proxy::start(&format!("spoke:{PASSWORD}"), HUB, rig.fleet.hub.address()).await?;
    let start = |log: &str, hub: &str, environment: &[(&str, String)]| {
        spoke(&rig, &cluster, (log, hub, token), environment)
    };
    let log = |name: &str| rig.path().join(format!("spoke-{name}.log"));

    let nobody = start("dead", HUB, &[("HTTPS_PROXY", "http://127.0.0.1:9".to_owned())])?;
    logged(&log("dead"), "cannot reach the proxy 127.0.0.1:9 that HTTPS_PROXY names").await?;
    nobody.stop().await?;

    let wrong = format!("http://spoke:{PASSWORD}-but-wrong@{}", proxy.address());
    let stranger = start("stranger", HUB, &[("https_proxy", wrong)])?;
    logged(&log("stranger"), "wants a user and a password that it knows").await?;
    stranger.stop().await?;

    let elsewhere = format!("http://spoke:{PASSWORD}@{}", proxy.address());
    let lost = start("elsewhere", "other.invalid:7443", &[("HTTPS_PROXY", elsewhere.clone())])?;
    logged(&log("elsewhere"), "does not let this spoke through to other.invalid:7443").await?;
    lost.stop().await?;
    ensure!(proxy.tunnels() == 0, "somebody got through");

    let welcome = start("welcome", HUB, &[("HTTPS_PROXY", elsewhere)])?;
    rig.fleet.connected("eks-1").await?;
    ensure!(proxy.tunnels() >= 2, "one tunnel to enrol and one to attach: {}", proxy.tunnels());
    welcome.stop().await?;

    let dead = ("HTTPS_PROXY", "http://127.0.0.1:9".to_owned());
    let direct = start("direct", rig.fleet.hub.address(), &[dead, ("NO_PROXY", "127.0.0.0/8".to_owned())])?;
    logged(&log("direct"), "attached").await?;
    direct.stop().await?;
    for name in ["dead", "stranger", "elsewhere", "welcome", "direct"] {
        let said = std::fs::read_to_string(log(name))?;
        ensure!(!said.contains(PASSWORD), "{name} tells the password:\n{said}");
    }
    rig.passed().await
}

fn spoke(
    rig: &Rig,
    cluster: &Cluster,
    (log, hub, token): (&str, &str, &str),
    environment: &[(&str, String)],
) -> Result<Spoke> {
    let options = SpokeOptions {
        name: log.to_owned(),
        hub: hub.to_owned(),
        kubeconfig: cluster.plane.directory().join("spoke.kubeconfig"),
        token: Some(token.to_owned()),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    Spoke::start(&rig.fleet.programs, &options, rig.path())
}
