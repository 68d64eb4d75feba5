//! The referee on versions: what goes with what, and what is supported how long.
//!
//! The same judgement answers for a plan and for a question without any cluster (`meshfleet catalog check`).

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Definitions, Finding, Seen, blocks, warns};
use crate::{
    catalog::{MinorVersion, Support, calisti, istio, sail},
    config::{InstallerKind, IstioVersion},
    fleet::Facts,
    plan::Intent,
    platform::{self, Release},
    schema::Schema,
};

/// Versions that are to go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    /// The Istio.
    pub istio: IstioVersion,
    /// Who installs it.
    pub installer: InstallerKind,
    /// The Kubernetes it runs on, if that is known.
    pub kubernetes: Option<MinorVersion>,
    /// The release of what the cluster runs on, if that is known.
    pub platform: Option<Release>,
}

impl Combination {
    /// What a plan puts on a cluster that showed `facts`.
    #[must_use]
    pub fn of(intent: &Intent, facts: &Facts) -> Self {
        let platform = platform::running(facts);
        let of_the_platform = platform.as_ref().and_then(|release| release.kubernetes);
        Self {
            istio: intent.version,
            installer: intent.installer,
            kubernetes: of_the_platform.or_else(|| MinorVersion::parse(&facts.kubernetes_version).ok()),
            platform,
        }
    }
}

impl Combination {
    /// All of it, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let installer = match self.installer {
            InstallerKind::Sail => "by the Sail operator",
            InstallerKind::Calisti => "by Calisti's operator",
        };
        let place = match (&self.platform, self.kubernetes) {
            (Some(release), Some(kubernetes)) if release.has_own_version => {
                format!(" on {}, Kubernetes {kubernetes}", release.name())
            }
            (Some(release), _) => format!(" on {}", release.name()),
            (None, Some(kubernetes)) => format!(" on Kubernetes {kubernetes}"),
            (None, None) => String::new(),
        };
        format!("Istio {} {installer}{place}", self.istio)
    }
}

/// What keeps a combination from working.
#[must_use]
pub fn combination(asked: &Combination) -> Vec<Finding> {
    [installer(asked), kubernetes(asked)].into_iter().flatten().collect()
}

/// What of a combination has no support on a day, or not for long. It warns, and never decides what is rolled out: the
/// same plan is good or not whatever the day.
#[must_use]
pub fn ageing(asked: &Combination, today: Date) -> Vec<Finding> {
    [age(asked, today), platform_age(asked, today)].into_iter().flatten().collect()
}

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts, definitions: Definitions<'_>) -> Vec<Finding> {
    let asked = Combination::of(plan.intent, facts);
    let named = match asked.installer {
        InstallerKind::Sail => definitions.of_kind("sailoperator.io/Istio").and_then(named_versions),
        InstallerKind::Calisti => None,
    };
    let installer = match named {
        Some(named) => by_this_sail(asked.istio, &named),
        None => installer(&asked),
    };
    [installer, kubernetes(&asked)].into_iter().flatten().collect()
}

/// The versions that a definition of the operator's names, oldest first: without those that are not released, and without
/// those that move.
fn named_versions(schema: &Schema) -> Option<Vec<IstioVersion>> {
    let words = schema.words(&["spec", "version"])?;
    let mut versions: Vec<IstioVersion> =
        words.iter().filter_map(|word| IstioVersion::parse(word.strip_prefix('v')?).ok()).collect();
    versions.sort_unstable();
    Some(versions)
}

/// What the definition that is installed says has the last word. That it names a version is no proof that it installs
/// it: the operator's own table of the past is not served, so the catalogue's holds for operators as new as it is.
fn by_this_sail(version: IstioVersion, named: &[IstioVersion]) -> Option<Finding> {
    if named.contains(&version) {
        let is_past = sail::verdict(version) == sail::Verdict::EndOfLife;
        let newest = sail::nearest(IstioVersion { major: 2, ..version });
        let is_as_new = named.iter().any(|one| (one.major, one.minor) >= (newest.major, newest.minor));
        return if is_past && is_as_new { by_sail(version) } else { None };
    }
    let nearest = named.iter().copied().min_by_key(|one| distance(*one, version));
    let mut newest: BTreeMap<(u32, u32), IstioVersion> = BTreeMap::new();
    for one in named {
        newest.insert((one.major, one.minor), *one);
    }
    let newest: Vec<String> = newest.values().rev().take(6).map(ToString::to_string).collect();
    let set = match nearest {
        Some(nearest) => format!(
            "set istio.version to {nearest}, the nearest that it names; of each minor the newest is {}",
            newest.join(", ")
        ),
        None => "it names none: look at the operator's installation".to_owned(),
    };
    Some(blocks(
        "sail.version",
        format!(
            "Istio {version} is not named by the definition that the operator installed in this cluster, which refuses it"
        ),
        format!("{set}; or install a newer release of the operator"),
    ))
}

/// How far two versions are from each other: a minor is farther than any patch.
fn distance(one: IstioVersion, other: IstioVersion) -> (u32, u32, u32) {
    (one.major.abs_diff(other.major), one.minor.abs_diff(other.minor), one.patch.abs_diff(other.patch))
}

fn installer(asked: &Combination) -> Option<Finding> {
    match asked.installer {
        InstallerKind::Sail => by_sail(asked.istio),
        InstallerKind::Calisti => by_calisti(asked.istio),
    }
}

