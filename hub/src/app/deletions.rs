//! What a target with a plan would delete in a cluster, from what is known of it now.

use hub_core::{
    fleet::ClusterId,
    plan::{self, ObjectId, PlanDocument},
    report::{ObjectState, Outcome, Role},
    rollout::DeletionCount,
    target::{Deletion, TemplateDeletion},
};
use sqlx::PgConnection;

use crate::store;

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

/// What a target with the plan `new` would delete.
pub async fn load(
    tx: &mut PgConnection,
    cluster: ClusterId,
    new: &PlanDocument,
) -> Result<Deleting, store::Error> {
    let completed = store::acceptance::completed(tx, cluster).await?;
    let inventory = store::reports::objects(tx, cluster).await?;
    let former = former(tx, (cluster, completed), &inventory).await?;
    Ok(Deleting::of(&inventory, &former, new))
}

/// The plans from which deletions follow, oldest first: those since the last completed generation. If that is one that this
/// database never gave, only the inventory says what is there; the newest plan before it then says how to treat what is
/// left of it.
pub async fn former(
    tx: &mut PgConnection,
    (cluster, completed): (ClusterId, u64),
    inventory: &[ObjectState],
) -> Result<Vec<PlanDocument>, store::Error> {
    let former = store::targets::former(tx, cluster, completed).await?;
    let mut documents = Vec::new();
    if let Some(plan) = former.before {
        documents.push(left_of(store::plans::document(tx, plan).await?, inventory));
    }
    for plan in former.since {
        documents.push(store::plans::document(tx, plan).await?);
    }
    Ok(documents)
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
    pub fn of(inventory: &[ObjectState], former: &[PlanDocument], new: &PlanDocument) -> Self {
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
