use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pod() -> Value {
    json!({
        "metadata": {"annotations": {"meshfleet.dev/applied-by": "x"}, "finalizers": ["a/b", "c"]},
        "spec": {"containers": [
            {"name": "proxy", "image": "proxy:1"},
            {"name": "discovery", "image": "pilot:1", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]},
        ]},
    })
}

#[test]
fn a_path_finds_its_value() {
    let cases = [
        (r#".spec.containers[name="discovery"].image"#, json!("pilot:1")),
        (r#".spec.containers[name="discovery"].ports[containerPort=80,protocol="TCP"].name"#, json!("http")),
        (".spec.containers[0].image", json!("proxy:1")),
        (r#".metadata.finalizers[="a/b"]"#, json!("a/b")),
        (r#".metadata.annotations["meshfleet.dev/applied-by"]"#, json!("x")),
    ];
    for (path, value) in cases {
        assert_eq!(path.parse::<Path>().unwrap().get(&pod()), Some(&value), "{path}");
    }
}

#[test]
fn an_item_of_a_list_is_found_by_a_list_in_it() {
    let role = json!({"rules": [
        {"resources": ["pods"], "verbs": ["get"]},
        {"resources": ["securitycontextconstraints"], "resourceNames": ["privileged"], "verbs": ["use"]},
    ]});
    let cases = [
        (r#".rules[resources=["securitycontextconstraints"]].verbs"#, Some(json!(["use"]))),
        (
            r#".rules[resourceNames=["privileged"],resources=["securitycontextconstraints"]].verbs"#,
            Some(json!(["use"])),
        ),
        (r#".rules[resources=["pods","nodes"]].verbs"#, None),
        (r#".rules[resources={"a":[1]}].verbs"#, None),
    ];
    for (path, value) in cases {
        let read: Path = path.parse().unwrap();
        assert_eq!(read.get(&role), value.as_ref(), "{path}");
        assert_eq!(read.to_string(), path);
    }
}

#[test]
fn a_path_finds_nothing_where_nothing_is() {
    for path in
        [".status", r#".spec.containers[name="cni"].image"#, ".spec.containers[7]", ".spec.containers.image"]
    {
        assert_eq!(path.parse::<Path>().unwrap().get(&pod()), None, "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for text in
        ["", "spec", ".", "..a", ".a[", ".a[]", ".a[name]", ".a[name=x]", ".a[=]", ".a[1", r#".a["b]"#, ".a]"]
    {
        assert!(text.parse::<Path>().is_err(), "{text}");
    }
}

#[test]
fn keys_are_spelled_as_api_servers_spell_them() {
    let managed = ["f:spec", "f:ports", r#"k:{"protocol":"TCP","containerPort":80}"#, "f:name"];
    let path = Path::try_from(managed.map(str::to_owned).to_vec()).unwrap();
    assert_eq!(path.to_string(), r#".spec.ports[containerPort=80,protocol="TCP"].name"#);
}

fn elements() -> impl Strategy<Value = Element> {
    let name = "[a-zA-Z][a-zA-Z0-9-]{0,8}";
    let scalar = prop_oneof![any::<u16>().prop_map(Value::from), "[ -~]{0,10}".prop_map(Value::from)];
    let list = proptest::collection::vec(scalar.clone(), 0..3).prop_map(Value::from);
    let value = prop_oneof![scalar, list];
    prop_oneof![
        name.prop_map(Element::Field),
        (0..50usize).prop_map(Element::Index),
        value.clone().prop_map(Element::Item),
        proptest::collection::btree_map(name, value, 1..3)
            .prop_map(|key| Element::Key(key.into_iter().collect())),
    ]
}

proptest! {
    #[test]
    fn both_spellings_can_be_read_back(elements in proptest::collection::vec(elements(), 1..6)) {
        let path = Path(elements);
        prop_assert_eq!(path.to_string().parse::<Path>(), Ok(path.clone()));
        prop_assert_eq!(Path::try_from(Vec::<String>::from(path.clone())), Ok(path));
    }

    #[test]
    fn reading_a_path_never_panics(text in ".{0,60}") {
        let _ = text.parse::<Path>();
    }
}

#[test]
fn what_is_taken_away_leaves_nothing_empty_behind() {
    let cases = [
        (
            r#".spec.containers[name="discovery"].ports[containerPort=80,protocol="TCP"].containerPort"#,
            json!([{"name": "proxy", "image": "proxy:1"}, {"name": "discovery", "image": "pilot:1"}]),
        ),
        (
            r#".spec.containers[name="proxy"].image"#,
            json!([{"name": "proxy"}, {"name": "discovery", "image": "pilot:1",
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]}]),
        ),
        (r#".spec.containers[name="cni"].image"#, pod()["spec"]["containers"].clone()),
    ];
    for (path, left) in cases {
        let mut pod = pod();
        path.parse::<Path>().unwrap().remove(&mut pod);
        assert_eq!(pod["spec"]["containers"], left, "{path}");
    }
    let mut pod = pod();
    for path in
        [r#".metadata.annotations["meshfleet.dev/applied-by"]"#, r#".metadata.finalizers[="c"]"#, ".spec"]
    {
        path.parse::<Path>().unwrap().remove(&mut pod);
    }
    assert_eq!(pod, json!({"metadata": {"finalizers": ["a/b"]}}));
}

#[test]
fn a_value_is_replaced_only_where_one_stands() {
    let mut pod = pod();
    r#".spec.containers[name="proxy"].image"#.parse::<Path>().unwrap().replace(&mut pod, json!("proxy:2"));
    ".spec.paused".parse::<Path>().unwrap().replace(&mut pod, json!(true));
    assert_eq!(pod["spec"]["containers"][0], json!({"name": "proxy", "image": "proxy:2"}));
    assert!(pod["spec"].get("paused").is_none());
}
