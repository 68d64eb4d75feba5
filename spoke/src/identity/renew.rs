//! Renewal: after half of a certificate's life this spoke gets one for a new key, by proof that it holds the old one.
//!
//! # Design notes
//! *Flow*: the next key is written down, then certified, then written down with its certificate in the place of the former
//! one, then used. *Guarantees*: killed at any line the spoke goes on with a key that the hub takes: until the hub
//! certified the next one that is the present one, and from then on the hub certifies the same next one again. A
//! certificate that expired while the hub was away is renewed before anything else. *Caveats*: only the one spoke that holds
//! the Lease may do this, because it alone may write.

use std::{sync::Arc, time::Duration};

use proto::v1::{RenewRequest, RenewResponse, delivery_client::DeliveryClient};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Identity, Kept, Store,
    enrol::{ANSWER_TIMEOUT, refusal, unconnected},
    key,
};
use crate::{backoff::Backoff, delivery::connect, fail_point, metrics::METRICS};

/// First and longest pause before a renewal is tried again: half of a day's certificate is left for it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How often the clock is looked at: it may be set, and the machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A part of the time to the half life, at most, by which a renewal comes earlier: so a fleet that was enrolled in one
/// minute does not renew in one minute for ever.
const JITTER: f64 = 0.1;

/// Keeps the identity renewed.
pub struct Keeper {
    hub: String,
    store: Store,
    current: watch::Sender<Arc<Identity>>,
    asked: Arc<Notify>,
}

/// What renewals come to, for whoever uses the identity.
#[derive(Clone)]
pub struct Renewals {
    /// The identity, the newest.
    pub current: watch::Receiver<Arc<Identity>>,
    asked: Arc<Notify>,
}

impl Renewals {
    /// The hub says that the certificate has expired, whatever this machine's clock says: renew it now.
    pub fn ask(&self) {
        self.asked.notify_one();
    }
}

impl Keeper {
    /// A keeper of this identity, which it finds in `store`.
    #[must_use]
    pub fn new(hub: String, store: Store, identity: Identity) -> (Self, Renewals) {
        let (current, receiver) = watch::channel(Arc::new(identity));
        let asked = Arc::new(Notify::new());
        (Self { hub, store, current, asked: Arc::clone(&asked) }, Renewals { current: receiver, asked })
    }

    /// Renews again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut said = String::new();
        loop {
            METRICS.certificate(self.current.borrow().good_until().unwrap_or(0));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.due() => {}
                () = self.asked.notified() => {}
            }
            let renewed = tokio::select! {
                () = stop.cancelled() => return,
                renewed = self.renew() => renewed,
            };
            let error = match renewed {
                Ok(identity) => {
                    METRICS.renewed("done");
                    tracing::info!(good_until = identity.good_until(), "the certificate was renewed");
                    self.current.send_replace(Arc::new(identity));
                    backoff.reset();
                    self.forget_what_was_asked().await;
                    said.clear();
                    continue;
                }
                Err(error) => error,
            };
            METRICS.renewed("failed");
            let why = crate::chain(&error);
            if why != said {
                tracing::warn!(error = %why, "the certificate could not be renewed: trying again");
                said = why;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }

    /// Whoever asked while the certificate was renewed has what he wants.
    async fn forget_what_was_asked(&self) {
        tokio::select! {
            biased;
            () = self.asked.notified() => {}
            () = std::future::ready(()) => {}
        }
    }

    /// Waits until half of the certificate's life is over, or nearly. One that cannot be read is due.
    async fn due(&self) {
        let half_life = self.current.borrow().half_life();
        let Some(left) = half_life.and_then(left) else { return };
        let mut left = left.mul_f64(1.0 - JITTER * chance());
        while !left.is_zero() {
            let step = left.min(LOOK_EVERY);
            tokio::time::sleep(step).await;
            // What the clock says counts where it was set forward.
            let by_the_clock = half_life.and_then(self::left).unwrap_or_default();
            left = (left - step).min(by_the_clock);
        }
    }

    async fn renew(&self) -> Result<Identity, Error> {
        let Kept::Identity { identity, key, token, next } = self.store.load().await? else {
            return Err(Error::Corrupt);
        };
        let token = token.as_deref();
        let (next, version) = match next {
            Some(next) => (next, key.version),
            None => {
                let next = key::generate_key()?;
                fail_point::passed(fail_point::RENEWAL_KEY_BEFORE);
                let version = self.store.save_next(&key.version, (&identity, token), &next).await?;
                fail_point::passed(fail_point::RENEWAL_KEY_AFTER);
                (next, version)
            }
        };
        let certificate = certify(&self.hub, &identity, &next).await?;
        fail_point::passed(fail_point::RENEWAL_CERTIFIED);
        let renewed = identity.renewed(next, certificate);
        self.store.save_renewed(&version, (&renewed, token)).await?;
        fail_point::passed(fail_point::RENEWAL_STORED);
        Ok(renewed)
    }
}

/// Asks the hub for a certificate of `next`. Sent twice it is answered the same.
async fn certify(hub: &str, identity: &Identity, next: &str) -> Result<String, Error> {
    let tls = key::renewal_config(identity)?;
    let channel = connect(hub, tls).await.map_err(|source| unconnected(hub, source))?;
    let csr = key::request(next)?;
    let request = RenewRequest {
        protocol_version: proto::PROTOCOL_VERSION,
        spoke_version: env!("CARGO_PKG_VERSION").to_owned(),
        certificate: key::der(&identity.certificate)?,
        proof: key::proof(identity, &csr)?,
        csr,
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, DeliveryClient::new(channel).renew(request)).await;
    let answer = answer.map_err(|_| Error::Answer("it did not come in time"))?;
    let answer =
        answer.map_err(|status| Error::NotRenewed { hub: hub.to_owned(), refusal: refusal(&status) })?;
    let RenewResponse { certificate } = answer.into_inner();
    if !key::is_for(&certificate, next) {
        return Err(Error::Answer("its certificate is for another key"));
    }
    Ok(certificate)
}

/// The time until then; none if it is over.
fn left(at: i64) -> Option<Duration> {
    let at = std::time::UNIX_EPOCH.checked_add(Duration::from_secs(at.try_into().ok()?))?;
    at.duration_since(std::time::SystemTime::now()).ok()
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_or(0.0, |()| f64::from(u16::from_le_bytes(random)) / 65535.0)
}
