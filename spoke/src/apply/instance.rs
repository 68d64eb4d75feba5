//! Instances of templates: one in every namespace that is selected, from the moment it is.
//!
//! An instance that somebody deleted is drift and is not made again before a target says so; one in a namespace that comes
//! to be selected, or was made anew, is carrying the target out. A namespace that is selected no more keeps its instance as
//! it is: a template's new body does not reach it there before it is selected again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;

use super::{
    Apply, Done, Failure, Interrupted, Round,
    object::{Form, Made, Wanted},
    tend::Spot,
};
use crate::{
    cluster::Kind,
    document::{self, ObjectId, ObjectKey, Plan, Template},
    floor,
    inventory::{Entry, Origin},
    namespaces::{Seen, View},
    report::Outcome,
    writes,
};

/// How long the first look at the namespaces may take before that is said.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// How many instances are made side by side: many namespaces may come at once, and the API server has more to do.
const AT_A_TIME: usize = 8;

/// An instance that is not there yet.
pub(super) struct Lacking {
    pub(super) template: Template,
    pub(super) id: ObjectId,
    pub(super) origin: Origin,
}

impl Lacking {
    pub(super) fn spot(&self) -> Spot {
        (self.id.key(), self.origin.namespace.clone())
    }
}

impl Plan {
    /// The template that an object of the inventory is an instance of.
    #[must_use]
    pub fn template_of(&self, entry: &Entry) -> Option<&Template> {
        let origin = entry.origin()?;
        let bare = entry.id.within("").key();
        self.templates
            .iter()
            .find(|template| template.template == origin.template && template.id.key() == bare)
    }

    /// Every instance that the plan asks for in these namespaces. Where the plan has an object of its own, there is none.
    pub(super) fn instances<'a>(
        &'a self,
        namespaces: &'a BTreeMap<String, Seen>,
        own_namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Template, ObjectId, Origin)> {
        let planned: BTreeSet<ObjectKey> = self.objects().map(|planned| planned.id.key()).collect();
        let planned = Arc::new(planned);
        self.templates.iter().flat_map(move |template| {
            let planned = Arc::clone(&planned);
            let selected = namespaces.iter().filter(move |(name, seen)| {
                name.as_str() != own_namespace && template.namespaces.selects(name, &seen.labels)
            });
            selected.filter_map(move |(name, seen)| {
                let id = template.id.within(name);
                let origin = Origin { template: template.template.clone(), namespace: seen.uid.clone() };
                (!planned.contains(&id.key())).then_some((template, id, origin))
            })
        })
    }
}

impl Apply {
    /// Makes every instance that is lacking now.
    pub(super) async fn instances(&mut self, round: &mut Round) -> Result<(), Interrupted> {
        if self.content.plan.templates.is_empty() {
            return Ok(());
        }
        let seen = self.namespaces.wait_for(|view| matches!(**view, View::Seen(_)));
        let _ = tokio::time::timeout(LOOK_WITHIN, seen).await;
        let view = Arc::clone(&self.namespaces.borrow());
        if let View::Unseen(why) = &*view {
            round.waits(LOOK_WITHIN, format!("namespaces cannot be seen: {why}"));
        }
        self.make_lacking(|_, _| true, round).await?;
        Ok(())
    }

    /// Makes the instances that are lacking and `due`, each once, a few at a time. Namespaces that come meanwhile go first, so
    /// that none waits for many. Returns all that were lacking.
    pub(super) async fn make_lacking(
        &mut self,
        due: impl Fn(&Self, &Spot) -> bool,
        round: &mut Round,
    ) -> Result<BTreeSet<Spot>, Interrupted> {
        let (mut seen, mut queue) = (BTreeSet::new(), VecDeque::new());
        loop {
            if seen.is_empty() || self.woken() {
                let view = Arc::clone(&self.namespaces.borrow_and_update());
                let View::Seen(namespaces) = &*view else { return Ok(seen) };
                self.forget_lost(namespaces);
                let mut lacking = self.lacking(namespaces);
                let still: BTreeSet<Spot> = lacking.iter().map(Lacking::spot).collect();
                queue.retain(|waiting: &Lacking| still.contains(&waiting.spot()));
                lacking.retain(|lacking| seen.insert(lacking.spot()) && due(self, &lacking.spot()));
                lacking.into_iter().rev().for_each(|newcomer| queue.push_front(newcomer));
            }
            if queue.is_empty() {
                return Ok(seen);
            }
            let few = queue.drain(..AT_A_TIME.min(queue.len())).collect();
            self.instantiate(few, round).await?;
        }
    }

