//! Export of spans over OTLP, where the environment names a collector.
//!
//! The variables are those of OpenTelemetry: `OTEL_EXPORTER_OTLP_ENDPOINT` switches it on, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and the rest mean what they mean everywhere. Spans wait in a bounded
//! queue, and are dropped where it is full: a collector that is away holds up nothing, and is told of once.

use std::{
    env,
    error::Error as _,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{
    RetryPolicy, SpanExporter, WithTonicConfig as _, tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SdkTracerProvider, SpanData, SpanExporter as Exporter},
};
use tokio::sync::Mutex;
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{
    Layer,
    filter::FilterFn,
    layer::{Filter, Identity, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::TARGET;

/// Variables that name a collector of spans.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// How long the last spans may take to leave. Whoever waits for the process waits for this, too.
const FLUSHED_WITHIN: Duration = Duration::from_secs(2);

/// What is exported in this process. It must be flushed at the end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exporting {
    provider: SdkTracerProvider,
    late: Arc<OnceLock<Vec<KeyValue>>>,
}

impl Exporting {
    /// Adds what is only known later to what every span says of its process. Only the first call counts.
    pub fn describe(&self, attributes: &[(&'static str, &str)]) {
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned()));
        let _ = self.late.set(attributes.collect());
    }

    /// Sends what waits to be sent, for as long as that may take. Must be called within the runtime that the process runs
    /// on, which goes on meanwhile.
    pub async fn flush(&self) {
        let provider = self.provider.clone();
        let shut_down = move || provider.shutdown_with_timeout(FLUSHED_WITHIN);
        // What could not be sent is lost; the exporter told of it.
        let _ = tokio::task::spawn_blocking(shut_down).await;
    }
}

/// Starts the log, and the export where the environment names a collector. Must be called within the runtime that the
/// process runs on. A second call, as in tests, changes nothing.
///
/// `log` must not show spans of the target [`TARGET`], see [`log_only`].
pub fn start<S, L>(registry: S, log: L, service: &'static str) -> Option<Exporting>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
    L: Layer<S> + Send + Sync + 'static,
{
    let (provider, late, wrong) = match provider(service) {
        None => (None, Arc::default(), None),
        Some((Ok(provider), late)) => (Some(provider), late, None),
        Some((Err(error), late)) => (None, late, Some(error)),
    };
    let layer = provider.as_ref().map(|provider| layer(provider.tracer("meshfleet")));
    // Only fails where a log was started already, and then that one stays.
    let _ = registry.with(log).with(layer).try_init();
    if let Some(error) = wrong {
        let why = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        tracing::warn!(error = why, "no traces are exported: what OTEL_EXPORTER_OTLP_… say cannot be used");
    }
    provider.map(|provider| Exporting { provider, late })
}

/// Starts the export of a process that has no log.
pub fn start_without_log(service: &'static str) -> Option<Exporting> {
    start(tracing_subscriber::registry(), Identity::new(), service)
}

/// What the log is made of: everything but the spans that are exported.
pub fn log_only<S>() -> impl Filter<S> {
    FilterFn::new(|metadata: &Metadata<'_>| metadata.target() != TARGET)
}

type Provider = Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError>;

/// None where the environment names no collector.
fn provider(service: &'static str) -> Option<(Provider, Arc<OnceLock<Vec<KeyValue>>>)> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if off || !ENDPOINTS.iter().any(|name| set(name).is_some()) {
        return None;
    }
    let late = Arc::<OnceLock<_>>::default();
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let mut resource = Resource::builder().with_attribute(version);
    if set("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    // What fails is not sent again: the next batch tells whether the collector is back.
    let mut exporter = SpanExporter::builder().with_tonic().with_retry_policy(RetryPolicy::disabled());
    if ENDPOINTS.iter().find_map(|name| set(name)).is_some_and(|endpoint| endpoint.starts_with("https:")) {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let exporter = exporter.build();
    let provider = exporter.map(|exporter| {
        let exporter = Told::new(exporter, Arc::clone(&late));
        SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build()
    });
    Some((provider, late))
}

fn layer<S>(tracer: opentelemetry_sdk::trace::SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(
            FilterFn::new(|metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TARGET)
                .with_max_level_hint(LevelFilter::INFO),
        )
}

/// An exporter that says when it fails, once, and when it works again.
struct Told<E> {
    /// Held while a batch is sent: batches are sent one after the other anyway.
    inner: Mutex<E>,
    resource: Resource,
    late: Arc<OnceLock<Vec<KeyValue>>>,
    described: AtomicBool,
    failing: AtomicBool,
}

impl<E> Told<E> {
    fn new(inner: E, late: Arc<OnceLock<Vec<KeyValue>>>) -> Self {
        let (described, failing) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            inner: Mutex::new(inner),
            resource: Resource::builder_empty().build(),
            late,
            described,
            failing,
        }
    }

    fn note(&self, sent: &OTelSdkResult) {
        match sent {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(OTelSdkError::AlreadyShutdown) => {}
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "traces cannot be exported: they are dropped until the collector is back");
                }
            }
        }
    }

    /// What is said of the process, once all of it is known.
    fn description(&self) -> Option<Resource> {
        let late = self.late.get().filter(|_| !self.described.swap(true, Ordering::Relaxed))?;
        let known = self.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        Some(Resource::builder_empty().with_attributes(known).with_attributes(late.clone()).build())
    }
}

impl<E> fmt::Debug for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl<E: Exporter + 'static> Exporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut inner = self.inner.lock().await;
        if let Some(resource) = self.description() {
            inner.set_resource(&resource);
        }
        let sent = inner.export(batch).await;
        self.note(&sent);
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.clone();
        self.inner.get_mut().set_resource(resource);
    }
}
