//! Blocks of ids as namespaces carry them: `1000650000/10000` (start and size) or `1000650000-1000659999`.
//!
//! # Design notes
//! The server scans these texts, it does not parse them: blanks before a number are skipped, what follows the second
//! number is not looked at, and ids have 32 bits and wrap. A size of 0 therefore ends before it starts.

use crate::scc::IdRange;

/// Why a text is no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Something else stands where a number should.
    #[error("expected integer")]
    NoNumber,
    /// A number that does not fit.
    #[error("a number does not fit into 32 bits")]
    TooLarge,
    /// `/` or `-` is missing between the numbers.
    #[error("expected START/SIZE or START-END")]
    NoSeparator,
}

/// The first block that `text` begins with. Which of the two forms it is, a slash anywhere decides.
pub fn block(text: &str) -> Result<IdRange, Malformed> {
    let slash = text.contains('/');
    let (start, rest) = number(text)?;
    let rest = rest.strip_prefix(if slash { '/' } else { '-' }).ok_or(Malformed::NoSeparator)?;
    let (second, _) = number(rest)?;
    let end = if slash { start.wrapping_add(second).wrapping_sub(1) } else { second };
    Ok(IdRange { min: i64::from(start), max: i64::from(end) })
}

/// All blocks of a list that commas divide; one malformed one spoils them all.
pub fn blocks(text: &str) -> Result<Vec<IdRange>, Malformed> {
    text.split(',').map(block).collect()
}

/// The number at the beginning of `text`, and what follows it.
fn number(text: &str) -> Result<(u32, &str), Malformed> {
    let text = text.trim_start_matches(|blank: char| blank.is_whitespace() && !matches!(blank, '\n' | '\r'));
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Err(Malformed::NoNumber);
    }
    let number = digits.parse().map_err(|_| Malformed::TooLarge)?;
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(i64, i64), Malformed>) {
        assert_eq!(block(text).map(|range| (range.min, range.max)), expected, "{text:?}");
    }

    #[test]
    fn both_forms_are_read() {
        check("1000650000/10000", Ok((1_000_650_000, 1_000_659_999)));
        check("1000650000-1000659999", Ok((1_000_650_000, 1_000_659_999)));
        check("0/65536", Ok((0, 65535)));
    }

    #[test]
    fn what_follows_the_second_number_is_not_looked_at() {
        check("1000/10,2000/10", Ok((1000, 1009)));
        check("1000/10 and more", Ok((1000, 1009)));
        check("1000-2000-3000", Ok((1000, 2000)));
    }

    #[test]
    fn blanks_count_only_before_the_separator() {
        check("  1000/ 10", Ok((1000, 1009)));
        check("1000 /10", Err(Malformed::NoSeparator));
        check("\n1000/10", Err(Malformed::NoNumber));
    }

    #[test]
    fn a_slash_anywhere_makes_it_the_form_with_a_size() {
        check("1000-2000,3000/10", Err(Malformed::NoSeparator));
    }

    #[test]
    fn ids_have_32_bits_and_wrap() {
        check("1000650000/0", Ok((1_000_650_000, 1_000_649_999)));
        check("0/0", Ok((0, i64::from(u32::MAX))));
        check("4294967295/2", Ok((4_294_967_295, 0)));
        check("4294967296/1", Err(Malformed::TooLarge));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        check("", Err(Malformed::NoNumber));
        check("abc", Err(Malformed::NoNumber));
        check("-5/10", Err(Malformed::NoNumber));
        check("+5/10", Err(Malformed::NoNumber));
        check("1000", Err(Malformed::NoSeparator));
        check("1000/", Err(Malformed::NoNumber));
    }

    #[test]
    fn one_malformed_block_spoils_the_list() {
        assert_eq!(blocks("2000/10,3000/10").expect("two").len(), 2);
        assert_eq!(blocks("2000/10,abc"), Err(Malformed::NoNumber));
        assert_eq!(blocks("2000/10,"), Err(Malformed::NoNumber));
    }
}
