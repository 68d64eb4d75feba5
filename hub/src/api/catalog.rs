//! What the hub knows of versions.

use hub_core::{
    catalog::{AS_OF, Entry, MinorVersion, Pairing, Product, Support},
    config::{InstallerKind, IstioVersion},
    platform::PlatformName,
};
use proto::v1::{self, catalog_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        catalog::{self as use_case, Question, Shown},
    },
    identity::problem,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    app: App,
}

impl Catalog {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> catalog_server::CatalogServer<Self> {
        catalog_server::CatalogServer::new(Self { app }).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl catalog_server::Catalog for Catalog {
    async fn list(
        &self,
        request: Request<v1::ListCatalogRequest>,
    ) -> Result<Response<v1::ListCatalogResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ListCatalogRequest { product, version } = request.into_inner();
        let parsed = (!product.is_empty()).then(|| Product::parse(&product));
        let product = parsed.transpose().map_err(|error| problem::bad_field("product", error))?;
        let version = (!version.is_empty()).then_some(version.as_str());
        let shown = use_case::list(&self.app, product, version).map_err(|error| problem::of(&error))?;
        let entries = shown.into_iter().map(entry).collect();
        Ok(Response::new(v1::ListCatalogResponse { entries, as_of: AS_OF.to_string() }))
    }

    async fn check(
        &self,
        request: Request<v1::CheckCatalogRequest>,
    ) -> Result<Response<v1::CheckCatalogResponse>, Status> {
        super::calling_operator(&request)?;
        let question = question(request.into_inner())?;
        let (judged, findings) = use_case::check(&self.app, &question);
        let findings = findings.into_iter().map(convert::finding).collect();
        Ok(Response::new(v1::CheckCatalogResponse { judged, findings }))
    }
}

fn question(message: v1::CheckCatalogRequest) -> Result<Question, Status> {
    let v1::CheckCatalogRequest { istio, installer, platform, platform_version, kubernetes } = message;
    let minor = |field: &str, text: &str| match text {
        "" => Ok(None),
        text => MinorVersion::parse(text).map(Some).map_err(|error| problem::bad_field(field, error)),
    };
    let version = minor("the platform's version", &platform_version)?;
    let platform = match (platform.as_str(), version) {
        ("", _) => None,
        (_, None) => return Err(problem::bad_field("the platform", "is asked for without its version")),
        (name, Some(version)) => {
            let name =
                PlatformName::parse(name).map_err(|error| problem::bad_field("the platform", error))?;
            Some((name, version))
        }
    };
    let installer = match installer.as_str() {
        "sail" => InstallerKind::Sail,
        "calisti" => InstallerKind::Calisti,
        other => {
            let message = format!("{other:?} is no installer: write sail or calisti");
            return Err(problem::bad_field("the installer", message));
        }
    };
    Ok(Question {
        istio: IstioVersion::parse(&istio).map_err(|error| problem::bad_field("istio", error))?,
        installer,
        platform,
        kubernetes: minor("kubernetes", &kubernetes)?,
    })
}

fn entry(shown: Shown) -> v1::CatalogEntry {
    let Shown { entry, support } = shown;
    let Entry { product, version, goes_with, ends, notes, changes, source } = entry;
    let support = match support {
        Support::Good if ends.is_none() => v1::CatalogSupport::Open,
        Support::Good => v1::CatalogSupport::Good,
        Support::EndsSoon(_) => v1::CatalogSupport::EndsSoon,
        Support::Ended(_) => v1::CatalogSupport::Ended,
    };
    let pairing = |Pairing { product, versions }| v1::CatalogPairing { title: product.to_string(), versions };
    let change =
        |(what, source): (&str, &str)| v1::CatalogChange { what: what.to_owned(), source: source.to_owned() };
    v1::CatalogEntry {
        product: product.word().to_owned(),
        title: product.to_string(),
        version,
        goes_with: goes_with.into_iter().map(pairing).collect(),
        ends: ends.map(|end| end.to_string()).unwrap_or_default(),
        support: support.into(),
        notes,
        changes: changes.into_iter().map(change).collect(),
        source: source.to_owned(),
    }
}
