//! Worked out together is the same as worked out alone.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Layers by name and by label, an override, and networks from a label; variables or not.
fn config_of(variables: bool) -> ConfigVersion {
    let layer = |text: serde_json::Value| serde_json::from_value(text).unwrap();
    let mut config = sail_config("1.30.3");
    config.clusters =
        Selector { match_labels: [("mesh".to_owned(), "payments".to_owned())].into(), ..Selector::default() };
    config.base["network"] = json!({"fromLabel": "network"});
    config.layers = vec![
        layer(
            json!({"name": "old", "clusters": {"matchLabels": {"stage": "old"}}, "set": {"istio": {"version": "1.29.6"}}}),
        ),
        layer(
            json!({"name": "alone", "clusters": {"names": ["default"]}, "set": {"values": {"istiod": {"pilot": {"autoscaleMin": 5}}}}}),
        ),
        layer(
            json!({"name": "elsewhere", "clusters": {"matchLabels": {"stage": "lab"}}, "set": {"network": {"fromLabel": "lab"}}}),
        ),
        layer(
            json!({"name": "plain", "clusters": {"matchLabels": {"stage": "plain"}}, "unset": ["network"]}),
        ),
    ];
    if variables {
        config.base["values"] = json!({"istiod": {"meshConfig": {"accessLogFile": "/${cluster}"}}});
    }
    version_of(config)
}

fn member() -> impl Strategy<Value = Cluster> {
    // Names that other texts of a plan hold as well.
    let names = prop::sample::select(vec![
        "default",
        "istio",
        "east",
        "istio-system",
        "sail",
        "a",
        "eks-eu-1",
        "payments",
    ]);
    let stages = prop::sample::select(vec!["", "old", "lab", "plain"]);
    let networks = prop::sample::select(vec![None, Some("default"), Some("net-1"), Some("not a network!")]);
    let document = prop::sample::select(vec![None, Some("west"), Some("default")]);
    let platforms = prop::sample::select(PlatformName::ALL.to_vec());
    (names, stages, networks, document, platforms, any::<bool>(), any::<bool>()).prop_map(
        |(called, stage, label, network, platform, declared, known)| {
            let labels =
                [("mesh", Some("payments")), ("stage", Some(stage)), ("network", label), ("lab", label)];
            let labels =
                labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
            Cluster {
                name: name(called),
                labels: labels.collect(),
                network: network.map(name),
                declared: declared.then_some(platform),
                facts: known.then(|| sail_facts(platform)),
                ..cluster(Facts::default())
            }
        },
    )
}

proptest! {
    #[test]
    fn together_is_as_alone(
        members in prop::collection::vec(member(), 1..24),
        variables in any::<bool>(),
    ) {
        let config = config_of(variables);
        let mut proposer = Proposer::new(&config);
        for cluster in &members {
            let alone = propose(&config, cluster).unwrap();
            let judged = proposer.judge(cluster).unwrap();
            prop_assert_eq!(judged.plan, alone.plan.as_ref().map(|plan| plan.digest));
            prop_assert_eq!(&judged.findings[..], &alone.findings[..]);
            prop_assert_eq!(proposer.propose(cluster).unwrap(), alone);
        }
    }
}
