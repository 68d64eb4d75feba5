//! Pods whose proxy is not of the version that their control plane has: they get it when they start anew.

use proto::v1::{ControlPlaneFacts, Facts, ProxyGroup};

use crate::screen::{Screen, counted, plain, strong, warning};

/// How many lines of these are shown.
const MOST: usize = 10;

/// Proxies beside the version of the control plane that serves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    pub namespace: String,
    pub count: u32,
    pub proxy: String,
    pub control_plane: String,
}

/// What needs a restart by what a spoke saw. A control plane that a rollout is about to replace has the old version still.
pub fn restarts(facts: &Facts) -> Vec<Restart> {
    let of = |group: &ProxyGroup| {
        let serves =
            |found: &&ControlPlaneFacts| found.revision == group.revision && !found.version.is_empty();
        let mut planes = facts.control_planes.iter().filter(serves);
        let ControlPlaneFacts { version, .. } = planes.next()?;
        // Two of one revision: which of them serves the pods is not seen.
        let only = planes.all(|other| other.version == *version);
        let differs = !group.version.is_empty() && release(&group.version) != release(version);
        (only && differs).then(|| Restart {
            namespace: group.namespace.clone(),
            count: group.count,
            proxy: group.version.clone(),
            control_plane: version.clone(),
        })
    };
    facts.proxies.iter().filter_map(of).collect()
}

/// `1.30.3-distroless` is a build of 1.30.3.
fn release(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// One line a group.
pub fn draw(screen: &mut Screen, restarts: &[Restart]) {
    if restarts.is_empty() {
        return;
    }
    screen.blank();
    let (shown, more) = screen.fold(restarts, MOST);
    for Restart { namespace, count, proxy, control_plane } in shown {
        let pods = counted(*count as usize, "pod");
        screen.line(
            4,
            &[
                strong(format!("namespace {namespace}: ")),
                plain(format!("{pods} with proxy {proxy}, control plane {control_plane}: ")),
                warning("restart"),
            ],
        );
    }
    if more > 0 {
        screen.line(4, &[plain(format!("… {more} more"))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_held_against_the_control_plane_of_their_revision() {
        let plane = |revision: &str, version: &str| ControlPlaneFacts {
            revision: revision.to_owned(),
            version: version.to_owned(),
            ..ControlPlaneFacts::default()
        };
        let group = |namespace: &str, revision: &str, version: &str| ProxyGroup {
            namespace: namespace.to_owned(),
            revision: revision.to_owned(),
            version: version.to_owned(),
            count: 2,
        };
        let facts = Facts {
            control_planes: vec![
                plane("default", "1.30.3"),
                plane("canary", "1.31.0"),
                plane("blind", ""),
                plane("two", "1.29.0"),
                plane("two", "1.29.1"),
            ],
            proxies: vec![
                group("new", "default", "1.30.3-distroless"),
                group("old", "default", "1.29.6"),
                group("canary", "canary", "1.31.0"),
                group("digest", "default", ""),
                group("blind", "blind", "1.1.1"),
                group("gone", "gone", "1.1.1"),
                group("two", "two", "1.29.1"),
            ],
            ..Facts::default()
        };
        let found: Vec<String> = restarts(&facts).into_iter().map(|restart| restart.namespace).collect();
        assert_eq!(found, ["old"]);
        assert_eq!(restarts(&Facts::default()), []);
    }

    #[test]
    fn a_restart_is_one_line() {
        let restarts = [Restart {
            namespace: "shop".to_owned(),
            count: 12,
            proxy: "1.29.6".to_owned(),
            control_plane: "1.30.3".to_owned(),
        }];
        let drawn = crate::screen::golden(80, |screen| draw(screen, &restarts));
        assert_eq!(drawn.trim(), "namespace shop: 12 pods with proxy 1.29.6, control plane 1.30.3: restart");
    }
}
