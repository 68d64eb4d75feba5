//! The certificate that a renewal goes by: shown within a call instead of in TLS, because it may have expired.

use hub_core::{digest::Digest, fleet::ClusterId};
use rustls::{SignatureScheme, crypto::ring};
use x509_parser::certificate::X509Certificate;

use super::{
    authority::Authority,
    peer::{Certified, Unreadable},
    spiffe::Identity,
};

/// Why somebody is not taken for who a certificate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProved {
    /// The certificate names nobody.
    #[error("the certificate that is to be renewed cannot be read: {0}")]
    Certificate(Unreadable),
    /// Somebody else signed it.
    #[error("the certificate that is to be renewed was not issued by this hub's CA")]
    Foreign,
    /// It is not a spoke's.
    #[error("the certificate that is to be renewed is not a spoke's")]
    NoSpoke,
    /// Whoever sent it does not hold its key.
    #[error("the proof is not made with the key of the certificate that is to be renewed")]
    Proof,
}

/// A certificate of a spoke that our authority issued, expired or not.
#[derive(Debug, Clone)]
pub struct Former {
    certified: Certified,
    cluster: ClusterId,
    /// What is signed begins so.
    statement: Vec<u8>,
    authority: Digest,
    /// The public key, as a signature is checked with it.
    point: Vec<u8>,
}

impl Former {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// If it is not a spoke's, or not of this authority. When it expired is not looked at.
    pub fn read(authority: &Authority, der: &[u8]) -> Result<Self, NotProved> {
        let unreadable = |_| NotProved::Certificate(Unreadable::Malformed);
        let (rest, certificate) = x509_parser::parse_x509_certificate(der).map_err(unreadable)?;
        let (_, ours) = x509_parser::parse_x509_certificate(authority.der()).map_err(unreadable)?;
        if !rest.is_empty() {
            return Err(NotProved::Certificate(Unreadable::Malformed));
        }
        certificate.verify_signature(Some(ours.public_key())).map_err(|_| NotProved::Foreign)?;
        let certified = Certified::read(der, authority.trust_domain()).map_err(NotProved::Certificate)?;
        let Identity::Cluster(cluster) = certified.identity else { return Err(NotProved::NoSpoke) };
        if !is_for_clients(&certificate) {
            return Err(NotProved::NoSpoke);
        }
        let statement = [proto::RENEWAL, Digest::of(der).as_bytes()].concat();
        let point = certificate.public_key().subject_public_key.data.to_vec();
        Ok(Self { certified, cluster, statement, authority: authority.fingerprint(), point })
    }

    /// Whose it is.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// What it says.
    #[must_use]
    pub fn certified(&self) -> &Certified {
        &self.certified
    }

    /// Whether `proof` shows that its sender holds the key and wants this request, of this hub.
    ///
    /// # Errors
    /// If it does not.
    pub fn holds_key(&self, csr: &[u8], proof: &[u8]) -> Result<(), NotProved> {
        let (csr, authority) = (Digest::of(csr), self.authority);
        let signed = [&self.statement[..], csr.as_bytes(), authority.as_bytes()].concat();
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let mapping = algorithms.mapping.iter();
        let known = mapping.filter(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256);
        // One of them is for keys of P-256: all keys that we certify are.
        let proved = known
            .flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| algorithm.verify_signature(&self.point, &signed, proof).is_ok());
        if proved { Ok(()) } else { Err(NotProved::Proof) }
    }
}

fn is_for_clients(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.extended_key_usage().ok().flatten();
    !certificate.is_ca() && usage.is_some_and(|usage| usage.value.client_auth)
}
