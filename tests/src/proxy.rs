//! A proxy as companies have one: it lets through who gives the right password, by `CONNECT`, and knows where a name leads
//! that nobody else can resolve.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Longest head of a request.
const LONGEST: usize = 8 * 1024;

/// A running proxy. It ends, with everything that goes through it, when it is dropped.
pub struct Proxy {
    address: String,
    tunnels: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy that leads `name` to `address`, both `HOST:PORT`, for whoever has these credentials.
    pub async fn start(credentials: &str, name: &str, address: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a proxy")?;
        let own = listener.local_addr()?.to_string();
        let tunnels = Arc::new(AtomicUsize::new(0));
        let way = Arc::new(Way {
            authorization: format!("proxy-authorization: basic {}", BASE64_STANDARD.encode(credentials)),
            name: name.to_owned(),
            address: address.to_owned(),
            tunnels: Arc::clone(&tunnels),
        });
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let way = Arc::clone(&way);
                tunnels.spawn(async move { drop(way.lead(stream).await) });
            }
        });
        Ok(Self { address: own, tunnels, _running: running })
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many tunnels were opened.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::SeqCst)
    }
}

struct Way {
    authorization: String,
    name: String,
    address: String,
    tunnels: Arc<AtomicUsize>,
}

impl Way {
    async fn lead(&self, mut stream: TcpStream) -> Result<()> {
        let head = head(&mut stream).await?;
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let known = |line: &str| {
            let (name, value) = line.split_once(": Basic ").unwrap_or_default();
            format!("{}: basic {value}", name.to_ascii_lowercase()) == self.authorization
        };
        if !lines.any(known) {
            stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await?;
            return Ok(());
        }
        if !head.starts_with("CONNECT ") || target != self.name {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await?;
            return Ok(());
        }
        let mut onwards = TcpStream::connect(&self.address).await?;
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        self.tunnels.fetch_add(1, Ordering::SeqCst);
        copy_bidirectional(&mut stream, &mut onwards).await?;
        Ok(())
    }
}

/// Reads a request up to its empty line: what comes after that belongs to the tunnel.
async fn head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        ensure!(head.len() < LONGEST, "too long a head");
    }
    Ok(String::from_utf8(head)?)
}
