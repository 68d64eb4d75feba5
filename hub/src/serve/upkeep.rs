//! What a running hub looks after: its certificate, and what it says of its health.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    app::App,
    identity::{authority, tls::ServerCertificate},
    metrics, postgres, telemetry,
};

/// How often the hub's certificate is made anew: a third of its life, so that two failures are no outage.
const RENEWED_EVERY: Duration = Duration::from_secs(authority::SERVER_LIVES.as_secs().unsigned_abs() / 3);

/// Makes the hub's certificate anew, again and again.
pub(super) async fn renew(certificate: Arc<ServerCertificate>, app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEWED_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let now = app.clock.now();
        match certificate.renew(now) {
            Ok(()) => {
                metrics::expires("hub", now + authority::SERVER_LIVES);
                tracing::info!("the hub's certificate was renewed");
            }
            Err(error) => {
                let chain = telemetry::chain(&error);
                tracing::error!(error = chain, "the hub's certificate was not renewed, it is tried again");
            }
        }
    }
}

/// Health is that of the database: without it nothing can be answered.
pub(super) async fn report_health(
    mut state: watch::Receiver<postgres::State>,
    health: HealthReporter,
    stop: CancellationToken,
) {
    loop {
        let status = match *state.borrow_and_update() {
            postgres::State::Ready { .. } => ServingStatus::Serving,
            postgres::State::Gone | postgres::State::Stopped => ServingStatus::NotServing,
        };
        health.set_service_status("", status).await;
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
