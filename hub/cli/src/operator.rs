//! `meshfleet operator`: who may call the hub, and as what.
//!
//! The key of a new operator is made here and never leaves the file that it is written to: the hub only certifies it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use proto::v1::{
    AddOperatorRequest, AddOperatorResponse, ListOperatorsRequest, Operator, RevokeOperatorRequest,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::{
    args,
    call::{Call, Outcome, now},
    failure::Failure,
    screen::{Piece, Screen, faint, good, or_dash, plain, strong, warning},
    time,
};

/// `operator ...`.
pub async fn run(call: &Call, command: args::Operator) -> Result<Outcome, Failure> {
    match command {
        args::Operator::List => list(call).await,
        args::Operator::Add(add) => self::add(call, add).await,
        args::Operator::Revoke { name } => revoke(call, name).await,
    }
}

/// An operator as he is named on the command line.
fn reference(name: &str) -> String {
    format!("operator/{name}")
}

async fn list(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer =
        hub.operators().list(ListOperatorsRequest {}).await.map_err(|status| hub.refused(&status))?;
    let operators = answer.into_inner().operators;
    let json = || json!({"operators": operators.iter().map(to_json).collect::<Vec<_>>()});
    let names = || operators.iter().filter(|one| one.revoked_at.is_empty()).map(|one| reference(&one.name));
    call.answer(|screen| draw(screen, &operators, now()), json, || names().collect())?;
    Ok(Outcome::Done)
}

async fn add(call: &Call, arguments: args::AddOperator) -> Result<Outcome, Failure> {
    let args::AddOperator { name, role, out } = arguments;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{name}.context.json")));
    let own = call.context()?;
    let key = KeyPair::generate().map_err(|source| Failure::Key(Box::new(source)))?;
    let csr = CertificateParams::default().serialize_request(&key);
    let csr = csr.map_err(|source| Failure::Key(Box::new(source)))?.der().to_vec();
    let hub = call.hub().await?;
    // An operator whose context cannot be written would be of no use: so the file comes first.
    let file = create(&path)?;
    let request = AddOperatorRequest { name: name.clone(), role: role.as_str().to_owned(), csr };
    let answer = match hub.operators().add(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            drop(fs::remove_file(&path));
            return Err(hub.refused(&status));
        }
    };
    let context = context(&own.hub, &name, &answer, &key.serialize_pem());
    write(file, &context).map_err(|source| {
        let (name, path) = (name.clone(), path.clone());
        Failure::KeyLost { name, path, source }
    })?;
    let role = role.as_str();
    let told = json!({
        "name": name, "id": answer.id, "role": role, "context": path.display().to_string(),
        "expiresAt": answer.expires_at,
    });
    call.answer(
        |screen| draw_added(screen, (&name, role), &path, &answer, now()),
        || told,
        || vec![reference(&name)],
    )?;
    Ok(Outcome::Done)
}

async fn revoke(call: &Call, name: String) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = RevokeOperatorRequest { name: name.clone() };
    let answer = hub.operators().revoke(request).await.map_err(|status| hub.refused(&status))?;
    let unchanged = answer.into_inner().unchanged;
    let result = if unchanged { "unchanged" } else { "revoked" };
    let json = || json!({"name": name, "result": result});
    call.answer(|screen| draw_revoked(screen, &name, unchanged), json, || vec![reference(&name)])?;
    Ok(Outcome::Done)
}

/// What the command line reads to be this operator.
fn context(hub: &str, name: &str, answer: &AddOperatorResponse, key: &str) -> Value {
    json!({"hub": hub, "name": name, "ca": answer.ca, "certificate": answer.certificate, "key": key})
}

/// A new file that only its owner can read; one that is there stays as it is.
fn create(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|source| Failure::NotWritten { path: path.to_owned(), source })
}

fn write(mut file: File, context: &Value) -> std::io::Result<()> {
    file.write_all(format!("{context:#}\n").as_bytes())?;
    file.sync_all()
}

fn draw(screen: &mut Screen, operators: &[Operator], now: Timestamp) {
    let mut header = vec!["NAME", "ROLE", "ADDED", "REVOKED", ""];
    let mut rows: Vec<Vec<Piece>> = operators.iter().map(|operator| row(operator, now)).collect();
    if screen.is_wide() {
        header.push("ID");
        rows.iter_mut().zip(operators).for_each(|(row, operator)| row.push(faint(&operator.id)));
    }
    screen.table(&header, &[], &rows);
}

fn row(operator: &Operator, now: Timestamp) -> Vec<Piece> {
    let Operator { id: _, name, role, added_at, revoked_at, caller } = operator;
    let gone = !revoked_at.is_empty();
    let name = if gone { faint(name) } else { strong(name) };
    let revoked = if gone { warning(time::since(now, revoked_at)) } else { faint(or_dash("")) };
    let you = if *caller { good("you") } else { plain("") };
    vec![name, plain(role), plain(time::since(now, added_at)), revoked, you]
}

fn draw_added(
    screen: &mut Screen,
    (name, role): (&str, &str),
    path: &Path,
    answer: &AddOperatorResponse,
    now: Timestamp,
) {
    let ends = time::until(now, &answer.expires_at);
    screen.line(2, &[strong(reference(name)), plain(" "), good("added"), plain(format!(" as {role}"))]);
    screen.line(
        2,
        &[plain(format!("The context, with the private key, is in {} and nowhere else.", path.display()))],
    );
    screen.line(2, &[plain(format!("It is good for {ends}. Hand it over as you would a password; then:"))]);
    screen.command(format!("meshfleet --context {} status", path.display()));
}

fn draw_revoked(screen: &mut Screen, name: &str, unchanged: bool) {
    if unchanged {
        screen.line(2, &[strong(reference(name)), plain(" "), faint("unchanged: revoked before")]);
        return;
    }
    screen.line(2, &[strong(reference(name)), plain(" "), good("revoked")]);
    screen.line(2, &[plain("Refused from the next call on. What was done stays, and stays in the audit.")]);
}

fn to_json(operator: &Operator) -> Value {
    let Operator { id, name, role, added_at, revoked_at, caller } = operator;
    json!({
        "id": id, "name": name, "role": role, "addedAt": added_at, "revokedAt": Some(revoked_at).filter(|at| !at.is_empty()),
        "caller": caller,
    })
}

#[cfg(test)]
mod tests;
