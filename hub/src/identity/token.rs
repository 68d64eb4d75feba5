//! Enrolment tokens: `mf1.<id>.<secret>.<pin>`. The id finds the row, the secret proves the right to join, and the pin
//! tells the spoke which hub it may talk to. The database keeps the secret's hash and nothing else of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hub_core::digest::Digest;
use uuid::Uuid;

use super::random;

/// Says how the rest is spelled.
const FORMAT: &str = "mf1";

/// A token. Neither `Debug` nor anything else but [`Token::reveal`] shows its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Finds it in the database.
    pub id: Uuid,
    secret: [u8; 32],
    /// sha-256 of the hub's CA key, as a SubjectPublicKeyInfo.
    pub pin: Digest,
}

/// A text that is no enrolment token. It does not say what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an enrolment token")]
pub struct Malformed;

impl Token {
    /// A new token of a hub.
    #[must_use]
    pub fn new(pin: Digest) -> Self {
        Self { id: uuid::Builder::from_random_bytes(random()).into_uuid(), secret: random(), pin }
    }

    /// Reads a token. There is one spelling, and only that is taken.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fields: Vec<&str> = text.split('.').collect();
        let [FORMAT, id, secret, pin] = fields[..] else { return Err(Malformed) };
        let token = Self {
            id: Uuid::try_parse(id).map_err(|_| Malformed)?,
            secret: BASE64_URL_SAFE_NO_PAD
                .decode(secret)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(Malformed)?,
            pin: Digest::try_from(pin.to_owned()).map_err(|_| Malformed)?,
        };
        if token.reveal() == text { Ok(token) } else { Err(Malformed) }
    }

    /// The whole text, for the one who asked for it, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(self.secret);
        format!("{FORMAT}.{}.{secret}.{}", self.id.simple(), self.pin)
    }

    /// What the database keeps. The secret has 256 random bits, so that a plain hash cannot be searched.
    #[must_use]
    pub fn secret_hash(&self) -> Digest {
        Digest::of(&self.secret)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_spelling() {
        let token = Token::new(Digest::of(b"ca"));
        assert_eq!(Token::parse(&token.reveal()), Ok(token));
    }

    #[test]
    fn only_the_exact_spelling_is_taken() {
        let good = Token::new(Digest::of(b"ca")).reveal();
        let fields: Vec<&str> = good.split('.').collect();
        let [format, id, secret, pin] = fields[..] else { unreachable!("four fields") };
        let hyphenated = Uuid::try_parse(id).unwrap().to_string();
        for text in [
            String::new(),
            good[..good.len() - 1].to_owned(),
            format!("{good}a"),
            format!(" {good}"),
            format!("{good}\n"),
            format!("mf2.{id}.{secret}.{pin}"),
            format!("{format}.{hyphenated}.{secret}.{pin}"),
            format!("{format}.{}.{secret}.{pin}", id.to_uppercase()),
            format!("{format}.{id}.{secret}=.{pin}"),
            format!("{format}.{id}.{}.{pin}", &secret[..42]),
            format!("{format}.{id}.{secret}.{}", pin.to_uppercase()),
            format!("{format}.{id}.{secret}"),
            format!("{good}.x"),
        ] {
            assert_eq!(Token::parse(&text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let token = Token::new(Digest::of(b"ca"));
        let text = token.reveal();
        let secret = text.split('.').nth(2).unwrap();
        assert!(!format!("{token:?}").contains(secret));
    }
}
