//! The certificate authority of one hub: P-256, made at the first start with a private database, kept in two files.
//!
//! Everybody verifies the hub against it, and the hub verifies everybody against it. Its key leaves its folder only into
//! this process.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, keys::Life},
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use uuid::Uuid;

use super::{
    csr::PublicKey,
    random,
    spiffe::{Identity, TrustDomain},
};

/// How far clocks may differ: certificates are good this long before they were made. One that lives for minutes only is
/// good for a tenth of its life before: its spoke takes the middle of what stands in it for its half life.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

const AUTHORITY_LIVES: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// A server certificate is made at each start and again each time a third of this is over.
pub const SERVER_LIVES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a spoke's certificate is good unless the hub is told otherwise: it is renewed after half of that.
pub const SPOKE_LIVES: SignedDuration = SignedDuration::from_hours(24);

/// How long an operator's certificate is good.
pub const OPERATOR_LIVES: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A certificate authority that could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The files do not hold an authority.
    #[error("{path} holds no certificate authority of P-256 with its own key: {why}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

/// The authority. `Debug` shows its fingerprint and nothing of its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    fingerprint: Digest,
    trust_domain: TrustDomain,
}

/// A certificate that was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// PEM of the certificate.
    pub certificate: String,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// A certificate together with its key, for the hub itself and for its first operator. `Debug` shows no key.
pub struct WithKey {
    /// The certificate.
    pub issued: Issued,
    /// DER of the certificate.
    pub der: CertificateDer<'static>,
    key: KeyPair,
}

impl WithKey {
    /// PEM of the key.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// DER of the key.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

impl Authority {
    /// Whether `folder` is there.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.exists()
    }

    /// Makes a new authority in `folder`. Both files become visible in one step, so that a hub killed on the way leaves
    /// none, and never one without its key.
    pub fn make(folder: &Path, trust_domain: TrustDomain, now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = authority_params(now).self_signed(&key)?;
        let made = folder.with_extension("new");
        if made.exists() {
            fs::remove_dir_all(&made).map_err(file("remove", &made))?;
        }
        DirBuilder::new().mode(0o700).create(&made).map_err(file("make the folder", &made))?;
        write_private(&made.join("ca.key"), key.serialize_pem().as_bytes())?;
        write_private(&made.join("ca.pem"), certificate.pem().as_bytes())?;
        flush_folder(&made)?;
        fs::rename(&made, folder).map_err(file("rename", &made))?;
        flush_folder(folder.parent().unwrap_or(folder))?;
        Self::load(folder, trust_domain)
    }

    /// Reads the authority of `folder`: `ca.pem` and `ca.key`.
    pub fn load(folder: &Path, trust_domain: TrustDomain) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(file("read", &path))
        };
        let (pem, key) = (read("ca.pem")?, read("ca.key")?);
        Self::from_pem(pem, &key, trust_domain)
            .map_err(|why| Error::Unusable { path: folder.to_owned(), why })
    }

    fn from_pem(pem: String, key: &str, trust_domain: TrustDomain) -> Result<Self, String> {
        let key = KeyPair::from_pem_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|error| format!("the key cannot be read ({error})"))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("the certificate cannot be read ({error})"))?;
        let spki = spki_of_authority(&der)?;
        if spki != key.subject_public_key_info() {
            return Err("the key is not the certificate's".to_owned());
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| error.to_string())?;
        Ok(Self { issuer, pem, der, fingerprint: Digest::of(&spki), trust_domain })
    }

    /// sha-256 of the certificate's SubjectPublicKeyInfo: what enrolment tokens pin.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// PEM of the certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// DER of the certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// When it stops being good, and with it everything that it issued.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.der).ok()?;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
    }

    /// The domain of its identities.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// A certificate for the hub itself, with a new key.
    pub fn issue_server(&self, name: &str, now: Timestamp) -> Result<WithKey, Error> {
        let san = SanType::DnsName(name.try_into()?);
        self.issue_with_key(
            leaf_params(san, ExtendedKeyUsagePurpose::ServerAuth, now, SERVER_LIVES),
            now + SERVER_LIVES,
        )
    }

    /// A certificate for the holder of a key: the spoke of a cluster, in this life of it. Its end is written in whole
    /// seconds.
    pub fn issue_spoke(
        &self,
        key: &PublicKey,
        (cluster, life): (ClusterId, Life),
        lives: SignedDuration,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let san = self.identity_san(Identity::Cluster(cluster))?;
        let mut params = leaf_params(san, ExtendedKeyUsagePurpose::ClientAuth, now, lives);
        params.serial_number = Some(SerialNumber::from_slice(&life.serial()));
        let certificate = params.signed_by(key.as_rcgen(), &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), expires_at: now + lives })
    }

    /// A certificate for an operator, with a new key.
    pub fn issue_operator(&self, operator: Uuid, now: Timestamp) -> Result<WithKey, Error> {
        let san = self.identity_san(Identity::Operator(operator))?;
        let params = leaf_params(san, ExtendedKeyUsagePurpose::ClientAuth, now, OPERATOR_LIVES);
        self.issue_with_key(params, now + OPERATOR_LIVES)
    }

    /// A certificate for the holder of a key: an operator.
    pub fn certify_operator(&self, key: &PublicKey, operator: Uuid, now: Timestamp) -> Result<Issued, Error> {
        let san = self.identity_san(Identity::Operator(operator))?;
        let params = leaf_params(san, ExtendedKeyUsagePurpose::ClientAuth, now, OPERATOR_LIVES);
        let certificate = params.signed_by(key.as_rcgen(), &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), expires_at: now + OPERATOR_LIVES })
    }

    fn issue_with_key(&self, params: CertificateParams, expires_at: Timestamp) -> Result<WithKey, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let issued = Issued { certificate: certificate.pem(), expires_at };
        Ok(WithKey { issued, der: certificate.der().clone(), key })
    }

    fn identity_san(&self, identity: Identity) -> Result<SanType, Error> {
        Ok(SanType::URI(self.trust_domain.uri(identity).try_into()?))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WithKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithKey").field("issued", &self.issued).finish_non_exhaustive()
    }
}

fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = params(now, AUTHORITY_LIVES);
    params.distinguished_name.push(DnType::CommonName, "meshfleet hub");
    // It signs leaves only: nobody it certifies can certify others.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Parameters of a certificate for one name and one purpose: a spoke's can never stand for the hub.
fn leaf_params(
    san: SanType,
    purpose: ExtendedKeyUsagePurpose,
    now: Timestamp,
    lives: SignedDuration,
) -> CertificateParams {
    let mut params = params(now, lives);
    params.subject_alt_names = vec![san];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    params
}

fn params(now: Timestamp, lives: SignedDuration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = SystemTime::from(now - CLOCK_SKEW.min(lives / 10)).into();
    params.not_after = SystemTime::from(now + lives).into();
    // Positive, and different also for the same key again.
    let mut serial: [u8; 16] = random();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

fn spki_of_authority(der: &CertificateDer<'_>) -> Result<Vec<u8>, String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| format!("the certificate is malformed ({error})"))?;
    if !certificate.is_ca() {
        return Err("the certificate may not sign others".to_owned());
    }
    Ok(certificate.public_key().raw.to_vec())
}

/// Writes a file that only this user can read, and flushes it.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let open = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    let mut opened = open.map_err(file("open", path))?;
    opened.write_all(bytes).and_then(|()| opened.sync_all()).map_err(file("write", path))
}

fn flush_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(file("flush", path))
}

pub(super) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { act, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn domain() -> TrustDomain {
        TrustDomain::parse("meshfleet.local").unwrap()
    }

    #[test]
    fn a_made_authority_is_the_one_that_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca");
        assert!(!Authority::exists(&path));
        let made = Authority::make(&path, domain(), Timestamp::UNIX_EPOCH).unwrap();
        let read = Authority::load(&path, domain()).unwrap();
        assert_eq!(made.fingerprint(), read.fingerprint());
        for name in ["ca.key", "ca.pem"] {
            assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_key_of_another_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        for path in [&one, &other] {
            Authority::make(path, domain(), Timestamp::UNIX_EPOCH).unwrap();
        }
        fs::copy(other.join("ca.key"), one.join("ca.key")).unwrap();
        let error = Authority::load(&one, domain()).unwrap_err();
        assert!(error.to_string().contains("the key is not the certificate's"), "{error}");
    }

    #[test]
    fn a_leaf_is_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca");
        let authority = Authority::make(&path, domain(), Timestamp::UNIX_EPOCH).unwrap();
        let operator = authority.issue_operator(Uuid::nil(), Timestamp::UNIX_EPOCH).unwrap();
        fs::write(path.join("ca.pem"), &operator.issued.certificate).unwrap();
        fs::write(path.join("ca.key"), operator.key_pem()).unwrap();
        let error = Authority::load(&path, domain()).unwrap_err();
        assert!(error.to_string().contains("may not sign others"), "{error}");
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::make(&folder.path().join("ca"), domain(), Timestamp::UNIX_EPOCH).unwrap();
        let operator = authority.issue_operator(Uuid::nil(), Timestamp::UNIX_EPOCH).unwrap();
        let printed = format!("{authority:?} {operator:?}");
        assert!(!printed.contains("PRIVATE") && !printed.contains("key"), "{printed}");
    }
}
