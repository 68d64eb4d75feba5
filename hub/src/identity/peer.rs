//! What a verified client certificate says of its holder.

use hub_core::{
    digest::Digest,
    fleet::keys::{Life, Shown},
};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::spiffe::{Identity, TrustDomain};

/// The other end of a connection, as TLS left it. Read once a connection; calls find it in their extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It showed no certificate.
    Anonymous,
    /// It showed one that our authority signed.
    Certified(Certified),
    /// It showed one that our authority signed, and that names nobody.
    Unreadable(Unreadable),
}

/// What a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certified {
    /// Who its holder is.
    pub identity: Identity,
    /// sha-256 of its key, as a SubjectPublicKeyInfo.
    pub public_key: Digest,
    /// Which certificate of which enrolment it is; none if its serial number does not say.
    pub life: Option<Life>,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be parsed.
    #[error("the client certificate is malformed")]
    Malformed,
    /// It has no name, more than one, or one that is no URI.
    #[error("the client certificate must have one URI as its only name")]
    Names,
    /// Its URI is no identity of this hub.
    #[error("the client certificate names nobody of this hub's trust domain")]
    Foreign,
}

impl Peer {
    /// Reads the certificates of a finished handshake, the leaf first.
    #[must_use]
    pub fn of(certificates: Option<&[CertificateDer<'_>]>, trust_domain: &TrustDomain) -> Self {
        let Some(leaf) = certificates.and_then(<[_]>::first) else { return Self::Anonymous };
        match Certified::read(leaf, trust_domain) {
            Ok(certified) => Self::Certified(certified),
            Err(unreadable) => Self::Unreadable(unreadable),
        }
    }
}

impl Certified {
    /// What is asked about in the database.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown { key: self.public_key, life: self.life }
    }

    pub(super) fn read(leaf: &[u8], trust_domain: &TrustDomain) -> Result<Self, Unreadable> {
        let (_, certificate) =
            x509_parser::parse_x509_certificate(leaf).map_err(|_| Unreadable::Malformed)?;
        let uri = only_uri(&certificate).ok_or(Unreadable::Names)?;
        let identity = trust_domain.identity(uri).ok_or(Unreadable::Foreign)?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self {
            identity,
            public_key: Digest::of(certificate.public_key().raw),
            life: Life::of_serial(certificate.raw_serial()),
            expires_at: Timestamp::from_second(not_after).map_err(|_| Unreadable::Malformed)?,
        })
    }
}

fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    match names[..] {
        [GeneralName::URI(uri)] => Some(uri),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    const CLUSTER: &str = "spiffe://meshfleet.local/cluster/0190a3c4-1111-7222-8333-444455556666";
    const OPERATOR: &str = "spiffe://meshfleet.local/operator/0190a3c4-1111-7222-8333-444455556666";

    fn peer(names: Vec<SanType>) -> Peer {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let trust_domain = TrustDomain::parse("meshfleet.local").unwrap();
        Peer::of(Some(&[certificate.der().clone()]), &trust_domain)
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn one_uri_of_our_domain_is_an_identity() {
        assert!(matches!(
            peer(vec![uri(CLUSTER)]),
            Peer::Certified(Certified { identity: Identity::Cluster(_), .. })
        ));
        assert!(matches!(
            peer(vec![uri(OPERATOR)]),
            Peer::Certified(Certified { identity: Identity::Operator(_), .. })
        ));
    }

    #[test]
    fn other_names_are_nobody() {
        let dns = || SanType::DnsName("hub.meshfleet".try_into().unwrap());
        for (names, expected) in [
            (vec![], Unreadable::Names),
            (vec![dns()], Unreadable::Names),
            (vec![uri(CLUSTER), uri(OPERATOR)], Unreadable::Names),
            (vec![uri(CLUSTER), dns()], Unreadable::Names),
            (
                vec![uri("spiffe://other.local/cluster/0190a3c4-1111-7222-8333-444455556666")],
                Unreadable::Foreign,
            ),
            (vec![uri("https://meshfleet.local/cluster")], Unreadable::Foreign),
        ] {
            assert_eq!(peer(names), Peer::Unreadable(expected));
        }
    }

    #[test]
    fn no_certificate_is_anonymous() {
        let trust_domain = TrustDomain::parse("meshfleet.local").unwrap();
        assert_eq!(Peer::of(None, &trust_domain), Peer::Anonymous);
        assert_eq!(Peer::of(Some(&[]), &trust_domain), Peer::Anonymous);
    }
}
