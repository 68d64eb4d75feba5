//! Rows of many clusters, read one by one: one that cannot be read does not hide the others.

use super::Error;

/// What could be read, and why the rest could not.
#[derive(Debug)]
#[must_use = "rows that cannot be read are to be told"]
pub struct Readable<T> {
    /// What could be read, in the order of the query.
    pub rows: Vec<T>,
    /// One error for each row that could not.
    pub corrupt: Vec<Error>,
}

impl<T> FromIterator<Result<T, Error>> for Readable<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Error>>>(results: I) -> Self {
        let mut readable = Self { rows: Vec::new(), corrupt: Vec::new() };
        for result in results {
            match result {
                Ok(row) => readable.rows.push(row),
                Err(error) => readable.corrupt.push(error),
            }
        }
        readable
    }
}
