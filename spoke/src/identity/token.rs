//! Enrolment tokens: `mf1.<uuid>.<secret>.<pin>`.

use super::pin::Pin;

/// A token that is well formed. Its text never appears in a log or an error.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// Which token it is: no secret.
    pub id: String,
    /// The hub's CA that this token was made under.
    pub pin: Pin,
}

/// A text that is no token. It does not say which text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Nothing is there.
    #[error("it is empty: put a token there (meshfleet cluster enrol NAME prints one)")]
    Empty,
    /// Not of the form of a token.
    #[error("it is not of the form mf1.ID.SECRET.PIN: copy it whole")]
    Form,
    /// From a newer hub.
    #[error("it is of a version that this spoke does not know: upgrade the spoke")]
    Version,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// If the text is none.
    pub fn read(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidToken::Empty);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [version, id, secret, pin] = parts[..] else { return Err(InvalidToken::Form) };
        if version != "mf1" {
            return Err(InvalidToken::Version);
        }
        let hex =
            |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !hex(id, 32) || secret.len() != 43 || !secret.bytes().all(base64url) {
            return Err(InvalidToken::Form);
        }
        let pin = Pin::read(pin).ok_or(InvalidToken::Form)?;
        Ok(Self { text: text.to_owned(), id: id.to_owned(), pin })
    }

    /// The text, to be sent to the hub and to nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_are_read() {
        let (id, secret, pin) = ("0".repeat(32), "a".repeat(43), "f".repeat(64));
        assert!(Token::read(&format!(" mf1.{id}.{secret}.{pin}\n")).is_ok());
        assert_eq!(Token::read(&format!("mf2.{id}.{secret}.{pin}")).unwrap_err(), InvalidToken::Version);
        assert_eq!(Token::read(" \n").unwrap_err(), InvalidToken::Empty);
        let broken = ["mf1", &format!("mf1.{id}.{secret}"), &format!("mf1.{id}.{secret}.{}", &pin[1..])];
        for text in broken {
            assert_eq!(Token::read(text).unwrap_err(), InvalidToken::Form, "{text}");
        }
        let token = Token::read(&format!("mf1.{id}.{secret}.{pin}")).unwrap();
        assert!(!format!("{token:?}").contains(&secret));
    }
}
