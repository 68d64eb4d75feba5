//! Identities as certificates spell them: `spiffe://<trust domain>/cluster/<uuid>` and `.../operator/<uuid>`.

use std::fmt;

use hub_core::fleet::ClusterId;
use uuid::Uuid;

/// The domain in which this hub's certificates mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain(String);

/// Who a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The spoke of a cluster.
    Cluster(ClusterId),
    /// An operator.
    Operator(Uuid),
}

/// A text that is no trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a trust domain: use 1 to 255 of a-z, 0-9, '.', '-' and '_'")]
pub struct InvalidTrustDomain(String);

impl TrustDomain {
    /// Parses a trust domain.
    pub fn parse(text: &str) -> Result<Self, InvalidTrustDomain> {
        let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if (1..=255).contains(&text.len()) && text.bytes().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidTrustDomain(text.chars().take(80).collect()))
    }

    /// How a certificate of this domain spells an identity.
    #[must_use]
    pub fn uri(&self, identity: Identity) -> String {
        match identity {
            Identity::Cluster(id) => format!("spiffe://{self}/cluster/{id}"),
            Identity::Operator(id) => format!("spiffe://{self}/operator/{id}"),
        }
    }

    /// The identity that a URI spells in this domain. There is one spelling for each, and only that is taken.
    #[must_use]
    pub fn identity(&self, uri: &str) -> Option<Identity> {
        let (kind, id) =
            uri.strip_prefix("spiffe://")?.strip_prefix(&self.0)?.strip_prefix('/')?.split_once('/')?;
        let id = Uuid::try_parse(id).ok()?;
        let identity = match kind {
            "cluster" => Identity::Cluster(ClusterId(id)),
            "operator" => Identity::Operator(id),
            _ => return None,
        };
        (self.uri(identity) == uri).then_some(identity)
    }
}

impl std::str::FromStr for TrustDomain {
    type Err = InvalidTrustDomain;

    fn from_str(text: &str) -> Result<Self, InvalidTrustDomain> {
        Self::parse(text)
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a3c4-1111-7222-8333-444455556666";

    #[test]
    fn an_identity_survives_its_spelling() {
        let domain = TrustDomain::parse("meshfleet.local").unwrap();
        let id = Uuid::parse_str(ID).unwrap();
        for identity in [Identity::Cluster(ClusterId(id)), Identity::Operator(id)] {
            assert_eq!(domain.identity(&domain.uri(identity)), Some(identity));
        }
    }

    #[test]
    fn only_the_exact_spelling_is_taken() {
        let domain = TrustDomain::parse("meshfleet.local").unwrap();
        for uri in [
            format!("spiffe://other.local/cluster/{ID}"),
            format!("spiffe://meshfleet.local.evil/cluster/{ID}"),
            format!("SPIFFE://meshfleet.local/cluster/{ID}"),
            format!("spiffe://meshfleet.local/cluster/{}", ID.to_uppercase()),
            format!("spiffe://meshfleet.local/cluster/{}", ID.replace('-', "")),
            format!("spiffe://meshfleet.local/cluster/{ID}/"),
            format!("spiffe://meshfleet.local/cluster//{ID}"),
            format!("spiffe://meshfleet.local/cluster/../operator/{ID}"),
            format!("spiffe://meshfleet.local/%63luster/{ID}"),
            format!("spiffe://meshfleet.local/cluster/{ID}?x"),
            format!("spiffe://meshfleet.local/admin/{ID}"),
            "spiffe://meshfleet.local/cluster".to_owned(),
            "spiffe://meshfleet.local".to_owned(),
            String::new(),
        ] {
            assert_eq!(domain.identity(&uri), None, "{uri}");
        }
    }

    #[test]
    fn a_trust_domain_has_no_path_and_no_capitals() {
        for text in ["", "Mesh", "a/b", "a b", "ä"] {
            assert!(TrustDomain::parse(text).is_err(), "{text}");
        }
    }
}
