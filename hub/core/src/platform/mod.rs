//! What clusters run on: one file a provider, each saying how it is recognised and which rules it brings.
//!
//! A platform judges facts and yields rules; it never writes anything, and nothing outside this folder asks which
//! platform it is.

mod name;
mod release;

mod cni_plugin;
mod cni_referee;
mod detect;
mod evidence;
mod foreign;
mod gateways;
mod sail_platform;
mod sign;

mod aks;
mod eks;
mod generic;
mod gke;
mod openshift;
mod rosa;

#[cfg(test)]
mod tests;

pub use cni_referee::judge as judge_cni;
pub use detect::{Detection, check_declared, detect};
pub use foreign::{foreign_mesh, foreign_revisions};
pub use gateways::load_balancers;
pub use name::{PlatformName, UnknownPlatform};
pub use release::Release;
pub use sign::{Sign, Strength};

use crate::{
    catalog::MinorVersion,
    fleet::Facts,
    plan::{Finding, check::Seen, rule::Rule},
};

/// A provider of clusters.
pub trait Platform: Sync {
    /// Its name.
    fn name(&self) -> PlatformName;

    /// What in the facts speaks for it. Nothing speaks for it if empty.
    fn recognise(&self, facts: &Facts) -> Vec<Sign>;

    /// What in the facts cannot be true of it, in words for people.
    fn contradicted_by(&self, _facts: &Facts) -> Option<String> {
        None
    }

    /// The platform that it is a kind of, if it is one: what speaks for both speaks for this one.
    fn kind_of(&self) -> Option<PlatformName> {
        None
    }

    /// The platform with its version, for people, for example `ROSA classic, OpenShift 4.11.59`.
    fn detail(&self, facts: &Facts) -> String;

    /// Its own version, if it has one beside that of Kubernetes.
    fn version(&self, _facts: &Facts) -> Option<MinorVersion> {
        None
    }

    /// One of its releases: of its own version where it has one, else of a version of Kubernetes.
    fn release(&self, version: MinorVersion) -> Release {
        Release::of_kubernetes("Kubernetes", version, |minor| minor.upstream)
    }

    /// The rules it brings. One that is a kind of another brings the other's too.
    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    /// The platform's own way to install an operator, in words, if the facts show this platform and it has one.
    fn operator_hint(&self, _facts: &Facts) -> Option<&'static str> {
        None
    }

    /// Judges a plan by what the facts show of this platform. Asked of every platform whatever the cluster was found to
    /// be: it also says where the plan holds what belongs on this platform only.
    fn referee(&self, _plan: &Seen<'_>, _facts: &Facts) -> Vec<Finding> {
        Vec::new()
    }
}

/// All platforms, the one that is taken when nothing speaks for another last.
#[must_use]
pub fn all() -> &'static [&'static dyn Platform] {
    &[&rosa::Rosa, &openshift::OpenShift, &gke::Gke, &eks::Eks, &aks::Aks, &generic::Generic]
}

/// The rules about load balancers of gateways, of all platforms.
#[must_use]
pub fn gateway_rules() -> &'static [Rule] {
    &gateways::RULES
}

/// The release that a cluster runs, as far as the facts show platform and version.
#[must_use]
pub fn running(facts: &Facts) -> Option<Release> {
    let platform = of(detect(facts).platform?);
    let kubernetes = || MinorVersion::parse(&facts.kubernetes_version).ok();
    match platform.kind_of().unwrap_or(platform.name()) {
        PlatformName::Openshift => platform.version(facts),
        _ => kubernetes(),
    }
    .map(|version| platform.release(version))
}

/// The platform of a name.
///
/// # Panics
/// Never: every name has its platform, which a test asserts.
#[must_use]
pub fn of(name: PlatformName) -> &'static dyn Platform {
    *all().iter().find(|platform| platform.name() == name).expect("every name has its platform")
}
