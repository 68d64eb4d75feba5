//! A digest depends on what rules read, and on nothing else.

use proptest::prelude::*;

use super::*;

fn platforms() -> impl Strategy<Value = PlatformName> {
    prop::sample::select(PlatformName::ALL.to_vec())
}

/// Each installer with its config and the facts of a sound cluster.
fn installers() -> impl Strategy<Value = (Effective, fn(PlatformName) -> Facts)> {
    let calisti: fn(PlatformName) -> Facts = facts;
    let sail: fn(PlatformName) -> Facts = sail_facts;
    prop_oneof![
        Just((wanted(), calisti)),
        Just((sail_wanted("1.29.6"), sail)),
        Just((sail_wanted("1.30.3"), sail)),
    ]
}

fn digest(config: &Effective, facts: &Facts, platform: PlatformName) -> String {
    plan(&input_of(config, facts, platform), rule::registry()).unwrap().digest.to_string()
}

/// Kinds that nothing but an installer or a user brings.
fn other_kinds() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        "(networking\\.istio\\.io|example\\.com|gateway\\.networking\\.k8s\\.io)/[A-Z][a-z]{2,8}",
        0..6,
    )
}

proptest! {
    #[test]
    fn nodes_namespaces_and_other_kinds_change_nothing(
        platform in platforms(),
        (config, facts) in installers(),
        count in 0_u32..5000,
        namespaces in prop::collection::vec("[a-z]{1,10}", 0..6),
        kinds in other_kinds(),
    ) {
        let before = facts(platform);
        let mut after = before.clone();
        after.nodes[0].count += count;
        after.nodes.push(nodes("", "v1.24.9", &["kubernetes.io/os"]));
        after.namespaces.extend(namespaces.into_iter().map(|name| NamespaceFacts { name, labels: BTreeMap::new() }));
        after.kinds.extend(kinds);
        prop_assert_eq!(digest(&config, &before, platform), digest(&config, &after, platform));
    }

    #[test]
    fn the_order_of_facts_and_names_changes_nothing(
        platform in platforms(),
        kinds in Just(facts(PlatformName::Rosa).kinds).prop_shuffle(),
        names in Just(vec![name("shop"), name("bank"), name("ledger"), name("bank")]).prop_shuffle(),
    ) {
        let mut one = facts(platform);
        one.kinds = facts(PlatformName::Rosa).kinds;
        let mut other = one.clone();
        other.kinds = kinds;
        other.namespaces.reverse();
        other.nodes.reverse();
        let mut sorted = wanted();
        sorted.base.data_plane.namespaces.names = vec![name("bank"), name("ledger"), name("shop")];
        let mut shuffled = wanted();
        shuffled.base.data_plane.namespaces.names = names;
        prop_assert_eq!(digest(&sorted, &one, platform), digest(&shuffled, &other, platform));
    }

    /// What an apply leaves behind: its namespaces, the installer's definitions, and labels that somebody set. Also an
    /// upgrade of the platform's patch.
    #[test]
    fn applying_a_plan_does_not_change_it(
        platform in platforms(),
        (config, facts) in installers(),
        kinds in other_kinds(),
        patch in 0_u32..99,
    ) {
        let mut before = facts(platform);
        before.namespaces.clear();
        let plan = plan(&input_of(&config, &before, platform), rule::registry()).unwrap();
        let mut after = before;
        after.namespaces = plan.document.namespaces.iter().map(|name| labelled(name.as_str())).collect();
        after.kinds.extend(kinds);
        after.kinds.extend(["networking.istio.io/Gateway", "telemetry.istio.io/Telemetry"].map(str::to_owned));
        if let Some(version) = &mut after.cluster_version {
            let minor = version.current.rsplit_once('.').unwrap().0;
            version.current = format!("{minor}.{patch}");
        }
        prop_assert_eq!(plan.digest.to_string(), digest(&config, &after, platform));
    }

    #[test]
    fn every_body_has_the_digest_it_is_planned_under(platform in platforms(), (config, facts) in installers()) {
        let plan = plan(&input_of(&config, &facts(platform), platform), rule::registry()).unwrap();
        prop_assert_eq!(Digest::of(&plan.bytes), plan.digest);
        let document = &plan.document;
        let objects = document.phases.iter().flat_map(|phase| &phase.objects).map(|object| object.body);
        let additions = document.additions.iter().map(|addition| addition.body);
        let templates = document.templates.iter().map(|template| template.body);
        for body in objects.chain(additions).chain(templates) {
            prop_assert_eq!(Digest::of(&plan.bodies[&body]), body);
        }
        let read: PlanDocument = serde_json::from_slice(&plan.bytes).unwrap();
        prop_assert_eq!(read, plan.document);
    }

    /// Layer and line, or rule id and the facts that it read, or structural: of each leaf of each body, and of all that
    /// is waited for.
    #[test]
    fn every_leaf_says_why_it_is_there(
        platform in platforms(),
        sail in any::<bool>(),
        values in values(),
        tproxy in any::<bool>(),
        cni in any::<bool>(),
        trust in any::<bool>(),
    ) {
        let mut config = if sail { sail_config("1.30.3") } else { config() };
        if sail {
            config.base["values"] = serde_json::json!({"istiod": values, "cni": {"env": values}});
        }
        if tproxy {
            config.base["dataPlane"]["interception"] = "TProxy".into();
        }
        if cni {
            config.base["dataPlane"]["cni"] = "enabled".into();
        }
        if trust {
            config.base["mesh"]["trustDomain"] = "example.com".into();
        }
        let (version, lines) = numbered(config);
        let facts = if sail { sail_facts(platform) } else { facts(platform) };
        let plan = propose(&version, &cluster(facts)).unwrap().plan.unwrap();
        for object in explain(&plan, &version.source) {
            for leaf in &object.leaves {
                let known = plan.provenance.get(&object.id).and_then(|origins| origins.get(&leaf.path));
                prop_assert!(known.is_some(), "{} {} has no reason", object.id, leaf.path);
                match &leaf.origin {
                    Origin::Structural => prop_assert!(
                        [".apiVersion", ".kind", ".metadata.name", ".metadata.namespace"].contains(&leaf.path.as_str())
                    ),
                    Origin::Config { origin, .. } => {
                        prop_assert_eq!(leaf.line, lines.get(&origin.path).copied(), "{}", &leaf.path);
                        prop_assert!(leaf.line.is_some() && leaf.file.is_some(), "{} {:?}", leaf.path, origin);
                    }
                    Origin::Rule { rule, fact } => {
                        let rule = rule::find(*rule).unwrap();
                        prop_assert_eq!(fact.is_some(), !rule.platforms.is_empty() || !rule.reads.is_empty());
                    }
                    Origin::Cluster { field, .. } => {
                        prop_assert!(["name", "network"].contains(&field.as_str()));
                    }
                    Origin::Override(_) => prop_assert!(false, "nothing is overridden"),
                }
            }
        }
    }
}

