//! Schemas that a hub asks for: read anew from the cluster, one after the other, beside everything else of a session.

use std::{collections::VecDeque, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    cluster::Cluster,
    digest::Digest,
    facts::{Facts, Schema, load_schema},
};

/// A schema as it is told; none if the cluster does not have it any more, or it cannot be read.
pub(super) type Told = (Digest, Option<Vec<u8>>);

/// What is asked in one session.
pub(super) struct Schemas {
    cluster: Cluster,
    waiting: VecDeque<Schema>,
    reading: JoinSet<Told>,
}

impl Schemas {
    pub(super) fn begin(cluster: Cluster) -> Self {
        Self { cluster, waiting: VecDeque::new(), reading: JoinSet::new() }
    }

    /// Takes a question. What is not among the facts, or was asked already, is not told; at most as many as there are.
    pub(super) fn ask(&mut self, digests: Vec<Digest>, facts: Option<Arc<Facts>>) {
        for digest in digests {
            let seen =
                facts.as_ref().and_then(|facts| facts.schemas.iter().find(|seen| seen.digest == digest));
            let is_waiting = self.waiting.iter().any(|waiting| waiting.digest == digest);
            if let Some(seen) = seen.filter(|_| !is_waiting) {
                self.waiting.push_back(seen.clone());
            }
        }
        self.next();
    }

    /// The next one that was read; never, while none is asked for.
    pub(super) async fn told(&mut self) -> Told {
        loop {
            match self.reading.join_next().await {
                Some(Ok(told)) => {
                    self.next();
                    return told;
                }
                Some(Err(_)) => self.next(),
                None => std::future::pending().await,
            }
        }
    }

    fn next(&mut self) {
        if !self.reading.is_empty() {
            return;
        }
        let Some(schema) = self.waiting.pop_front() else { return };
        let client = self.cluster.client();
        self.reading.spawn(async move {
            let bytes = load_schema(&client, &schema).await.unwrap_or_else(|error| {
                tracing::warn!(
                    error = crate::chain(&error),
                    kind = schema.kind,
                    "a schema could not be read"
                );
                None
            });
            (schema.digest, bytes)
        });
    }
}
