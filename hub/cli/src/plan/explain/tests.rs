use proto::v1::PlanReason;

use super::*;
use crate::screen::golden;

fn leaf(path: &str, value: &str, origin: &str) -> ExplainedLeaf {
    ExplainedLeaf {
        path: path.to_owned(),
        value: value.to_owned(),
        origin: origin.to_owned(),
        ..ExplainedLeaf::default()
    }
}

fn rule(name: &str, reason: &str) -> Option<PlanReason> {
    Some(PlanReason {
        rule: name.to_owned(),
        reason: reason.to_owned(),
        source: "platform-facts 2.2".to_owned(),
    })
}

fn leaves() -> Vec<ExplainedLeaf> {
    let multus = rule(
        "openshift.cni.multus",
        "OpenShift's pods get their networks from Multus: a chained plugin is never called",
    );
    let by_multus = |path: &str, value: &str| ExplainedLeaf {
        rule: multus.clone(),
        fact: "platform ROSA classic, OpenShift 4.11.59".to_owned(),
        ..leaf(path, value, "rule")
    };
    let configured = ExplainedLeaf {
        layer: "rosa-eu-1".to_owned(),
        config_path: "layers[rosa-eu-1].set.istio.version".to_owned(),
        file: "mesh.yaml".to_owned(),
        line: 22,
        rule: rule("sail.istio-cni", "the operator installs the node agent from an IstioCNI"),
        ..leaf(".spec.version", r#""v1.29.6""#, "config")
    };
    let network = ExplainedLeaf {
        layer: "cluster".to_owned(),
        config_path: "network".to_owned(),
        ..leaf(".spec.values.global.network", r#""eu-1""#, "config")
    };
    let nobodys = ExplainedLeaf {
        layer: "default".to_owned(),
        config_path: "istio.updateStrategy".to_owned(),
        rule: rule("sail.istio-cni", "the operator installs the node agent from an IstioCNI"),
        ..leaf(".spec.updateStrategy.type", r#""InPlace""#, "config")
    };
    let overridden = ExplainedLeaf {
        rule: multus.clone(),
        note: "by ana until 2027-01-31: the nodes of this cluster have another folder".to_owned(),
        ..leaf(".spec.values.cni.cniConfDir", r#""/etc/x""#, "override")
    };
    let everywhere = ExplainedLeaf {
        rule: rule("sail.istio-cni", "the operator installs the node agent from an IstioCNI"),
        ..leaf(".spec.namespace", r#""istio-cni""#, "rule")
    };
    vec![
        leaf(".apiVersion", r#""sailoperator.io/v1""#, "structural"),
        leaf(".kind", r#""IstioCNI""#, "structural"),
        configured,
        everywhere,
        nobodys,
        network,
        by_multus(".spec.values.cni.chained", "false"),
        by_multus(".spec.values.cni.cniBinDir", r#""/var/lib/cni/bin""#),
        overridden,
    ]
}

fn answer() -> ExplainPlanResponse {
    let id = |kind: &str, namespace: &str| {
        Some(ObjectId {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: "default".to_owned(),
            ..ObjectId::default()
        })
    };
    ExplainPlanResponse {
        cluster: "rosa-eu-1".to_owned(),
        config: "payments".to_owned(),
        version: 4,
        platform_detail: "ROSA classic, OpenShift 4.11.59".to_owned(),
        objects: vec![
            ExplainedObject { id: id("IstioCNI", ""), form: "object".to_owned(), leaves: leaves() },
            ExplainedObject {
                id: id("DaemonSet", "istio-cni"),
                form: "expectation".to_owned(),
                leaves: vec![leaf(".kind", r#""DaemonSet""#, "structural")],
            },
        ],
    }
}

#[test]
fn every_value_has_its_origin() {
    insta::assert_snapshot!("explain", golden(120, |screen| draw(screen, &answer())));
    insta::assert_snapshot!("explain_at_80_columns", golden(80, |screen| draw(screen, &answer())));
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let asked = [("Istio/default", ""), ("", ".spec.x"), ("Istio/default", ".spec.x")];
    let shown =
        asked.map(|(object, path)| golden(80, |screen| draw_nothing(screen, &answer(), object, path)));
    insta::assert_snapshot!(shown.join("---\n"));
}

#[test]
fn objects_are_named_as_they_are_typed() {
    assert_eq!(slashed(answer().objects[0].id.as_ref()), "IstioCNI/default");
    assert_eq!(slashed(answer().objects[1].id.as_ref()), "DaemonSet/istio-cni/default");
}

#[test]
fn json_has_stable_names() {
    let mut answer = answer();
    answer.objects.truncate(1);
    answer.objects[0].leaves.drain(..2);
    answer.objects[0].leaves.truncate(1);
    insta::assert_snapshot!(format!("{:#}", to_json(&answer)));
}
