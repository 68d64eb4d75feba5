//! The page of metrics: plain HTTP on a port of its own, for `GET /metrics` and nothing else.
//!
//! It is bounded: so many readers at once, each with a few seconds, one answer a connection. It says nothing that is
//! secret, but names how large a fleet is and how it fares, so that it should be reachable for the scraper only.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Readers at once: a few scrapers and a person.
const READERS: usize = 8;

/// How long a reader may take, from the connection to the last byte.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How long to wait when the system has no file left for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What the text is, as OpenMetrics names it.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A port for metrics that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}")]
pub struct Error {
    address: String,
    #[source]
    source: io::Error,
}

/// A port that is open and not yet served.
#[derive(Debug)]
pub struct Port(TcpListener);

impl Port {
    /// Opens the port at `HOST:PORT`; port 0 takes a free one.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn open(address: &str) -> Result<Self, Error> {
        let opened = TcpListener::bind(address).await;
        opened.map(Self).map_err(|source| Error { address: address.to_owned(), source })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves what `text` gives, until `stop`. It is asked at each reading.
    pub async fn serve<F>(self, text: impl Fn() -> F + Clone + Send + Sync + 'static, stop: CancellationToken)
    where
        F: Future<Output = String> + Send + 'static,
    {
        let (places, mut readers) = (Arc::new(Semaphore::new(READERS)), JoinSet::new());
        loop {
            let next = async {
                // Who comes when all places are taken waits in the system's queue. The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.0.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = stop.cancelled() => return,
                next = next => next,
            };
            while readers.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let text = text.clone();
                    readers.spawn(async move {
                        let _ = timeout(READ_WITHIN, read(stream, text)).await;
                        drop(place);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

/// One reader. What goes wrong is the reader's: nothing is told of it.
async fn read<F>(stream: TcpStream, text: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = String> + Send + 'static,
{
    let text = &text;
    let answer = service_fn(move |request: Request<Incoming>| async move {
        Ok::<_, Infallible>(match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => page(text().await),
            (_, "/metrics") => refusal(StatusCode::METHOD_NOT_ALLOWED),
            _ => refusal(StatusCode::NOT_FOUND),
        })
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(READ_WITHIN)
        .keep_alive(false)
        .max_buf_size(16 * 1024);
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

fn page(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(CONTENT_TYPE));
    response
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"only GET /metrics is here\n")));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\nhost: hub\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn only_the_page_is_served() {
        let port = Port::open("127.0.0.1:0").await.unwrap();
        let (address, stop) = (port.address().unwrap(), CancellationToken::new());
        let server = tokio::spawn(port.serve(|| async { "up 1\n".to_owned() }, stop.clone()));
        let page = ask(address, "GET /metrics").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("up 1\n"), "{page}");
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
        // Readers that say nothing do not keep the port from ending.
        let _silent = TcpStream::connect(address).await.unwrap();
        stop.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let port = Port::open("127.0.0.1:0").await.unwrap();
        let address = port.address().unwrap().to_string();
        let error = Port::open(&address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot serve metrics at {address}"));
    }
}
