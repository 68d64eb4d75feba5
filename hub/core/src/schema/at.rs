//! Where a walk stands in an object. Spelled only when something is wrong there.

use serde_json::Value;

use crate::plan::path;

/// A place: the one above it and the step from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    above: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Top,
    Field(&'a str),
    Item(&'a [Value], usize),
}

impl<'a> At<'a> {
    pub(super) const TOP: At<'static> = At { above: None, step: Step::Top };

    pub(super) fn field(&'a self, name: &'a str) -> At<'a> {
        At { above: Some(self), step: Step::Field(name) }
    }

    pub(super) fn item(&'a self, items: &'a [Value], index: usize) -> At<'a> {
        At { above: Some(self), step: Step::Item(items, index) }
    }

    /// As provenance spells it, for example `.spec.values.pilot`; empty at the top.
    pub(super) fn path(&self) -> String {
        let mut path = self.above.map(At::path).unwrap_or_default();
        match self.step {
            Step::Top => {}
            Step::Field(name) => path.push_str(&path::step(name)),
            Step::Item(items, index) => path.push_str(&path::item_steps(items)[index]),
        }
        path
    }
}
