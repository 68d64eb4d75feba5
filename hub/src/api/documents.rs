//! Documents in and out.

use hub_core::{
    document::{self, Kind, Source},
    fleet::Name,
};
use proto::v1::{self, documents_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        documents::{
            self as use_case, Applied, AppliedDocument, Deleted, Diffed, DocumentDiff, Effect, StoredDocument,
        },
    },
    identity::problem,
};

/// Files in one request.
const MOST_FILES: usize = 1_000;

/// Names of documents in one request.
const MOST_NAMES: usize = 5_000;

/// Longest name of a file, in bytes: it is kept with each version of a config.
const LONGEST_FILE_NAME: usize = 4_096;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents(App);

impl Documents {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> documents_server::DocumentsServer<Self> {
        documents_server::DocumentsServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl documents_server::Documents for Documents {
    async fn apply(
        &self,
        request: Request<v1::ApplyDocumentsRequest>,
    ) -> Result<Response<v1::ApplyDocumentsResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::ApplyDocumentsRequest { files } = request.into_inner();
        let applied = use_case::apply(&self.0, &operator, &sources(files)?)
            .await
            .map_err(|error| problem::of(&error))?;
        Ok(Response::new(response(applied)))
    }

    async fn diff(
        &self,
        request: Request<v1::ApplyDocumentsRequest>,
    ) -> Result<Response<v1::DiffDocumentsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ApplyDocumentsRequest { files } = request.into_inner();
        let diffed = use_case::diff(&self.0, &sources(files)?).await.map_err(|error| problem::of(&error))?;
        let (diffs, mistakes) = match diffed {
            Diffed::Diffs(diffs) => (diffs, Vec::new()),
            Diffed::Mistakes(mistakes) => (Vec::new(), mistakes),
        };
        Ok(Response::new(v1::DiffDocumentsResponse {
            diffs: diffs.into_iter().map(document_diff).collect(),
            mistakes: mistakes.into_iter().map(mistake).collect(),
        }))
    }

    async fn get(
        &self,
        request: Request<v1::GetDocumentsRequest>,
    ) -> Result<Response<v1::GetDocumentsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::GetDocumentsRequest { kind: word, name } = request.into_inner();
        let kind = if word.is_empty() { None } else { Some(kind("kind", &word)?) };
        let name = super::optional_name("name", &name)?;
        let found = use_case::get(&self.0, kind, name.as_ref()).await;
        let found = found.map_err(|error| problem::of(&error))?;
        let documents = found.into_iter().map(stored_document).collect();
        Ok(Response::new(v1::GetDocumentsResponse { documents }))
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteDocumentsRequest>,
    ) -> Result<Response<v1::DeleteDocumentsResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::DeleteDocumentsRequest { documents, files } = request.into_inner();
        let deleted = match (documents.is_empty(), files.is_empty()) {
            (false, true) if documents.len() > MOST_NAMES => {
                let why = format!("{} names, at most {MOST_NAMES} are taken", documents.len());
                return Err(problem::bad_field("documents", why));
            }
            (false, true) => {
                let names: Vec<(Kind, Name)> =
                    documents.iter().map(document_name).collect::<Result<_, _>>()?;
                use_case::delete(&self.0, &operator, &names).await.map(Deleted::Done)
            }
            (true, false) => use_case::delete_files(&self.0, &operator, &sources(files)?).await,
            (false, false) | (true, true) => {
                return Err(problem::bad_field("documents", "give either names or files"));
            }
        };
        let (deleted, mistakes) = match deleted.map_err(|error| problem::of(&error))? {
            Deleted::Done(deleted) => (deleted, Vec::new()),
            Deleted::Mistakes(mistakes) => (Vec::new(), mistakes),
        };
        Ok(Response::new(v1::DeleteDocumentsResponse {
            deleted: deleted.into_iter().map(applied_document).collect(),
            mistakes: mistakes.into_iter().map(mistake).collect(),
        }))
    }

    async fn schema(
        &self,
        request: Request<v1::DocumentSchemaRequest>,
    ) -> Result<Response<v1::DocumentSchemaResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::DocumentSchemaRequest { kind: word } = request.into_inner();
        let schema = document::schema_json(kind("kind", &word)?).to_string();
        Ok(Response::new(v1::DocumentSchemaResponse { schema }))
    }
}

fn kind(field: &str, word: &str) -> Result<Kind, Status> {
    let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
    known.ok_or_else(|| {
        let kinds: Vec<&str> = Kind::ALL.map(Kind::as_str).into();
        problem::bad_field(field, format!("{word:?} is no kind of document; there are {}", kinds.join(", ")))
    })
}

fn document_name(document: &v1::DocumentName) -> Result<(Kind, Name), Status> {
    let v1::DocumentName { kind: word, name } = document;
    Ok((kind("documents.kind", word)?, super::name("documents.name", name)?))
}

fn stored_document(stored: StoredDocument) -> v1::StoredDocument {
    let StoredDocument { kind, name, version, document, changed_by, changed_at } = stored;
    v1::StoredDocument {
        kind: kind.to_string(),
        name: name.to_string(),
        version: version.unwrap_or_default(),
        document: String::from_utf8_lossy(&document).into_owned(),
        changed_by: changed_by.unwrap_or_default(),
        changed_at: convert::time(changed_at),
    }
}

fn document_diff(diff: DocumentDiff) -> v1::DocumentDiff {
    let DocumentDiff { kind, name, effect, version, changes } = diff;
    v1::DocumentDiff {
        kind: kind.to_string(),
        name: name.to_string(),
        result: word(effect).to_owned(),
        version: version.unwrap_or_default(),
        changes: changes.into_iter().map(convert::document_change).collect(),
    }
}

fn sources(files: Vec<v1::SourceFile>) -> Result<Vec<Source>, Status> {
    if files.len() > MOST_FILES {
        let why = format!("{} files, at most {MOST_FILES} are taken", files.len());
        return Err(problem::bad_field("files", why));
    }
    files.into_iter().map(source).collect()
}

fn source(file: v1::SourceFile) -> Result<Source, Status> {
    let v1::SourceFile { name, text } = file;
    if name.len() > LONGEST_FILE_NAME {
        let why = format!("{} bytes, at most {LONGEST_FILE_NAME} are taken", name.len());
        return Err(problem::bad_field("files.name", why));
    }
    if name.chars().any(char::is_control) {
        return Err(problem::bad_field("files.name", "has control characters"));
    }
    Ok(Source { name, text })
}

fn response(applied: Applied) -> v1::ApplyDocumentsResponse {
    match applied {
        Applied::Stored(documents) => v1::ApplyDocumentsResponse {
            applied: documents.into_iter().map(applied_document).collect(),
            mistakes: Vec::new(),
        },
        Applied::Mistakes(mistakes) => v1::ApplyDocumentsResponse {
            applied: Vec::new(),
            mistakes: mistakes.into_iter().map(mistake).collect(),
        },
    }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Created => "created",
        Effect::Configured => "configured",
        Effect::Unchanged => "unchanged",
        Effect::Deleted => "deleted",
    }
}

fn applied_document(applied: AppliedDocument) -> v1::AppliedDocument {
    let AppliedDocument { kind, name, effect, version } = applied;
    v1::AppliedDocument {
        kind: kind.to_string(),
        name: name.to_string(),
        result: word(effect).to_owned(),
        version: version.unwrap_or_default(),
    }
}

fn mistake(mistake: document::Mistake) -> v1::Mistake {
    let document::Mistake { file, line, column, path, message, hint } = mistake;
    v1::Mistake { file, line, column, path, message, hint }
}
