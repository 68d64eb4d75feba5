//! Variables in values: `${cluster}`, `${network}` and the cluster's own. `$${` is a `${` that means itself.

/// A text with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// A text in which a variable is begun and goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// It has no end.
    #[error("a variable begins with ${{ and does not end")]
    Unclosed,
    /// It has no sound name.
    #[error("{0:?} is no name of a variable")]
    Name(String),
}

/// Whether a text can be the name of a variable: letters, digits and `_`, no digit first, at most 63.
#[must_use]
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 63
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, variable) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = variable;
                continue;
            }
            plain.push_str(before);
            let (name, after) = variable.split_once('}').ok_or(InvalidTemplate::Unclosed)?;
            if !is_name(name) {
                return Err(InvalidTemplate::Name(name.chars().take(80).collect()));
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    /// The names of its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text with its variables filled in, or the names that have no value.
    pub fn fill<'a>(&'a self, value: impl Fn(&str) -> Option<&'a str>) -> Result<String, Vec<&'a str>> {
        let unknown: Vec<&str> = self.variables().filter(|name| value(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        Ok(self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Variable(name) => value(name).unwrap_or_default(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_and_doubled_dollars_are_not() {
        let fill = |text: &str| {
            let template = Template::parse(text).map_err(|error| error.to_string())?;
            template.fill(|name| (name == "cluster").then_some("eu-1")).map_err(|names| names.join(", "))
        };
        for (text, expected) in [
            ("", Ok("")),
            ("a$b {c} $d", Ok("a$b {c} $d")),
            ("${cluster}", Ok("eu-1")),
            ("x-${cluster}-${cluster}$", Ok("x-eu-1-eu-1$")),
            ("$${cluster}", Ok("${cluster}")),
            ("$$${cluster}", Ok("$${cluster}")),
            ("$${open", Ok("${open")),
            ("${other} ${cluster} ${more}", Err("other, more")),
            ("${cluster", Err("a variable begins with ${ and does not end")),
            ("${}", Err("\"\" is no name of a variable")),
            ("${a-b}", Err("\"a-b\" is no name of a variable")),
        ] {
            assert_eq!(fill(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
