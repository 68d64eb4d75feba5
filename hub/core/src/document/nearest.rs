//! The known word that somebody probably meant.

/// The candidate that is nearest to `word`, if it is near enough to be a slip: a third of its letters, at least one.
/// Upper and lower case count as the same, so that `Version` finds `version`; so does a candidate that is one of the
/// parts of `word`, as `blue` is of `blue-green`.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are no slip of a field's name, and the cost grows with the square of the length.
    const LONGEST: usize = 40;
    if word.chars().count() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let parts: Vec<&str> = word.split(['-', '_', ' ']).collect();
    let score = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        if parts.contains(&candidate.as_str()) { 0 } else { distance(&word, &candidate) }
    };
    let scored = candidates.into_iter().map(|candidate| (score(candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= (candidate.len() / 3).max(1)).then_some(candidate)
}

/// Edits that turn one word into the other: a letter more, less or other, or two neighbours swapped.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_does_not() {
        let known = ["version", "namespace", "istio", "id"];
        for (word, expected) in [
            ("verison", Some("version")),
            ("Version", Some("version")),
            ("namespaces", Some("namespace")),
            ("isto", Some("istio")),
            ("istio-version", Some("version")),
            ("replicas", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
