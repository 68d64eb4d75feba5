//! What a target with a plan would delete in a cluster, from what is known of it now.

use std::{borrow::Cow, collections::BTreeMap};

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    plan::{self, ObjectId, PlanDocument},
    report::{ObjectState, Outcome, Role},
    rollout::DeletionCount,
    target::{Deletion, TemplateDeletion},
};
use sqlx::PgConnection;

use crate::store::{self, targets::FormerPlans};

/// What would be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleting {
    /// Objects, in the order of deleting.
    pub deletions: Vec<Deletion>,
    /// Templates whose instances are deleted.
    pub templates: Vec<TemplateDeletion>,
    /// The instances of these templates, as the spoke last said.
    instances: Vec<ObjectId>,
    /// Objects that the spoke made or took over, as it last said.
    inventory: usize,
}

/// Clusters that are looked at together: few enough that their former plans fit in memory.
const AT_ONCE: usize = 1000;

/// What targets with new plans would delete, by cluster: some queries for all of them.
pub async fn load(
    tx: &mut PgConnection,
    new: &[(ClusterId, &PlanDocument)],
) -> Result<BTreeMap<ClusterId, Deleting>, store::Error> {
    let mut deleting = BTreeMap::new();
    for some in new.chunks(AT_ONCE) {
        let ids: Vec<ClusterId> = some.iter().map(|(cluster, _)| *cluster).collect();
        let completed = store::acceptance::completed(tx, &ids).await?;
        let former = Former::load(tx, &completed).await?;
        let mut inventories = store::reports::objects_of(tx, &ids).await?;
        for (cluster, new) in some {
            let inventory = inventories.remove(cluster).unwrap_or_else(|| Ok(Vec::new()))?;
            let former = former.of(*cluster, &inventory);
            let former: Vec<&PlanDocument> = former.iter().map(AsRef::as_ref).collect();
            deleting.insert(*cluster, Deleting::of(&inventory, &former, new));
        }
    }
    Ok(deleting)
}

/// What a target with a new plan would delete in one cluster.
pub async fn load_one(
    tx: &mut PgConnection,
    cluster: ClusterId,
    new: &PlanDocument,
) -> Result<Deleting, store::Error> {
    Ok(load(tx, &[(cluster, new)]).await?.remove(&cluster).unwrap_or_default())
}

/// The documents of the plans from which it follows what clusters' next targets delete.
#[derive(Debug)]
pub struct Former {
    plans: BTreeMap<ClusterId, FormerPlans>,
    documents: BTreeMap<Digest, PlanDocument>,
}

impl Former {
    /// Loads them, by the generations that were completed. A document that many clusters share is read once.
    pub async fn load(
        tx: &mut PgConnection,
        completed: &BTreeMap<ClusterId, u64>,
    ) -> Result<Self, store::Error> {
        let plans = store::targets::former(tx, completed).await?;
        let digests = plans.values().flat_map(FormerPlans::all).collect();
        Ok(Self { documents: store::plans::documents(tx, &digests).await?, plans })
    }

    /// Those of one cluster, oldest first: the plans since the last completed generation. If that is one that this
    /// database never gave, only the inventory says what is there; the newest plan before it then says how to treat what
    /// is left of it.
    #[must_use]
    pub fn of(&self, cluster: ClusterId, inventory: &[ObjectState]) -> Vec<Cow<'_, PlanDocument>> {
        let Some(FormerPlans { before, since }) = self.plans.get(&cluster) else { return Vec::new() };
        let document = |plan: &Digest| self.documents.get(plan);
        let before = before.iter().filter_map(document);
        let left = before.map(|plan| Cow::Owned(left_of(plan.clone(), inventory)));
        left.chain(since.iter().filter_map(document).map(Cow::Borrowed)).collect()
    }
}

/// A plan with only the objects and templates that the inventory still knows as ours. Pure.
fn left_of(mut plan: PlanDocument, inventory: &[ObjectState]) -> PlanDocument {
    let ours: Vec<&ObjectState> = inventory.iter().filter(|state| is_ours(state)).collect();
    for phase in &mut plan.phases {
        phase.objects.retain(|object| ours.iter().any(|state| state.id.same_object(&object.id)));
    }
    plan.templates.retain(|template| ours.iter().any(|state| is_instance(&state.id, &template.id)));
    plan
}

/// How many objects of an inventory the spoke made or took over. Pure.
#[must_use]
pub fn ours(inventory: &[ObjectState]) -> usize {
    inventory.iter().filter(|state| is_ours(state)).count()
}

fn is_ours(state: &ObjectState) -> bool {
    let gone = matches!(state.outcome, Outcome::Deleted | Outcome::AdoptionRequired);
    match state.role {
        Role::Created | Role::Adopted | Role::Instance => !gone,
        Role::Expected | Role::Addition => false,
    }
}

/// An instance is its template's object in some namespace.
fn is_instance(id: &ObjectId, template: &ObjectId) -> bool {
    id.group == template.group && id.kind == template.kind && id.name == template.name
}

impl Deleting {
    /// What a target with the plan `new` would delete, by the spoke's inventory and the plans that it was given since the
    /// last completed generation. Pure.
    #[must_use]
    pub fn of(inventory: &[ObjectState], former: &[&PlanDocument], new: &PlanDocument) -> Self {
        let (deletions, templates) = plan::deletions(inventory, former, new);
        let ours: Vec<&ObjectState> = inventory.iter().filter(|state| is_ours(state)).collect();
        let instances = ours.iter().filter(|state| state.role == Role::Instance).map(|state| &state.id);
        let instances = instances.filter(|id| templates.iter().any(|template| is_instance(id, &template.id)));
        let instances = instances.cloned().collect();
        Self { deletions, templates, instances, inventory: ours.len() }
    }

    /// Every object that is deleted, in the order of deleting.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.deletions.iter().map(|deletion| &deletion.id).chain(&self.instances)
    }

    /// How much that is. Each object counts once.
    #[must_use]
    pub fn count(&self) -> DeletionCount {
        DeletionCount { deletions: self.deletions.len() + self.instances.len(), inventory: self.inventory }
    }

    /// Whether nothing would be deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deletions.is_empty() && self.instances.is_empty()
    }

    /// For people: `Kind namespace/name`, in the order of deleting.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.objects().map(ToString::to_string).collect()
    }
}
