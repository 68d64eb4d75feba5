//! Certificate requests. Only the public key is taken from one; the names and extensions that it asks for are ignored.

use hub_core::digest::Digest;
use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use x509_parser::{
    certification_request::X509CertificationRequest,
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256},
    prelude::FromDer,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo as Spki},
};

/// A request of P-256 with a name has some 250 bytes; far larger ones only cost time.
const LARGEST: usize = 8 * 1024;

/// A P-256 public key whose holder proved to have the private one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: SubjectPublicKeyInfo,
    fingerprint: Digest,
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is larger than any honest one.
    #[error("the certificate request is larger than {LARGEST} bytes")]
    TooLarge,
    /// It cannot be read.
    #[error("the certificate request is not a PKCS#10 request in DER")]
    Malformed,
    /// Its key is of another kind.
    #[error("the certificate request is not for a P-256 key signed with ECDSA and SHA-256")]
    OtherKey,
    /// Whoever sent it does not hold the private key.
    #[error("the certificate request is not signed by its own key")]
    Signature,
}

impl PublicKey {
    /// Takes the key out of a request.
    pub fn from_request(der: &[u8]) -> Result<Self, Error> {
        if der.len() > LARGEST {
            return Err(Error::TooLarge);
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| Error::Malformed)?;
        if !rest.is_empty() {
            return Err(Error::Malformed);
        }
        let spki = &request.certification_request_info.subject_pki;
        if !is_p256(spki) || !is_ecdsa_sha256(&request.signature_algorithm) {
            return Err(Error::OtherKey);
        }
        request.verify_signature().map_err(|_| Error::Signature)?;
        let key = SubjectPublicKeyInfo::from_der(spki.raw).map_err(|_| Error::OtherKey)?;
        let fingerprint = Digest::of(&key.subject_public_key_info());
        Ok(Self { key, fingerprint })
    }

    /// sha-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    pub(super) fn as_rcgen(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }
}

fn is_p256(spki: &Spki<'_>) -> bool {
    let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    spki.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve.is_some_and(|curve| curve == OID_EC_P256)
}

fn is_ecdsa_sha256(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA256
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["ignored.example".to_owned()]).unwrap();
        params.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_key_of_an_honest_request_is_taken() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        let taken = PublicKey::from_request(&der).unwrap();
        assert_eq!(taken.fingerprint(), Digest::of(&key.subject_public_key_info()));
    }

    #[test]
    fn other_keys_are_refused() {
        for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
            assert_eq!(PublicKey::from_request(&request(algorithm)), Err(Error::OtherKey));
        }
    }

    #[test]
    fn a_request_that_was_tampered_with_is_refused() {
        let mut der = request(&PKCS_ECDSA_P256_SHA256);
        let last = der.len() - 1;
        der[last] ^= 1;
        assert_eq!(PublicKey::from_request(&der), Err(Error::Signature));
    }

    #[test]
    fn rubbish_is_refused() {
        let mut longer = request(&PKCS_ECDSA_P256_SHA256);
        longer.push(0);
        for (der, expected) in [
            (Vec::new(), Error::Malformed),
            (vec![0x30; 100], Error::Malformed),
            (longer, Error::Malformed),
            (vec![0; LARGEST + 1], Error::TooLarge),
        ] {
            assert_eq!(PublicKey::from_request(&der), Err(expected));
        }
    }
}
