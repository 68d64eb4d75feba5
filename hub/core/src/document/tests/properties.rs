//! What must hold for any bytes: the hub reads what anyone sends it.

use proptest::prelude::*;

use super::{super::read_stored, GOOD, mesh_config::EXAMPLE, parse_one};

/// Pieces that mean something to a YAML reader.
fn piece() -> impl Strategy<Value = String> {
    let marks = [
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "- ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a ",
        "!!str ",
        "!x ",
        "<<: ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "~",
        "\\u",
        "@",
        "`",
    ];
    let words = [
        "apiVersion: meshfleet.dev/v1\n",
        "kind: Cluster\n",
        "metadata: {name: a}\n",
        "spec:\n",
        "names",
        "1.17.8",
        "null",
        "${cluster}",
        "set: {}",
        "unset: [mesh.id]",
        "017",
    ];
    prop_oneof![
        4 => prop::sample::select(marks.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ]
}

fn check(text: impl Into<Vec<u8>>) -> Result<(), TestCaseError> {
    let text = text.into();
    let lines = u32::try_from(text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1)
        .unwrap_or(u32::MAX);
    match parse_one(text) {
        Ok(documents) => {
            for document in documents {
                let (name, spec) = read_stored(&document.canonical)
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!((name, spec), (document.name, document.spec));
            }
        }
        Err(mistakes) => {
            prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                prop_assert!(
                    mistake.line >= 1 && mistake.column >= 1 && mistake.line <= lines,
                    "{}",
                    mistake
                );
                prop_assert!(
                    !mistake.message.is_empty()
                        && mistake.to_string().chars().all(|character| !character.is_control()),
                    "{:?}",
                    mistake
                );
                prop_assert!(
                    !mistake.hint.contains("bug of the hub"),
                    "the schema lets through what the types refuse: {}",
                    mistake
                );
                prop_assert!(mistake.to_string().len() + mistake.hint.len() <= 2048, "{}", mistake);
            }
        }
    }
    Ok(())
}

/// A text with pieces in place of what stood there.
fn cut(text: &str, cuts: Vec<(usize, usize, String)>) -> Vec<u8> {
    let mut text = text.as_bytes().to_vec();
    for (start, length, piece) in cuts {
        let start = start.min(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, piece.bytes());
    }
    text
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_with_a_place(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(bytes)?;
    }

    #[test]
    fn any_yaml_is_read_or_refused_with_a_place(pieces in prop::collection::vec(piece(), 0..60)) {
        check(pieces.concat())?;
    }

    #[test]
    fn a_good_document_with_pieces_in_it_is_read_or_refused(cuts in prop::collection::vec((0..GOOD.len(), 0..12_usize, piece()), 1..4)) {
        check(cut(GOOD, cuts))?;
    }

    #[test]
    fn a_good_config_with_pieces_in_it_is_read_or_refused(cuts in prop::collection::vec((0..EXAMPLE.len(), 0..12_usize, piece()), 1..4)) {
        check(cut(EXAMPLE, cuts))?;
    }

    #[test]
    fn lines_of_a_good_document_in_any_order_are_read_or_refused(lines in Just(GOOD.lines().collect::<Vec<_>>()).prop_shuffle(), keep in 1..38_usize) {
        check(lines[..keep.min(lines.len())].join("\n"))?;
    }
}
