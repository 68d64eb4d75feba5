//! Renewals: a cluster goes by a new key, because its spoke asks for it by the former one, or because a certificate shows
//! that this database is an older one.
//!
//! `hub_core::fleet::keys` decides. What is stored is a compare-and-set with an audit event in the same transaction.

use hub_core::{
    digest::Digest,
    fleet::{
        ClusterId, Name,
        keys::{self, Current, Life, Membership, Refusal, Renewal, Shown},
    },
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;

use super::{App, Error};
use crate::{
    fail_point,
    store::{
        self,
        audit::{self, Actor, Event},
    },
};

/// Whether a spoke is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is the spoke of this cluster.
    Admitted(Name),
    /// It is not, with the cluster's name where there is one.
    Refused(Refusal, Option<Name>),
}

/// What a spoke gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// A certificate in this life.
    Certify(Name, Life),
    /// None, with the cluster's name where there is one.
    Refused(Refusal, Option<Name>),
}

/// Whether a certificate that is good is the cluster's last one: asked once when a session starts. One that is later than
/// what the database knows is taken up: the database was restored from an older dump.
pub async fn admit(app: &App, cluster: ClusterId, shown: Shown) -> Result<Admission, Error> {
    let mut tx = app.begin().await?;
    let (name, membership) = store::clusters::lock_membership(&mut tx, cluster).await?;
    let later = match keys::admit(membership, shown) {
        keys::Admission::Refused(refusal) => return Ok(Admission::Refused(refusal, name)),
        keys::Admission::Current => None,
        keys::Admission::Later(later) => Some(later),
    };
    let Some(name) = name else { return Ok(Admission::Refused(Refusal::Unknown, None)) };
    if let Some(later) = later {
        let change = Change { cluster, name: &name, membership, next: later };
        store(app, &mut tx, change, "cluster.key_recovered").await?;
        store::commit(tx).await?;
        tracing::warn!(
            cluster.name = %name,
            "the certificate of a spoke is later than this database, which must be an older one: it is taken up"
        );
    }
    Ok(Admission::Admitted(name))
}

/// Has a cluster go by `next` in place of the key that was shown, whose certificate ends at `expires_at`. Safe to repeat:
/// the same two keys get the same answer as long as `next` is the last one.
pub async fn renew(
    app: &App,
    cluster: ClusterId,
    (shown, expires_at): (Shown, Timestamp),
    next: Digest,
) -> Result<Renewed, Error> {
    let mut tx = app.begin().await?;
    let (name, membership) = store::clusters::lock_membership(&mut tx, cluster).await?;
    let renewal = keys::renew(membership, (shown, expires_at), next, app.clock.now());
    let Some(name) = name else { return Ok(Renewed::Refused(Refusal::Unknown, None)) };
    match renewal {
        Renewal::Refused(refusal) => Ok(Renewed::Refused(refusal, Some(name))),
        Renewal::SameAgain(life) => Ok(Renewed::Certify(name, life)),
        Renewal::Issue(next) => {
            let change = Change { cluster, name: &name, membership, next };
            let known = matches!(membership, Membership::Active(current) if current.key == shown.key);
            let action = if known { "cluster.key_renewed" } else { "cluster.key_recovered" };
            store(app, &mut tx, change, action).await?;
            store::commit_of(fail_point::RENEWAL, tx).await?;
            Ok(Renewed::Certify(name, next.life))
        }
    }
}

struct Change<'a> {
    cluster: ClusterId,
    name: &'a Name,
    membership: Membership,
    next: Current,
}

/// The row is locked, so that it is as it was when the decision was made.
async fn store(
    app: &App,
    tx: &mut PgConnection,
    change: Change<'_>,
    action: &'static str,
) -> Result<(), store::Error> {
    let Change { cluster, name, membership, next } = change;
    let Membership::Active(former) = membership else { return Ok(()) };
    if !store::clusters::change_key(tx, cluster, &former, &next).await? {
        return Ok(());
    }
    let event = Event {
        at: app.clock.now(),
        actor: Actor::Spoke,
        action,
        subject: format!("cluster/{name}"),
        detail: json!({ "publicKey": next.key, "number": next.life.number, "former": former.life.number }),
    };
    audit::record(tx, event).await
}