fn by_sail(version: IstioVersion) -> Option<Finding> {
    let why = match sail::verdict(version) {
        sail::Verdict::Installable => return None,
        sail::Verdict::EndOfLife => "is past its end: the operator takes it and installs nothing",
        sail::Verdict::Unknown => "is not known to the operator, whose definition refuses it",
    };
    Some(blocks(
        "sail.version",
        format!("Istio {version} {why}"),
        format!(
            "set istio.version to {}, the nearest that it installs; it installs {}",
            sail::nearest(version),
            sail::installable()
        ),
    ))
}

fn by_calisti(version: IstioVersion) -> Option<Finding> {
    if calisti::release_for(version).is_some() {
        return None;
    }
    let taken: Vec<String> = calisti::RELEASES
        .iter()
        .map(|known| format!("1.{} ({})", known.istio_minor, known.operator))
        .collect();
    Some(blocks(
        "calisti.version",
        format!(
            "no release of Calisti's operator takes Istio {version}; it would ignore the control plane without a word"
        ),
        format!(
            "set base.istio.version to a patch of one of these minors, with the operator's release: {}",
            taken.join(", ")
        ),
    ))
}

fn age(asked: &Combination, today: Date) -> Option<Finding> {
    let minor = istio::find(asked.istio.minor).filter(|_| asked.istio.major == 1)?;
    let name = format!("Istio 1.{}", minor.minor);
    let message = match Support::on(today, Some(minor.end_of_life)) {
        Support::Good => return None,
        Support::EndsSoon(end) => format!("{name} has fixes until {end}"),
        Support::Ended(end) => format!("{name} has had no fixes since {end}"),
    };
    Some(warns("istio.end-of-life", message, newer(asked)))
}

fn newer(asked: &Combination) -> String {
    match asked.installer {
        InstallerKind::Calisti => "Calisti takes no newer Istio; plan a move to another installer".to_owned(),
        InstallerKind::Sail => {
            let newest = installed_minors(InstallerKind::Sail).into_iter().max();
            match newest.filter(|newest| *newest > asked.istio.minor) {
                Some(newest) => format!("set istio.version to a newer minor: the installer has 1.{newest}"),
                None => {
                    "the catalogue of this hub has no newer minor for this installer: look for a newer hub"
                        .to_owned()
                }
            }
        }
    }
}

/// What has Istio released for it, as seen from a version of Kubernetes.
fn kubernetes(asked: &Combination) -> Option<Finding> {
    let minor = istio::find(asked.istio.minor).filter(|_| asked.istio.major == 1)?;
    let running = asked.kubernetes?;
    if minor.runs_on(running) {
        return None;
    }
    let here = match &asked.platform {
        Some(release) if release.kubernetes == Some(running) => format!("{} has {running}", release.name()),
        _ => format!("the cluster has {running}"),
    };
    Some(blocks(
        "istio.kubernetes",
        format!(
            "Istio 1.{} was released for Kubernetes {} to {}; {here}",
            minor.minor, minor.kubernetes_from, minor.kubernetes_to
        ),
        format!(
            "{}; or answer for it under overrides: {{rule: istio.kubernetes, clusters: …, owner: …, reason: …, expires: …}}",
            nearest(asked, running)
        ),
    ))
}

/// The supported combinations nearest to one that is not: another Istio here, else another Kubernetes for what there is.
fn nearest(asked: &Combination, running: MinorVersion) -> String {
    let fits = |minor: &u32| istio::find(*minor).is_some_and(|known| known.runs_on(running));
    let here: Vec<u32> = installed_minors(asked.installer).into_iter().filter(fits).collect();
    if let Some(closest) =
        here.iter().min_by_key(|minor| (minor.abs_diff(asked.istio.minor), u32::MAX - **minor))
    {
        return format!("set istio.version to a patch of 1.{closest}, which goes with Kubernetes {running}");
    }
    let wanted = istio::find(asked.istio.minor);
    let host = asked.platform.as_ref().zip(wanted).and_then(|(release, wanted)| {
        let host = release.with_kubernetes(|kubernetes| wanted.runs_on(kubernetes))?;
        Some(format!(" ({host} has it)"))
    });
    let to = wanted.map(|wanted| {
        let near =
            if running < wanted.kubernetes_from { wanted.kubernetes_from } else { wanted.kubernetes_to };
        format!("a cluster with Kubernetes {near}{}", host.unwrap_or_default())
    });
    format!(
        "no Istio that this installer has was released for Kubernetes {running}: use {}",
        to.unwrap_or_else(|| "another cluster".to_owned())
    )
}

/// The minors of Istio that an installer has.
fn installed_minors(installer: InstallerKind) -> Vec<u32> {
    match installer {
        InstallerKind::Sail => sail::installable_minors().iter().map(|(minor, _)| *minor).collect(),
        InstallerKind::Calisti => calisti::RELEASES.iter().map(|release| release.istio_minor).collect(),
    }
}

/// What of the platform itself has no support on a day, or not for long.
pub(super) fn platform_ageing(facts: &Facts, today: Date) -> Option<Finding> {
    release_age(&platform::running(facts)?, today)
}

fn platform_age(asked: &Combination, today: Date) -> Option<Finding> {
    release_age(asked.platform.as_ref()?, today)
}

fn release_age(release: &Release, today: Date) -> Option<Finding> {
    let message = match Support::on(today, release.ends) {
        Support::Good => return None,
        Support::EndsSoon(end) => format!("{} has support until {end}", release.name()),
        Support::Ended(end) => format!("{} has had no support since {end}", release.name()),
    };
    let extended = release.extended_until.filter(|end| *end >= today);
    let extended = extended.map(|end| format!("; with extended support until {end}")).unwrap_or_default();
    Some(warns("platform.end-of-life", format!("{message}{extended}"), "upgrade the cluster".to_owned()))
}
