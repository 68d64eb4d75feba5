//! The schema of a document, as data: what may stand where, and the words for it.

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Shape {
    /// Fields by name.
    Map { fields: &'static [Field], rule: Option<MapRule> },
    /// Items of one shape.
    List { item: &'static Shape, least: usize, most: usize, unique: Unique },
    /// Texts by keys that the schema does not know.
    Texts(&'static Texts),
    /// A text that something more is asked of.
    Text(&'static Text),
    /// One of some words.
    Choice(&'static Choice),
    /// A whole number.
    Number { least: u32, most: u32 },
    /// A map of which the schema knows no more.
    FreeMap,
    /// Any value but null.
    Free,
    /// The same shape with nothing required, outside of lists: what is laid over something else.
    Partial(&'static Shape),
    /// Looked at elsewhere.
    Anything,
    /// Named in the design, not served by this release: told from a misspelling.
    NotYet,
}

/// A field of a map.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// What it says, for people.
    pub(super) about: &'static str,
    /// What to write, where it must be there; else empty.
    pub(super) example: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

/// What is asked of several fields of one map together.
#[derive(Debug, Clone, Copy)]
pub(super) enum MapRule {
    /// At least one field must be there: an empty selector must never mean the whole fleet.
    AnyField,
    /// `values` must fit `operator`, as in Kubernetes' match expressions.
    ValuesFitOperator,
    /// A layer must change something: `set` or `unset`.
    SetOrUnset,
    /// An override says what stands where, or neither: then it accepts a finding.
    PathWithValue,
    /// What layers unset must be set before, and must not be required.
    Layers,
}

/// What must not stand twice in a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unique {
    /// The items themselves.
    Items,
    /// The value of a field of the items.
    Field(&'static str),
    /// The field `name` of the items; a layer's item is laid over the earlier one of its name.
    Name,
    /// Anything may.
    Nothing,
}

/// What is asked of a text.
pub(super) struct Text {
    /// With its article, for example `a name`.
    pub(super) what: &'static str,
    /// What to write instead.
    pub(super) rule: &'static str,
    /// Asked besides `longest`.
    pub(super) holds: fn(&str) -> bool,
    /// The same as `holds`, as a regular expression for JSON Schema; lengths stand in `longest`.
    pub(super) pattern: &'static str,
    /// What `pattern` lets through and `holds` does not; empty if nothing.
    pub(super) never: &'static str,
    /// In characters.
    pub(super) longest: usize,
}

/// What is asked of texts by keys.
#[derive(Debug)]
pub(super) struct Texts {
    /// With its article, for example `a map of labels`.
    pub(super) what: &'static str,
    /// How such a map is written.
    pub(super) example: &'static str,
    pub(super) key: &'static Text,
    pub(super) value: &'static Text,
    pub(super) least: usize,
    pub(super) most: usize,
}

/// Some words, of which one is to be chosen.
pub(super) struct Choice {
    /// Without article, for example `platform`.
    pub(super) what: &'static str,
    pub(super) words: fn() -> Vec<&'static str>,
    /// Words of the design that this release does not serve.
    pub(super) not_yet: &'static [&'static str],
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

/// A field that must be there.
pub(super) const fn required(
    name: &'static str,
    (about, example): (&'static str, &'static str),
    shape: Shape,
) -> Field {
    Field { name, about, example, required: true, shape }
}

/// A field that may be there.
pub(super) const fn optional(name: &'static str, about: &'static str, shape: Shape) -> Field {
    Field { name, about, example: "", required: false, shape }
}

/// A field of a later release.
pub(super) const fn not_yet(name: &'static str) -> Field {
    Field { name, about: "", example: "", required: false, shape: Shape::NotYet }
}

/// The fields that this release serves.
pub(super) fn served(fields: &'static [Field]) -> impl Iterator<Item = &'static Field> {
    fields.iter().filter(|field| !matches!(field.shape, Shape::NotYet))
}

impl Shape {
    /// What should stand here, in words.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Map { .. } => "a map".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::Texts(texts) => texts.what.to_owned(),
            Self::FreeMap => "a map of values".to_owned(),
            Self::Free => "a value".to_owned(),
            Self::Partial(whole) => whole.expected(),
            Self::Text(text) => text.what.to_owned(),
            Self::Choice(choice) => format!("a {}", choice.what),
            Self::Number { .. } => "a whole number".to_owned(),
            Self::Anything | Self::NotYet => "something else".to_owned(),
        }
    }

    /// Paths below this shape at which a served field of this name stands.
    pub(super) fn places_of(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_places(name, "", &mut found);
        found
    }

    fn collect_places(&self, name: &str, path: &str, found: &mut Vec<String>) {
        match self {
            Self::Map { fields, .. } => {
                for field in served(fields) {
                    let below = if path.is_empty() {
                        field.name.to_owned()
                    } else {
                        format!("{path}.{}", field.name)
                    };
                    if field.name == name {
                        found.push(below.clone());
                    }
                    field.shape.collect_places(name, &below, found);
                }
            }
            Self::List { item, .. } => item.collect_places(name, &format!("{path}[]"), found),
            // What stands in a layer stands in the base as well; saying both helps nobody.
            Self::Partial(_)
            | Self::Texts(_)
            | Self::FreeMap
            | Self::Free
            | Self::Text(_)
            | Self::Choice(_)
            | Self::Number { .. }
            | Self::Anything
            | Self::NotYet => {}
        }
    }
}
