//! The fence: what this spoke last accepted, kept in its cluster, and the reason why it never goes back.
//!
//! # Design notes
//! *Flow*: the target, its plan and its bodies are written as immutable chunks; then one compare-and-set on the Secret
//! `target` makes them the accepted ones; then the hub is told; then the chunks of older targets go.
//! *Guarantees*: killed at any point, the spoke finds either the old target whole or the new one whole.
//! *Assumptions*: only this spoke writes these Secrets, under its Lease.

mod content;
mod store;

pub use content::{Content, Incomplete};
pub use store::{Error, Loaded, Store};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    document::Target,
    refusal::{Code, Refusal},
};

/// What was accepted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Epoch of the accepted target.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub target: Digest,
    /// The last generation that was applied to its end; 0 if none.
    pub completed: u64,
}

/// What to do with an offered target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is newer: take it.
    Accept,
    /// It is the accepted one: say so again.
    Again,
}

/// Decides on an offered target. Generations are compared alone: they never restart. The epoch only tells a hub of a
/// former life.
///
/// # Errors
/// With the reason why it is refused.
pub fn decide(
    fence: Option<&Fence>,
    cluster: &str,
    target: &Target,
    digest: Digest,
) -> Result<Decision, Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, target.generation, message));
    if target.cluster != cluster {
        return refuse(
            Code::WrongCluster,
            format!("it is for cluster {}, this is {cluster}", target.cluster),
        );
    }
    let Some(fence) = fence else { return Ok(Decision::Accept) };
    if target.epoch < fence.epoch {
        return refuse(
            Code::StaleEpoch,
            format!("epoch {} is older than the accepted {}", target.epoch, fence.epoch),
        );
    }
    if target.generation < fence.generation {
        return refuse(Code::StaleGeneration, format!("generation {} is accepted already", fence.generation));
    }
    if target.generation > fence.generation {
        return Ok(Decision::Accept);
    }
    if digest == fence.target {
        return Ok(Decision::Again);
    }
    refuse(Code::GenerationConflict, "this generation is accepted already with another target".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offered(cluster: &str, epoch: u64, generation: u64, digest: &[u8]) -> Result<Decision, Code> {
        let target = json!({"format": 1, "cluster": cluster, "epoch": epoch, "generation": generation,
            "plan": Digest::of(b""), "deletions": [], "overwrite": [], "adopt": "Never"});
        let target = Target::read(target.to_string().as_bytes()).unwrap();
        let fence = Fence { epoch: 2, generation: 7, target: Digest::of(b"accepted"), completed: 0 };
        decide(Some(&fence), "c1", &target, Digest::of(digest)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn only_what_is_newer_is_taken() {
        let cases = [
            (offered("c1", 2, 8, b"new"), Ok(Decision::Accept)),
            (offered("c1", 3, 9, b"new"), Ok(Decision::Accept)),
            (offered("c1", 2, 7, b"accepted"), Ok(Decision::Again)),
            (offered("c1", 2, 7, b"other"), Err(Code::GenerationConflict)),
            (offered("c1", 3, 7, b"other"), Err(Code::GenerationConflict)),
            (offered("c1", 2, 6, b"old"), Err(Code::StaleGeneration)),
            (offered("c1", 3, 6, b"old"), Err(Code::StaleGeneration)),
            (offered("c1", 1, 9, b"new"), Err(Code::StaleEpoch)),
            (offered("c2", 2, 8, b"new"), Err(Code::WrongCluster)),
        ];
        for (number, (decided, expected)) in cases.into_iter().enumerate() {
            assert_eq!(decided, expected, "case {number}");
        }
    }

    #[test]
    fn the_first_target_is_taken() {
        let target = json!({"format": 1, "cluster": "c1", "epoch": 1, "generation": 1,
            "plan": Digest::of(b""), "deletions": [], "overwrite": [], "adopt": "Never"});
        let target = Target::read(target.to_string().as_bytes()).unwrap();
        assert_eq!(decide(None, "c1", &target, Digest::of(b"")), Ok(Decision::Accept));
    }
}
