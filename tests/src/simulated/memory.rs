//! What a simulated cluster keeps between two sessions: its fence, the bodies it has, and the objects it says it runs.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use hub_core::{
    digest::Digest,
    plan::{ObjectId, PlanDocument},
    target::Target,
};
use proto::v1::{Accepted, BodyChunk, Fence, Header, ObjectState, Outcome, Report, Role, TargetPhase, Want};

/// What a simulated cluster keeps: digests and names, no bodies.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    fence: Option<Fence>,
    plan: Option<(Digest, Vec<(ObjectId, Digest)>)>,
    bodies: BTreeSet<Digest>,
}

/// A target that is being taken.
#[derive(Debug)]
pub(super) struct Taking {
    target: Target,
    digest: Digest,
    offered: BTreeSet<Digest>,
    lacking: BTreeSet<Digest>,
    /// Of the plan document, if it is not known.
    document: Vec<u8>,
}

impl Memory {
    /// What it last accepted.
    #[must_use]
    pub fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Looks at an offer: what rides with it is kept, and the rest is lacking.
    pub(super) fn offered(&self, header: Header) -> Result<Taking> {
        let target: Target = serde_json::from_slice(&header.target)?;
        let accepted = self.fence.as_ref().map_or(0, |fence| fence.generation);
        ensure!(target.generation > accepted, "generation {} came after {accepted}", target.generation);
        let offered: BTreeSet<Digest> =
            header.offers.iter().map(|offer| read(&offer.digest)).collect::<Result<_>>()?;
        let mut lacking: BTreeSet<Digest> = offered.difference(&self.bodies).copied().collect();
        if self.plan.as_ref().is_none_or(|(plan, _)| *plan != target.plan) {
            lacking.insert(target.plan);
        }
        let mut document = Vec::new();
        for body in header.bodies {
            let digest = read(&body.digest)?;
            ensure!(digest == Digest::of(&body.data), "a body is not what its digest says");
            lacking.remove(&digest);
            if digest == target.plan {
                document = body.data;
            }
        }
        Ok(Taking { digest: Digest::of(&header.target), target, offered, lacking, document })
    }

    /// Takes what is complete, and says so.
    pub(super) fn accept(&mut self, taking: Taking) -> Result<(Accepted, Report)> {
        let Taking { target, digest, offered, document, .. } = taking;
        if !document.is_empty() {
            let document: PlanDocument = serde_json::from_slice(&document)?;
            let objects = document.phases.into_iter().flat_map(|phase| phase.objects);
            self.plan = Some((target.plan, objects.map(|object| (object.id, object.body)).collect()));
        }
        self.bodies = offered;
        let target_digest = digest.as_bytes().to_vec();
        let (epoch, generation) = (target.epoch, target.generation);
        self.fence = Some(Fence {
            epoch,
            generation,
            target_digest: target_digest.clone(),
            completed_generation: generation,
        });
        let report = Report {
            generation,
            target_digest: target_digest.clone(),
            phase: TargetPhase::Healthy.into(),
            message: "simulated".to_owned(),
            objects: self.objects(generation),
            completed_generation: generation,
            frozen: String::new(),
        };
        Ok((Accepted { epoch, generation, target_digest }, report))
    }

    fn objects(&self, generation: u64) -> Vec<ObjectState> {
        let objects = self.plan.iter().flat_map(|(_, objects)| objects);
        let states = objects.map(|(id, body)| ObjectState {
            uid: format!("uid of {id}"),
            id: Some(wire(id)),
            role: Role::Created.into(),
            body_digest: body.as_bytes().to_vec(),
            outcome: Outcome::Created.into(),
            healthy: true,
            message: String::new(),
            generation,
        });
        states.collect()
    }
}

impl Taking {
    /// What has to be asked for; none if everything is there.
    pub(super) fn want(&self) -> Option<Want> {
        let digests: Vec<Vec<u8>> = self.lacking.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        (!digests.is_empty()).then_some(Want { generation: self.target.generation, digests })
    }

    /// Takes a piece of a body. Pieces of one come in order; true if nothing is lacking any more.
    pub(super) fn piece(&mut self, chunk: BodyChunk) -> Result<bool> {
        let digest = read(&chunk.digest)?;
        if !self.lacking.contains(&digest) {
            bail!("a body came that was not asked for");
        }
        if digest == self.target.plan {
            self.document.extend(chunk.data);
        }
        if chunk.last {
            self.lacking.remove(&digest);
        }
        Ok(self.lacking.is_empty())
    }
}

fn read(digest: &[u8]) -> Result<Digest> {
    Digest::try_from(digest).map_err(|_| anyhow::anyhow!("a digest of {} bytes", digest.len()))
}

fn wire(id: &ObjectId) -> proto::v1::ObjectId {
    proto::v1::ObjectId {
        group: id.group.clone(),
        version: id.version.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}
