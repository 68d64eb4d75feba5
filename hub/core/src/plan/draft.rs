//! What the requirements on one object amount to: who wins where, and where the config stands against a rule.
//!
//! Fields are held as atoms by their keys, each with its strength and source. A stronger atom takes the place of a weaker
//! one; two rules of one strength must agree.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    KeepWhile, ObjectId, PlanError, RuleId, Selection,
    path::{self, Keys},
    provenance::Origin,
    requirement::{Fields, Source, Strength},
    rule::Phase,
    sources::Sources,
};
use crate::config::Override;

/// An object of the plan while rules write it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) placed: Placed,
    pub(super) keep_while: Option<KeepWhile>,
    atoms: BTreeMap<Keys, Vec<Atom>>,
}

/// In what part of the plan an object stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Placed {
    Phase(Phase),
    Addition,
    Template { template: &'static str, namespaces: Selection },
}

#[derive(Debug, Clone)]
struct Atom {
    value: Value,
    strength: Strength,
    from: Source,
    rule: RuleId,
}

/// A value that the config must leave to the installer.
#[derive(Debug, Clone)]
pub(super) struct Reserved {
    pub(super) rule: RuleId,
    pub(super) object: ObjectId,
    pub(super) keys: Keys,
    pub(super) allowed: Vec<Value>,
}

/// A value of the config that stands against a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The rule.
    pub rule: RuleId,
    /// The object in which the two meet.
    pub object: ObjectId,
    /// Path of the value in the effective config, for example `values.istiod.global.platform`.
    pub path: String,
    /// What the config says.
    pub found: Value,
    /// Where it says so.
    pub origin: crate::config::ConfigOrigin,
    /// What the rule requires; none where it requires that nothing is said.
    pub wanted: Option<Value>,
}

/// An override that changed a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The override.
    pub said: Override,
    /// The object.
    pub object: ObjectId,
    /// The path within it.
    pub at: String,
    /// What the rule would have written; none where it would have written nothing.
    pub instead_of: Option<Value>,
}

/// An object, settled.
pub(super) struct Settled {
    pub(super) tree: Value,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) contradictions: Vec<Contradiction>,
    pub(super) in_force: Vec<InForce>,
}

/// An atom that won, and where it came from.
struct Winner {
    atom: Atom,
    said: Option<Override>,
}

impl Draft {
    pub(super) fn new(placed: Placed) -> Self {
        Self { placed, keep_while: None, atoms: BTreeMap::new() }
    }

    pub(super) fn take(&mut self, rule: RuleId, fields: &[Fields]) {
        for Fields { strength, from, tree } in fields {
            for (keys, value) in path::atoms(tree) {
                let atom = Atom { value: value.clone(), strength: *strength, from: from.clone(), rule };
                self.atoms.entry(keys).or_default().push(atom);
            }
        }
    }

    /// Whether rules want the object. What the config says about one that they do not want makes none.
    pub(super) fn is_wanted(&self) -> bool {
        self.atoms.values().flatten().any(|atom| atom.strength != Strength::Config)
    }

    /// Lets the stronger win.
    pub(super) fn settle(
        self,
        id: &ObjectId,
        reserved: &[Reserved],
        sources: &Sources<'_>,
    ) -> Result<Settled, PlanError> {
        let reserved: Vec<&Reserved> = reserved.iter().filter(|one| one.object.same_object(id)).collect();
        let mut settling = Settling { id, sources, winners: BTreeMap::new(), contradictions: Vec::new() };
        for (keys, atoms) in self.atoms {
            settling.elect(keys, atoms)?;
        }
        settling.nest()?;
        settling.leave_reserved(&reserved);
        let in_force = settling.overrule(&reserved);
        Ok(settling.finish(in_force))
    }
}

struct Settling<'a> {
    id: &'a ObjectId,
    sources: &'a Sources<'a>,
    winners: BTreeMap<Keys, Winner>,
    /// With the keys at which they are.
    contradictions: Vec<(Keys, Contradiction)>,
}

