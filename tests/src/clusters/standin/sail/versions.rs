//! Versions of Istio as the operator knows them: installable, alias, or at their end.
//!
//! Plays section 2 of the observations, *Versions*.

/// The default of `spec.version`: the newest of the list, a beta.
pub const NEWEST: &str = "v1.31.0-beta.1";

/// What can be installed, newest first.
pub const INSTALLABLE: [&str; 13] = [
    NEWEST,
    "v1.30.3",
    "v1.30.2",
    "v1.30.1",
    "v1.30.0",
    "v1.29.6",
    "v1.29.5",
    "v1.29.4",
    "v1.29.3",
    "v1.29.2",
    "v1.29.1",
    "v1.29.0",
    "v1.32.0-alpha.527f8d6c",
];

/// Names of versions that move with the operator.
pub const ALIASES: [(&str, &str); 4] = [
    ("v1.31-latest", NEWEST),
    ("v1.30-latest", "v1.30.3"),
    ("v1.29-latest", "v1.29.6"),
    ("master", "v1.32.0-alpha.527f8d6c"),
];

/// Minors at their end, each with its first and last patch: the schema takes them, the operator does not.
const ENDED: [(u32, u32, u32); 8] =
    [(28, 0, 10), (27, 0, 9), (26, 0, 8), (25, 1, 5), (24, 0, 6), (23, 2, 6), (22, 5, 8), (21, 6, 6)];

/// Why a version is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was, and is no more.
    EndOfLife,
    /// It is not in the list.
    Unknown,
}

/// The version to install, with aliases followed.
pub fn resolve(version: &str) -> Result<&'static str, Refused> {
    let alias = ALIASES.into_iter().find(|(alias, _)| *alias == version).map(|(_, of)| of);
    let installable = || INSTALLABLE.into_iter().find(|known| *known == version);
    match alias.or_else(installable) {
        Some(found) => Ok(found),
        None if ended().any(|known| known == version) => Err(Refused::EndOfLife),
        None => Err(Refused::Unknown),
    }
}

/// Everything that the schema of Istio and IstioCNI takes.
pub fn listed() -> Vec<String> {
    let aliases = ALIASES.map(|(alias, _)| alias.to_owned());
    let installable = INSTALLABLE.map(str::to_owned);
    aliases.into_iter().chain(installable).chain(ended()).collect()
}

/// The same without aliases, as the schema of IstioRevision has it.
pub fn numbered() -> Vec<String> {
    let latest = |version: &String| version.ends_with("-latest") || version == "master";
    listed().into_iter().filter(|version| !latest(version)).collect()
}

fn ended() -> impl Iterator<Item = String> {
    ENDED.into_iter().flat_map(|(minor, first, last)| {
        let patches = (first..=last).map(move |patch| format!("v1.{minor}.{patch}"));
        // 1.21 has no alias.
        let alias = (minor > 21).then(|| format!("v1.{minor}-latest"));
        patches.chain(alias)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_lead_to_versions_and_old_ones_nowhere() {
        assert_eq!(resolve("v1.30-latest"), Ok("v1.30.3"));
        assert_eq!(resolve("v1.29.0"), Ok("v1.29.0"));
        assert_eq!(resolve("v1.28.10"), Err(Refused::EndOfLife));
        assert_eq!(resolve("v1.28-latest"), Err(Refused::EndOfLife));
        assert_eq!(resolve("1.30.3"), Err(Refused::Unknown));
    }

    #[test]
    fn revisions_know_no_aliases() {
        assert!(ALIASES.iter().all(|(_, version)| INSTALLABLE.contains(version)));
        assert!(numbered().iter().all(|version| !version.ends_with("-latest")));
        assert!(listed().contains(&"v1.21.6".to_owned()) && !listed().contains(&"v1.21-latest".to_owned()));
    }
}
