//! What a fence stands for: the target, its plan and its bodies, and their form in chunks.
//!
//! Pure. The form is an index in JSON, a newline, and the documents one after the other; chunk n is the bytes from
//! n · 768 KiB on. Each document is checked against its digest when it is read back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    document::{self, Plan, Target},
};

/// Bytes in a chunk: with base64 and metadata well below the 1.5 MiB that etcd takes.
pub const CHUNK_BYTES: usize = 768 * 1024;

/// An accepted target with everything that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The target.
    pub target: Target,
    /// Its bytes.
    pub target_bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// The plan.
    pub plan: Plan,
    /// Its bytes.
    pub plan_bytes: Vec<u8>,
    /// The bodies that the plan names.
    pub bodies: BTreeMap<Digest, Vec<u8>>,
}

/// Why a content cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// A document is missing.
    #[error("the document {0} is missing")]
    Missing(Digest),
    /// A document cannot be read.
    #[error("a document cannot be read")]
    Document(#[from] document::Error),
    /// The chunks do not hold what they should.
    #[error("the chunks are damaged: {0}")]
    Damaged(&'static str),
}

#[derive(Debug, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// The target first, then the plan, then the bodies.
    documents: Vec<Document>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    digest: Digest,
    size: usize,
}

impl Content {
    /// Puts a target together with the documents that it names. Others are left out.
    ///
    /// # Errors
    /// If one is missing or cannot be read.
    pub fn assemble(
        target_bytes: Vec<u8>,
        documents: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Self, Incomplete> {
        let find = |digest: Digest| documents.get(&digest).cloned().ok_or(Incomplete::Missing(digest));
        let target = Target::read(&target_bytes)?;
        let plan_bytes = find(target.plan)?;
        let plan = Plan::read(&plan_bytes)?;
        let mut bodies = BTreeMap::new();
        for body in plan.bodies() {
            bodies.insert(body, find(body)?);
        }
        Ok(Self { digest: Digest::of(&target_bytes), target, target_bytes, plan, plan_bytes, bodies })
    }

    /// A document of this content by its digest: what need not be fetched again.
    #[must_use]
    pub fn document(&self, digest: Digest) -> Option<&[u8]> {
        if digest == self.target.plan {
            return Some(&self.plan_bytes);
        }
        self.bodies.get(&digest).map(Vec::as_slice)
    }

    /// The chunks to store.
    ///
    /// # Panics
    /// Never: an index is plain data.
    #[must_use]
    pub fn chunks(&self) -> Vec<Vec<u8>> {
        let documents = [(self.digest, &self.target_bytes), (self.target.plan, &self.plan_bytes)];
        let documents: Vec<(Digest, &Vec<u8>)> =
            documents.into_iter().chain(self.bodies.iter().map(|(digest, body)| (*digest, body))).collect();
        let sizes = documents.iter().map(|(digest, bytes)| Document { digest: *digest, size: bytes.len() });
        let index = Index { format: 1, documents: sizes.collect() };
        let mut whole = serde_json::to_vec(&index).expect("plain data becomes JSON");
        whole.push(b'\n');
        documents.iter().for_each(|(_, bytes)| whole.extend_from_slice(bytes));
        whole.chunks(CHUNK_BYTES).map(<[u8]>::to_vec).collect()
    }

    /// Reads the chunks of the target with this digest.
    ///
    /// # Errors
    /// If they do not hold exactly it and everything that it names.
    pub fn from_chunks(chunks: &[Vec<u8>], digest: Digest) -> Result<Self, Incomplete> {
        let whole = chunks.concat();
        let end = whole.iter().position(|byte| *byte == b'\n').ok_or(Incomplete::Damaged("no index"))?;
        let index: Index =
            serde_json::from_slice(&whole[..end]).map_err(|_| Incomplete::Damaged("no index"))?;
        if index.format != 1 {
            return Err(Incomplete::Damaged("written by a newer spoke"));
        }
        let mut rest = &whole[end + 1..];
        let mut documents = BTreeMap::new();
        for document in index.documents {
            let bytes = rest.get(..document.size).ok_or(Incomplete::Damaged("too short"))?;
            if Digest::of(bytes) != document.digest {
                return Err(Incomplete::Damaged("a document is not its digest's"));
            }
            documents.insert(document.digest, bytes.to_vec());
            rest = &rest[document.size..];
        }
        let target = documents.remove(&digest).ok_or(Incomplete::Missing(digest))?;
        Self::assemble(target, &documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::content;

    #[test]
    fn chunks_give_back_what_was_put_in() {
        for values in [vec![], vec!["a".to_owned()], (0..30).map(|n| n.to_string().repeat(40_000)).collect()]
        {
            let content = content(3, &values);
            let chunks = content.chunks();
            assert_eq!(Content::from_chunks(&chunks, content.digest).unwrap(), content);
        }
    }

    #[test]
    fn damage_is_seen() {
        let content = content(3, &["a".to_owned(), "b".repeat(CHUNK_BYTES)]);
        let chunks = content.chunks();
        assert!(chunks.len() > 1);
        assert!(Content::from_chunks(&chunks[..1], content.digest).is_err());
        let mut flipped = chunks.clone();
        let last = flipped.last_mut().unwrap().last_mut().unwrap();
        *last ^= 1;
        assert!(Content::from_chunks(&flipped, content.digest).is_err());
        assert!(Content::from_chunks(&chunks, Digest::of(b"another")).is_err());
        assert!(Content::from_chunks(&[], content.digest).is_err());
    }
}
