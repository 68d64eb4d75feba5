//! `meshfleet catalog`: what the hub knows of versions.

use proto::v1::{
    CatalogEntry, CatalogPairing, CatalogSupport, CheckCatalogRequest, CheckCatalogResponse, Finding,
    ListCatalogRequest, ListCatalogResponse,
};
use serde_json::{Value, json};

use crate::{
    args,
    call::{Call, Outcome},
    failure::Failure,
    screen::{Piece, Screen, bad, faint, good, plain, strong, warning},
};

/// `catalog ...`.
pub async fn run(call: &Call, command: args::Catalog) -> Result<Outcome, Failure> {
    match command {
        args::Catalog::List { product } => list(call, product.unwrap_or_default()).await,
        args::Catalog::Show { product, version } => show(call, product, version).await,
        args::Catalog::Check(check) => self::check(call, check).await,
    }
}

async fn ask(call: &Call, request: ListCatalogRequest) -> Result<ListCatalogResponse, Failure> {
    let hub = call.hub().await?;
    let answer = hub.catalog().list(request).await.map_err(|status| hub.refused(&status))?;
    Ok(answer.into_inner())
}

async fn list(call: &Call, product: String) -> Result<Outcome, Failure> {
    let answer = ask(call, ListCatalogRequest { product, version: String::new() }).await?;
    let names = || answer.entries.iter().map(reference).collect();
    call.answer(|screen| draw(screen, &answer), || to_json(&answer), names)?;
    Ok(Outcome::Done)
}

async fn show(call: &Call, product: String, version: String) -> Result<Outcome, Failure> {
    let answer = ask(call, ListCatalogRequest { product, version }).await?;
    let names = || answer.entries.iter().map(reference).collect();
    call.answer(|screen| draw_entries(screen, &answer), || to_json(&answer), names)?;
    Ok(Outcome::Done)
}

