//! What a parser's error means for the person who wrote the file.

use granit_parser::ErrorKind;

/// What is wrong, and what would be right.
pub(super) fn words(kind: &ErrorKind) -> (String, &'static str) {
    let (message, hint) = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => ("a tab where only spaces may stand", "indent with spaces"),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("a quoted text that does not end", "close the quote that stands before this place")
        }
        ErrorKind::MappingValueNotAllowed => (
            "a second colon where one value was expected",
            "put the value in quotes or, if this is a field of its own, line it up with its neighbours",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("a field without a colon", "write `field: value`, with a space after the colon")
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockSequenceEntry => (
            "this line does not fit the ones above it",
            "give fields of one map, and items of one list, the same indentation",
        ),
        ErrorKind::MappingKeyNotAllowed | ErrorKind::BlockSequenceEntryNotAllowed => {
            ("a field or list item cannot begin here", "begin it in a line of its own")
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofFlowMapping => {
            ("a map in braces that goes wrong here", "separate its fields with `,` and end it with `}`")
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            ("a list in brackets that goes wrong here", "separate its items with `,` and end it with `]`")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("more text after a closing quote", "put all of the value in the quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => (
            "a backslash with a letter that means nothing",
            "use single quotes, in which a backslash is a backslash",
        ),
        ErrorKind::MisplacedFlowCollectionEnd => ("a closing bracket that was never opened", "remove it"),
        ErrorKind::DirectiveDisallowed => {
            ("a line that begins with % is a directive; none is read", "remove the line")
        }
        ErrorKind::RecursionLimitExceeded => {
            ("lists and maps are nested too deeply", "no document needs more than a dozen levels")
        }
        ErrorKind::BomInsideDocument => {
            ("a byte-order mark inside the file", "remove the invisible character")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            return (format!("`{open}` is never closed"), closing(*open));
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), closing(*open));
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a text cannot begin with `{}`", character.escape_default());
            return (message, "put the text in quotes");
        }
        other => {
            return (format!("not YAML: {other}"), "see https://yaml.org/spec/1.2.2 or ask a YAML editor");
        }
    };
    (message.to_owned(), hint)
}

fn closing(open: char) -> &'static str {
    if open == '{' { "end the map with `}`" } else { "end the list with `]`" }
}