proptest! {
    /// Whatever the config says under `values`, there is a plan, what rules require stands in it, and each value that
    /// stands against them is told.
    #[test]
    fn no_value_keeps_a_plan_from_being_made(platform in platforms(), values in colliding()) {
        let mut config = sail_wanted("1.30.3");
        config.base.values.istiod = values.as_object().cloned().unwrap_or_default();
        config.base.values.cni = config.base.values.istiod.clone();
        let facts = sail_facts(platform);
        let made = plan(&input_of(&config, &facts, platform), rule::registry()).unwrap();
        let sound = sailed(platform, "1.30.3", |_| ());
        for kind in ["Istio", "IstioCNI"] {
            let planned = sound.document.phases[0].objects.iter().any(|object| object.id.kind == kind);
            if !planned {
                continue;
            }
            let (found, wanted) = (manifest(&made, kind), manifest(&sound, kind));
            let found = path::leaves("", &found);
            for (path, value) in path::leaves("", &wanted) {
                prop_assert_eq!(found.get(&path).copied(), Some(value), "{} {}", kind, path);
            }
            let platform = found.get(".spec.values.global.platform").copied();
            prop_assert!(platform.is_none() || platform.is_some_and(|name| name == "gke"), "{platform:?}");
        }
        // No rule can give what this value asks for where no plugin is planned, so that the referee alone speaks of it.
        let left_to_plugin = manifest(&made, "Istio")["spec"]["values"]["pilot"]["cni"]["enabled"] == true;
        let has_plugin = made.document.phases[0].objects.iter().any(|object| object.id.kind == "IstioCNI");
        let expected: &[&str] = if left_to_plugin && !has_plugin { &["sail.cni-missing"] } else { &[] };
        prop_assert_eq!(referee::blocking(&made, &facts), expected);
    }
}

/// Values at, above and below what rules speak of.
fn colliding() -> impl Strategy<Value = serde_json::Value> {
    let key = || {
        prop::sample::select(vec![
            "global",
            "meshID",
            "multiCluster",
            "clusterName",
            "platform",
            "pilot",
            "cni",
            "cniConfDir",
            "enabled",
            "revision",
        ])
    };
    let leaf = prop_oneof![
        Just(serde_json::json!("x")),
        Just(serde_json::json!({})),
        Just(serde_json::json!([1])),
        Just(true.into())
    ];
    let map = move |inner| {
        prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| {
            map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Value>()
        })
    };
    let value = leaf.prop_recursive(4, 16, 4, map);
    prop::collection::btree_map(key(), value, 0..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Maps with lists and scalars at some depth, under keys that no rule speaks of, one of which holds a dot.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let key = || prop::sample::select(vec!["alpha", "beta", "a.b/c", "gamma"]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<u16>().prop_map(serde_json::Value::from),
        "[a-z]{0,6}".prop_map(serde_json::Value::from),
        prop::collection::vec("[a-z]{1,3}", 0..3).prop_map(serde_json::Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::btree_map(key(), inner.clone(), 0..3)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            prop::collection::vec(inner, 0..3).prop_map(serde_json::Value::from),
        ]
    });
    prop::collection::btree_map(key(), value, 0..3)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The config with a line for each of its leaves.
fn numbered(config: MeshConfig) -> (ConfigVersion, BTreeMap<String, u32>) {
    let mut leaves = BTreeMap::new();
    crate::config::path::leaves(&config.base, "base", &mut leaves);
    let lines: BTreeMap<String, u32> = leaves.into_keys().zip(1_u32..).collect();
    let source = SourceMap { file: "fleet.yaml".to_owned(), lines: lines.clone() };
    (ConfigVersion { source, ..version_of(config) }, lines)
}