    /// The instances that are to be made. While the target is being applied: each that was not, under this target. After
    /// that: where none was ever made, or of another body.
    pub(super) fn lacking(&self, namespaces: &BTreeMap<String, Seen>) -> Vec<Lacking> {
        let plan = &self.content.plan;
        let lacks = |template: &Template, id: &ObjectId, origin: &Origin| {
            let known = self.inventory.get(id).filter(|entry| entry.origin() == Some(origin));
            let there = known.is_some_and(|entry| entry.body == template.body);
            !(self.tending.is_made(&(id.key(), origin.namespace.clone()))
                || self.tending.is_through() && there)
        };
        plan.instances(namespaces, &self.own_namespace)
            .filter(|(template, id, origin)| lacks(template, id, origin))
            .map(|(template, id, origin)| Lacking { template: template.clone(), id, origin })
            .collect()
    }

    /// Makes these instances side by side. What was made is noted, also if a newer target stops the others.
    async fn instantiate(&mut self, few: Vec<Lacking>, round: &mut Round) -> Result<(), Interrupted> {
        let there = self.inventory.entries().filter(|entry| entry.origin().is_some()).count();
        let each = few.iter().enumerate();
        let made = join_all(each.map(|(index, lacking)| self.instance(lacking, there + index))).await;
        let mut over = Ok(());
        for (lacking, made) in few.into_iter().zip(made) {
            let became = self.note(made);
            self.tending.note(lacking.spot(), &became);
            self.tell(|progress| progress.instances.extend([lacking.id.clone()]));
            over = over.and(self.take_note(&lacking.id, became, round));
        }
        over
    }

    /// One instance; `before` are there already, or come with it.
    async fn instance(&self, lacking: &Lacking, before: usize) -> Result<Made, Failure> {
        let known = self.inventory.get(&lacking.id).is_some();
        if let Some(message) = floor::crowded(before).filter(|_| !known) {
            return Err(Failure::Hopeless(Done { outcome: Outcome::Rejected, message }));
        }
        let wanted = self.wanted_instance(lacking).await?;
        self.attempt(&wanted).await
    }

    /// An instance as it is wanted. The floor is looked at again: a namespace's name is put in.
    async fn wanted_instance(&self, lacking: &Lacking) -> Result<Wanted, Failure> {
        let Lacking { template, id, origin } = lacking;
        let body = document::instance(self.body(template.body), &id.namespace);
        let hopeless = |message: String| Failure::Hopeless(Done { outcome: Outcome::Rejected, message });
        if let Some(what) = floor::breach(id, &body, &self.own_namespace) {
            return Err(hopeless(what));
        }
        let namespaced = self.cluster.is_namespaced(&Kind::from(id)).await.map_err(writes::Error::from)?;
        if !namespaced {
            return Err(hopeless("objects of this kind do not live in namespaces".to_owned()));
        }
        Ok(Wanted { id: id.clone(), digest: template.body, body, form: Form::Instance(origin.clone()) })
    }

    /// Forgets instances whose namespace is gone or going: they went with it. And those that could not be made where none is
    /// asked for any more.
    fn forget_lost(&mut self, namespaces: &BTreeMap<String, Seen>) {
        let lost =
            |id: &ObjectId, uid: &str| namespaces.get(&id.namespace).is_none_or(|seen| seen.uid != uid);
        let entries = self.inventory.entries().filter_map(|entry| Some((entry, entry.origin()?)));
        let gone = entries.filter(|(entry, origin)| lost(&entry.id, &origin.namespace));
        let mut gone: Vec<ObjectId> = gone.map(|(entry, _)| entry.id.clone()).collect();
        gone.iter().for_each(|id| self.inventory.remove(id));
        let asked = self.content.plan.instances(namespaces, &self.own_namespace);
        let asked: BTreeSet<ObjectKey> = asked.map(|(_, id, _)| id.key()).collect();
        let told = Arc::clone(&self.progress.borrow());
        let moot = |id: &&ObjectId| !asked.contains(&id.key()) && self.inventory.get(id).is_none();
        gone.extend(told.instances.iter().filter(moot).cloned());
        if gone.is_empty() {
            return;
        }
        gone.iter().for_each(|id| self.tending.forget(&id.key()));
        self.tell(|progress| {
            for id in &gone {
                progress.instances.remove(id);
                progress.objects.remove(&id.key());
            }
        });
    }
}
