//! The rule of seccomp: which profiles filter system calls, as fields and as the annotations that came before them.
//!
//! # Design notes
//! Profiles have the annotations' spelling here (`runtime/default`, `unconfined`, `localhost/FILE`), because the server
//! compares that. An annotation wins over the field beside it and overwrites it; what names no profile removes it.
//! An SCC that lists no profile refuses every one, which is why a pod that names the runtime's own is not let in by it.

use std::{borrow::Cow, collections::BTreeMap};

use crate::context::SeccompProfile;

/// Of a pod.
pub const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// Of a container, whose name follows.
pub const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

const RUNTIME_DEFAULT: &str = "runtime/default";
/// The former spelling of the same.
const DOCKER_DEFAULT: &str = "docker/default";
const UNCONFINED: &str = "unconfined";
const LOCALHOST: &str = "localhost/";
const ANY: &str = "*";

/// Which profiles are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeccompRule<'a> {
    listed: &'a [String],
}

impl<'a> SeccompRule<'a> {
    pub(crate) fn new(listed: &'a [String]) -> Self {
        Self { listed }
    }

    /// Listed profiles without the word for any.
    fn profiles(self) -> impl Iterator<Item = &'a str> {
        self.listed.iter().map(String::as_str).filter(|profile| *profile != ANY)
    }

    /// The profile of a pod, as an annotation: its own, in whichever form, or else the first listed.
    pub(crate) fn of_pod(
        self,
        annotations: &BTreeMap<String, String>,
        field: Option<&SeccompProfile>,
    ) -> Option<String> {
        let profile = match (of_pod(annotations).filter(|profile| !profile.is_empty()), field) {
            (Some(annotated), _) => Some(annotated.to_owned()),
            (None, Some(field)) => Some(annotation(field).into_owned()),
            (None, None) => self.profiles().next().map(str::to_owned),
        };
        profile.filter(|profile| !profile.is_empty())
    }

    /// Whether a profile is allowed; an empty one is none. Both spellings of the runtime's own are the same.
    pub(crate) fn allows(self, profile: &str) -> bool {
        if self.listed.iter().any(|listed| listed == ANY) {
            return true;
        }
        if self.listed.is_empty() {
            return profile.is_empty();
        }
        let runtime_default = |profile: &str| profile == RUNTIME_DEFAULT || profile == DOCKER_DEFAULT;
        self.profiles().any(|listed| listed == profile || runtime_default(listed) && runtime_default(profile))
    }
}

/// The profile that a field names, as an annotation; empty where it names none.
pub(crate) fn annotation(field: &SeccompProfile) -> Cow<'static, str> {
    match (field.kind.as_str(), &field.localhost_profile) {
        ("Unconfined", _) => UNCONFINED.into(),
        ("RuntimeDefault", _) => RUNTIME_DEFAULT.into(),
        ("Localhost", Some(file)) => format!("{LOCALHOST}{file}").into(),
        _ => "".into(),
    }
}

/// The field that an annotation means, if it names a profile.
pub(crate) fn field(annotation: &str) -> Option<SeccompProfile> {
    let of_kind = |kind: &str| SeccompProfile { kind: kind.to_owned(), localhost_profile: None };
    match annotation {
        UNCONFINED => Some(of_kind("Unconfined")),
        RUNTIME_DEFAULT | DOCKER_DEFAULT => Some(of_kind("RuntimeDefault")),
        other => {
            let file = other.strip_prefix(LOCALHOST).filter(|file| !file.is_empty())?;
            Some(SeccompProfile { localhost_profile: Some(file.to_owned()), ..of_kind("Localhost") })
        }
    }
}

/// Whether an annotation names a profile as Kubernetes wants it: `localhost/` and a path that leads nowhere else.
pub(crate) fn is_profile(annotation: &str) -> bool {
    match annotation.strip_prefix(LOCALHOST) {
        Some(file) => descends(file),
        None => [RUNTIME_DEFAULT, DOCKER_DEFAULT, UNCONFINED].contains(&annotation),
    }
}

/// Whether a path stays below the folder that it begins in.
pub(crate) fn descends(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|part| part != "..")
}

/// Whether an annotation and the field beside it say the same.
pub(crate) fn agree(annotation: &str, written: &SeccompProfile) -> bool {
    match written.kind.as_str() {
        "Unconfined" | "RuntimeDefault" => field(annotation).is_some_and(|field| field.kind == written.kind),
        "Localhost" => {
            let file = annotation.strip_prefix(LOCALHOST);
            file.is_some() && file == written.localhost_profile.as_deref()
        }
        _ => true,
    }
}

/// The profile that a container ends up with, as an annotation; empty is none. Its own field counts before its
/// annotation, that before the pod's field, that before the pod's annotation.
pub(crate) fn effective<'a>(
    name: &str,
    own: Option<&SeccompProfile>,
    pod: Option<&SeccompProfile>,
    annotations: &'a BTreeMap<String, String>,
) -> Cow<'a, str> {
    if let Some(own) = own {
        return annotation(own);
    }
    if let Some(annotated) = of_container(name, annotations) {
        return annotated.into();
    }
    match pod {
        Some(pod) => annotation(pod),
        None => of_pod(annotations).unwrap_or_default().into(),
    }
}

/// The annotation of the pod, if it has one.
pub(crate) fn of_pod(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(POD_ANNOTATION).map(String::as_str)
}

/// The annotation of a container, if it has one.
pub(crate) fn of_container<'a>(name: &str, annotations: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let of_name = |(key, _): &(&String, &String)| key.strip_prefix(CONTAINER_ANNOTATION) == Some(name);
    annotations.iter().find(of_name).map(|(_, profile)| profile.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(listed: &[&str], profile: &str) -> bool {
        let listed: Vec<String> = listed.iter().map(|one| (*one).to_owned()).collect();
        SeccompRule::new(&listed).allows(profile)
    }

    #[test]
    fn no_listed_profile_is_none_allowed() {
        assert!(allows(&[], ""));
        assert!(!allows(&[], RUNTIME_DEFAULT));
        assert!(!allows(&[], UNCONFINED));
    }

    #[test]
    fn both_spellings_of_the_runtimes_profile_are_the_same() {
        assert!(allows(&[DOCKER_DEFAULT], RUNTIME_DEFAULT));
        assert!(allows(&[RUNTIME_DEFAULT], DOCKER_DEFAULT));
        assert!(!allows(&[RUNTIME_DEFAULT], UNCONFINED));
        assert!(!allows(&[UNCONFINED], RUNTIME_DEFAULT));
    }

    #[test]
    fn a_star_is_any_but_not_part_of_a_name() {
        assert!(allows(&[ANY, UNCONFINED], "localhost/x"));
        assert!(!allows(&["localhost/*"], "localhost/x"));
    }

    #[test]
    fn the_first_profile_that_is_not_a_star_is_filled_in() {
        let first = |listed: &[&str]| {
            let listed: Vec<String> = listed.iter().map(|one| (*one).to_owned()).collect();
            SeccompRule::new(&listed).of_pod(&BTreeMap::new(), None)
        };
        assert_eq!(first(&[ANY, RUNTIME_DEFAULT]).as_deref(), Some(RUNTIME_DEFAULT));
        assert_eq!(first(&[ANY]), None);
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn an_annotation_that_names_no_profile_is_no_field() {
        assert_eq!(field("bogus/profile"), None);
        assert_eq!(field(LOCALHOST), None);
        assert_eq!(
            field("localhost/a.json").map(|field| annotation(&field)).as_deref(),
            Some("localhost/a.json")
        );
    }
}
