//! Objects of a plan, by what becomes of them when.

use proto::v1::{Change, PlanObject};

use super::named;
use crate::screen::{Piece, Screen, Tone, cut, faint, padded, plain, warning, widest};

/// Longest changed value that is shown, in characters: `--output json` has all of it.
const LONGEST_CHANGE: usize = 300;

/// Widest column of objects: a longer name pushes its rules to the right.
const WIDEST_OBJECT: usize = 64;

/// How many objects stand under one heading, and how many changed values under one object.
const MOST_OBJECTS: usize = 30;
const MOST_CHANGES: usize = 12;

/// The objects of a part. Where manifests are asked for, nothing is left out.
pub fn draw_all(screen: &mut Screen, objects: &[PlanObject], manifests: bool) {
    let column = column(objects, screen.width());
    for (heading, objects) in by_phase(objects) {
        screen.line(4, &[faint(format!("  {heading}"))]);
        let (shown, more) =
            if manifests { (objects.as_slice(), 0) } else { screen.fold(&objects, MOST_OBJECTS) };
        for object in shown {
            draw(screen, object, column, manifests);
        }
        if more > 0 {
            screen.line(4, &[faint(format!("    … {more} more"))]);
        }
    }
}

/// Where an object stands in a plan: the phases in the order in which the hub names them, then what is made for each
/// namespace, what is added to objects of the installer and what is expected of it, then what goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Phase,
    Template,
    Addition,
    Expectation,
    Deletion,
}

impl Place {
    fn of(object: &PlanObject) -> Self {
        match (object.change(), object.phase.as_str()) {
            // What is there already is told from objects by where the hub counts it.
            (Change::Template, _) | (Change::None, "templates") => Self::Template,
            (Change::Add, _) | (Change::None, "additions") => Self::Addition,
            (Change::Expect, _) => Self::Expectation,
            (Change::Delete, _) => Self::Deletion,
            (Change::Unspecified | Change::Create | Change::Update | Change::Adopt | Change::None, _) => {
                Self::Phase
            }
        }
    }

    fn heading(self, object: &PlanObject) -> String {
        match self {
            Self::Phase => format!("phase {}", object.phase),
            Self::Template => "in every namespace that is selected, also in later ones".to_owned(),
            Self::Addition => "fields of ours on what the installer makes".to_owned(),
            Self::Expectation => "made by the installer, watched".to_owned(),
            Self::Deletion => "deleted at the end".to_owned(),
        }
    }
}

/// Objects below their headings.
fn by_phase(objects: &[PlanObject]) -> Vec<(String, Vec<&PlanObject>)> {
    let mut groups: Vec<(Place, String, Vec<&PlanObject>)> = Vec::new();
    for object in objects {
        let place = Place::of(object);
        let heading = place.heading(object);
        match groups.iter_mut().find(|(_, other, _)| *other == heading) {
            Some((.., members)) => members.push(object),
            None => groups.push((place, heading, vec![object])),
        }
    }
    groups.sort_by_key(|(place, ..)| *place);
    groups.into_iter().map(|(_, heading, members)| (heading, members)).collect()
}

fn draw(screen: &mut Screen, object: &PlanObject, column: usize, manifests: bool) {
    let (mark, tone) = mark(object.change());
    let rules: Vec<&str> = object.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    let [name, gap] = padded(plain(named(object.id.as_ref())), column);
    let pieces = [Piece::new(format!("    {mark} "), tone), name, gap, plain("  "), faint(rules.join(", "))];
    screen.line(column + 8, &pieces);
    if !object.adoption.is_empty() {
        screen.line(10, &[plain("        "), warning(&object.adoption)]);
    }
    if Place::of(object) == Place::Template {
        let now = match object.namespaces.as_slice() {
            [] => "none yet".to_owned(),
            names => screen.names(names, 8),
        };
        screen.line(13, &[faint("        now: "), plain(now)]);
    }
    let (shown, more) = screen.fold(&object.changes, MOST_CHANGES);
    for change in shown {
        screen.line(12, &[plain("        "), warning(cut(change, LONGEST_CHANGE))]);
    }
    if more > 0 {
        screen.line(8, &[faint(format!("        … {more} more"))]);
    }
    if manifests && !object.manifest.is_empty() {
        screen.block(8, &pretty(&object.manifest), Tone::Faint);
    }
}

/// What stands before an object for what becomes of it; the sum of a plan says what it means.
pub fn mark(change: Change) -> (char, Tone) {
    match change {
        Change::Create => ('+', Tone::Good),
        Change::Adopt => ('@', Tone::Warning),
        Change::Update => ('~', Tone::Warning),
        Change::Add => ('&', Tone::Good),
        Change::Template => ('*', Tone::Good),
        Change::Delete => ('-', Tone::Bad),
        Change::None => ('=', Tone::Faint),
        Change::Expect => ('?', Tone::Plain),
        Change::Unspecified => (' ', Tone::Plain),
    }
}

/// So wide that every rule still has room beside it, whatever the names.
fn column(objects: &[PlanObject], width: usize) -> usize {
    let rules: Vec<Piece> =
        objects.iter().flat_map(|object| &object.reasons).map(|reason| plain(&reason.rule)).collect();
    // Eight for the mark and the gap, one for a comma.
    let room = width.saturating_sub(widest(&rules) + 9);
    let names: Vec<Piece> = objects.iter().map(|object| plain(named(object.id.as_ref()))).collect();
    widest(&names).min(WIDEST_OBJECT).min(room)
}

fn pretty(manifest: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(manifest) {
        Ok(value) => format!("{value:#}"),
        Err(_) => manifest.to_owned(),
    }
}
