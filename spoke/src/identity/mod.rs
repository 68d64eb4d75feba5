//! Who this spoke is: a key that never leaves the cluster, and the certificate that the hub gave for it.
//!
//! They are kept in the Secret `spoke-identity`. The key is written down *before* it is enrolled, so that a spoke that is
//! killed in between enrols the same key again, which the hub answers as it did the first time. So it is with the key that
//! comes after it: it is written down beside the present one, then certified, then it takes the other's place.

mod enrol;
mod key;
mod pin;
mod renew;
mod token;

pub use enrol::enrol;
pub use key::{client_config, generate_key};
pub use pin::{Pin, PinnedVerifier};
pub use renew::{Keeper, Renewals};
pub use token::{InvalidToken, Token};

use std::{fmt, path::PathBuf};

use crate::{
    cluster,
    secrets::{Data, Secrets, Stored, Version},
    writes,
};

const NAME: &str = "spoke-identity";

/// What can go wrong with the identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret could not be read.
    #[error("cannot read the Secret {NAME}")]
    Read(#[source] cluster::Error),
    /// The Secret could not be written.
    #[error("cannot write the Secret {NAME}")]
    Write(#[source] writes::Error),
    /// The Secret does not hold what this spoke wrote.
    #[error("the Secret {NAME} holds no key: restore it, or delete it and enrol this cluster anew")]
    Corrupt,
    /// There is no identity yet, and nothing to get one with.
    #[error(
        "there is no token: give one with --token-file or MESHFLEET_TOKEN (meshfleet cluster enrol NAME prints one)"
    )]
    NoToken,
    /// The token's file cannot be read.
    #[error("cannot read the token's file {}", file.display())]
    TokenFile {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The token is none.
    #[error("the enrolment token in {place} cannot be used")]
    Token {
        /// Where it stands.
        place: String,
        /// Why not.
        #[source]
        source: InvalidToken,
    },
    /// A key or certificate cannot be made or read.
    #[error("cannot use the key or certificate: {0}")]
    Key(String),
    /// The hub could not be reached.
    #[error("cannot reach the hub at {hub}")]
    Unreachable {
        /// Its address.
        hub: String,
        /// Why not.
        #[source]
        source: tonic::transport::Error,
    },
    /// What answers is not the hub that the token was issued by.
    #[error(
        "what answers at {hub} is not the hub that issued the token: its CA is not the one that the token pins; \
         correct --hub, or use a token of that hub (meshfleet cluster enrol NAME prints one)"
    )]
    OtherHub {
        /// Its address.
        hub: String,
        /// What TLS says.
        #[source]
        source: tonic::transport::Error,
    },
    /// The hub refused to renew the certificate.
    #[error("the hub at {hub} refused to renew the certificate: {refusal}")]
    NotRenewed {
        /// Its address.
        hub: String,
        /// Why.
        refusal: Refusal,
    },
    /// The hub refused.
    #[error("the hub at {hub} refused the enrolment: {refusal}")]
    Refused {
        /// Its address.
        hub: String,
        /// Why.
        refusal: Refusal,
    },
    /// The hub's answer does not fit what was asked.
    #[error("the hub's answer cannot be used: {0}")]
    Answer(&'static str),
}

/// What a hub says when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code, for example `token.expired`; empty if the hub gave none.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Who this spoke is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// UUID of the cluster.
    pub cluster_id: String,
    /// Name of the cluster, for people.
    pub cluster_name: String,
    /// PEM of the client certificate.
    pub certificate: String,
    /// PEM of the hub's CA.
    pub ca: String,
    /// PEM of the private key.
    key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}

/// Where the identity is kept.
pub struct Store {
    secrets: Secrets,
}

/// What the Secret holds.
#[derive(Debug)]
pub enum Kept {
    /// Nothing yet.
    Nothing,
    /// A key that is not known to be enrolled.
    Key(PendingKey),
    /// An identity.
    Identity {
        /// What the hub gave.
        identity: Identity,
        /// Its key.
        key: PendingKey,
        /// Id of the token that it was enrolled with; none if that was before it was written down.
        token: Option<String>,
        /// The key that is to come after it, once a renewal began: perhaps it is certified already.
        next: Option<String>,
    },
}

