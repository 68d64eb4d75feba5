//! Renewals spoken by hand: what is proved, what is refused, and what a restored database makes of a later certificate.

use anyhow::{Context, Result, ensure};
use hub::identity::{authority::Authority, csr::PublicKey, spiffe::TrustDomain};
use hub_core::{
    digest::Digest,
    fleet::{ClusterId, keys::Life},
};
use jiff::{SignedDuration, Timestamp};
use proto::v1::{
    DetachClusterRequest, RenewRequest, clusters_client::ClustersClient, delivery_client::DeliveryClient,
};
use rcgen::{CertificateParams, KeyPair, SigningKey};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tonic::{
    Status,
    transport::{Channel, Identity},
};
use uuid::Uuid;

use super::{
    house::{House, open_folder, reason},
    played::Played,
};

/// A certificate with its key.
struct Holder {
    certificate: String,
    key: KeyPair,
}

impl Holder {
    async fn enrolled(house: &House, cluster: &str) -> Result<(Self, ClusterId)> {
        let key = KeyPair::generate()?;
        let joined = house.enrol(&house.token(cluster).await?, &key).await??;
        let cluster = ClusterId(Uuid::parse_str(&joined.cluster_id)?);
        Ok((Self { certificate: joined.certificate, key }, cluster))
    }

    /// A certificate that a hub's authority issues as this test wants it.
    fn issued(authority: &Authority, whose: (ClusterId, Life), expired: SignedDuration) -> Result<Self> {
        let key = KeyPair::generate()?;
        let public = PublicKey::from_request(&csr(&key)?)?;
        let lives = SignedDuration::from_hours(1);
        let issued = authority.issue_spoke(&public, whose, lives, Timestamp::now() - lives - expired)?;
        Ok(Self { certificate: issued.certificate, key })
    }

    fn der(&self) -> Result<Vec<u8>> {
        Ok(CertificateDer::from_pem_slice(self.certificate.as_bytes())?.to_vec())
    }

    fn life(&self) -> Result<Life> {
        Life::of_serial(serial(&self.der()?)?).context("a serial number that says which life")
    }

    fn tls(&self) -> Identity {
        Identity::from_pem(&self.certificate, self.key.serialize_pem())
    }

    /// An honest request for a certificate of `next`.
    fn asks_for(&self, house: &House, next: &KeyPair) -> Result<RenewRequest> {
        let (certificate, csr) = (self.der()?, csr(next)?);
        let proof = self.key.sign(&statement(house, &certificate, &csr)?)?;
        Ok(RenewRequest {
            protocol_version: proto::PROTOCOL_VERSION,
            spoke_version: "played".to_owned(),
            certificate,
            csr,
            proof,
        })
    }

    async fn renewed(&self, house: &House) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = renew(house, self.asks_for(house, &key)?).await??;
        Ok(Self { certificate, key })
    }
}

/// The serial number of a certificate, as DER has it.
fn serial(der: &[u8]) -> Result<&[u8]> {
    // SEQUENCE { SEQUENCE { [0] { INTEGER version }, INTEGER serial, ... } }
    let (_, rest) = content(content(content(der)?.0)?.0)?;
    Ok(content(rest)?.0)
}

/// The content of the first element, and what follows it.
fn content(der: &[u8]) -> Result<(&[u8], &[u8])> {
    let first = usize::from(*der.get(1).context("a length")?);
    let (begin, length) = match first {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        short => (2, short),
    };
    Ok((der.get(begin..begin + length).context("content")?, &der[begin + length..]))
}

fn csr(key: &KeyPair) -> Result<Vec<u8>> {
    Ok(CertificateParams::default().serialize_request(key)?.der().to_vec())
}

fn authority(house: &House) -> Result<Authority> {
    Ok(Authority::load(&house.data().join("ca"), TrustDomain::parse("meshfleet.local")?)?)
}

/// What the old key signs.
fn statement(house: &House, certificate: &[u8], csr: &[u8]) -> Result<Vec<u8>> {
    let ca = authority(house)?.fingerprint();
    let (certificate, csr) = (Digest::of(certificate), Digest::of(csr));
    Ok([proto::RENEWAL, certificate.as_bytes(), csr.as_bytes(), ca.as_bytes()].concat())
}

