//! `meshfleet apply`: documents in, and all mistakes at once.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use proto::v1::{AppliedDocument, ApplyDocumentsRequest, ApplyDocumentsResponse, Mistake, SourceFile};
use serde_json::{Value, json};

use crate::{
    args::Files,
    call::{Call, Outcome},
    failure::Failure,
    screen::{Screen, bad, faint, good, plain, strong},
};

/// More than the hub reads of one file: said here, it costs no sending.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What one request to the hub can carry, less what is around the files.
const LARGEST_REQUEST: usize = proto::MAX_MESSAGE_BYTES - 64 * 1024;

/// `apply`.
pub async fn apply(call: &Call, arguments: &Files) -> Result<Outcome, Failure> {
    let files = arguments.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    if files.iter().map(|file| file.text.len()).sum::<usize>() > LARGEST_REQUEST {
        return Err(Failure::TooLarge {
            name: "all files together".to_owned(),
            most: LARGEST_REQUEST as u64,
        });
    }
    let hub = call.hub().await?;
    let answer = hub.documents().apply(ApplyDocumentsRequest { files }).await;
    let answer = answer.map_err(|status| hub.refused(&status))?.into_inner();
    if answer.mistakes.is_empty() {
        call.answer(|screen| draw_applied(screen, &answer.applied), || to_json(&answer))?;
        return Ok(Outcome::Done);
    }
    call.remark(|screen| draw_mistakes(screen, &answer.mistakes));
    call.answer(|_| {}, || to_json(&answer))?;
    Ok(Outcome::Failed)
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
        let mut pieces = vec![plain(format!("{}/{name} ", kind.to_lowercase()))];
        if *version > 0 {
            pieces.push(plain(format!("v{version} ")));
        }
        pieces.push(if result == "unchanged" { faint(result) } else { good(result) });
        screen.line(2, &pieces);
    }
}

fn draw_mistakes(screen: &mut Screen, mistakes: &[Mistake]) {
    for Mistake { file, line, column, path, message, hint } in mistakes {
        let mut pieces = vec![strong(format!("{file}:{line}:{column}: "))];
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
    files.dedup();
    let count = format!("{} in {}", counted(mistakes.len(), "mistake"), counted(files.len(), "file"));
    screen.blank();
    screen.line(2, &[bad("error: "), plain(format!("{count}: nothing was stored"))]);
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn to_json(answer: &ApplyDocumentsResponse) -> Value {
    let applied = answer.applied.iter().map(|AppliedDocument { kind, name, result, version }| {
        json!({"kind": kind, "name": name, "result": result, "version": version})
    });
    let mistakes = answer.mistakes.iter().map(|Mistake { file, line, column, path, message, hint }| {
        json!({"file": file, "line": line, "column": column, "path": path, "message": message, "hint": hint})
    });
    json!({"applied": applied.collect::<Vec<_>>(), "mistakes": mistakes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

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
        ];
        insta::assert_snapshot!(golden(80, |screen| draw_applied(screen, &applied)));
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
        insta::assert_snapshot!(golden(80, |screen| draw_mistakes(screen, &mistakes)));
    }
}
