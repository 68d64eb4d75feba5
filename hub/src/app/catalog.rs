//! What is known of versions. Data of this release: nothing is loaded, and nothing is written.

use hub_core::{
    catalog::{self, Entry, MinorVersion, Product, Support},
    config::{InstallerKind, IstioVersion},
    plan::{
        Finding,
        check::{Combination, ageing, combination},
    },
    platform::{self, PlatformName},
};
use jiff::{civil::Date, tz::TimeZone};

use super::{App, Error};

/// An entry, and how today stands to its end.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The entry.
    pub entry: Entry,
    /// How today stands to its end.
    pub support: Support,
}

/// Versions that are to go together, as somebody asks for them.
#[derive(Debug, Clone)]
pub struct Question {
    /// The Istio.
    pub istio: IstioVersion,
    /// Who installs it.
    pub installer: InstallerKind,
    /// What the clusters run on, with a version of its own or of Kubernetes.
    pub platform: Option<(PlatformName, MinorVersion)>,
    /// The Kubernetes, where it is not the platform's.
    pub kubernetes: Option<MinorVersion>,
}

/// Entries of all products or of one, of all its versions or of one.
pub fn list(app: &App, product: Option<Product>, version: Option<&str>) -> Result<Vec<Shown>, Error> {
    let today = today(app);
    let of_product = |entry: &Entry| product.is_none_or(|product| entry.product == product);
    let all: Vec<Entry> = catalog::entries().into_iter().filter(of_product).collect();
    let wanted = |entry: &&Entry| version.is_none_or(|version| is_version(entry, version));
    let found: Vec<Entry> = all.iter().filter(wanted).cloned().collect();
    if let (Some(version), [], Some(product)) = (version, &found[..], product) {
        let known = all.iter().map(|entry| entry.version.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::NotInCatalog { product: product.to_string(), version: version.to_owned(), known });
    }
    let shown = |entry: Entry| Shown { support: Support::on(today, entry.ends), entry };
    Ok(found.into_iter().map(shown).collect())
}

/// A version is also found by one of its patches.
fn is_version(entry: &Entry, asked: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches('v').to_owned();
    let (known, asked) = (bare(&entry.version), bare(asked));
    known == asked || asked.strip_prefix(&known).is_some_and(|rest| rest.starts_with('.'))
}

/// Judges versions that are to go together, with what was judged in words.
#[must_use]
pub fn check(app: &App, question: &Question) -> (String, Vec<Finding>) {
    let release = question.platform.map(|(name, version)| platform::of(name).release(version));
    let asked = Combination {
        istio: question.istio,
        installer: question.installer,
        kubernetes: question.kubernetes.or_else(|| release.as_ref().and_then(|release| release.kubernetes)),
        platform: release,
    };
    let mut findings = combination(&asked);
    findings.extend(ageing(&asked, today(app)));
    (asked.words(), findings)
}

/// The day in UTC: tables of support name days.
pub(super) fn today(app: &App) -> Date {
    app.clock.now().to_zoned(TimeZone::UTC).date()
}
