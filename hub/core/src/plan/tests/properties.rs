//! A digest depends on what rules read, and on nothing else.

use proptest::prelude::*;

use super::*;

fn platforms() -> impl Strategy<Value = PlatformName> {
    prop::sample::select(PlatformName::ALL.to_vec())
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
        prop_assert_eq!(digest(&wanted(), &before, platform), digest(&wanted(), &after, platform));
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
    fn applying_a_plan_does_not_change_it(platform in platforms(), kinds in other_kinds(), patch in 0_u32..99) {
        let mut before = facts(platform);
        before.namespaces.clear();
        let plan = plan(&input_of(&wanted(), &before, platform), rule::registry()).unwrap();
        let mut after = before;
        after.namespaces = plan.document.namespaces.iter().map(|name| labelled(name.as_str())).collect();
        after.kinds.extend(kinds);
        after.kinds.extend(["networking.istio.io/Gateway", "telemetry.istio.io/Telemetry"].map(str::to_owned));
        if let Some(version) = &mut after.cluster_version {
            version.current = format!("4.11.{patch}");
        }
        prop_assert_eq!(plan.digest.to_string(), digest(&wanted(), &after, platform));
    }

    #[test]
    fn every_body_has_the_digest_it_is_planned_under(platform in platforms()) {
        let plan = planned(platform, |_| ());
        prop_assert_eq!(Digest::of(&plan.bytes), plan.digest);
        for object in plan.document.phases.iter().flat_map(|phase| &phase.objects) {
            prop_assert_eq!(Digest::of(&plan.bodies[&object.body]), object.body);
        }
        let read: PlanDocument = serde_json::from_slice(&plan.bytes).unwrap();
        prop_assert_eq!(read, plan.document);
    }
}
