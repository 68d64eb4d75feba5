//! The connection to a hub: the address is where to dial, the name in the certificate is what is believed.
//!
//! Where the environment names a proxy, it is dialled through that: TLS goes from this spoke to the hub all the same, and
//! the proxy sees nothing but the address.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Error, Uri};

use super::proxy;

/// Longest time for dialling and the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a quiet connection is probed, and how long an answer may take: a hub that vanished is noticed within the sum.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Connects to the hub at `address` (HOST:PORT).
///
/// # Errors
/// If it cannot be reached, or is not who it must be.
pub async fn connect(address: &str, tls: ClientConfig) -> Result<Channel, Error> {
    // TLS is ours, so for tonic this is a plain connection; `origin` is what the hub gets to see.
    let endpoint = Endpoint::from_shared(format!("http://{}", proto::HUB_NAME))?
        .origin(Uri::from_static("https://hub.meshfleet"))
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let (address, tls) = (Arc::<str>::from(address), TlsConnector::from(Arc::new(tls)));
    let dial = move |_: Uri| {
        let (address, tls) = (Arc::clone(&address), tls.clone());
        async move {
            let name = ServerName::try_from(proto::HUB_NAME).map_err(std::io::Error::other)?;
            let stream = proxy::dial(&address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, stream).await?))
        }
    };
    endpoint.connect_with_connector(tower::service_fn(dial)).await
}