async fn check(call: &Call, arguments: args::Check) -> Result<Outcome, Failure> {
    let args::Check { istio, installer, platform, platform_version, kubernetes } = arguments;
    let request = CheckCatalogRequest {
        istio,
        installer,
        platform: platform.unwrap_or_default(),
        platform_version: platform_version.unwrap_or_default(),
        kubernetes: kubernetes.unwrap_or_default(),
    };
    let hub = call.hub().await?;
    let answer = hub.catalog().check(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let fits = !answer.findings.iter().any(|finding| finding.blocking);
    let json = || json!({"judged": answer.judged, "supported": fits, "findings": findings(&answer.findings)});
    call.answer(|screen| draw_check(screen, &answer), json, Vec::new)?;
    Ok(if fits { Outcome::Done } else { Outcome::Failed })
}

/// An entry as other tools may name it.
fn reference(entry: &CatalogEntry) -> String {
    format!("{}/{}", entry.product, entry.version)
}

fn draw(screen: &mut Screen, answer: &ListCatalogResponse) {
    let header = ["PRODUCT", "VERSION", "SUPPORTED UNTIL", "GOES WITH"];
    let row = |entry: &CatalogEntry| {
        let cells = [plain(&entry.product), strong(&entry.version), until(entry)];
        cells.into_iter().chain([plain(pairings(&entry.goes_with))]).collect::<Vec<Piece>>()
    };
    let rows: Vec<Vec<Piece>> = answer.entries.iter().map(row).collect();
    screen.columns(&header, &rows);
    screen.blank();
    let words = format!("as known on {}; `meshfleet catalog show PRODUCT VERSION` says more", answer.as_of);
    screen.line(2, &[faint(words)]);
}

fn pairings(all: &[CatalogPairing]) -> String {
    let one = |pairing: &CatalogPairing| format!("{} {}", pairing.title, pairing.versions);
    all.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn until(entry: &CatalogEntry) -> Piece {
    match entry.support() {
        CatalogSupport::Unspecified | CatalogSupport::Open => plain("-"),
        CatalogSupport::Good => good(&entry.ends),
        CatalogSupport::EndsSoon => warning(format!("{} soon", entry.ends)),
        CatalogSupport::Ended => bad(format!("{} ended", entry.ends)),
    }
}

fn draw_entries(screen: &mut Screen, answer: &ListCatalogResponse) {
    for entry in &answer.entries {
        screen.blank();
        screen.line(2, &[strong(format!("{} {}", entry.title, entry.version))]);
        for CatalogPairing { title, versions } in &entry.goes_with {
            screen.line(6, &[plain("  goes with "), plain(format!("{title} {versions}"))]);
        }
        if entry.support() != CatalogSupport::Open {
            screen.line(6, &[plain("  supported until "), until(entry)]);
        }
        for note in &entry.notes {
            screen.line(6, &[plain(format!("  {note}"))]);
        }
        if !entry.changes.is_empty() {
            screen.line(4, &[plain("  from this version on:")]);
        }
        for change in &entry.changes {
            screen.line(6, &[plain("  - "), plain(&change.what), faint(format!("  ({})", change.source))]);
        }
        screen.line(4, &[faint(format!("  source: {}", entry.source))]);
    }
}

fn draw_check(screen: &mut Screen, answer: &CheckCatalogResponse) {
    let CheckCatalogResponse { judged, findings } = answer;
    let fits = !findings.iter().any(|finding| finding.blocking);
    let verdict = if fits { good("supported    ") } else { bad("unsupported  ") };
    screen.line(13, &[verdict, strong(judged)]);
    for Finding { rule, blocking, message, hint } in findings {
        screen.blank();
        let rule = if *blocking { bad(rule) } else { warning(format!("! {rule}")) };
        screen.line(4, &[plain("  "), rule]);
        screen.line(4, &[plain("    "), plain(message)]);
        if !hint.is_empty() {
            screen.line(10, &[plain("    "), faint("hint: "), plain(hint)]);
        }
    }
}

fn to_json(answer: &ListCatalogResponse) -> Value {
    json!({"asOf": answer.as_of, "entries": answer.entries.iter().map(entry_to_json).collect::<Vec<_>>()})
}

fn entry_to_json(entry: &CatalogEntry) -> Value {
    let support = match entry.support() {
        CatalogSupport::Unspecified | CatalogSupport::Open => "open",
        CatalogSupport::Good => "good",
        CatalogSupport::EndsSoon => "endsSoon",
        CatalogSupport::Ended => "ended",
    };
    let pairings =
        entry.goes_with.iter().map(|pairing| json!({"product": pairing.title, "versions": pairing.versions}));
    let changes = entry.changes.iter().map(|change| json!({"what": change.what, "source": change.source}));
    json!({
        "product": entry.product, "version": entry.version, "goesWith": pairings.collect::<Vec<_>>(),
        "supportedUntil": if entry.ends.is_empty() { Value::Null } else { Value::from(entry.ends.clone()) },
        "support": support, "notes": entry.notes, "changes": changes.collect::<Vec<_>>(), "source": entry.source,
    })
}

fn findings(all: &[Finding]) -> Vec<Value> {
    let one = |Finding { rule, blocking, message, hint }: &Finding| json!({"rule": rule, "blocking": blocking, "message": message, "hint": hint});
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proto::v1::CatalogChange;

    use super::*;
    use crate::screen::golden;

    fn entry(version: &str, ends: &str, support: CatalogSupport) -> CatalogEntry {
        let pairing = |title: &str, versions: &str| CatalogPairing {
            title: title.to_owned(),
            versions: versions.to_owned(),
        };
        CatalogEntry {
            product: "istio".to_owned(),
            title: "Istio".to_owned(),
            version: version.to_owned(),
            goes_with: vec![pairing("Kubernetes", "1.32 to 1.36")],
            ends: ends.to_owned(),
            support: support.into(),
            notes: vec!["a note".to_owned()],
            changes: vec![CatalogChange {
                what: "sidecars are native".to_owned(),
                source: "notes".to_owned(),
            }],
            source: "istio.io, supported releases".to_owned(),
        }
    }

    fn answer() -> ListCatalogResponse {
        let entries = vec![
            entry("1.31", "", CatalogSupport::Open),
            entry("1.30", "2026-11-30", CatalogSupport::EndsSoon),
            entry("1.29", "2026-08-31", CatalogSupport::Ended),
        ];
        ListCatalogResponse { entries, as_of: "2026-11-21".to_owned() }
    }

    #[test]
    fn versions_are_a_table_and_one_is_told_in_full() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &answer())));
        insta::assert_snapshot!(golden(80, |screen| draw_entries(screen, &answer())));
        insta::assert_snapshot!(format!("{:#}", to_json(&answer())));
    }

    #[test]
    fn a_combination_is_supported_or_has_reasons() {
        let finding = |rule: &str, blocking| Finding {
            rule: rule.to_owned(),
            blocking,
            message: "Istio 1.30 was released for Kubernetes 1.32 to 1.36; the cluster has 1.31".to_owned(),
            hint: "set istio.version to a patch of 1.29".to_owned(),
        };
        let findings = vec![finding("istio.kubernetes", true), finding("istio.end-of-life", false)];
        let judged = "Istio 1.30.2 by the Sail operator on Kubernetes 1.31".to_owned();
        let refused = CheckCatalogResponse { judged: judged.clone(), findings };
        insta::assert_snapshot!(golden(80, |screen| draw_check(screen, &refused)));
        let good = CheckCatalogResponse { judged, findings: Vec::new() };
        insta::assert_snapshot!(golden(80, |screen| draw_check(screen, &good)));
    }
}
