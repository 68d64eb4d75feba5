//! The fence's Secrets: `target`, and the chunks `target-<digest>-<n>`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Content, Fence, Incomplete};
use crate::{
    cluster,
    digest::Digest,
    fail_point,
    secrets::{Data, Secrets, Version},
    writes,
};

const NAME: &str = "target";
const CHUNK_PREFIX: &str = "target-";
const KEY: &str = "fence.json";
const CHUNK_KEY: &str = "chunk";

/// What can go wrong with the fence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read the accepted target")]
    Read(#[source] cluster::Error),
    /// The Secret `target` does not hold what this spoke wrote.
    #[error(
        "the Secret {NAME} is no fence that this spoke can read: restore it, or delete it to take the hub's target anew"
    )]
    Corrupt,
    /// Somebody else wrote the fence since it was read.
    #[error("the Secret {NAME} was changed by somebody else")]
    Moved,
    /// It could not be written.
    #[error("cannot persist the target")]
    Write(#[source] writes::Error),
}

/// What stands in the Secret `target`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    fence: Fence,
    chunks: usize,
    /// Where what led to it stands in a trace. Older spokes wrote none.
    #[serde(default)]
    traceparent: String,
}

/// What was found at the start.
#[derive(Debug)]
pub struct Loaded {
    /// The fence.
    pub fence: Fence,
    /// What it stands for, or why that is lost: then nothing is written until the hub sends it again.
    pub content: Result<Arc<Content>, Incomplete>,
    /// W3C trace context of what led to it; empty if there was none.
    pub traceparent: String,
}

/// Reads and writes the fence.
pub struct Store {
    secrets: Secrets,
    version: Option<Version>,
    chunks: usize,
    traceparent: String,
}