/// A key that is written down and not known to be enrolled.
#[derive(Clone)]
pub struct PendingKey {
    pem: String,
    version: Version,
}

impl fmt::Debug for PendingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingKey").finish_non_exhaustive()
    }
}

impl PendingKey {
    /// The private key.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl Identity {
    /// An identity of a key that was enrolled.
    #[must_use]
    pub fn new(key: &PendingKey, cluster: (String, String), certificate: String, ca: String) -> Self {
        let (cluster_id, cluster_name) = cluster;
        Self { cluster_id, cluster_name, certificate, ca, key: key.pem.clone() }
    }

    /// When the certificate stops being good, in seconds since 1970; none if it cannot be read.
    #[must_use]
    pub fn good_until(&self) -> Option<i64> {
        key::good(&self.certificate).map(|(_, until)| until)
    }

    /// When half of the certificate's life is over, likewise.
    fn half_life(&self) -> Option<i64> {
        key::good(&self.certificate).map(|(from, until)| from + (until - from) / 2)
    }

    /// This identity with another key and the certificate for it.
    fn renewed(&self, key: String, certificate: String) -> Self {
        Self { key, certificate, ..self.clone() }
    }
}

impl Store {
    /// A store over the spoke's Secrets.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }

    /// What is kept.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(&self) -> Result<Kept, Error> {
        let found = self.secrets.find(NAME).await.map_err(Error::Read)?;
        found.map_or(Ok(Kept::Nothing), |secret| read(&secret).ok_or(Error::Corrupt))
    }

    /// Writes down a new key.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn save_key(&self, pem: String) -> Result<PendingKey, Error> {
        let data = Data::from([("key", pem.clone().into_bytes())]);
        let version = self.secrets.put(NAME, None, data).await.map_err(Error::Write)?;
        Ok(PendingKey { pem, version })
    }

    /// Writes down the identity that the hub gave for a key and a token.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn save(&self, key: &PendingKey, identity: &Identity, token: &Token) -> Result<(), Error> {
        self.write(&key.version, data(identity, Some(&token.id))).await.map(drop)
    }

    /// Writes down the key that is to come after the present one.
    async fn save_next(
        &self,
        known: &Version,
        (identity, token): (&Identity, Option<&str>),
        next: &str,
    ) -> Result<Version, Error> {
        let mut data = data(identity, token);
        data.insert("next-key", next.as_bytes().to_vec());
        self.write(known, data).await
    }

    /// Writes down the identity of the next key in the place of the present one.
    async fn save_renewed(
        &self,
        known: &Version,
        (identity, token): (&Identity, Option<&str>),
    ) -> Result<(), Error> {
        self.write(known, data(identity, token)).await.map(drop)
    }

    async fn write(&self, known: &Version, data: Data) -> Result<Version, Error> {
        self.secrets.put(NAME, Some(known), data).await.map_err(Error::Write)
    }
}

fn data(identity: &Identity, token: Option<&str>) -> Data {
    let mut data = Data::from([
        ("key", identity.key.clone().into_bytes()),
        ("cluster-id", identity.cluster_id.clone().into_bytes()),
        ("cluster-name", identity.cluster_name.clone().into_bytes()),
        ("certificate", identity.certificate.clone().into_bytes()),
        ("ca", identity.ca.clone().into_bytes()),
    ]);
    if let Some(token) = token {
        data.insert("token", token.as_bytes().to_vec());
    }
    data
}

/// What a Secret holds; none if there is not even a key.
fn read(secret: &Stored) -> Option<Kept> {
    let key = secret.text("key")?;
    let whole = || {
        Some(Identity {
            cluster_id: secret.text("cluster-id")?,
            cluster_name: secret.text("cluster-name")?,
            certificate: secret.text("certificate")?,
            ca: secret.text("ca")?,
            key: key.clone(),
        })
    };
    let pending = PendingKey { pem: key.clone(), version: secret.version.clone() };
    Some(match whole() {
        Some(identity) => Kept::Identity {
            identity,
            key: pending,
            token: secret.text("token"),
            next: secret.text("next-key"),
        },
        None => Kept::Key(pending),
    })
}
