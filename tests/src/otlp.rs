//! A collector of traces, as an operator would run one: it takes OTLP over gRPC and keeps what it got.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::ResourceSpans,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A span as it came, with what was said of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `service.name`.
    pub service: String,
    /// Everything else that was said of its process.
    pub process: BTreeMap<String, String>,
    /// Its name.
    pub name: String,
    /// Its trace, in hex.
    pub trace: String,
    /// Its id, in hex.
    pub id: String,
    /// The span that it hangs below, in hex; empty for the first of a trace.
    pub parent: String,
    /// Spans of other traces that it belongs with, by id.
    pub links: Vec<String>,
    /// What it says.
    pub attributes: BTreeMap<String, String>,
}

type Kept = Arc<Mutex<Vec<Span>>>;

/// A running collector. It ends when it is dropped.
pub struct Collector {
    endpoint: String,
    kept: Kept,
    _server: JoinSet<Result<(), tonic::transport::Error>>,
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a collector")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let kept = Kept::default();
        let service = TraceServiceServer::new(Keeper(Arc::clone(&kept)));
        let mut server = JoinSet::new();
        let listening = TcpListenerStream::new(listener);
        server.spawn(Server::builder().add_service(service).serve_with_incoming(listening));
        Ok(Self { endpoint, kept, _server: server })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` must say.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The spans of a trace that came so far.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.all().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Every span that came so far.
    #[must_use]
    pub fn all(&self) -> Vec<Span> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Keeper(Kept);

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let came = request.into_inner().resource_spans.into_iter().flat_map(spans);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(came);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans(of_process: ResourceSpans) -> Vec<Span> {
    let mut process = attributes(of_process.resource.unwrap_or_default().attributes);
    let service = process.remove("service.name").unwrap_or_default();
    let came = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
    came.map(|span| Span {
        service: service.clone(),
        process: process.clone(),
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        attributes: attributes(span.attributes),
    })
    .collect()
}

fn attributes(given: Vec<KeyValue>) -> BTreeMap<String, String> {
    given.into_iter().map(|KeyValue { key, value, .. }| (key, value.map_or_else(String::new, text))).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
