//! The accept loop: TCP, then TLS, then to the server that speaks gRPC. A client that does not finish its handshake in
//! time is dropped, and only so many may be on the way at once.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::{peer::Peer, spiffe::TrustDomain};

/// Long enough for a slow link, short enough that idle connections do not fill the places.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Handshakes at once; each costs a third of a millisecond of work and some kilobytes.
const HANDSHAKES: usize = 512;

/// Connections that wait for the server to take them.
const READY: usize = 64;

/// How long to wait when the system has no file left for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

/// Connections of a listener, each with its peer. The loop ends with `stop` or when nobody takes them any more.
pub fn connections(
    tasks: &mut JoinSet<()>,
    listener: TcpListener,
    tls: ServerConfig,
    trust_domain: TrustDomain,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (ready, taken) = mpsc::channel(READY);
    let handshake =
        Handshake { tls: TlsAcceptor::from(Arc::new(tls)), trust_domain: Arc::new(trust_domain), ready };
    tasks.spawn(async move {
        tokio::select! {
            () = accept(listener, handshake) => {}
            () = stop.cancelled() => {}
        }
    });
    taken
}

#[derive(Clone)]
struct Handshake {
    tls: TlsAcceptor,
    trust_domain: Arc<TrustDomain>,
    ready: mpsc::Sender<io::Result<Connection>>,
}

async fn accept(listener: TcpListener, handshake: Handshake) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    let mut running = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        while running.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(running.spawn(handshake.clone().run(stream, place))),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Handshake {
    /// A failure is the client's affair and happens at every port scan: nobody here has to look.
    async fn run(self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let address = stream.peer_addr().ok();
        // Small messages both ways: waiting to fill a packet only adds delay.
        let _ = stream.set_nodelay(true);
        match timeout(HANDSHAKE_WITHIN, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer::of(stream.get_ref().1.peer_certificates(), &self.trust_domain);
                // Fails when the server stops.
                let _ = self.ready.send(Ok(Connection { stream, peer })).await;
            }
            Ok(Err(error)) => tracing::debug!(?address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(?address, "a TLS handshake was not finished in time"),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