impl Settling<'_> {
    fn elect(&mut self, keys: Keys, atoms: Vec<Atom>) -> Result<(), PlanError> {
        let mut winner: Option<Atom> = None;
        for atom in atoms {
            let Some(present) = winner.take() else {
                winner = Some(atom);
                continue;
            };
            winner = Some(self.stronger(&keys, present, &keys, atom)?);
        }
        if let Some(atom) = winner {
            self.winners.insert(keys, Winner { atom, said: None });
        }
        Ok(())
    }

    /// Of two atoms that cannot both be, the one that stays. `present_at` is `other_at` or stands above it.
    fn stronger(
        &mut self,
        present_at: &Keys,
        present: Atom,
        other_at: &Keys,
        other: Atom,
    ) -> Result<Atom, PlanError> {
        let agree = present_at == other_at && present.value == other.value;
        if present.strength == other.strength && !agree {
            return Err(PlanError::Contradiction {
                object: Box::new(self.id.clone()),
                path: path::spelled(other_at),
                first: present.rule,
                second: other.rule,
            });
        }
        let (kept, lost, lost_at) = if other.strength > present.strength {
            (other, present, present_at)
        } else {
            (present, other, other_at)
        };
        if !agree && lost.strength == Strength::Config && kept.strength == Strength::Required {
            let contradiction = self.contradiction(lost_at, &lost, kept.rule, Some(kept.value.clone()));
            self.contradictions.push((lost_at.clone(), contradiction));
        }
        Ok(kept)
    }

    fn contradiction(&self, keys: &Keys, lost: &Atom, rule: RuleId, wanted: Option<Value>) -> Contradiction {
        let path = self.sources.config_path(&lost.from, keys);
        Contradiction {
            rule,
            object: self.id.clone(),
            origin: self.sources.config_origin(&path),
            path,
            found: lost.value.clone(),
            wanted,
        }
    }

    /// An atom above others gives way to them or takes their place; one with nothing in it says nothing.
    fn nest(&mut self) -> Result<(), PlanError> {
        let mut above: Vec<Keys> = Vec::new();
        for keys in self.winners.keys().cloned().collect::<Vec<_>>() {
            above.retain(|upper| keys.starts_with(upper) && self.winners.contains_key(upper));
            if let Some(upper) = above.last().cloned() {
                self.meet(&upper, &keys)?;
            }
            above.push(keys);
        }
        Ok(())
    }

    fn meet(&mut self, upper: &Keys, lower: &Keys) -> Result<(), PlanError> {
        let (Some(above), Some(below)) = (self.winners.remove(upper), self.winners.remove(lower)) else {
            return Ok(());
        };
        if above.atom.value.as_object().is_some_and(serde_json::Map::is_empty) {
            self.winners.insert(lower.clone(), below);
            return Ok(());
        }
        let upper_strength = above.atom.strength;
        let lower_strength = below.atom.strength;
        let atom = self.stronger(upper, above.atom, lower, below.atom)?;
        let keys = if lower_strength > upper_strength { lower } else { upper };
        self.winners.insert(keys.clone(), Winner { atom, said: None });
        Ok(())
    }

    /// Takes away what the config says where it must say nothing.
    fn leave_reserved(&mut self, reserved: &[&Reserved]) {
        for one in reserved {
            let taken: Vec<Keys> = self
                .winners
                .iter()
                .filter(|(keys, winner)| {
                    let there = keys.starts_with(&one.keys);
                    winner.atom.strength == Strength::Config && there && !one.allows(keys, &winner.atom.value)
                })
                .map(|(keys, _)| keys.clone())
                .collect();
            for keys in taken {
                if let Some(Winner { atom, .. }) = self.winners.remove(&keys) {
                    let contradiction =
                        self.contradiction(&keys, &atom, one.rule, one.allowed.first().cloned());
                    self.contradictions.push((keys, contradiction));
                }
            }
        }
    }

    /// Puts in what overrides say instead of rules.
    fn overrule(&mut self, reserved: &[&Reserved]) -> Vec<InForce> {
        let mut in_force = Vec::new();
        for said in self.sources.overrides {
            let Some((path, value)) = said.instead() else { continue };
            let mut places: Vec<(Keys, Option<Value>)> = Vec::new();
            for (keys, winner) in &self.winners {
                let atom = &winner.atom;
                if atom.strength == Strength::Required && self.overrules(said, path, atom.rule, keys) {
                    places.push((keys.clone(), Some(atom.value.clone())));
                }
            }
            let kept = reserved.iter().filter(|one| self.overrules(said, path, one.rule, &one.keys));
            places.extend(kept.map(|one| (one.keys.clone(), None)));
            for (keys, instead_of) in places {
                self.contradictions.retain(|(at, _)| !at.starts_with(&keys));
                self.winners.retain(|at, _| !at.starts_with(&keys));
                let at = path::spelled(&keys);
                in_force.push(InForce { said: said.clone(), object: self.id.clone(), at, instead_of });
                let atom = Atom {
                    value: value.clone(),
                    strength: Strength::Required,
                    from: Source::Rule,
                    rule: RuleId("override"),
                };
                self.winners.insert(keys, Winner { atom, said: Some(said.clone()) });
            }
        }
        in_force
    }

    fn overrules(&self, said: &Override, path: &str, rule: RuleId, keys: &[String]) -> bool {
        said.rule == rule.0 && self.sources.is_spelled(self.id, keys, path)
    }

    fn finish(self, in_force: Vec<InForce>) -> Settled {
        let mut tree = Value::Object(serde_json::Map::new());
        let mut origins = BTreeMap::new();
        for (keys, Winner { atom, said }) in self.winners {
            origins.extend(self.sources.origins(&keys, &atom.value, (&atom.from, atom.rule), said.as_ref()));
            path::write(&mut tree, &keys, atom.value);
        }
        let contradictions =
            self.contradictions.into_iter().map(|(_, contradiction)| contradiction).collect();
        Settled { tree, origins, contradictions, in_force }
    }
}

impl Reserved {
    fn allows(&self, keys: &Keys, value: &Value) -> bool {
        *keys == self.keys && self.allowed.contains(value)
    }
}
