//! What hub, spoke and command line tell of themselves, what a rollout costs an API server, and the way through a proxy.

mod metrics;
mod proxy;
mod traces;
mod writes;

use std::path::Path;

use anyhow::{Context, Result};
use tests::{clusters::wait::until, fleet::PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Waits until a log says something, and gives the line.
async fn logged(log: &Path, what: &str) -> Result<String> {
    let awaited = format!("{} to say {what:?}", log.display());
    let said = until(&awaited, PATIENCE, || async {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        // Without its line end, the last line is still being written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(complete.lines().find(|line| line.contains(what)).map(str::to_owned))
    });
    said.await.with_context(|| std::fs::read_to_string(log).unwrap_or_default())
}

/// Reads the metrics whose place a log names.
async fn scrape(log: &Path) -> Result<String> {
    let line = logged(log, "metrics are served at ").await?;
    let url = line.rsplit("http://").next().context("a place")?;
    let (address, path) = url.split_once('/').context("a path")?;
    let mut stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
    let request = format!("GET /{} HTTP/1.1\r\nhost: {address}\r\n\r\n", path.trim());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head and a body")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}
