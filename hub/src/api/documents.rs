//! Documents in.

use hub_core::document::{self, Source};
use proto::v1::{self, documents_server};
use tonic::{Request, Response, Status};

use crate::{
    app::{
        App,
        documents::{self as use_case, Applied, AppliedDocument, Effect},
    },
    identity::problem,
};

/// Files in one request.
const MOST_FILES: usize = 1_000;

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
        if files.len() > MOST_FILES {
            return Err(problem::bad_field(
                "files",
                format!("{} files, at most {MOST_FILES} are taken", files.len()),
            ));
        }
        let sources: Vec<Source> = files.into_iter().map(source).collect();
        let applied =
            use_case::apply(&self.0, &operator, &sources).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(response(applied)))
    }

    async fn diff(
        &self,
        _: Request<v1::ApplyDocumentsRequest>,
    ) -> Result<Response<v1::DiffDocumentsResponse>, Status> {
        Err(Status::unimplemented("not built yet"))
    }

    async fn get(
        &self,
        _: Request<v1::GetDocumentsRequest>,
    ) -> Result<Response<v1::GetDocumentsResponse>, Status> {
        Err(Status::unimplemented("not built yet"))
    }

    async fn delete(
        &self,
        _: Request<v1::DeleteDocumentsRequest>,
    ) -> Result<Response<v1::DeleteDocumentsResponse>, Status> {
        Err(Status::unimplemented("not built yet"))
    }

    async fn schema(
        &self,
        _: Request<v1::DocumentSchemaRequest>,
    ) -> Result<Response<v1::DocumentSchemaResponse>, Status> {
        Err(Status::unimplemented("not built yet"))
    }
}

fn source(file: v1::SourceFile) -> Source {
    let v1::SourceFile { name, text } = file;
    Source { name, text }
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

fn applied_document(applied: AppliedDocument) -> v1::AppliedDocument {
    let AppliedDocument { kind, name, effect, version } = applied;
    let result = match effect {
        Effect::Created => "created",
        Effect::Configured => "configured",
        Effect::Unchanged => "unchanged",
    };
    v1::AppliedDocument {
        kind: kind.to_string(),
        name: name.to_string(),
        result: result.to_owned(),
        version: version.unwrap_or_default(),
    }
}

fn mistake(mistake: document::Mistake) -> v1::Mistake {
    let document::Mistake { file, line, column, path, message, hint } = mistake;
    v1::Mistake { file, line, column, path, message, hint }
}
