//! `meshfleet get` and `meshfleet schema`: documents as the hub has them, and what may stand in them.

use jiff::Timestamp;
use proto::v1::{DocumentSchemaRequest, GetDocumentsRequest, StoredDocument};
use serde_json::{Value, json};

use super::{one_name, reference};
use crate::{
    args::{Get, Kind},
    call::{Call, Outcome, now, pretty, write_out},
    failure::Failure,
    screen::{Piece, Screen, faint, or_dash, plain, strong},
    time,
};

/// `get [KIND [NAME]]`.
pub async fn get(call: &Call, arguments: Get) -> Result<Outcome, Failure> {
    let (kind, name) = match &arguments.kind {
        Some(wanted) => (wanted.kind.spelled(), one_name(wanted, arguments.name)?),
        None => ("", None),
    };
    let hub = call.hub().await?;
    let request = GetDocumentsRequest { kind: kind.to_owned(), name: name.clone().unwrap_or_default() };
    let answer = hub.documents().get(request).await.map_err(|status| hub.refused(&status))?;
    let stored = answer.into_inner().documents;
    let parsed = |document: &StoredDocument| serde_json::from_str(&document.document);
    let documents: Result<Vec<Value>, _> = stored.iter().map(parsed).collect();
    let documents = documents.map_err(|source| Failure::NoJson { what: "a document", source })?;
    let json = || match (&name, documents.as_slice()) {
        (Some(_), [one]) => one.clone(),
        _ => json!({"documents": documents}),
    };
    let names = || stored.iter().map(|document| reference(&document.kind, &document.name)).collect();
    call.documents(|screen| draw(screen, &stored, now()), &documents, json, names)?;
    if !stored.is_empty() {
        call.remark(|screen| screen.line(2, &[faint("as documents: -o yaml")]));
    }
    Ok(Outcome::Done)
}

fn draw(screen: &mut Screen, documents: &[StoredDocument], now: Timestamp) {
    if documents.is_empty() {
        screen.line(2, &[plain("no documents yet: store some with `meshfleet apply -f FILE`")]);
        return;
    }
    let row = |document: &StoredDocument| {
        let StoredDocument { kind, name, version, document: _, changed_by, changed_at } = document;
        let version = if *version == 0 { "-".to_owned() } else { format!("v{version}") };
        let when = match time::since(now, changed_at).as_str() {
            "" => "-".to_owned(),
            when => format!("{when} by {}", or_dash(changed_by)),
        };
        vec![plain(kind), strong(name), plain(version), plain(when)]
    };
    let rows: Vec<Vec<Piece>> = documents.iter().map(row).collect();
    screen.table(&["KIND", "NAME", "VERSION", "CHANGED"], &[1, 3], &rows);
}

/// `schema KIND`: JSON, also where text was asked for, because nothing else is of use to whoever reads it.
pub async fn schema(call: &Call, kind: Kind) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = DocumentSchemaRequest { kind: kind.spelled().to_owned() };
    let answer = hub.documents().schema(request).await.map_err(|status| hub.refused(&status))?;
    let schema: Result<Value, _> = serde_json::from_str(&answer.into_inner().schema);
    let schema = schema.map_err(|source| Failure::NoJson { what: "a schema", source })?;
    if call.is_for_people() {
        write_out(&pretty(&schema))?;
    } else {
        call.answer(|_| {}, || schema.clone(), || vec![kind.spelled().to_owned()])?;
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    #[test]
    fn documents_are_listed() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let stored = |kind: &str, name: &str, version, by: &str| StoredDocument {
            kind: kind.to_owned(),
            name: name.to_owned(),
            version,
            document: "{}".to_owned(),
            changed_by: by.to_owned(),
            changed_at: "2026-11-24T09:00:00Z".to_owned(),
        };
        let documents =
            [stored("MeshConfig", "payments", 4, "ana"), stored("RolloutStrategy", "careful", 0, "")];
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &documents, now)));
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &[], now)));
    }
}