async fn renew(house: &House, request: RenewRequest) -> Result<Result<String, Status>> {
    renew_by(house.connect(None).await?, request).await
}

async fn renew_by(channel: Channel, request: RenewRequest) -> Result<Result<String, Status>> {
    let answer = DeliveryClient::new(channel).renew(request).await;
    Ok(answer.map(|answer| answer.into_inner().certificate))
}

/// The reason of a refusal.
async fn refused(house: &House, request: RenewRequest) -> Result<String> {
    Ok(renew(house, request).await?.err().map(|status| reason(&status)).unwrap_or_default())
}

async fn attach_refused(house: &House, holder: &Holder) -> Result<String> {
    let refused = Played::attach(house, holder.tls()).await.err().context("it was let in")?;
    Ok(reason(&refused.downcast::<Status>()?))
}

#[tokio::test]
async fn the_last_key_is_renewed_and_the_session_by_the_former_one_goes_on() -> Result<()> {
    let house = House::open().await?;
    let (first, _) = Holder::enrolled(&house, "one").await?;
    let mut session = Played::attach(&house, first.tls()).await?;
    let key = KeyPair::generate()?;
    let request = first.asks_for(&house, &key)?;
    let certificate = renew(&house, request.clone()).await??;
    let second = Holder { certificate, key };
    let (one, two) = (first.life()?, second.life()?);
    ensure!(one.enrolment == two.enrolment && (one.number, two.number) == (1, 2), "{one:?}, {two:?}");

    // The answer that was lost is given again, and another key is not certified.
    let again = Holder { certificate: renew(&house, request).await??, key: KeyPair::generate()? };
    ensure!(again.life()? == two);
    ensure!(refused(&house, first.asks_for(&house, &KeyPair::generate()?)?).await? == "caller.former_key");
    ensure!(attach_refused(&house, &first).await? == "caller.former_key");

    // Sessions are looked at every second or so: it would have been cut by a replaced key.
    session.still_heard(std::time::Duration::from_secs(3)).await?;
    let _next = Played::attach(&house, second.tls()).await?;
    ensure!(reason(&session.ending().await?) == "session.replaced");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_old_key_alone_is_not_enough_and_neither_is_anything_else_alone() -> Result<()> {
    let house = House::open().await?;
    let (one, _) = Holder::enrolled(&house, "one").await?;
    let (two, _) = Holder::enrolled(&house, "two").await?;
    let (next, other) = (KeyPair::generate()?, KeyPair::generate()?);
    let honest = || one.asks_for(&house, &next);
    let signed = |by: &KeyPair, certificate: &[u8], csr: &[u8]| -> Result<Vec<u8>> {
        Ok(by.sign(&statement(&house, certificate, csr)?)?)
    };

    // The key without its certificate, or with somebody else's.
    let request = RenewRequest { certificate: Vec::new(), ..honest()? };
    ensure!(refused(&house, request).await? == "renewal.certificate");
    let proof = signed(&one.key, &two.der()?, &csr(&next)?)?;
    let request = RenewRequest { certificate: two.der()?, proof, ..honest()? };
    ensure!(refused(&house, request).await? == "renewal.proof");
    // The certificate without its key.
    let request = RenewRequest { proof: Vec::new(), ..honest()? };
    ensure!(refused(&house, request).await? == "renewal.proof");
    let proof = signed(&next, &one.der()?, &csr(&next)?)?;
    ensure!(refused(&house, RenewRequest { proof, ..honest()? }).await? == "renewal.proof");
    // A proof for another request.
    let request = RenewRequest { csr: csr(&other)?, ..honest()? };
    ensure!(refused(&house, request).await? == "renewal.proof");
    let mut broken = csr(&next)?;
    *broken.last_mut().context("a byte")? ^= 1;
    let proof = signed(&one.key, &one.der()?, &broken)?;
    ensure!(refused(&house, RenewRequest { csr: broken, proof, ..honest()? }).await? == "csr.refused");
    // A signature of something else: it lacks what says that it is a renewal of this hub.
    let bare = [Digest::of(&one.der()?).as_bytes(), Digest::of(&csr(&next)?).as_bytes() as &[u8]].concat();
    let request = RenewRequest { proof: one.key.sign(&bare)?, ..honest()? };
    ensure!(refused(&house, request).await? == "renewal.proof");
    // No new key.
    ensure!(refused(&house, one.asks_for(&house, &one.key)?).await? == "renewal.same_key");

    let one = one.renewed(&house).await?;
    Played::attach(&house, one.tls()).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn only_a_spoke_s_certificate_of_this_hub_is_renewed() -> Result<()> {
    let house = House::open().await?;
    let (one, cluster) = Holder::enrolled(&house, "one").await?;
    let life = one.life()?;
    let ours = authority(&house)?;
    let elsewhere = open_folder()?;
    let domain = TrustDomain::parse("meshfleet.local")?;
    let theirs = Authority::make(&elsewhere.path().join("ca"), domain, Timestamp::now())?;
    let operator = ours.issue_operator(Uuid::now_v7(), Timestamp::now())?;
    let server = ours.issue_server("hub.meshfleet", Timestamp::now())?;
    let later = Life { number: 9, ..life };
    let no_time = SignedDuration::ZERO;
    for (holder, expected) in [
        (Holder::issued(&theirs, (cluster, later), no_time)?, "renewal.certificate"),
        (
            Holder {
                certificate: operator.issued.certificate.clone(),
                key: KeyPair::from_pem(&operator.key_pem())?,
            },
            "renewal.certificate",
        ),
        (
            Holder {
                certificate: server.issued.certificate.clone(),
                key: KeyPair::from_pem(&server.key_pem())?,
            },
            "renewal.certificate",
        ),
        (Holder::issued(&ours, (ClusterId(Uuid::now_v7()), later), no_time)?, "caller.unknown"),
        // The same number, and another enrolment: no key of this cluster.
        (Holder::issued(&ours, (cluster, life), no_time)?, "caller.former_key"),
        (Holder::issued(&ours, (cluster, Life { enrolment: 1, number: 9 }), no_time)?, "caller.former_key"),
    ] {
        let request = holder.asks_for(&house, &KeyPair::generate()?)?;
        ensure!(refused(&house, request).await? == expected, "{expected}: {}", holder.certificate);
    }
    house.close().await?;
    Ok(())
}

/// Has a cluster go by the key of this holder, as a database of that time says.
async fn go_back_to(house: &House, cluster: ClusterId, holder: &Holder) -> Result<()> {
    let public = PublicKey::from_request(&csr(&holder.key)?)?;
    let (key, number) = (public.fingerprint(), i64::try_from(holder.life()?.number)?);
    let update = "update cluster set public_key_hash = $2, certificate_number = $3 where id = $1";
    let query = sqlx::query(update).bind(cluster.0).bind(key.as_bytes().as_slice()).bind(number);
    ensure!(query.execute(&mut house.database().await?).await?.rows_affected() == 1);
    Ok(())
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_for_thirty_days_and_no_longer() -> Result<()> {
    let house = House::open().await?;
    let (enrolled, cluster) = Holder::enrolled(&house, "one").await?;
    let (ours, day) = (authority(&house)?, SignedDuration::from_hours(24));
    let long_gone = Holder::issued(&ours, (cluster, enrolled.life()?), day * 30 + day)?;
    go_back_to(&house, cluster, &long_gone).await?;
    let request = long_gone.asks_for(&house, &KeyPair::generate()?)?;
    let status = renew(&house, request).await?.err().context("it was renewed")?;
    ensure!(reason(&status) == "renewal.too_late", "{status:?}");
    let problem = <proto::v1::Problem as prost::Message>::decode(status.details())?;
    ensure!(problem.hint.contains("meshfleet cluster enrol one --replace"), "{problem:?}");

    let away = Holder::issued(&ours, (cluster, enrolled.life()?), day * 29)?;
    go_back_to(&house, cluster, &away).await?;
    ensure!(Played::attach(&house, away.tls()).await.is_err(), "an expired certificate came in");
    Played::attach(&house, away.renewed(&house).await?.tls()).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_detached_cluster_renews_nothing_not_even_by_a_kept_connection() -> Result<()> {
    let house = House::open().await?;
    let (one, _) = Holder::enrolled(&house, "one").await?;
    // Both were opened while it was of the fleet.
    let (kept, kept_bare) = (house.connect(Some(one.tls())).await?, house.connect(None).await?);
    let mut session = Played::attach(&house, one.tls()).await?;
    let one = one.renewed(&house).await?;
    let next = KeyPair::generate()?;
    let mut clusters = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    let detached_at = std::time::Instant::now();
    clusters.detach(DetachClusterRequest { name: "one".to_owned() }).await?;
    ensure!(reason(&session.ending().await?) == "cluster.detached");
    ensure!(detached_at.elapsed() < std::time::Duration::from_secs(5), "{:?}", detached_at.elapsed());
    for channel in [kept.clone(), kept_bare, house.connect(None).await?] {
        let status = renew_by(channel, one.asks_for(&house, &next)?).await?.err().context("renewed")?;
        ensure!(reason(&status) == "cluster.detached", "{status:?}");
    }
    let said = tokio_stream::empty::<proto::v1::FromSpoke>();
    let status =
        DeliveryClient::new(kept).attach(said).await.err().context("a kept connection was let in")?;
    ensure!(reason(&status) == "cluster.detached", "{status:?}");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_replaced_spoke_is_cut_off_once_the_token_is_used_and_never_comes_back() -> Result<()> {
    let house = House::open().await?;
    let (former, cluster) = Holder::enrolled(&house, "one").await?;
    let former = former.renewed(&house).await?;
    let mut session = Played::attach(&house, former.tls()).await?;
    let token = house.token("one").await?;
    // Until then nothing changes.
    session.still_heard(std::time::Duration::from_secs(2)).await?;
    let former = former.renewed(&house).await?;
    let key = KeyPair::generate()?;
    let used_at = std::time::Instant::now();
    let joined = house.enrol(&token, &key).await??;
    ensure!(joined.cluster_id == cluster.to_string(), "it stays the same cluster");
    session.ending().await?;
    ensure!(used_at.elapsed() < std::time::Duration::from_secs(5), "{:?}", used_at.elapsed());
    let present = Holder { certificate: joined.certificate, key };
    ensure!(attach_refused(&house, &former).await? == "caller.former_key");
    ensure!(refused(&house, former.asks_for(&house, &KeyPair::generate()?)?).await? == "caller.former_key");
    // Its number is higher than that of the new one, which is no help to it.
    ensure!(former.life()?.number > present.life()?.number);
    Played::attach(&house, present.renewed(&house).await?.tls()).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_database_of_before_a_renewal_takes_the_later_key_up() -> Result<()> {
    let house = House::open().await?;
    let (first, cluster) = Holder::enrolled(&house, "one").await?;
    let second = first.renewed(&house).await?;
    let third = second.renewed(&house).await?;

    go_back_to(&house, cluster, &first).await?;
    let session = Played::attach(&house, third.tls()).await?;
    ensure!(
        attach_refused(&house, &first).await? == "caller.former_key",
        "the key of the dump counts no more"
    );
    ensure!(attach_refused(&house, &second).await? == "caller.former_key");
    let events = "select count(*) from audit_event where action = 'cluster.key_recovered'";
    let count: i64 = sqlx::query_scalar(events).fetch_one(&mut house.database().await?).await?;
    ensure!(count == 1, "{count} events");
    drop(session);

    // By a renewal too, for a spoke whose certificate expired meanwhile.
    go_back_to(&house, cluster, &first).await?;
    let fourth = third.renewed(&house).await?;
    ensure!(fourth.life()?.number == 4, "{:?}", fourth.life()?);
    Played::attach(&house, fourth.tls()).await?;
    house.close().await?;
    Ok(())
}
