//! Documents: `apply`, `diff`, `delete`, `get`, `schema`. All that is asked for is done, or nothing and every mistake
//! is said.

pub mod diff;
pub mod get;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use proto::v1::{
    AppliedDocument, ApplyDocumentsRequest, DeleteDocumentsRequest, DocumentName, Mistake, SourceFile,
};
use serde_json::{Value, json};

use crate::{
    args::{Delete, Files, Wanted},
    call::{Call, Outcome},
    failure::Failure,
    screen::{Piece, Screen, bad, counted, faint, good, plain, strong, warning},
};

/// More than the hub reads of one file: said here, it costs no sending.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What one request to the hub can carry, less what is around the files.
const LARGEST_REQUEST: usize = proto::MAX_MESSAGE_BYTES - 64 * 1024;

/// `apply`.
pub async fn apply(call: &Call, arguments: &Files) -> Result<Outcome, Failure> {
    let files = read_all(&arguments.files)?;
    let hub = call.hub().await?;
    let answer = hub.documents().apply(ApplyDocumentsRequest { files }).await;
    let answer = answer.map_err(|status| hub.refused(&status))?.into_inner();
    tell(call, "applied", &answer.applied, &answer.mistakes)
}

/// `delete`.
pub async fn delete(call: &Call, arguments: Delete) -> Result<Outcome, Failure> {
    let Delete { kind, name, files } = arguments;
    let documents = match kind {
        Some(wanted) => vec![named(wanted, name)?],
        None => Vec::new(),
    };
    let request = DeleteDocumentsRequest { documents, files: read_all(&files)? };
    let hub = call.hub().await?;
    let answer = hub.documents().delete(request).await;
    let answer = answer.map_err(|status| hub.refused(&status))?.into_inner();
    tell(call, "deleted", &answer.deleted, &answer.mistakes)
}

/// One document, and not all of a kind: to forget many, they are named.
fn named(wanted: Wanted, name: Option<String>) -> Result<DocumentName, Failure> {
    let kind = wanted.kind.spelled();
    let name = one_name(&wanted, name)?.ok_or(Failure::Usage {
        message: format!("which {kind}? Its name is missing"),
        hint: format!("`meshfleet get {}` lists them", kind.to_lowercase()),
    })?;
    Ok(DocumentName { kind: kind.to_owned(), name })
}

/// The name, which stands behind a slash or by itself.
fn one_name(wanted: &Wanted, name: Option<String>) -> Result<Option<String>, Failure> {
    match (&wanted.name, name) {
        (Some(one), Some(other)) => Err(Failure::Usage {
            message: format!("{one} and {other} are two names"),
            hint: "write KIND NAME or KIND/NAME".to_owned(),
        }),
        (one, other) => Ok(one.clone().or(other)),
    }
}

fn tell(call: &Call, verb: &str, done: &[AppliedDocument], mistakes: &[Mistake]) -> Result<Outcome, Failure> {
    let json = || {
        json!({
            verb: done.iter().map(applied_to_json).collect::<Vec<_>>(),
            "mistakes": mistakes_to_json(mistakes),
        })
    };
    if mistakes.is_empty() {
        let names = || done.iter().map(|document| reference(&document.kind, &document.name)).collect();
        call.answer(|screen| draw_applied(screen, done), json, names)?;
        return Ok(Outcome::Done);
    }
    let nothing = if verb == "deleted" { "nothing was deleted" } else { "nothing was stored" };
    refuse(call, mistakes, nothing, json)
}

/// Says every mistake, and what did not come of it.
fn refuse(
    call: &Call,
    mistakes: &[Mistake],
    nothing: &str,
    json: impl FnOnce() -> Value,
) -> Result<Outcome, Failure> {
    call.complain(|screen| draw_mistakes(screen, mistakes, nothing));
    call.answer(|_| {}, json, Vec::new)?;
    Ok(Outcome::Failed)
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Failure> {
    let files = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    if files.iter().map(|file| file.text.len()).sum::<usize>() > LARGEST_REQUEST {
        let name = "all files together".to_owned();
        return Err(Failure::TooLarge { name, most: LARGEST_REQUEST as u64 });
    }
    Ok(files)
}

fn read(path: &Path) -> Result<SourceFile, Failure> {
    let (name, text) = match path.to_str() {
        Some("-") => ("<stdin>".to_owned(), up_to_the_limit(io::stdin().lock())),
        _ => (path.display().to_string(), File::open(path).and_then(up_to_the_limit)),
    };
    let text = text.map_err(|source| Failure::File { name: name.clone(), source })?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(Failure::TooLarge { name, most: LARGEST_FILE });
    }
    Ok(SourceFile { name, text })
}

