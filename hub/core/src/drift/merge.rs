//! Merging a drift report into what was known: a report is a level, so what it does not name is resolved.

use std::collections::BTreeMap;

use super::{DriftClass, DriftItem};

/// What makes two items the same one: the object, the field and the kind of difference. The value, its writer and the
/// API version may change under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey<'a> {
    /// API group, kind, namespace and name of the object.
    pub object: (&'a str, &'a str, &'a str, &'a str),
    /// Path of the field.
    pub path: &'a str,
    /// What kind of difference.
    pub class: DriftClass,
}

/// What a report changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes<'a> {
    /// Items that are new.
    pub seen: Vec<&'a DriftItem>,
    /// Items that were open, by index, and say something else now.
    pub changed: Vec<(usize, &'a DriftItem)>,
    /// Items that were open, by index, and are not there any more.
    pub resolved: Vec<usize>,
}

impl DriftItem {
    /// What makes it the same item in the next report.
    #[must_use]
    pub fn key(&self) -> ItemKey<'_> {
        ItemKey { object: self.id.identity(), path: &self.path, class: self.class }
    }
}

/// Merges a report into the open items. An item that is reported twice counts once, as it was said last.
#[must_use]
pub fn merge<'a>(open: &[DriftItem], report: &'a [DriftItem]) -> Changes<'a> {
    let reported: BTreeMap<ItemKey<'_>, &'a DriftItem> =
        report.iter().map(|item| (item.key(), item)).collect();
    let known: BTreeMap<ItemKey<'_>, usize> =
        open.iter().enumerate().map(|(index, item)| (item.key(), index)).collect();
    let mut changes = Changes::default();
    for (key, item) in &reported {
        match known.get(key) {
            None => changes.seen.push(item),
            Some(index) if open[*index] != **item => changes.changed.push((*index, item)),
            Some(_) => {}
        }
    }
    changes.resolved =
        known.iter().filter(|(key, _)| !reported.contains_key(key)).map(|(_, index)| *index).collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{drift::DriftState, plan::ObjectId};

    fn item(name: &str, path: &str, found: &str) -> DriftItem {
        let text = |text: &str| text.to_owned();
        DriftItem {
            id: ObjectId {
                group: text("apps"),
                version: text("v1"),
                kind: text("Deployment"),
                namespace: text("istio-system"),
                name: text(name),
            },
            uid: text("u"),
            path: text(path),
            class: DriftClass::Overwritten,
            baseline: Some(text("1")),
            found: Some(text(found)),
            found_digest: None,
            actor: None,
            state: DriftState::Seen,
            heals: 0,
        }
    }

    #[test]
    fn what_a_report_does_not_name_is_resolved() {
        let open = [item("a", ".x", "2"), item("b", ".x", "2")];
        let changes = merge(&open, &open[..1]);
        assert_eq!((changes.seen.len(), changes.changed.len(), changes.resolved), (0, 0, vec![1]));
    }

    #[test]
    fn another_value_changes_the_item_and_makes_no_new_one() {
        let (open, report) = ([item("a", ".x", "2")], [item("a", ".x", "3"), item("a", ".y", "3")]);
        let changes = merge(&open, &report);
        assert_eq!(changes.changed, vec![(0, &report[0])]);
        assert_eq!(changes.seen, vec![&report[1]]);
        assert!(changes.resolved.is_empty());
    }

    #[test]
    fn an_item_that_is_said_twice_counts_once() {
        let report = [item("a", ".x", "2"), item("a", ".x", "3")];
        assert_eq!(merge(&[], &report).seen, vec![&report[1]]);
    }
}
