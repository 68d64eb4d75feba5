//! Instances of templates: one in every namespace that is selected, from the moment it is.
//!
//! An instance that somebody deleted is drift and is not made again before a target says so; one in a namespace that comes
//! to be selected, or was made anew, is carrying the target out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Apply, Done, Failure, Interrupted, Round,
    object::{Form, Wanted},
    tend::Spot,
};
use crate::{
    cluster::Kind,
    document::{self, ObjectId, Plan, Template},
    floor,
    inventory::{Entry, Origin},
    namespaces::{Seen, View},
    report::Outcome,
    writes,
};

/// How long the first look at the namespaces may take before that is said.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

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
        self.templates.iter().flat_map(move |template| {
            let selected = namespaces.iter().filter(move |(name, seen)| {
                name.as_str() != own_namespace && template.namespaces.selects(name, &seen.labels)
            });
            selected.filter_map(move |(name, seen)| {
                let id = template.id.within(name);
                let planned = self.objects().any(|planned| planned.id.key() == id.key());
                let origin = Origin { template: template.template.clone(), namespace: seen.uid.clone() };
                (!planned).then_some((template, id, origin))
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
        match &*view {
            View::Unseen(why) => round.waits(LOOK_WITHIN, format!("namespaces cannot be seen: {why}")),
            View::Seen(namespaces) => {
                for lacking in self.lacking(namespaces) {
                    self.instantiate(lacking, round).await?;
                }
            }
        }
        Ok(())
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

    pub(super) async fn instantiate(
        &mut self,
        lacking: Lacking,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        let spot = lacking.spot();
        let Lacking { template, id, origin } = lacking;
        let became = match self.instance(&template, &id, origin).await {
            Ok(wanted) => self.attempt(&wanted).await?,
            Err(failure) => Err(failure),
        };
        self.tending.note(spot, &became);
        self.tell(|progress| {
            progress.instances.insert(id.clone());
        });
        self.take_note(&id, became, round)
    }

    /// An instance as it is wanted. The floor is looked at again: a namespace's name is put in.
    async fn instance(&self, template: &Template, id: &ObjectId, origin: Origin) -> Result<Wanted, Failure> {
        let body = document::instance(self.body(template.body), &id.namespace);
        let hopeless = |message: String| Failure::Hopeless(Done { outcome: Outcome::Rejected, message });
        if let Some(what) = floor::breach(id, &body, &self.own_namespace) {
            return Err(hopeless(what));
        }
        let namespaced = self.cluster.is_namespaced(&Kind::from(id)).await.map_err(writes::Error::from)?;
        if !namespaced {
            return Err(hopeless("objects of this kind do not live in namespaces".to_owned()));
        }
        Ok(Wanted { id: id.clone(), digest: template.body, body, form: Form::Instance(origin) })
    }

    /// Forgets instances whose namespace is gone or going: they went with it.
    pub(super) fn forget_lost(&mut self, namespaces: &BTreeMap<String, Seen>) {
        let lost = |id: &ObjectId, uid: Option<&str>| {
            namespaces.get(&id.namespace).is_none_or(|seen| uid.is_some_and(|uid| seen.uid != uid))
        };
        let entries = self.inventory.entries().filter_map(|entry| Some((entry, entry.origin()?)));
        let gone = entries.filter(|(entry, origin)| lost(&entry.id, Some(&origin.namespace)));
        let mut gone: Vec<ObjectId> = gone.map(|(entry, _)| entry.id.clone()).collect();
        gone.iter().for_each(|id| self.inventory.remove(id));
        gone.extend(self.progress.borrow().instances.iter().filter(|id| lost(id, None)).cloned());
        if gone.is_empty() {
            return;
        }
        self.tell(|progress| {
            for id in &gone {
                progress.instances.remove(id);
                progress.objects.remove(&id.key());
            }
        });
    }
}
