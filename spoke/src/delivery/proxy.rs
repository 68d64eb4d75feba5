//! The way to a hub through a proxy, as `HTTPS_PROXY` and `NO_PROXY` say it, in capitals or not. Only this way: the API
//! server of the cluster is reached directly.
//!
//! The proxy's URL may hold a user and a password. They are sent to the proxy, and said to nobody.

use std::{io, sync::LazyLock};

use hyper_util::{
    client::{
        legacy::connect::proxy::Tunnel,
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tonic::transport::Uri;
use tower::ServiceExt as _;

/// What the environment says; it does not change while the process lives.
static PROXIES: LazyLock<Matcher> = LazyLock::new(Matcher::from_env);

/// Why there is no way through a proxy.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the proxy {0} is none that this spoke can use: HTTPS_PROXY must be http://HOST:PORT")]
    Kind(String),
    #[error("cannot reach the proxy {proxy} that HTTPS_PROXY names")]
    Unreachable {
        proxy: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "the proxy {0} wants a user and a password that it knows: write HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT"
    )]
    Stranger(String),
    #[error("the proxy {proxy} does not let this spoke through to {hub}")]
    Refused {
        proxy: String,
        hub: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Dials `HOST:PORT`, through a proxy where there is one for it.
pub(super) async fn dial(address: &str) -> io::Result<TcpStream> {
    let hub: Uri = format!("https://{address}").parse().map_err(io::Error::other)?;
    match PROXIES.intercept(&hub) {
        None => TcpStream::connect(address).await,
        Some(proxy) => through(&proxy, hub).await.map_err(io::Error::other),
    }
}

async fn through(proxy: &Intercept, hub: Uri) -> Result<TcpStream, Error> {
    // The URI of an intercept has no user and no password in it.
    let (host, port) = (proxy.uri().host().unwrap_or_default(), proxy.uri().port_u16().unwrap_or(80));
    let named = format!("{host}:{port}");
    if proxy.uri().scheme_str() != Some("http") {
        return Err(Error::Kind(named));
    }
    // Dialled here, so that a proxy that is away is told from one that refuses.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let dialled = TcpStream::connect((host, port)).await;
    let stream = dialled.map_err(|source| Error::Unreachable { proxy: named.clone(), source })?;
    let mut stream = Some(TokioIo::new(stream));
    let dialled = tower::service_fn(move |_: Uri| {
        std::future::ready(stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    let mut tunnel = Tunnel::new(proxy.uri().clone(), dialled);
    if let Some(credentials) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(credentials.clone());
    }
    let address = hub.authority().map(ToString::to_string).unwrap_or_default();
    match tunnel.oneshot(hub).await {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error) if error.to_string().contains("authorization") => Err(Error::Stranger(named)),
        Err(error) => Err(Error::Refused { proxy: named, hub: address, source: Box::new(error) }),
    }
}
