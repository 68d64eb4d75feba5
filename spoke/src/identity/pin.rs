//! Trust before there is a CA certificate: the pin that came with the token.
//!
//! The hub must show a chain that leads to a CA with the pinned key, and be named as hubs are. Its address does not count.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::digest::Digest;

/// sha-256 of the public key (SubjectPublicKeyInfo) of the hub's CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(Digest);

impl Pin {
    /// Reads 64 hex digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Digest::try_from(text.to_owned()).ok().map(Self)
    }

    /// Whether this is the certificate of the pinned CA.
    #[must_use]
    pub fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        X509Certificate::from_der(certificate)
            .is_ok_and(|(_, parsed)| parsed.is_ca() && Digest::of(parsed.public_key().raw) == self.0)
    }
}

/// Accepts a hub whose chain leads to the pinned CA.
#[derive(Debug)]
pub struct PinnedVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    /// A verifier for a pin.
    #[must_use]
    pub fn new(pin: Pin, provider: Arc<CryptoProvider>) -> Self {
        Self { pin, provider }
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let ca = intermediates.iter().find(|certificate| self.pin.fits(certificate)).ok_or_else(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|_| unknown())?;
        let name = ServerName::try_from(proto::HUB_NAME)
            .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidForName))?;
        verifier.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    struct Chain {
        leaf: CertificateDer<'static>,
        ca: CertificateDer<'static>,
    }

    fn chain(hub: &str) -> Chain {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let params = CertificateParams::new(vec![hub.to_owned()]).unwrap();
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &ca).unwrap();
        Chain { leaf: leaf.der().clone(), ca: ca.der().clone() }
    }

    fn pin_of(certificate: &CertificateDer<'_>) -> Pin {
        let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
        Pin(Digest::of(parsed.public_key().raw))
    }

    fn accepted(pin: Pin, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> bool {
        let verifier = PinnedVerifier::new(pin, Arc::new(rustls::crypto::ring::default_provider()));
        let name = ServerName::try_from("anything").unwrap();
        verifier.verify_server_cert(leaf, chain, &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn only_a_hub_under_the_pinned_ca_is_accepted() {
        let (ours, other) = (chain(proto::HUB_NAME), chain(proto::HUB_NAME));
        let pin = pin_of(&ours.ca);
        assert!(accepted(pin, &ours.leaf, std::slice::from_ref(&ours.ca)));
        assert!(!accepted(pin, &other.leaf, std::slice::from_ref(&other.ca)), "another CA");
        assert!(
            !accepted(pin, &other.leaf, std::slice::from_ref(&ours.ca)),
            "a leaf that the CA did not sign"
        );
        assert!(!accepted(pin, &ours.leaf, &[]), "no chain");
        let misnamed = chain("elsewhere");
        assert!(
            !accepted(pin_of(&misnamed.ca), &misnamed.leaf, std::slice::from_ref(&misnamed.ca)),
            "not a hub"
        );
        assert!(
            !accepted(pin_of(&ours.leaf), &ours.leaf, std::slice::from_ref(&ours.leaf)),
            "a leaf is no CA"
        );
    }
}