impl Store {
    /// A store over the spoke's Secrets.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, version: None, chunks: 0, traceparent: String::new() }
    }

    /// Reads what was accepted last; none before the first target.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(&mut self) -> Result<Option<Loaded>, Error> {
        let Some(secret) = self.secrets.find(NAME).await.map_err(Error::Read)? else {
            self.version = None;
            return Ok(None);
        };
        let record: Record =
            serde_json::from_slice(secret.bytes(KEY).ok_or(Error::Corrupt)?).map_err(|_| Error::Corrupt)?;
        self.version = Some(secret.version);
        self.chunks = record.chunks;
        self.traceparent.clone_from(&record.traceparent);
        let content = self.content(&record).await?;
        Ok(Some(Loaded { fence: record.fence, content, traceparent: record.traceparent }))
    }

    async fn content(&self, record: &Record) -> Result<Result<Arc<Content>, Incomplete>, Error> {
        let mut chunks = Vec::new();
        for number in 0..record.chunks {
            let found =
                self.secrets.find(&chunk_name(record.fence.target, number)).await.map_err(Error::Read)?;
            let Some(bytes) = found.as_ref().and_then(|secret| secret.bytes(CHUNK_KEY)) else {
                return Ok(Err(Incomplete::Damaged("a chunk is gone")));
            };
            chunks.push(bytes.to_vec());
        }
        Ok(Content::from_chunks(&chunks, record.fence.target).map(Arc::new))
    }

    /// Persists a target and makes it the accepted one. Once this returns, nothing older is ever applied.
    ///
    /// # Errors
    /// If it could not be persisted: then the former one stays the accepted one.
    pub async fn accept(
        &mut self,
        content: &Content,
        completed: u64,
        traceparent: &str,
    ) -> Result<Fence, Error> {
        fail_point::passed(fail_point::FENCE_BEFORE);
        let chunks = content.chunks();
        for (number, chunk) in chunks.iter().enumerate() {
            self.write_chunk(&chunk_name(content.digest, number), chunk).await?;
        }
        let fence = Fence {
            epoch: content.target.epoch,
            generation: content.target.generation,
            target: content.digest,
            completed,
        };
        fail_point::passed(fail_point::FENCE_STORED);
        let traceparent = traceparent.to_owned();
        self.compare_and_set(Record { fence, chunks: chunks.len(), traceparent }).await?;
        fail_point::passed(fail_point::FENCE_SET);
        Ok(fence)
    }

    /// Notes that the accepted target was applied to its end.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn complete(&mut self, fence: Fence) -> Result<Fence, Error> {
        let fence = Fence { completed: fence.generation, ..fence };
        let traceparent = self.traceparent.clone();
        fail_point::passed(fail_point::COMPLETED_BEFORE);
        self.compare_and_set(Record { fence, chunks: self.chunks, traceparent }).await?;
        fail_point::passed(fail_point::COMPLETED_AFTER);
        Ok(fence)
    }

    /// A chunk that is there already, from an attempt that was killed, is kept if it is whole.
    async fn write_chunk(&self, name: &str, chunk: &[u8]) -> Result<(), Error> {
        if let Some(found) = self.secrets.find(name).await.map_err(Error::Read)? {
            if found.bytes(CHUNK_KEY) == Some(chunk) {
                return Ok(());
            }
            self.secrets.delete(name, &found.version).await.map_err(Error::Write)?;
        }
        let data = Data::from([(CHUNK_KEY, chunk.to_vec())]);
        self.secrets.create_immutable(name, data).await.map(drop).map_err(Error::Write)
    }

    async fn compare_and_set(&mut self, record: Record) -> Result<(), Error> {
        let bytes = serde_json::to_vec(&record).map_err(|_| Error::Corrupt)?;
        let put = self.secrets.put(NAME, self.version.as_ref(), Data::from([(KEY, bytes.clone())])).await;
        let version = match put {
            Ok(version) => version,
            Err(writes::Error::Cluster(error)) if error.is_conflict() || error.is_not_found() => {
                self.after_a_move(&bytes).await?
            }
            Err(error) => return Err(Error::Write(error)),
        };
        self.version = Some(version);
        self.chunks = record.chunks;
        self.traceparent = record.traceparent;
        Ok(())
    }

    /// The Secret is not in the state that is known. Either an answer to our own write was lost, and it holds just what is
    /// to be written; or it was removed or changed by a hand: the caller reads it again.
    async fn after_a_move(&mut self, bytes: &[u8]) -> Result<Version, Error> {
        let found = self.secrets.find(NAME).await.map_err(Error::Read)?;
        match found {
            Some(secret) if secret.bytes(KEY) == Some(bytes) => Ok(secret.version),
            found => {
                tracing::error!(lost = found.is_none(), "the fence was touched by somebody else");
                // What stands there may be newer than what is known here: no write may replace it before it was read.
                self.version = None;
                Err(Error::Moved)
            }
        }
    }

    /// Deletes the chunks of all targets but `kept`.
    ///
    /// # Errors
    /// If one could not be deleted.
    pub async fn clean(&self, kept: Digest) -> Result<(), Error> {
        let kept = format!("{CHUNK_PREFIX}{}-", kept.short());
        for secret in self.secrets.list(CHUNK_PREFIX).await.map_err(Error::Read)? {
            if !secret.name.starts_with(&kept) {
                fail_point::passed(fail_point::CLEAN_BEFORE);
                self.secrets.delete(&secret.name, &secret.version).await.map_err(Error::Write)?;
                fail_point::passed(fail_point::CLEAN_AFTER);
            }
        }
        Ok(())
    }
}

fn chunk_name(target: Digest, number: usize) -> String {
    format!("{CHUNK_PREFIX}{}-{number}", target.short())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::watch;

    use super::*;
    use crate::{cluster::Cluster, freeze::Freeze, lease, samples, writes::Writes};

    #[tokio::test]
    async fn a_fence_that_moved_is_not_written_before_it_was_read_again() {
        let cluster = Cluster::new(samples::client(|method| if method == "GET" { 200 } else { 409 }));
        let held = lease::State::Held { until: Instant::now() + Duration::from_secs(60), term: 1 };
        let writes = Writes::new(watch::channel(held).1, watch::channel(1).1, watch::channel(Freeze::Free).1);
        let mut store = Store::new(Secrets::new(&cluster, "meshfleet", writes));
        let fence = Fence { epoch: 1, generation: 2, target: Digest::of(b""), completed: 1 };
        for _ in 0..2 {
            let set = store.compare_and_set(Record { fence, chunks: 1, traceparent: String::new() }).await;
            assert!(matches!(set, Err(Error::Moved)));
            assert_eq!(store.version, None, "what stands there may be newer");
        }
    }
}