fn up_to_the_limit(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn draw_applied(screen: &mut Screen, applied: &[AppliedDocument]) {
    for AppliedDocument { kind, name, result, version } in applied {
        screen.line(2, &titled(kind, name, *version, result));
    }
}

/// A document, its version if it has any, and what became or would become of it.
fn titled(kind: &str, name: &str, version: u64, result: &str) -> Vec<Piece> {
    let mut pieces = vec![plain(format!("{} ", reference(kind, name)))];
    if version > 0 {
        pieces.push(plain(format!("v{version} ")));
    }
    pieces.push(match result {
        "unchanged" => faint(result),
        "deleted" => warning(result),
        _ => good(result),
    });
    pieces
}

/// A document as it is named on the command line: `meshconfig/payments`.
pub fn reference(kind: &str, name: &str) -> String {
    format!("{}/{name}", kind.to_lowercase())
}

fn draw_mistakes(screen: &mut Screen, mistakes: &[Mistake], nothing: &str) {
    for Mistake { file, line, column, path, message, hint } in mistakes {
        // A document that was named and not read stands in no file.
        let mut pieces = match file.as_str() {
            "" => Vec::new(),
            file => vec![strong(format!("{file}:{line}:{column}: "))],
        };
        if !path.is_empty() {
            pieces.push(plain(format!("{path}: ")));
        }
        pieces.push(bad(message));
        screen.line(4, &pieces);
        if !hint.is_empty() {
            screen.line(8, &[faint("  hint: "), plain(hint)]);
        }
    }
    let mut files: Vec<&str> = mistakes.iter().map(|mistake| mistake.file.as_str()).collect();
    files.retain(|file| !file.is_empty());
    files.sort_unstable();
    files.dedup();
    let mut count = counted(mistakes.len(), "mistake");
    if !files.is_empty() {
        count = format!("{count} in {}", counted(files.len(), "file"));
    }
    screen.blank();
    screen.line(2, &[bad("error: "), plain(format!("{count}: {nothing}"))]);
}

fn applied_to_json(document: &AppliedDocument) -> Value {
    let AppliedDocument { kind, name, result, version } = document;
    json!({"kind": kind, "name": name, "result": result, "version": version})
}

fn mistakes_to_json(mistakes: &[Mistake]) -> Vec<Value> {
    let mistake = |Mistake { file, line, column, path, message, hint }: &Mistake| json!({"file": file, "line": line, "column": column, "path": path, "message": message, "hint": hint});
    mistakes.iter().map(mistake).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args::Kind, screen::golden};

    fn mistake(file: &str, line: u32, column: u32, words: [&str; 3]) -> Mistake {
        let [path, message, hint] = words.map(str::to_owned);
        Mistake { file: file.to_owned(), line, column, path, message, hint }
    }

    #[test]
    fn applied_documents_are_one_line_each() {
        let applied = |kind: &str, name: &str, result: &str, version| AppliedDocument {
            kind: kind.to_owned(),
            name: name.to_owned(),
            result: result.to_owned(),
            version,
        };
        let applied = [
            applied("MeshConfig", "payments", "created", 1),
            applied("Cluster", "eu-1", "configured", 0),
            applied("RolloutStrategy", "careful", "unchanged", 0),
            applied("RolloutStrategy", "hasty", "deleted", 0),
        ];
        insta::assert_snapshot!(golden(80, |screen| draw_applied(screen, &applied)));
    }

    #[test]
    fn what_cannot_be_deleted_is_said() {
        let words =
            ["", "Cluster eks-eu-1 is Active", "detach it first: `meshfleet cluster detach eks-eu-1`"];
        let mistakes = [mistake("", 0, 0, words)];
        insta::assert_snapshot!(golden(80, |screen| draw_mistakes(screen, &mistakes, "nothing was deleted")));
    }

    #[test]
    fn only_one_document_is_deleted_by_its_name() {
        let wanted = |name: Option<&str>| Wanted { kind: Kind::MeshConfig, name: name.map(str::to_owned) };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(named(wanted(None), name("a")).unwrap().name, "a");
        assert_eq!(named(wanted(Some("a")), None).unwrap().kind, "MeshConfig");
        for failure in [named(wanted(None), None), named(wanted(Some("a")), name("b"))] {
            let failure = failure.unwrap_err();
            assert_eq!((failure.exit_code(), failure.reason()), (2, "client.usage"));
        }
    }

    #[test]
    fn mistakes_are_said_as_compilers_do() {
        let mistakes = [
            mistake(
                "mesh.yaml",
                7,
                11,
                ["spec.base.istio.verison", "unknown field", "did you mean `version`?"],
            ),
            mistake(
                "mesh.yaml",
                22,
                13,
                [
                    "spec.platform",
                    "unknown platform \"rose\u{1b}[2J\"",
                    "known: gke, eks, aks, rosa, openshift, generic",
                ],
            ),
            mistake("<stdin>", 1, 1, ["", "there is no document in this file", ""]),
        ];
        insta::assert_snapshot!(golden(80, |screen| draw_mistakes(screen, &mistakes, "nothing was stored")));
    }
}
